"""Waiting for a rate on a virtual clock: order, deadlines, cancellation, what is given back."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import trio
import trio.testing

from trioclient import LimitExceeded
from trioclient._engine.rate_limiter import RateLimiter, Reservation, TooLate
from trioclient._policy.rate import Rate


def limiter(**options: Any) -> RateLimiter:
    """One request and ten tokens in a second, as a rule."""
    return RateLimiter(Rate(**{"per": 100.0, "share": 1.0, "burst": 0.0, "requests": 100, **options}))


def tokens(**options: Any) -> RateLimiter:
    """The tokens of an int are itself."""
    return limiter(**{"requests": None, "tokens": 1000, "cost": int, "used": int, **options})


class Log:
    """Who went, and when."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self.start = trio.current_time()
        self.gone: list[tuple[str, float]] = []
        self.reservations: dict[str, Reservation] = {}

    @property
    def now(self) -> float:
        return trio.current_time() - self.start

    async def go(self, name: str, what: object = None, at: float = 0.0) -> None:
        await trio.sleep_until(self.start + at)
        self.reservations[name] = await self.limiter.reserve(what)
        self.gone.append((name, self.now))


def test_only_a_rate_will_do() -> None:
    with pytest.raises(TypeError, match="rate must be a Rate, not 60"):
        RateLimiter(60)


