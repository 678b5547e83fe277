"""Permits whose number changes: in order, never two for one, none lost."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._engine.permits import GroupPermits


class Line:
    """Tasks that want a permit each, in the order of their numbers, and those that have one."""

    def __init__(self, permits: GroupPermits, nursery: trio.Nursery) -> None:
        self.permits = permits
        self.holding: list[int] = []
        self.scopes: list[trio.CancelScope] = []
        self._leave: list[trio.Event] = []
        self._nursery = nursery

    async def join(self, tasks: int = 1) -> None:
        for _ in range(tasks):
            self.scopes.append(trio.CancelScope())
            self._leave.append(trio.Event())
            self._nursery.start_soon(self._hold, len(self.scopes) - 1)
            await trio.testing.wait_all_tasks_blocked()

    async def leave(self, number: int) -> None:
        self._leave[number].set()
        await trio.testing.wait_all_tasks_blocked()

    async def _hold(self, number: int) -> None:
        with self.scopes[number]:
            await self.permits.take()
            try:
                self.holding.append(number)
                await self._leave[number].wait()
            finally:
                self.holding.remove(number)
                self.permits.give_back()


def permits_for(limit: float) -> GroupPermits:
    permits = GroupPermits()
    permits.limit = limit
    return permits


async def test_any_number_at_first() -> None:
    permits = GroupPermits()
    assert permits.limit == math.inf
    assert all(permits.take_nowait() for _ in range(1000))
    await permits.take()
    assert (permits.taken, permits.waiting) == (1001, 0)


@pytest.mark.parametrize(("limit", "taken"), [(0, 0), (1, 1), (3, 3), (3.9, 3), (4.0, 4)])
def test_as_many_as_the_limit_says(limit: float, taken: int) -> None:
    permits = permits_for(limit)
    assert [permits.take_nowait() for _ in range(5)] == [number < taken for number in range(5)]
    assert (permits.taken, permits.limit) == (taken, limit)


def test_one_that_is_given_back_can_be_taken() -> None:
    permits = permits_for(1)
    assert permits.take_nowait()
    assert not permits.take_nowait()
    permits.give_back()
    assert permits.take_nowait()
    assert permits.taken == 1


async def test_first_come_first_served() -> None:
    async with trio.open_nursery() as nursery:
        line = Line(permits_for(2), nursery)
        await line.join(5)
        assert (line.holding, line.permits.taken, line.permits.waiting) == ([0, 1], 2, 3)
        await line.leave(1)
        assert (line.holding, line.permits.taken, line.permits.waiting) == ([0, 2], 2, 2)
        await line.leave(0)
        assert line.holding == [2, 3]
        await line.leave(3)
        assert line.holding == [2, 4]
        await line.leave(4)
        await line.leave(2)
        assert (line.permits.taken, line.permits.waiting) == (0, 0)


async def test_nobody_gets_past_the_line() -> None:
    permits = permits_for(1)
    assert permits.take_nowait()
    async with trio.open_nursery() as nursery:
        line = Line(permits, nursery)
        await line.join()
        permits.give_back()
        # It is handed on already, though the one who waited has not run yet.
        assert not permits.take_nowait()
        await trio.testing.wait_all_tasks_blocked()
        assert line.holding == [0]
        await line.leave(0)


async def test_who_is_cancelled_in_line_is_passed_over() -> None:
    async with trio.open_nursery() as nursery:
        line = Line(permits_for(1), nursery)
        await line.join(4)
        line.scopes[1].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert (line.holding, line.permits.waiting) == ([0], 2)
        await line.leave(0)
        assert line.holding == [2]
        await line.leave(2)
        await line.leave(3)
    assert (line.permits.taken, line.permits.waiting) == (0, 0)


async def test_who_is_cancelled_with_a_permit_in_hand_hands_it_on() -> None:
    permits = permits_for(1)
    assert permits.take_nowait()
    async with trio.open_nursery() as nursery:
        line = Line(permits, nursery)
        await line.join(2)
        # In one tick: 0 is given the permit, and cancelled before it runs.
        permits.give_back()
        line.scopes[0].cancel()
        assert (permits.taken, permits.waiting) == (1, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert line.holding == [1]
        await line.leave(1)
    assert (permits.taken, permits.waiting) == (0, 0)


async def test_a_higher_limit_lets_in_as_many_as_it_has_room_for() -> None:
    async with trio.open_nursery() as nursery:
        line = Line(permits_for(1), nursery)
        await line.join(6)
        line.permits.limit = 3
        await trio.testing.wait_all_tasks_blocked()
        assert (sorted(line.holding), line.permits.taken, line.permits.waiting) == ([0, 1, 2], 3, 3)
        line.permits.limit = math.inf
        await trio.testing.wait_all_tasks_blocked()
        assert (sorted(line.holding), line.permits.waiting) == ([0, 1, 2, 3, 4, 5], 0)
        nursery.cancel_scope.cancel()
    assert line.permits.taken == 0


async def test_a_lower_limit_takes_none_back_but_hands_none_on() -> None:
    async with trio.open_nursery() as nursery:
        line = Line(permits_for(3), nursery)
        await line.join(5)
        line.permits.limit = 1
        assert line.permits.taken == 3
        await line.leave(0)
        await line.leave(1)
        assert (line.holding, line.permits.taken, line.permits.waiting) == ([2], 1, 2)
        assert not line.permits.take_nowait()
        await line.leave(2)
        assert (line.holding, line.permits.waiting) == ([3], 1)
        nursery.cancel_scope.cancel()
    assert (line.permits.taken, line.permits.waiting) == (0, 0)


async def test_taking_is_a_checkpoint_and_a_cancelled_one_takes_nothing() -> None:
    permits = GroupPermits()
    with trio.testing.assert_checkpoints():
        await permits.take()
    with trio.CancelScope() as scope:
        scope.cancel()
        await permits.take()
    assert scope.cancelled_caught
    assert permits.taken == 1


def test_what_it_says_of_itself() -> None:
    permits = GroupPermits()
    assert repr(permits) == "<GroupPermits limit=inf taken=0 waiting=0>"
    permits.limit = 70.0
    permits.take_nowait()
    assert repr(permits) == "<GroupPermits limit=70 taken=1 waiting=0>"


@pytest.mark.parametrize("busy", [False, True])
async def test_cancelled_at_every_step(busy: bool, cancel_at_step: Any) -> None:
    outcomes: list[str] = []
    for step in range(20):
        permits = permits_for(1)
        if busy:
            permits.take_nowait()
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            instrument = cancel_at_step(scope, step)

            async def take(scope: trio.CancelScope = scope, permits: GroupPermits = permits) -> None:
                cancel_at_step.watched.set(True)
                outcomes.append("cancelled")
                with scope:
                    await permits.take()
                    outcomes[-1] = "taken"
                    try:
                        await trio.lowlevel.checkpoint()
                        outcomes[-1] = "done"
                    finally:
                        permits.give_back()

            trio.lowlevel.add_instrument(instrument)
            if not step:
                scope.cancel()
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            if busy:
                permits.give_back()
        trio.lowlevel.remove_instrument(instrument)
        assert (permits.taken, permits.waiting) == (0, 0)
        if outcomes[-1] == "done":
            break
    assert outcomes[0] == "cancelled"
    assert "taken" in outcomes
    assert outcomes[-1] == "done"
