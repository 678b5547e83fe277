"""The fan-out of blocking code: the async one as one task on the portal.

Its outcomes come over in a bounded queue. Where the input is an iterator of the caller's it is
pulled in the caller's thread, which can do so while it waits for outcomes: it may hold locks or
thread-bound objects, and must not hold up the requests under way.

The window of `fan_out`, ``max_at_once + run_ahead`` items pulled and not yet taken, covers all of
it: what is pulled and not handed over, what the fan-out holds, and the queue.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, TypeVar

import msgspec
import trio

from ._client.fan_out import FanOut
from ._client.fan_out_report import FanOutProgress, FanOutReport, FanOutStatistics, Outcome
from ._feed import Feed, Feeder
from ._portal import GRACE, Lease
from ._types import checked_int

__all__ = ["BlockingFanOut", "blocking_fan_out"]

Item = TypeVar("Item")
Value = TypeVar("Value")

_PULL_SECONDS = 0.002
"""After which a batch of pulled items goes over as it is, so that a slow iterator delays none."""


def blocking_fan_out(
    lease: Lease,
    make: Callable[..., FanOut[Item, Value]],
    items: Iterable[Item] | AsyncIterable[Item],
    *,
    max_at_once: int,
    run_ahead: int | None,
    **settings: Any,
) -> BlockingFanOut[Item, Value]:
    """What `make` makes of items and settings (`fan_out`, its call given), run on the portal."""
    checked_int(max_at_once, "max_at_once", 1)
    ahead = checked_int(max_at_once if run_ahead is None else run_ahead, "run_ahead")
    queue = max(ahead // 2, 1)
    pulled = _pulled_here(items, max_at_once + ahead)
    run = make(
        items if pulled is None else pulled,
        max_at_once=max_at_once,
        run_ahead=max(ahead - queue, 0),
        **settings,
    )
    return BlockingFanOut(lease, run, pulled, queue)


def _pulled_here(items: Iterable[Item] | AsyncIterable[Item], window: int) -> _PulledItems[Item] | None:
    # A list is handed over whole: to iterate it runs none of the caller's code. Text, and what
    # cannot be iterated, is for `fan_out` to refuse.
    if isinstance(items, (AsyncIterable, list, tuple, range, str, bytes, bytearray)) or not hasattr(items, "__iter__"):
        return None
    return _PulledItems(items, window)


class BlockingFanOut(Generic[Item, Value]):
    """One run of a blocking `fan_out`: a context manager, inside it an iterator of `Outcome`.

    It is entered once, iterated once, and by one thread.
    """

    def __init__(
        self, lease: Lease, run: FanOut[Item, Value], pulled: _PulledItems[Item] | None, capacity: int
    ) -> None:
        self._lease = lease
        self._run = run
        self._pulled = pulled
        self._feed = Feed(lease, self._deliver, capacity)
        self._delivery = trio.CancelScope()
        self._over = False

    def __enter__(self) -> BlockingFanOut[Item, Value]:
        try:
            self._feed.__enter__()
            return self
        except BaseException:
            # Ctrl-C may come between that return and this one.
            self._feed.close(GRACE)
            raise

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None and self._feed.open:
                self._leave()
        finally:
            self._feed.__exit__(exc_type, exc, traceback)
            if self._pulled is not None:
                self._pulled.close()

    def __iter__(self) -> BlockingFanOut[Item, Value]:
        return self

    def __next__(self) -> Outcome[Item, Value]:
        outcome = next(self._feed)
        if self._pulled is not None:
            self._pulled.taken += 1
        return outcome

    @property
    def report(self) -> FanOutReport:
        """The account of the run: as it stands now, or as it ended."""
        report = self._run.report if self._over else self._lease.call(self._report)
        left = 0 if self._pulled is None else self._pulled.left
        return msgspec.structs.replace(report, seen=report.seen + left, not_started=report.not_started + left)

    def progress(self) -> FanOutProgress:
        """How far the run is, how fast it goes, and what slows it."""
        progress = self._run.progress() if self._over else self._lease.call(self._progress)
        left = 0 if self._pulled is None else self._pulled.left
        return msgspec.structs.replace(progress, seen=progress.seen + left)

    def statistics(self) -> FanOutStatistics:
        """What is going on now."""
        return self._run.statistics()

    async def _report(self) -> FanOutReport:
        return self._run.report

    async def _progress(self) -> FanOutProgress:
        return self._run.progress()

    async def _deliver(self, feeder: Feeder[Outcome[Item, Value]]) -> None:
        """The one task: run it all, and hand the outcomes over."""
        if self._pulled is not None:
            self._pulled.ask = feeder.ask
        try:
            async with self._run as run:
                with self._delivery:
                    async for outcome in run:
                        await feeder.send(outcome)
        finally:
            self._over = True

    def _leave(self) -> None:
        """Leave the ``async with`` as its body's end would: what the run failed of is raised."""
        if self._pulled is not None:
            self._pulled.stop()
        self._lease.call(self._stop_delivery)
        for _ in self._feed:
            pass

    async def _stop_delivery(self) -> None:
        self._delivery.cancel()


class _PulledItems(AsyncIterator[Item]):
    """A blocking iterator as an async one: pulled in batches in the thread that takes the outcomes.

    Only one thread at a time is in it: the portal's waits while the other one pulls.
    """

    ask: Callable[[Callable[[], None]], Awaitable[None]]
    """Has the caller's thread run a function; see `Feeder.ask`."""

    def __init__(self, items: Iterable[Item], window: int) -> None:
        self._iterator = iter(items)
        # As `fan_out` does: what was opened here is closed here.
        owned = self._iterator is not items or isinstance(items, Generator)
        self._close: Callable[[], object] | None = getattr(self._iterator, "close", None) if owned else None
        self._items: Any = items
        self._window = window
        self._count = 0
        self._ready: deque[Item] = deque()
        self._end: Exception | None = None
        self.taken = 0
        """Outcomes the caller has."""

    async def __anext__(self) -> Item:
        while not self._ready:
            if self._end is not None:
                raise self._end
            await self.ask(self._pull)
        return self._ready.popleft()

    def __len__(self) -> int:
        """Of what is pulled; raises TypeError where that has no length."""
        return len(self._items)

    @property
    def left(self) -> int:
        """Items pulled and not handed over."""
        return len(self._ready)

    def stop(self) -> None:
        """Pull no more."""
        self._end = StopAsyncIteration()

    def close(self) -> None:
        """Raises what the caller's generator raises on being closed."""
        if self._close is not None:
            self._close()

    def _pull(self) -> None:
        """In the caller's thread: as many as there is room for, and no longer than a moment."""
        until = time.perf_counter() + _PULL_SECONDS
        while self._end is None:
            try:
                item = next(self._iterator)
            except StopIteration:
                self._end = StopAsyncIteration()
            except Exception as error:
                self._end = error
            else:
                self._count += 1
                self._ready.append(item)
            if self._count - self.taken >= self._window or time.perf_counter() >= until:
                break
