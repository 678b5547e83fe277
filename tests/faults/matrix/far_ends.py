"""Who is called: servers that fail as they are told, and places where no server is.

A far end is opened for each cell anew. It is at fault once; afterwards, or once `FarEnd.recover`
was awaited, it answers like any other, so that the client can show that it has come through.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import socket
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple, Union

import names
import trio
from authority import Authority
from shapes import NEXT, Shape

from trioclient.testing import LoopbackServer, RawReply, Reply

__all__ = [
    "Entry",
    "FarEnd",
    "OpenFarEnd",
    "Setting",
    "answers",
    "answers_with_a_stranger",
    "greets",
    "has_no_socket",
    "named",
    "named_slowly",
    "plays",
    "read_head",
    "refuses",
    "takes_no_call",
    "with_two_addresses",
]


class Setting(NamedTuple):
    """What a far end may need to know."""

    shape: Shape
    authority: Authority


async def _nothing() -> None:
    await trio.lowlevel.checkpoint()


@dataclasses.dataclass
class FarEnd:
    """Where to call."""

    url: str
    next_url: str = ""
    """For the call after the fault; under `url` unless given."""
    between: Callable[[], Awaitable[None]] = _nothing
    """Awaited before the call that meets the fault."""
    recover: Callable[[], Awaitable[None]] = _nothing
    """Awaited after it."""
    uds: str | None = None
    """The Unix socket that stands for all addresses."""


OpenFarEnd = Callable[[Setting], AbstractAsyncContextManager[FarEnd]]
Answer = Union[Reply, RawReply]
Entry = Union[Answer, Callable[[Shape], Answer]]
Context = Callable[[Authority], ssl.SSLContext]


def answers(*entries: Entry, tls: Context | None = None, scheme: str = "", settles: bool = False) -> OpenFarEnd:
    """A server that answers so, each in turn and the last one again and again.

    `scheme` is what it is called by, if not its own. `settles` gives it time to close its
    connections before the call that meets the fault.
    """

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        async with _server(setting, tls) as server:
            server.route("*", "/thing", *[_answer(entry, setting.shape) for entry in entries])
            _, colon, rest = server.url.partition(":")
            url = f"{scheme}{colon}{rest}" if scheme else server.url
            yield FarEnd(url, server.url, server.wait_connections_closed if settles else _nothing)

    return open_far_end


def greets(*greetings: Entry, tls: Context | None = None) -> OpenFarEnd:
    """A server that does this to its first connections, one each, before anything is read."""

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        async with _server(setting, tls) as server:
            for greeting in greetings:
                played = _answer(greeting, setting.shape)
                assert isinstance(played, RawReply)
                server.greet(played)
            server.route("*", "/thing", setting.shape.answer())
            yield FarEnd(server.url)

    return open_far_end


def answers_with_a_stranger(tls: Context) -> OpenFarEnd:
    """A server with such a context; the next call goes to a good one."""

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        async with _server(setting, tls) as server, _server(setting, None) as good:
            server.route("*", "/thing", setting.shape.answer())
            yield FarEnd(server.url, good.url)

    return open_far_end


def plays(handle: Callable[[trio.SocketStream, Shape], Awaitable[None]]) -> OpenFarEnd:
    """A server whose first connection is handled so, and every other one properly."""

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        numbers = itertools.count()

        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                with contextlib.suppress(trio.BrokenResourceError):
                    await (_serve_properly(stream) if next(numbers) else handle(stream, setting.shape))

        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, serve, listeners)
            yield FarEnd(_url(listeners[0].socket.getsockname()[1]))
            nursery.cancel_scope.cancel()

    return open_far_end


@asynccontextmanager
async def refuses(setting: Setting) -> AsyncIterator[FarEnd]:
    """A port of which nobody listens; somebody does when it recovers."""
    sock = _bound()
    async with _recovering(sock, lambda: sock.listen(16)) as recover:
        yield FarEnd(_url(sock.getsockname()[1]), recover=recover)


@asynccontextmanager
async def takes_no_call(setting: Setting) -> AsyncIterator[FarEnd]:
    """A port whose backlog is full, so that nobody's SYN is answered; Linux does so."""
    with _full_backlog() as (sock, empty):
        async with _recovering(sock, empty) as recover:
            yield FarEnd(_url(sock.getsockname()[1]), recover=recover)


