"""The workers of a fan-out: what is pulled and started, and when."""

from __future__ import annotations

import contextvars
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import FanOutReport, Outcome

BOTH_ORDERS = pytest.mark.parametrize("ordered", [False, True], ids=["as finished", "in order"])
BOTH_INPUTS = pytest.mark.parametrize("source", ["sync", "async"])


async def nap(seconds: float) -> float:
    await trio.sleep(seconds)
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


class Gauge:
    """A call that counts how many of it run at once."""

    def __init__(self, call: Callable[[Any], Awaitable[Any]] = nap) -> None:
        self.call = call
        self.now = self.peak = self.begun = 0

    async def __call__(self, item: Any) -> Any:
        self.begun += 1
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            return await self.call(item)
        finally:
            self.now -= 1


@BOTH_INPUTS
@BOTH_ORDERS
async def test_as_many_run_at_once_as_allowed_and_no_more(
    autojump_clock: trio.testing.MockClock, source: str, ordered: bool
) -> None:
    gauge = Gauge()
    async with fan_out(gauge, made(source, [1] * 3000), max_at_once=1000, ordered=ordered) as run:
        assert len(await taken(run)) == 3000
    assert gauge.peak == 1000
    assert run.report.elapsed == 3.0


@BOTH_INPUTS
async def test_few_items_start_few_tasks(autojump_clock: trio.testing.MockClock, source: str) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with fan_out(nap, made(source, [1, 1, 1]), max_at_once=1000) as run:
        await trio.sleep(0.5)
        assert trio.lowlevel.current_statistics().tasks_living - before == 3
        assert run.statistics().workers == 3
        await taken(run)


async def test_an_item_brings_one_worker(autojump_clock: trio.testing.MockClock) -> None:
    async def items() -> AsyncIterator[int]:
        for _ in range(3):
            yield 1
        await trio.sleep_forever()

    async with fan_out(nap, items(), max_at_once=1000) as run:
        await trio.sleep(0.5)
        assert (run.statistics().running, run.statistics().workers) == (3, 3)


@pytest.mark.parametrize(("max_at_once", "run_ahead", "window"), [(1, 0, 1), (2, 0, 2), (2, 3, 5), (4, None, 8)])
@BOTH_INPUTS
@BOTH_ORDERS
async def test_the_window_bounds_what_is_pulled_and_not_taken(
    autojump_clock: trio.testing.MockClock,
    max_at_once: int,
    run_ahead: int | None,
    window: int,
    source: str,
    ordered: bool,
) -> None:
    run = fan_out(nap, made(source, itertools.repeat(1)), max_at_once=max_at_once, run_ahead=run_ahead, ordered=ordered)
    async with run:
        await trio.sleep(100)
        assert (run.report.seen, run.report.done, run.statistics().room) == (window, window, 0)
        await anext(run)
        await trio.sleep(100)
        assert (run.report.seen, run.report.done, run.statistics().waiting) == (window + 1, window + 1, window)


async def test_in_order_nothing_starts_beyond_the_window_of_a_slow_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with fan_out(nap, itertools.chain([100], itertools.repeat(1)), max_at_once=3, ordered=True) as run:
        await trio.sleep(50)
        assert (run.report.seen, run.report.done, run.report.running) == (6, 5, 1)
        assert [(await anext(run)).index for _ in range(6)] == list(range(6))
        assert trio.current_time() == 100.0


@BOTH_INPUTS
async def test_an_item_is_pulled_only_when_a_worker_is_free(
    autojump_clock: trio.testing.MockClock, source: str
) -> None:
    async with fan_out(nap, made(source, [1] * 10), max_at_once=2, run_ahead=100) as run:
        for second in range(5):
            await trio.sleep(0.5)
            assert run.report.seen == 2 * second + 2
            await trio.sleep(0.5)


async def test_a_slow_caller_does_not_idle_the_workers_while_there_is_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with fan_out(nap, [2] * 8, max_at_once=2, run_ahead=2) as run:
        async for _ in run:
            await trio.sleep(1)
    # Two at a time take 8 s, and the last outcome is looked at for another.
    assert trio.current_time() == 10.0
    assert run.report.elapsed == 8.0


async def test_trivial_calls_let_other_tasks_run() -> None:
    turns = 0
    async with fan_out(echo, range(20_000), max_at_once=2, run_ahead=20_000) as run:
        while run.report.done < 20_000:
            turns += 1
            await trio.lowlevel.checkpoint()
    assert turns > 100


async def test_taking_what_is_there_lets_other_tasks_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with fan_out(echo, range(20_000), max_at_once=2, run_ahead=20_000) as run:
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            assert len(await taken(run)) == 20_000
            nursery.cancel_scope.cancel()
    assert turns > 100


@BOTH_INPUTS
async def test_a_trivial_endless_run_can_be_cancelled(source: str) -> None:
    with trio.CancelScope() as scope:
        async with fan_out(echo, made(source, itertools.count()), max_at_once=10) as run:
            async for outcome in run:
                if outcome.index == 1000:
                    scope.cancel()
    assert scope.cancelled_caught
    assert run.report.delivered == 1001
    assert adds_up(run.report)


async def test_an_item_is_not_pulled_once_the_run_is_cancelled() -> None:
    with trio.CancelScope() as scope:

        async def call(_: int) -> None:
            scope.cancel()

        async with fan_out(call, itertools.count(), max_at_once=5) as run:
            await trio.sleep_forever()
    assert (run.report.seen, run.report.done) == (1, 1)


async def test_calls_see_the_context_of_the_caller(autojump_clock: trio.testing.MockClock) -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def items() -> AsyncIterator[int]:
        for number in range(5):
            who.set("the input")
            yield number

    async def call(_: int) -> str:
        seen = who.get()
        who.set("a call")
        await trio.sleep(1)
        return seen

    who.set("the caller")
    async with fan_out(call, items(), max_at_once=5) as run:
        who.set("the caller, later")
        assert {outcome.unwrap() async for outcome in run} == {"the caller"}
    assert who.get() == "the caller, later"
