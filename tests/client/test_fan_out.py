"""`fan_out`: what is delivered, and how a run ends.

Time is virtual and asserted exactly.
"""

from __future__ import annotations

import gc
import itertools
import math
import signal
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import FanOutReport, Outcome
from trioclient._engine.tally import current_tally
from trioclient._errors import DeadlineExceeded

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


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    before = trio.lowlevel.current_statistics().tasks_living
    try:
        yield
    finally:
        assert trio.lowlevel.current_statistics().tasks_living == before


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


# What is delivered, and when


@pytest.mark.parametrize(
    ("ordered", "expected"),
    [
        (False, [(1.0, 1), (3.0, 0), (3.0, 2), (4.0, 3)]),
        (True, [(3.0, 0), (3.0, 1), (3.0, 2), (4.0, 3)]),
    ],
    ids=["as finished", "in order"],
)
@BOTH_INPUTS
async def test_instants_of_delivery(
    autojump_clock: trio.testing.MockClock, ordered: bool, expected: list[tuple[float, int]], source: str
) -> None:
    async with fan_out(nap, made(source, [3, 1, 2, 1]), max_at_once=2, ordered=ordered) as run:
        seen = [(trio.current_time(), outcome.index) async for outcome in run]
    assert sorted(seen) == expected
    if ordered:
        assert seen == expected
    assert adds_up(run.report)
    assert run.report.done == run.report.delivered == 4
    assert run.report.elapsed == 4.0


async def test_an_outcome_tells_what_came_of_its_item(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap_or_break, [2, -3], max_at_once=2, ordered=True) as run:
        good, bad = await taken(run)
    assert (good.index, good.item, good.value, good.error, good.attempts, good.elapsed) == (0, 2, 2, None, 1, 2.0)
    assert good.ok
    assert good.unwrap() == 2
    assert (bad.index, bad.item, bad.value, bad.attempts, bad.elapsed) == (1, -3, None, 1, 3.0)
    assert not bad.ok
    with pytest.raises(Broken) as caught:
        bad.unwrap()
    assert caught.value is bad.error


async def test_a_value_of_none_is_a_value() -> None:
    async with fan_out(echo, [None], max_at_once=1) as run:
        (outcome,) = await taken(run)
    assert outcome.ok
    assert outcome.unwrap() is None


async def test_an_outcome_cannot_be_changed() -> None:
    outcome = Outcome(0, "item", "value", None, 1, 0.5)
    with pytest.raises(AttributeError):
        outcome.index = 1  # type: ignore[misc]
    assert outcome == Outcome(0, "item", "value", None, 1, 0.5)


async def test_attempts_come_from_the_tally_be_it_none() -> None:
    async def call(attempts: int) -> None:
        tally = current_tally.get()
        assert tally is not None
        tally.calls += 1
        tally.attempts += attempts

    async with fan_out(call, [0, 3, 1], max_at_once=1) as run:
        outcomes = await taken(run)
    assert [outcome.attempts for outcome in outcomes] == [0, 3, 1]
    assert (run.report.attempts, run.report.retried) == (4, 1)
    assert current_tally.get() is None


async def test_attempts_of_failed_and_of_cancelled_items_count() -> None:
    async def call(item: str) -> None:
        tally = current_tally.get()
        assert tally is not None
        tally.calls += 1
        tally.attempts += 2
        if item == "waits":
            await trio.sleep_forever()
        raise Broken

    async with fan_out(call, ["waits", "fails"], max_at_once=2) as run:
        assert (await anext(run)).attempts == 2
    assert (run.report.attempts, run.report.retried) == (4, 2)


async def test_attempts_of_tasks_that_a_call_starts_count() -> None:
    async def attempt() -> None:
        tally = current_tally.get()
        assert tally is not None
        tally.calls += 1
        tally.attempts += 1

    async def call(_: int) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt)
            nursery.start_soon(attempt)

    async with fan_out(call, [0], max_at_once=1) as run:
        assert (await anext(run)).attempts == 2


