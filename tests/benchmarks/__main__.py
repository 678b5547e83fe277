"""trioclient beside its peers: what a request costs, an event, an import, a cancellation.

    pip install -e '.[bench]' && python tests/benchmarks

Contenders take turns within a round (A B C A B C), each run in a fresh process, so that a slow
minute of the machine hurts all of them. The far end runs beside them: nginx, where it is installed
(`apt install nginx-light`), else a server in Python. Trust the ratios, not the figures. A contender
whose package is not installed is left out.

Into the output folder go `report.md`, `results.json` with every run, and `cpu_per_request.png`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import machine
import plot
import report
from far_end import far_ends
from runner import Measured, Rounds, described
from samples import BASE
from workload import Case, Workload
from workloads import CONTENDERS, WORKLOADS


def main() -> None:
    options = parsed_options()
    machine.raise_descriptor_limit()
    far_end_cores, client_cores = machine.split_cores()
    conditions = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        **machine.described(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "far end cores": ", ".join(map(str, far_end_cores)),
        "client cores": ", ".join(map(str, client_cores)),
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    rounds = Rounds(options.rounds, options.seconds, options.limit, client_cores, progress)
    chosen = [(WORKLOADS[name], *taking_part(WORKLOADS[name], options)) for name in options.workloads]
    kinds = [workload.far_end for workload, _, contenders in chosen if workload.far_end and contenders]
    measured: dict[str, Measured] = {}
    began = time.monotonic()
    with far_ends(kinds, far_end_cores) as servers:
        for workload, cases, contenders in chosen:
            if contenders:
                server = servers[workload.far_end] if workload.far_end else None
                measured[workload.name] = rounds.measured(workload, contenders, cases, server)
                print(f"\n{report.table(measured[workload.name])}", flush=True)
                write(options.out, conditions, measured)
    draw(options.out / "cpu_per_request.png", measured)
    progress(f"{time.monotonic() - began:.0f} s; see {options.out}")
    if failed := failures(measured.values()):
        raise SystemExit("\n".join(failed))


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS, metavar="NAME")
    parser.add_argument(
        "--concurrency",
        type=int,
        nargs="+",
        metavar="N",
        help="at once, or threads, in place of a workload's own numbers",
    )
    parser.add_argument("--rounds", type=int, help="3, with --quick 1")
    parser.add_argument("--seconds", type=float, help="to measure in each run; 1, with --quick 0.3")
    parser.add_argument("--limit", type=float, help="seconds after which a run is cut off; 15, with --quick 5")
    parser.add_argument("--quick", action="store_true", help="a few minutes in all, to be trusted less")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), metavar="FOLDER")
    options = parser.parse_args()
    rounds, seconds, limit = (1, 0.3, 5.0) if options.quick else (3, 1.0, 15.0)
    options.rounds, options.seconds = options.rounds or rounds, options.seconds or seconds
    options.limit = options.limit or limit
    return options


def taking_part(workload: Workload, options: argparse.Namespace) -> tuple[list[Case], list[str]]:
    cases = list(workload.cases(options.concurrency, quick=options.quick))
    return cases, [contender for contender in workload.contenders if contender in options.contenders]


def progress(said: str) -> None:
    print(said, file=sys.stderr, flush=True)


def write(folder: Path, conditions: dict[str, Any], measured: dict[str, Measured]) -> None:
    """All that is known so far; called after each workload, so that an interrupt loses little."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report.markdown(conditions, measured), encoding="utf-8")
    raw = json.dumps(report.raw(conditions, measured), indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(raw, encoding="utf-8")


def draw(path: Path, measured: dict[str, Measured]) -> None:
    try:
        plot.draw(measured, path)
    except ModuleNotFoundError as missing:
        progress(f"no picture: {missing}")


def failures(measured: Iterable[Measured]) -> list[str]:
    """Runs of trioclient itself that have no figures. Those of others are lines of the report."""
    return [
        f"{one.workload.name} {described(result.case)}: {result.note}"
        for one in measured
        for result in one.results
        if result.contender.startswith(BASE) and not result.figures
    ]


if __name__ == "__main__":
    main()
