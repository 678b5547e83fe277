"""The adaptive limit against simulated servers, and against chance. Every seed is fixed."""

from __future__ import annotations

import heapq
import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._policy.concurrency import AdaptiveConcurrency, ConcurrencyLimit


class Simulation:
    """A server that works on so many requests at once and turns the others away, and its callers.

    A caller that got an answer makes its next call at once; one that was turned away rests for
    a while. There is no more to it than a queue of events.
    """

    def __init__(self, *, capacity: float, callers: int, turned_away_after: float, ceiling: float = 10_000) -> None:
        self.capacity = capacity
        self.turned_away_after = turned_away_after
        self.limit = ConcurrencyLimit(AdaptiveConcurrency(), ceiling)
        self.now = 0.0
        self.lowest, self.highest = math.inf, 0.0
        self.served = self.turned_away = 0
        self._callers = callers
        self._in_flight = self._at_work = 0
        self._events: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        self._chance = random.Random(5)

    def run(self, seconds: float) -> None:
        """Go on for so long, and count anew."""
        until = self.now + seconds
        self.served = self.turned_away = 0
        self.lowest, self.highest = math.inf, 0.0
        self._send()
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            if event != "rested":
                self._end(event)
            self._callers += event != "turned away"
            self._send()
        self.now = until

    def _send(self) -> None:
        while self._callers and self._in_flight + 1 <= self.limit.limit:
            self._callers -= 1
            self._in_flight += 1
            if self._at_work < self.capacity:
                self._at_work += 1
                self._later(self._chance.expovariate(1.0), "served")
            else:
                self._later(self.turned_away_after * self._chance.uniform(0.5, 1.5), "turned away")

    def _end(self, event: str) -> None:
        self.limit.record(event == "turned away", self.now, self._in_flight)
        self._in_flight -= 1
        if event == "served":
            self.served += 1
            self._at_work -= 1
        else:
            self.turned_away += 1
            self._later(self._chance.uniform(0.25, 0.5), "rested")
        self.lowest = min(self.lowest, self.limit.limit)
        self.highest = max(self.highest, self.limit.limit)

    def _later(self, seconds: float, event: str) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), event))


@pytest.mark.parametrize("turned_away_after", [0.02, 0.1, 1.0])
@pytest.mark.parametrize(("capacity", "callers"), [(50, 100), (100, 1000), (300, 600)])
def test_it_settles_where_the_server_can_take_it(capacity: int, callers: int, turned_away_after: float) -> None:
    simulation = Simulation(capacity=capacity, callers=callers, turned_away_after=turned_away_after)
    simulation.run(15)
    simulation.run(60)
    assert 0.6 * capacity <= simulation.lowest
    assert simulation.highest <= 1.2 * capacity
    assert simulation.served >= 0.85 * capacity * 60
    assert simulation.turned_away <= 0.1 * simulation.served


def test_it_follows_a_server_that_loses_half_of_its_capacity_and_gets_it_back() -> None:
    simulation = Simulation(capacity=200, callers=500, turned_away_after=0.1)
    simulation.run(15)
    simulation.capacity = 100
    simulation.run(15)
    simulation.run(30)
    assert 60 <= simulation.lowest <= simulation.highest <= 120
    simulation.capacity = 200
    simulation.run(25)
    simulation.run(30)
    assert 120 <= simulation.lowest <= simulation.highest <= 240
    assert simulation.served >= 0.87 * 200 * 30


def test_an_outage_and_what_comes_after() -> None:
    simulation = Simulation(capacity=math.inf, callers=1000, turned_away_after=0.1, ceiling=1000)
    simulation.run(10)
    assert simulation.limit.limit == math.inf
    simulation.capacity = 0
    simulation.run(30)
    # At rest a thousand callers are served a thousand times in a second.
    assert simulation.limit.limit == 4
    assert simulation.turned_away < 6000
    simulation.capacity = math.inf
    simulation.run(40)
    assert simulation.limit.limit == math.inf


def test_after_an_outage_it_takes_so_many_rounds_until_nothing_is_limited() -> None:
    limit = ConcurrencyLimit(AdaptiveConcurrency(), ceiling=1000)
    failed = 0
    while limit.limit != 4:
        failed += 1
        limit.record(True, 0.0, int(min(limit.limit, 1000)))
    assert failed == 3430
    rounds = served = 0
    while limit.limit != math.inf:
        rounds += 1
        for _ in range(max(10, int(limit.limit))):
            served += 1
            limit.record(False, 1.0, int(min(limit.limit, 1000)))
    # In the first of them some go unheard, which were sent before the last decrease.
    assert (rounds, served) == (33, 4679)


@pytest.mark.parametrize("seed", range(3))
def test_one_failure_in_twenty_is_no_overload(seed: int) -> None:
    limit, chance = ConcurrencyLimit(AdaptiveConcurrency(), 1000), random.Random(seed)
    for number in range(100_000):
        limit.record(chance.random() < 0.05, number / 1000, 100)
    assert limit.limit == math.inf


@pytest.mark.parametrize(("share", "within"), [(0.2, 300), (0.3, 100), (0.5, 50), (1.0, 10)])
def test_one_in_five_is(share: float, within: int) -> None:
    taken: list[int] = []
    for seed in range(50):
        limit, chance = ConcurrencyLimit(AdaptiveConcurrency(), 1000), random.Random(seed)
        number = 0
        while limit.limit == math.inf:
            number += 1
            limit.record(chance.random() < share, number / 1000, 100)
        taken.append(number)
    assert sorted(taken)[45] <= within


ends = st.lists(
    st.tuples(
        st.sampled_from(["x", "xxxxxxxxxxxx", ".", "." * 10, "." * 50, "x.x.x.x.", "." * 200]),
        st.sampled_from([0.0, 0.0, 0.0, 0.5, 9.0, 10.0, 11.0]),
        st.integers(1, 60),
    ),
    max_size=60,
)


@given(ends=ends, ceiling=st.sampled_from([10, 60, math.inf]))
def test_whatever_happens(ends: list[tuple[str, float, int]], ceiling: float) -> None:
    options = AdaptiveConcurrency()
    heard_all, heard_what_matters = ConcurrencyLimit(options, ceiling), ConcurrencyLimit(options, ceiling)
    now = 0.0
    for verdicts, pause, callers in ends:
        now += pause
        for verdict in verdicts:
            before = heard_all.limit
            in_flight = int(min(callers, before))
            heard_all.record(verdict == "x", now, in_flight)
            if verdict == "x" or not heard_what_matters.at_rest:
                heard_what_matters.record(verdict == "x", now, in_flight)
            limit = heard_all.limit
            assert heard_what_matters.limit == limit
            assert heard_what_matters.at_rest is heard_all.at_rest
            assert limit == math.inf or limit == int(limit) >= options.floor
            if limit < before:
                assert verdict == "x"
                assert limit <= max(options.floor, options.decrease * min(before, 60))
            elif limit > before:
                assert limit <= before + max(60, before) // 4 or limit == math.inf
            assert limit == math.inf or limit < max(ceiling, 60)