@BOTH_INPUTS
async def test_no_items(source: str) -> None:
    async with fan_out(echo, made(source, []), max_at_once=3) as run:
        assert await taken(run) == []
    assert run.report == FanOutReport(
        seen=0,
        done=0,
        failed=0,
        cancelled=0,
        not_started=0,
        running=0,
        delivered=0,
        attempts=0,
        retried=0,
        elapsed=run.report.elapsed,
    )


async def test_the_report_may_be_read_at_any_time(autojump_clock: trio.testing.MockClock) -> None:
    run = fan_out(nap, [1, 2, 3], max_at_once=2)
    assert (run.report.seen, run.report.elapsed) == (0, 0.0)
    async with run:
        await anext(run)
        await trio.sleep(0.5)
        report = run.report
        assert (report.seen, report.done, report.running, report.delivered, report.elapsed) == (3, 1, 2, 1, 1.5)
        assert run.statistics().running == 2
        assert run.statistics().waiting == 0
        await trio.sleep(10)
        assert (run.report.done, run.report.elapsed) == (3, 4.0)
        assert run.statistics().waiting == 2
    await trio.sleep(10)
    assert run.report.elapsed == 4.0
    assert adds_up(run.report)


async def test_a_fan_out_in_a_fan_out() -> None:
    async def inner(n: int) -> int:
        async with fan_out(echo, range(n), max_at_once=2) as run:
            return sum([outcome.unwrap() async for outcome in run])

    async with fan_out(inner, [2, 3, 4], max_at_once=2, ordered=True) as run:
        assert [outcome.unwrap() for outcome in await taken(run)] == [1, 3, 6]


# Failed calls


@BOTH_INPUTS
@BOTH_ORDERS
async def test_collect_makes_failures_outcomes(
    autojump_clock: trio.testing.MockClock, source: str, ordered: bool
) -> None:
    async with fan_out(nap_or_break, made(source, [1, -1, 2, -2, 3]), max_at_once=2, ordered=ordered) as run:
        outcomes = await taken(run)
    assert sorted(outcome.item for outcome in outcomes if outcome.ok) == [1, 2, 3]
    assert sorted(outcome.item for outcome in outcomes if not outcome.ok) == [-2, -1]
    assert (run.report.done, run.report.failed) == (3, 2)
    assert adds_up(run.report)


@pytest.mark.parametrize(
    ("on_error", "items", "ends_at", "done", "failed", "cancelled"),
    [
        ("stop", [1, -2, 5, 9, 9], 5.0, [1, 5, 9], [-2], 0),
        ("cancel", [1, -2, 5, 9, 9], 2.0, [1], [-2], 2),
        ("stop", [-3, -2, 2.5, 9], 3.0, [2.5], [-3, -2], 0),
        ("cancel", [-3, -2, 3, 9], 2.0, [], [-2], 2),
    ],
)
@BOTH_INPUTS
@BOTH_ORDERS
async def test_the_first_failure_is_raised_after_what_had_finished(
    autojump_clock: trio.testing.MockClock,
    on_error: Any,
    items: list[float],
    ends_at: float,
    done: list[float],
    failed: list[float],
    cancelled: int,
    source: str,
    ordered: bool,
) -> None:
    if on_error == "stop" and 9 in done:
        ends_at = 10.0
    async with fan_out(nap_or_break, made(source, items), max_at_once=3, on_error=on_error, ordered=ordered) as run:
        outcomes, caught = await taken_until(Broken, run)
    assert caught.value.args == (-2,)
    assert trio.current_time() == ends_at
    assert sorted(outcome.item for outcome in outcomes if outcome.ok) == done
    assert sorted(outcome.item for outcome in outcomes if not outcome.ok) == failed
    assert run.report.cancelled == cancelled
    assert adds_up(run.report)
    if ordered:
        assert [outcome.index for outcome in outcomes] == sorted(outcome.index for outcome in outcomes)


