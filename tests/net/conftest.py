"""Connections made of memory, whose far ends a test scripts."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._codec.body import NO_BODY, RequestBody
from trioclient._codec.headers import header_block
from trioclient._codec.url import Target
from trioclient._net.connect import Link
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._types import Limits, Timeouts

Handler = Callable[[Any, int], Awaitable[None]]


class MemoryNetwork:
    """``connect`` for a TrioTransport: each connection is served by a task running the handler."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.handler: Handler = self.always_ok
        self.connects = 0
        self.open = 0
        self.connect_delay = 0.0
        self.stale: set[int] = set()

    async def connect(self, target: Target) -> Link:
        await trio.sleep(self.connect_delay)
        number = self.connects
        self.connects += 1
        client, server = trio.testing.memory_stream_pair()
        self.open += 1
        closed = False

        def close() -> None:
            nonlocal closed
            if not closed:
                closed = True
                self.open -= 1
                client.send_stream.close()
                client.receive_stream.close()

        async def serve() -> None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async with server:
                    await self.handler(server, number)

        self._nursery.start_soon(serve)
        return Link(client, close, lambda: number in self.stale, close)

    OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @staticmethod
    async def read_request(stream: Any) -> bytes:
        """Head and Content-Length or chunked body of one request, b"" at the end of the stream."""
        data = b""
        while b"\r\n\r\n" not in data:
            received = await stream.receive_some()
            if not received:
                return b""
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        chunked = b"transfer-encoding: chunked" in lines
        while (chunked and not body.endswith(b"0\r\n\r\n")) or len(body) < length:
            received = await stream.receive_some()
            if not received:
                break
            body += received
        return head + b"\r\n\r\n" + body

    @classmethod
    async def always_ok(cls, stream: Any, number: int) -> None:
        while await cls.read_request(stream):
            await stream.send_all(cls.OK)


@pytest.fixture
def network_kind() -> type[MemoryNetwork]:
    return MemoryNetwork


@pytest.fixture
async def network() -> AsyncIterator[MemoryNetwork]:
    async with trio.open_nursery() as nursery:
        yield MemoryNetwork(nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture
def wire() -> Callable[..., WireRequest]:
    def make(
        method: str = "GET",
        url: str = "http://api.test/x",
        *,
        body: RequestBody = NO_BODY,
        headers: list[tuple[bytes, bytes]] | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        replayable: bool = True,
    ) -> WireRequest:
        return WireRequest(
            method,
            Target.of(url),
            header_block(headers or []),
            body,
            timeouts or Timeouts.of(None),
            limits or Limits(),
            replayable,
        )

    return make


@pytest.fixture
def phases() -> Callable[..., PhaseScope]:
    def make(ceiling: float = math.inf) -> PhaseScope:
        return PhaseScope("read", math.inf, trio.current_time(), ceiling)

    return make
