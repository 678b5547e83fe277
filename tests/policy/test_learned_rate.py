"""What is learned from numbers and from 429s; and how well it does against strict servers that talk and that do not."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from typing import Any, NamedTuple, Protocol

import pytest

from trioclient._codec.quota_headers import QuotaReading
from trioclient._policy.learned_rate import LearnedRate
from trioclient._policy.rate import Demand, Rate, RateMeter

PER = 60.0
ONE = Demand(1.0, 0.0)


def reading(
    limit: float | None,
    remaining: float | None,
    reset: float | None,
    window: float | None = None,
    *,
    counts: Any = "requests",
    refills: bool = False,
) -> QuotaReading:
    return QuotaReading(counts, limit, remaining, reset, window, refills)


class Learner:
    """A meter that learns, all of its quota and no burst."""

    def __init__(self, **options: Any) -> None:
        rate = Rate(**{"learn": True, "share": 1.0, "burst": 0.0, **options})
        self.meter = RateMeter(rate)
        self._learned = LearnedRate(rate, self.meter)

    @property
    def quota(self) -> tuple[float, float]:
        """Of requests, and in how many seconds."""
        pace = self.meter.pace("requests")
        assert pace is not None
        return pace.quota, pace.per

    def hears(self, *readings: QuotaReading, now: float = 0.0, sent_at: float | None = None, status: int = 200) -> None:
        self._learned.learn(now, now if sent_at is None else sent_at, status, readings)

    def instants(self, number: int, now: float = 0.0, demand: Demand = ONE) -> list[float]:
        gone: list[float] = []
        for _ in range(number):
            now = self.meter.ready_at(now, demand)
            self.meter.take(now, demand)
            gone.append(round(now, 6))
        return gone


def test_what_is_not_known_bounds_nothing() -> None:
    learner = Learner()
    assert learner.instants(1000) == [0.0] * 1000
    assert learner.meter.unfit(Demand(1.0, 1e9)) is None
    assert (learner.meter.quota("requests"), learner.meter.left("requests", 0.0)) == (None, None)


def test_without_an_estimate_tokens_are_not_counted() -> None:
    learner = Learner()
    learner.hears(reading(10, 10, 0, 60, counts="tokens"))
    assert learner.meter.unfit(Demand(1.0, 11.0)) is None


@pytest.mark.parametrize(
    ("given", "said", "second"),
    [
        ({}, reading(30, 30, 60, 60), 2.0),
        ({}, reading(30, 30, 60), 2.0),
        ({}, reading(30, None, None, 60), 2.0),
        ({}, reading(None, None, 60), 0.0),
        ({}, reading(0, None, None, 60), 0.0),
        ({}, reading(1000, 1000, 86_400, 86_400), 86.4),
        ({"requests": 60}, reading(30, 30, 60, 60), 2.0),
        ({"requests": 15}, reading(30, 30, 60, 60), 4.0),
        ({"requests": 100, "per": 1.0}, reading(1, 1, 0.5, 1), 1.0),
    ],
)
def test_the_rate_is_the_servers_unless_the_given_one_is_lower(given: Any, said: QuotaReading, second: float) -> None:
    learner = Learner(**given)
    learner.hears(said)
    assert learner.instants(2) == [0.0, second]


@pytest.mark.parametrize(
    ("given", "said", "quota"),
    [
        ({}, [reading(30, None, 10, 60)], (30.0, 60.0)),
        ({}, [reading(30, None, 60)], (30.0, 60.0)),
        ({}, [reading(30, None, 60), reading(20, None, 15)], (20.0, 60.0)),
        ({}, [reading(30, None, 0.5)], (30.0, 1.0)),
        ({}, [reading(1, None, None, 60)], (1.0, 60.0)),
        ({}, [reading(36, None, None, 3600)], (36.0, 3600.0)),
        ({}, [reading(100, None, None, 3601)], (math.inf, 60.0)),
        ({}, [reading(30, None, None)], (math.inf, 60.0)),
        ({}, [reading(30, None, 60, refills=True)], (math.inf, 60.0)),
        ({}, [reading(0.9, None, None, 60)], (math.inf, 60.0)),
        ({}, [reading(30, None, None, 60, counts="tokens")], (math.inf, 60.0)),
        ({"requests": 60}, [reading(30, None, None, 60)], (30.0, 60.0)),
        ({"requests": 60}, [reading(600, None, None, 600)], (60.0, 60.0)),
        ({"requests": 60}, [reading(30, None, None, 60), reading(90, None, None, 60)], (30.0, 60.0)),
        ({"requests": 60}, [reading(90, None, None, 60), reading(30, None, None, 60)], (30.0, 60.0)),
        ({}, [reading(60, None, None, 60), reading(600, None, None, 3600)], (600.0, 3600.0)),
    ],
)
def test_what_is_a_limit_and_what_its_window_is(
    given: Any, said: list[QuotaReading], quota: tuple[float, float]
) -> None:
    learner = Learner(**given)
    learner.hears(*said)
    assert learner.quota == quota


def test_a_429_is_explained_by_any_quota_that_is_used_up() -> None:
    learner = Learner(requests=600, tokens=6000, cost=len)
    learner.instants(50)
    for tenth in range(50):
        learner.hears(now=tenth / 10)
    used_up = reading(600, 0, 20, 60), reading(6000, 5000, 20, 60, counts="tokens")
    learner.hears(*used_up, now=10.0, status=429)
    assert learner.quota == (600.0, 60.0)


def test_the_longest_reset_is_remembered() -> None:
    learner = Learner()
    learner.hears(reading(30, None, 60))
    learner.hears(reading(20, None, 15), now=45.0)
    assert learner.quota == (20.0, 60.0)


def test_a_quota_of_the_day_does_not_set_the_pace() -> None:
    learner = Learner(requests=60)
    learner.hears(reading(1_000_000, 999_999, 80_000, 86_400))
    assert learner.instants(3) == [0.0, 1.0, 2.0]
    learner.hears(reading(1_000_000, 0, 5000, 86_400), now=10.0)
    assert learner.instants(2, now=10.0) == [5010.0, 5011.0]


class TestWhatIsLeft:
    def test_it_is_spread_over_the_time_to_the_reset(self) -> None:
        learner = Learner(requests=60)
        learner.hears(reading(60, 5, 20, 60))
        assert learner.instants(7) == [0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 21.0]

    def test_the_newest_word_counts(self) -> None:
        learner = Learner(requests=60)
        learner.hears(reading(60, 2, 20, 60))
        learner.hears(reading(60, 10, 20, 60))
        assert learner.instants(3) == [0.0, 2.0, 4.0]

    def test_but_not_that_of_another_quota_with_more_left(self) -> None:
        several = [reading(60, 5, 20, 60), reading(1_000_000, 900_000, 3000, 3600), reading(90, None, None, 60)]
        for readings in itertools.permutations(several):
            learner = Learner(requests=60)
            learner.hears(*readings)
            assert learner.instants(3) == [0.0, 4.0, 8.0]

    def test_of_several_the_scarcest_counts(self) -> None:
        for readings in itertools.permutations([reading(60, 5, 20, 60), reading(1000, 10, 300, 3600)]):
            learner = Learner(requests=60)
            learner.hears(*readings)
            assert learner.instants(3) == [0.0, 30.0, 60.0]

    def test_one_that_does_not_say_what_is_left_is_not(self) -> None:
        for readings in itertools.permutations([reading(6000, 50, 20, 60), reading(9000, None, None, 60)]):
            learner = Learner(requests=6000)
            learner.hears(*readings)
            assert learner.instants(3) == pytest.approx([0.0, 0.4, 0.8])

    def test_one_with_nothing_left_is_the_scarcest(self) -> None:
        for readings in itertools.permutations([reading(60, 1, 20, 60), reading(1000, 0, 30, 3600)]):
            learner = Learner(requests=60)
            learner.hears(*readings)
            assert learner.instants(1) == [30.0]

    def test_nothing_is_waited_out(self) -> None:
        learner = Learner(requests=60)
        learner.hears(reading(60, 0, 20, 60), now=5.0)
        assert learner.instants(2, now=5.0) == [25.0, 26.0]

    def test_what_is_under_way_is_not_counted_yet(self) -> None:
        learner = Learner(requests=6000)
        learner.instants(8, now=1.0)
        learner.hears(reading(6000, 10, 20, 60), now=2.0, sent_at=1.0)
        # The last of those went at 1.07; the two that are left are spread from there.
        assert learner.instants(2, now=2.0) == [11.07, 21.07]

    def test_an_old_word_says_nothing_of_it(self) -> None:
        learner = Learner(requests=60)
        learner.hears(reading(60, 0, 20, 60), now=10.0, sent_at=5.0)
        assert learner.instants(1, now=10.0) == [10.0]
        learner.hears(reading(60, 0, 20, 60), now=10.0, sent_at=7.0)
        assert learner.instants(1, now=10.0) == [30.0]

    def test_a_bucket_goes_on_filling(self) -> None:
        learner = Learner(requests=60, burst=1.0)
        learner.hears(reading(60, 3, 57, 60, refills=True))
        assert learner.instants(5) == [0.0, 0.0, 0.0, 1.0, 2.0]

    def test_tokens(self) -> None:
        learner = Learner(cost=len)
        learner.hears(reading(6000, 100, 20, 60, counts="input_tokens"), reading(60, 60, 60, 60))
        assert learner.instants(3, demand=Demand(1.0, 50.0)) == [0.0, 10.0, 20.0]


class TestA429WithoutNumbers:
    @pytest.mark.parametrize(
        ("said", "sent_at", "quota"),
        [
            ([], 10.0, 35.0),
            ([reading(100, 0, 20, 60)], 10.0, 100.0),
            ([reading(100, 0, 20, 60), reading(9000, 8000, 3000, 3600)], 10.0, 100.0),
            ([reading(100, 1, 20, 60)], 10.0, 35.0),
            ([reading(100, 0, None, 60)], 10.0, 35.0),
            ([reading(100, None, 20, 60)], 10.0, 35.0),
            ([reading(100, 0, 20, 60)], 5.0, 35.0),
        ],
    )
    def test_is_one_that_does_not_say_how_long_to_wait(
        self, said: list[QuotaReading], sent_at: float, quota: float
    ) -> None:
        learner = Learner(requests=100)
        for _ in range(50):
            learner.hears()
        learner.hears(*said, now=10.0, sent_at=sent_at, status=429)
        assert learner.meter.quota("requests") == pytest.approx(quota)

    def test_the_rate_is_a_part_of_what_was_taken(self) -> None:
        learner = Learner()
        for _ in range(100):
            learner.hears()
        learner.hears(now=1.0, status=429)
        assert learner.meter.quota("requests") == pytest.approx(70.0)

    def test_what_was_sent_before_says_nothing_new(self) -> None:
        learner = Learner(requests=100)
        for _ in range(50):
            learner.hears()
        for sent_at in (0.5, 0.6, 1.0):
            learner.hears(now=1.0, sent_at=sent_at, status=429)
        assert learner.meter.quota("requests") == pytest.approx(35.0)
        assert learner.instants(1, now=1.0) == [1.0]

    @pytest.mark.parametrize(("taken", "quota"), [(50, 40.94), (30, 21.0)])
    def test_the_second_takes_off_less_where_it_comes_near_the_first(self, taken: int, quota: float) -> None:
        learner = Learner(requests=100)
        for now, number in ((0.0, 50), (100.0, taken)):
            for _ in range(number):
                learner.hears(now=now)
            learner.hears(now=now + 1.0, status=429)
        assert learner.meter.quota("requests") == pytest.approx(quota, abs=0.01)

    def test_no_more_was_taken_than_the_quota(self) -> None:
        learner = Learner()
        learner.hears(reading(20, None, None, 30))
        for _ in range(50):
            learner.hears()
        learner.hears(now=1.0, status=429)
        assert learner.quota == (pytest.approx(28.0), 60.0)

    @pytest.mark.parametrize(("taken", "quota", "next_at"), [(0, math.inf, 4.0), (9, math.inf, 4.0), (10, 7.0, 1.0)])
    def test_few_that_were_taken_say_nothing_of_it(self, taken: int, quota: float, next_at: float) -> None:
        learner = Learner()
        for _ in range(taken):
            learner.hears()
        learner.hears(now=1.0, status=429)
        assert learner.meter.ready_at(1.0, ONE) == next_at
        assert learner.quota == (pytest.approx(quota), 60.0)

    @pytest.mark.parametrize(("now", "quota"), [(59.9, 2.1), (60.0, math.inf)])
    def test_unless_another_was_refused_of_late(self, now: float, quota: float) -> None:
        learner = Learner()
        learner.hears(status=429)
        for _ in range(3):
            learner.hears(now=50.0)
        learner.hears(now=now, status=429)
        assert learner.quota == (pytest.approx(quota), 60.0)

    def test_the_rate_is_never_below_one_request(self) -> None:
        learner = Learner()
        for now in (1.0, 2.0):
            learner.hears(now=now, status=429)
        assert learner.quota == (1.0, 60.0)

    def test_a_window_that_is_used_up_is_waited_out(self) -> None:
        learner = Learner(requests=100)
        for _ in range(50):
            learner.hears()
        learner.hears(now=1.0, status=429)
        learner.hears(now=2.0, status=429)
        assert learner.meter.quota("requests") == pytest.approx(35.0)
        assert learner.instants(1, now=2.0) == [5.0]

    def test_it_climbs_again(self) -> None:
        learner = Learner(requests=100)
        for _ in range(50):
            learner.hears()
        learner.hears(now=0.0, status=429)
        quotas: list[float] = []
        for minute in range(11):
            learner.hears(now=60.0 * minute)
            quotas.append(round(learner.meter.quota("requests") or 0.0, 2))
        assert quotas == [35.0, 42.32, 46.76, 49.04, 49.88, 50.0, 50.12, 50.96, 53.24, 57.68, 65.0]

    def test_but_not_above_the_rate_that_was_given(self) -> None:
        learner = Learner(requests=52)
        for _ in range(50):
            learner.hears()
        learner.hears(now=0.0, status=429)
        learner.hears(now=3000.0)
        assert learner.meter.quota("requests") == 52.0

    def test_nor_above_the_one_that_was_told(self) -> None:
        learner = Learner(cost=len)
        learner.hears(reading(60, None, None, 30), reading(10, None, None, 60, counts="tokens"))
        for _ in range(50):
            learner.hears()
        learner.hears(now=0.0, status=429)
        learner.hears(now=3000.0)
        assert learner.quota == (120.0, 60.0)


class Server(Protocol):
    def admits(self, now: float) -> tuple[bool, QuotaReading]: ...


class FixedWindow:
    """Counts anew at every full minute, and does not say how long its windows are."""

    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._window = -1.0
        self._spent = 0

    def admits(self, now: float) -> tuple[bool, QuotaReading]:
        window, within = divmod(now + 17.0, PER)
        if window != self._window:
            self._window, self._spent = window, 0
        admitted = self._spent < self._quota
        self._spent += admitted
        return admitted, reading(self._quota, self._quota - self._spent, PER - within)


class SlidingLog:
    """Knows the instant of each request of the last minute."""

    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._log: deque[float] = deque()

    def admits(self, now: float) -> tuple[bool, QuotaReading]:
        while self._log and self._log[0] <= now - PER:
            self._log.popleft()
        admitted = len(self._log) < self._quota
        if admitted:
            self._log.append(now)
        return admitted, reading(self._quota, self._quota - len(self._log), self._log[0] + PER - now, PER)


class TokenBucket:
    """Filled all the time, up to a tenth of the quota."""

    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._capacity = self._level = quota / 10
        self._filled = 0.0

    def admits(self, now: float) -> tuple[bool, QuotaReading]:
        rate = self._quota / PER
        self._level = min(self._capacity, self._level + (now - self._filled) * rate)
        self._filled = now
        admitted = self._level >= 1.0
        self._level -= admitted
        full_in = (self._capacity - self._level) / rate
        return admitted, reading(self._quota, int(self._level), full_in, PER, refills=True)


class Hour(NamedTuple):
    """Of attempts and of the quota."""

    refused: float
    used: float


def hour_of(server: Server, quota: int, *, tells: bool, seed: int, given: float | None = None) -> Hour:
    """An hour after the first two windows. Up to 50 requests under way, each up to 0.25 s there and back."""
    chance = random.Random(seed)
    learner = Learner(requests=given, share=0.97, burst=0.01)
    start, end = 2 * PER, 2 * PER + 3600.0
    now, number, under_way, sent, admitted = 0.0, 0, 0, 0, 0
    events: list[tuple[float, int, Any]] = []
    while now < end:
        ready = learner.meter.ready_at(now, ONE) if under_way < 50 else end
        number += 1
        if not events or events[0][0] > ready:
            now = max(now, ready)
            learner.meter.take(now, ONE)
            under_way += 1
            heapq.heappush(events, (now + chance.random() * 0.25, number, (now, None)))
            continue
        now, _, (sent_at, answer) = heapq.heappop(events)
        if answer is None:
            answer = server.admits(now)
            sent += now >= start
            admitted += now >= start and answer[0]
            heapq.heappush(events, (now + chance.random() * 0.25, number, (sent_at, answer)))
        else:
            under_way -= 1
            learner.hears(*[answer[1]] * tells, now=now, sent_at=sent_at, status=200 if answer[0] else 429)
    return Hour(1 - admitted / sent, admitted / (quota * 60))


@pytest.mark.parametrize("server", [FixedWindow, SlidingLog, TokenBucket])
class TestAgainstStrictServers:
    @pytest.mark.parametrize(("quota", "given", "seed"), [(60, None, 1), (300, None, 2), (300, 600.0, 3)])
    def test_that_tell(
        self, server: type[FixedWindow | SlidingLog | TokenBucket], quota: int, given: float | None, seed: int
    ) -> None:
        hour = hour_of(server(quota), quota, tells=True, seed=seed, given=given)
        assert hour.refused <= 0.001
        assert hour.used >= 0.95

    def test_that_do_not(self, server: type[FixedWindow | SlidingLog | TokenBucket]) -> None:
        """The only way to know the limit is to touch it now and then."""
        hour = hour_of(server(300), 300, tells=False, seed=1)
        assert hour.refused <= 0.001
        assert hour.used >= 0.65