async def test_what_finishes_while_it_is_cancelled_is_delivered() -> None:
    async def call(item: str) -> str:
        if item == "fails":
            raise Broken
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            if item == "saves itself":
                return "saved"
            raise
        raise AssertionError

    run = fan_out(call, ["saves itself", "gives up", "fails"], max_at_once=3, on_error="cancel", ordered=True)
    async with run:
        outcomes, _ = await taken_until(Broken, run)
    assert [outcome.value for outcome in outcomes] == ["saved", None]
    assert (run.report.done, run.report.failed, run.report.cancelled) == (1, 1, 1)


@pytest.mark.parametrize("on_error", ["stop", "cancel"])
async def test_a_failure_that_was_not_raised_is_raised_on_leaving(
    autojump_clock: trio.testing.MockClock, on_error: Any
) -> None:
    with pytest.raises(Broken):
        async with fan_out(nap_or_break, [-1, 5], max_at_once=2, on_error=on_error) as run:
            await trio.sleep(2)
    assert trio.current_time() == 2.0
    assert (run.report.failed, run.report.cancelled) == (1, 1)


async def test_a_failure_that_was_raised_is_not_raised_again_on_leaving() -> None:
    async with fan_out(nap_or_break, [-0.0, -1], max_at_once=2, on_error="stop") as run:
        await anext(run)
        with trio.CancelScope() as scope:
            scope.cancel()
            await taken(run)
    assert adds_up(run.report)


