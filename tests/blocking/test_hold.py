"""What is open on the portal in the hands of a blocking thread: it comes whole, and goes."""

from __future__ import annotations

import gc
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import trio

from trioclient import _hold
from trioclient._hold import HeldIterator, Hold, call_or_hold
from trioclient._portal import Lease, PollingWait, Portal, Wait


class Interrupted(BaseException):
    """What ends a wait in these tests."""


class Tap:
    """Something open. Gives batches of two numbers, and keeps account of what became of it."""

    def __init__(self, batches: int = 1_000_000, error: Exception | None = None) -> None:
        self.batches = batches
        self.error = error
        self.is_closed = False
        self.given = 0
        self.events: list[str] = []
        self.closing_takes = 0.0

    async def aclose(self) -> None:
        await self._wait(self.closing_takes)
        self.is_closed = True
        self.events.append("closed")

    async def _wait(self, seconds: float) -> None:
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            self.events.append("cancelled")
            self.is_closed = True
            raise

    async def next_batch(self) -> list[int]:
        await self._wait(0)
        if self.is_closed:
            self.events.append("asked when closed")
            return []
        if self.given == self.batches:
            if self.error is not None:
                raise self.error
            return []
        self.given += 1
        return [2 * self.given - 2, 2 * self.given - 1]

    async def wait(self) -> None:
        await self._wait(trio_for_ever)


trio_for_ever = 1e6
KINDS = (Tap,)


@pytest.fixture(params=[Wait, PollingWait])
def lease(request: pytest.FixtureRequest) -> Iterator[Lease]:
    lease = Lease()
    lease.enter(lease).wait = request.param()
    yield lease
    lease.release()
    assert portal_threads() == []


def portal_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trioclient portal"]


