"""What a client has done and is doing, in numbers."""

from __future__ import annotations

__all__ = ["Counts"]


class Counts:
    """Running numbers of a client and its copies."""

    __slots__ = ("attempts", "calls", "hedges", "hedges_won", "in_flight", "resting", "retries", "sleeping")

    def __init__(self) -> None:
        self.calls = 0
        self.in_flight = 0
        """Calls begun and not ended."""
        self.attempts = 0
        self.retries = 0
        self.hedges = 0
        """Second copies that were sent."""
        self.hedges_won = 0
        self.sleeping = 0
        """Calls that wait with nothing on the wire: in a back-off, in line, at a gate."""
        self.resting = _Resting(self)
        """A context manager for such a wait."""

    @property
    def on_the_wire(self) -> int:
        """Calls with an attempt under way."""
        return self.in_flight - self.sleeping


class _Resting:
    __slots__ = ("_counts",)

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def __enter__(self) -> None:
        self._counts.sleeping += 1

    def __exit__(self, *_: object) -> None:
        self._counts.sleeping -= 1
