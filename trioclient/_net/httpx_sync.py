"""The transport over a caller's blocking ``httpx.Client``: each step in a worker thread.

A thread cannot be interrupted. Who is cancelled leaves it behind at once, and the step, when it
comes to its end, closes the answer and gives the permit back; until then it counts as one of the
exchanges under way. So that it does end, no timeout given to httpx is longer than what the call
has left, a body that is being sent breaks off at its next piece, and under a thread that reads an
answer the connection is shut down.

The state of an exchange is what both sides, trio and the thread, agree on under a lock:

    RESTING -- a step begins --> RUNNING -- it ends --> RESTING
    RESTING -- trio closes --> CLOSED          and trio cleans up
    RUNNING -- trio leaves --> LEFT            and the thread cleans up at its end
"""

from __future__ import annotations

import contextlib
import enum
import functools
import math
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union

import trio

from .._codec.body import AsyncPieces
from .._faults import ClosedFault
from .._types import Timeouts
from .httpx_common import Head, build_request, head_of, library_of, send_options, timeouts_of
from .httpx_delivery import Delivery
from .httpx_pool import pool_size
from .permits import Permit, Permits
from .pieces import Sending
from .progress import slice_bytes

if TYPE_CHECKING:
    import httpx

    from .._codec.body import Pieces, RequestBody
    from .._types import Limits
    from .httpx_common import Library
    from .protocol import PhaseScope, TransportStatistics, WireRequest

__all__ = ["HttpxThreadTransport"]

T = TypeVar("T")

_CLOSE_SECONDS: Final = 1.0
# A socket with a timeout of 0 does not wait at all, and says so in another way.
_LEAST_TIMEOUT: Final = 0.001


class HttpxThreadTransport:
    """Carries requests through `client`, an ``httpx.Client`` or one of httpx2.

    Args:
        client: whose defaults lie under every request.
        limits: bounds; no more exchanges at once than its ``max_connections`` or `client`'s.
        owns: close `client` with this transport.

    Raises TypeError naming ``http_client``.
    """

    def __init__(self, client: httpx.Client, *, limits: Limits, owns: bool = False) -> None:
        self._library = library_of(client, "Client", "http_client")
        self._client = client
        self._owns = owns
        self.permits = Permits(pool_size(client, limits))
        # The permits bound the threads.
        self._threads = trio.CapacityLimiter(math.inf)
        self._closed = False

    def statistics(self) -> TransportStatistics:
        """Exchanges going on, and calls that wait for a permit."""
        return self.permits.transport_statistics()

    async def send(self, request: WireRequest, phases: PhaseScope) -> HttpxThreadResponse:
        """Send through the client. See `Transport.send`. Raises TypeError for an async body."""
        if self._closed:
            raise ClosedFault
        phases.enter("pool", request.timeouts.pool)
        exchange = _Exchange(await self.permits.acquire(), self._threads)
        try:
            return await self._send(request, phases, exchange)
        except BaseException:
            await exchange.aclose()
            raise

    async def aclose(self) -> None:
        """Refuse new work; close the client if it is this transport's own."""
        self._closed = True
        if self._owns:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
                await trio.to_thread.run_sync(self._client.close, abandon_on_cancel=True, limiter=self._threads)

    async def _send(self, request: WireRequest, phases: PhaseScope, exchange: _Exchange) -> HttpxThreadResponse:
        at_most = None if request.stall is None else slice_bytes(request.stall)
        upload = _upload_class(self._library)(request.body, exchange, at_most)
        timeouts = _clipped(timeouts_of(request), phases.ceiling - trio.current_time())
        trace = functools.partial(_trace, Delivery(request), exchange)
        built = build_request(self._client, self._library, request, timeouts, upload, {"trace": trace})
        phases.enter("httpx", math.inf)
        if request.sent == "no":
            request.sent = "maybe"
        try:
            response = await exchange.step(lambda: exchange.open(self._client, built, send_options(request)))
        except Exception as error:
            if error is upload.error:
                raise
            fault = self._library.fault(error, request)
            if fault is error:
                raise
            raise fault from error
        request.sent = "yes"
        phases.enter("read", request.timeouts.read)
        return HttpxThreadResponse(response, head_of(response, request.limits), self._library, request, exchange)


class HttpxThreadResponse:
    """An answer that httpx holds. See `WireResponse`."""

    def __init__(
        self, response: httpx.Response, head: Head, library: Library, request: WireRequest, exchange: _Exchange
    ) -> None:
        self.status = head.status
        self.http_version = head.http_version
        self.headers = head.headers
        self._library = library
        self._request = request
        self._exchange = exchange
        # A generator does not run before its first piece is asked for.
        self._pieces = response.iter_raw() if head.content is None else iter((head.content,))
        self._closed = False
        self._whole = False

    async def receive(self) -> bytes:
        """See `WireResponse.receive`."""
        if self._closed:
            if self._whole:
                return b""
            raise ClosedFault
        try:
            piece = await self._exchange.step(lambda: next(filter(None, self._pieces), b""))
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
        """See `WireResponse.aclose`. Gives the permit back, or leaves that to a thread still at work."""
        if not self._closed:
            self._closed = True
            await self._exchange.aclose()


