"""The pool against fake connections: who gets what, in which order, with what left over."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trioclient._codec.url import Origin
from trioclient._net.pool import Free, Full, Pool
from trioclient._types import Limits

A: Origin = ("http", "a.test", 80)
B: Origin = ("http", "b.test", 80)


class FakeConnection:
    """What the pool needs of a connection."""

    def __init__(self, origin: Origin = A, now: float = 0.0) -> None:
        self.origin = origin
        self.created_at = now
        self.expires_at = float("inf")
        self.stale = False
        self.closed = False

    def is_stale(self) -> bool:
        return self.stale

    def close(self) -> None:
        assert not self.closed
        self.closed = True


def pool_of(**limits: Any) -> Any:
    return Pool(Limits(**limits))


def connected(pool: Any, origin: Origin = A, now: float = 0.0) -> FakeConnection:
    """Take a slot and connect."""
    assert isinstance(pool.take_nowait(origin, now), Free)
    connection = FakeConnection(origin, now)
    pool.adopt(connection)
    return connection


def test_the_warmest_connection_is_taken_first() -> None:
    pool = pool_of()
    first, second = connected(pool), connected(pool)
    pool.release(first, 1.0)
    pool.release(second, 2.0)
    assert pool.take_nowait(A, 3.0) is second
    assert pool.take_nowait(A, 3.0) is first
    assert isinstance(pool.take_nowait(A, 3.0), Free)


def test_another_origins_connection_is_not_taken() -> None:
    pool = pool_of()
    pool.release(connected(pool, A), 0.0)
    assert isinstance(pool.take_nowait(B, 0.0), Free)


@pytest.mark.parametrize(
    ("now", "taken"), [(29.9, True), (30.0, False)], ids=["just before its expiry", "at its expiry"]
)
def test_idle_expiry(now: float, taken: bool) -> None:
    pool = pool_of(idle_expiry=30.0)
    connection = connected(pool)
    pool.release(connection, 0.0)
    assert (pool.take_nowait(A, now) is connection) is taken
    assert connection.closed is not taken
    assert pool.statistics()[:3] == (1, 0, 0)


def test_max_lifetime_counts_from_connecting() -> None:
    pool = pool_of(max_lifetime=10.0)
    young, old = connected(pool, now=0.0), connected(pool, now=0.0)
    pool.release(young, 9.0)
    assert pool.take_nowait(A, 9.5) is young
    pool.release(young, 9.6)
    assert isinstance(pool.take_nowait(A, 10.0), Free)
    assert young.closed
    pool.release(old, 10.0)
    assert old.closed
    assert pool.statistics()[:3] == (1, 0, 0)


def test_a_stale_connection_is_closed_and_the_next_one_tried() -> None:
    pool = pool_of()
    good, stale = connected(pool), connected(pool)
    pool.release(good, 0.0)
    pool.release(stale, 0.0)
    stale.stale = True
    assert pool.take_nowait(A, 0.0) is good
    assert stale.closed
    assert pool.statistics()[:3] == (1, 0, 0)


def test_idle_connections_beyond_their_number_are_closed_oldest_first() -> None:
    pool = pool_of(max_idle_connections=2)
    connections = [connected(pool) for _ in range(3)]
    for now, connection in enumerate(connections):
        pool.release(connection, float(now))
    assert [connection.closed for connection in connections] == [True, False, False]
    assert pool.statistics()[:3] == (2, 2, 0)


def test_releasing_sweeps_out_what_has_expired() -> None:
    pool = pool_of(idle_expiry=30.0)
    old, new = connected(pool, A), connected(pool, B)
    pool.release(old, 0.0)
    pool.release(new, 31.0)
    assert old.closed
    assert not new.closed


def test_an_idle_connection_of_another_origin_makes_room() -> None:
    pool = pool_of(max_connections=2)
    older, newer = connected(pool, A), connected(pool, A)
    pool.release(older, 0.0)
    pool.release(newer, 1.0)
    assert isinstance(pool.take_nowait(B, 2.0), Free)
    assert older.closed
    assert not newer.closed
    assert pool.take_nowait(A, 2.0) is newer
    assert isinstance(pool.take_nowait(A, 2.0), Full)


async def test_waiters_are_served_first_come_first_served() -> None:
    pool = pool_of(max_connections=1)
    connection = connected(pool)
    served: list[int] = []

    async def waiter(number: int) -> None:
        assert isinstance(pool.take_nowait(A, 0.0), Full)
        assert await pool.wait(A) is connection
        served.append(number)
        pool.release(connection, 0.0)

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(waiter, number)
            await trio.testing.wait_all_tasks_blocked()
        pool.release(connection, 0.0)
    assert served == [0, 1, 2, 3]
    assert pool.statistics()[:3] == (1, 1, 0)


async def test_a_waiter_for_another_origin_gets_the_slot_alone() -> None:
    pool = pool_of(max_connections=1)
    connection = connected(pool, A)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            assert isinstance(await pool.wait(B), Free)

        await trio.testing.wait_all_tasks_blocked()
        pool.release(connection, 0.0)
    assert connection.closed
    assert pool.statistics()[:3] == (1, 0, 0)


@pytest.mark.parametrize("leave", ["discard", "forfeit"])
async def test_a_freed_slot_goes_to_the_first_waiter(leave: str) -> None:
    pool = pool_of(max_connections=1)
    assert isinstance(pool.take_nowait(A, 0.0), Free)
    connection: Any = FakeConnection()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            assert isinstance(await pool.wait(A), Free)

        await trio.testing.wait_all_tasks_blocked()
        if leave == "discard":
            pool.adopt(connection)
            pool.discard(connection)
            assert connection.closed
        else:
            pool.forfeit()
    assert pool.statistics()[:3] == (1, 0, 0)


async def test_a_cancelled_waiter_leaves_the_queue_and_takes_nothing() -> None:
    pool = pool_of(max_connections=1)
    connection = connected(pool)
    with trio.CancelScope() as scope:
        scope.cancel()
        await pool.wait(A)
    assert scope.cancelled_caught
    pool.release(connection, 0.0)
    assert pool.statistics()[:3] == (1, 1, 0)


async def test_a_waiter_cancelled_after_it_was_served_still_has_the_connection() -> None:
    pool = pool_of(max_connections=1)
    connection = connected(pool)
    got: list[object] = []
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        @nursery.start_soon
        async def _() -> None:
            with scope:
                got.append(await pool.wait(A))

        await trio.testing.wait_all_tasks_blocked()
        pool.release(connection, 0.0)
        scope.cancel()
    assert got == [connection]


async def test_closing_closes_everything_and_wakes_the_waiters() -> None:
    pool = pool_of(max_connections=2)
    idle, busy = connected(pool, A), connected(pool, A)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            assert isinstance(await pool.wait(B), Free)
            pool.forfeit()

        await trio.testing.wait_all_tasks_blocked()
        pool.close()
    assert busy.closed
    assert idle.closed


class PoolMachine(RuleBasedStateMachine):
    """Any order of taking, releasing, losing and ageing keeps the count of slots right."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(max_connections=4, max_idle_connections=2, idle_expiry=10.0, max_lifetime=25.0)
        self.pool: Any = Pool(self.limits)
        self.now = 0.0
        self.busy: list[FakeConnection] = []
        self.connecting = 0
        self.made: list[FakeConnection] = []

    @rule(origin=st.sampled_from([A, B]))
    def take(self, origin: Origin) -> None:
        taken = self.pool.take_nowait(origin, self.now)
        if isinstance(taken, Free):
            self.connecting += 1
        elif isinstance(taken, Full):
            assert len(self.busy) + self.connecting == self.limits.max_connections
        else:
            assert taken.origin == origin
            assert not taken.closed
            assert not taken.stale
            self.busy.append(taken)

    @rule(origin=st.sampled_from([A, B]), works=st.booleans())
    def connect(self, origin: Origin, works: bool) -> None:
        if not self.connecting:
            return
        self.connecting -= 1
        if works:
            connection = FakeConnection(origin, self.now)
            self.made.append(connection)
            self.pool.adopt(connection)
            self.busy.append(connection)
        else:
            self.pool.forfeit()

    @rule(index=st.integers(0, 9), reusable=st.booleans())
    def give_back(self, index: int, reusable: bool) -> None:
        if self.busy:
            connection = self.busy.pop(index % len(self.busy))
            if reusable:
                self.pool.release(connection, self.now)
            else:
                self.pool.discard(connection)
                assert connection.closed

    @rule(index=st.integers(0, 9))
    def go_stale(self, index: int) -> None:
        idle = list(self.pool.idle_by_age)
        if idle:
            idle[index % len(idle)].stale = True

    @rule(seconds=st.sampled_from([0.5, 5.0, 12.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def slots_add_up(self) -> None:
        state = self.pool.statistics()
        assert state.open == len(self.busy) + self.connecting + state.idle
        assert state.open <= self.limits.max_connections
        assert state.idle <= self.limits.max_idle_connections
        open_connections = [connection for connection in self.made if not connection.closed]
        assert len(open_connections) == len(self.busy) + state.idle


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