async def test_on_leaving_the_error_of_the_body_comes_first(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(KeyError, match="body"):
        async with fan_out(nap_or_break, [-1, 5], max_at_once=2, on_error="stop"):
            await trio.sleep(2)
            raise KeyError("body")


async def test_failures_after_the_body_was_left_are_only_counted(autojump_clock: trio.testing.MockClock) -> None:
    async def call(item: int) -> int:
        if item:
            try:
                await trio.sleep_forever()
            finally:
                raise Broken
        return item

    async with fan_out(call, [0, 1], max_at_once=2, on_error="stop") as run:
        async for _ in run:
            await trio.testing.wait_all_tasks_blocked()
            break
    assert (run.report.done, run.report.failed) == (1, 1)


async def test_an_error_beside_a_cancellation_is_the_outcome(autojump_clock: trio.testing.MockClock) -> None:
    async def breaks_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise Broken

    async def call(item: int) -> None:
        if item == 0:
            await trio.sleep(1)
            raise ValueError("first")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            if item == 1:
                nursery.start_soon(breaks_when_cancelled)

    async with fan_out(call, [0, 1, 2], max_at_once=3, on_error="cancel", ordered=True) as run:
        outcomes, _ = await taken_until(ValueError, run)
    assert [outcome.index for outcome in outcomes] == [0, 1]
    assert isinstance(outcomes[1].error, Exception)
    assert [type(error) for error in outcomes[1].error.exceptions] == [Broken]  # type: ignore[attr-defined]
    assert (run.report.failed, run.report.cancelled) == (2, 1)


@pytest.mark.parametrize("stop", [StopAsyncIteration, StopIteration])
async def test_a_call_cannot_end_the_loop_by_its_exception(stop: type[Exception]) -> None:
    def call(_: int) -> Any:
        raise stop

    async with fan_out(call, [1], max_at_once=1, on_error="stop") as run:
        with pytest.raises(RuntimeError) as caught:
            await taken(run)
    assert isinstance(caught.value.__cause__, stop)


async def test_a_call_that_raises_before_it_is_awaited_has_failed() -> None:
    def call(item: int) -> Any:
        return echo(1 // item)

    async with fan_out(call, [1, 0], max_at_once=1) as run:
        assert [type(outcome.error) for outcome in await taken(run)] == [type(None), ZeroDivisionError]


async def test_a_failure_makes_no_reference_cycle() -> None:
    class Item:
        pass

    async def call(_: Item) -> None:
        raise Broken

    gc.collect()
    gc.disable()
    try:
        fates = []
        async with fan_out(call, (Item() for _ in range(10)), max_at_once=2) as run:
            async for outcome in run:
                fates.append(weakref.ref(outcome.item))
                del outcome
            assert [fate() for fate in fates] == [None] * 10
    finally:
        gc.enable()


async def test_a_parked_worker_holds_no_item() -> None:
    class Item:
        pass

    async def items() -> AsyncIterator[Item]:
        yield Item()
        await trio.sleep_forever()

    async with fan_out(echo, items(), max_at_once=1) as run:
        fate = weakref.ref((await anext(run)).item)
        await trio.testing.wait_all_tasks_blocked()
        assert run.statistics().workers == 1
        assert fate() is None


# Leaving early, and cancellation


@BOTH_INPUTS
@BOTH_ORDERS
async def test_leaving_early_cancels_what_runs(
    autojump_clock: trio.testing.MockClock, source: str, ordered: bool
) -> None:
    gauge = Gauge()
    async with no_task_left():
        async with fan_out(gauge, made(source, itertools.count(1)), max_at_once=4, ordered=ordered) as run:
            async for outcome in run:
                if outcome.index == 2:
                    break
    assert gauge.now == 0
    assert trio.current_time() == 3.0
    assert adds_up(run.report)
    assert run.report.delivered == 3
    assert run.report.cancelled > 0
    assert run.report.done + run.report.cancelled == gauge.begun


async def test_entering_and_leaving_at_once() -> None:
    async with fan_out(nap, itertools.repeat(1), max_at_once=3) as run:
        pass
    assert (run.report.seen, run.report.done) == (0, 0)


async def test_an_error_of_the_body_is_raised_as_itself(autojump_clock: trio.testing.MockClock) -> None:
    gauge = Gauge()
    error = KeyError("body")
    with pytest.raises(KeyError) as caught:
        async with fan_out(gauge, itertools.repeat(1), max_at_once=3) as run:
            async for _ in run:
                raise error
    assert caught.value is error
    assert gauge.now == 0
    assert adds_up(run.report)


async def test_an_exception_group_of_the_body_is_raised_as_itself() -> None:
    async def broken() -> None:
        raise Broken

    error: BaseException | None = None
    try:
        async with fan_out(nap, itertools.repeat(1), max_at_once=3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(broken)
    except Exception as group:
        error = group
    assert [type(part) for part in error.exceptions] == [Broken]  # type: ignore[union-attr]


@pytest.mark.parametrize("where", ["taking", "body"])
@BOTH_INPUTS
async def test_cancellation_from_outside_is_prompt_and_bare(
    autojump_clock: trio.testing.MockClock, where: str, source: str
) -> None:
    gauge = Gauge()
    caught: BaseException | None = None
    async with no_task_left():
        with trio.move_on_after(2.5) as scope:
            try:
                async with fan_out(gauge, made(source, itertools.repeat(2)), max_at_once=3) as run:
                    async for _ in run:
                        if where == "body":
                            await trio.sleep_forever()
            except BaseException as error:
                caught = error
                raise
    assert isinstance(caught, trio.Cancelled)
    assert scope.cancelled_caught
    assert trio.current_time() == 2.5
    assert gauge.now == 0
    assert (run.report.done, run.report.cancelled) == (3, 3)
    assert adds_up(run.report)


async def test_cancellation_while_leaving(autojump_clock: trio.testing.MockClock) -> None:
    async def stubborn(_: int) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(3)
        await trio.sleep(1)

    caught: BaseException | None = None
    with trio.move_on_after(1) as scope:
        try:
            async with fan_out(stubborn, [1], max_at_once=1) as run:
                await trio.testing.wait_all_tasks_blocked()
        except BaseException as error:
            caught = error
            raise
    assert isinstance(caught, trio.Cancelled)
    assert scope.cancelled_caught
    assert trio.current_time() == 3.0
    assert adds_up(run.report)


async def test_an_error_of_a_cancelled_body_is_raised_as_itself(autojump_clock: trio.testing.MockClock) -> None:
    error = KeyError("body")
    with trio.move_on_after(1) as scope:
        with pytest.raises(KeyError) as caught:
            async with fan_out(nap, [5], max_at_once=1):
                try:
                    await trio.sleep_forever()
                finally:
                    raise error
    assert caught.value is error
    assert not scope.cancelled_caught


async def test_a_shielded_caller_of_a_cancelled_run_does_not_wait_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with trio.move_on_after(1.5) as scope:
        async with fan_out(nap, itertools.repeat(1), max_at_once=1) as run:
            with trio.CancelScope(shield=True):
                async for _ in run:
                    pass
                pytest.fail("the loop ended as if all were done")
    assert scope.cancelled_caught
    assert trio.current_time() == 1.5
    assert (run.report.delivered, run.report.cancelled) == (1, 1)


async def test_a_shielded_caller_gets_what_had_finished_and_nothing_new(
    autojump_clock: trio.testing.MockClock,
) -> None:
    count = 0
    with trio.move_on_after(2.5) as scope:
        async with fan_out(nap, itertools.repeat(1), max_at_once=2, run_ahead=2) as run:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
                async for _ in run:
                    count += 1
    assert scope.cancelled_caught
    assert (count, run.report.seen, run.report.elapsed) == (4, 4, 2.5)


async def test_a_cancelled_wait_loses_no_outcome(autojump_clock: trio.testing.MockClock) -> None:
    indexes = []
    async with fan_out(nap, [1, 1.5, 2, 2.5], max_at_once=2) as run:
        while len(indexes) < 4:
            with trio.move_on_after(0.3):
                indexes.append((await anext(run)).index)
    assert sorted(indexes) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("shielded", [False, True])
async def test_what_is_no_exception_leaves_a_call_bare(
    autojump_clock: trio.testing.MockClock, kind: type[BaseException], shielded: bool
) -> None:
    gauge = Gauge()

    async def call(item: int) -> None:
        await gauge(item)
        if item == 2:
            raise kind("by hand")

    with pytest.raises(kind, match="by hand"):
        async with fan_out(call, [5, 2, 5], max_at_once=3) as run:
            with trio.CancelScope(shield=shielded):
                await taken(run)
    assert trio.current_time() == 2.0
    assert gauge.now == 0
    assert adds_up(run.report)


async def test_what_is_no_exception_interrupts_a_body_that_waits_elsewhere(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def call(item: int) -> None:
        await trio.sleep(item)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with fan_out(call, [1], max_at_once=3):
            await trio.sleep_forever()


async def test_what_is_no_exception_leaves_the_input_bare() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    for source in (items(), each(items())):
        with pytest.raises(KeyboardInterrupt):
            async with fan_out(echo, source, max_at_once=2) as run:
                await taken(run)


async def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("at", ["call", "taking", "body", "leaving"])
def test_control_c_is_bare_wherever_it_lands(at: str) -> None:
    async def call(item: int) -> None:
        if at == "call":
            await _interrupt()
        with trio.CancelScope(shield=at == "leaving"):
            await trio.sleep(item)

    gauge = Gauge(call)

    async def main() -> None:
        async with fan_out(gauge, itertools.repeat(10), max_at_once=3) as run:
            await trio.testing.wait_all_tasks_blocked()
            if at != "call":
                trio.lowlevel.spawn_system_task(_interrupt)
            if at == "taking":
                await anext(run)
            elif at != "leaving":
                await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert gauge.now == 0


# Deadlines


@BOTH_INPUTS
@BOTH_ORDERS
async def test_the_deadline_of_the_run(autojump_clock: trio.testing.MockClock, source: str, ordered: bool) -> None:
    await trio.sleep(10)
    async with fan_out(nap, made(source, [9, 1, 2, 2, 9]), max_at_once=2, deadline=4.5, ordered=ordered) as run:
        outcomes, caught = await taken_until(DeadlineExceeded, run)
    assert caught.match(r"fan-out's deadline of 4\.5 s")
    assert trio.current_time() == 14.5
    assert [outcome.item for outcome in outcomes] == [1, 2]
    assert caught.value.request is None
    assert caught.value.elapsed == 4.5
    assert (run.report.done, run.report.cancelled) == (2, 2)
    assert adds_up(run.report)


async def test_the_deadline_ends_a_wait_for_the_input(autojump_clock: trio.testing.MockClock) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        await trio.sleep_forever()

    async with fan_out(nap, items(), max_at_once=2, deadline=3) as run:
        with pytest.raises(DeadlineExceeded):
            await taken(run)
    assert trio.current_time() == 3.0
    assert (run.report.seen, run.report.done) == (1, 1)


async def test_the_deadline_ends_a_run_whose_caller_is_slow(autojump_clock: trio.testing.MockClock) -> None:
    count = 0
    async with fan_out(nap, itertools.repeat(1), max_at_once=1, run_ahead=1, deadline=5) as run:
        with pytest.raises(DeadlineExceeded):
            async for _ in run:
                count += 1
                await trio.sleep(7)
    assert count == run.report.done == run.report.delivered == 3
    assert run.report.elapsed == 5.0


async def test_a_run_that_ends_in_time_has_no_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap, [1, 1], max_at_once=2, deadline=2) as run:
        await trio.sleep(5)
        assert len(await taken(run)) == 2


async def test_a_deadline_that_was_not_raised_is_raised_on_leaving(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(DeadlineExceeded):
        async with fan_out(nap, [9], max_at_once=2, deadline=2):
            await trio.sleep(5)


async def test_the_deadline_of_an_item(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap, [1, 9, 2, 9], max_at_once=1, item_deadline=3, ordered=True) as run:
        outcomes = await taken(run)
    assert [outcome.value for outcome in outcomes] == [1, None, 2, None]
    assert [outcome.elapsed for outcome in outcomes] == [1.0, 3.0, 2.0, 3.0]
    error = outcomes[1].error
    assert isinstance(error, DeadlineExceeded)
    assert (error.request, error.attempts, error.elapsed) == (None, 1, 3.0)
    assert (run.report.done, run.report.failed, run.report.elapsed) == (2, 2, 9.0)


async def test_an_items_deadline_is_a_failure_like_others(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap, [1, 9, 9], max_at_once=3, item_deadline=3, on_error="cancel") as run:
        with pytest.raises(DeadlineExceeded, match="item's deadline of 3 s"):
            await taken(run)
    assert adds_up(run.report)


async def test_a_cancellation_from_outside_is_not_an_items_deadline(autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(3) as scope:
        async with fan_out(nap, [9, 9], max_at_once=2, item_deadline=3) as run:
            await taken(run)
    assert scope.cancelled_caught
    assert (run.report.failed, run.report.cancelled) == (0, 2)


@pytest.mark.parametrize(
    ("deadline", "item_deadline", "expected"),
    [(None, None, math.inf), (8, None, 8.0), (None, 5, 6.0), (4, 5, 4.0), (8, 5, 6.0)],
)
async def test_what_a_call_sees_of_the_deadlines(
    autojump_clock: trio.testing.MockClock, deadline: float | None, item_deadline: float | None, expected: float
) -> None:
    async def call(item: int) -> float:
        await trio.sleep(item)
        return trio.current_effective_deadline()

    async with fan_out(call, [1, 0], max_at_once=1, deadline=deadline, item_deadline=item_deadline) as run:
        assert [outcome.value for outcome in await taken(run)][1] == expected


# Wrong use


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"call": None}, TypeError, "call must be an async function"),
        ({"items": "text"}, TypeError, "items must be an iterable of items, not one str"),
        ({"items": b"text"}, TypeError, "items must be an iterable of items, not one bytes"),
        ({"items": 5}, TypeError, "items must be an iterable or async iterable, not 5"),
        ({"max_at_once": 0}, ValueError, "max_at_once must be 1 or more"),
        ({"max_at_once": 1.5}, TypeError, "max_at_once must be an int"),
        ({"max_at_once": True}, TypeError, "max_at_once must be an int"),
        ({"max_at_once": None}, TypeError, "max_at_once must be an int"),
        ({"run_ahead": -1}, ValueError, "run_ahead must be 0 or more"),
        ({"run_ahead": "1"}, TypeError, "run_ahead must be an int"),
        ({"on_error": "raise"}, ValueError, "on_error must be one of 'collect', 'stop', 'cancel', not 'raise'"),
        ({"deadline": -1}, ValueError, "deadline must be 0 seconds or more"),
        ({"deadline": math.nan}, ValueError, "deadline must be 0 seconds or more"),
        ({"deadline": "1"}, TypeError, "deadline must be a number of seconds"),
        ({"item_deadline": -1}, ValueError, "item_deadline must be 0 seconds or more"),
    ],
)
def test_arguments_are_checked_at_once(changes: dict[str, Any], error: type[Exception], match: str) -> None:
    arguments: dict[str, Any] = {"call": echo, "items": [1], "max_at_once": 1} | changes
    with pytest.raises(error, match=match):
        fan_out(arguments.pop("call"), arguments.pop("items"), **arguments)


@pytest.mark.parametrize("on_error", ["collect", "stop", "cancel"])
async def test_a_sync_function_ends_the_run(autojump_clock: trio.testing.MockClock, on_error: Any) -> None:
    asked = []

    def call(item: int) -> Any:
        asked.append(item)
        return nap(item) if item < 2 else "not awaitable"

    with pytest.raises(TypeError, match="call must be an async function; call\\(item\\) returned 'not awaitable'"):
        async with fan_out(call, [1, 1, 2, 2], max_at_once=1, on_error=on_error) as run:
            async for _ in run:
                pass
    assert asked == [1, 1, 2]
    assert adds_up(run.report)


async def test_any_awaitable_will_do() -> None:
    class Ready:
        def __await__(self) -> Generator[Any, Any, str]:
            yield from ()
            return "value"

    async with fan_out(lambda _: Ready(), [1], max_at_once=1) as run:
        assert (await anext(run)).unwrap() == "value"


async def test_a_run_is_entered_once() -> None:
    run = fan_out(echo, [1], max_at_once=1)
    async with run:
        await taken(run)
        with pytest.raises(RuntimeError, match="entered only once"):
            await run.__aenter__()
    with pytest.raises(RuntimeError, match="entered only once"):
        async with run:
            pass


async def test_a_run_is_iterated_once_and_inside_its_block() -> None:
    run = fan_out(echo, [1], max_at_once=1)
    with pytest.raises(RuntimeError, match="inside its own `async with`"):
        await anext(run)
    async with run:
        await taken(run)
        with pytest.raises(RuntimeError, match="iterated only once"):
            await taken(run)
    with pytest.raises(RuntimeError, match="inside its own `async with`"):
        await anext(run)


async def test_one_task_takes_at_a_time() -> None:
    async def take(run: FanOut[Any, Any], error: type[Exception]) -> None:
        with pytest.raises(error):
            await anext(run)

    async with trio.open_nursery() as nursery:
        async with fan_out(nap, [math.inf], max_at_once=1) as run:
            nursery.start_soon(take, run, RuntimeError)  # left waiting when the block is left
            await trio.testing.wait_all_tasks_blocked()
            await take(run, trio.BusyResourceError)
