"""Whether a request has left, as httpcore tells of its steps through httpx's ``trace`` extension.

A transport that is not httpcore's tells nothing: its requests may have left as soon as httpx has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .._faults import ProtocolFault

if TYPE_CHECKING:
    from .protocol import WireRequest

__all__ = ["CONNECTING", "Delivery"]

CONNECTING: Final = frozenset({"connect_tcp.started", "connect_unix_socket.started"})


class Delivery:
    """Of one exchange, which is several where httpx's own auth answers a challenge."""

    __slots__ = ("_begun", "_request", "_to_proxy")

    def __init__(self, request: WireRequest) -> None:
        self._request = request
        self._begun = False
        # The request under way is to a proxy, for a tunnel.
        self._to_proxy = False

    def note(self, step: str, info: Mapping[str, Any]) -> None:
        """Move `WireRequest.sent` on. Raises ProtocolFault before what must not be sent again is."""
        request = self._request
        if step in CONNECTING:
            if not self._begun and request.sent == "maybe":
                request.sent = "no"
        elif step == "send_request_headers.started":
            self._to_proxy = info["request"].method == b"CONNECT" and request.method != "CONNECT"
            if self._to_proxy:
                return
            if self._begun and not request.replayable:
                raise ProtocolFault("the client's own auth wants the request again, and it must not be repeated")
            self._begun = True
            if request.sent == "no":
                request.sent = "maybe"
        elif step == "receive_response_headers.complete" and not self._to_proxy:
            request.sent = "yes"
