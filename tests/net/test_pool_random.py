"""The pool with tasks waiting at it, in any order of events, beside a model of lists.

Each machine has a trio run in a thread; a step is taken there and over when all tasks stand still.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Union

import hypothesis.strategies as st
import pytest
import trio
import trio.testing
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from trioclient._codec.url import Origin
from trioclient._net.pool import Free, Full, Pool
from trioclient._types import Limits

A: Origin = ("http", "a.test", 80)
B: Origin = ("http", "b.test", 80)
LIMITS = Limits(max_connections=3, max_idle_connections=2, idle_expiry=10.0, max_lifetime=15.0)
PATIENCE = 10.0  # seconds: against a hang

ORIGINS = st.sampled_from([A, A, B])
SECONDS = st.sampled_from([0.5, 4.0, 8.0, 24.0])
INDEXES = st.integers(0, 9)


class FakeConnection:
    """What the pool needs of a connection."""

    def __init__(self, origin: Origin, now: float) -> None:
        self.origin = origin
        self.created_at = now
        self.expires_at = math.inf
        self.stale = False
        self.closed = 0

    def is_stale(self) -> bool:
        return self.stale

    def close(self) -> None:
        self.closed += 1


class Waiter:
    """A task in the queue, and what it was given."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.scope = trio.CancelScope()
        self.given: Union[FakeConnection, Free, None] = None

    async def wait(self, pool: Any) -> None:
        with self.scope:
            self.given = await pool.wait(self.origin)


class TrioThread:
    """A trio run elsewhere, in which one thing is done at a time."""

    def __init__(self) -> None:
        started: Future[trio.lowlevel.TrioToken] = Future()
        self._thread = threading.Thread(target=trio.run, args=(self._main, started))
        self._thread.start()
        self._token = started.result(PATIENCE)

    async def _main(self, started: Future[trio.lowlevel.TrioToken]) -> None:
        async with trio.open_nursery() as self.nursery:
            started.set_result(trio.lowlevel.current_trio_token())
            await trio.sleep(PATIENCE * 100)

    def do(self, step: Callable[[], Any]) -> Any:
        """The result, once all tasks have taken their turns."""

        async def do() -> Any:
            result = step()
            with trio.fail_after(PATIENCE):
                await trio.testing.wait_all_tasks_blocked()
            return result

        return trio.from_thread.run(do, trio_token=self._token)

    def end(self) -> None:
        trio.from_thread.run_sync(self.nursery.cancel_scope.cancel, trio_token=self._token)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


