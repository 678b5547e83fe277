"""What is open on the portal, in the hands of a blocking thread.

A call may give something that stays open when it has ended: a stream, an answer not yet read.
It lives on the portal: it is used there, by crossings and by feeds, and closed there. It must
be content to be used in one task after another, so that it may hold no cancel scope or nursery
between two uses.

Nothing is lost on the way to the thread. What was opened belongs to the `_Opening` from the very
step in which its task has it, until the `Hold` has it. Where the thread's wait ends early, by
Ctrl-C above all, it is closed by whichever comes second: the thread that gives up, or the task
that opens. A `Hold` that is dropped has it closed, and waits for nothing.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

import trio

from ._feed import Feed, Feeder
from ._portal import GRACE, Crossing, Lease, Portal, let_go, let_go_unhurried, refuse_trio_threads

__all__ = ["BatchIterator", "HeldIterator", "Hold", "Open", "call_or_hold"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_CLOSE_PATIENCE = 10.0
_BATCHES_AHEAD = 16


class Open(Protocol):
    """What can be held."""

    @property
    def is_closed(self) -> bool:
        """Whether it holds nothing any more, such as a connection."""
        ...

    async def aclose(self) -> None:
        """Close it. May be called twice, and cancelled, which makes it quick."""
        ...


OpenT = TypeVar("OpenT", bound=Open)


def call_or_hold(lease: Lease, kinds: tuple[type[Open], ...], work: Callable[[], Awaitable[R]]) -> R | Hold[Any]:
    """`Lease.call`, with a `Hold` in place of a result that is of one of those kinds."""
    opening = _Opening(kinds, work)
    hold: Hold[Any] | None = None
    try:
        portal = lease.enter(opening)
        result = portal.run(opening)
        if opening.resource is None:
            return result
        hold = Hold(lease, portal, opening)
        return hold
    except BaseException:
        opening.abandon(lease)
        raise
    finally:
        if hold is None:
            let_go(opening)


class _Opening(Crossing[R]):
    """A crossing that may open something; then what holds the portal for it."""

    __slots__ = ("_abandoned", "_kinds", "resource")

    def __init__(self, kinds: tuple[type[Open], ...], work: Callable[[], Awaitable[R]]) -> None:
        super().__init__(work)
        self._kinds = kinds
        self._abandoned = False
        self.resource: Open | None = None

    def _arrived(self, result: R) -> R:
        if isinstance(result, self._kinds):
            self.resource = result
            if self._abandoned:
                self.drop()
        return result

    def abandon(self, lease: Lease) -> None:
        """In the thread: nobody is going to have what was opened, or will be."""
        self._abandoned = True
        if self.resource is not None and not self.resource.is_closed:
            lease.call(self._close_at_once)

    def drop(self) -> None:
        """On the portal: close it, though nobody waits for that."""
        trio.lowlevel.spawn_system_task(self._close_unheard)

    async def _close_at_once(self) -> None:
        assert self.resource is not None
        await close_within(self.resource, 0)

    async def _close_unheard(self) -> None:
        try:
            with contextlib.suppress(Exception):
                await self._close_at_once()
        finally:
            let_go_unhurried(self)


async def close_within(resource: Open, seconds: float) -> None:
    """Close it, for no longer than that in good order."""
    with trio.move_on_after(seconds):
        await resource.aclose()


class Hold(Generic[OpenT]):
    """Something open: how to use it, and how to close it. Holds the portal until then.

    What ends a wait for it early closes it. One that is dropped says so with a ResourceWarning.
    """

    name = "Hold"
    """What a user knows it as."""

    def __init__(self, lease: Lease, portal: Portal, opening: _Opening[Any]) -> None:
        self.resource = cast("OpenT", opening.resource)
        self._lease = lease
        self._portal = portal
        self._opening = opening
        self._feeds: list[Feed[Any]] = []
        # Reentrant: a signal handler may close, too.
        self._closing = threading.RLock()
        self._closed = False
        self._held = True
        self.settle()

    @property
    def open(self) -> bool:
        """Whether there is anything left to close."""
        return self._held

    def call(self, async_fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run something that uses it, and return or raise what it does."""
        self._check()
        if not self._held:
            with self._closing:  # by another thread, perhaps: let it come to its end
                pass
        return self._use(lambda: self._lease.call(async_fn, *args, **kwargs))

    def feed(self, async_fn: Callable[[Feeder[T]], Awaitable[object]], capacity: int) -> Feed[T]:
        """A `Feed`, running, that uses it, and is closed when it is."""
        self._check()
        feed = Feed(self._lease, async_fn, capacity)
        with self._closing:
            self._feeds.append(feed)
            return self._use(feed.__enter__)

    def take(self, feed: Feed[T]) -> T:
        """The next item of a feed. Raises RuntimeError where another thread closes it meanwhile."""
        self._check()
        try:
            return self._use(feed.__next__)
        except StopIteration:
            if self._closed:
                raise RuntimeError(f"this {self.name} was closed by another thread while it was read") from None
            raise

    def call_asking(self, async_fn: Callable[[Feeder[Any]], Awaitable[object]]) -> None:
        """Run something that uses it and asks this thread back; see `Feeder.ask`."""
        feed = self.feed(async_fn, 1)
        with contextlib.suppress(StopIteration):
            self.take(feed)

    def close(self, *, at_once: bool = False) -> None:
        """Close it and wait for that; `at_once` leaves no time for doing so in good order.

        May be called twice. Does nothing in a forked child, or while the interpreter shuts down.
        """
        with self._closing:
            held, self._held = self._held, False
            if not held:
                return
            self._closed = True
            if not self._portal.alive:
                let_go_unhurried(self._opening)
                return
            try:
                self._close(at_once)
            finally:
                if self.resource.is_closed:
                    let_go(self._opening)
                else:
                    self._drop()

    def settle(self) -> None:
        """Hold the portal no longer if there is nothing left to close."""
        if self._held and self.resource.is_closed and not any(feed.open for feed in self._feeds):
            self._held = False
            let_go(self._opening)

    def _check(self) -> None:
        refuse_trio_threads()
        if self._held and not self._portal.alive:
            raise RuntimeError(f"this {self.name} belongs to a background thread that is gone, as after a fork")

    def _use(self, operation: Callable[[], T]) -> T:
        try:
            return operation()
        except BaseException as error:
            if not isinstance(error, Exception):
                self.close(at_once=True)
            raise
        finally:
            self.settle()

    def _close(self, at_once: bool) -> None:
        for feed in self._feeds:
            feed.close(GRACE if at_once else _CLOSE_PATIENCE)
        if not self.resource.is_closed:
            self._lease.call(close_within, self.resource, 0 if at_once else _CLOSE_PATIENCE)

    def _drop(self) -> None:
        for feed in self._feeds:
            feed.drop()
        with contextlib.suppress(trio.RunFinishedError):
            self._portal.token.run_sync_soon(self._opening.drop)

    def __del__(self) -> None:
        # Only says so and sends word: to close is to wait, and this may be any thread at any time.
        with contextlib.suppress(AttributeError):  # of one whose construction was interrupted
            if not self._held or not self._portal.alive:
                return
            self._held = False
            was_closed = self.resource.is_closed
            self._drop()
            if not was_closed:
                message = f"an open {self.name} was dropped without close(); use it in a `with`"
                warnings.warn(message, ResourceWarning, source=self, stacklevel=2)


