"""The delay before a second copy: fixed, or learned from answers whose times are known exactly."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from trioclient._policy.hedge import Hedge, HedgeDelay

CLASS = 2 ** (1 / 16)
"""The ratio of a class's ends."""


def learned(*seconds: float, **options: Any) -> HedgeDelay:
    delay = HedgeDelay(Hedge(**options))
    for taken in seconds:
        delay.record(taken)
    return delay


def known(delay: HedgeDelay) -> float:
    seconds = delay.delay()
    assert seconds is not None
    return seconds


class TestOptions:
    def test_defaults(self) -> None:
        assert Hedge() == Hedge(after=None, percentile=0.95, least=20, at_most=None)

    @pytest.mark.parametrize(
        ("field", "value", "error", "message"),
        [
            ("after", -1, ValueError, "hedge.after must be 0 seconds or more, not -1"),
            ("after", "1", TypeError, "hedge.after must be a number of seconds or None, not '1'"),
            ("at_most", -1, ValueError, "hedge.at_most must be 0 seconds or more, not -1"),
            ("percentile", 95, ValueError, "hedge.percentile must lie between 0 and 1, not 95"),
            ("least", 0, ValueError, "hedge.least must be 1 or more, not 0"),
            ("least", 2.5, TypeError, "hedge.least must be an int, not 2.5"),
        ],
    )
    def test_bad_ones_are_named(self, field: str, value: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error) as caught:
            Hedge(**{field: value})
        assert str(caught.value) == message

    def test_whole_seconds_will_do(self) -> None:
        hedge = Hedge(after=1, at_most=2, least=1)
        assert (type(hedge.after), type(hedge.at_most)) == (float, float)
        assert hash(hedge) == hash(Hedge(after=1.0, at_most=2.0, least=1))


@pytest.mark.parametrize("least", [1, 2, 20])
def test_there_is_none_before_enough_answers_have_come(least: int) -> None:
    delay = learned(*[1.0] * (least - 1), least=least)
    assert delay.delay() is None
    delay.record(1.0)
    assert delay.delay() == pytest.approx(CLASS, rel=1e-12)


@pytest.mark.parametrize("octave", [-20, -10, -1, 0, 1, 10, 13])
@pytest.mark.parametrize("sixteenth", [0, 1, 8, 15])
def test_it_is_rounded_up_to_a_sixteenth_of_an_octave(octave: int, sixteenth: int) -> None:
    inside = 2.0**octave * 2 ** ((sixteenth + 0.5) / 16)
    delay = known(learned(inside, least=1))
    assert delay == pytest.approx(2.0**octave * 2 ** ((sixteenth + 1) / 16), rel=1e-12)
    assert inside < delay < inside * 1.045


@pytest.mark.parametrize(
    ("seconds", "delay"),
    [
        (0.0, 2**-20 * CLASS),
        (-1.0, 2**-20 * CLASS),
        (1e-300, 2**-20 * CLASS),
        (2**-20.5, 2**-20 * CLASS),
        (2**-20, 2**-20 * CLASS),
        (2**13.99, 2.0**14),
        (2**14.5, 2.0**14),
        (1e300, 2.0**14),
    ],
)
def test_its_range(seconds: float, delay: float) -> None:
    assert known(learned(seconds, least=1)) == pytest.approx(delay, rel=1e-12)


@pytest.mark.parametrize(("at_most", "delay"), [(0.5, 0.5), (1.0, 1.0), (1.04, 1.04), (1.05, CLASS), (None, CLASS)])
def test_it_is_bounded(at_most: float | None, delay: float) -> None:
    assert known(learned(1.0, least=1, at_most=at_most)) == pytest.approx(delay, rel=1e-12)


@pytest.mark.parametrize(("percentile", "rank"), [(0.975, 19), (0.925, 18), (0.875, 17), (0.525, 10), (0.025, 0)])
def test_it_is_the_percentile(percentile: float, rank: int) -> None:
    times = [2.0 ** (number / 2) for number in range(20)]
    random.Random(1).shuffle(times)
    delay = known(learned(*times, percentile=percentile))
    assert delay == pytest.approx(2.0 ** (rank / 2) * CLASS, rel=1e-12)


def test_a_percentile_below_every_answer() -> None:
    assert known(learned(1.0, least=1, percentile=1e-300)) == pytest.approx(2**-20 * CLASS, rel=1e-12)


