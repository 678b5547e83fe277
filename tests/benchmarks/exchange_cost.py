"""What a scripted exchange costs in instructions, calls and task switches: no clock, no noise.

    python tests/benchmarks/exchange_cost.py                             every exchange, beside what is stored
    python tests/benchmarks/exchange_cost.py post                        where it goes, function by function
    python tests/benchmarks/exchange_cost.py post --against ../before    beside another checkout
    python tests/benchmarks/exchange_cost.py post --callgrind            machine instructions, by valgrind
    python tests/benchmarks/exchange_cost.py --record [PYTHON ...]       store what each of these needs

The far end is in the same process. Counted are the byte code instructions of trioclient's own files,
the calls of its functions (a coroutine that goes on after a wait is one more), the calls that those
make, and the steps of trio's tasks: the same in every run, whatever the release of trio or msgspec.
What goes on inside of those is not seen; with `--callgrind` it is. Each version of Python has byte
code of its own, and so figures of its own in `STORED`, with which `tests/house/test_cost.py` compares.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from meter import PACKAGE, Costs, Meter
from scripted_exchanges import EXCHANGES

STORED = Path(__file__).parents[1] / "house" / "exchange_cost.json"
"""Python's minor version -> exchange -> figure -> how much of it."""

SLACK = {"instructions": 0.05, "calls": 0.05, "steps": 0.10}
"""The figures, and the part by which each may be above the stored one."""

SLACK_ELSEWHERE = 0.30
"""The same on a Python without figures of its own, where the newest one's count."""


def measure(names: list[str]) -> dict[str, Costs]:
    """In this process, which should do nothing else."""
    gc.disable()
    measured: dict[str, Costs] = {}
    for name in names:
        exchange, meter = EXCHANGES[name], Meter()
        meter.install()
        exchange.run(meter, exchange.times)
        meter.remove()
        measured[name] = meter.costs(exchange.times)
    return measured


# The verdict.

Figures = dict[str, dict[str, float]]
"""Exchange -> figure -> how much of it."""


def totals(measured: dict[str, Costs]) -> Figures:
    return {
        name: {figure: round(sum(costs[figure].values()), 2) for figure in SLACK} for name, costs in measured.items()
    }


def complaints(python: str, now: Figures, stored: dict[str, Figures]) -> list[str]:
    """What is dearer than the slack allows, or so much cheaper that a slowdown would hide in the gain."""
    known = python in stored
    slack = SLACK if known else dict.fromkeys(SLACK, SLACK_ELSEWHERE)
    then = stored[python if known else max(stored, key=minor)]
    found: list[str] = []
    for name in now:
        if name not in then:
            found.append(f"{name} has no figures stored")
            continue
        for figure, amount in now[name].items():
            before = then[name][figure]
            change = amount / before - 1
            if change > slack[figure] or (known and change < -2 * slack[figure]):
                word = "dearer" if change > 0 else "cheaper"
                found.append(
                    f"{name} is {word} on Python {python}: {amount:,} {figure} after {before:,} ({change:+.1%})"
                )
    return found


def minor(python: str) -> int:
    return int(python.partition(".")[2])


WHAT_TO_DO = """
To see where it goes, beside a checkout of the code as it was:
    python tests/benchmarks/exchange_cost.py EXCHANGE --against CHECKOUT
If it is to stay so, store the new figures; needs an interpreter of each version with the tests' dependencies:
    python tests/benchmarks/exchange_cost.py --record {pythons}
"""


# The program.