class BatchIterator(Iterator[T]):
    """An iterator over what comes in batches."""

    def __init__(self) -> None:
        self._batch: Iterator[T] = iter(())

    def __next__(self) -> T:
        for item in self._batch:
            return item
        batch = self._next_batch()
        if not batch:
            raise StopIteration
        self._batch = iter(batch)
        return next(self._batch)

    def _next_batch(self) -> list[T]:
        """The next ones; none at the end. Override."""
        raise NotImplementedError


class HeldIterator(BatchIterator[T]):
    """Over what an async function gives, batch by batch, of something that is held.

    Nothing is asked for before the first ``next``; from then on a task runs ahead, by so many
    batches and no more. Once the thing is closed, the function is asked what comes of that.
    """

    def __init__(self, hold: Hold[Any], next_batch: Callable[[], Awaitable[list[T]]]) -> None:
        super().__init__()
        self._hold = hold
        self._ask = next_batch
        self._feed: Feed[list[T]] | None = None

    def _next_batch(self) -> list[T]:
        hold = self._hold
        if not hold.open:
            return hold.call(self._ask)
        if self._feed is None:
            self._feed = hold.feed(partial(_run_ahead, self._ask), _BATCHES_AHEAD)
        try:
            return hold.take(self._feed)
        except StopIteration:
            return []

    def forget(self) -> None:
        """Give none of what is here already."""
        self._batch = iter(())


# Not a method: a task that referred to the iterator would keep it, and all behind it, from being dropped.
async def _run_ahead(next_batch: Callable[[], Awaitable[list[T]]], feeder: Feeder[list[T]]) -> None:
    while batch := await next_batch():
        await feeder.send(batch)
