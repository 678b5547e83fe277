"""Random fan-outs, in virtual time, against the rules that all of them keep."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import FanOutReport, Outcome
from trioclient._engine.rate_limiter import RateLimiter
from trioclient._errors import DeadlineExceeded, FanOutStopped
from trioclient._policy.failing import Failing
from trioclient._policy.rate import Rate

QUOTA = 64


class Broken(Exception):
    pass


def adds_up(report: FanOutReport) -> bool:
    return report.running == 0 and report.done + report.failed + report.cancelled + report.not_started == report.seen


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    before = trio.lowlevel.current_statistics().tasks_living
    try:
        yield
    finally:
        assert trio.lowlevel.current_statistics().tasks_living == before


class Plan:
    """One random run, and what was seen of it from outside."""

    def __init__(self, draw: st.DrawFn) -> None:
        instants = st.integers(0, 6).map(lambda halves: halves / 2)
        self.calls = draw(st.lists(st.tuples(instants, st.booleans()), min_size=draw(st.integers(0, 9)), max_size=12))
        self.pauses = draw(st.lists(instants, min_size=12, max_size=12))
        self.input_pause = draw(st.sampled_from([None, 0.0, 0.5]))
        self.input_breaks = draw(st.booleans()) and draw(st.booleans())
        self.max_at_once = draw(st.integers(1, 5))
        self.run_ahead = draw(st.none() | st.integers(0, 4))
        self.ordered = draw(st.booleans())
        self.stop_when = draw(st.none() | st.builds(Failing, share=st.sampled_from([0.4, 1.0]), of=st.integers(1, 5)))
        self.on_error: Any = draw(
            st.sampled_from(["collect", "stop", "cancel"] if self.stop_when is None else ["collect"])
        )
        self.spacing = draw(st.sampled_from([0.0, 0.0, 0.5, 1.0]))
        self.deadline = draw(st.none() | st.none() | instants)
        self.item_deadline = draw(st.none() | st.none() | instants)
        self.cancel_at = draw(st.none() | st.none() | instants)
        self.leave_after = draw(st.none() | st.integers(0, 12))
        self.leave_with_error = draw(st.booleans())

        self.pulled = self.taken = self.begun = self.running = 0
        self.last_begun = -math.inf
        self.ends: list[bool] = []  # True for a failure
        self.returned: set[int] = set()
        self.raised: set[int] = set()
        self.input_open = False

    def __repr__(self) -> str:
        return repr({name: value for name, value in vars(self).items() if value})

    @property
    def window(self) -> int:
        return self.max_at_once + (self.max_at_once if self.run_ahead is None else self.run_ahead)

    @property
    def stopped(self) -> bool:
        """As the calls saw it, who do not know of items' deadlines."""
        if self.stop_when is None or self.item_deadline is not None:
            return False
        of = self.stop_when.of
        return any(sum(self.ends[end - of : end]) >= of * self.stop_when.share for end in range(of, len(self.ends) + 1))

    def limiter(self) -> RateLimiter | None:
        return RateLimiter(Rate(requests=QUOTA, per=QUOTA * self.spacing, burst=0, share=1)) if self.spacing else None

    def items(self) -> Any:
        if self.input_pause is None:
            return self._items()
        return self._paused_items(self.input_pause)

    def _items(self) -> Iterator[int]:
        self.input_open = True
        try:
            for index in range(len(self.calls)):
                self.pulled += 1
                assert self.pulled - self.taken <= self.window
                yield index
            if self.input_breaks:
                raise Broken("input")
        finally:
            self.input_open = False

    async def _paused_items(self, seconds: float) -> AsyncIterator[int]:
        items = self._items()
        try:
            for index in items:
                if seconds:
                    self.pulled -= 1
                    await trio.sleep(seconds)
                    self.pulled += 1
                yield index
        finally:
            items.close()  # type: ignore[attr-defined]

    async def call(self, index: int) -> int:
        seconds, fails = self.calls[index]
        self.begun += 1
        self.running += 1
        assert self.running <= self.max_at_once
        assert self.on_error == "collect" or not self.raised
        assert not self.stopped
        assert trio.current_time() >= self.last_begun + self.spacing
        self.last_begun = trio.current_time()
        try:
            if seconds:
                await trio.sleep(seconds)
            (self.raised if fails else self.returned).add(index)
            self.ends.append(fails)
            if fails:
                raise Broken(index)
            return index
        finally:
            self.running -= 1

    async def run(self) -> tuple[FanOut[int, int], list[Outcome[int, int]], str]:
        """The run, its outcomes, and how it ended."""
        limiter = self.limiter()
        run = fan_out(
            self.call,
            self.items(),
            max_at_once=self.max_at_once,
            ordered=self.ordered,
            on_error=self.on_error,
            run_ahead=self.run_ahead,
            deadline=self.deadline,
            item_deadline=self.item_deadline,
            rate=limiter,
            stop_when=self.stop_when,
        )
        outcomes: list[Outcome[int, int]] = []
        ended = "cancelled"
        async with no_task_left():
            with trio.move_on_after(math.inf if self.cancel_at is None else self.cancel_at):
                try:
                    async with run:
                        ended = await self._take(run, outcomes)
                except KeyError:
                    ended = "left with an error"
                except FanOutStopped as error:
                    ended = "stopped" if isinstance(error.__cause__, (Broken, DeadlineExceeded)) else "by nothing"
                except (Broken, DeadlineExceeded) as error:
                    ended = "deadline" if "fan-out's" in str(error) else "failed"
        if limiter is not None:
            assert (limiter.waiting, limiter.statistics().requests_left) == (0, QUOTA - self.begun)
        return run, outcomes, ended

    async def _take(self, run: FanOut[int, int], outcomes: list[Outcome[int, int]]) -> str:
        async for outcome in run:
            outcomes.append(outcome)
            self.taken += 1
            report, progress = run.report, run.progress()
            assert (progress.seen, progress.done, progress.failed) == (report.seen, report.done, report.failed)
            assert (progress.running, progress.total) == (report.running, None)
            assert report.not_started >= progress.waiting_for_rate
            assert report.seen == (report.done + report.failed + report.cancelled + report.not_started + report.running)
            if len(outcomes) == self.leave_after:
                if self.leave_with_error:
                    raise KeyError("body")
                return "left"
            await trio.sleep(self.pauses[len(outcomes) - 1])
        return "to the end"


