"""Permits under random schedules, against a model: a line, a set of holders, and a limit.

Several things happen before any task runs, so that a permit is handed over and its new holder
cancelled, or the limit changed, in the same tick.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trioclient._engine.permits import GroupPermits


class Step(NamedTuple):
    do: Literal["join", "try", "cancel", "give back", "limit", "let run"]
    number: int


STEPS = st.builds(
    Step,
    st.sampled_from(["join", "join", "join", "try", "cancel", "give back", "give back", "limit", "let run", "let run"]),
    st.integers(0, 7),
)


class Model:
    """What ought to be so, as plain as can be. Tasks have numbers, in the order in which they came."""

    def __init__(self) -> None:
        self.limit: float = 2
        self.line: list[int] = []
        self.holders: list[int] = []
        self.leaving: list[int] = []
        """Those cancelled with a permit, which they give back when they run."""
        self.loose = 0
        """Permits that were taken without waiting."""

    @property
    def taken(self) -> int:
        return len(self.holders) + len(self.leaving) + self.loose

    def has_room(self) -> bool:
        return self.limit == math.inf or self.taken < math.floor(self.limit)

    def let_in(self) -> None:
        while self.line and self.has_room():
            self.holders.append(self.line.pop(0))

    def join(self, task: int) -> None:
        self.line.append(task)
        self.let_in()

    def cancel(self, task: int) -> None:
        if task in self.line:
            self.line.remove(task)
        elif task in self.holders:
            self.holders.remove(task)
            self.leaving.append(task)

    def all_run(self) -> None:
        self.leaving.clear()
        self.let_in()


class Schedule:
    def __init__(self, steps: list[Step]) -> None:
        self.permits, self.model = GroupPermits(), Model()
        self.permits.limit = self.model.limit
        while self.permits.take_nowait():
            self.model.loose += 1
        self.steps = steps
        self.holding: set[int] = set()
        self.scopes: list[trio.CancelScope] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            for step in self.steps:
                await self.take(step)
                assert (self.permits.taken, self.permits.waiting) == (self.model.taken, len(self.model.line))
            await self.take(Step("let run", 0))
            for scope in self.scopes:
                scope.cancel()
        assert (self.permits.taken, self.permits.waiting) == (self.model.loose, 0)
        assert not self.holding

    async def take(self, step: Step) -> None:
        model, permits = self.model, self.permits
        if step.do == "join":
            await self.join()
        elif step.do == "try":
            could = model.has_room()
            assert permits.take_nowait() is could
            model.loose += could
            assert not (could and model.line)
        elif step.do == "give back" and model.loose:
            model.loose -= 1
            model.let_in()
            permits.give_back()
        elif step.do == "cancel" and self.scopes:
            task = self.one_to_cancel(step.number)
            model.cancel(task)
            self.scopes[task].cancel()
        elif step.do == "limit":
            model.limit = permits.limit = math.inf if step.number == 7 else step.number / 2
            model.let_in()
        elif step.do == "let run":
            model.all_run()
            await trio.testing.wait_all_tasks_blocked()
            assert self.holding == set(model.holders)

    def one_to_cancel(self, number: int) -> int:
        """One that has a permit and does not know it yet, if there is one; else one of the youngest."""
        unaware = set(self.model.holders) - self.holding
        return min(unaware) if unaware else max(0, len(self.scopes) - 1 - number)

    async def join(self) -> None:
        """One more, which comes when nothing else is going on: else who came first would be left to chance."""
        await self.take(Step("let run", 0))
        task = len(self.scopes)
        self.scopes.append(trio.CancelScope())
        self.nursery.start_soon(self.hold, task)
        self.model.join(task)
        await trio.testing.wait_all_tasks_blocked()
        assert self.holding == set(self.model.holders)

    async def hold(self, task: int) -> None:
        with self.scopes[task]:
            await self.permits.take()
            try:
                self.holding.add(task)
                await trio.sleep_forever()
            finally:
                self.holding.discard(task)
                self.permits.give_back()


@given(steps=st.lists(STEPS, min_size=20, max_size=100))
def test_random_schedules_agree_with_the_model(steps: list[Step]) -> None:
    trio.run(Schedule(steps).run)
