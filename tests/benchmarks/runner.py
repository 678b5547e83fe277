"""Runs contenders in turns, A B C A B C, each run in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import machine
from far_end import FarEnd
from load import Figures
from workload import Case, Run, Workload

CHILD = str(Path(__file__).with_name("child.py"))
GRACE = 30
"""Seconds beyond its limit after which a run that did not end by itself is killed."""


@dataclass(frozen=True)
class Result:
    """What came of one run: figures, or a note that says why there are none, or both."""

    contender: str
    case: Case
    round: int
    figures: Figures
    note: str


@dataclass
class Measured:
    """All results of one workload."""

    workload: Workload
    far_end: str
    results: list[Result] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    """Contenders that could not take part, and why."""

    def of(self, contender: str, case: Case) -> list[Result]:
        return [one for one in self.results if (one.contender, one.case) == (contender, case)]

    def cases(self) -> list[Case]:
        found: list[Case] = []
        for result in self.results:
            if result.case not in found:
                found.append(result.case)
        return found

    def contenders(self) -> list[str]:
        return list(dict.fromkeys(result.contender for result in self.results))


@dataclass(frozen=True)
class Rounds:
    """How everything is run."""

    count: int
    seconds: float
    limit: float
    cores: Sequence[int]
    """Where the clients run; anywhere, if empty."""
    progress: Callable[[str], None]

    def measured(
        self, workload: Workload, contenders: Sequence[str], cases: Sequence[Case], far_end: FarEnd | None
    ) -> Measured:
        """All rounds of one workload. A run that failed or was cut off is not repeated: it would be again."""
        measured = Measured(workload, far_end.server if far_end else "")
        for case in cases:
            done: set[str] = set()
            for number in range(self.count):
                for contender in self._still(contenders, measured, done):
                    self.progress(f"{workload.name} {described(case)} {contender}, round {number + 1}")
                    run = Run(contender, case, self.seconds, workload.limit or self.limit, **_where(far_end))
                    said = self._said_by(workload, run)
                    if "missing" in said:
                        measured.absent[contender] = said["missing"]
                        continue
                    if said["note"]:
                        done.add(contender)
                    measured.results.append(Result(contender, case, number, said["figures"], said["note"]))
        return measured

    def _still(self, contenders: Sequence[str], measured: Measured, done: set[str]) -> Iterator[str]:
        return (one for one in contenders if one not in measured.absent and one not in done)

    def _said_by(self, workload: Workload, run: Run) -> Mapping[str, Any]:
        """What the run's own process has to say; see `child`."""
        command = [sys.executable, CHILD, workload.name, json.dumps(asdict(run))]
        with subprocess.Popen(
            command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            machine.pin(self.cores, child.pid)
            try:
                output, errors = child.communicate(timeout=run.limit + GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                return {"figures": {}, "note": f"killed after {run.limit + GRACE:g} s"}
        if child.returncode == 0:
            return json.loads(output)
        last_line = errors.strip().rpartition("\n")[2]
        return {"figures": {}, "note": last_line or f"ended with status {child.returncode}"}


def described(case: Case) -> str:
    return ", ".join(f"{value:,} {name}" for name, value in case.items())


def _where(far_end: FarEnd | None) -> dict[str, Any]:
    return {"url": far_end.url, "far_end_pid": far_end.pid, "cafile": far_end.cafile} if far_end else {}


def _environment() -> dict[str, str]:
    """Without proxies, which would stand between the client and the far end, and with byte code kept."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name != "PYTHONDONTWRITEBYTECODE"
    }
