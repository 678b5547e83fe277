"""The blocking fan-out: the async one, with iterators pulled in the caller's thread."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any

import pytest
import trio

import trioclient
from trioclient._blocking_fan_out import BlockingFanOut, blocking_fan_out
from trioclient._engine.rate_limiter import RateLimiter
from trioclient._errors import DeadlineExceeded, FanOutStopped
from trioclient._policy.failing import Failing
from trioclient._policy.rate import Rate
from trioclient._portal import Lease


@pytest.fixture
def lease() -> Iterator[Lease]:
    lease = Lease()
    yield lease
    lease.release()
    assert [thread for thread in threading.enumerate() if thread.name == "trioclient portal"] == []


def fan_out(
    lease: Lease, call: Any, items: Any, *, max_at_once: int = 4, run_ahead: int | None = None, **others: Any
) -> BlockingFanOut[Any, Any]:
    defaults = {"ordered": False, "on_error": "collect", "deadline": None, "item_deadline": None}
    return blocking_fan_out(
        lease,
        partial(trioclient.fan_out, call),
        items,
        max_at_once=max_at_once,
        run_ahead=run_ahead,
        **{**defaults, **others},
    )


async def double(number: int) -> int:
    await trio.lowlevel.checkpoint()
    if number == 13:
        raise ValueError("thirteen")
    return number * 2


class Interrupted(BaseException):
    """What ends a wait in these tests."""


def generated(count: int) -> Iterator[int]:
    yield from range(count)


async def async_generated(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await trio.lowlevel.checkpoint()
        yield number


INPUTS = {
    "range": range,
    "list": lambda count: list(range(count)),
    "generator": generated,
    "dict": lambda count: dict.fromkeys(range(count)),
    "async generator": async_generated,
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(("max_at_once", "run_ahead"), [(1, 0), (1, None), (3, 0), (3, 1), (8, 100)])
def test_every_item_has_its_outcome(
    lease: Lease, kind: str, ordered: bool, max_at_once: int, run_ahead: int | None
) -> None:
    items = INPUTS[kind](100)
    with fan_out(lease, double, items, max_at_once=max_at_once, run_ahead=run_ahead, ordered=ordered) as run:
        outcomes = list(run)
    if ordered:
        assert [outcome.index for outcome in outcomes] == list(range(100))
    outcomes.sort(key=lambda outcome: outcome.index)
    assert [outcome.item for outcome in outcomes] == list(range(100))
    assert [outcome.value for outcome in outcomes if outcome.ok] == [n * 2 for n in range(100) if n != 13]
    assert (run.report.seen, run.report.done, run.report.failed, run.report.delivered) == (100, 99, 1, 100)


def test_an_empty_input_ends_at_once(lease: Lease) -> None:
    with fan_out(lease, double, iter(())) as run:
        assert list(run) == []
        assert list(run) == []
    assert run.report.seen == 0


class Tape:
    """An iterator that keeps account of who pulls it, and how far."""

    def __init__(self, count: int) -> None:
        self.pulled = 0
        self.threads: set[int] = set()
        self._count = count

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.threads.add(threading.get_ident())
        if self.pulled == self._count:
            raise StopIteration
        self.pulled += 1
        return self.pulled - 1


@pytest.mark.parametrize(("max_at_once", "run_ahead"), [(1, 1), (1, 5), (4, None), (4, 2), (16, 64)])
def test_an_iterator_is_pulled_here_and_within_the_window(
    lease: Lease, max_at_once: int, run_ahead: int | None
) -> None:
    tape = Tape(300)
    window = max_at_once + (max_at_once if run_ahead is None else run_ahead)
    taken = 0
    with fan_out(lease, double, tape, max_at_once=max_at_once, run_ahead=run_ahead) as run:
        for _ in run:
            taken += 1
            # The outcome in hand was taken after the last pull.
            assert tape.pulled - (taken - 1) <= window
    assert taken == 300
    assert tape.threads == {threading.get_ident()}


def test_all_the_places_are_taken(lease: Lease) -> None:
    count = 5
    here = 0
    together = trio.Event()

    async def meet(number: int) -> None:
        nonlocal here
        here += 1
        if here == count:
            together.set()
        await together.wait()

    with fan_out(lease, meet, generated(count), max_at_once=count) as run:
        assert all(outcome.ok for outcome in run)


def test_the_report_can_be_read_on_the_way(lease: Lease) -> None:
    with fan_out(lease, double, Tape(50), max_at_once=2) as run:
        next(run)
        report = run.report
        assert report.delivered >= 1
        assert report.done + report.failed + report.cancelled + report.not_started + report.running == report.seen
        assert run.statistics().workers <= 2


def test_the_report_before_it_begins(lease: Lease) -> None:
    assert fan_out(lease, double, [1]).report.seen == 0


@pytest.mark.parametrize("items", [Tape(1000), list(range(1000))])
def test_leaving_early_cancels_the_rest_and_adds_up(lease: Lease, items: Iterable[int]) -> None:
    ended: list[int] = []

    async def wait(number: int) -> int:
        if number:
            try:
                await trio.sleep_forever()
            finally:
                ended.append(number)
        return number

    with fan_out(lease, wait, items, max_at_once=5) as run:
        for outcome in run:
            assert outcome.item == 0
            break
    report = run.report
    assert report.running == 0
    assert report.done == 1
    assert report.cancelled == len(ended) >= 3
    assert report.done + report.failed + report.cancelled + report.not_started == report.seen
    if isinstance(items, Tape):
        assert report.seen == items.pulled


def test_an_error_of_the_body_comes_through_and_cancels_the_rest(lease: Lease) -> None:
    with pytest.raises(LookupError), fan_out(lease, double, generated(1000)) as run:
        for _ in run:
            raise LookupError
    assert run.report.seen < 1000


@pytest.mark.parametrize("on_error", ["stop", "cancel"])
def test_the_first_error_is_raised_after_what_had_finished(lease: Lease, on_error: str) -> None:
    got: list[int] = []
    with fan_out(lease, double, generated(1000), max_at_once=2, on_error=on_error) as run:
        with pytest.raises(ValueError, match="thirteen"):
            got.extend(outcome.item for outcome in run)
        assert list(run) == []
    assert 13 in got
    assert run.report.seen < 100


@pytest.mark.parametrize("on_error", ["stop", "cancel"])
def test_an_error_not_yet_raised_is_raised_on_leaving(lease: Lease, on_error: str) -> None:
    failed = threading.Event()

    async def fail(number: int) -> None:
        failed.set()
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"), fan_out(lease, fail, [1], on_error=on_error):
        failed.wait()
        lease.call(trio.testing.wait_all_tasks_blocked)


def test_an_error_of_the_iterator_is_raised_after_the_items_before_it(lease: Lease) -> None:
    def broken() -> Iterator[int]:
        yield from range(10)
        raise LookupError("no more")

    got: list[int] = []
    with fan_out(lease, double, broken()) as run, pytest.raises(LookupError, match="no more"):
        got.extend(outcome.item for outcome in run)
    assert sorted(got) == list(range(10))
    assert run.report.seen == 10


def test_a_generator_is_closed_here_at_the_end(lease: Lease) -> None:
    closed: list[int] = []

    def closable() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(threading.get_ident())

    with fan_out(lease, double, closable()) as run:
        next(run)
    assert closed == [threading.get_ident()]


def test_an_open_iterator_of_the_callers_stays_open(lease: Lease) -> None:
    class Closable(Tape):
        def close(self) -> None:
            raise AssertionError("not ours to close")

    with fan_out(lease, double, Closable(10)) as run:
        assert len(list(run)) == 10


def test_the_deadline_of_the_run(lease: Lease) -> None:
    async def never(number: int) -> None:
        await trio.sleep_forever()

    with fan_out(lease, never, generated(10), deadline=0.02) as run, pytest.raises(DeadlineExceeded):
        list(run)
    assert run.report.cancelled == 4


@pytest.mark.parametrize(
    ("items", "total"), [(Tape(6), None), ([0] * 6, 6), (dict.fromkeys(range(6)), 6), (generated(6), None)]
)
def test_progress_on_the_way_and_at_the_end(lease: Lease, items: Iterable[int], total: int | None) -> None:
    run = fan_out(lease, double, items, max_at_once=2)
    assert (run.progress().seen, run.progress().total, run.progress().eta) == (0, total, None)
    with run:
        next(run)
        progress = run.progress()
        assert 1 <= progress.done <= progress.seen <= 6
        assert progress.total == total
        assert progress.waiting_for_rate is False
        list(run)
    progress = run.progress()
    assert (progress.seen, progress.done, progress.running, progress.eta) == (6, 6, 0, 0.0)
    assert str(progress).startswith("6 of 6 finished" if total else "6 finished")


def test_a_total_may_be_given(lease: Lease) -> None:
    assert fan_out(lease, double, generated(5), total=7).progress().total == 7


@pytest.mark.parametrize("items", [generated(5), list(range(5))])
def test_the_rate_is_kept(lease: Lease, items: Iterable[int]) -> None:
    begun: list[float] = []

    async def call(number: int) -> None:
        begun.append(time.perf_counter())

    rate = RateLimiter(Rate(requests=100, per=2.0, burst=0, share=1))
    start = time.perf_counter()
    with fan_out(lease, call, items, rate=rate) as run:
        assert [outcome.index for outcome in run] == list(range(5))
    assert begun[-1] - start > 4 * 0.0199


@pytest.mark.parametrize("items", [generated(1_000_000), range(1_000_000)])
def test_a_run_in_which_all_fails_is_stopped(lease: Lease, items: Iterable[int]) -> None:
    async def fail(number: int) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError(number)

    got: list[int] = []
    with pytest.raises(FanOutStopped, match="20 of the last 20") as caught:
        with fan_out(lease, fail, items, max_at_once=10, stop_when=Failing(share=0.9, of=20)) as run:
            got.extend(outcome.index for outcome in run)
    assert isinstance(caught.value.__cause__, ValueError)
    assert 20 <= len(got) < 30
    assert run.report.seen < 20 + 3 * 10


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"rate": 5}, "rate must be"),
        ({"stop_when": 5}, "stop_when must be"),
        ({"total": -1}, "total must be"),
    ],
)
def test_the_further_settings_are_checked_too(lease: Lease, settings: dict[str, Any], match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=match):
        fan_out(lease, double, [1], **settings)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread need POSIX")
@pytest.mark.parametrize("items", [generated(100), list(range(100))])
def test_an_interrupt_cancels_everything(lease: Lease, items: Iterable[int]) -> None:
    ended: list[int] = []

    def handler(number: int, frame: object) -> None:
        raise Interrupted

    async def wait(number: int) -> None:
        if number == 3:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        try:
            await trio.sleep_forever()
        finally:
            ended.append(number)

    run = fan_out(lease, wait, items)
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Interrupted), run:
            list(run)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sorted(ended) == [0, 1, 2, 3]
    assert run.report.cancelled == 4


def test_an_interrupt_in_the_iterator_ends_it(lease: Lease) -> None:
    def interrupted() -> Iterator[int]:
        yield 0
        raise Interrupted

    with pytest.raises(Interrupted), fan_out(lease, double, interrupted()) as run:
        list(run)


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"max_at_once": 0}, ValueError, "max_at_once"),
        ({"max_at_once": "4"}, TypeError, "max_at_once"),
        ({"run_ahead": -1}, ValueError, "run_ahead"),
        ({"items": "text"}, TypeError, "items"),
        ({"items": 7}, TypeError, "items"),
        ({"call": None}, TypeError, "call"),
        ({"on_error": "raise"}, ValueError, "on_error"),
        ({"deadline": -1}, ValueError, "deadline"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments: dict[str, Any], error: type[Exception], name: str) -> None:
    lease = Lease()
    with pytest.raises(error, match=name):
        fan_out(lease, **{"call": double, "items": [1], **arguments})
