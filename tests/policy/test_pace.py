"""One quota: how soon units go, how many at once, and what a correction changes."""

from __future__ import annotations

import itertools
import random
from collections import deque

import pytest

from trioclient._policy.pace import Pace, Slot, SpentWindow


def pace(quota: float = 100.0, *, per: float = 100.0, burst: float = 0.0, share: float = 1.0) -> Pace:
    return Pace(quota, per=per, burst=burst, share=share)


def instants(pace: Pace, demands: list[float], now: float = 0.0) -> list[float]:
    """When each of them goes, if all are there from `now` on."""
    gone: list[float] = []
    for units in demands:
        now = pace.ready_at(now, units, 0.0)
        pace.take(now, units)
        gone.append(now)
    return gone


@pytest.mark.parametrize(
    ("quota", "per", "share", "expected"),
    [
        (100.0, 100.0, 1.0, [0.0, 1.0, 2.0, 3.0]),
        (100.0, 100.0, 0.5, [0.0, 2.0, 4.0, 6.0]),
        (50.0, 100.0, 1.0, [0.0, 2.0, 4.0, 6.0]),
        (100.0, 1.0, 1.0, [0.0, 0.01, 0.02, 0.03]),
        (1.0, 60.0, 0.5, [0.0, 120.0, 240.0, 360.0]),
    ],
)
def test_units_are_spread_over_the_time(quota: float, per: float, share: float, expected: list[float]) -> None:
    assert instants(pace(quota, per=per, share=share), [1.0] * 4) == pytest.approx(expected)


def test_a_large_demand_goes_at_once_and_is_paid_for_afterwards() -> None:
    assert instants(pace(), [40.0, 1.0, 10.0, 1.0]) == [0.0, 1.0, 11.0, 12.0]


def test_units_are_there_before_they_are_spent() -> None:
    assert instants(pace(), [1.0, 40.0, 1.0]) == [0.0, 40.0, 41.0]


def test_nothing_costs_nothing() -> None:
    assert instants(pace(), [0.0, 0.0, 40.0, 0.0]) == [0.0] * 4


@pytest.mark.parametrize(("burst", "at_once"), [(0.0, 1), (0.01, 1), (0.05, 5), (0.5, 50), (1.0, 100)])
def test_the_burst_goes_at_once(burst: float, at_once: int) -> None:
    gone = instants(pace(burst=burst), [1.0] * 120)
    assert gone.count(0.0) == at_once
    assert gone[at_once] == 1.0


def test_a_pause_gives_no_more_than_the_burst() -> None:
    paced = pace(burst=0.05)
    paced.take(0.0, 1.0)
    assert instants(paced, [1.0] * 7, now=1000.0) == [1000.0] * 5 + [1001.0, 1002.0]


class TestTheWindow:
    def test_large_parts_wait_until_it_has_moved_on(self) -> None:
        # At the pace alone 60 would go every 60 s, and 120 in the first 100.
        gone = instants(pace(), [60.0] * 4)
        assert gone == pytest.approx([0.0, 100.0, 200.0, 300.0], abs=0.5)
        assert all(later - earlier >= 100.0 for earlier, later in itertools.pairwise(gone))

    def test_a_burst_beyond_the_quota_does_without(self) -> None:
        assert instants(pace(burst=1.0), [60.0] * 4) == [0.0, 20.0, 80.0, 140.0]

    def test_it_is_longer_by_the_share(self) -> None:
        gone = instants(pace(share=0.8), [60.0] * 3)
        assert gone == pytest.approx([0.0, 125.0, 250.0], abs=1.0)

    def test_as_much_of_it_is_waited_for_as_is_needed(self) -> None:
        window = SpentWindow(256.0, 256.0)
        for instant in (0.0, 10.0, 20.0):
            window.add(instant, 30.0)
        waits = [window.fits_at(80.0, units, 100.0) for units in (10.0, 40.0, 70.0, 100.0)]
        assert waits == [80.0, 256.0, 266.0, 276.0]

    def test_what_goes_in_one_of_its_parts_is_forgotten_with_the_last(self) -> None:
        window = SpentWindow(256.0, 256.0)
        slot = window.add(0.0, 1.0)
        assert window.add(0.5, 1.0) is slot
        assert window.add(1.0, 1.0) is not slot
        assert [window.total(now) for now in (256.0, 256.5, 257.0)] == [3.0, 1.0, 0.0]

    def test_its_memory_is_bounded(self) -> None:
        window = SpentWindow(60.0, 60.0)
        for number in range(20_000):
            window.add(number * 0.01, 1.0)
            window.total(number * 0.01)
        assert len(window._slots) <= 258

    def test_what_went_since(self) -> None:
        window = SpentWindow(256.0, 256.0)
        for instant in (0.0, 10.0, 20.0, 30.0):
            window.add(instant, instant + 1.0)
        assert [window.since(now) for now in (0.0, 10.5, 20.0, 31.0)] == [64.0, 52.0, 52.0, 0.0]


