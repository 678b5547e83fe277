"""The transport over a caller's blocking ``httpx.Client``: each step in a worker thread.

A thread cannot be interrupted. Who is cancelled leaves it behind at once, and the step, when it
comes to its end, closes the answer and gives the permit back; until then it counts as one of the
exchanges under way. So that it does end, no timeout given to httpx is longer than what the call
has left.

The state of an exchange is what both sides, trio and the thread, agree on under a lock:

    RESTING -- a step begins --> RUNNING -- it ends --> RESTING
    RESTING -- trio closes --> CLOSED          and trio cleans up
    RUNNING -- trio leaves --> LEFT            and the thread cleans up at its end
"""

from __future__ import annotations

import contextlib
import enum
import functools
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from .._codec.body import AsyncPieces
from .._faults import ClosedFault
from .httpx_common import Head, build_request, head_of, library_of
from .httpx_pool import pool_size
from .permits import Permit, Permits, PermitStatistics

if TYPE_CHECKING:
    import httpx

    from .._codec.body import Pieces, RequestBody
    from .._types import Limits, Timeouts
    from .httpx_common import Library
    from .protocol import PhaseScope, WireRequest

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
        self._permits = Permits(pool_size(client, limits))
        self._closed = False

    def statistics(self) -> PermitStatistics:
        """Permits: how many, how many free, how many calls wait for one."""
        return self._permits.statistics()

    async def send(self, request: WireRequest, phases: PhaseScope) -> HttpxThreadResponse:
        """Send through the client. See `Transport.send`. Raises TypeError for an async body."""
        if self._closed:
            raise ClosedFault
        phases.enter("pool", request.timeouts.pool)
        exchange = _Exchange(await self._permits.acquire())
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
                await trio.to_thread.run_sync(self._client.close, abandon_on_cancel=True)

    async def _send(self, request: WireRequest, phases: PhaseScope, exchange: _Exchange) -> HttpxThreadResponse:
        upload = None if request.body.content is not None else _upload_class(self._library)(request.body)
        timeouts = _clipped(request.timeouts, phases.ceiling - trio.current_time())
        built = build_request(self._client, self._library, request, timeouts, upload, {})
        phases.enter("httpx", phases.ceiling)
        request.sent = "maybe"
        try:
            response = await exchange.step(lambda: exchange.open(self._client, built))
        except Exception as error:
            if upload is not None and error is upload.error:
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

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self._token = trio.lowlevel.current_trio_token()
        self._lock = threading.Lock()
        self._state = _State.RESTING
        self._response: httpx.Response | None = None

    def open(self, client: httpx.Client, request: httpx.Request) -> httpx.Response:
        """In a thread: the first step."""
        self._response = client.send(request, stream=True, follow_redirects=False)
        return self._response

    async def step(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread. Cancelled, it leaves the thread behind; `aclose` must follow."""
        return await trio.to_thread.run_sync(
            self._run, work, abandon_on_cancel=True, limiter=_thread_limiter()
        )
...
