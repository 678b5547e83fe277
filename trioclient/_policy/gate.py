"""One gate for the calls that share a limit, closed for a while when the server asked for it.

A thousand calls that share one rate limit would each send a request, be turned away and come
back together. Instead the first 429 or 503 that names a delay closes the gate for all of them
(`hold`), and every call asks before each attempt when it may go (`opens_at`). Each draws its own
instant after the opening, so they come back spread over a share of the delay, not at one instant,
and on a ramp: with ``draw`` even over [0, 1), the share ``sqrt(draw)`` of the spread lets few go
at first and more and more after them. Where the server still says no, the first few find out.

A call that has waited asks again before it goes: another answer may have moved the opening.
"""

from __future__ import annotations

import math

__all__ = ["Gate"]


class Gate:
    """Open until held. Instants are seconds on the monotonic clock of the caller."""

    __slots__ = ("_spread", "held_until", "jitter")

    _spread: float
    """Seconds after the opening; of a gate that was held."""

    def __init__(self, jitter: float = 0.25) -> None:
        self.jitter = jitter
        """Share of the delay over which waiting calls are spread."""
        self.held_until = -math.inf
        """The instant before which nothing goes."""

    def hold(self, now: float, delay: float) -> None:
        """Close for `delay` seconds from `now`; a gate closed for longer stays as it is."""
        until = now + delay
        if until > self.held_until:
            self.held_until = until
            self._spread = delay * self.jitter

    def opens_at(self, now: float, draw: float) -> float:
        """The instant a call may go: `now` if open, else after the opening; `draw` is in [0, 1)."""
        if now >= self.held_until:
            return now
        return self.held_until + math.sqrt(draw) * self._spread
