"""Crossing from a blocking thread into trio and back, without a network."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import outcome
import pytest
import sniffio
import trio

from trioclient import APIConnectionError, _portal
from trioclient._portal import Crossing, Lease, PollingWait, Portal, Wait, start_task

colour = contextvars.ContextVar("colour", default="none")
burden = contextvars.ContextVar[object]("burden", default=None)


@pytest.fixture
def lease() -> Iterator[Lease]:
    lease = Lease()
    yield lease
    lease.release()
    assert portal_threads() == []


@pytest.fixture(params=[Wait, PollingWait])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    portal = Portal(request.param())
    portal.start()
    yield portal
    portal.stop()


def portal_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trioclient portal"]


async def add(left: int, right: int = 0) -> int:
    await trio.lowlevel.checkpoint()
    return left + right


def call(portal: Portal, async_fn: Any, *args: Any, **kwargs: Any) -> Any:
    return portal.run(Crossing(async_fn, *args, **kwargs))


async def token() -> trio.lowlevel.TrioToken:
    return trio.lowlevel.current_trio_token()


class Interrupted(BaseException):
    """What a signal handler raises in these tests."""


def interrupt_main_thread() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


@pytest.fixture
def interruptible() -> Iterator[None]:
    def handler(number: int, frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_call_returns_what_the_function_returns(portal: Portal) -> None:
    assert call(portal, add, 1, right=2) == 3


def test_a_call_raises_the_very_exception_with_the_place_it_came_from(portal: Portal) -> None:
    error = ValueError("mine")

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise error

    with pytest.raises(ValueError) as caught:
        call(portal, fail)
    assert caught.value is error
    assert error.__context__ is None
    assert error.__cause__ is None
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Interrupted])
def test_base_exceptions_of_the_function_reach_the_caller_and_spare_the_portal(
    portal: Portal, kind: type[BaseException]
) -> None:
    async def fail() -> None:
        raise kind

    with pytest.raises(kind):
        call(portal, fail)
    assert call(portal, add, 1) == 1


def test_the_function_sees_the_callers_context_and_trio(portal: Portal) -> None:
    async def look() -> tuple[str, str]:
        seen = colour.get()
        colour.set("changed inside")
        return seen, sniffio.current_async_library()

    changed = colour.set("red")
    try:
        assert call(portal, look) == ("red", "trio")
        assert colour.get() == "red"
    finally:
        colour.reset(changed)


def test_calls_one_after_another_share_a_task_and_nothing_else(portal: Portal) -> None:
    class Burden:
        """Something that a weak reference can point to."""

    async def look() -> tuple[trio.lowlevel.Task, object]:
        seen = burden.get()
        burden.set("changed inside")
        await trio.lowlevel.checkpoint()
        return trio.lowlevel.current_task(), seen

    gc.disable()
    try:
        first = Burden()
        changed = burden.set(first)
        task, seen = call(portal, look)
        assert seen is first
        burden.reset(changed)
        mark = weakref.ref(first)
        del first, seen, changed
        assert mark() is None
        assert call(portal, look) == (task, None)
    finally:
        gc.enable()


def test_a_call_that_leaves_a_cancel_scope_open_fails_and_spoils_no_other(portal: Portal) -> None:
    left_open = trio.CancelScope()

    async def leave() -> None:
        left_open.__enter__()

    with pytest.raises(RuntimeError, match="Cancel scope stack corrupted"):
        call(portal, leave)
    left_open.cancel()
    assert call(portal, add, 1) == 1


def test_an_error_is_kept_by_nothing(portal: Portal) -> None:
    async def fail() -> None:
        raise Interrupted

    marks: list[weakref.ref[Interrupted]] = []
    gc.disable()
    try:
        try:
            call(portal, fail)
        except Interrupted as error:
            marks.append(weakref.ref(error))
        assert marks[0]() is None
    finally:
        gc.enable()


def test_a_call_into_a_run_that_takes_no_more_tasks_fails(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("Nursery is closed to new arrivals")

    with monkeypatch.context() as patch:
        patch.setattr(trio.lowlevel, "spawn_system_task", refuse)
        with pytest.raises(RuntimeError, match="closed to new arrivals"):
            call(portal, add, 1)
    assert call(portal, add, 1) == 1


def test_one_thread_serves_all_holders_and_ends_with_the_last() -> None:
    first, second = Lease(), Lease()
    token_seen = first.call(token)
    assert second.call(token) is token_seen
    (thread,) = portal_threads()
    assert thread.daemon
    first.release()
    first.release()
    assert second.call(token) is token_seen
    second.release()
    assert not thread.is_alive()
    assert portal_threads() == []


def test_a_portal_is_started_again_on_demand_as_another_run() -> None:
    first, second = Lease(), Lease()
    before = first.call(token)
    first.release()
    after = second.call(token)
    second.release()
    assert after is not before


def test_a_lease_starts_nothing_until_its_first_call(lease: Lease) -> None:
    assert portal_threads() == []
    lease.call(add, 1)
    assert len(portal_threads()) == 1


def test_a_released_lease_still_calls_but_keeps_nothing() -> None:
    lease = Lease()
    lease.release()
    assert lease.call(add, 1) == 1
    assert portal_threads() == []


def test_a_call_under_way_outlives_the_release_of_its_lease() -> None:
    lease = Lease()
    entered, go_on = threading.Event(), threading.Event()
    answers: list[int] = []

    async def wait() -> int:
        entered.set()
        while not go_on.is_set():
            await trio.lowlevel.checkpoint()
        return 7

    caller = threading.Thread(target=lambda: answers.append(lease.call(wait)))
    caller.start()
    entered.wait()
    lease.release()
    assert len(portal_threads()) == 1
    go_on.set()
    caller.join()
    assert answers == [7]
    assert portal_threads() == []


def test_many_threads_at_once_meet_in_one_portal(lease: Lease) -> None:
    count = 20
    here = 0
    together = trio.Event()
    answers: list[int] = []

    async def meet(number: int) -> int:
        nonlocal here
        here += 1
        if here == count:
            together.set()
        await together.wait()
        return number

    callers = [threading.Thread(target=lambda n=n: answers.append(lease.call(meet, n))) for n in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(answers) == list(range(count))


def test_leases_taken_and_given_by_many_threads_leave_nothing() -> None:
    def use() -> None:
        for _ in range(20):
            lease = Lease()
            assert lease.call(add, 2, 3) == 5
            lease.release()

    callers = [threading.Thread(target=use) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert portal_threads() == []
    assert _portal._process.holders == set()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread need POSIX")
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_wait_cancels_the_task_and_sees_it_ended(portal: Portal) -> None:
    seen: list[str] = []

    async def wait() -> None:
        try:
            interrupt_main_thread()
            await trio.sleep_forever()
        except trio.Cancelled:
            seen.append("cancelled")
            raise
        finally:
            seen.append("cleaned up")

    with pytest.raises(Interrupted):
        call(portal, wait)
    assert seen == ["cancelled", "cleaned up"]
    assert call(portal, add, 1) == 1


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread need POSIX")
@pytest.mark.usefixtures("interruptible")
def test_a_task_that_will_not_end_is_left_behind(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_portal, "GRACE", 0.01)
    let_go = trio.Event()
    ended: list[bool] = []

    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            interrupt_main_thread()
            await let_go.wait()
            ended.append(True)

    async def release() -> None:
        let_go.set()

    with pytest.raises(Interrupted):
        call(portal, stubborn)
    assert not ended
    call(portal, release)
    call(portal, trio.testing.wait_all_tasks_blocked)
    assert ended


def test_a_task_never_scheduled_is_known_to_have_ended(portal: Portal) -> None:
    crossing = Crossing(add, 1)
    crossing.cancel(portal, 60.0)
    assert crossing.ended


def test_a_task_just_scheduled_is_cancelled_and_awaited(portal: Portal) -> None:
    begun: list[bool] = []

    async def wait() -> None:
        begun.append(True)
        await trio.sleep_forever()

    crossing = Crossing(wait)
    start_task(portal.token, lambda: outcome.acapture(crossing.run))
    crossing.cancel(portal, 60.0)
    assert crossing.ended
    assert begun


def test_an_interrupted_start_leaves_no_thread(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def interrupted_start(thread: threading.Thread) -> None:
        start(thread)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted_start)
        with pytest.raises(Interrupted):
            lease.call(add, 1)
    for thread in portal_threads():
        thread.join()
    assert lease.call(add, 1) == 1


def test_a_thread_that_runs_trio_is_told_what_to_use(lease: Lease) -> None:
    async def call_from_trio() -> None:
        lease.call(add, 1)

    with pytest.raises(RuntimeError, match="AsyncAPIClient"):
        trio.run(call_from_trio)
    with pytest.raises(RuntimeError, match="AsyncAPIClient"):
        lease.call(call_from_trio)
    assert lease.call(add, 1) == 1


async def test_a_worker_thread_of_trio_may_call() -> None:
    def use() -> int:
        lease = Lease()
        try:
            return lease.call(add, 1, 1)
        finally:
            lease.release()

    assert await trio.to_thread.run_sync(use) == 2


def test_a_call_inside_a_running_asyncio_loop_works(lease: Lease) -> None:
    async def look() -> str:
        return sniffio.current_async_library()

    async def main() -> str:
        return lease.call(look)

    assert asyncio.run(main()) == "trio"


def test_a_call_during_finalization_is_refused(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "is_finalizing", lambda: True)
        with pytest.raises(RuntimeError, match="interpreter shuts down"):
            lease.call(add, 1)


def test_a_portal_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, lease: Lease) -> None:
    def fail(*args: object) -> None:
        raise OSError("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(trio, "run", fail)
        with pytest.raises(APIConnectionError, match="could not start: too many open files"):
            lease.call(add, 1)
    assert lease.call(add, 1) == 1


def test_a_portal_that_broke_down_fails_its_calls_and_is_replaced(
    lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda crash: crashes.append(crash.exc_type))

    async def break_the_run() -> None:
        def fault() -> None:
            raise ValueError("a fault inside trio's own run")

        trio.lowlevel.current_trio_token().run_sync_soon(fault)
        await trio.sleep_forever()

    with pytest.raises(RuntimeError, match="ended under this call"):
        lease.call(break_the_run)
    for thread in portal_threads():
        thread.join()
    assert crashes == [trio.TrioInternalError]
    assert lease.call(add, 1) == 1
    assert len(portal_threads()) == 1
