"""A request body as one async iterator."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio

from trioclient._codec.body import RequestBody, content_body, watched
from trioclient._net.pieces import PieceIterator, aiter_pieces


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


class SlowFile(io.BytesIO):
    """Stops at its first read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.began, self.release, self.again = threading.Event(), threading.Event(), threading.Event()
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads == 1:
            self.began.set()
            assert self.release.wait(10)
        else:
            self.again.set()
        return super().read(size)


async def leave_at_its_step(iterator: PieceIterator, began: threading.Event) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def advance() -> None:
                await iterator.__anext__()

            nursery.start_soon(advance)
            await trio.to_thread.run_sync(began.wait)
            scope.cancel()
    assert scope.cancelled_caught
    await iterator.aclose()  # waits for nothing


async def test_cancelled_it_leaves_the_thread_behind_which_closes() -> None:
    began, release, closed = threading.Event(), threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            began.set()
            assert release.wait(10)
            yield b"late"
        finally:
            closed.set()

    body = content_body(pieces())
    iterator = aiter_pieces(body)
    await leave_at_its_step(iterator, began)
    assert not closed.is_set()
    release.set()
    assert await trio.to_thread.run_sync(closed.wait, 10)
    await iterator.aclose()


async def test_cancelled_before_a_step_it_closes() -> None:
    closed: list[bool] = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    iterator = aiter_pieces(content_body(pieces()))
    assert await iterator.__anext__() == b"a"
    with trio.CancelScope() as scope:
        scope.cancel()
        await iterator.__anext__()
    await iterator.aclose()
    assert closed == [True]


async def test_the_next_sending_waits_for_the_thread_left_behind() -> None:
    """Both read the same file."""
    content = bytes(range(256)) * 1_000
    file = SlowFile(content)
    body = content_body(file)
    await leave_at_its_step(aiter_pieces(body), file.began)
    second: list[bytes] = []

    async def send_again() -> None:
        second.extend(await collect(body))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_again)
        # Would it read, it would have by then; if not, nothing is proven, and nothing fails.
        assert not await trio.to_thread.run_sync(file.again.wait, 0.05)
        file.release.set()
    assert b"".join(second) == content


async def test_a_sending_left_while_it_waits_for_another_reads_nothing() -> None:
    file = SlowFile(b"content")
    body = content_body(file)
    await leave_at_its_step(aiter_pieces(body), file.began)
    await leave_at_its_step(aiter_pieces(body), file.began)
    file.release.set()
    assert b"".join(await collect(body)) == b"content"
    assert file.reads == 2


# Progress


class Numbers:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"ab", b"", b"c"])


class AsyncNumbers:
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [(0, 0)]),
        (b"abc", [(0, 3), (3, 3)]),
        (b"x" * 100_000, [(0, 100_000), (65_536, 100_000), (100_000, 100_000)]),
        ([b"ab", b"c"], [(0, 3), (2, 3), (3, 3)]),
        ([], [(0, 0)]),
        (io.BytesIO(b"abc"), [(0, 3), (3, 3)]),
        (Numbers(), [(0, None), (2, None), (3, None)]),
        (AsyncNumbers(), [(0, None), (2, None), (3, None)]),
    ],
)
async def test_progress_is_told_from_the_start_each_time(content: Any, expected: list[tuple[int, int | None]]) -> None:
    told: list[tuple[int, int | None]] = []
    threads: set[threading.Thread] = set()

    def tell(sent: int, total: int | None) -> None:
        told.append((sent, total))
        threads.add(threading.current_thread())

    body = watched(content_body(content), tell)
    await collect(body)
    assert told == expected
    await collect(body)
    assert told == expected * 2
    assert threads == {threading.current_thread()}


async def test_what_was_not_handed_over_is_not_told() -> None:
    told: list[int] = []
    iterator = aiter_pieces(watched(content_body([b"ab", b"c"]), lambda sent, total: told.append(sent)))
    await iterator.__anext__()
    assert told == [0]
    await iterator.__anext__()
    assert told == [0, 2]
    await iterator.aclose()
    assert told == [0, 2]


@pytest.mark.parametrize("at", [0, 2, 3])
async def test_what_the_function_raises_propagates_and_is_kept(at: int) -> None:
    bug = KeyError("bug")

    def tell(sent: int, total: int | None) -> None:
        if sent == at:
            raise bug

    iterator = aiter_pieces(watched(content_body(Numbers()), tell))
    with pytest.raises(KeyError) as caught:
        _ = [piece async for piece in iterator]
    assert caught.value is bug
    assert iterator.error is bug
    await iterator.aclose()


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
async def test_the_function_does_not_end_the_body(kind: type[Exception]) -> None:
    def tell(sent: int, total: int | None) -> None:
        if sent:
            raise kind

    iterator = aiter_pieces(watched(content_body(Numbers()), tell))
    with pytest.raises(RuntimeError, match=kind.__name__):
        _ = [piece async for piece in iterator]
    await iterator.aclose()


async def test_a_one_shot_body_opens_once() -> None:
    body = content_body(iter([b"a"]))
    assert await collect(body) == [b"a"]
    with pytest.raises(RuntimeError, match="already sent"):
        aiter_pieces(body)


@pytest.mark.parametrize("streamed", [False, True])
async def test_no_piece_is_larger_than_asked_for(streamed: bool) -> None:
    async def given() -> AsyncIterator[bytes]:
        for size in (10, 4, 0, 3, 1):
            yield b"x" * size

    told: list[int] = []
    body = content_body(given() if streamed else b"x" * 18)
    pieces = aiter_pieces(watched(body, lambda sent, _: told.append(sent)), 4)
    sizes = [len(piece) async for piece in pieces]
    await pieces.aclose()
    assert sizes == ([4, 4, 2, 4, 3, 1] if streamed else [4, 4, 4, 4, 2])
    assert told == [0, *(sum(sizes[: count + 1]) for count in range(len(sizes)))]


async def test_a_cut_up_generator_is_closed() -> None:
    closed = False

    async def given() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            yield b"x" * 100
        finally:
            closed = True

    pieces = aiter_pieces(content_body(given()), 4)
    assert await pieces.__anext__() == b"xxxx"
    await pieces.aclose()
    assert closed