class _State(enum.Enum):
    RESTING = enum.auto()
    RUNNING = enum.auto()
    LEFT = enum.auto()
    CLOSED = enum.auto()


class _Exchange:
    """The steps of one exchange, one at a time, and its end, which comes exactly once."""

    def __init__(self, permit: Permit, threads: trio.CapacityLimiter) -> None:
        self._permit = permit
        self._threads = threads
        self._token = trio.lowlevel.current_trio_token()
        self._lock = threading.Lock()
        self._state = _State.RESTING
        self._response: httpx.Response | None = None
        self._ended = trio.Event()

    @property
    def left(self) -> bool:
        """Has trio left while a step is running?"""
        return self._state is _State.LEFT

    def open(self, client: httpx.Client, request: httpx.Request, options: dict[str, Any]) -> httpx.Response:
        """In a thread: the first step."""
        self._response = client.send(request, **options)
        return self._response

    async def step(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread. Cancelled, it leaves the thread behind; `aclose` must follow."""
        return await trio.to_thread.run_sync(self._run, work, abandon_on_cancel=True, limiter=self._threads)

    async def aclose(self) -> None:
        """End it from trio's side, whoever cancels; does not wait long."""
        with self._lock:
            running = self._state is _State.RUNNING
            self._state = _State.LEFT if running else _State.CLOSED
            hung_up = running and _hang_up(self._response)
        if hung_up:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
                await self._ended.wait()
        if running:
            return
        if self._response is None or self._response.is_closed:
            self._permit.release()
            return
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
            await trio.to_thread.run_sync(self._clean_up, abandon_on_cancel=True, limiter=self._threads)

    def _run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._state is not _State.RESTING:
                raise ClosedFault  # to nobody: trio left before the thread began
            self._state = _State.RUNNING
        try:
            return work()
        finally:
            if not self._rest():
                self._clean_up()

    def _rest(self) -> bool:
        """After a step; False where trio has left."""
        with self._lock:
            if self._state is _State.LEFT:
                return False
            self._state = _State.RESTING
            return True

    def _clean_up(self) -> None:
        """In a thread: close the answer, whatever comes of it, and give the permit back."""
        try:
            if self._response is not None:
                with contextlib.suppress(Exception):
                    self._response.close()
        finally:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._end)

    def _end(self) -> None:
        self._permit.release()
        self._ended.set()


def _trace(delivery: Delivery, exchange: _Exchange, event: str, info: Mapping[str, Any]) -> None:
    """In a thread: httpx's ``trace`` extension. What trio has left does not go out any more."""
    # First noted, then asked: who leaves reads what was noted.
    delivery.note(event.partition(".")[2], info)
    if exchange.left and event.endswith("send_request_headers.started"):
        raise ClosedFault  # to nobody


def _hang_up(response: httpx.Response | None) -> bool:
    """End the wait of a thread that reads an answer; whether that was possible.

    Not where the connection carries other answers as well.
    """
    if response is None or response.is_closed or not response.http_version.startswith("HTTP/1"):
        return False
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if not isinstance(connection, socket.socket):
        return False
    with contextlib.suppress(OSError):
        # Not `connection.shutdown`: of TLS that takes away what the thread is reading with.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    return True


class _Upload:
    """A request body. Sent again (a digest challenge) only where it can be replayed."""

    def __init__(self, body: RequestBody, exchange: _Exchange, at_most: int | None) -> None:
        self._body = body
        self._exchange = exchange
        self._at_most = at_most
        self._opened: Pieces | None = self._open()
        self.error: Exception | None = None
        """What the caller's own iterator or progress function raised."""

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._opened or self._open()
        self._opened = None
        sending = Sending(self._body)
        try:
            sending.tell()
            for piece in self._cut(pieces):
                sending.count(piece)
                yield piece
                if self._exchange.left:
                    raise ClosedFault  # to nobody
                sending.tell()
            sending.end()
        except Exception as error:
            self.error = error
            raise
        finally:
            pieces.close()

    def _cut(self, pieces: Pieces) -> Iterator[bytes]:
        for piece in pieces:
            step = self._at_most or len(piece)
            for start in range(0, len(piece), step):
                yield piece[start : start + step]

    def _open(self) -> Pieces:
        pieces = self._body.pieces()
        if isinstance(pieces, AsyncPieces):
            raise TypeError("content must not be an async iterator: http_client is a blocking httpx.Client")
        return pieces


@functools.cache
def _upload_class(library: Library) -> Callable[[RequestBody, _Exchange, Union[int, None]], Any]:
    # httpx tells a blocking body from an async one by its own base class.
    return type("Upload", (_Upload, library.SyncByteStream), {})


def _clipped(timeouts: Timeouts, left: float) -> Timeouts:
    """None of them longer than what is left of the call, in seconds."""
    return Timeouts(*(max(min(seconds, left), _LEAST_TIMEOUT) for seconds in timeouts))
