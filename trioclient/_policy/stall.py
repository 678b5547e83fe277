"""The least progress that a body must make, whichever way it goes.

A timeout of a phase asks whether anything moves; a server that sends a byte now and then, or a
link that has all but died, passes it. `Stall` asks how much moves: each `at_least` bytes may take
no longer than `within` seconds. What is left of a body at its end may be less, but takes no longer
either.

Only the time spent waiting for the network counts: not that in which a caller does not ask for the
next piece of a stream, nor that in which its own iterator gives no piece of an upload. The head of
an answer is the read timeout's business.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import force_setattr

from .._types import checked_int, checked_seconds

__all__ = ["Stall"]


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """A body that moves fewer than `at_least` bytes in `within` seconds of waiting for the network is given
    up, sent or received: `APITimeoutError`, and another attempt as after any timeout; in a stream
    `APIStreamError`. Raises TypeError or ValueError naming the field.

    What the client writes itself is seen as it leaves, or as the other side takes it where the
    system tells (Linux, macOS). Of what goes through an ``httpx`` client each slice, of `at_least`
    bytes but of 1 to 64 KiB, must be taken by the system in `within` seconds; the flow control
    of HTTP/2 is not seen there, nor what a transport does that is not httpcore's.
    """

    at_least: int = 1024
    """Bytes, 1 or more, as they cross the wire."""
    within: float = 30.0
    """Seconds, more than 0."""

    def __post_init__(self) -> None:
        force_setattr(self, "at_least", checked_int(self.at_least, "stall.at_least", 1))
        force_setattr(self, "within", checked_seconds(self.within, "stall.within"))
        if not 0 < self.within < math.inf:
            raise ValueError(f"stall.within must be a finite number of seconds above 0, not {self.within!r}")