class PoolMachine(RuleBasedStateMachine):
    """`busy`, `idle` (the longest idle first), `queue` and `connecting` are the model."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.trio = TrioThread()
        self.pool: Any = Pool(LIMITS)
        self.now = 0.0
        self.age = 0
        self.made: list[FakeConnection] = []
        self.busy: list[FakeConnection] = []
        self.idle: list[FakeConnection] = []
        self.expiries: dict[FakeConnection, float] = {}
        self.queue: list[Waiter] = []
        self.connecting = 0
        self.replaced = 0
        self.closed = False
        self.cancelled: list[Waiter] = []
        self.served: list[tuple[Waiter, Any]] = []

    def teardown(self) -> None:
        self.trio.end()

    # What is done.

    @precondition(lambda self: not self.closed)
    @rule(origin=ORIGINS, connects=st.sampled_from([True, True, False]), waits=st.booleans())
    def take(self, origin: Origin, connects: bool, waits: bool) -> None:
        self._take(origin, connects, waits)

    @precondition(lambda self: not self.closed)
    @rule(origins=st.lists(ORIGINS, min_size=3, max_size=5))
    def take_in_a_crowd(self, origins: list[Origin]) -> None:
        for origin in origins:
            self._take(origin, connects=True, waits=True)

    def _take(self, origin: Origin, connects: bool, waits: bool) -> None:
        expected = self._expected_of_take(origin)
        taken = self.trio.do(partial(self.pool.take_nowait, origin, self.now))
        if isinstance(taken, (Free, Full)):
            assert type(taken) is expected
        else:
            assert taken is expected
        if isinstance(taken, Free) and connects:
            self.connect(origin, works=True)
        if isinstance(taken, Full) and waits:
            waiter = Waiter(origin)
            self.queue.append(waiter)
            self.trio.do(partial(self.trio.nursery.start_soon, waiter.wait, self.pool))

    @precondition(lambda self: self.connecting)
    @rule(origin=ORIGINS, works=st.sampled_from([True, True, False]))
    def connect(self, origin: Origin, works: bool) -> None:
        self.connecting -= 1
        if works:
            connection = FakeConnection(origin, self.now)
            self.made.append(connection)
            self.busy.append(connection)
            self.trio.do(partial(self.pool.adopt, connection))
            assert connection.closed == self.closed
        else:
            self._slot_is_free()
            self.trio.do(self.pool.forfeit)

    @precondition(lambda self: self.busy)
    @rule(index=INDEXES)
    def release(self, index: int) -> None:
        connection = self._expect_release(index)
        self.trio.do(partial(self.pool.release, connection, self.now))

    @precondition(lambda self: self.busy)
    @rule(index=INDEXES, keeps_slot=st.booleans())
    def lose(self, index: int, keeps_slot: bool) -> None:
        connection = self.busy.pop(index % len(self.busy))
        if keeps_slot:
            self.connecting += 1
            self.replaced += 1
            self.trio.do(partial(self.pool.replace, connection))
        else:
            self._slot_is_free()
            self.trio.do(partial(self.pool.discard, connection))

    @precondition(lambda self: self.queue)
    @rule(index=INDEXES)
    def cancel(self, index: int) -> None:
        self.trio.do(self._expect_cancel(index).scope.cancel)

    @precondition(lambda self: self.queue and self.busy)
    @rule(waiter=INDEXES, index=INDEXES)
    def cancel_and_release_at_once(self, waiter: int, index: int) -> None:
        scope = self._expect_cancel(waiter).scope
        connection = self._expect_release(index)

        def step() -> None:
            scope.cancel()
            self.pool.release(connection, self.now)

        self.trio.do(step)

    @precondition(lambda self: self.queue and self.busy)
    @rule(index=INDEXES)
    def release_and_cancel_at_once(self, index: int) -> None:
        """Who was given something keeps it, although it is cancelled before its turn comes."""
        first = self.queue[0]
        connection = self._expect_release(index)

        def step() -> None:
            self.pool.release(connection, self.now)
            first.scope.cancel()

        self.trio.do(step)
        assert first.given is not None

    @precondition(lambda self: self.idle)
    @rule(index=INDEXES)
    def go_stale(self, index: int) -> None:
        self.idle[index % len(self.idle)].stale = True

    @rule(seconds=SECONDS)
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=SECONDS)
    def all_are_done(self, seconds: float) -> None:
        while self.busy:
            self.release(0)
            self.now += seconds

    @precondition(lambda self: self.age > 45 and not self.closed)
    @rule()
    def close(self) -> None:
        self.closed = True
        self.idle.clear()
        while self.queue:
            self._serve_first(Free)
        self.trio.do(self.pool.close)
        assert all(connection.closed for connection in self.made)

    # What is expected of it.

    def _expected_of_take(self, origin: Origin) -> Any:
        for connection in [other for other in reversed(self.idle) if other.origin == origin]:
            self.idle.remove(connection)
            if self.now < self.expiries[connection] and not connection.stale:
                self.busy.append(connection)
                return connection
        if self._open >= LIMITS.max_connections:
            if not self.idle:
                return Full
            del self.idle[0]
        self.connecting += 1
        return Free

    def _expect_release(self, index: int) -> FakeConnection:
        connection = self.busy.pop(index % len(self.busy))
        too_old = self.now >= connection.created_at + LIMITS.max_lifetime
        if self.closed or too_old or (self.queue and self.queue[0].origin != connection.origin):
            self._slot_is_free()
        elif self.queue:
            self._serve_first(connection)
        else:
            self.idle.append(connection)
            ends_at = connection.created_at + LIMITS.max_lifetime
            self.expiries[connection] = min(self.now + LIMITS.idle_expiry, ends_at)
            while len(self.idle) > LIMITS.max_idle_connections or self.now >= self.expiries[self.idle[0]]:
                del self.idle[0]
        return connection

    def _slot_is_free(self) -> None:
        if self.queue:
            self._serve_first(Free)

    def _serve_first(self, what: Any) -> None:
        waiter = self.queue.pop(0)
        self.served.append((waiter, what))
        if what is Free:
            self.connecting += 1
        else:
            self.busy.append(what)

    def _expect_cancel(self, index: int) -> Waiter:
        waiter = self.queue.pop(index % len(self.queue))
        self.cancelled.append(waiter)
        return waiter

    @property
    def _open(self) -> int:
        return len(self.busy) + len(self.idle) + self.connecting

    # What holds at all times.

    @invariant()
    def the_pool_is_as_the_model(self) -> None:
        type(self).steps += 1
        self.age += 1
        state = self.pool.statistics()
        assert tuple(state) == (self._open, len(self.idle), len(self.queue), self.replaced)
        assert list(self.pool.idle_by_age) == self.idle
        for waiter, what in self.served:
            assert waiter.given is what or (what is Free and isinstance(waiter.given, Free))
        assert all(waiter.given is None for waiter in self.queue + self.cancelled)

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        if not self.closed:
            assert self._open <= LIMITS.max_connections
        if self.queue:
            assert not self.idle
            assert self._open == LIMITS.max_connections

    @invariant()
    def a_connection_is_closed_once_and_only_when_nobody_has_it(self) -> None:
        for connection in self.made:
            held = connection in self.busy or connection in self.idle
            if not self.closed:
                assert connection.closed == (not held)
            else:
                assert connection.closed


@pytest.mark.timeout(400)  # if it fails, hypothesis looks for a shorter way to fail
def test_any_order_of_events() -> None:
    PoolMachine.steps = 0
    run_state_machine_as_test(PoolMachine, settings=settings(max_examples=60, stateful_step_count=60))
    assert PoolMachine.steps >= 2500
