"""Fan-outs at a given rate: when items begin, what is pulled meanwhile, and what is settled.

Time is virtual, and the quotas are such that it can be asserted exactly: ``a_second(2)`` lets an item
begin every half second, with nothing saved up.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing

from trioclient import AsyncAPIClient
from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import FanOutReport, Outcome
from trioclient._engine.rate_limiter import RateLimiter
from trioclient._errors import DeadlineExceeded, LimitExceeded
from trioclient._policy.rate import Rate
from trioclient.testing import ScriptedTransport, fault, reply

BOTH_ORDERS = pytest.mark.parametrize("ordered", [False, True], ids=["as finished", "in order"])
BOTH_INPUTS = pytest.mark.parametrize("source", ["sync", "async"])


class Broken(Exception):
    pass


def a_second(requests: float) -> Rate:
    return Rate(requests=64 * requests, per=64, burst=0, share=1)


def tokens_a_second(tokens: float, cost: Callable[[Any], float], **others: Any) -> Rate:
    return Rate(tokens=64 * tokens, per=64, burst=0, share=1, cost=cost, **others)


def adds_up(report: FanOutReport) -> bool:
    return report.running == 0 and report.done + report.failed + report.cancelled + report.not_started == report.seen


async def taken(run: FanOut[Any, Any]) -> list[Outcome[Any, Any]]:
    return [outcome async for outcome in run]


async def wait_for_ever(_: object) -> None:
    await trio.sleep_forever()


async def echo(item: Any) -> Any:
    return item


class Log:
    """An input and a call that note when an item is pulled, and when its call begins."""

    def __init__(self, count: int, seconds: float = 0.0, *, source: str = "sync") -> None:
        self.pulled: list[float] = []
        self.begun: list[float] = []
        self.closed = False
        self.items: Any = self._items(count) if source == "sync" else self._async_items(count)
        self._seconds = seconds

    def _items(self, count: int) -> Iterator[int]:
        try:
            for index in range(count):
                self.pulled.append(trio.current_time())
                yield index
        finally:
            self.closed = True

    async def _async_items(self, count: int) -> AsyncIterator[int]:
        async with trio.open_nursery() as nursery:  # which belongs to one task
            nursery.start_soon(trio.sleep_forever)
            for index in self._items(count):
                yield index
            nursery.cancel_scope.cancel()

    async def call(self, item: int) -> int:
        self.begun.append(trio.current_time())
        await trio.sleep(self._seconds)
        return item


# When items begin


@BOTH_INPUTS
@BOTH_ORDERS
async def test_calls_begin_at_the_rate(autojump_clock: Any, source: str, ordered: bool) -> None:
    log = Log(6, 3.0, source=source)
    async with fan_out(log.call, log.items, max_at_once=100, ordered=ordered, rate=a_second(2)) as run:
        outcomes = await taken(run)
    assert log.begun == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert log.closed
    assert [outcome.index for outcome in outcomes] == [outcome.value for outcome in outcomes] == list(range(6))
    # Waiting is not part of a call.
    assert [outcome.elapsed for outcome in outcomes] == [3.0] * 6
    assert run.report.elapsed == 5.5


async def test_tokens_count_by_the_item(autojump_clock: Any) -> None:
    begun = []

    async def call(item: str) -> None:
        begun.append((trio.current_time(), item))

    rate = tokens_a_second(4, len)
    async with fan_out(call, ["a", "bb", "cccccccc", "d"], max_at_once=9, rate=rate) as run:
        await taken(run)
    assert begun == [(0.0, "a"), (0.5, "bb"), (2.5, "cccccccc"), (2.75, "d")]


async def test_the_rate_is_no_more_than_a_bound(autojump_clock: Any) -> None:
    log = Log(6, 1.0)
    async with fan_out(log.call, log.items, max_at_once=2, rate=a_second(1000)) as run:
        await taken(run)
    assert log.begun == pytest.approx([0, 0, 1, 1, 2, 2], abs=0.01)


@BOTH_INPUTS
async def test_one_item_is_pulled_while_the_rate_holds_the_run(autojump_clock: Any, source: str) -> None:
    log = Log(50, 0.0, source=source)
    async with fan_out(log.call, log.items, max_at_once=100, run_ahead=100, rate=a_second(1)) as run:
        for second in range(10):
            await trio.sleep(0.5)
            report, progress = run.report, run.progress()
            assert (len(log.pulled), len(log.begun)) == (second + 2, second + 1)
            assert (report.seen, report.done, report.running, report.not_started) == (second + 2, second + 1, 0, 1)
            assert (progress.running, progress.waiting_for_rate) == (0, True)
            await trio.sleep(0.5)
    assert run.statistics().workers == 0
    assert log.closed
    assert adds_up(run.report)


@pytest.mark.parametrize(("max_at_once", "run_ahead"), [(1, 0), (2, 0), (2, 3), (5, None)])
async def test_the_window_is_kept(autojump_clock: Any, max_at_once: int, run_ahead: int | None) -> None:
    window = max_at_once + (max_at_once if run_ahead is None else run_ahead)
    log = Log(50, 0.25)
    run = fan_out(log.call, log.items, max_at_once=max_at_once, run_ahead=run_ahead, rate=a_second(2))
    async with run:
        await trio.sleep(40)
        assert (len(log.pulled), len(log.begun)) == (window, window)
        assert not run.progress().waiting_for_rate
        await anext(run)
        await trio.sleep(40)
        assert (len(log.pulled), len(log.begun)) == (window + 1, window + 1)


async def test_no_item_is_pulled_before_a_worker_is_free_for_it(autojump_clock: Any) -> None:
    log = Log(4, 10.0)
    async with fan_out(log.call, log.items, max_at_once=2, rate=a_second(2)) as run:
        await taken(run)
    assert log.pulled == [0.0, 0.0, 10.0, 10.5]
    assert log.begun == [0.0, 0.5, 10.0, 10.5]


async def test_few_workers_do_when_the_rate_is_what_bounds_the_run(autojump_clock: Any) -> None:
    log = Log(50, 0.75)
    async with fan_out(log.call, log.items, max_at_once=1000, rate=a_second(2)) as run:
        async for _ in run:
            assert run.statistics().workers <= 3


async def test_while_the_client_is_held_nothing_is_pulled_either(autojump_clock: Any) -> None:
    log = Log(4)
    run = fan_out(log.call, log.items, max_at_once=9, rate=a_second(1))
    run.hold_back(lambda: 10.0 if trio.current_time() < 10.0 else None)
    async with run:
        await taken(run)
    assert log.pulled == [10.0, 10.0, 11.0, 12.0]
    assert log.begun == [10.0, 11.0, 12.0, 13.0]


async def test_a_pulled_item_waits_for_the_gate_too(autojump_clock: Any) -> None:
    log = Log(4)
    run = fan_out(log.call, log.items, max_at_once=9, rate=a_second(1))
    run.hold_back(lambda: 10.0 if 0.5 <= trio.current_time() < 10.0 else None)
    async with run:
        await taken(run)
    assert log.pulled == [0.0, 0.0, 10.0, 10.0]
    assert log.begun == [0.0, 10.0, 10.0, 11.0]


async def test_runs_that_share_a_limiter_take_turns(autojump_clock: Any) -> None:
    limiter = RateLimiter(a_second(1))
    logs = Log(6), Log(3)

    async def run(log: Log, max_at_once: int) -> None:
        async with fan_out(log.call, log.items, max_at_once=max_at_once, rate=limiter) as run:
            await taken(run)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, logs[0], 100)
        await trio.sleep(0.25)
        nursery.start_soon(run, logs[1], 1)
    # However many workers a run has, it has one place in the line.
    assert logs[0].begun == [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]
    assert logs[1].begun == [2.0, 4.0, 6.0]


# What is settled


async def test_what_was_really_used_counts(autojump_clock: Any) -> None:
    begun = []

    async def call(used: float) -> float:
        begun.append(trio.current_time())
        return used

    rate = tokens_a_second(1, lambda item: 4.0, used=lambda value: value)
    async with fan_out(call, [4, 2, 8, 0], max_at_once=1, rate=rate) as run:
        await taken(run)
    # Each is taken for 4; the second used 2 and the third 8.
    assert begun == [0.0, 4.0, 6.0, 14.0]


async def test_a_call_that_fails_has_used_what_it_was_taken_for(autojump_clock: Any) -> None:
    asked = []

    async def call(item: int) -> None:
        raise Broken

    def used(value: object) -> float:
        asked.append(value)
        return 0.0

    limiter = RateLimiter(Rate(tokens=100, per=60, cost=lambda item: 10.0, used=used, burst=1))
    async with fan_out(call, range(3), max_at_once=1, rate=limiter) as run:
        assert [type(outcome.error) for outcome in await taken(run)] == [Broken] * 3
    assert limiter.statistics().tokens_left == 70.0
    assert asked == []


@pytest.mark.parametrize(("answer", "left"), [(fault("connect"), 64.0), (reply(400), 61.0)])
async def test_what_was_not_sent_is_given_back(autojump_clock: Any, answer: Any, left: float) -> None:
    limiter = RateLimiter(Rate(requests=64, per=64, burst=1, share=1))
    async with AsyncAPIClient(
        base_url="https://api.test", transport=ScriptedTransport(answer, repeat_last=True), max_retries=0
    ) as client:
        async with fan_out(lambda item: client.get("/"), range(3), max_at_once=1, rate=limiter) as run:
            assert [outcome.ok for outcome in await taken(run)] == [False] * 3
    assert limiter.statistics().requests_left == left


async def test_a_call_without_a_client_may_have_sent_something(autojump_clock: Any) -> None:
    limiter = RateLimiter(a_second(1))
    async with fan_out(wait_for_ever, [1], max_at_once=1, rate=limiter, item_deadline=2.0) as run:
        (outcome,) = await taken(run)
    assert isinstance(outcome.error, DeadlineExceeded)
    assert outcome.error.sent == "maybe"
    assert limiter.statistics().requests_left == 63.0


# Items that cannot go


async def test_an_item_that_can_never_fit(autojump_clock: Any) -> None:
    called = []

    async def call(item: str) -> str:
        called.append(item)
        return item

    limiter = RateLimiter(Rate(tokens=10, per=60, cost=len))
    async with fan_out(call, ["a", "much too long", "b"], max_at_once=3, ordered=True, rate=limiter) as run:
        good, bad, last = await taken(run)
    assert (good.value, last.value) == ("a", "b")
    assert called == ["a", "b"]
    assert isinstance(bad.error, LimitExceeded)
    assert (bad.error.limit, bad.error.value, bad.error.sent, bad.error.attempts) == ("rate.tokens", 10.0, "no", 0)
    assert str(bad.error) == (
        "it needs more than the whole quota of rate.tokens, 10. "
        "Ask for less at a time; the cost is what `rate.cost` says."
    )
    assert (bad.attempts, bad.elapsed) == (0, 0.0)
    assert (run.report.done, run.report.failed, run.report.attempts) == (2, 1, 2)
    assert limiter.statistics().tokens_left == 8.0


@pytest.mark.parametrize(
    ("cost", "error", "match"),
    [
        (lambda item: item["text"], TypeError, "subscriptable"),
        (lambda item: math.nan, ValueError, "rate.cost"),
        (lambda item: -1, ValueError, "rate.cost"),
        (lambda item: "much", TypeError, "rate.cost"),
    ],
)
async def test_a_cost_that_goes_wrong_is_the_items_error(
    autojump_clock: Any, cost: Any, error: type[Exception], match: str
) -> None:
    rate = Rate(tokens=10, per=60, cost=lambda item: cost(item) if item == 1 else 1.0)
    async with fan_out(echo, range(3), max_at_once=3, ordered=True, rate=rate) as run:
        outcomes = await taken(run)
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    with pytest.raises(error, match=match):
        outcomes[1].unwrap()
    assert outcomes[1].attempts == 0


async def test_a_use_that_goes_wrong_is_the_items_error(autojump_clock: Any) -> None:
    rate = Rate(tokens=10, per=60, cost=lambda item: 1.0, used=lambda value: value["usage"])
    async with fan_out(echo, [{"usage": 1}, {}], max_at_once=1, rate=rate) as run:
        good, bad = await taken(run)
    assert good.value == {"usage": 1}
    assert isinstance(bad.error, KeyError)
    assert bad.attempts == 1


async def test_a_sync_function_ends_the_run(autojump_clock: Any) -> None:
    with pytest.raises(TypeError, match=r"call must be an async function; call\(item\) returned 1"):
        async with fan_out(lambda item: item, [1], max_at_once=1, rate=a_second(1)) as run:
            await taken(run)


# How a run ends while an item waits


@BOTH_INPUTS
@pytest.mark.parametrize("by", ["leaving", "cancelling", "deadline", "call", "body"])
async def test_nothing_is_lost_with_the_item_that_waits(autojump_clock: Any, by: str, source: str) -> None:
    limiter = RateLimiter(a_second(0.125))
    log = Log(9, math.inf, source=source)

    async def call(item: int) -> int:
        if by == "call":
            await trio.sleep(2)
            raise Broken
        return await log.call(item)

    deadline = 2.0 if by == "deadline" else None
    run = fan_out(call, log.items, max_at_once=5, rate=limiter, deadline=deadline, on_error="stop")
    ends = {"deadline": DeadlineExceeded, "call": Broken, "body": KeyError}
    with trio.move_on_after(2.0 if by == "cancelling" else math.inf) as scope:
        with pytest.raises(ends[by]) if by in ends else contextlib.nullcontext():
            async with run:
                await trio.sleep(1)
                assert limiter.waiting == 1
                if by in ("cancelling", "deadline", "call"):
                    await taken(run)
                await trio.sleep(1)
                if by == "body":
                    raise KeyError
    assert scope.cancelled_caught is (by == "cancelling")
    assert trio.current_time() == 2.0
    assert log.closed
    assert (run.report.seen, run.report.not_started) == (2, 1)
    assert adds_up(run.report)
    assert limiter.waiting == 0
    assert limiter.statistics().requests_left == 7.0


@pytest.mark.parametrize("draw", range(10))
async def test_a_run_that_stops_when_the_next_is_due_holds_on_to_nothing(autojump_clock: Any, draw: int) -> None:
    # At the same instant one call fails and the rate lets the next begin; trio picks who is first.
    limiter = RateLimiter(a_second(1))
    begun = 0

    async def call(item: int) -> None:
        nonlocal begun
        begun += 1
        await trio.sleep(1)
        raise Broken

    with pytest.raises(Broken):
        async with fan_out(call, range(9), max_at_once=5, rate=limiter, on_error="stop") as run:
            await taken(run)
    assert begun in (1, 2)
    assert adds_up(run.report)
    assert (limiter.waiting, limiter.statistics().requests_left) == (0, 64.0 - begun)


async def test_pulled_items_still_begin_where_the_input_breaks(autojump_clock: Any) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise Broken("input")

    with pytest.raises(Broken, match="input"):
        async with fan_out(echo, items(), max_at_once=5, rate=a_second(1)) as run:
            assert [(await anext(run)).value, (await anext(run)).value] == [1, 2]
            await anext(run)
    assert trio.current_time() == 1.0


async def test_a_generator_is_not_cancelled_with_the_item_that_waits(autojump_clock: Any) -> None:
    closed = []

    async def items() -> AsyncIterator[int]:
        try:
            for item in range(9):
                yield item
        finally:
            await trio.sleep(1)
            closed.append(trio.current_time())

    async def call(item: int) -> None:
        await trio.sleep(2)
        raise Broken

    with pytest.raises(Broken):
        async with fan_out(call, items(), max_at_once=5, rate=a_second(0.125), on_error="stop") as run:
            await taken(run)
    assert closed == [3.0]


async def test_an_items_deadline_begins_with_its_call(autojump_clock: Any) -> None:
    log = Log(3, 1.5)
    async with fan_out(log.call, log.items, max_at_once=1, rate=a_second(0.125), item_deadline=2.0) as run:
        assert all(outcome.ok for outcome in await taken(run))
    assert log.begun == [0.0, 8.0, 16.0]


# Wrong use


@pytest.mark.parametrize(
    ("rate", "error", "match"),
    [
        (5, TypeError, "rate must be a Rate, a RateLimiter or None, not 5"),
        (Rate(learn=True), ValueError, "rate.learn is for the rate of a client"),
    ],
)
def test_arguments_are_checked_at_once(rate: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        fan_out(echo, [1], max_at_once=1, rate=rate)


@pytest.mark.parametrize("items", ["text", 5])
def test_items_are_checked_as_ever(items: Any) -> None:
    with pytest.raises(TypeError, match="items must be an iterable"):
        fan_out(echo, items, max_at_once=1, rate=a_second(1))
