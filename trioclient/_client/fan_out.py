"""Many calls at once, bounded: `fan_out` and the run it makes."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sized
from types import TracebackType
from typing import Generic, TypeVar

import trio

from .._engine.rate_limiter import RateLimiter
from .._net.single_nursery import open_single_nursery
from .._policy.failing import Failing
from .._policy.rate import Rate
from .._types import checked_int, checked_seconds
from .fan_out_failure import OnError, RunFailure
from .fan_out_input import input_of
from .fan_out_order import AsFinished, InOrder
from .fan_out_pool import YIELD_EVERY, Pool
from .fan_out_rate import Pacer, checked_limiter
from .fan_out_report import ClientReading, FanOutProgress, FanOutReport, FanOutStatistics, Outcome

__all__ = ["FanOut", "fan_out"]

Item = TypeVar("Item")
Value = TypeVar("Value")


def fan_out(
    call: Callable[[Item], Awaitable[Value]],
    items: Iterable[Item] | AsyncIterable[Item],
    *,
    max_at_once: int,
    ordered: bool = False,
    on_error: OnError = "collect",
    run_ahead: int | None = None,
    deadline: float | None = None,
    item_deadline: float | None = None,
    rate: Rate | RateLimiter | None = None,
    stop_when: Failing | None = None,
    total: int | None = None,
) -> FanOut[Item, Value]:
    """Run ``call(item)`` for every item, at most `max_at_once` at the same time.

        async with fan_out(fetch, urls, max_at_once=64) as run:
            async for outcome in run:
                ...
        print(run.report)

    Args:
      call: an async function of one item. It sees the context variables as they were when the
        ``async with`` was entered; a value it sets may be seen by later calls.
      items: pulled one by one, only when a worker is free and the window has room.
      max_at_once: calls going on at the same time, 1 or more.
      ordered: deliver in the order of the input instead of as they finish.
      on_error: ``"collect"`` makes an exception of a call an outcome with ``error``. ``"stop"``
        also starts nothing new, delivers what is under way, then raises the first error.
        ``"cancel"`` also cancels the other calls, delivers what had finished, then raises it.
      run_ahead: how far the calls may get ahead of the caller, 0 or more; `max_at_once` if left
        out. At most ``max_at_once + run_ahead`` items are pulled and their outcome not taken.
      deadline: seconds for the whole run, from entering. When they have passed, running calls
        are cancelled and `DeadlineExceeded` is raised after what had finished.
      item_deadline: seconds for one call; when they have passed it is cancelled and its outcome
        has a `DeadlineExceeded`.
      rate: an item's call begins when this lets it: ``rate.cost(item)`` is what it is thought to
        cost, ``rate.used(value)`` what it did. A `Rate` is for this run alone, a `RateLimiter`
        shared with whatever else goes through it. One item at a time is pulled to wait, and is not
        running yet. An item that can never fit is an outcome with `LimitExceeded`. A call counts once
        however often it sends: to count every attempt give the client the rate.
      stop_when: when so many calls fail, stop: start nothing new, cancel what runs, deliver what
        had finished, then raise `FanOutStopped`. At most ``of + max_at_once`` items are begun where
        all fail. Goes with ``on_error="collect"``.
      total: how many items there will be, for `FanOut.progress`; the length of `items` if left out.

    An exception of the input ends the pulling; what runs is finished and delivered, then it is
    raised. Leaving the ``async with`` early cancels what runs. Where the run had failed by then
    and the iteration had not raised it, leaving does, unless the body raises something itself.
    Errors are raised as themselves, never in an exception group. At the end generators are
    closed, and iterators that the run itself made; others are their owner's to close. `sent` of an
    error of the run itself speaks of the calls that it cut off.

    Raises TypeError or ValueError for arguments that make no sense. A `call` that turns out not
    to be async ends the run with a TypeError.
    """
    if not callable(call):
        raise TypeError(f"call must be an async function of one item, not {call!r}")
    pacer = None if rate is None else Pacer(checked_limiter(rate), call)
    pool = Pool(
        call if pacer is None else pacer.call,
        input_of(items, pacer),
        InOrder[Item, Value]() if ordered else AsFinished[Item, Value](),
        max_at_once=checked_int(max_at_once, "max_at_once", 1),
        run_ahead=max_at_once if run_ahead is None else checked_int(run_ahead, "run_ahead"),
        failure=RunFailure(on_error, stop_when),
        deadline=checked_seconds(deadline, "deadline"),
        item_deadline=checked_seconds(item_deadline, "item_deadline"),
    )
    return FanOut(pool, pacer, _size_of(items) if total is None else checked_int(total, "total"))


def _size_of(items: object) -> int | None:
    """Its length, where it has one."""
    if not isinstance(items, Sized):
        return None
    try:
        return len(items)
    except Exception:  # of its owner's; and a range may be longer than an int of C
        return None


class FanOut(Generic[Item, Value]):
    """One run of `fan_out`: an async context manager, inside it an async iterator of `Outcome`.

    It is entered once, iterated once, and by one task at a time.
    """

    def __init__(self, pool: Pool[Item, Value], pacer: Pacer[Item, Value] | None, total: int | None) -> None:
        self._pool = pool
        self._pacer = pacer
        self._total = total
        self._manager = open_single_nursery()
        self._entered = self._iterated = self._left = False
        self._turns = 0

    def hold_back(self, held_until: Callable[[], float | None]) -> None:
        """Pull no item while calls could not begin, as where the server asked a client to wait.

        `held_until` is asked before each pull for an instant on trio's clock, or None.
        """
        self._pool.held_until = held_until

    def watch(self, client_reading: Callable[[], ClientReading]) -> None:
        """Say in `progress` what a client has to tell. Asked within trio, until the run is over."""
        self._pool.client_reading = client_reading

    @trio.lowlevel.enable_ki_protection
    async def __aenter__(self) -> FanOut[Item, Value]:
        if self._entered:
            raise RuntimeError("a fan-out can be entered only once; make a new one")
        self._entered = True
        self._pool.start(await self._manager.__aenter__())
        return self

    @trio.lowlevel.enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        self._pool.cancel()
        try:
            # Not shown what the body raised, which goes its own way. What comes out has left a
            # worker: it is graver, and the reason for a `Cancelled` in the body.
            await self._manager.__aexit__(None, None, None)
        except trio.Cancelled:
            if exc is None:
                raise
        if exc is None:
            self._pool.raise_error()

    def __aiter__(self) -> FanOut[Item, Value]:
        if self._iterated:
            raise RuntimeError("a fan-out can be iterated only once")
        self._iterated = True
        return self

    async def __anext__(self) -> Outcome[Item, Value]:
        self._turns += 1
        if self._turns % YIELD_EVERY:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        while True:
            if not self._entered or self._left:
                raise RuntimeError("a fan-out can be iterated only inside its own `async with`")
            outcome = self._pool.take()
            if outcome is not None:
                return outcome
            if self._pool.over:
                self._pool.raise_error()
                raise StopAsyncIteration
            await self._pool.wait()

    @property
    def report(self) -> FanOutReport:
        """The account of the run: as it stands now, or as it ended."""
        return self._pool.report()

    def progress(self) -> FanOutProgress:
        """How far the run is, how fast it goes, and what slows it."""
        waiting = self._pacer is not None and self._pacer.waiting
        return self._pool.progress(total=self._total, waiting_for_rate=waiting)

    def statistics(self) -> FanOutStatistics:
        """What is going on now."""
        return self._pool.statistics()
