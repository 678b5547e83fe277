"""An answer whose body is held to the least progress it must make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._faults import StallFault
from .._net.progress import Progress

if TYPE_CHECKING:
    from .._net.progress import Least
    from .._net.protocol import WireResponse
    from .._types import RawHeaders

__all__ = ["WatchedResponse"]


class WatchedResponse:
    """Around any other. See `WireResponse`."""

    __slots__ = ("_progress", "_response", "headers", "http_version", "status")

    def __init__(self, response: WireResponse, stall: Least) -> None:
        self._response = response
        self._progress = Progress(stall)
        self.status: int = response.status
        self.http_version: str = response.http_version
        self.headers: RawHeaders = response.headers

    async def receive(self) -> bytes:
        """See `WireResponse.receive`. Raises StallFault where too little comes while it is waited for."""
        progress = self._progress
        progress.wait(trio.current_time())
        try:
            with trio.CancelScope(deadline=progress.due):
                piece = await self._response.receive()
                progress.move(len(piece), trio.current_time())
                return piece
        finally:
            progress.rest(trio.current_time())
        raise StallFault("answer", progress.stall.at_least, progress.stall.within)

    async def aclose(self) -> None:
        """See `WireResponse.aclose`."""
        await self._response.aclose()
