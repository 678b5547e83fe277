"""How fast a run goes of late: items finished per second.

Counted by whole seconds, of which the last ten are kept, and the current one: a mean over ten to
eleven seconds, or since the start where the run is younger. Somebody who looks every second
sees a figure that is steady, and that has forgotten in ten seconds how it was before.

Nothing is done per item but to compare the clock with the end of the current second.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Throughput"]

_SECONDS: Final = 10


class Throughput:
    """Reads no clock: instants are handed in, and how many items have finished by then."""

    __slots__ = ("_counted", "_finished", "turn")

    def __init__(self, began: float) -> None:
        self.turn = began + 1.0
        """The end of the current second: from then on `turn_over` is to be called first."""
        self._counted: deque[int] = deque(maxlen=_SECONDS)
        self._finished = 0

    def turn_over(self, now: float, finished: int) -> None:
        """The second is over; `finished` items had been by its end."""
        idle = int(now - self.turn)
        self._counted.append(finished - self._finished)
        self._counted.extend([0] * min(idle, _SECONDS))
        self._finished = finished
        self.turn += idle + 1

    def reading(self, now: float, finished: int) -> tuple[int, float]:
        """Items that finished of late, and in how many seconds."""
        if now >= self.turn:
            self.turn_over(now, finished)
        began = self.turn - 1.0 - len(self._counted)
        return sum(self._counted) + finished - self._finished, now - began
