"""The numbers aimed at, and whether they were reached. "CPU" is that of the client's process."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from runner import Measured
from samples import Samples, differences, ratios, samples, spread
from workload import Case


class Sample(NamedTuple):
    """One figure of one line of the tables."""

    workload: str
    case: Case
    contender: str
    key: str

    def values(self, measured: Mapping[str, Measured]) -> Samples:
        found = measured.get(self.workload)
        return samples(found, self.contender, self.case, self.key) if found else {}


class Goal(NamedTuple):
    what: str
    aim: str
    bound: float
    sample: Sample
    beside: Sample | None = None
    compared: Callable[[Samples, Samples], list[float]] = ratios
    at_least: bool = False
    digits: int = 3

    def values(self, measured: Mapping[str, Measured]) -> list[float]:
        """By round; empty where it was not measured."""
        values = self.sample.values(measured)
        return list(values.values()) if self.beside is None else self.compared(values, self.beside.values(measured))

    def reached(self, values: Sequence[float]) -> bool:
        median = statistics.median(values)
        return median >= self.bound if self.at_least else median <= self.bound


def _beside(workload: str, case: Case, key: str, *contenders: str) -> list[Sample]:
    return [Sample(workload, case, contender, key) for contender in contenders]


def _goals() -> list[Goal]:
    ours, sdk, aiohttp, bare = _beside(
        "post-1k", {"at once": 50}, "cpu", "trioclient", "anthropic-trio", "aiohttp-uvloop", "bare-trio"
    )
    many, many_sdk, many_aiohttp = _beside(
        "post-1k", {"at once": 1000}, "rate", "trioclient", "anthropic-trio", "aiohttp-uvloop"
    )
    goals = [
        Goal("POST, 50 at once: CPU per request over the Anthropic SDK's", "≤ 1/12", 1 / 12, ours, sdk),
        Goal("... over aiohttp's on uvloop", "≤ 2/3", 2 / 3, ours, aiohttp),
        Goal("... over that of a bare trio socket loop", "≤ 2", 2, ours, bare),
        Goal("POST, 1000 at once: requests/s over the Anthropic SDK's", "≥ 30", 30, many, many_sdk, at_least=True),
        Goal("... over aiohttp's on uvloop", "≥ 1.5", 1.5, many, many_aiohttp, at_least=True),
        Goal("... CPU per request over that at 50", "≤ 1.3", 1.3, many._replace(key="cpu"), ours),
    ]
    for key, what in (("p50", "time"), ("cpu", "CPU")):
        one, httpx, requests, urllib3 = _beside(
            "threads", {"threads": 1}, key, "trioclient", "httpx", "requests", "urllib3"
        )
        goals += [
            Goal(f"One blocking call: {what} over that of httpx.Client", "≤ 1/2", 1 / 2, one, httpx),
            Goal("... over that of requests", "≤ 1/3", 1 / 3, one, requests),
            Goal("... over that of urllib3", "< 1", 1, one, urllib3),
        ]
    for chunk in (256, 1400, 65536):
        events, sdk_events = _beside("events", {"bytes a chunk": chunk}, "rate", "trioclient", "anthropic-trio")
        what = f"Events/s in chunks of {chunk:,} bytes over the Anthropic SDK's"
        goals.append(Goal(what, "≥ 12", 12, events, sdk_events, at_least=True))
    large, small = (Sample("one-event", {"MB": size}, "trioclient", "milliseconds") for size in (4, 1))
    goals.append(Goal("One event of 4 MB in chunks of 1,400 bytes: time over that of 1 MB", "≤ 5", 5, large, small))
    fan_out = Sample("fan-out", {"items": 1_000_000}, "trioclient", "rate")
    cancelled = Sample("cancel", {"at once": 1000}, "trioclient", "milliseconds")
    imported, trio = _beside("imports", {}, "milliseconds", "trioclient", "trio")
    return [
        *goals,
        Goal("Fan-out of a million: items/s", "≥ 50,000", 50_000, fan_out, at_least=True, digits=0),
        Goal("... MB above the start", "≤ 64", 64, fan_out._replace(key="memory"), digits=1),
        Goal("Import: ms above trio's", "≤ 60", 60, imported, trio, differences, digits=1),
        Goal("Cancel of 1000 requests: ms until all are back", "≤ 100", 100, cancelled, digits=1),
        Goal("... connections left", "0", 0, cancelled._replace(key="connections"), digits=0),
        Goal("... descriptors left", "0", 0, cancelled._replace(key="descriptors"), digits=0),
    ]


def lines(measured: Mapping[str, Measured]) -> list[str]:
    """A Markdown table of those goals that were measured; nothing, where none was."""
    rows: list[str] = []
    for goal in _goals():
        if values := goal.values(measured):
            verdict = "yes" if goal.reached(values) else "**no**"
            rows.append(f"| {goal.what} | {goal.aim} | {spread(values, goal.digits)} | {verdict} |")
    return ["| what | aim | measured | reached |", "|---|---|---|---|", *rows] if rows else []
