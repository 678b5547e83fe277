"""How a body moves, either way, held against the least that it must.

What that least is was decided above; see `Stall`. Only the time spent waiting for the network counts.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

__all__ = ["Least", "Progress", "slice_bytes"]

_SMALLEST_SLICE: Final = 1024
_LARGEST_SLICE: Final = 65_536


class Least(Protocol):
    """Each so many bytes may take no longer than so many seconds: a `Stall`."""

    @property
    def at_least(self) -> int: ...
    @property
    def within(self) -> float: ...


def slice_bytes(stall: Least) -> int:
    """How much to write at a time where progress shows only between two writes."""
    return min(max(stall.at_least, _SMALLEST_SLICE), _LARGEST_SLICE)


class Progress:
    """Of one body. Instants are seconds on one monotonic clock."""

    __slots__ = ("_began", "_moved", "_waited", "stall")

    def __init__(self, stall: Least) -> None:
        self.stall = stall
        self._moved = 0
        # Of the current span: when the wait began that is going on, and how long those before it took.
        self._began: float | None = None
        self._waited = 0.0

    @property
    def due(self) -> float:
        """The instant by which enough must have moved; ``inf`` while nothing is waited for."""
        return math.inf if self._began is None else self._began + self.stall.within - self._waited

    def wait(self, now: float) -> None:
        """From now on it is waited for the network."""
        self._began = now

    def rest(self, now: float) -> None:
        """From now on it is not: whatever comes next is up to the caller."""
        if self._began is not None:
            self._waited += now - self._began
            self._began = None

    def move(self, size: int, now: float) -> None:
        """So many bytes more have moved. With enough of them another span begins."""
        self._moved += size
        if self._moved >= self.stall.at_least:
            self._moved = 0
            self._waited = 0.0
            if self._began is not None:
                self._began = now