plans = st.composite(Plan)()


@given(plan=plans)
@settings(max_examples=200)
def test_random_runs_keep_the_rules(plan: Plan) -> None:
    run, outcomes, ended = trio.run(plan.run, clock=trio.testing.MockClock(autojump_threshold=0))
    report = run.report
    assert adds_up(report)
    assert not plan.input_open
    assert plan.running == 0

    # The account is that of the calls themselves, save for items cut off by their own deadline.
    begun = report.done + report.failed + report.cancelled
    assert (report.seen, begun, report.done) == (plan.pulled, plan.begun, len(plan.returned))
    assert report.failed - len(plan.raised) >= 0
    assert plan.item_deadline is not None or report.failed == len(plan.raised)
    assert report.attempts == plan.begun

    # Every outcome once, as it was, in order where that was asked for.
    indexes = [outcome.index for outcome in outcomes]
    assert len(set(indexes)) == len(indexes) == report.delivered
    assert not plan.ordered or indexes == sorted(indexes)
    for outcome in outcomes:
        assert outcome.item == outcome.index
        assert outcome.ok is (outcome.index in plan.returned)
        assert outcome.value == (outcome.index if outcome.ok else None)

    # How it ended, and what that promises.
    if ended == "to the end":
        assert not plan.input_breaks
        assert plan.on_error == "collect" or not report.failed
        assert indexes == list(range(len(plan.calls))) or not plan.ordered
        assert len(indexes) == len(plan.calls)
        assert not plan.stopped
    if ended == "stopped":
        assert plan.stop_when is not None
        assert plan.stopped or plan.item_deadline is not None
    if ended in ("failed", "deadline", "stopped") and plan.leave_after is None:
        assert report.delivered == report.done + report.failed
    if ended == "failed" and plan.on_error == "stop" and plan.deadline is None:
        assert report.cancelled == 0 or plan.leave_after is not None
    if ended == "failed":
        assert plan.input_breaks or (plan.on_error != "collect" and report.failed)
    if ended == "deadline":
        assert plan.deadline is not None
        assert report.elapsed >= plan.deadline
    if ended == "cancelled":
        assert plan.cancel_at is not None
