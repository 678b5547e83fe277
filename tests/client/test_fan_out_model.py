"""A fan-out step by step, beside a small model that says what it must have done by then.

The test decides when a call ends and how, when an outcome is taken and when time passes; after
each step, when all has come to rest, the run must be where the model is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import Outcome
from trioclient._errors import FanOutStopped
from trioclient._policy.failing import Failing
from trioclient._policy.rate import Rate

instants = st.integers(1, 6).map(lambda halves: halves / 2)
steps = st.one_of(
    st.tuples(st.just("end"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("take")),
    st.tuples(st.just("sleep"), instants),
)


class Broken(Exception):
    pass


class Model:
    """What a run is to do: plain lists, and no task."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.count = draw(st.integers(0, 15))
        self.max_at_once = draw(st.integers(1, 4))
        self.run_ahead = draw(st.integers(0, 4))
        self.ordered = draw(st.booleans())
        self.spacing: float | None = draw(st.sampled_from([None, None, 0.5, 1.0]))
        self.stop_when = draw(st.none() | st.builds(Failing, share=st.sampled_from([0.4, 1.0]), of=st.integers(2, 5)))
        self.steps = draw(st.lists(steps, max_size=40))

        self.now = 0.0
        self.due = 0.0
        """When the rate lets the next one begin."""
        self.pulled = self.delivered = self.begun = self.done = self.failed = 0
        self.waiting = False
        self.running: list[int] = []
        self.finished: list[tuple[int, bool]] = []
        """And not taken."""
        self.ends: list[tuple[float, bool]] = []
        self.stopped = False
        self.settle()

    def __repr__(self) -> str:
        return repr(vars(self))

    def settle(self) -> None:
        """All that happens at this instant."""
        while not self.stopped:
            room = self.max_at_once + self.run_ahead - self.pulled + self.delivered
            if self.waiting and (self.spacing is None or self.now >= self.due):
                self.running.append(self.begun)
                self.begun += 1
                self.due = self.now + (self.spacing or 0.0)
                self.waiting = False
            elif not self.waiting and self.pulled < self.count and len(self.running) < self.max_at_once and room > 0:
                self.pulled += 1
                self.waiting = True
            else:
                break

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.waiting and self.due <= until:
            self.now = self.due
            self.settle()
        self.now = until

    def end(self, index: int, fails: bool) -> None:
        self.running.remove(index)
        self.finished.append((index, not fails))
        self.ends.append((self.now, fails))
        self.failed += fails
        self.done += not fails
        if self.stop_when is not None:
            last = [failed for _, failed in self.ends][-self.stop_when.of :]
            self.stopped = len(last) == self.stop_when.of and sum(last) / len(last) >= self.stop_when.share
        if self.stopped:
            self.running.clear()
            self.waiting = False
        self.settle()

    def next_outcome(self) -> tuple[int, bool] | None:
        if self.ordered:
            ready = sorted(self.finished)[:1]
            # Once the run is over it closes up; before, it waits for what is missing.
            return ready[0] if ready and (self.stopped or ready[0][0] == self.delivered) else None
        return self.finished[0] if self.finished else None

    def take(self) -> None:
        outcome = self.next_outcome()
        assert outcome is not None
        self.finished.remove(outcome)
        self.delivered += 1
        self.settle()

    @property
    def over(self) -> bool:
        return not self.finished and (self.stopped or self.delivered == self.count)

    @property
    def rate(self) -> float:
        began = max(0, int(self.now) - 10)
        return sum(end >= began for end, _ in self.ends) / (self.now - began) if self.now > began else 0.0


class Stage:
    """The run itself, its calls on strings."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.begun: list[int] = []
        self.pulled = 0
        self.cues: dict[int, trio.Event] = {}
        self.fails: dict[int, bool] = {}
        self.calls = 0

    def items(self) -> Iterator[int]:
        for item in range(self.model.count):
            self.pulled += 1
            yield item

    async def call(self, item: int) -> None:
        self.begun.append(item)
        cue = self.cues[item] = trio.Event()
        try:
            await cue.wait()
        finally:
            del self.cues[item]
        if self.fails[item]:
            raise Broken(item)

    def made(self) -> FanOut[int, None]:
        model = self.model
        spacing = model.spacing
        return fan_out(
            self.call,
            self.items(),
            max_at_once=model.max_at_once,
            run_ahead=model.run_ahead,
            ordered=model.ordered,
            stop_when=model.stop_when,
            rate=None if spacing is None else Rate(requests=64, per=64 * spacing, burst=0, share=1),
        )

    async def perform(self) -> None:
        run, model = self.made(), self.model
        async with run:
            await self.compare(run)
            for step in [*model.steps, *[("end", 0, False), ("take",), ("sleep", 1.0)] * model.count]:
                await self.step(run, *step)
                await self.compare(run)
            while model.next_outcome() is not None:
                await self.step(run, "take")
            assert model.over
            if model.stopped:
                with pytest.raises(FanOutStopped) as caught:
                    await anext(run)
                assert isinstance(caught.value.__cause__, Broken)
            with pytest.raises(StopAsyncIteration):
                await anext(run)
        report = run.report
        assert report.cancelled == len(self.begun) - report.done - report.failed
        assert report.not_started == self.pulled - len(self.begun)
        assert report.cancelled + report.not_started == 0 or model.stopped

    async def step(self, run: FanOut[int, None], kind: str, *arguments: Any) -> None:
        model = self.model
        if kind == "sleep":
            await trio.sleep(*arguments)
            model.sleep(*arguments)
        elif kind == "end" and model.running:
            place, fails = arguments
            index = model.running[place % len(model.running)]
            self.fails[index] = fails
            self.cues[index].set()
            model.end(index, fails)
        elif kind == "take" and (expected := model.next_outcome()) is not None:
            outcome: Outcome[int, None] = await anext(run)
            assert (outcome.index, outcome.ok) == expected
            model.take()

    async def compare(self, run: FanOut[int, None]) -> None:
        await trio.testing.wait_all_tasks_blocked()
        model, report, progress = self.model, run.report, run.progress()
        assert trio.current_time() == model.now
        assert (self.pulled, report.seen, progress.seen) == (model.pulled,) * 3
        assert self.begun == list(range(model.begun))
        assert sorted(self.cues) == sorted(model.running)
        assert (report.done, report.failed, report.delivered) == (model.done, model.failed, model.delivered)
        assert (report.running, progress.running, run.statistics().running) == (len(model.running),) * 3
        assert run.statistics().waiting == len(model.finished)
        assert progress.waiting_for_rate is model.waiting
        if model.running or model.waiting:  # else it may be over, and its clock stands still
            assert progress.rate == pytest.approx(model.rate)
            assert report.cancelled == 0


@given(model=st.composite(Model)())
@settings(max_examples=150)
def test_every_step_is_as_the_model_says(model: Model) -> None:
    trio.run(Stage(model).perform, clock=trio.testing.MockClock(autojump_threshold=0))