async def itself(value: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return value


def held(lease: Lease, tap: Tap) -> Hold[Tap]:
    hold = call_or_hold(lease, KINDS, partial(itself, tap))
    assert isinstance(hold, Hold)
    assert hold.resource is tap
    return hold


def test_what_is_of_no_such_kind_comes_as_it_is(lease: Lease) -> None:
    value = [1]
    assert call_or_hold(lease, KINDS, partial(itself, value)) is value


def test_an_error_in_opening_is_raised(lease: Lease) -> None:
    error = LookupError("no such tap")

    async def fail() -> Tap:
        raise error

    with pytest.raises(LookupError) as caught:
        call_or_hold(lease, KINDS, fail)
    assert caught.value is error


def test_it_holds_the_portal_until_it_is_closed() -> None:
    lease = Lease()
    hold = held(lease, Tap())
    lease.release()
    assert len(portal_threads()) == 1
    assert hold.open
    hold.close()
    assert portal_threads() == []
    assert hold.resource.events == ["closed"]
    hold.close()
    assert hold.resource.events == ["closed"]
    assert not hold.open


def test_what_is_closed_already_holds_nothing() -> None:
    lease = Lease()
    lease.release()
    tap = Tap()
    tap.is_closed = True
    assert not held(lease, tap).open
    assert portal_threads() == []


def test_a_use_that_leaves_it_closed_ends_the_hold(lease: Lease) -> None:
    hold = held(lease, Tap())
    assert hold.call(hold.resource.next_batch) == [0, 1]
    assert hold.open
    hold.call(hold.resource.aclose)
    assert not hold.open


def test_what_closing_raises_is_raised(lease: Lease) -> None:
    class Stuck(Tap):
        async def aclose(self) -> None:
            self.is_closed = True
            raise OSError("it drips")

    hold = held(lease, Stuck())
    with pytest.raises(OSError, match="it drips"):
        hold.close()
    assert not hold.open


def test_closing_has_time_for_good_order_but_not_for_ever(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, stuck, hurried = Tap(), Tap(), Tap()
    slow.closing_takes = 0.01
    held(lease, slow).close()
    assert slow.events == ["closed"]
    hurried.closing_takes = trio_for_ever
    held(lease, hurried).close(at_once=True)
    assert hurried.events == ["cancelled"]
    monkeypatch.setattr(_hold, "_CLOSE_PATIENCE", 0.01)
    stuck.closing_takes = trio_for_ever
    held(lease, stuck).close()
    assert stuck.events == ["cancelled"]


def dropped(hold: Callable[[], Any]) -> list[str]:
    """The warnings when what `hold` gives is dropped."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hold()
        gc.collect()
    return [str(warning.message) for warning in caught if warning.category is ResourceWarning]


def wait_blocked(lease: Lease) -> None:
    lease.call(trio.testing.wait_all_tasks_blocked)


def test_one_that_is_dropped_says_so_and_is_closed(lease: Lease) -> None:
    tap = Tap()
    assert dropped(lambda: held(lease, tap)) == ["an open Hold was dropped without close(); use it in a `with`"]
    wait_blocked(lease)
    assert tap.is_closed


def test_one_that_is_dropped_in_the_midst_of_an_iteration_is_closed_too(lease: Lease) -> None:
    tap = Tap()
    assert len(dropped(lambda: next(HeldIterator(held(lease, tap), tap.next_batch)))) == 1
    wait_blocked(lease)
    assert tap.is_closed
    given = tap.given
    wait_blocked(lease)
    assert tap.given == given


def test_one_that_was_closed_is_dropped_quietly(lease: Lease) -> None:
    assert dropped(lambda: held(lease, Tap()).close()) == []


# What ends the opening early.


def raise_here(number: int, frame: object) -> None:
    raise Interrupted


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Ends the main thread's wait, from another one."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("signals to a thread need POSIX")
    before = signal.signal(signal.SIGUSR1, raise_here)
    yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupted_opening_is_cancelled(lease: Lease, interrupt: Callable[[], None]) -> None:
    ended: list[str] = []

    async def never() -> Tap:
        try:
            interrupt()
            await trio.sleep_forever()
        finally:
            ended.append("ended")
        raise AssertionError

    with pytest.raises(Interrupted):
        call_or_hold(lease, KINDS, never)
    assert ended == ["ended"]


def test_what_was_opened_in_spite_of_the_interrupt_is_closed(lease: Lease, interrupt: Callable[[], None]) -> None:
    tap = Tap()

    async def stubborn() -> Tap:
        interrupt()
        with trio.CancelScope(shield=True):
            await trio.sleep(0.05)
        return tap

    with pytest.raises(Interrupted):
        call_or_hold(lease, KINDS, stubborn)
    assert tap.is_closed


def test_what_is_opened_long_after_the_interrupt_is_closed(
    lease: Lease, interrupt: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioclient._portal.GRACE", 0.01)
    tap = Tap()
    go_on = trio.Event()

    async def stubborn() -> Tap:
        interrupt()
        with trio.CancelScope(shield=True):
            await go_on.wait()
        return tap

    with pytest.raises(Interrupted):
        call_or_hold(lease, KINDS, stubborn)
    assert not tap.is_closed
    lease.enter(lease).token.run_sync_soon(go_on.set)
    wait_blocked(lease)
    wait_blocked(lease)
    assert tap.is_closed


@pytest.mark.parametrize("moment", ["before the hold is made", "after it"])
def test_an_interrupt_between_the_portal_and_the_caller_closes_it(
    lease: Lease, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tap = Tap()

    class Late(Hold[Any]):
        def __init__(self, *args: Any) -> None:
            if moment == "after it":
                super().__init__(*args)
            raise Interrupted

    monkeypatch.setattr(_hold, "Hold", Late)
    with pytest.raises(Interrupted):
        call_or_hold(lease, KINDS, partial(itself, tap))
    assert tap.is_closed
    gc.collect()


def test_an_interrupted_use_closes_it(lease: Lease, interrupt: Callable[[], None]) -> None:
    hold = held(lease, Tap())
    hold.resource.closing_takes = trio_for_ever

    async def use() -> None:
        interrupt()
        await hold.resource.wait()

    with pytest.raises(Interrupted):
        hold.call(use)
    assert not hold.open
    assert hold.resource.is_closed


def test_an_interrupted_close_still_closes_it(lease: Lease, interrupt: Callable[[], None]) -> None:
    class Slow(Tap):
        async def aclose(self) -> None:
            if not self.events:
                interrupt()
            await super().aclose()

    tap = Slow()
    tap.closing_takes = trio_for_ever
    hold = held(lease, tap)
    with pytest.raises(Interrupted):
        hold.close()
    assert tap.is_closed
    assert not hold.open


# Iteration.


def test_batches_come_one_after_another_and_then_the_end(lease: Lease) -> None:
    hold = held(lease, Tap(3))
    numbers = HeldIterator(hold, hold.resource.next_batch)
    assert list(numbers) == [0, 1, 2, 3, 4, 5]
    assert list(numbers) == []
    hold.close()


def test_an_error_comes_after_what_came_before_it(lease: Lease) -> None:
    error = ValueError("mine")
    hold = held(lease, Tap(1, error))
    numbers = HeldIterator(hold, hold.resource.next_batch)
    assert [next(numbers), next(numbers)] == [0, 1]
    with pytest.raises(ValueError) as caught:
        next(numbers)
    assert caught.value is error
    assert list(numbers) == []
    hold.close()


def test_nothing_is_asked_for_before_the_first_next_and_then_so_much_and_no_more(lease: Lease) -> None:
    hold = held(lease, Tap())
    numbers = HeldIterator(hold, hold.resource.next_batch)
    wait_blocked(lease)
    assert hold.resource.given == 0
    for taken in range(1, 100):
        next(numbers)
        wait_blocked(lease)
        assert 0 < hold.resource.given - (taken + 1) // 2 <= 16
    hold.close()


def test_closing_ends_the_iteration_first(lease: Lease) -> None:
    class Numbered(Tap):
        async def next_batch(self) -> list[int]:
            if self.given == 1 and not self.is_closed:
                await self.wait()
            return await super().next_batch()

    hold = held(lease, Numbered())
    numbers = HeldIterator(hold, hold.resource.next_batch)
    assert next(numbers) == 0
    wait_blocked(lease)
    hold.close()
    assert hold.resource.events[0] == "cancelled"
    numbers.forget()
    assert list(numbers) == []
    assert hold.resource.events[-1] == "asked when closed"


def test_closed_by_another_thread_a_waiting_iteration_says_so(lease: Lease) -> None:
    hold = held(lease, Tap())
    asked = threading.Event()

    async def never() -> list[int]:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    def close() -> None:
        asked.wait()
        hold.close()

    thread = threading.Thread(target=close)
    thread.start()
    with pytest.raises(RuntimeError, match="closed"):
        next(HeldIterator(hold, never))
    thread.join()
    assert hold.resource.is_closed


def test_an_interrupted_iteration_closes_it(lease: Lease, interrupt: Callable[[], None]) -> None:
    hold = held(lease, Tap())
    hold.resource.closing_takes = trio_for_ever

    async def never() -> list[int]:
        interrupt()
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(Interrupted):
        next(HeldIterator(hold, never))
    assert not hold.open
    assert hold.resource.is_closed


def test_on_a_thread_that_runs_trio_it_is_refused(lease: Lease) -> None:
    hold = held(lease, Tap())
    numbers = HeldIterator(hold, hold.resource.next_batch)
    assert [next(numbers), next(numbers)] == [0, 1]

    async def main() -> None:
        with pytest.raises(RuntimeError, match="AsyncAPIClient"):
            next(numbers)
        with pytest.raises(RuntimeError, match="AsyncAPIClient"):
            hold.call(hold.resource.next_batch)

    trio.run(main)
    assert next(numbers) == 2
    hold.close()


def test_closed_on_a_thread_that_runs_trio_it_says_so_and_is_closed_all_the_same(lease: Lease) -> None:
    hold = held(lease, Tap())

    async def main() -> None:
        with pytest.raises(RuntimeError, match="AsyncAPIClient"):
            hold.close()

    trio.run(main)
    wait_blocked(lease)
    assert hold.resource.is_closed


def test_on_a_portal_that_is_gone_it_says_so_and_closes_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda crash: None)
    lease = Lease()
    hold = held(lease, Tap())
    portal: Portal = lease.enter(lease)

    def fault() -> None:
        raise ValueError("a fault inside trio's own run")

    portal.token.run_sync_soon(fault)
    for thread in portal_threads():
        thread.join()
    with pytest.raises(RuntimeError, match="background thread that is gone"):
        next(HeldIterator(hold, hold.resource.next_batch))
    hold.close()
    assert not hold.open
    lease.release()