async def test_they_go_in_turn_at_the_pace(autojump_clock: Any) -> None:
    log = Log(limiter())
    async with trio.open_nursery() as nursery:
        for name in "abcd":
            nursery.start_soon(log.go, name)
            await trio.testing.wait_all_tasks_blocked()
    assert log.gone == [("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 3.0)]


async def test_a_small_one_does_not_overtake(autojump_clock: Any) -> None:
    log = Log(tokens())
    async with trio.open_nursery() as nursery:
        for name, cost, at in [("first", 10, 0.0), ("large", 500, 0.0), ("small", 1, 1.0)]:
            nursery.start_soon(log.go, name, cost, at)
            await trio.testing.wait_all_tasks_blocked()
    assert log.gone == [("first", 0.0), ("large", 50.0), ("small", pytest.approx(50.1))]


async def test_nothing_to_wait_for_is_no_checkpoint() -> None:
    paced = limiter(burst=1.0)
    with trio.testing.assert_no_checkpoints():
        for _ in range(100):
            paced.reserve_nowait()
    assert paced.reserve_nowait() is None
    paced = limiter(burst=1.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        for _ in range(100):
            await paced.reserve()
        assert turns == 0


async def test_a_cancelled_caller_takes_nothing() -> None:
    paced = limiter()
    with trio.CancelScope() as scope:
        scope.cancel()
        await paced.reserve()
    assert scope.cancelled_caught
    assert paced.statistics() == (0, 100.0, None)


class TestCancelled:
    @pytest.mark.parametrize(
        ("victims", "gone"),
        [
            ("b", [("a", 0.0), ("c", 1.0), ("d", 2.0)]),
            ("c", [("a", 0.0), ("b", 1.0), ("d", 2.0)]),
            ("d", [("a", 0.0), ("b", 1.0), ("c", 2.0)]),
            ("bc", [("a", 0.0), ("d", 1.0)]),
            ("bcd", [("a", 0.0)]),
        ],
    )
    async def test_who_waits_holds_up_nobody(
        self, autojump_clock: Any, victims: str, gone: list[tuple[str, float]]
    ) -> None:
        log = Log(limiter())
        scopes = {name: trio.CancelScope() for name in "abcd"}

        async def go(name: str) -> None:
            with scopes[name]:
                await log.go(name)

        async with trio.open_nursery() as nursery:
            for name in "abcd":
                nursery.start_soon(go, name)
                await trio.testing.wait_all_tasks_blocked()
            assert log.limiter.waiting == 3
            await trio.sleep(0.5)
            for name in victims:
                scopes[name].cancel()
        assert log.gone == gone
        assert log.limiter.waiting == 0

    async def test_at_the_very_instant(self, autojump_clock: Any) -> None:
        """The head's time comes and its scope ends at once: it either has gone or has taken nothing."""
        paced = limiter()
        await paced.reserve()
        went = False
        with trio.move_on_at(trio.current_time() + 1.0):
            await paced.reserve()
            went = True
        assert paced.statistics().requests_left == 99.0 - went

    async def test_whatever_falls_out_the_sums_are_right(self, autojump_clock: Any) -> None:
        chance = random.Random(7)
        paced = limiter(requests=1000, tokens=10_000, cost=int, burst=0.05)
        outcomes: Counter[str] = Counter()
        spent = 0.0

        async def call() -> None:
            nonlocal spent
            await trio.sleep(chance.random() * 50)
            with trio.move_on_after(chance.random() * 2):
                cost = chance.randrange(20)
                reservation = await paced.reserve(cost)
                spent += cost
                outcomes["gone"] += 1
                if chance.random() < 0.2:
                    reservation.give_back()
                    spent -= cost
                    outcomes["back"] += 1
                return
            outcomes["cancelled"] += 1

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(call)
        assert min(outcomes.values()) > 50
        assert paced.statistics() == (0, 1000.0 - outcomes["gone"] + outcomes["back"], 10_000.0 - spent)
        assert paced._line.queued == (0.0, 0.0)


class TestDeadlines:
    async def test_too_late_is_known_at_once(self, autojump_clock: Any) -> None:
        paced, start = limiter(), trio.current_time()
        await paced.reserve(until=start)
        with pytest.raises(TooLate) as caught:
            await paced.reserve(until=start + 0.9)
        assert caught.value.ready_at == start + 1.0
        assert trio.current_time() == start
        await paced.reserve(until=start + 1.0)
        assert trio.current_time() == start + 1.0

    async def test_those_ahead_count(self, autojump_clock: Any) -> None:
        log = Log(limiter())
        await log.go("first")
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(log.go, name)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(TooLate) as caught:
                await log.limiter.reserve(until=log.start + 3.5)
            assert caught.value.ready_at == log.start + 4.0
            assert log.limiter.waiting == 3

    async def test_who_is_not_at_the_head_waits_no_longer_either(self, autojump_clock: Any) -> None:
        paced, start = tokens(), trio.current_time()
        first = await paced.reserve(10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(paced.reserve, 10)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(self._settle_at, start + 0.5, first, 500)
            with pytest.raises(TooLate) as caught:
                await paced.reserve(10, until=start + 10.0)
            assert trio.current_time() == pytest.approx(start + 10.0)
            assert caught.value.ready_at > start + 50.0
            nursery.cancel_scope.cancel()

    async def _settle_at(self, instant: float, reservation: Reservation, value: int) -> None:
        await trio.sleep_until(instant)
        reservation.settle(value)

    async def test_what_never_fits(self, autojump_clock: Any) -> None:
        paced = tokens()
        with pytest.raises(LimitExceeded) as caught:
            await paced.reserve(1001)
        assert (caught.value.limit, caught.value.value) == ("rate.tokens", 1000.0)
        with pytest.raises(LimitExceeded):
            paced.reserve_nowait(1001)
        await paced.reserve(1000)

    async def test_an_estimate_that_is_none(self) -> None:
        paced = tokens(cost=lambda _: float("nan"))
        with pytest.raises(ValueError, match=r"rate\.cost"):
            await paced.reserve("x")
        assert paced.statistics() == (0, None, 1000.0)


class TestSettling:
    async def test_the_head_goes_earlier(self, autojump_clock: Any) -> None:
        log = Log(tokens())
        await log.go("first", 10)
        await log.go("large", 200)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.go, "next", 200)
            await trio.sleep(5)
            log.reservations["large"].settle(50)
        assert log.gone == [("first", 0.0), ("large", 20.0), ("next", 25.0)]

    async def test_the_head_goes_later(self, autojump_clock: Any) -> None:
        log = Log(tokens())
        await log.go("first", 10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.go, "second", 100)
            await trio.sleep(5)
            log.reservations["first"].settle(60)
        assert log.gone == [("first", 0.0), ("second", pytest.approx(15.0))]

    async def test_what_was_not_sent_is_given_back(self, autojump_clock: Any) -> None:
        log = Log(limiter())
        for name in "ab":
            await log.go(name)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.go, "c")
            await trio.testing.wait_all_tasks_blocked()
            log.reservations["b"].give_back()
        assert log.gone == [("a", 0.0), ("b", 1.0), ("c", 1.0)]
        assert log.limiter.statistics().requests_left == 98.0

    async def test_only_once(self, autojump_clock: Any) -> None:
        paced = tokens()
        reservation = await paced.reserve(400)
        reservation.settle(100)
        reservation.settle(0)
        reservation.give_back()
        assert paced.statistics() == (0, None, 900.0)

    async def test_without_used_it_stays_as_estimated(self) -> None:
        paced = tokens(used=None)
        (await paced.reserve(400)).settle(100)
        assert paced.statistics().tokens_left == 600.0

    async def test_what_was_used_must_be_a_number(self) -> None:
        paced = tokens(used=lambda _: -1)
        reservation = await paced.reserve(400)
        with pytest.raises(ValueError, match=r"rate\.used"):
            reservation.settle(None)
        assert paced.statistics().tokens_left == 600.0


class TestLearning:
    HEADERS = [(b"x-ratelimit-limit", b"30"), (b"x-ratelimit-remaining", b"29"), (b"x-ratelimit-reset", b"60")]

    async def test_answers_set_the_rate(self, autojump_clock: Any) -> None:
        paced = RateLimiter(Rate(learn=True, share=1.0, burst=0.0))
        log = Log(paced)
        assert paced.statistics() == (0, None, None)
        await log.go("first")
        paced.learn(200, self.HEADERS, sent_at=trio.current_time())
        assert paced.statistics() == (0, 29.0, None)
        for name in "ab":
            await log.go(name)
        # 28 are left for sure: the request may not have been counted yet.
        assert log.gone == [("first", 0.0), ("a", 0.0), ("b", pytest.approx(60 / 28))]

    async def test_only_where_it_is_asked_for(self) -> None:
        paced = limiter()
        paced.learn(429, self.HEADERS)
        assert paced.statistics() == (0, 100.0, None)

    async def test_whoever_waits_hears_of_it(self, autojump_clock: Any) -> None:
        paced = RateLimiter(Rate(learn=True, share=1.0, burst=0.0))
        log = Log(paced)
        paced.learn(429, [(b"ratelimit", b'"a";r=0;t=100')])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.go, "a")
            await trio.sleep(10)
            paced.learn(200, [(b"ratelimit", b'"a";r=5;t=1000')])
        assert log.gone == [("a", 100.0)]


async def test_statistics(autojump_clock: Any) -> None:
    paced = limiter(tokens=1000, cost=int)
    await paced.reserve(30)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(paced.reserve, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert paced.statistics() == (2, 99.0, 970.0)
        assert paced.reserve_nowait(1) is None
    assert paced.statistics() == (0, 97.0, 968.0)


def test_each_run_begins_anew() -> None:
    paced = limiter()
    kept: list[Reservation] = []

    async def take() -> None:
        with trio.fail_after(5):
            kept.append(await paced.reserve())
        kept[0].give_back()
        assert paced.statistics() == (0, 100.0 if len(kept) == 1 else 99.0, None)

    trio.run(take)
    trio.run(take)
