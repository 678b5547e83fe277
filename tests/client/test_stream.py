"""`AsyncStream` in memory: batches, exact times, and the forms of ``stream_cls``."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

import pytest
import trio

from trioclient import APIStatusError, APIStreamError, AsyncAPIClient, AsyncStream, DeadlineExceeded
from trioclient._client.stream import stream_types
from trioclient.testing import Reply, ScriptedTransport, event_stream, fault, json_lines

T = TypeVar("T")
U = TypeVar("U")
PING = b"event: ping\ndata: {}\n\n"

OpenStream = Callable[..., AbstractAsyncContextManager[AsyncStream[Any]]]


@pytest.fixture
def opened() -> OpenStream:
    """A stream of a scripted answer, closed at the end."""

    @asynccontextmanager
    async def opened(answer: Any, **options: Any) -> AsyncIterator[AsyncStream[Any]]:
        transport = ScriptedTransport(answer)
        async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
            async with await client.get("/", stream=True, options=options) as stream:  # type: ignore[call-overload]
                yield stream
        assert transport.open_responses == 0

    return opened


def at_once(*events: Any, **keywords: Any) -> Reply:
    """All of it in one piece, and nothing after it for a long while."""
    return event_stream(b"".join(event_stream(*events).pieces), b": more\n\n", chunk_delay=1000.0, **keywords)


class TestBatches:
    async def test_what_is_there(self, opened: OpenStream) -> None:
        async with opened(event_stream(1, b"data: 2\n\ndata: 3\n\n", 4)) as stream:
            assert [await stream.next_batch(raw=False) for _ in range(5)] == [[1], [2, 3], [4], [], []]

    @pytest.mark.parametrize("behind", [PING, b": comment\n\n", b"data\n\n", b"data: 2"])
    async def test_none_waits_for_another(self, opened: OpenStream, autojump_clock: Any, behind: bytes) -> None:
        """Nor for what comes behind a ping."""
        async with opened(at_once(1, behind)) as stream:
            started = trio.current_time()
            assert await stream.next_batch(raw=False) == [1]
            assert trio.current_time() == started

    async def test_raw(self, opened: OpenStream) -> None:
        async with opened(event_stream(b"data: 1\n\n" + PING, 2)) as stream:
            batches = [await stream.next_batch(raw=True) for _ in range(3)]
            assert [[event.event for event in batch] for batch in batches] == [["message", "ping"], ["message"], []]

    async def test_an_error_comes_behind_what_was_before_it(self, opened: OpenStream) -> None:
        async with opened(at_once(1, 2, ("error", {}), 3)) as stream:
            assert await stream.next_batch(raw=False) == [1, 2]
            with pytest.raises(APIStatusError):
                await stream.next_batch(raw=False)
            assert await stream.next_batch(raw=False) == []

    async def test_the_terminal_event_ends_it(self, opened: OpenStream) -> None:
        async with opened(at_once(("a", 1), ("end", 2), ("a", 3)), terminal_event="end") as stream:
            assert [await stream.next_batch(raw=False) for _ in range(3)] == [[1, 2], [], []]

    async def test_a_missing_one_too(self, opened: OpenStream) -> None:
        async with opened(event_stream(("a", 1)), terminal_event="end") as stream:
            assert await stream.next_batch(raw=False) == [1]
            with pytest.raises(APIStreamError):
                await stream.next_batch(raw=False)
            assert await stream.next_batch(raw=False) == []

    async def test_cancelled_it_loses_nothing(self, opened: OpenStream, autojump_clock: Any) -> None:
        async with opened(event_stream(1, 2, chunk_delay=5.0)) as stream:
            with trio.move_on_after(1.0):
                assert await stream.next_batch(raw=False) == [1]
                await stream.next_batch(raw=False)
            with pytest.raises(APIStreamError, match="closed"):
                await stream.next_batch(raw=False)


class TestTime:
    @pytest.mark.parametrize(
        ("options", "kind", "ended"),
        [
            ({"idle_timeout": 3.0}, APIStreamError, 7.0),
            ({"timeout": 3.0}, APIStreamError, 7.0),
            ({"idle_timeout": 3.0, "deadline": 6.5}, DeadlineExceeded, 6.5),
            ({"deadline": 6.0}, DeadlineExceeded, 6.0),
            ({"deadline": 2.0}, DeadlineExceeded, 2.0),
            ({"deadline": 4.0}, DeadlineExceeded, 4.0),
        ],
    )
    @pytest.mark.parametrize("make", [event_stream, json_lines])
    async def test_to_the_instant(
        self, opened: OpenStream, autojump_clock: Any, options: Any, kind: Any, ended: float, make: Any
    ) -> None:
        pieces = [b"data: %d\n\n" % n if make is event_stream else b"%d\n" % n for n in range(3)]
        started = trio.current_time()
        values: list[int] = []
        answer = fault("disconnect", after=math.inf, of=make(*pieces, delay=0.0, chunk_delay=2.0))
        with pytest.raises(kind) as caught:
            async with opened(answer, **options) as stream:
                async for value in stream:
                    values.append(value)  # noqa: PERF401 -- keeps what comes before a fault
        assert trio.current_time() - started == ended
        assert caught.value.elapsed == ended
        assert values == [n for n in range(3) if 2.0 * n < ended]

    async def test_comments_keep_it_alive(self, opened: OpenStream, autojump_clock: Any) -> None:
        comments = [b": still here\n\n"] * 10
        async with opened(event_stream(1, *comments, 2, chunk_delay=2.0), idle_timeout=3.0) as stream:
            assert [value async for value in stream] == [1, 2]
        assert trio.current_time() == 22.0

    async def test_the_callers_own_scope(self, opened: OpenStream, autojump_clock: Any) -> None:
        with trio.move_on_after(3.0) as scope:
            async with opened(event_stream(1, 2, chunk_delay=5.0)) as stream:
                async for _ in stream:
                    pass
        assert scope.cancelled_caught
        assert trio.current_time() == 3.0

    async def test_the_deadline_is_of_the_reader_too(self, opened: OpenStream, autojump_clock: Any) -> None:
        async with opened(event_stream(1, 2), deadline=5.0) as stream:
            assert await stream.__anext__() == 1
            await trio.sleep(6.0)
            with pytest.raises(DeadlineExceeded):
                await stream.__anext__()

    @pytest.mark.parametrize(("behind", "waited"), [([0.0], 0.0), ([0.05], 0.05), ([math.inf], 0.1)])
    async def test_the_end_of_a_stream_that_is_over(
        self, opened: OpenStream, autojump_clock: Any, behind: list[float], waited: float
    ) -> None:
        answer = event_stream(("end", 1), b": more\n\n", chunk_delay=behind[0])
        async with opened(answer, terminal_event="end") as stream:
            assert await stream.__anext__() == 1
            started = trio.current_time()
            with pytest.raises(StopAsyncIteration):
                await stream.__anext__()
            assert trio.current_time() - started == pytest.approx(waited)

    async def test_one_that_is_not_is_left_at_once(self, opened: OpenStream, autojump_clock: Any) -> None:
        async with opened(event_stream(1, 2, chunk_delay=0.05)) as stream:
            await stream.__anext__()
            started = trio.current_time()
        assert trio.current_time() == started


class TestUntilDone:
    async def test_it_throws_away_what_comes(self, opened: OpenStream) -> None:
        async with opened(event_stream(1, 2)) as stream:
            await stream.until_done()
            assert [value async for value in stream] == []

    async def test_it_goes_on_as_it_was_begun(self, opened: OpenStream) -> None:
        """As raw events an error is no error."""
        async with opened(event_stream(1, ("error", {}), 2)) as stream:
            await stream.events().__anext__()
            await stream.until_done()

    async def test_it_raises(self, opened: OpenStream) -> None:
        async with opened(event_stream(1, ("error", {}), 2)) as stream:
            with pytest.raises(APIStatusError):
                await stream.until_done()


class Plain(AsyncStream[T]):
    pass


class OfInts(AsyncStream[int]):
    pass


class BelowOfInts(OfInts):
    pass


class OfLists(AsyncStream[list[T]]):
    pass


class Swapped(AsyncStream[U], Generic[T, U]):
    pass


class Mixed(Generic[T]):
    pass


class MixedIn(Mixed[str], OfInts):
    pass


class MixedInPlain(Mixed[str], Plain[bytes]):
    pass


class Both(BelowOfInts, Plain[int]):
    pass


@pytest.mark.parametrize(
    ("stream_cls", "kind", "cls"),
    [
        (None, dict, AsyncStream),
        (AsyncStream, dict, AsyncStream),
        (AsyncStream[str], str, AsyncStream),
        (AsyncStream[Any], Any, AsyncStream),
        (AsyncStream[T], dict, AsyncStream),
        (Plain, dict, Plain),
        (Plain[str], str, Plain),
        (Plain[T], dict, Plain),
        (OfInts, int, OfInts),
        (BelowOfInts, int, BelowOfInts),
        (OfLists[str], list[str], OfLists),
        (Swapped[int, str], str, Swapped),
        (Swapped, dict, Swapped),
        (MixedIn, int, MixedIn),
        (MixedInPlain, bytes, MixedInPlain),
        (Both, int, Both),
    ],
)
@pytest.mark.parametrize("base", [AsyncStream, AsyncStream[Any]])
def test_stream_cls(stream_cls: Any, kind: Any, cls: Any, base: Any) -> None:
    found_kind, found_cls = stream_types(dict, stream_cls, base)
    assert found_kind == kind
    assert (getattr(found_cls, "__origin__", found_cls)) is cls


@pytest.mark.parametrize("stream_cls", [list, list[int], Mixed, "AsyncStream", 7, AsyncIterator[int]])
def test_what_is_no_stream_cls(stream_cls: Any) -> None:
    with pytest.raises(TypeError, match="stream_cls must be AsyncStream or a subclass of it"):
        stream_types(dict, stream_cls, AsyncStream)


async def test_a_subclass_that_cannot_be_made(opened: OpenStream) -> None:
    class Bad(AsyncStream[Any]):
        def __init__(self, **arguments: Any) -> None:
            raise KeyError("mine")

    transport = ScriptedTransport(event_stream(1))
    async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
        with pytest.raises(KeyError, match="mine"):
            await client.get("/", stream=True, stream_cls=Bad)
    assert transport.open_responses == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"cast_to": None},
        {"cast_to": object()},
        {"options": {"terminal_event": 7}},
        {"options": {"idle_timeout": -1}},
        {"options": {"resume": 1}},
        {"stream_cls": list},
        {"options": {"deadline": "soon"}},
    ],
)
async def test_what_cannot_be_is_not_sent(arguments: Any) -> None:
    transport = ScriptedTransport()
    async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
        with pytest.raises((TypeError, ValueError)):
            await client.get("/", stream=True, **arguments)
    assert transport.requests == []


@pytest.mark.parametrize("name", ["terminal_event", "resume", "idle_timeout"])
async def test_what_is_for_streams(name: str) -> None:
    options: Any = {name: {"terminal_event": "end", "resume": True, "idle_timeout": 1.0}[name]}
    async with AsyncAPIClient(base_url="https://api.test", transport=ScriptedTransport()) as client:
        with pytest.raises(TypeError, match=name):
            await client.get("/", options=options)
        with pytest.raises(TypeError, match=name):
            await client.with_raw_response.get("/", options=options)