def in_child(python: str, tree: Path, *arguments: str, under: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """This program in a fresh process, with the package of that tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}
    command = [*under, python, __file__, *arguments]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{child.stderr}")
    return child


def measured_in(tree: Path, names: list[str], python: str = sys.executable) -> tuple[str, dict[str, Costs]]:
    """Python's version, and the costs."""
    return json.loads(in_child(python, tree, *names, "--child").stdout)


def read_figures(file: Path) -> dict[str, Figures]:
    return json.loads(file.read_text(encoding="ascii")) if file.exists() else {}


def record(names: list[str], pythons: list[str], file: Path) -> None:
    stored = read_figures(file)
    for python in pythons:
        version, measured = measured_in(PACKAGE.parent, names, python)
        known = stored.get(version, {}) | totals(measured)
        stored[version] = {name: known[name] for name in EXCHANGES if name in known}
        print(f"Python {version}: {len(measured)} exchanges")
    versions: list[str] = []
    for version in sorted(stored, key=minor):
        lines = [f'    "{name}": {json.dumps(figures)}' for name, figures in stored[version].items()]
        versions.append(f'  "{version}": {{\n' + ",\n".join(lines) + "\n  }")
    file.write_text("{\n" + ",\n".join(versions) + "\n}\n", encoding="ascii")


def machine_instructions(name: str, tree: Path) -> float:
    """Of the whole process, per exchange: trio, msgspec and the interpreter are in it."""

    def of(times: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            valgrind = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out")
            child = in_child(sys.executable, tree, name, "--times", str(times), under=valgrind)
        return int(re.findall(r"refs:\s*([\d,]+)", child.stderr)[-1].replace(",", ""))

    return (of(1000) - of(200)) / 800


def print_figures(title: str, figures: Figures) -> None:
    print(f"{title:<24}" + "".join(f"{figure:>14}" for figure in SLACK))
    for name, amounts in figures.items():
        print(f"    {name:<20}" + "".join(f"{amounts[figure]:>14,.6g}" for figure in SLACK))


def print_functions(now: Costs, before: Costs | None) -> None:
    """The dearest first; beside another checkout, what has become dearer most."""
    for figure in SLACK:
        print(f"\n{figure:>14}" + ("" if before is None else f"{'before':>14}{'more':>14}"))
        if before is None:
            for function, amount in sorted(now[figure].items(), key=lambda item: -item[1]):
                print(f"{amount:>14,.6g}  {function}")
            continue
        then = before[figure]
        more = {function: now[figure].get(function, 0) - then.get(function, 0) for function in now[figure] | then}
        for function, change in sorted(more.items(), key=lambda item: -item[1]):
            if change:
                amount = now[figure].get(function, 0)
                print(f"{amount:>14,.6g}{amount - change:>14,.6g}{change:>+14,.6g}  {function}")


def show(names: list[str], against: Path | None, file: Path) -> None:
    python, measured = measured_in(PACKAGE.parent, names)
    print_figures(f"Python {python}", totals(measured))
    before: dict[str, Costs] = {}
    if against is not None:
        _, before = measured_in(against, names)
        print_figures(str(against), totals(before))
    else:
        stored = read_figures(file).get(python, {})
        print_figures("stored", {name: stored[name] for name in names if name in stored})
    if len(names) == 1:
        print_functions(measured[names[0]], before.get(names[0]))


def show_machine_instructions(names: list[str], against: Path | None) -> None:
    for name in names:
        before = "" if against is None else f", {machine_instructions(name, against):,.0f} there"
        print(f"{name}: {machine_instructions(name, PACKAGE.parent):,.0f} machine instructions{before}", flush=True)


def check(names: list[str], file: Path) -> None:
    """Whether this process needs what is stored; exits with what it does not."""
    stored = read_figures(file)
    found = complaints(VERSION, totals(measure(names)), stored)
    if found:
        pythons = " ".join(f"python{version}" for version in sorted(stored, key=minor))
        raise SystemExit("\n".join([*found, WHAT_TO_DO.format(pythons=pythons)]))


VERSION = "{}.{}".format(*sys.version_info)


def main() -> None:
    options = parsed_options()
    names = options.exchange or list(EXCHANGES)
    if options.child:
        json.dump((VERSION, measure(names)), sys.stdout)
    elif options.times is not None:
        EXCHANGES[names[0]].run(Meter(), options.times)
    elif options.check:
        check(names, options.figures)
    elif options.record is not None:
        record(names, options.record or [sys.executable], options.figures)
    elif options.callgrind:
        show_machine_instructions(names, options.against)
    else:
        show(names, options.against, options.figures)


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", nargs="*", help=f"any of: {', '.join(EXCHANGES)}; all if left out")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="compare with another checkout")
    parser.add_argument("--callgrind", action="store_true", help="count machine instructions, with valgrind")
    parser.add_argument("--check", action="store_true", help="fail unless the figures are those stored")
    parser.add_argument("--record", nargs="*", metavar="PYTHON", help="store the figures of these interpreters")
    parser.add_argument("--figures", type=Path, default=STORED, metavar="FILE", help="where figures are stored")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.exchange) - set(EXCHANGES):
        parser.error(f"no exchange is called {', '.join(map(repr, unknown))}; there are {', '.join(EXCHANGES)}")
    return options


if __name__ == "__main__":
    main()
