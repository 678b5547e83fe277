"""What goes wrong below the engine.

A transport or a codec knows only its own trouble: not the request, the attempt count or the
time spent. It raises a `Fault`; the engine alone turns one into an `APIError`. Callers never
see a `Fault`. How much of the request was sent is noted on the `WireRequest` itself.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "ClosedFault",
    "CodingFault",
    "ConnectFault",
    "DisconnectFault",
    "Fault",
    "LimitFault",
    "ProtocolFault",
    "StallFault",
    "TimeoutFault",
]


class Fault(Exception):
    """The root; `str()` is one sentence without credentials."""


class ConnectFault(Fault):
    """No connection: name look-up, connect or TLS handshake failed."""


class DisconnectFault(Fault):
    """The connection broke, or ended before the answer was whole."""


class ProtocolFault(Fault):
    """The peer does not speak the HTTP it should."""


class CodingFault(Fault):
    """A body's compression is unknown or corrupt; never retried, as it would come again."""


class TimeoutFault(Fault):
    """One phase took longer than its timeout."""

    def __init__(self, phase: str) -> None:
        super().__init__(f"the {phase} timeout passed")
        self.phase = phase


class StallFault(TimeoutFault):
    """A body moved, but too little; see `Stall`."""

    def __init__(self, body: Literal["request", "answer"], at_least: int, within: float) -> None:
        moved = "were taken" if body == "request" else "came"
        Fault.__init__(self, f"the {body}'s body stalled: fewer than {at_least:,} bytes {moved} in {within:g} s")
        self.phase = "stall"


class LimitFault(Fault):
    """A bound of `Limits` was hit; never retried."""

    def __init__(self, limit: str, value: float) -> None:
        super().__init__(f"{limit} ({value:,}) was exceeded")
        self.limit = limit
        self.value = value


class ClosedFault(Fault):
    """The client was closed before or during the call; never retried."""

    def __init__(self) -> None:
        super().__init__("the client was closed")
