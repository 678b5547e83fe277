"""Watching one exchange inside httpx through its ``trace`` extension.

httpcore, which carries httpx's requests, tells of each step as it starts and completes. From
that come two things that httpx alone does not give:

- The phase and its bound. httpx's read timeout starts anew with every byte, so a head that
  drips, or an endless run of 1xx answers, outlives it. Here the whole head has that long.
- Nothing lost to a cancellation. While a connection is made, and before it is first used, a
  cancelled request leaves things behind: the socket of a TLS handshake to the garbage
  collector, a connection in the pool. They are closed here.

A transport that is not httpcore's tells nothing: its requests are in the phase "httpx".
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import trio

from .httpx_delivery import CONNECTING, Delivery
from .httpx_pool import close_orphans

if TYPE_CHECKING:
    from .protocol import PhaseScope, WireRequest

__all__ = ["ExchangeTrace"]

_CLOSE_SECONDS: Final = 1.0

_CONNECTED: Final = frozenset({"connect_tcp.complete", "connect_unix_socket.complete"})


class ExchangeTrace:
    """The ``trace`` extension of one request. Never waits."""

    __slots__ = ("_connecting", "_delivery", "_handshaking", "_phases", "_request", "_stream")

    def __init__(self, request: WireRequest, phases: PhaseScope) -> None:
        self._request = request
        self._delivery = Delivery(request)
        self._phases = phases
        # From the pool's doing to a connection's first use.
        self._connecting = True
        # The stream of the connection being made, and whether anyone but a handshake has it.
        self._stream: Any = None
        self._handshaking = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        layer, _, step = event.partition(".")
        self._connecting = layer not in ("http11", "http2")
        if not step.endswith(".failed"):
            self._handshaking = self._connecting and step.endswith(".started")
        self._delivery.note(step, info)
        if step == "send_request_headers.started":
            self._phases.enter("write", math.inf)  # httpx bounds each write
        elif step == "receive_response_headers.started":
            self._phases.enter("read", self._request.timeouts.read)
        elif step == "receive_response_headers.complete":
            self._phases.enter("httpx", math.inf)
        elif step in CONNECTING:
            self._phases.enter("connect", math.inf)  # httpx bounds it
        elif step in _CONNECTED:
            self._stream = info["return_value"]

    async def clean_up(self, client: object) -> None:
        """After a failed exchange: close what httpcore left behind. Does not wait long."""
        if self._connecting:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
                # What made the exchange fail is told, not what closing adds to it.
                with contextlib.suppress(Exception):
                    if self._handshaking and self._stream is not None:
                        await self._stream.aclose()
                    await close_orphans(client)