def test_a_delay_stays_good_for_eight_answers() -> None:
    delay = learned(*[1.0] * 20)
    before = known(delay)
    for _ in range(7):
        delay.record(100.0)
        assert delay.delay() == before
    delay.record(100.0)
    assert known(delay) > 100.0


DISTRIBUTIONS: dict[str, Callable[[random.Random], float]] = {
    "exponential": lambda chance: chance.expovariate(5.0),
    "log-normal": lambda chance: chance.lognormvariate(-1.0, 1.0),
    "a slow tenth": lambda chance: chance.uniform(1, 9) if chance.random() < 0.1 else chance.uniform(0.1, 0.2),
}


@pytest.mark.parametrize("percentile", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_share_of_calls_that_outlast_it(name: str, percentile: float) -> None:
    draw, chance = DISTRIBUTIONS[name], random.Random(7)
    delay = HedgeDelay(Hedge(percentile=percentile))
    calls = outlasted = 0
    for _ in range(10_000):
        seconds, after = draw(chance), delay.delay()
        if after is not None:
            calls += 1
            outlasted += seconds > after
        delay.record(seconds)
    assert outlasted / calls == pytest.approx(1 - percentile, rel=0.15)


def test_how_far_that_share_strays() -> None:
    delay, chance = HedgeDelay(Hedge()), random.Random(8)
    shares: list[float] = []
    for number in range(10_000):
        delay.record(chance.expovariate(1.0))
        if number > 1000:
            shares.append(math.exp(-known(delay)))
    assert sum(0.02 <= share <= 0.08 for share in shares) / len(shares) >= 0.95


def test_second_copies_that_win_do_not_bend_it() -> None:
    # What is told of is the call: as long as the first copy took, or the delay and the second one.
    bare, hedged, chance = HedgeDelay(Hedge()), HedgeDelay(Hedge()), random.Random(9)
    for _ in range(10_000):
        first, second = chance.expovariate(1.0), chance.expovariate(1.0)
        after = hedged.delay()
        hedged.record(first if after is None else min(first, after + second))
        bare.record(first)
    assert known(hedged) == pytest.approx(known(bare), rel=0.1)


@pytest.mark.parametrize(("factor", "within"), [(2.0, 24), (10.0, 24), (0.5, 600), (0.1, 600)])
def test_it_follows_a_change(factor: float, within: int) -> None:
    delay, chance = HedgeDelay(Hedge()), random.Random(10)
    for _ in range(3000):
        delay.record(chance.uniform(0.9, 1.1))
    assert 1.0 < known(delay) < 1.2
    for _ in range(within):
        delay.record(factor * chance.uniform(0.9, 1.1))
    assert factor < known(delay) < 1.2 * factor


def test_an_answer_counts_half_as_much_after_128_more() -> None:
    # Three half-lives weigh 1, 2 and 4.
    times = [8.0] * 128 + [1.0] * 256
    assert known(learned(*times, percentile=1 - 1 / 7 - 0.001)) == pytest.approx(CLASS, rel=1e-9)
    assert known(learned(*times, percentile=1 - 1 / 7 + 0.001)) == pytest.approx(8 * CLASS, rel=1e-9)


def test_it_may_go_on_for_ever() -> None:
    # 2.0 ** 1024 would overflow.
    delay = learned(*[2.0] * (1024 * 128), *[1.0] * 1280)
    assert known(delay) == pytest.approx(CLASS, rel=1e-9)


@pytest.mark.parametrize("before", [4095, 4096, 4097])
def test_the_counts_are_written_down_without_a_trace(before: int) -> None:
    # The last 128 answers weigh 1/2 of all, those before them 1/4, and so on.
    times = [2.0] * (before - 128) + [8.0] * 128 + [1.0] * 256
    assert known(learned(*times, percentile=1 - 1 / 8 + 0.001)) == pytest.approx(8 * CLASS, rel=1e-9)
    assert known(learned(*times, percentile=1 - 1 / 8 - 0.001)) == pytest.approx(2 * CLASS, rel=1e-9)
    assert known(learned(*times, percentile=1 - 1 / 4 + 0.001)) == pytest.approx(2 * CLASS, rel=1e-9)
    assert known(learned(*times, percentile=1 - 1 / 4 - 0.001)) == pytest.approx(CLASS, rel=1e-9)
