"""What a rate promises, for any demands at any times: the sums in any window."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from trioclient._policy.pace import Pace, Slot
from trioclient._policy.rate import Demand, Rate, RateMeter

PER = 60.0


class Gone(NamedTuple):
    """A demand that went, and what it really used."""

    at: float
    units: float


def most_in_a_window(gone: list[Gone], per: float) -> float:
    """The largest sum in any half-open window; one that begins with a demand is as large as any."""
    return max(
        (sum(later.units for later in gone if first.at <= later.at < first.at + per) for first in gone), default=0.0
    )


def run(pace: Pace, demands: list[tuple[float, float]], now: float = 0.0) -> list[Gone]:
    """Each waits a while and then goes as soon as it may: `(pause, units)`."""
    gone: list[Gone] = []
    for pause, units in demands:
        now += pause
        ready = pace.ready_at(now, units, 0.0)
        assert ready >= now
        now = ready
        assert pace.ready_at(now, units, 0.0) == now, "what may go at an instant may go then"
        pace.take(now, units)
        gone.append(Gone(now, units))
    return gone


pauses = st.one_of(st.just(0.0), st.floats(0.0, 0.5), st.floats(0.0, 200.0))
shares = st.floats(0.2, 1.0)


@given(
    st.floats(1.0, 1000.0), shares, st.floats(0.0, 1.0), st.lists(st.tuples(pauses, st.floats(0.0, 1.0)), max_size=80)
)
def test_no_window_gets_more_than_the_quota(
    quota: float, share: float, burst: float, parts: list[tuple[float, float]]
) -> None:
    demands = [(pause, part * quota) for pause, part in parts]
    gone = run(Pace(quota, per=PER, burst=burst, share=share), demands)
    largest = max((units for _, units in demands), default=0.0)
    strict = share * (1.0 + burst) <= 1.0
    bound = quota if strict else quota * share + max(quota * share * burst, largest)
    assert most_in_a_window(gone, PER) <= bound * (1.0 + 1e-6)


@given(st.integers(1, 60), shares, st.lists(pauses, min_size=1, max_size=120))
def test_no_window_gets_more_requests_than_the_quota(quota: int, share: float, pauses: list[float]) -> None:
    gone = run(Pace(float(quota), per=PER, burst=0.01, share=min(share, 0.99)), [(pause, 1.0) for pause in pauses])
    assert most_in_a_window(gone, PER) <= quota


@given(st.integers(1, 400), shares, st.floats(0.0, 1.0), st.sampled_from([0.5, 1.0, 60.0, 86_400.0]))
def test_the_pace_is_kept_up(quota: int, share: float, burst: float, per: float) -> None:
    """Requests that are always there get all of the quota's share, in the long run."""
    pace = Pace(float(quota), per=per, burst=burst, share=share)
    gone = run(pace, [(0.0, 1.0)] * (3 * quota + 1))
    seconds = gone[-1].at - gone[0].at
    assert 3 * quota / seconds >= 0.98 * quota * share / per if seconds else burst


@given(
    st.floats(10.0, 1000.0),
    st.lists(st.tuples(pauses, st.floats(0.0, 1.0), st.floats(0.0, 2.0), st.floats(0.0, 90.0)), max_size=60),
)
@settings(max_examples=200)
def test_the_same_of_what_was_really_used(quota: float, calls: list[tuple[float, float, float, float]]) -> None:
    """Each takes an estimate and is settled later: what turns out smaller makes room, and not too much."""
    pace = Pace(quota, per=PER, burst=0.01, share=0.97)
    now = 0.0
    gone: list[Gone] = []
    under_way: list[tuple[float, int, Slot, float]] = []
    for pause, part, turns_out, takes in calls:
        units = part * quota
        now += pause
        while True:
            ready = pace.ready_at(now, units, 0.0)
            ended = min(under_way, default=None)
            if ended is None or ended[0] > ready:
                break
            under_way.remove(ended)
            now = max(now, ended[0])
            _, index, slot, real = ended
            # More than was thought was not foreseen, so it is not promised.
            pace.correct(now, slot, real - gone[index].units)
            gone[index] = gone[index]._replace(units=min(real, gone[index].units))
        now = max(now, ready)
        under_way.append((now + takes, len(gone), pace.take(now, units), units * turns_out))
        gone.append(Gone(now, units))
    # What is under way counts as estimated, though it may turn out smaller yet.
    assert most_in_a_window(gone, PER) <= quota * (1.0 + 1e-6)


@given(st.lists(st.tuples(pauses, st.floats(0.0, 500.0)), max_size=60))
def test_both_quotas_hold_at_once(calls: list[tuple[float, float]]) -> None:
    meter = RateMeter(Rate(requests=20, tokens=500, cost=len))
    now = 0.0
    gone: list[tuple[float, Demand]] = []
    for pause, tokens in calls:
        demand = Demand(1.0, tokens)
        now = meter.ready_at(now + pause, demand)
        meter.take(now, demand)
        gone.append((now, demand))
    assert most_in_a_window([Gone(at, demand.requests) for at, demand in gone], PER) <= 20
    assert most_in_a_window([Gone(at, demand.tokens) for at, demand in gone], PER) <= 500 * (1.0 + 1e-6)
