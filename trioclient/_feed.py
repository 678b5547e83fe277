"""One long task on the portal that feeds a blocking thread.

A blocking stream or fan-out is one async function, run as one task from its start to its end:
what it opens, it closes itself. It hands items over through a bounded queue, so that a thread
which is ahead takes them without a crossing each; and it may ask the thread, which waits in
`Feed.__next__` anyway, to run a function there, for instance to pull the caller's iterator.
"""

from __future__ import annotations

import contextlib
import enum
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

import outcome
import trio

from ._portal import GRACE, PORTAL_ENDED, Crossing, Lease, let_go, let_go_unhurried, start_task

__all__ = ["Feed", "Feeder"]

R = TypeVar("R")
T = TypeVar("T")

_CLOSE_PATIENCE = 10.0


class _Mark(enum.Enum):
    """What passes through the queue besides items."""

    ASKED = enum.auto()
    ENDED = enum.auto()


class _Question(Generic[R]):
    """A function for the blocking thread to run, and its answer."""

    def __init__(self, fn: Callable[..., R], args: tuple[object, ...]) -> None:
        self._fn = fn
        self._args = args
        self._answered = trio.Event()
        self._answer: outcome.Outcome[R] | None = None

    def answer(self, token: trio.lowlevel.TrioToken) -> None:
        """In the blocking thread. What ends that thread's wait, like Ctrl-C, is no answer."""
        answer: outcome.Outcome[R]
        try:
            answer = outcome.Value(self._fn(*self._args))
        except Exception as error:
            answer = outcome.Error(error)
        token.run_sync_soon(self._deliver, answer)

    def _deliver(self, answer: outcome.Outcome[R]) -> None:
        self._answer = answer
        self._answered.set()

    async def wait(self) -> R:
        await self._answered.wait()
        assert self._answer is not None
        return self._answer.unwrap()


class Feeder(Generic[T]):
    """The async end of a `Feed`, and what passes between the two ends."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._resume_at = capacity // 2
        self._room: trio.Event | None = None
        self._questions: deque[_Question[Any]] = deque()
        self.queue: SimpleQueue[T | _Mark] = SimpleQueue()

    async def send(self, item: T) -> None:
        """Hand `item` over. A checkpoint only where it waits: while the queue is full."""
        self.queue.put(item)
        if self.queue.qsize() < self._capacity:
            return
        if self._room is None:
            self._room = trio.Event()
        room = self._room
        # The blocking thread takes an item and then looks for a waiting sender; this one became
        # a waiting sender and then looks for taken items. One of the two sees the other.
        if self.has_waiting_sender():
            self.make_room()
        await room.wait()

    def has_waiting_sender(self) -> bool:
        """Somebody waits in `send`, and enough was taken for it to go on."""
        return self._room is not None and self.queue.qsize() <= self._resume_at

    def make_room(self) -> None:
        """Let the waiting senders go on; on the portal's thread."""
        room, self._room = self._room, None
        if room is not None:
            room.set()

    async def ask(self, fn: Callable[..., R], *args: object) -> R:
        """Have the blocking thread run ``fn(*args)``; return or raise what it does.

        The thread comes round to it when it next waits for an item, before those already queued.
        """
        question = _Question(fn, args)
        self._questions.append(question)
        self.queue.put(_Mark.ASKED)
        try:
            return await question.wait()
        except trio.Cancelled:
            with contextlib.suppress(ValueError):  # where it was taken up already
                self._questions.remove(question)
            raise

    def questions(self) -> Iterator[_Question[Any]]:
        """Those not yet taken up; on the blocking thread."""
        with contextlib.suppress(IndexError):
            while True:
                yield self._questions.popleft()


class Feed(Generic[T]):
    """A blocking iterator over what an async function sends; a context manager.

    ``async_fn(feeder)`` runs on the portal from ``__enter__`` on. When it returns the iterator
    ends; what it raises is raised there. At most `capacity` items wait in between. Leaving the
    ``with`` early cancels the function. For one thread at a time.
    """

    def __init__(self, lease: Lease, async_fn: Callable[[Feeder[T]], Awaitable[object]], capacity: int = 256) -> None:
        self._lease = lease
        self._feeder: Feeder[T] = Feeder(capacity)
        self._crossing = Crossing(async_fn, self._feeder)
        self._open = False

    def __enter__(self) -> Feed[T]:
        try:
            self._portal = self._lease.enter(self)
            self._open = True
            start_task(self._portal.token, self._run)
            return self
        except BaseException:
            self.close(GRACE)
            raise

    async def _run(self) -> None:
        await self._crossing.run()
        self._feeder.queue.put(_Mark.ENDED)

    @property
    def open(self) -> bool:
        """Whether there may be more to come."""
        return self._open and self._portal.alive

    def __iter__(self) -> Feed[T]:
        return self

    def __next__(self) -> T:
        if not self._open:
            raise StopIteration
        if not self._portal.alive:
            raise RuntimeError("this iteration belongs to a background thread that is gone, as after a fork")
        try:
            item = self._take()
        except BaseException:
            self.close(GRACE)
            raise
        if item is not _Mark.ENDED:
            return item
        self._end()
        try:
            self._crossing.answer.get().unwrap()
        except trio.Cancelled:
            raise RuntimeError(PORTAL_ENDED) from None
        raise StopIteration

    def _take(self) -> T | Literal[_Mark.ENDED]:
        """Wait for the next item or the end, and answer what is asked in the meantime."""
        feeder, portal = self._feeder, self._portal
        while True:
            for question in feeder.questions():
                question.answer(portal.token)
            item = portal.wait.take(feeder.queue)
            if feeder.has_waiting_sender():
                portal.token.run_sync_soon(feeder.make_room)
            if item is not _Mark.ASKED:
                return item

    def close(self, patience: float = _CLOSE_PATIENCE) -> None:
        """Cancel the function and wait at most `patience` seconds for its end. May be called twice."""
        try:
            if self.open:
                self._crossing.cancel(self._portal, patience)
        finally:
            self._end()

    def drop(self) -> None:
        """Cancel the function and wait for nothing, as in a finalizer."""
        if self.open:
            with contextlib.suppress(trio.RunFinishedError):
                self._crossing.cancel_soon(self._portal)
        self._open = False
        let_go_unhurried(self)

    def _end(self) -> None:
        self._open = False
        let_go(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # An exit that a person waits for, as after Ctrl-C, is not held up by a slow clean-up.
        self.close(_CLOSE_PATIENCE if error is None or isinstance(error, Exception) else GRACE)
