"""A real HTTP/1.1 server on the loopback interface whose answers and faults are scripted."""

from __future__ import annotations

import os
import ssl
from types import TracebackType

import trio

from ._loopback_thread import BlockingLoopbackServer
from ._server import Server

__all__ = ["LoopbackServer"]


class LoopbackServer(Server):
    """A real HTTP/1.1 server on a port of its own, for the length of an ``async with``.

        async with LoopbackServer() as server:
            server.route("POST", "/embed", reply(503), reply(json={"vector": [1.0]}))
            async with AsyncAPIClient(base_url=server.url) as client:
                await client.post("/embed", body={"text": "hi"})
        assert [request.status for request in server.requests] == [503, 200]

    `ssl_context` makes it speak TLS, `uds` listen on a Unix socket at that path, `host` on
    another address. `keep` bounds how many requests and connections are kept on record (None: all,
    0: none), for long runs; the counts go on.

    The exit closes every connection and ends every task. If a scripted function raised, its
    client got a 500, and the exit raises the same exception. `in_thread` is for blocking code.
    """

    @classmethod
    def in_thread(
        cls,
        *,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        uds: str | os.PathLike[str] | None = None,
        keep: int | None = None,
    ) -> BlockingLoopbackServer:
        """The same server in a thread of its own, for the length of a ``with``."""
        return BlockingLoopbackServer(ssl_context=ssl_context, host=host, uds=uds, keep=keep)

    async def __aenter__(self) -> LoopbackServer:
        listener = await self._listen()
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()
        self._nursery.start_soon(self._accept, listener, self._nursery)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The body's own exception is not shown to the nursery, which would wrap it in a group.
        # The shield is so that nothing else can interrupt the end, which takes no time.
        self._nursery.cancel_scope.shield = True
        self._nursery.cancel_scope.cancel()
        try:
            await self._nursery_manager.__aexit__(None, None, None)
        except BaseException:
            self._raise_first_error()
            raise
        finally:
            self._ledger.stop()
        if exc is None or isinstance(exc, Exception):
            self._raise_first_error()

    async def wait_requests(self, n: int) -> None:
        """Until `n` requests were received in all, bodies included. Raises RuntimeError if the server stops first."""
        await self._ledger.wait(lambda: self._ledger.received >= n)

    async def wait_idle(self) -> None:
        """Until no request is in flight. Raises RuntimeError if the server stops first."""
        await self._ledger.wait(lambda: self._ledger.in_flight == 0)

    async def wait_connections_closed(self, n: int | None = None) -> None:
        """Until `n` connections were closed in all; by default, until none is open.

        Raises RuntimeError if the server stops first.
        """
        await self._ledger.wait(self._closed_reached(n))

    def close_idle_connections(self) -> None:
        """Close, as a server tired of waiting does, every connection on which no request is in flight."""
        self._close_idle()
