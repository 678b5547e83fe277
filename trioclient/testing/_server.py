"""What the async and the blocking face of the loopback server share."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable

import trio

from .._types import checked_int
from ._connection import Connection, Site
from ._ledger import Ledger
from ._replies import RawReply
from ._requests import ConnectionRecord, RecordedRequest
from ._routes import Answer, Replier, Routes

__all__ = ["Server"]

# The kernel cuts this down to what it allows; the point is to never be the one who refuses.
_BACKLOG = 65_535


class Server:
    """Options, routes and records; listening and accepting, but not the life around it."""

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        uds: str | os.PathLike[str] | None = None,
        keep: int | None = None,
    ) -> None:
        if keep is not None:
            checked_int(keep, "keep")
        self._ledger = Ledger(keep)
        self._site = Site(ssl_context, Routes(), self._ledger, deque())
        self.host = host if uds is None else "localhost"
        """The address it listens on; ``"localhost"`` over a Unix socket."""
        self.port = 0
        """The TCP port, once started; 0 over a Unix socket."""
        self._uds = None if uds is None else os.fspath(uds)
        self._live: set[Connection] = set()
        self._started = False

    @property
    def url(self) -> str:
        """``"http://127.0.0.1:port/"``, to use as a base URL once started."""
        scheme = "http" if self._site.ssl_context is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/" if self.port else f"{scheme}://{host}/"

    def route(self, method: str, path: str, *replies: Answer | Replier, repeat_last: bool = True) -> None:
        """Script what `method` and `path` are answered with: each reply once, in order, the last one again and again.

            server.route("POST", "/items", reply(503), drop(), reply(json={"id": 1}))
            server.route("GET", "/files/*", lambda request: reply(content=request.path))

        Without replies: an empty 200. A path ending in ``*`` is a prefix, method ``*`` is any
        method. A function gets the `RecordedRequest` and returns a reply; it may be async. What
        is not scripted, or used up without `repeat_last`, is a 404. Raises TypeError or ValueError.
        """
        self._site.routes.add(method, path, replies, repeat_last)

    def greet(self, *greetings: RawReply) -> None:
        """Play these to the next new connections, one each, before TLS and before anything is read; then hang up.

        ``greet(stall())`` accepts and never answers a TLS handshake, ``greet(drop(reset=True))``
        breaks it off.
        """
        self._site.greetings.extend(greetings)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests received so far (the last `keep` of them), in the order their bodies were read."""
        return list(self._ledger.requests)

    @property
    def connections(self) -> list[ConnectionRecord]:
        """The connections accepted so far (the last `keep` of them)."""
        return list(self._ledger.connections)

    @property
    def errors(self) -> list[BaseException]:
        """What scripted functions raised; the first is raised again when the server exits."""
        return list(self._ledger.errors)

    @property
    def request_count(self) -> int:
        """Requests received so far, kept or not."""
        return self._ledger.received

    @property
    def connection_count(self) -> int:
        """Connections accepted so far, kept or not."""
        return self._ledger.opened

    @property
    def open_connections(self) -> int:
        """Connections open now."""
        return self._ledger.opened - self._ledger.closed

    @property
    def in_flight(self) -> int:
        """Requests being answered now: head read, last bytes of the answer not yet sent."""
        return self._ledger.in_flight

    @property
    def max_in_flight(self) -> int:
        """The most requests that were in flight at once; never more than the client had open."""
        return self._ledger.max_in_flight

    def duplicates(self, header: str = "Idempotency-Key") -> list[str]:
        """Values of `header` that were answered with success (2xx, sent whole) more than once.

        Raises RuntimeError where `keep` has let go of some requests.
        """
        return self._ledger.duplicates(header)

    def unkeyed(self, header: str = "Idempotency-Key") -> list[RecordedRequest]:
        """Requests other than GET, HEAD and OPTIONS without `header`. Raises RuntimeError like `duplicates`."""
        return self._ledger.unkeyed(header)

    def _closed_reached(self, n: int | None) -> Callable[[], bool]:
        if n is None:
            return lambda: self.open_connections == 0
        return lambda: self._ledger.closed >= n

    async def _listen(self) -> trio.SocketListener:
        if self._started:
            raise RuntimeError("a loopback server can be entered once only")
        self._started = True
        if self._uds is None:
            listeners = await trio.open_tcp_listeners(0, host=self.host, backlog=_BACKLOG)
            for extra in listeners[1:]:
                await extra.aclose()
            self.port = listeners[0].socket.getsockname()[1]
            return listeners[0]
        unix = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            await unix.bind(self._uds)
            unix.listen(_BACKLOG)
        except BaseException:
            unix.close()
            raise
        return trio.SocketListener(unix)

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        try:
            await trio.serve_listeners(self._handle, [listener], handler_nursery=nursery)
        finally:
            if self._uds is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._uds)

    async def _handle(self, socket_stream: trio.SocketStream) -> None:
        connection = Connection(self._site, socket_stream)
        self._live.add(connection)
        try:
            await connection.run()
        finally:
            self._live.discard(connection)

    def _close_idle(self) -> None:
        for connection in self._live:
            connection.close_if_idle()

    def _raise_first_error(self) -> None:
        if self._ledger.errors:
            raise self._ledger.errors[0]

    def __repr__(self) -> str:
        ledger = self._ledger
        return (
            f"<{type(self).__name__} {self.url} requests={ledger.received} in_flight={ledger.in_flight} "
            f"connections={ledger.opened} open={self.open_connections}>"
        )