def named(name: str, found: Callable[[int], names.Found]) -> OpenFarEnd:
    """A host of this name, about which that can be found out. The next call goes elsewhere."""

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        names.table[name] = found
        async with _server(setting, None) as good:
            yield FarEnd(f"http://{name}/", good.url)

    return open_far_end


def named_slowly(name: str) -> OpenFarEnd:
    """A host whose name is looked up for as long as the call lasts."""

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        known = threading.Event()
        # Each cell waits for its own.
        own = f"{id(known)}.{name}"
        names.table[own] = names.after(known)
        async with _server(setting, None) as good:
            try:
                yield FarEnd(f"http://{own}/", good.url)
            finally:
                known.set()
                del names.table[own]

    return open_far_end


def with_two_addresses(*, first: str, second_works: bool) -> OpenFarEnd:
    """A host of two addresses. Nobody listens at the first, or it takes no call."""

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        with contextlib.ExitStack() as stack:
            if first == "takes no call":
                dead, _ = stack.enter_context(_full_backlog())
            else:
                dead = stack.enter_context(contextlib.closing(_bound()))
            async with _server(setting, None) as good:
                good.route("*", "/thing", setting.shape.answer())
                second = ("127.0.0.1", good.port) if second_works else dead.getsockname()
                name = f"{good.port}.two.test"
                names.table[name] = names.addresses(dead.getsockname(), second)
                yield FarEnd(f"http://{name}/", good.url)
                del names.table[name]

    return open_far_end


@asynccontextmanager
async def has_no_socket(setting: Setting) -> AsyncIterator[FarEnd]:
    """The path of a Unix socket that is not there; it is when it recovers."""
    with tempfile.TemporaryDirectory(prefix="matrix") as folder:
        path = f"{folder}/socket"
        async with contextlib.AsyncExitStack() as stack:

            async def recover() -> None:
                server = await stack.enter_async_context(LoopbackServer(uds=path))
                server.route("GET", "/next", NEXT)

            yield FarEnd("http://localhost/", recover=recover, uds=path)


def _answer(entry: Entry, shape: Shape) -> Answer:
    return entry if isinstance(entry, (Reply, RawReply)) else entry(shape)


@asynccontextmanager
async def _server(setting: Setting, tls: Context | None) -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(ssl_context=None if tls is None else tls(setting.authority)) as server:
        server.route("GET", "/next", NEXT)
        yield server


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


def _bound() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


@contextlib.contextmanager
def _full_backlog() -> Iterator[tuple[socket.socket, Callable[[], None]]]:
    """A socket that listens, and what makes room in its queue."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(_bound())
        sock.listen(0)
        waiting: list[socket.socket] = []
        # The kernel takes one or two more than it is told; a further one is not answered.
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(sock.getsockname())
            waiting.append(caller)

        def empty() -> None:
            for caller in waiting:
                caller.close()
            sock.listen(16)

        yield sock, empty


@asynccontextmanager
async def _recovering(sock: socket.socket, prepare: Callable[[], None]) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What has `sock` served properly from then on."""

    async def recover() -> None:
        prepare()
        sock.setblocking(False)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        nursery.start_soon(trio.serve_listeners, _serve_properly, [listener])

    async with trio.open_nursery() as nursery:
        yield recover
        nursery.cancel_scope.cancel()
    sock.close()


async def _serve_properly(stream: trio.SocketStream) -> None:
    async with stream:
        with contextlib.suppress(trio.BrokenResourceError):
            while await read_head(stream):
                await stream.send_all(NEXT.wire())


async def read_head(stream: trio.SocketStream) -> bytes:
    """A request without a body, or the head of one that has one and perhaps a little of that; ``b""`` at the end."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = await stream.receive_some()
        if not data:
            return b""
        head += data
    return head
