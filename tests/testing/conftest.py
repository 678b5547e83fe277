"""A server, and a client that knows no more than sockets and h11."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import h11
import pytest
import trio

from trioclient.testing import LoopbackServer


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """One connection to a server."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._parser = h11.Connection(h11.CLIENT)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def get(self, target: str = "/", *lines: str) -> None:
        """Send a GET, and no more."""
        await self.send("\r\n".join([f"GET {target} HTTP/1.1", "Host: test", *lines, "", ""]).encode())

    async def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size:
            piece = await self.stream.receive_some(size - len(data))
            assert piece, f"only {data!r} came"
            data += piece
        return data

    async def read_to_end(self) -> bytes:
        return b"".join([piece async for piece in self.stream])

    async def exchange(
        self, method: str = "GET", target: str = "/", body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """A decent request and its answer; may be called again on a connection kept alive."""
        lines = {"Host": "test", **({"Content-Length": str(len(body))} if body else {}), **(headers or {})}
        events = [h11.Request(method=method, target=target, headers=list(lines.items())), h11.EndOfMessage()]
        if body:
            events.insert(1, h11.Data(data=body))
        await self.send(b"".join(self._parser.send(event) or b"" for event in events))
        return await self._answer()

    async def _answer(self) -> Answer:
        head, pieces = None, []
        while not isinstance(event := self._parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._parser.receive_data(await self.stream.receive_some(65536))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
        assert head is not None
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Answer(head.status_code, headers, b"".join(pieces))


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as server:
        yield server


@pytest.fixture
def dial():
    """Opens a connection, for the length of an ``async with``."""

    @asynccontextmanager
    async def dial(server: LoopbackServer) -> AsyncIterator[RawClient]:
        async with await trio.open_tcp_stream(server.host, server.port) as stream:
            yield RawClient(stream)

    return dial


@pytest.fixture
def at_once():
    """Run so many of an async function side by side."""

    async def at_once(times: int, function: Callable[[], Awaitable[object]]) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(times):
                nursery.start_soon(function)

    return at_once
