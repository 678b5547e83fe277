"""One exchange with a server that answers before it has read the request."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._codec.body import NO_BODY, content_body, watched
from trioclient._net.connect import Link
from trioclient._net.connection import Connection
from trioclient._net.protocol import PhaseScope

UPLOAD = b"x" * 300_000
HEAD_END = b"\r\n\r\n"

Serve = Callable[[Any], Any]


def unbounded() -> PhaseScope:
    return PhaseScope("read", math.inf, trio.current_time())


class Script:
    """The far end of a stream without buffers: what is sent waits until it is received."""

    def __init__(self, nursery: trio.Nursery, serve: Serve) -> None:
        self.client, self.server = trio.testing.lockstep_stream_pair()
        self.received = b""
        self.connection = Connection(
            Link(self.client, self._close, lambda: False, self._close), ("http", "api.test", 80), trio.current_time()
        )
        nursery.start_soon(serve, self)

    def _close(self) -> None:
        self.client.send_stream.close()
        self.client.receive_stream.close()

    async def receive_head(self) -> None:
        while HEAD_END not in self.received:
            self.received += await self.server.receive_some()

    async def receive_body(self) -> None:
        while len(self.received.partition(HEAD_END)[2]) < len(UPLOAD):
            self.received += await self.server.receive_some()

    async def send(self, data: bytes) -> None:
        await self.server.send_all(data)

    async def answer(self) -> bytes:
        pieces: list[bytes] = []
        while piece := (await self.connection.receive())[0]:
            pieces.append(piece)
        return b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, 5_000, 1_000_000])
async def test_an_answer_that_must_be_read_before_the_server_reads_on(
    nursery: trio.Nursery, wire: Any, size: int
) -> None:
    async def serve(script: Script) -> None:
        await script.receive_head()
        await script.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for start in range(0, size, 1_000):
            await script.send(b"y" * min(1_000, size - start))
        await script.receive_body()

    script = Script(nursery, serve)
    with trio.fail_after(10):
        head = await script.connection.exchange(wire("POST", body=content_body(UPLOAD)), unbounded())
        assert head.status == 200
        assert await script.answer() == b"y" * size
        assert script.received.endswith(HEAD_END + UPLOAD)
        assert script.connection.reusable


async def test_reading_ahead_ends_with_the_writing(nursery: trio.Nursery, wire: Any) -> None:
    """An answer that goes on for long is the caller's to read as it comes."""
    go_on = trio.Event()

    async def serve(script: Script) -> None:
        await script.receive_head()
        await script.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await script.receive_body()
        await go_on.wait()
        await script.send(b"6\r\nsecond\r\n0\r\n\r\n")

    script = Script(nursery, serve)
    with trio.fail_after(10):
        await script.connection.exchange(wire("POST", body=content_body(UPLOAD)), unbounded())
        assert await script.connection.receive() == (b"first", False)
        go_on.set()
        assert await script.answer() == b"second"
        assert script.connection.reusable


async def test_no_more_is_read_ahead_than_a_bound(
    nursery: trio.Nursery, wire: Any, autojump_clock: trio.testing.MockClock
) -> None:
    sent = 0

    async def serve(script: Script) -> None:
        nonlocal sent
        await script.receive_head()
        await script.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            await script.send(b"y" * 10_000)
            sent += 10_000

    script = Script(nursery, serve)
    with trio.move_on_after(5) as scope:
        await script.connection.exchange(wire("POST", body=content_body(UPLOAD)), unbounded())
    assert scope.cancelled_caught
    assert 1_000_000 < sent < 1_200_000


@pytest.mark.parametrize("size", [1, 300_000])
async def test_progress_of_a_body_whatever_its_size(nursery: trio.Nursery, wire: Any, size: int) -> None:
    told: list[tuple[int, int | None]] = []

    async def serve(script: Script) -> None:
        await script.receive_head()
        while len(script.received.partition(HEAD_END)[2]) < size:
            script.received += await script.server.receive_some()
        await script.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    script = Script(nursery, serve)
    body = watched(content_body(b"x" * size), lambda sent, total: told.append((sent, total)))
    with trio.fail_after(10):
        await script.connection.exchange(wire("POST", body=body), unbounded())
    assert told[0] == (0, size)
    assert told[-1] == (size, size)
    assert told == sorted(set(told))


async def test_a_small_request_leaves_in_one_write(nursery: trio.Nursery, wire: Any) -> None:
    bodies = {NO_BODY: b"", content_body(b"small"): b"small"}
    writes: list[bytes] = []

    async def serve(script: Script) -> None:
        for _ in bodies:
            writes.append(await script.server.receive_some())
            await script.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    script = Script(nursery, serve)
    for body in bodies:
        await script.connection.exchange(wire("POST", body=body), unbounded())
        assert await script.answer() == b""
    assert [write.partition(HEAD_END)[2] for write in writes] == list(bodies.values())
