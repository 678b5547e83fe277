"""The workers of a fan-out, between its input and its caller.

    input ──(pulled when a worker is free and the window has room)──► workers ──► order ──► caller

The window. At most ``max_at_once + run_ahead`` items are between the input and the caller:
pulled, but their outcome not taken. It bounds memory, and in input order also how far ahead of
the next outcome a call may start.

Workers come as they are needed. Whoever makes room, or sees more than it can take itself,
summons another: an idle one if there is one, else a new task. Never more are on their way than
there are items to be had, so three items do not start a thousand tasks; and each arrival
summons two more, so a thousand are at work after ten turns. Trivial calls run in batches: a
worker goes on until the window is full, the caller takes until nothing is left.

How a run ends. A failed call is an outcome, and with "stop" and "cancel" also the run's error;
so are an exception of the input, the deadline, and too many failures (`RunFailure`). The first of
them is kept for the caller, who gets what had finished before it. What is nobody's outcome
(`Cancelled` from outside, KeyboardInterrupt, a `call` that is not async) leaves the worker, and the
nursery cancels everything, the caller included.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Generic, TypeVar

import trio

from .._engine.tally import AttemptTally, current_tally
from .._errors import DeadlineExceeded
from .fan_out_account import Account
from .fan_out_call import NotAsync, besides_cancellation, can_be_awaited, not_async, sent_by_now
from .fan_out_failure import RunFailure
from .fan_out_input import AsyncInput, SyncInput
from .fan_out_order import Order
from .fan_out_report import ClientReading, FanOutProgress, FanOutReport, FanOutStatistics, Outcome

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

__all__ = ["YIELD_EVERY", "Pool"]

Item = TypeVar("Item")
Value = TypeVar("Value")

YIELD_EVERY = 64
"""Items, or outcomes, after which a task that need not wait lets the others run."""


class Pool(Generic[Item, Value]):
    """Runs in the nursery given to `start`; its owner takes outcomes until `over`."""

    def __init__(
        self,
        call: Callable[[Item], Awaitable[Value]],
        items: SyncInput[Item] | AsyncInput[Item],
        order: Order[Item, Value],
        *,
        max_at_once: int,
        run_ahead: int,
        failure: RunFailure,
        deadline: float,
        item_deadline: float,
    ) -> None:
        self._call = call
        self._input = items
        self._order = order
        self._max_at_once = max_at_once
        self._window = max_at_once + run_ahead
        self._failure = failure
        self._deadline = deadline
        self._item_deadline = item_deadline

        self._account = Account()
        self._deadline_at = math.inf
        self._scopes: dict[trio.CancelScope, AttemptTally] = {}
        self._cancelling = False
        self._tasks = self._workers = 0
        self._arriving = 0
        self._idle = trio.lowlevel.ParkingLot()
        self._caller = trio.lowlevel.ParkingLot()
        self._held = trio.lowlevel.ParkingLot()
        self.held_until: Callable[[], float | None] = lambda: None
        """Asked before each pull: the instant until which no call may begin, None if it may."""
        self.client_reading: Callable[[], ClientReading] = ClientReading
        """Asked where progress is; at the end for the last time."""

    # For the owner

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to pull and to call."""
        self._nursery = nursery
        # The caller's context, not that of whichever task will see the need for another worker.
        self._context = contextvars.copy_context()
        self._account.begin(trio.current_time())
        self._deadline_at = self._account.began + self._deadline
        if isinstance(self._input, AsyncInput):
            self._spawn(self._feed, self._input)
        else:
            self._summon()

    def take(self) -> Outcome[Item, Value] | None:
        """The next outcome, if it is there."""
        outcome = self._order.take()
        if outcome is not None:
            self._account.delivered += 1
            if not self._arriving:
                self._summon()
            self._input.resume()
        return outcome

    async def wait(self) -> None:
        """Until there is something to take or the run is over. Raises trio.BusyResourceError."""
        if self._caller:
            raise trio.BusyResourceError("another task is already waiting for this fan-out's next outcome")
        await self._caller.park()

    def cancel(self) -> None:
        """Cancel what runs, start nothing more. The run is over soon after."""
        self._cancelling = True
        self._stop_pulling()
        for scope in self._scopes:
            scope.cancel()

    @property
    def over(self) -> bool:
        """True once every task has ended."""
        return not self._tasks

    def raise_error(self) -> None:
        """Raise, once, what the run failed of; nothing if it did not."""
        self._failure.throw()

    def progress(self, *, total: int | None, waiting_for_rate: bool) -> FanOutProgress:
        return self._account.progress(
            now=self._now(),
            seen=self._input.seen,
            total=total,
            tallies=self._scopes.values(),
            client=self.client_reading(),
            waiting_for_rate=waiting_for_rate,
        )

    def report(self) -> FanOutReport:
        return self._account.report(seen=self._input.seen, now=self._now())

    def statistics(self) -> FanOutStatistics:
        return FanOutStatistics(
            running=self._account.running, waiting=len(self._order), workers=self._workers, room=self._room
        )

    def _now(self) -> float:
        """The clock, which stands still before the run and after it."""
        return self._account.ended if self.over else trio.current_time()

    # Flow

    @property
    def _room(self) -> int:
        return self._window - self._input.seen + self._account.delivered

    def _summon(self) -> None:
        """Bring one more worker, if it would find an item that those on their way leave over."""
        if self._input.supply(self._room) <= self._arriving:
            return
        if self._idle:
            self._arriving += 1
            self._idle.unpark()
        elif self._workers < self._max_at_once:
            self._arriving += 1
            self._workers += 1
            self._spawn(self._work)

    def _may_pull(self, at_hand: int) -> bool:
        return self._room > 0 and self._account.running + at_hand < self._max_at_once

    def _stop_pulling(self) -> None:
        self._input.stop()
        self._dismiss_idle()
        self._held.unpark_all()

    def _dismiss_idle(self) -> None:
        self._arriving += len(self._idle)
        self._idle.unpark_all()

    # The tasks

    def _spawn(self, async_fn: Callable[..., Awaitable[object]], *args: object) -> None:
        self._tasks += 1
        self._context.run(self._nursery.start_soon, async_fn, *args)

    @contextlib.contextmanager
    @trio.lowlevel.enable_ki_protection
    def _task(self) -> Generator[trio.CancelScope, None, None]:
        """The whole of one task: bounded by the deadline, its end noted."""
        scope = trio.CancelScope(deadline=self._deadline_at)
        try:
            with scope:
                yield scope
            if scope.cancelled_caught and not self._cancelling:
                message = f"the fan-out's deadline of {self._deadline:g} s passed"
                self._failure.add_own(DeadlineExceeded(message))
                self.cancel()
        except BaseException as escaped:
            self._failure.add(escaped)
            self._stop_pulling()
            raise
        finally:
            self._tasks -= 1
            if not self._tasks:
                self._end()

    def _end(self) -> None:
        self._account.end(trio.current_time())
        try:
            self._input.close()
        except Exception as error:
            self._failure.add(error)
        self._failure.end(self._account)
        reading = self.client_reading()
        self.client_reading = lambda: reading
        self._order.end()
        self._caller.unpark_all()

    async def _feed(self, items: AsyncInput[Item]) -> None:
        with self._task():
            try:
                await items.feed(self._may_pull, self.held_until, self._summon)
            except Exception as error:
                self._failure.add(error)
            finally:
                self._dismiss_idle()

    async def _work(self) -> None:
        tally = AttemptTally()
        current_tally.set(tally)
        with self._task() as scope:
            self._scopes[scope] = tally
            try:
                await self._serve(tally)
            finally:
                del self._scopes[scope]
                self._workers -= 1

    async def _serve(self, tally: AttemptTally) -> None:
        """Run items while there are any, park while there are none, return when none will come."""
        turns = 0
        while True:
            await trio.lowlevel.checkpoint_if_cancelled()
            # While this one still counts as arriving, so that its own item is left to it.
            self._summon()
            self._summon()
            self._arriving -= 1
            while self._input.supply(self._room) > 0:
                held_until = self.held_until()
                if held_until is not None:
                    with trio.CancelScope(deadline=held_until):
                        await self._held.park()
                    continue
                try:
                    item = self._input.take()
                except StopIteration:
                    self._stop_pulling()
                    break
                except Exception as error:
                    self._failure.add(error)
                    self._stop_pulling()
                    break
                await self._run(item, tally)
                del item  # not held while parked
                turns += 1
                if turns % YIELD_EVERY:
                    await trio.lowlevel.checkpoint_if_cancelled()
                else:
                    await trio.lowlevel.checkpoint()
            if not self._input.open:
                return
            self._input.resume()
            await self._idle.park()

    async def _run(self, item: Item, tally: AttemptTally) -> None:
        """One item, from its call to its outcome. Raises only what is no item's outcome."""
        account = self._account
        index = account.started
        account.started += 1
        account.running += 1
        value: Value | None = None
        error: Exception | None = None
        began = trio.current_time()
        try:
            awaitable = self._call(item)
            if not can_be_awaited(awaitable):
                raise not_async(awaitable)
            value = await (awaitable if self._item_deadline == math.inf else self._in_time(awaitable, tally))
        except NotAsync:
            raise
        except Exception as raised:
            error = raised
        except trio.Cancelled:
            account.cut_off(tally)
            raise
        except BaseExceptionGroup as group:
            error = besides_cancellation(group)
            if error is None:
                account.cut_off(tally)
                raise
        finally:
            account.running -= 1
            attempts = tally.attempts_made
            account.attempts += attempts
            if attempts != 1 or tally.throttled:
                account.add_retries(tally)
            tally.reset()
        now = trio.current_time()
        if now >= account.throughput.turn:
            account.throughput.turn_over(now, account.done + account.failed)
        if error is None:
            account.done += 1
        else:
            account.failed += 1
        if error is not None or self._failure.counts:
            self._judge(error)
        if self._order.put(Outcome(index, item, value, error, attempts, now - began)) and self._caller:
            self._caller.unpark_all()
        del error  # whose traceback refers to this frame: a cycle per failure

    async def _in_time(self, awaitable: Awaitable[Value], tally: AttemptTally) -> Value:
        with trio.CancelScope(deadline=trio.current_time() + self._item_deadline):
            return await awaitable
        raise DeadlineExceeded(
            f"the item's deadline of {self._item_deadline:g} s passed",
            attempts=tally.attempts_made,
            elapsed=self._item_deadline,
            sent=sent_by_now(tally),
        )

    def _judge(self, error: Exception | None) -> None:
        if self._cancelling:
            return
        verdict = self._failure.judge(error)
        if verdict == "stop":
            self._stop_pulling()
        elif verdict == "cancel":
            self.cancel()
