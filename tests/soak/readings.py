"""What is counted while the soak goes on, and whether it was flat."""

from __future__ import annotations

import gc
import os
import statistics
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import trio

__all__ = ["Comparison", "Reading", "compared", "read_process", "table"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Reading(NamedTuple):
    """One look at the process."""

    memory: float
    """Resident, in MiB. Grows for a while before it is flat, as its pieces find their places."""
    objects: int
    """Known to Python's collector."""
    descriptors: int
    threads: int
    tasks: int
    """Of the trio run, and of the one behind the blocking clients."""
    connections: int
    """Open, as the clients count them."""


# By how much the last quarter's median may be above the second's: a share, and so many besides. What
# follows the load swings with it, most of all in a short soak; at rest nothing may be left of it.
_TOLERANCE = Reading(memory=0.04, objects=0.05, descriptors=0.25, threads=0.25, tasks=0.25, connections=0.25)
_SLACK = Reading(memory=10.0, objects=5000, descriptors=30, threads=8, tasks=40, connections=30)


class Comparison(NamedTuple):
    """Of one figure."""

    figure: str
    before: float
    after: float
    most: float

    @property
    def flat(self) -> bool:
        return self.after <= self.most


def read_process(tasks: int, connections: int) -> Reading:
    """A reading now; what only the caller can know is given."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Reading(
        memory=resident * _PAGE_BYTES / 2**20,
        objects=len(gc.get_objects()),
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=threading.active_count(),
        tasks=trio.lowlevel.current_statistics().tasks_living + tasks,
        connections=connections,
    )


def compared(readings: Sequence[Reading]) -> list[Comparison]:
    """The medians of the second and the last quarter, figure by figure."""
    quarter = len(readings) // 4
    if not quarter:
        raise ValueError(f"{len(readings)} readings have no quarters")
    comparisons: list[Comparison] = []
    for place, figure in enumerate(Reading._fields):
        values = [reading[place] for reading in readings]
        before = statistics.median(values[quarter : 2 * quarter])
        after = statistics.median(values[-quarter:])
        most = before * (1 + _TOLERANCE[place]) + _SLACK[place]
        comparisons.append(Comparison(figure, before, after, most))
    return comparisons


def table(comparisons: Sequence[Comparison]) -> str:
    lines = [f"{'':12}{'2nd quarter':>14}{'last quarter':>14}{'at most':>14}"]
    lines += [
        f"{one.figure:12}{one.before:14,.1f}{one.after:14,.1f}{one.most:14,.1f}  {'flat' if one.flat else 'GROWS'}"
        for one in comparisons
    ]
    return "\n".join(lines)
