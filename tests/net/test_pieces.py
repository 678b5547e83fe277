"""A request body as one async iterator."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio

from trioclient._codec.body import RequestBody, content_body
from trioclient._net.pieces import aiter_pieces


async def collect(body: RequestBody) -> list[bytes]:
    pieces = aiter_pieces(body)
    try:
        return [piece async for piece in pieces]
    finally:
        await pieces.aclose()


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
async def test_bytes_come_in_slices(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    pieces = await collect(content_body(content[:size]))
    assert b"".join(pieces) == content[:size]
    assert all(0 < len(piece) <= 65_536 for piece in pieces)


async def test_a_sync_iterator_is_advanced_in_a_thread() -> None:
    threads: list[threading.Thread] = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"a", b"", b"b"):
            threads.append(threading.current_thread())
            yield piece

    assert await collect(content_body(pieces())) == [b"a", b"b"]
    assert threading.current_thread() not in threads


async def test_an_async_iterator_is_advanced_in_trio() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"", b"b"):
            await trio.lowlevel.checkpoint()
            yield piece

    assert await collect(content_body(pieces())) == [b"a", b"b"]


class Announcing(RequestBody):
    """A streamed body that announces a length of its own."""

    def __init__(self, body: RequestBody, length: int) -> None:
        self.content = None
        self.content_type = None
        self.length = length
        self.replayable = False
        self._body = body

    def pieces(self) -> Any:
        return self._body.pieces()


@pytest.mark.parametrize(
    ("length", "message"), [(3, "longer than the 3 bytes it announced"), (5, "gave 4 bytes but announced 5")]
)
async def test_the_announced_length_holds(length: int, message: str) -> None:
    pieces = aiter_pieces(Announcing(content_body(iter([b"ab", b"cd"])), length))
    with pytest.raises(ValueError, match=message) as caught:
        _ = [piece async for piece in pieces]
    assert pieces.error is caught.value
    await pieces.aclose()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_callers_exception_propagates_and_is_kept(kind: str) -> None:
    bug = KeyError("bug")

    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise bug

    async def apieces() -> AsyncIterator[bytes]:
        yield b"a"
        raise bug

    iterator = aiter_pieces(content_body(pieces() if kind == "sync" else apieces()))
    with pytest.raises(KeyError) as caught:
        _ = [piece async for piece in iterator]
    assert caught.value is bug
    assert iterator.error is bug
    await iterator.aclose()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_generator_left_half_way_is_closed_even_under_cancellation(kind: str) -> None:
    closed: list[bool] = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    async def apieces() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            await trio.lowlevel.checkpoint()
            closed.append(True)

    iterator = aiter_pieces(content_body(pieces() if kind == "sync" else apieces()))
    with trio.CancelScope() as scope:
        assert await iterator.__anext__() == b"a"
        scope.cancel()
        await iterator.aclose()
    assert closed == [True]
    await iterator.aclose()


async def test_cancelled_it_leaves_the_thread_behind() -> None:
    began, release = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        began.set()
        release.wait(10)
        yield b"late"

    iterator = aiter_pieces(content_body(pieces()))
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def advance() -> None:
                await iterator.__anext__()

            nursery.start_soon(advance)
            await trio.to_thread.run_sync(began.wait)
            scope.cancel()
    assert scope.cancelled_caught
    await iterator.aclose()  # does not touch what the thread still runs
    release.set()


async def test_a_one_shot_body_opens_once() -> None:
    body = content_body(iter([b"a"]))
    assert await collect(body) == [b"a"]
    with pytest.raises(RuntimeError, match="already sent"):
        aiter_pieces(body)
