"""The default transport: HTTP/1.1 over trio streams, with a pool of its own.

One instance serves one trio run at a time. Used in a later run, or in a forked child, it drops
what the earlier run left open and starts afresh.
"""

from __future__ import annotations

import functools
import os
import ssl
import warnings
import weakref
from typing import TYPE_CHECKING

import trio

from .._faults import ClosedFault, DisconnectFault
from .._types import Limits
from .connect import Connect, Connector
from .connection import Connection
from .httpx_face import HttpxFace
from .pool import Free, Full, Pool
from .tls import default_ssl_context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._http1.response import Head
    from .._types import RawHeaders
    from .protocol import PhaseScope, TransportStatistics, WireRequest

__all__ = ["TrioTransport"]


class TrioTransport(HttpxFace):
    """HTTP/1.1 for trio: keep-alive pool, TLS, Unix sockets.

    Also an ``httpx.AsyncBaseTransport``: ``httpx.AsyncClient(transport=TrioTransport())``.

    Args:
        limits: bounds on connections and heads; an `AsyncAPIClient` hands down its own.
        ssl_context: for https; the default trusts the roots of certifi, or those that
            ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name.
        uds: path of a Unix socket to connect to in place of every host.
        connect: makes the streams; for tests and for unusual networks.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        uds: str | None = None,
        connect: Connect | None = None,
    ) -> None:
        self.limits = limits if limits is not None else Limits()
        context = functools.cache(default_ssl_context) if ssl_context is None else lambda: ssl_context
        self._connect: Connect = connect or Connector(ssl_context=context, uds=uds)
        self._token: trio.lowlevel.TrioToken | None = None
        self._closed = False
        self._start_pool()

    def statistics(self) -> TransportStatistics:
        """Connections open and idle, calls waiting."""
        return self._pool.statistics()

    async def send(self, request: WireRequest, phases: PhaseScope) -> TrioResponse:
        """Send on a pooled connection, or a new one. See `Transport.send`."""
        if trio.lowlevel.current_trio_token() is not self._token:
            self._join_run()
        taken = self._pool.take_nowait(request.target.origin, phases.since)
        connection = taken if isinstance(taken, Connection) else await self._get(taken, request, phases)
        while True:
            try:
                head = await connection.exchange(request, phases)
            except BaseException as error:
                if connection.heard_back:
                    request.sent = "yes"
                if not _was_dead_on_reuse(error, connection, request):
                    self._pool.discard(connection)
                    raise
                self._pool.replace(connection)
            else:
                request.sent = "yes"
                return TrioResponse(self._pool, connection, head)
            connection = await self._open(request, phases)

    async def aclose(self) -> None:
        """Close every connection. Calls in flight fail, later ones are refused."""
        self._closed = True
        self._token = None
        self._pool.close()
        self._finalizer.detach()

    async def _get(self, taken: Free | Full, request: WireRequest, phases: PhaseScope) -> Connection:
        """A connection where none was idle: wait for one, or for a slot, or connect on a slot."""
        if isinstance(taken, Full):
            phases.enter("pool", request.timeouts.pool)
            given = await self._pool.wait(request.target.origin)
            if isinstance(given, Connection):
                if not given.is_stale():
                    return given
                # Handed over as it was, perhaps with bytes in it that nobody asked for.
                self._pool.replace(given)
            elif self._closed:
                self._pool.forfeit()
                raise ClosedFault
        return await self._open(request, phases)

    async def _open(self, request: WireRequest, phases: PhaseScope) -> Connection:
        """Connect, on a slot already taken."""
        phases.enter("connect", request.timeouts.connect)
        try:
            link = await self._connect(request.target)
        except BaseException:
            self._pool.forfeit()
            raise
        connection = Connection(link, request.target.origin, trio.current_time())
        self._pool.adopt(connection)
        return connection

    def _join_run(self) -> None:
        """This is another trio run than last time."""
        if self._closed:
            raise ClosedFault
        if self._token is not None:
            self._finalizer.detach()
            _abandon_all(self._pool.idle_by_age)
            self._start_pool()
        self._token = trio.lowlevel.current_trio_token()

    def _start_pool(self) -> None:
        self._pool = Pool(self.limits)
        self._finalizer = weakref.finalize(self, _close_dropped, self._pool.idle_by_age, os.getpid())


class TrioResponse:
    """An answer on a connection of the pool. See `WireResponse`."""

    __slots__ = ("_connection", "_pool", "_whole", "headers", "http_version", "status")

    def __init__(self, pool: Pool, connection: Connection, head: Head) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._whole = False
        self.status: int = head.status
        self.http_version: str = head.http_version
        self.headers: RawHeaders = head.headers

    async def receive(self) -> bytes:
        """See `WireResponse.receive`."""
        connection = self._connection
        if connection is None:
            if self._whole:
                return b""
            raise ClosedFault
        try:
            data, self._whole = connection.take()
            if not data and not self._whole:
                data, self._whole = await connection.receive()
        except BaseException:
            self._let_go()
            raise
        if self._whole:
            self._let_go()
        return data

    async def aclose(self) -> None:
        """See `WireResponse.aclose`. Does not wait."""
        self._let_go()

    def _let_go(self) -> None:
        connection = self._connection
        if connection is None:
            return
        self._connection = None
        if connection.reusable:
            self._pool.release(connection, trio.current_time())
        else:
            self._pool.discard(connection)


def _was_dead_on_reuse(error: BaseException, connection: Connection, request: WireRequest) -> bool:
    """Did a kept connection turn out dead before a byte came back, and may the request go again?

    Of a body that can be sent once, and of a call that may not be repeated, only if nothing went out.
    """
    return (
        isinstance(error, DisconnectFault)
        and connection.exchanges > 1
        and not connection.heard_back
        and (request.replayable or request.sent == "no")
    )


def _abandon_all(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.abandon()


def _close_dropped(idle: dict[Connection, None], pid: int) -> None:
    """What is left of a transport that was never closed; a forked child does so in silence."""
    _abandon_all(idle)
    if idle and os.getpid() == pid:
        warnings.warn(
            f"a trioclient transport was dropped without aclose(); {len(idle)} idle connections closed",
            ResourceWarning,
            stacklevel=2,
        )
