"""A task that feeds a blocking thread, and asks it back."""

from __future__ import annotations

import contextvars
import signal
import threading
from collections.abc import Iterator

import pytest
import trio

from trioclient._feed import Feed, Feeder
from trioclient._portal import Lease, PollingWait, Wait

colour = contextvars.ContextVar("colour", default="none")


@pytest.fixture(params=[Wait, PollingWait])
def lease(request: pytest.FixtureRequest) -> Iterator[Lease]:
    lease = Lease()
    lease.enter(lease).wait = request.param()
    yield lease
    lease.release()
    assert portal_threads() == []


def portal_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trioclient portal"]


class Interrupted(BaseException):
    """What ends a wait in these tests."""


async def count_to_five(feeder: Feeder[int]) -> None:
    for number in range(5):
        await feeder.send(number)
        await trio.lowlevel.checkpoint()


class Endless:
    """Sends numbers for ever, and keeps account of what became of it."""

    def __init__(self) -> None:
        self.sent = 0
        self.cancelled = False

    async def __call__(self, feeder: Feeder[int]) -> None:
        try:
            while True:
                await feeder.send(self.sent)
                self.sent += 1
        except trio.Cancelled:
            self.cancelled = True
            raise


def test_items_arrive_in_order_and_the_end_ends(lease: Lease) -> None:
    with Feed(lease, count_to_five) as feed:
        assert list(feed) == [0, 1, 2, 3, 4]
        assert list(feed) == []


def test_an_error_is_raised_after_the_items_before_it(lease: Lease) -> None:
    error = ValueError("mine")

    async def fail(feeder: Feeder[int]) -> None:
        await feeder.send(1)
        raise error

    with Feed(lease, fail) as feed:
        assert next(feed) == 1
        with pytest.raises(ValueError) as caught:
            next(feed)
        assert list(feed) == []
    assert caught.value is error


@pytest.mark.parametrize("capacity", [1, 2, 3, 64])
def test_the_task_runs_ahead_by_no_more_than_the_capacity(lease: Lease, capacity: int) -> None:
    endless = Endless()
    with Feed(lease, endless, capacity) as feed:
        for number in range(200):
            assert next(feed) == number
            lease.call(trio.testing.wait_all_tasks_blocked)
            assert endless.sent - number <= capacity
    assert endless.cancelled


def test_many_tasks_send_and_nothing_is_lost(lease: Lease) -> None:
    async def crowd(feeder: Feeder[int]) -> None:
        async def send(start: int) -> None:
            for number in range(start, 2000, 10):
                await feeder.send(number)

        async with trio.open_nursery() as nursery:
            for start in range(10):
                nursery.start_soon(send, start)

    with Feed(lease, crowd, capacity=4) as feed:
        assert sorted(feed) == list(range(2000))


def test_leaving_early_cancels_the_task_and_sees_it_ended(lease: Lease) -> None:
    endless = Endless()
    with Feed(lease, endless) as feed:
        assert next(feed) == 0
    assert endless.cancelled
    assert list(feed) == []
    feed.close()


def test_the_function_sees_the_callers_context(lease: Lease) -> None:
    async def look(feeder: Feeder[str]) -> None:
        await feeder.send(colour.get())

    changed = colour.set("red")
    try:
        with Feed(lease, look) as feed:
            assert list(feed) == ["red"]
    finally:
        colour.reset(changed)


def test_a_question_is_answered_in_the_blocking_thread(lease: Lease) -> None:
    async def ask(feeder: Feeder[object]) -> None:
        await feeder.send(await feeder.ask(threading.get_ident))
        await feeder.send(await feeder.ask(max, 3, 5))

    with Feed(lease, ask) as feed:
        assert list(feed) == [threading.get_ident(), 5]


def test_an_error_in_an_answer_is_raised_where_it_was_asked(lease: Lease) -> None:
    error = ValueError("from the iterator")

    def fail() -> None:
        raise error

    async def ask(feeder: Feeder[Exception]) -> None:
        with pytest.raises(ValueError) as caught:
            await feeder.ask(fail)
        await feeder.send(caught.value)

    with Feed(lease, ask) as feed:
        assert list(feed) == [error]


def test_questions_are_answered_before_queued_items(lease: Lease) -> None:
    events: list[str] = []

    async def ask(feeder: Feeder[int]) -> None:
        await feeder.send(1)
        await feeder.send(2)
        await feeder.ask(events.append, "asked")

    with Feed(lease, ask) as feed:
        lease.call(trio.testing.wait_all_tasks_blocked)
        assert next(feed) == 1
        assert events == ["asked"]
        assert list(feed) == [2]


def test_a_withdrawn_question_is_not_answered(lease: Lease) -> None:
    answered: list[str] = []
    scope = trio.CancelScope()

    async def ask(feeder: Feeder[str]) -> None:
        with scope:
            await feeder.ask(answered.append, "withdrawn")
        await feeder.ask(answered.append, "kept")
        await feeder.send("end")

    async def withdraw() -> None:
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()

    with Feed(lease, ask) as feed:
        lease.call(withdraw)
        assert list(feed) == ["end"]
    assert answered == ["kept"]


def test_what_ends_the_wait_while_answering_ends_the_feed(lease: Lease) -> None:
    ended: list[str] = []

    def interrupt() -> None:
        raise Interrupted

    async def ask(feeder: Feeder[int]) -> None:
        try:
            await feeder.ask(interrupt)
        finally:
            ended.append("cleaned up")

    with Feed(lease, ask) as feed:
        with pytest.raises(Interrupted):
            next(feed)
        assert ended == ["cleaned up"]
        assert list(feed) == []


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread need POSIX")
def test_an_interrupted_wait_cancels_the_task(lease: Lease) -> None:
    ended: list[str] = []

    def handler(number: int, frame: object) -> None:
        raise Interrupted

    async def wait(feeder: Feeder[int]) -> None:
        try:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            await trio.sleep_forever()
        finally:
            ended.append("cleaned up")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Interrupted), Feed(lease, wait) as feed:
            next(feed)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended == ["cleaned up"]


def test_a_feed_holds_the_portal_until_it_ends() -> None:
    lease = Lease()
    with Feed(lease, count_to_five) as feed:
        lease.release()
        assert list(feed) == [0, 1, 2, 3, 4]
    assert portal_threads() == []


def test_a_feed_on_a_portal_that_broke_down_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda crash: None)

    async def break_the_run(feeder: Feeder[int]) -> None:
        def fault() -> None:
            raise ValueError("a fault inside trio's own run")

        trio.lowlevel.current_trio_token().run_sync_soon(fault)
        await trio.sleep_forever()

    lease = Lease()
    with Feed(lease, break_the_run) as feed:
        with pytest.raises(RuntimeError, match="background t"):
            next(feed)
    for thread in portal_threads():
        thread.join()
    lease.release()


def test_a_dropped_feed_is_cancelled_and_nobody_waits_for_that() -> None:
    lease = Lease()
    endless = Endless()
    feed = Feed(lease, endless).__enter__()
    assert next(feed) == 0
    feed.drop()
    lease.call(trio.testing.wait_all_tasks_blocked)
    assert endless.cancelled
    assert list(feed) == []
    lease.release()
    assert portal_threads() == []
