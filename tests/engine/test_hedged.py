"""A race of two copies: who is begun and when, who wins, and that nothing of a loser is left.

The time is virtual, and each copy is a script: how long it takes, what comes of it, what it does
when it is cancelled.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._engine.hedged import Race, race


class Copy:
    """After `seconds`, and so many checkpoints, it returns or raises `result`."""

    def __init__(
        self, seconds: float, result: Any = "good", *, checkpoints: int = 0, when_cancelled: Any = None
    ) -> None:
        self.seconds = seconds
        self.result = result
        self.checkpoints = checkpoints
        self.when_cancelled = when_cancelled
        """What it returns or raises if it is cancelled; None lets the cancellation pass."""

    async def run(self) -> Any:
        try:
            if self.seconds:
                await trio.sleep(self.seconds)
            for _ in range(self.checkpoints):
                await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            if self.when_cancelled is None:
                raise
            return outcome_of(self.when_cancelled)
        return outcome_of(self.result)


def outcome_of(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result


class Course:
    """The race of two copies, and what is seen of it."""

    def __init__(self, *copies: Copy, delay: float = 1.0, allowed: Any = True) -> None:
        self.copies = copies
        self.delay = delay
        self.allowed = allowed
        self.begun: list[tuple[int, float]] = []
        self.over: list[int] = []
        self.asked = 0
        self.results: list[Any] = []
        self.discarded: list[Any] = []
        self.discard_takes = 0.0

    async def run(self) -> Race[Any]:
        began = trio.current_time()

        async def copy(number: int) -> Any:
            self.begun.append((number, trio.current_time() - began))
            try:
                result = await self.copies[number].run()
                result = f"{result} {number}"
                self.results.append(result)
                return result
            finally:
                self.over.append(number)

        async with no_task_left():
            return await race(
                copy,
                delay=self.delay,
                allow=self.allow,
                good=lambda result: outcome_of(result).startswith("good"),
                discard=self.discard,
            )

    def allow(self) -> bool:
        self.asked += 1
        return bool(outcome_of(self.allowed))

    async def discard(self, result: Any) -> None:
        await trio.sleep(self.discard_takes)
        self.discarded.append(result)

    def check(self) -> None:
        """What is so after any race: the copies are over."""
        assert sorted(self.over) == sorted(number for number, _ in self.begun)


@contextlib.asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    before = trio.lowlevel.current_statistics().tasks_living
    try:
        yield
    finally:
        assert trio.lowlevel.current_statistics().tasks_living == before


@pytest.mark.parametrize(
    ("copies", "expected", "ends_at"),
    [
        # One copy.
        ([Copy(0.0)], Race("good 0", 0, 1), 0.0),
        ([Copy(0.5)], Race("good 0", 0, 1), 0.5),
        ([Copy(0.5, "bad")], Race("bad 0", 0, 1), 0.5),
        # Two.
        ([Copy(9.0), Copy(0.5)], Race("good 1", 1, 2), 1.5),
        ([Copy(1.25), Copy(0.5)], Race("good 0", 0, 2), 1.25),
        ([Copy(9.0), Copy(0.0)], Race("good 1", 1, 2), 1.0),
        ([Copy(1.25, "bad"), Copy(0.5)], Race("good 1", 1, 2), 1.5),
        ([Copy(9.0), Copy(0.5, "bad")], Race("good 0", 0, 2), 9.0),
        ([Copy(1.25, "bad"), Copy(0.5, "bad")], Race("bad 0", 0, 2), 1.5),
        ([Copy(9.0, "bad"), Copy(0.5, "bad")], Race("bad 0", 0, 2), 9.0),
        # The loser ends with a result although it was cancelled.
        ([Copy(9.0, when_cancelled="good"), Copy(0.5)], Race("good 1", 1, 2), 1.5),
        ([Copy(1.25), Copy(9.0, when_cancelled="good")], Race("good 0", 0, 2), 1.25),
        ([Copy(1.25), Copy(9.0, when_cancelled="bad")], Race("good 0", 0, 2), 1.25),
    ],
)
async def test_who_wins_and_when(
    copies: list[Copy], expected: Race[Any], ends_at: float, autojump_clock: trio.testing.MockClock
) -> None:
    course = Course(*copies)
    began = trio.current_time()
    assert await course.run() == expected
    assert trio.current_time() - began == pytest.approx(ends_at)
    assert course.begun == [(0, 0.0), (1, pytest.approx(1.0))][: expected.copies]
    assert course.asked == expected.copies - 1
    assert sorted(course.discarded) == sorted(set(course.results) - {expected.result})
    course.check()


@pytest.mark.parametrize("delay", [0.0, 0.25, 2.0])
async def test_the_second_begins_after_the_delay(delay: float, autojump_clock: trio.testing.MockClock) -> None:
    course = Course(Copy(3.0), Copy(9.0), delay=delay)
    assert await course.run() == Race("good 0", 0, 2)
    assert course.begun == [(0, 0.0), (1, pytest.approx(delay))]


async def test_an_endless_delay_is_none(autojump_clock: trio.testing.MockClock) -> None:
    course = Course(Copy(1e6), delay=float("inf"))
    assert await course.run() == Race("good 0", 0, 1)
    assert course.asked == 0


async def test_it_is_asked_once_and_may_say_no(autojump_clock: trio.testing.MockClock) -> None:
    course = Course(Copy(9.0), allowed=False)
    assert await course.run() == Race("good 0", 0, 1)
    assert (course.asked, course.begun) == (1, [(0, 0.0)])


async def test_the_first_copy_runs_in_the_callers_task_and_context(autojump_clock: trio.testing.MockClock) -> None:
    tasks: list[trio.lowlevel.Task] = []
    variable: ContextVar[int] = ContextVar("variable", default=0)

    async def copy(number: int) -> str:
        tasks.append(trio.lowlevel.current_task())
        variable.set(variable.get() + 1)
        await trio.sleep(2.0)
        return "good"

    async def discard(_: str) -> None:
        raise AssertionError

    await race(copy, delay=1.0, allow=lambda: True, good=lambda _: True, discard=discard)
    assert tasks[0] is trio.lowlevel.current_task() is not tasks[1]
    assert variable.get() == 1


class TestTies:
    """What happens in one tick happens in any order, so each is played often."""

    TIMES = 40

    @pytest.mark.parametrize("checkpoints", [0, 1, 2, 3])
    async def test_the_first_ends_as_the_second_is_due(
        self, checkpoints: int, autojump_clock: trio.testing.MockClock
    ) -> None:
        for result in ["good", "bad"] * self.TIMES:
            course = Course(Copy(1.0, result, checkpoints=checkpoints), Copy(1.0, "good"))
            won = await course.run()
            if won.copies == 1:
                assert won == Race(f"{result} 0", 0, 1)
                assert course.asked == 0
            else:
                assert won == (Race("good 0", 0, 2) if result == "good" else Race("good 1", 1, 2))
                assert course.asked == 1
            assert len(course.begun) == won.copies
            assert sorted([won.result, *course.discarded]) == sorted(course.results)
            course.check()

    @pytest.mark.parametrize("checkpoints", [0, 1, 2, 3])
    async def test_no_delay_at_all(self, checkpoints: int, autojump_clock: trio.testing.MockClock) -> None:
        seen: set[int] = set()
        for result in ["good", "bad"] * self.TIMES:
            course = Course(Copy(0.0, result, checkpoints=checkpoints), Copy(1.0, "good"), delay=0.0)
            won = await course.run()
            seen.add(won.copies)
            assert course.asked == len(course.begun) - 1 == won.copies - 1
            assert sorted([won.result, *course.discarded]) == sorted(course.results)
            course.check()
        assert checkpoints or seen == {1}
        assert checkpoints < 3 or seen == {2}

    async def test_both_end_at_once(self, autojump_clock: trio.testing.MockClock) -> None:
        for _ in range(self.TIMES):
            for results in [("good", "good"), ("good", "bad"), ("bad", "good"), ("bad", "bad")]:
                course = Course(Copy(2.0, results[0]), Copy(1.0, results[1]))
                won = await course.run()
                assert won.copies == 2
                assert won.result == f"{results[won.winner]} {won.winner}"
                assert won.result.startswith("good") or results == ("bad", "bad")
                assert results != ("bad", "bad") or won.winner == 0
                assert sorted([won.result, *course.discarded]) == sorted(course.results)
                course.check()


class TestExceptions:
    @pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), SystemExit()])
    @pytest.mark.parametrize(
        "copies",
        [
            lambda error: [Copy(0.0, error)],
            lambda error: [Copy(0.5, error)],
            lambda error: [Copy(1.5, error), Copy(9.0)],
            lambda error: [Copy(9.0), Copy(0.5, error)],
            lambda error: [Copy(9.0, when_cancelled="good"), Copy(0.5, error)],
            lambda error: [Copy(1.5, error), Copy(9.0, when_cancelled="bad")],
            lambda error: [Copy(1.25, "bad"), Copy(0.5, error)],
            lambda error: [Copy(9.0, error), Copy(0.5, "bad")],
            lambda error: [Copy(9.0, when_cancelled=error), Copy(0.5)],
            lambda error: [Copy(1.5), Copy(9.0, when_cancelled=error)],
        ],
    )
    async def test_a_copys_own_comes_out_bare(
        self, copies: Any, error: BaseException, autojump_clock: trio.testing.MockClock
    ) -> None:
        course = Course(*copies(error))
        with pytest.raises(type(error)) as caught:
            await course.run()
        assert caught.value is error
        assert course.discarded == course.results
        course.check()

    async def test_of_two_the_gravest(self, autojump_clock: trio.testing.MockClock) -> None:
        course = Course(Copy(9.0, when_cancelled=KeyboardInterrupt()), Copy(0.5, ValueError("a bug")))
        with pytest.raises(KeyboardInterrupt):
            await course.run()
        course.check()

    async def test_that_of_allow_too(self, autojump_clock: trio.testing.MockClock) -> None:
        course = Course(Copy(9.0), allowed=LookupError("a bug"))
        with pytest.raises(LookupError):
            await course.run()
        assert course.over == [0]

    @pytest.mark.parametrize("copies", [[Copy(0.5)], [Copy(9.0), Copy(0.5)], [Copy(1.25, "bad"), Copy(0.5)]])
    async def test_that_of_good_too(self, copies: list[Copy], autojump_clock: trio.testing.MockClock) -> None:
        course = Course(*copies)
        copies[-1].result = "good"

        async def copy(number: int) -> Any:
            course.begun.append((number, 0.0))
            try:
                course.results.append(await copies[number].run())
            finally:
                course.over.append(number)
            return course.results[-1]

        def judge(result: str) -> bool:
            if result == "good":
                raise LookupError("a bug")
            return False

        with pytest.raises(LookupError):
            await race(copy, delay=1.0, allow=lambda: True, good=judge, discard=course.discard)
        assert course.discarded == course.results
        course.check()

    async def test_that_of_discard_too_and_nothing_is_left(self, autojump_clock: trio.testing.MockClock) -> None:
        course = Course(Copy(9.0, when_cancelled="good"), Copy(0.5))
        seen: list[str] = []

        async def discard(result: str) -> None:
            seen.append(result)
            if result == "good 0":
                raise LookupError("a bug")

        course.discard = discard
        with pytest.raises(LookupError):
            await course.run()
        assert seen == ["good 0", "good 1"]


class TestDiscarding:
    async def test_it_is_bounded(self, autojump_clock: trio.testing.MockClock) -> None:
        course = Course(Copy(9.0, when_cancelled="good"), Copy(0.5))
        course.discard_takes = 60.0
        began = trio.current_time()
        assert await course.run() == Race("good 1", 1, 2)
        assert trio.current_time() - began == pytest.approx(1.5 + 1.0)
        assert course.discarded == []

    async def test_it_is_shielded(self, autojump_clock: trio.testing.MockClock) -> None:
        course = Course(Copy(9.0, when_cancelled="good"), Copy(9.0, when_cancelled="bad"))
        course.discard_takes = 0.5
        began = trio.current_time()
        with trio.move_on_after(2.0) as scope:
            # Both end with a result all the same, so nothing is left that could be cancelled.
            assert await course.run() == Race("good 0", 0, 2)
        assert not scope.cancelled_caught
        assert trio.current_time() - began == pytest.approx(2.0 + 0.5)
        assert course.discarded == ["bad 1"]


COURSES: dict[str, Any] = {
    "one copy": lambda: [Copy(0.5, checkpoints=2)],
    "one bad copy": lambda: [Copy(0.5, "bad")],
    "the first wins": lambda: [Copy(2.0, checkpoints=2), Copy(9.0)],
    "the second wins": lambda: [Copy(9.0), Copy(0.5, checkpoints=2)],
    "both bad": lambda: [Copy(2.0, "bad"), Copy(0.5, "bad", checkpoints=2)],
    "a tie": lambda: [Copy(2.0), Copy(1.0)],
    "the loser has a result": lambda: [Copy(9.0, when_cancelled="good"), Copy(0.5)],
    "the other loser has one": lambda: [Copy(2.0), Copy(9.0, when_cancelled="bad")],
    "both have one": lambda: [Copy(2.0, when_cancelled="good"), Copy(9.0, when_cancelled="good")],
}


@pytest.mark.parametrize("name", COURSES)
async def test_cancelled_at_every_step(name: str, cancel_at_step: Any, autojump_clock: trio.testing.MockClock) -> None:
    ended: list[str] = []
    while (not ended or ended[-1] != "done") and len(ended) < 50:
        course = Course(*COURSES[name]())
        course.discard_takes = 0.25
        won: Race[Any] | None = None
        with trio.CancelScope() as scope:
            instrument = cancel_at_step(scope, len(ended))
            if not ended:
                scope.cancel()
            trio.lowlevel.add_instrument(instrument)
            token = cancel_at_step.watched.set(True)
            try:
                won = await course.run()
            except BaseException as error:
                if type(error) is not trio.Cancelled:
                    raise AssertionError("what came out is no bare Cancelled") from error
                raise
            finally:
                cancel_at_step.watched.reset(token)
                trio.lowlevel.remove_instrument(instrument)
        ended.append("done" if not scope.cancel_called else "cancelled" if scope.cancelled_caught else "too late")
        assert (won is None) is scope.cancelled_caught
        assert sorted([*course.discarded, *([won.result] if won else [])]) == sorted(course.results)
        course.check()
    assert "cancelled" in ended[1:] or name == "both have one"
    assert ended[-1] == "done"
