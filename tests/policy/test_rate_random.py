"""What a rate promises, for any demands at any times: the sums in any window."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trioclient._policy.pace import Pace, Slot
from trioclient._policy.rate import NOTHING, Booking, Demand, Rate, RateMeter

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


class RateMachine(RuleBasedStateMachine):
    """A meter beside a list of all that went, with what each is thought, or known, to have used."""

    QUOTAS = Demand(12.0, 300.0)

    def __init__(self) -> None:
        super().__init__()
        self.meter = RateMeter(Rate(requests=12, tokens=300, per=PER, cost=len))
        self.now = 0.0
        self.held_until = 0.0
        self.gone: list[tuple[float, Demand]] = []
        self.under_way: dict[int, Booking] = {}

    @rule(seconds=st.one_of(st.floats(0.0, 2.0), st.floats(0.0, 100.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(tokens=st.floats(0.0, 300.0))
    def goes_when_it_may(self, tokens: float) -> None:
        demand = Demand(1.0, tokens)
        ready_at = self.meter.ready_at(self.now, demand)
        assert ready_at >= max(self.now, self.held_until)
        assert ready_at <= max(self.now, self.held_until) + 2 * PER
        self.now = ready_at
        assert self.meter.ready_at(self.now, demand) == self.now
        self.under_way[len(self.gone)] = self.meter.take(self.now, demand)
        self.gone.append((self.now, demand))

    @rule(tokens=st.floats(0.0, 300.0))
    def goes_only_if_it_may_now(self, tokens: float) -> None:
        demand = Demand(1.0, tokens)
        if self.meter.ready_at(self.now, demand) <= self.now:
            self.goes_when_it_may(tokens)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), part=st.floats(0.0, 1.0))
    def turns_out_smaller(self, data: st.DataObject, part: float) -> None:
        index = data.draw(st.sampled_from(sorted(self.under_way)))
        at, demand = self.gone[index]
        real = Demand(1.0, demand.tokens * part)
        self.meter.settle(self.now, self.under_way.pop(index), real)
        self.gone[index] = (at, real)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def was_not_sent_after_all(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.under_way)))
        self.meter.settle(self.now, self.under_way.pop(index), NOTHING)
        self.gone[index] = (self.gone[index][0], NOTHING)

    @rule(seconds=st.floats(0.0, 30.0))
    def is_asked_to_wait(self, seconds: float) -> None:
        self.held_until = max(self.held_until, self.now + seconds)
        for dimension in ("requests", "tokens"):
            pace = self.meter.pace(dimension)
            assert pace is not None
            pace.hold(self.now + seconds)

    @invariant()
    def no_window_has_more_than_the_quotas(self) -> None:
        for quota, units in zip(self.QUOTAS, zip(*(demand for _, demand in self.gone), strict=True), strict=False):
            gone = [Gone(at, each) for (at, _), each in zip(self.gone, units, strict=True)]
            assert most_in_a_window(gone, PER) <= quota * (1.0 + 1e-6)

    @invariant()
    def what_is_left_is_what_the_window_has_not_had(self) -> None:
        left = self.meter.left("requests", self.now)
        assert left is not None
        assert 0.0 <= left <= self.QUOTAS.requests


TestRateMachine = RateMachine.TestCase
TestRateMachine.settings = settings(max_examples=settings.default.max_examples // 2, stateful_step_count=60)