class TestTheQueue:
    def test_it_goes_first(self) -> None:
        paced = pace()
        paced.take(0.0, 1.0)
        assert paced.ready_at(0.0, 1.0, 0.0) == 1.0
        assert paced.ready_at(0.0, 1.0, 30.0) == 31.0
        assert paced.ready_at(25.0, 1.0, 30.0) == 56.0

    def test_at_the_pace(self) -> None:
        paced = pace(50.0)
        assert paced.ready_at(0.0, 1.0, 30.0) == 62.0


class TestCorrection:
    def test_less_than_thought_lets_the_next_go_sooner(self) -> None:
        paced = pace()
        slot = paced.take(0.0, 10.0)
        paced.take(10.0, 30.0)
        paced.correct(15.0, slot, -8.0)
        assert paced.ready_at(15.0, 20.0, 0.0) == 42.0
        assert paced.left(15.0) == 68.0

    def test_what_is_given_back_is_as_if_it_had_not_gone(self) -> None:
        paced = pace(burst=0.05)
        paced.take(0.0, 1.0)
        for _ in range(10):
            paced.correct(0.0, paced.take(0.0, 30.0), -30.0)
        assert instants(paced, [1.0] * 6) == [0.0] * 4 + [1.0, 2.0]

    def test_more_than_thought_lets_it_go_later(self) -> None:
        paced = pace()
        slot = paced.take(0.0, 10.0)
        paced.correct(5.0, slot, 25.0)
        assert paced.ready_at(5.0, 1.0, 0.0) == 26.0
        assert paced.left(5.0) == 65.0
        assert instants(paced, [1.0] * 3, now=60.0) == [60.0, 61.0, 62.0]

    def test_what_was_not_used_is_there_besides_what_the_next_demand_has_waited_for(self) -> None:
        paced = pace()
        paced.take(50.0, 10.0)
        slot = paced.take(50.0, 10.0)
        paced.take(50.0, 10.0)
        # 20 at once is 20 ahead of the pace; 9 s later 11 of it is still to be paid, then 2.
        assert paced.due == 70.0
        paced.correct(69.0, slot, -9.0)
        assert instants(paced, [5.0, 3.0, 1.0, 1.0], now=69.0) == [69.0, 69.0, 70.0, 71.0]

    def test_it_is_there_besides_the_burst_and_once(self) -> None:
        paced = pace(burst=0.05)
        paced.correct(10.0, paced.take(0.0, 50.0), -49.0)
        assert instants(paced, [1.0] * 30, now=10.0) == [10.0] * 30
        assert instants(paced, [1.0] * 26, now=100.0) == [100.0] * 24 + [101.0, 102.0]

    def test_what_was_not_used_is_not_saved_up_for_longer_than_the_window(self) -> None:
        paced = pace(burst=0.02)
        slot = paced.take(0.0, 50.0)
        paced.correct(10.0, slot, -49.0)
        assert instants(paced, [1.0] * 4, now=120.0) == [120.0, 120.0, 121.0, 122.0]

    def test_it_makes_room_in_the_window(self) -> None:
        paced = pace()
        slot = paced.take(0.0, 60.0)
        assert paced.ready_at(70.0, 60.0, 0.0) == 100.0
        paced.correct(70.0, slot, -20.0)
        assert paced.ready_at(70.0, 60.0, 0.0) == 70.0

    def test_a_late_one_changes_nothing(self) -> None:
        paced = pace()
        slot = paced.take(0.0, 10.0)
        assert paced.left(100.0) == 100.0
        paced.correct(100.0, slot, -5.0)
        assert paced.left(100.0) == 100.0
        paced.correct(150.0, slot, 30.0)
        assert paced.left(150.0) == 100.0
        assert paced.ready_at(150.0, 1.0, 0.0) == 150.0

    @pytest.mark.parametrize(("burst", "used"), [(0.0, 0.75), (1.0, 1.0)])
    def test_too_large_estimates(self, burst: float, used: float) -> None:
        # Each is thought to be 40 and turns out to be 15, a fifth of the window later. The window
        # holds (20 * 40 + 80 * 15) a second of it, twice the quota at the pace of the estimates;
        # the pace alone would have what is used at the quota.
        paced, now, real = pace(1000.0, burst=burst), 0.0, 0.0
        under_way: deque[tuple[float, Slot]] = deque()
        while now < 2000.0:
            ready = paced.ready_at(now, 40.0, 0.0)
            if under_way and under_way[0][0] <= ready:
                now, slot = under_way.popleft()
                paced.correct(now, slot, -25.0)
            else:
                now = ready
                under_way.append((now + 20.0, paced.take(now, 40.0)))
                real += 15.0 * (now >= 1000.0)
        assert real == pytest.approx(10_000.0 * used, rel=0.02)


