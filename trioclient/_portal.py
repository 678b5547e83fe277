"""Trio on a background thread, for threads that block.

One daemon thread per process runs trio for all blocking clients. Whoever wants it there
between calls holds it (`Lease`), and each call holds it while it lasts. The first holder starts
the thread, the last one ends and joins it. The rules, each against a way to hang or to leak:

- A call crosses as in `trio.from_thread`, into a task that gives it a cancel scope of its own.
  Whatever ends the wait early, Ctrl-C above all, cancels that scope, waits a bounded time for the
  call's end and goes on as itself. The ``try`` stands before the task is scheduled.
- A thread that runs trio may not wait for another: refused, as is a wait during finalization.
- A forked child has the parent's memory but not its threads, and shares its sockets and its
  epoll. The child forgets the parent's portal without closing anything, and starts its own at
  its first call. What was bound to the old one sees another `trio.lowlevel.TrioToken`.
- On Windows a signal does not interrupt the wait for a lock: the main thread polls there.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

import outcome
import trio

from ._errors import APIConnectionError

__all__ = [
    "GRACE",
    "PORTAL_ENDED",
    "Crossing",
    "Lease",
    "PollingWait",
    "Portal",
    "Wait",
    "let_go",
    "let_go_unhurried",
    "refuse_trio_threads",
    "start_task",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

GRACE = 0.5
"""Seconds that an interrupted wait gives its task to end."""
PORTAL_ENDED = "the background trio thread ended under this call"
_JOIN_PATIENCE = 5.0
_POLL_INTERVAL = 0.05


class Wait:
    """How a thread waits for trio: in a lock that signals interrupt."""

    def take(self, queue: SimpleQueue[T]) -> T:
        """Wait for the next item of `queue`."""
        return queue.get()


class PollingWait(Wait):
    """The same where a lock wait shuts signals out: the main thread looks up now and then."""

    def take(self, queue: SimpleQueue[T]) -> T:
        if threading.current_thread() is not threading.main_thread():
            return super().take(queue)
        while True:
            with contextlib.suppress(Empty):
                return queue.get(timeout=_POLL_INTERVAL)


def start_task(token: trio.lowlevel.TrioToken, async_fn: Callable[[], Awaitable[object]]) -> None:
    """Start a task in another thread's trio run, in this thread's context, and do not wait for it."""
    start = partial(trio.lowlevel.spawn_system_task, async_fn, context=contextvars.copy_context())
    trio.from_thread.run_sync(start, trio_token=token)


class Crossing(Generic[R]):
    """One task on the portal as its waiting thread sees it: how to cancel it, and what came of it."""

    __slots__ = ("_begun", "_scope", "_work", "answer", "ended")

    def __init__(self, async_fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> None:
        self._work = partial(async_fn, *args, **kwargs)
        self._scope = trio.CancelScope()
        self._begun = False
        self.ended = False
        self.answer: SimpleQueue[outcome.Outcome[R]] = SimpleQueue()  # when the task has ended

    async def run(self) -> None:
        """What the task does: the work, until it ends or is cancelled. Raises nothing."""
        self._begun = True
        self.finish(await outcome.acapture(self._run_in_scope))

    async def _run_in_scope(self) -> R:
        with self._scope:
            return self._arrived(await self._work())
        raise RuntimeError("cancelled: it was closed, or nobody waits for it any more")

    def _arrived(self, result: R) -> R:
        """Told of the result in the step in which it is there."""
        return result

    def finish(self, end: outcome.Outcome[R]) -> None:
        """On the portal: this is what came of it."""
        self.ended = True
        self.answer.put(end)

    def cancel(self, portal: Portal, patience: float) -> None:
        """Cancel the task, scheduled or not, and wait at most `patience` seconds for its end."""
        with contextlib.suppress(trio.RunFinishedError, Empty):
            self.cancel_soon(portal)
            self.answer.put(self.answer.get(timeout=patience))  # for whoever else waits

    def cancel_soon(self, portal: Portal) -> None:
        """Cancel the task and wait for nothing. Raises RunFinishedError."""
        portal.token.run_sync_soon(self._cancel)

    def _cancel(self) -> None:
        self._scope.cancel()
        if not self._begun:
            trio.lowlevel.spawn_system_task(self._end_unless_scheduled)

    async def _end_unless_scheduled(self) -> None:
        # The wait may have been ended before the task was scheduled. If it was, it is no later
        # than this one in trio's queue, and has had its first turn before this one's second.
        await trio.lowlevel.cancel_shielded_checkpoint()
        if not self._begun:
            self.finish(outcome.Error(RuntimeError("cancelled before it was scheduled")))


class Portal:
    """A trio run on a daemon thread, once started."""

    token: trio.lowlevel.TrioToken

    def __init__(self, wait: Wait | None = None) -> None:
        self.wait = wait or (PollingWait() if sys.platform == "win32" else Wait())
        self.gone = False
        """It ended or is about to, or this is a forked child, which has no such thread."""
        self._stop = trio.Event()
        self._root: trio.lowlevel.Task | None = None
        self._thread: threading.Thread | None = None
        self._idle: list[trio.lowlevel.Task] = []

    def start(self) -> None:
        """Start the thread and wait until calls can come. Raises APIConnectionError where the system has no room."""
        started: SimpleQueue[outcome.Outcome[None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(started,), name="trioclient portal", daemon=True)
        try:
            self._thread.start()
            started.get().unwrap()
        except BaseException as error:
            self._ask_to_stop()
            if isinstance(error, (OSError, RuntimeError)):  # of descriptors, or of threads
                raise APIConnectionError(f"the background thread could not start: {error}") from error
            raise

    def _run(self, started: SimpleQueue[outcome.Outcome[None]]) -> None:
        try:
            trio.run(self._main, started)
        except Exception as error:
            if self._root is not None:
                raise
            started.put(outcome.Error(error))
        finally:
            self.gone = True

    async def _main(self, started: SimpleQueue[outcome.Outcome[None]]) -> None:
        self.token = trio.lowlevel.current_trio_token()
        # From the root every task can be reached: a forked child keeps it, so that none of the
        # parent's coroutines is closed there, with whatever its clean-up would do.
        self._root = trio.lowlevel.current_root_task()
        started.put(outcome.Value(None))
        if not self.gone:
            await self._stop.wait()

    @property
    def alive(self) -> bool:
        """Whether what is sent there can be answered."""
        return not self.gone and not sys.is_finalizing()

    def run(self, crossing: Crossing[R]) -> R:
        """Run it, and return or raise what it does."""
        try:
            self.token.run_sync_soon(self._set_to_work, crossing, contextvars.copy_context())
            # Not by way of a variable: an error is not to be reachable from its own traceback.
            return self.wait.take(crossing.answer).unwrap()
        except trio.Cancelled:
            # Only a crash of the whole run cancels a task from outside its own scope.
            raise RuntimeError(PORTAL_ENDED) from None
        except BaseException:
            if not crossing.ended:
                crossing.cancel(self, GRACE)
            raise

    def _set_to_work(self, crossing: Crossing[Any], context: contextvars.Context) -> None:
        if self._idle:
            worker = self._idle.pop()
            worker.context = context
            trio.lowlevel.reschedule(worker, outcome.Value([crossing]))
            return
        try:
            trio.lowlevel.spawn_system_task(self._work, [crossing], context=context)
        except RuntimeError as error:  # the run is about to end
            crossing.finish(outcome.Error(error))

    async def _work(self, given: list[Crossing[Any]]) -> None:
        """One crossing after another, each taken out of a list: trio may keep what it was sent."""

        def end(_: object) -> trio.lowlevel.Abort:
            self._idle.clear()  # all of them, when the run ends
            return trio.lowlevel.Abort.SUCCEEDED

        worker = trio.lowlevel.current_task()
        while True:
            await given.pop().run()
            worker.context = contextvars.Context()
            self._idle.append(worker)
            given = await trio.lowlevel.wait_task_rescheduled(end)

    def stop(self) -> None:
        """End the run and join the thread. Not to be called with crossings under way."""
        if self._thread is not None and self.alive:
            self._ask_to_stop()
            self._thread.join(_JOIN_PATIENCE)

    def _ask_to_stop(self) -> None:
        self.gone = True
        if self._root is not None:  # else `_main` has yet to look
            with contextlib.suppress(trio.RunFinishedError):
                self.token.run_sync_soon(self._stop.set)


class _Process:
    """What the threads of this process share: the portal, and who holds it."""

    def __init__(self) -> None:
        # Reentrant: a signal handler or a finalizer may come in anywhere and call, too.
        self.lock = threading.RLock()
        self.portal: Portal | None = None
        # A set rather than a count, so that letting go is right whether or not an interrupt
        # came before the hold was taken.
        self.holders: set[object] = set()


_process = _Process()
# Of the processes this one was forked from, kept for ever with all who held their portals; see
# `Portal._main`.
_inherited: list[_Process] = []


def _forget_parent() -> None:
    global _process  # noqa: PLW0603 # the lock, too, may have been held by a thread that is gone
    if _process.portal is not None:
        _process.portal.gone = True
        _inherited.append(_process)
    _process = _Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def let_go(holder: object) -> None:
    """Hold the portal no longer; the last holder ends it. May be called twice, or for none."""
    process = _process
    with process.lock:
        process.holders.discard(holder)
        if process.holders:
            return
        portal, process.portal = process.portal, None
    if portal is not None:
        portal.stop()


def let_go_unhurried(holder: object) -> None:
    """The same, but where that was the last holder the portal idles on until somebody else lets go.

    Waits for nothing, so that finalizers and the portal's own tasks may call it.
    """
    _process.holders.discard(holder)


def refuse_trio_threads() -> None:
    """Raise RuntimeError on a thread that runs trio."""
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return
    raise RuntimeError(
        "a blocking client cannot be called from a thread that runs trio, all of which would stand still: "
        "use AsyncAPIClient and await its methods there"
    )


class Lease:
    """One owner's hold on the portal: from the first call to the release, renewed after a fork.

    Safe to share between threads. A lease that is never released keeps an idle daemon thread.
    """

    def __init__(self) -> None:
        self.released = False

    def enter(self, holder: object) -> Portal:
        """The portal, started if need be, and held for `holder` until `let_go`.

        Raises RuntimeError on a thread that runs trio and while the interpreter shuts down.
        """
        if sys.is_finalizing():
            raise RuntimeError("a blocking client cannot be called while the interpreter shuts down: call it before")
        refuse_trio_threads()
        process = _process
        with process.lock:
            if process.portal is None or process.portal.gone:
                process.portal = Portal()
                process.portal.start()
            process.holders.add(holder)
            if not self.released:
                process.holders.add(self)
            return process.portal

    def call(self, async_fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``async_fn(*args, **kwargs)`` on the portal and return or raise what it does.

        The function sees this thread's context variables. Raises RuntimeError as `enter` does.
        """
        crossing = Crossing(async_fn, *args, **kwargs)
        try:
            return self.enter(crossing).run(crossing)
        finally:
            let_go(crossing)

    @property
    def held(self) -> bool:
        """Whether it holds the portal of this very process."""
        return self in _process.holders

    def release(self) -> None:
        """Hold the portal no longer between calls. May be called twice; calls still work."""
        with _process.lock:
            self.released = True
        let_go(self)
