"""The input of a fan-out: when it is pulled dry, breaks, or is closed."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import FanOutReport, Outcome

BOTH_ORDERS = pytest.mark.parametrize("ordered", [False, True], ids=["as finished", "in order"])
BOTH_INPUTS = pytest.mark.parametrize("source", ["sync", "async"])


class Broken(Exception):
    pass


async def nap(seconds: float) -> float:
    await trio.sleep(seconds)
    return seconds


async def nap_or_break(seconds: float) -> float:
    """Sleeps; breaks at the end if told a negative number."""
    await trio.sleep(abs(seconds))
    if seconds < 0:
        raise Broken(seconds)
    return seconds


async def echo(item: Any) -> Any:
    return item


async def each(items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


def made(source: str, items: Any) -> Any:
    return each(items) if source == "async" else iter(items)


def adds_up(report: FanOutReport) -> bool:
    return report.running == 0 and report.done + report.failed + report.cancelled + report.not_started == report.seen


async def taken(run: FanOut[Any, Any]) -> list[Outcome[Any, Any]]:
    return [outcome async for outcome in run]


async def taken_until(
    error: type[Exception], run: FanOut[Any, Any]
) -> tuple[list[Outcome[Any, Any]], pytest.ExceptionInfo[Any]]:
    """The outcomes before an error, and the error."""
    outcomes = []
    with pytest.raises(error) as caught:
        while True:
            outcomes.append(await anext(run))
    return outcomes, caught


@BOTH_INPUTS
@BOTH_ORDERS
async def test_an_error_of_the_input_is_raised_after_what_was_under_way(
    autojump_clock: trio.testing.MockClock, source: str, ordered: bool
) -> None:
    def breaking() -> Iterator[float]:
        yield 2
        yield 1
        raise Broken("input")

    async with fan_out(nap, made(source, breaking()), max_at_once=3, ordered=ordered) as run:
        outcomes, caught = await taken_until(Broken, run)
        with pytest.raises(StopAsyncIteration):
            await anext(run)
    assert caught.match("input")
    assert sorted(outcome.item for outcome in outcomes) == [1, 2]
    assert (run.report.seen, run.report.done, run.report.elapsed) == (2, 2, 2.0)


async def test_a_sync_generator_is_closed() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    async with fan_out(echo, items(), max_at_once=2) as run:
        async for _ in run:
            break
    assert closed == [True]


async def test_an_async_generator_is_closed_in_peace_after_a_break(autojump_clock: trio.testing.MockClock) -> None:
    steps = []

    async def items() -> AsyncIterator[int]:
        try:
            for number in itertools.count():
                yield number
        finally:
            await trio.sleep(1)
            steps.append("closed")

    async with fan_out(echo, items(), max_at_once=2) as run:
        async for _ in run:
            await trio.testing.wait_all_tasks_blocked()
            break
    assert steps == ["closed"]
    assert trio.current_time() == 1.0


async def test_an_async_input_that_waits_is_cancelled() -> None:
    steps = []

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            await trio.sleep_forever()
        finally:
            steps.append("closed")

    async with fan_out(echo, items(), max_at_once=2) as run:
        async for _ in run:
            await trio.testing.wait_all_tasks_blocked()
            break
    assert steps == ["closed"]
    assert adds_up(run.report)


async def test_an_async_generator_may_hold_a_nursery_open(autojump_clock: trio.testing.MockClock) -> None:
    async def items() -> AsyncIterator[float]:
        send, receive = trio.open_memory_channel[float](0)

        async def produce() -> None:
            async with send:
                for number in range(20):
                    await trio.sleep(0.1)
                    await send.send(number / 10)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(produce)
            async for number in receive:
                yield number

    async with fan_out(nap, items(), max_at_once=3, ordered=True) as run:
        assert [outcome.index for outcome in await taken(run)] == list(range(20))


@pytest.mark.parametrize("leave", ["break", "cancel"])
async def test_an_async_generator_with_a_nursery_is_left_early(
    autojump_clock: trio.testing.MockClock, leave: str
) -> None:
    async def items() -> AsyncIterator[int]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                for number in itertools.count():
                    yield number
            finally:
                nursery.cancel_scope.cancel()

    with trio.move_on_after(1) as scope:
        async with fan_out(nap, items(), max_at_once=3) as run:
            async for _ in run:
                if leave == "break":
                    break
                await trio.sleep_forever()
    assert scope.cancelled_caught is (leave == "cancel")
    assert adds_up(run.report)


async def test_an_error_of_closing_the_generator_is_raised() -> None:
    def items() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            raise Broken("closing")

    with pytest.raises(Broken, match="closing"):
        async with fan_out(echo, items(), max_at_once=2) as run:
            async for _ in run:
                break


async def test_an_iterator_that_belongs_to_the_caller_stays_open() -> None:
    send, receive = trio.open_memory_channel[int](10)
    for number in range(3):
        send.send_nowait(number)
    async with fan_out(echo, receive, max_at_once=1) as run:
        assert [(await anext(run)).value for _ in range(3)] == [0, 1, 2]
    send.send_nowait(7)
    assert receive.receive_nowait() == 7
    send.close()
    receive.close()


async def test_an_iterator_that_the_run_made_is_closed() -> None:
    class Closable:
        def __init__(self) -> None:
            self.closed = False

        def __iter__(self) -> Iterator[int]:
            return self

        def __next__(self) -> int:
            return 1

        def close(self) -> None:
            self.closed = True

    class Pages:
        def __init__(self, iterator: Closable) -> None:
            self.iterator = iterator

        def __iter__(self) -> Iterator[int]:
            return self.iterator

    own, made_by_run = Closable(), Closable()
    async with fan_out(echo, own, max_at_once=1) as run:
        await anext(run)
    async with fan_out(echo, Pages(made_by_run), max_at_once=1) as run:
        await anext(run)
    assert (own.closed, made_by_run.closed) == (False, True)


async def test_async_items_that_were_pulled_and_not_begun_are_counted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow() -> AsyncIterator[float]:
        yield -1
        with trio.CancelScope(shield=True):  # will not be stopped: one more item comes out
            await trio.sleep(5)
        yield 1

    async with fan_out(nap_or_break, slow(), max_at_once=2, on_error="stop") as run:
        with pytest.raises(Broken):
            await taken(run)
    assert (run.report.seen, run.report.failed, run.report.not_started) == (2, 1, 1)
    assert adds_up(run.report)
