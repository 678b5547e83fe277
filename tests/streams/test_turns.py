"""Events that came together: how soon a cancellation is seen between them, and others have their turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio

from trioclient import APIStatusError, AsyncAPIClient, AsyncStream, ServerSentEvent
from trioclient._client import stream as module
from trioclient.testing import ScriptedTransport, event_stream, json_lines

EVENTS = 1000
MOST_AT_ONCE = 32

OpenStream = Callable[..., AbstractAsyncContextManager[AsyncStream[Any]]]


class Clock:
    """What the stream goes by, instead of the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


@pytest.fixture
def together(clock: Clock) -> OpenStream:
    """A stream of events that come in one piece, of several HTTP chunks or none."""

    @asynccontextmanager
    async def together(*events: Any, make: Any = event_stream, **options: Any) -> AsyncIterator[AsyncStream[Any]]:
        transport = ScriptedTransport(make(b"".join(make(*events).pieces)))
        async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
            async with await client.get("/", stream=True, options=options) as stream:  # type: ignore[call-overload]
                yield stream
        assert transport.open_responses == 0

    return together


def values_of(stream: AsyncStream[Any]) -> AsyncIterator[Any]:
    return stream


def events_of(stream: AsyncStream[Any]) -> AsyncIterator[Any]:
    return stream.events()


both = pytest.mark.parametrize("iterate", [values_of, events_of])


class TestCancellation:
    @both
    @pytest.mark.parametrize("make", [event_stream, json_lines])
    @pytest.mark.parametrize("last", [0, 1, 30, 31, 32, 63, 500, EVENTS - MOST_AT_ONCE - 1])
    async def test_by_the_reader_itself(self, together: OpenStream, iterate: Any, make: Any, last: int) -> None:
        seen = 0
        with trio.CancelScope() as scope:
            async with together(*range(EVENTS), make=make) as stream:
                async for _ in iterate(stream):
                    if seen == last:
                        scope.cancel()
                    seen += 1
        assert scope.cancelled_caught
        assert last < seen <= last + MOST_AT_ONCE

    async def test_of_a_reader_that_takes_its_time(self, together: OpenStream, clock: Clock) -> None:
        seen = 0
        with trio.CancelScope() as scope:
            async with together(*range(EVENTS)) as stream:
                async for _ in stream:
                    clock.now += 0.002
                    seen += 1
                    if seen == 500:
                        scope.cancel()
        assert seen == 500

    @both
    async def test_by_another_task(self, together: OpenStream, clock: Clock, iterate: Any) -> None:
        """It has its turn after a millisecond, or two where the reader is first in the same round of
        the loop; and what it does is seen after 32 events.
        """
        asked = trio.Event()
        seen = 0

        async def cancel() -> None:
            await asked.wait()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel)
            async with together(*range(EVENTS)) as stream:
                async for _ in iterate(stream):
                    clock.now += 0.00001
                    seen += 1
                    if seen == 300:
                        asked.set()
        assert nursery.cancel_scope.cancelled_caught
        assert 300 <= seen <= 300 + 2 * 100 + MOST_AT_ONCE

    async def test_what_was_not_taken_is_still_there(self, together: OpenStream) -> None:
        async with together(*range(EVENTS)) as stream:
            seen: list[int] = []
            with trio.CancelScope() as scope:
                async for value in stream:
                    seen.append(value)
                    if value == 100:
                        scope.cancel()
            assert scope.cancelled_caught
            assert [*seen, *[value async for value in stream]] == list(range(EVENTS))


@both
@pytest.mark.parametrize(("seconds", "turns"), [(0.0001, 50), (0.0005, 200), (0.002, 900)])
async def test_others_have_their_turn(
    together: OpenStream, clock: Clock, iterate: Any, seconds: float, turns: int
) -> None:
    """Although the stream never waits."""
    taken = 0

    async def other() -> None:
        nonlocal taken
        while True:
            taken += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        async with together(*range(EVENTS)) as stream:
            nursery.start_soon(other)
            assert await iterate(stream).__anext__() is not None
            before = taken
            async for _ in iterate(stream):
                clock.now += seconds
        nursery.cancel_scope.cancel()
    assert taken - before >= turns


class TestOneAtATime:
    """That events came together changes nothing for whoever takes them one by one."""

    async def test_a_bad_one_is_bad_when_its_turn_has_come(self, together: OpenStream) -> None:
        async with together(*range(100), ("error", {}), 1) as stream:
            assert [await stream.__anext__() for _ in range(100)] == list(range(100))
            assert not stream.is_closed
            with pytest.raises(APIStatusError):
                await stream.__anext__()
            assert stream.is_closed
            assert [value async for value in stream] == []

    async def test_nothing_behind_the_terminal_event_is_looked_at(self, together: OpenStream) -> None:
        asked: list[str] = []

        def is_last(event: ServerSentEvent) -> bool:
            asked.append(event.data)
            return event.data == "49"

        async with together(*range(50), ("error", {}), "no JSON", terminal_event=is_last) as stream:
            for number in range(50):
                assert await stream.__anext__() == number
                assert len(asked) == number + 1
            assert [value async for value in stream] == []
            assert len(asked) == 50

    @both
    async def test_closed_in_the_middle(self, together: OpenStream, iterate: Any) -> None:
        async with together(*range(100)) as stream:
            seen = 0
            async for _ in iterate(stream):
                seen += 1
                if seen == 40:
                    await stream.aclose()
            assert seen == 40

    @pytest.mark.parametrize("taken", [0, 1])
    async def test_closed_in_front_of_an_error(self, together: OpenStream, taken: int) -> None:
        """Who closes it wants none."""
        async with together(1, 2, ("error", {})) as stream:
            assert [await stream.__anext__() for _ in range(taken)] == [1, 2][:taken]
            assert await stream.next_batch(raw=False)
            await stream.aclose()
            assert await stream.next_batch(raw=False) == []
            assert [value async for value in stream] == []

    async def test_a_bug_of_the_callers_own_does_not_end_it(self, together: OpenStream) -> None:
        async with together(*range(100), terminal_event=lambda event: 1 / (int(event.data) - 40) > 9) as stream:
            seen: list[int] = []
            with pytest.raises(ZeroDivisionError):
                async for value in stream:
                    seen.append(value)  # noqa: PERF401 -- keeps what comes before
            assert seen == list(range(40))
            assert await stream.__anext__() == 41

    async def test_values_or_events(self, together: OpenStream) -> None:
        async with together(*range(100)) as stream:
            events = stream.events()
            assert (await events.__anext__()).data == "0"
            with pytest.raises(RuntimeError, match="not as both"):
                await stream.__anext__()
            assert (await events.__anext__()).data == "1"

    async def test_the_rest_of_it_as_a_batch(self, together: OpenStream) -> None:
        async with together(*range(100)) as stream:
            seen = [await stream.__anext__() for _ in range(50)]
            while batch := await stream.next_batch(raw=False):
                seen += batch
            assert seen == list(range(100))
