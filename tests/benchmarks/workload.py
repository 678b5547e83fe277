"""What all workloads have in common: a name, contenders, cases, figures, and one way to run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from load import Figures, Tally

Case = dict[str, int]
"""The parameters of one line of the table, by the name of their column."""


class Figure(NamedTuple):
    """One column of the table."""

    key: str
    title: str
    digits: int = 0
    compared: bool = False
    """Whether its ratio to trioclient's is shown."""


@dataclass
class Run:
    """One run of one contender, in a process of its own."""

    contender: str
    case: Case
    seconds: float
    """How long to measure, where that can be chosen."""
    limit: float
    """Seconds after which the run is cut off."""
    url: str = ""
    far_end_pid: int = 0
    cafile: str | None = None
    tally: Tally | None = None
    """Set by a workload that can tell its figures before its end."""

    def start_tally(self, at_once: int) -> Tally:
        self.tally = Tally(at_once, self.far_end_pid)
        return self.tally


class Workload(ABC):
    """Something that is measured: a table of its own in the report."""

    name: str
    title: str
    far_end: str | None = None
    """The kind of far end it needs, see `far_ends`."""
    contenders: Sequence[str]
    figures: Sequence[Figure]
    limit: float | None = None
    """Seconds after which a run is cut off, where it is not for the command line to say."""

    @abstractmethod
    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        """What is measured; `at_once` takes the place of its own numbers, where it has such."""

    @abstractmethod
    def measure(self, run: Run) -> Figures:
        """In this process. Raises ModuleNotFoundError where the contender is not installed."""