class TestWhatAServerHasSaid:
    def test_another_quota(self) -> None:
        paced = pace(burst=0.04)
        paced.take(0.0, 20.0)
        paced.retune(25.0, 50.0)
        assert (paced.quota, paced.per, paced.unit_seconds) == (25.0, 50.0, 2.0)
        assert [paced.left(now) for now in (49.0, 50.0)] == [5.0, 25.0]
        assert instants(paced, [1.0] * 3, now=60.0) == [60.0, 62.0, 64.0]

    def test_a_pause(self) -> None:
        paced = pace()
        paced.hold(7.0)
        paced.hold(5.0)  # does not shorten the other
        assert paced.ready_at(0.0, 1.0, 30.0) == 38.0
        assert instants(paced, [1.0] * 3) == [7.0, 8.0, 9.0]

    def test_a_slower_pace_until_then(self) -> None:
        paced = pace()
        paced.take(0.0, 1.0)
        paced.slow_down(20.0, 50.0)
        paced.slow_down(10.0, 30.0)  # the newest counts
        assert instants(paced, [2.0, 1.0, 1.0, 1.0]) == [20.0, 30.0, 31.0, 32.0]

    def test_without_a_burst_until_then(self) -> None:
        paced = pace(burst=0.05)
        paced.slow_down(10.0, 30.0)
        assert instants(paced, [1.0] * 3) == [0.0, 10.0, 20.0]
        assert instants(paced, [1.0] * 7, now=30.0) == [30.0] * 5 + [31.0, 32.0]

    def test_not_a_faster_one(self) -> None:
        paced = pace()
        paced.slow_down(0.1, 50.0)
        assert instants(paced, [1.0] * 3) == [0.0, 1.0, 2.0]

    def test_so_many_at_once(self) -> None:
        paced = pace(50.0, burst=1.0)
        paced.lower(0.0, 3.0)
        paced.lower(0.0, 30.0)  # gives nothing back
        assert instants(paced, [1.0] * 5) == [0.0, 0.0, 0.0, 2.0, 4.0]

    def test_what_went_since(self) -> None:
        paced = pace()
        for instant in (0.0, 10.0, 20.0):
            paced.take(instant, instant + 1.0)
        assert [paced.since(instant) for instant in (0.0, 5.0, 20.0, 21.0)] == [33.0, 32.0, 21.0, 0.0]


def test_what_is_left() -> None:
    paced = pace()
    assert paced.left(0.0) == 100.0
    paced.take(0.0, 30.0)
    paced.take(50.0, 20.0)
    assert [paced.left(now) for now in (50.0, 99.0, 100.0, 150.0)] == [50.0, 50.0, 80.0, 100.0]
    paced.take(150.0, 500.0)
    assert paced.left(150.0) == 0.0


def test_sums_of_floats_end_where_they_began() -> None:
    chance, paced = random.Random(1), pace(1.0, per=1.0)
    now = 0.0
    for _ in range(2000):
        units = chance.random() * 0.1
        now = paced.ready_at(now, units, 0.0)
        paced.take(now, units)
    assert paced.left(now + 10.0) == 1.0
