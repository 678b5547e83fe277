"""The transport over a caller's ``httpx.AsyncClient``.

Everything the caller built into their client takes part: proxies, HTTP/2, auth, event hooks,
mock and ASGI transports. It costs httpx's price per request, many times that of `TrioTransport`.

httpx's connect and write timeouts do their work; a permit, not httpx's pool, is waited for.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Final, cast

import trio

from .._faults import ClosedFault
from .httpx_common import Head, Library, build_request, head_of, library_of, send_options, timeouts_of
from .httpx_pool import pool_size
from .httpx_trace import ExchangeTrace
from .permits import Permit, Permits
from .pieces import PieceIterator, aiter_pieces
from .progress import slice_bytes
from .single_nursery import ungrouped

if TYPE_CHECKING:
    import httpx

    from .._codec.body import RequestBody
    from .._types import Limits
    from .protocol import PhaseScope, TransportStatistics, WireRequest

__all__ = ["HttpxTransport"]

_CLOSE_SECONDS: Final = 1.0
# Pieces thrown away of a stream that is left half-way and does not notice.
_MOST_LEFTOVERS: Final = 10_000


class HttpxTransport:
    """Carries requests through `client`, an ``httpx.AsyncClient`` or one of httpx2.

    Args:
        client: whose defaults lie under every request.
        limits: bounds; no more exchanges at once than its ``max_connections`` or `client`'s.
        owns: close `client` with this transport.

    Raises TypeError naming ``http_client``.
    """

    def __init__(self, client: httpx.AsyncClient, *, limits: Limits, owns: bool = False) -> None:
        self._library = library_of(client, "AsyncClient", "http_client")
        self._client = client
        self._owns = owns
        self.permits = Permits(pool_size(client, limits))
        self._closed = False

    def statistics(self) -> TransportStatistics:
        """Exchanges going on, and calls that wait for a permit."""
        return self.permits.transport_statistics()

    async def send(self, request: WireRequest, phases: PhaseScope) -> HttpxResponse:
        """Send through the client. See `Transport.send`."""
        if self._closed:
            raise ClosedFault
        phases.enter("pool", request.timeouts.pool)
        permit = await self.permits.acquire()
        try:
            return await self._exchange(request, phases, permit)
        except BaseException:
            permit.release()
            raise

    async def aclose(self) -> None:
        """Refuse new work; close the client if it is this transport's own."""
        self._closed = True
        if self._owns:
            await self._client.aclose()

    async def _exchange(self, request: WireRequest, phases: PhaseScope, permit: Permit) -> HttpxResponse:
        trace = ExchangeTrace(request, phases)
        at_most = None if request.stall is None else slice_bytes(request.stall)
        upload = _upload_class(self._library)(request.body, at_most)
        built = build_request(self._client, self._library, request, timeouts_of(request), upload, {"trace": trace})
        phases.enter("httpx", math.inf)
        if request.sent == "no":
            request.sent = "maybe"
        try:
            # Cancelled while it connects, it lets go of a group.
            with ungrouped():
                response = await self._client.send(built, **send_options(request))
        except BaseException as error:
            await trace.clean_up(self._client)
            if not isinstance(error, Exception) or upload.raised(error):
                raise
            fault = self._library.fault(error, request)
            if fault is error:
                raise
            raise fault from error
        finally:
            await upload.aclose()
        request.sent = "yes"
        phases.enter("read", request.timeouts.read)
        try:
            head = head_of(response, request.limits)
        except BaseException:
            await _close(response)
            raise
        return HttpxResponse(response, head, self._library, request, permit)


class HttpxResponse:
    """An answer that httpx holds. See `WireResponse`."""

    def __init__(
        self, response: httpx.Response, head: Head, library: Library, request: WireRequest, permit: Permit
    ) -> None:
        self.status = head.status
        self.http_version = head.http_version
        self.headers = head.headers
        self._content = head.content
        self._response = response
        self._library = library
        self._request = request
        self._permit = permit
        self._pieces: AsyncGenerator[bytes, None] | None = None
        self._closed = False
        self._whole = False

    async def receive(self) -> bytes:
        """See `WireResponse.receive`."""
        if self._closed:
            if self._whole:
                return b""
            raise ClosedFault
        try:
            piece = await self._next_piece()
        except BaseException as error:
            await self.aclose()
            if not isinstance(error, Exception):
                raise
            fault = self._library.fault(error, self._request)
            if fault is error:
                raise
            raise fault from error
        if not piece:
            self._whole = True
            await self.aclose()
        return piece

    async def aclose(self) -> None:
        """See `WireResponse.aclose`. Gives the permit back."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._whole and self._pieces is not None:
                await _leave(self._pieces)
            await _close(self._response)
        finally:
            self._permit.release()

    async def _next_piece(self) -> bytes:
        if self._content is not None:
            content, self._content = self._content, b""
            return content
        if self._pieces is None:
            self._pieces = cast("AsyncGenerator[bytes, None]", self._response.aiter_raw())
        async for piece in self._pieces:
            if piece:
                return piece
        return b""


async def _close(response: httpx.Response) -> None:
    """Close, whoever cancels, but not for long; how it ends is of no interest any more."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
        with contextlib.suppress(Exception):
            await response.aclose()


async def _leave(pieces: AsyncGenerator[bytes, None]) -> None:
    """End a body half-way.

    httpx reads a body through five generators in one another. Closing the outermost leaves the
    others to the garbage collector, each with a ResourceWarning; an exception from within ends
    them all. So the next read is cancelled.
    """
    with trio.CancelScope(shield=True) as scope, contextlib.suppress(Exception):
        scope.cancel()
        async with contextlib.aclosing(pieces):
            for _ in range(_MOST_LEFTOVERS):  # what was read already comes without waiting
                await pieces.__anext__()


class _Upload:
    """A request body. Sent again (a digest challenge) only where it can be replayed.

    One in memory too: httpx's own is a generator, which leaks when left half-way.
    """

    def __init__(self, body: RequestBody, at_most: int | None) -> None:
        self._body = body
        self._at_most = at_most
        self._iterators: list[PieceIterator] = []

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._iterators.append(aiter_pieces(self._body, self._at_most))
        return self._iterators[-1]

    def raised(self, error: BaseException) -> bool:
        """Did `error` come from the caller's own iterator?"""
        return any(iterator.error is error for iterator in self._iterators)

    async def aclose(self) -> None:
        for iterator in self._iterators:
            await iterator.aclose()


@functools.cache
def _upload_class(library: Library) -> type[_Upload]:
    # httpx tells an async body from a blocking one by its own base class.
    return type("Upload", (_Upload, library.AsyncByteStream), {})
