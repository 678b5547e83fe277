"""The seam between the engine and whatever carries its requests.

An attempt is: `Transport.send` until the answer's head is there, then `WireResponse.receive`
until it returns ``b""``, then `WireResponse.aclose`. Below this seam nobody knows of retries,
redirects, JSON or types; above it nobody knows of sockets.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import trio

from .._codec.headers import header_lines

if TYPE_CHECKING:
    from .._codec.body import RequestBody
    from .._codec.url import Target
    from .._types import Limits, RawHeaders, Sent, Timeouts
    from .progress import Least

__all__ = ["PhaseScope", "Transport", "TransportStatistics", "WireRequest", "WireResponse"]


class PhaseScope:
    """One cancel scope for a whole attempt, its deadline moved from phase to phase.

    Cheaper than a scope per phase, and the deadline of the call needs none of its own: it is
    the ceiling of every phase. When the scope was hit, `phase` says during which.

    An attempt begins in the phase it is given, "read": on a connection that is there, a request
    that goes out at once is followed by nothing but the wait for its answer. Who waits for
    anything else says so, and says when it is over.
    """

    __slots__ = ("_deadline", "ceiling", "phase", "scope", "since")

    def __init__(self, phase: str, seconds: float, now: float, ceiling: float = math.inf) -> None:
        self.since = now
        """The instant on trio's clock at which the phase began."""
        self.ceiling = ceiling
        """The call's deadline on trio's clock, which no phase outlives; ``inf`` for none."""
        self.phase = phase
        self._deadline = min(ceiling, now + seconds)
        self.scope = trio.CancelScope(deadline=self._deadline)

    def enter(self, phase: str, seconds: float) -> None:
        """From now on the attempt is in `phase`, which may take so many `seconds`.

        To move a deadline costs ten times what reading a clock does: it stays where it is, if that
        is right to a hundredth of `seconds`, and not too late.
        """
        self.phase = phase
        self.since = trio.current_time()
        deadline = min(self.ceiling, self.since + seconds)
        if not 0 <= deadline - self._deadline < seconds / 100:
            self._deadline = self.scope.deadline = deadline


class WireRequest(msgspec.Struct, eq=False):
    """One request of one attempt. All of it is given but `sent`, which the transport moves on; a
    redirect changes it.
    """

    method: str
    target: Target
    header_block: bytes
    """The header lines as HTTP/1.1 sends them, each with its line end. Checked, in order, without
    framing headers, and without Host unless the caller set it."""
    body: RequestBody
    timeouts: Timeouts
    limits: Limits
    replayable: bool
    """May be sent again on another connection if a reused one turns out dead."""
    foreign: bool = False
    """It goes to another origin than the client's: a transport adds no credentials of its own."""
    stall: Least | None = None
    """The least progress its body must make; that of the answer's is not the transport's business."""
    sent: Sent = "no"
    """Only ever gets further, over redirects and answers to a challenge, too."""

    def __repr__(self) -> str:
        # Without headers and body: they may hold secrets.
        return f"<WireRequest {self.method} {self.target!r}>"

    @property
    def headers(self) -> RawHeaders:
        """The lines of `header_block`."""
        return header_lines(self.header_block)


class WireResponse(Protocol):
    """An answer whose head is there and whose body is not yet read."""

    status: int
    http_version: str
    """``"HTTP/1.1"`` and the like."""
    headers: RawHeaders
    """Names are lower-case."""

    async def receive(self) -> bytes:
        """The next raw piece of the body (still compressed), ``b""`` at its end.

        Raises a `Fault` where the body is cut short or broken. No timeout of its own: the
        caller's `PhaseScope` bounds it.
        """
        ...

    async def aclose(self) -> None:
        """Give the connection back if the answer was read to its end, else drop it.

        May be called twice, and under cancellation.
        """
        ...


class TransportStatistics(NamedTuple):
    """A reading of a transport's connections; None where it does not know."""

    open: int | None
    """Connecting, busy or idle."""
    idle: int | None
    waiting: int
    """Requests waiting for a connection."""
    replaced: int = 0
    """Kept connections that turned out dead in a request's hands and gave way to a new one, which
    costs no attempt and shows only here."""


class Transport(Protocol):
    """Carries requests. One transport serves any number of concurrent calls of one trio run."""

    async def send(self, request: WireRequest, phases: PhaseScope) -> WireResponse:
        """Send `request` and wait for the head of its answer.

        The caller has entered ``phases.scope``; the transport calls ``phases.enter`` as it
        moves on (``"pool"``, ``"connect"``, ``"write"``, ``"read"``). Raises a `Fault`.
        """
        ...

    async def aclose(self) -> None:
        """Close what is idle and refuse new work. May be called twice."""
        ...

    def statistics(self) -> TransportStatistics:
        """How things stand."""
        ...
