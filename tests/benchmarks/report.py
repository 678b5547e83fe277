"""What was measured, as Markdown and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import goals
from runner import Measured, described
from samples import BASE, ratios, samples, spread, times
from workload import Case


def markdown(conditions: Mapping[str, Any], measured: Mapping[str, Measured]) -> str:
    parts = [_head(conditions)]
    if aims := goals.lines(measured):
        parts.append("\n".join(["## The numbers aimed at", "", *aims]))
    overviews = [
        overview(one) for one in measured.values() if {"rate", "cpu"} <= {key for key, *_ in one.workload.figures}
    ]
    if overviews:
        parts += ["## In short", *overviews]
    parts += [table(one) for one in measured.values()]
    return "\n\n".join(parts) + "\n"


def raw(conditions: Mapping[str, Any], measured: Mapping[str, Measured]) -> dict[str, Any]:
    """Every run by itself, for JSON."""
    workloads = [
        {
            "name": name,
            "title": one.workload.title,
            "far end": one.far_end,
            "absent": one.absent,
            "results": [asdict(result) for result in one.results],
        }
        for name, one in measured.items()
    ]
    return {**conditions, "workloads": workloads}


def _head(conditions: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in conditions["libraries"].items())
    cores = conditions["client cores"]
    pinned = f"far end on core {conditions['far end cores']}, clients on {cores}" if cores else "nobody is pinned"
    return f"""# trioclient beside its peers

{conditions["date"]}, {conditions["python"]}, {conditions["system"]}, {conditions["processor"]}, \
{conditions["cores"]} cores, {pinned}, load before the start {conditions["load"]}.

{libraries}.

Rounds: {conditions["rounds"]}, of {conditions["seconds"]:g} s a run. Shown are the median and, in brackets, the \
extremes over the rounds; "×" is the median of the ratios to {BASE} of the same round. CPU is user and system time of \
the client's process, memory its peak above that before the first request, "far end busy" the share of its one core \
that the server used. A run that was cut off or failed was not repeated."""


def overview(measured: Measured) -> str:
    """One workload in short: a line for each contender, a column for each case."""
    cases = measured.cases()
    rate, cpu = (next(figure for figure in measured.workload.figures if figure.key == key) for key in ("rate", "cpu"))
    lines = [
        f"### {measured.workload.title}: {rate.title} · {cpu.title}",
        "",
        _line(["client", *map(described, cases)]),
        _line(["---"] + ["---:"] * len(cases)),
        *(
            _line([contender, *(_short(measured, contender, case, cpu.digits) for case in cases)])
            for contender in measured.contenders()
        ),
    ]
    return "\n".join(lines)


def _short(measured: Measured, contender: str, case: Case, digits: int) -> str:
    rate, cpu = (list(samples(measured, contender, case, key).values()) for key in ("rate", "cpu"))
    if not rate:
        return "failed" if measured.of(contender, case) else ""
    mark = " (cut off)" if any(result.note for result in measured.of(contender, case)) else ""
    return f"{statistics.median(rate):,.0f} · {statistics.median(cpu):,.{digits}f}{mark}"


def table(measured: Measured) -> str:
    """One workload."""
    workload = measured.workload
    shown = [figure for figure in workload.figures if any(figure.key in result.figures for result in measured.results)]
    parameters = list(measured.cases()[0]) if measured.results else []
    columns = [*parameters, "client"]
    for figure in shown:
        columns += [figure.title, "×"] if figure.compared else [figure.title]
    rows = list(_rows(measured, shown))
    aligned = ["---"] * (len(parameters) + 1) + ["---:"] * (len(columns) - len(parameters) - 1)
    if any(row[-1] for row in rows):
        columns.append("note")
        aligned.append("---")
    else:
        rows = [row[:-1] for row in rows]
    by = f" Far end: {measured.far_end}." if measured.far_end else ""
    lines = [
        f"## {workload.title}",
        "",
        f"`python tests/benchmarks --workloads {workload.name}`.{by}",
        *(f"Without {contender}: {reason}." for contender, reason in measured.absent.items()),
        "",
        _line(columns),
        _line(aligned),
        *map(_line, rows),
    ]
    return "\n".join(lines)


def _rows(measured: Measured, shown: list[Any]) -> Iterator[list[str]]:
    for case in measured.cases():
        for contender in measured.contenders():
            if results := measured.of(contender, case):
                cells = [f"{value:,}" for value in case.values()]
                notes = dict.fromkeys(result.note for result in results if result.note)
                figures = _cells(measured, case, contender, shown)
                yield [*cells, contender, *figures, "; ".join(notes).replace("|", "/")]


def _cells(measured: Measured, case: Case, contender: str, shown: list[Any]) -> Iterator[str]:
    for figure in shown:
        values = samples(measured, contender, case, figure.key)
        yield spread(list(values.values()), figure.digits)
        if figure.compared:
            yield "" if contender == BASE else times(ratios(values, samples(measured, BASE, case, figure.key)))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
