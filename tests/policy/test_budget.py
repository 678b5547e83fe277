"""The retry budget: its rules as tables with exact sums, and what comes of them for a crowd of calls."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from trioclient._policy.budget import BudgetMeter, RetryBudget
from trioclient._policy.retry import RetryPolicy

NUMBERS = ["capacity", "transient_cost", "throttle_cost", "refill", "in_flight_share"]


def meter(**options: float) -> BudgetMeter:
    return BudgetMeter(RetryBudget(**options))


def spent_meter(spent: float, **options: float) -> BudgetMeter:
    one = meter(**options)
    one.spent = spent
    return one


class TestOptions:
    def test_they_are_named_and_stay_as_they_are(self) -> None:
        make: Any = RetryBudget
        with pytest.raises(TypeError):
            make(0.5)
        options = make(capacity=0.5)
        with pytest.raises(AttributeError):
            options.capacity = 0.25
        assert options == RetryBudget(capacity=0.5)
        assert hash(options) == hash(RetryBudget(capacity=0.5))

    def test_the_defaults(self) -> None:
        budget = RetryBudget()
        assert (budget.capacity, budget.transient_cost, budget.throttle_cost) == (500.0, 10.0, 5.0)
        assert (budget.refill, budget.in_flight_share) == (1.0, 0.1)

    @pytest.mark.parametrize("name", NUMBERS)
    @pytest.mark.parametrize("value", [True, "5", None, b"1"])
    def test_what_is_no_number(self, name: str, value: Any) -> None:
        with pytest.raises(TypeError) as caught:
            RetryBudget(**{name: value})
        assert str(caught.value) == f"budget.{name} must be a number, not {value!r}"

    @pytest.mark.parametrize("name", NUMBERS)
    @pytest.mark.parametrize("value", [-1, -1e-9, math.nan, math.inf])
    def test_numbers_out_of_bounds(self, name: str, value: float) -> None:
        with pytest.raises(ValueError) as caught:
            RetryBudget(**{name: value})
        assert str(caught.value) == f"budget.{name} must be a finite number of 0 or more, not {value!r}"

    def test_a_share_is_at_most_all(self) -> None:
        with pytest.raises(ValueError) as caught:
            RetryBudget(in_flight_share=1.001)
        assert str(caught.value) == "budget.in_flight_share must be a share from 0 to 1, not 1.001"
        assert RetryBudget(in_flight_share=1).in_flight_share == 1.0

    @pytest.mark.parametrize("name", NUMBERS)
    def test_nothing_is_a_number_too_and_ints_become_floats(self, name: str) -> None:
        value = getattr(RetryBudget(**{name: 0}), name)
        assert value == 0.0
        assert type(value) is float

    def test_more_than_all_is_fine_for_what_is_no_share(self) -> None:
        assert RetryBudget(capacity=2, transient_cost=3, throttle_cost=4, refill=5).refill == 5.0


class TestCosts:
    @pytest.mark.parametrize("status", [429, 529])
    def test_throttles_are_cheaper(self, status: int) -> None:
        assert meter().cost_of(status) == 5.0
        assert meter(throttle_cost=3.0).cost_of(status) == 3.0

    @pytest.mark.parametrize("status", [None, 408, 409, 428, 430, 500, 502, 503, 528, 530])
    def test_everything_else_is_transient(self, status: int | None) -> None:
        assert meter().cost_of(status) == 10.0
        assert meter(transient_cost=7.0).cost_of(status) == 7.0


class TestSpending:
    @pytest.mark.parametrize(
        ("spent", "may"), [(0.0, True), (489.0, True), (490.0, True), (491.0, False), (500.0, False)]
    )
    def test_as_long_as_there_is_enough(self, spent: float, may: bool) -> None:
        asked, taken = spent_meter(spent), spent_meter(spent)
        assert asked.may_spend(10.0, 1) is may
        assert asked.spent == spent
        assert taken.spend(10.0, 1) is may
        assert taken.spent == (spent + 10.0 if may else spent)

    def test_fifty_retries_where_nothing_succeeds(self) -> None:
        one = meter()
        assert [one.spend(10.0, 1) for _ in range(51)] == [True] * 50 + [False]
        assert one.spent == 500.0

    def test_a_hundred_after_throttles(self) -> None:
        one = meter()
        assert sum(one.spend(one.cost_of(429), 1) for _ in range(200)) == 100

    def test_what_is_free_is_free(self) -> None:
        one = meter(capacity=0.0, throttle_cost=0.0, in_flight_share=0.0)
        assert one.spend(one.cost_of(429), 1000)
        assert not one.spend(one.cost_of(500), 1000)


class TestSize:
    @pytest.mark.parametrize(
        ("in_flight", "retries"), [(1, 50), (500, 50), (509, 50), (510, 51), (1000, 100), (10_000, 1000)]
    )
    def test_one_in_ten_of_a_crowd(self, in_flight: int, retries: int) -> None:
        one = meter()
        assert sum(one.spend(10.0, in_flight) for _ in range(2000)) == retries

    @pytest.mark.parametrize(
        ("options", "in_flight", "size"),
        [
            ({}, 400, 500.0),
            ({}, 600, 600.0),
            ({"capacity": 10.0}, 8, 10.0),
            ({"capacity": 10.0}, 12, 12.0),
            ({"transient_cost": 20.0}, 600, 1200.0),
            ({"throttle_cost": 20.0}, 600, 600.0),
            ({"in_flight_share": 0.5}, 600, 3000.0),
            ({"in_flight_share": 0.0}, 100_000, 500.0),
            ({"capacity": 0.0, "in_flight_share": 1.0}, 3, 30.0),
        ],
    )
    def test_by_the_options(self, options: dict[str, float], in_flight: int, size: float) -> None:
        one = meter(**options)
        assert one.left(in_flight) == size
        assert one.size == meter(**options).left(0)  # looking at it is no reason to grow
        one.may_spend(0.0, in_flight)
        assert one.size == size

    def test_a_crowd_is_remembered(self) -> None:
        one = meter()
        assert one.may_spend(10.0, 1000)
        assert sum(one.spend(10.0, 100) for _ in range(2000)) == 100
        assert not one.may_spend(10.0, 1009)
        assert one.may_spend(10.0, 1010)

    def test_it_shrinks_by_a_quarter_of_a_call_with_each_success(self) -> None:
        one = meter()
        one.may_spend(10.0, 501)
        sizes = []
        for _ in range(5):
            one.succeeded()
            sizes.append(one.size)
        assert sizes == [500.75, 500.5, 500.25, 500.0, 500.0]

    def test_in_tokens_of_the_options(self) -> None:
        one = meter(capacity=10.0, transient_cost=4.0, in_flight_share=0.5)
        one.may_spend(4.0, 6)
        one.succeeded()
        assert one.size == 11.5


class TestPuttingBack:
    @pytest.mark.parametrize(
        ("spent", "after"),
        [(30.0, 20.0), (10.0, 0.0), (9.0, -1.0), (0.0, -10.0), (-490.0, -500.0), (-491.0, -500.0), (-500.0, -500.0)],
    )
    def test_what_retries_took(self, spent: float, after: float) -> None:
        one = spent_meter(spent)
        one.give_back(10.0)
        assert one.spent == after

    def test_a_success_refills_by_one(self) -> None:
        one = spent_meter(3.0)
        one.succeeded()
        assert one.spent == 2.0

    def test_by_the_options(self) -> None:
        one = spent_meter(3.0, refill=2.5)
        one.succeeded()
        assert one.spent == 0.5
        one = spent_meter(3.0, refill=0.0)
        one.succeeded()
        assert one.spent == 3.0

    def test_as_much_again_is_kept_beyond_the_size(self) -> None:
        one = spent_meter(1.0, capacity=3.0)
        levels = []
        for _ in range(6):
            one.succeeded()
            levels.append(one.spent)
        assert levels == [0.0, -1.0, -2.0, -3.0, -3.0, -3.0]
        assert one.left(0) == 6.0

    def test_what_is_beyond_the_size_shrinks_with_it(self) -> None:
        one = spent_meter(-11.0, capacity=10.0)
        one.may_spend(0.0, 11)
        one.succeeded()
        assert (one.size, one.spent) == (10.75, -10.75)


class TestLeft:
    @pytest.mark.parametrize(
        ("spent", "in_flight", "left"),
        [(0.0, 0, 500.0), (20.0, 0, 480.0), (500.0, 0, 0.0), (600.0, 0, 0.0), (600.0, 700, 100.0), (-20.0, 0, 520.0)],
    )
    def test_what_a_retry_could_spend(self, spent: float, in_flight: int, left: float) -> None:
        assert spent_meter(spent).left(in_flight) == left

    def test_of_the_crowd_that_is_remembered(self) -> None:
        one = meter()
        one.spend(10.0, 900)
        assert one.left(1) == 890.0
        assert one.left(1000) == 990.0


class TestRest:
    def test_from_the_first_retry_until_all_is_put_back(self) -> None:
        one = meter()
        assert one.at_rest
        assert one.spend(10.0, 1)
        assert not one.at_rest
        one.give_back(10.0)
        assert one.at_rest

    def test_more_than_all_is_as_good(self) -> None:
        assert spent_meter(-1.0).at_rest
        assert not spent_meter(0.5).at_rest

    def test_not_while_a_crowd_is_remembered(self) -> None:
        one = meter()
        one.may_spend(10.0, 500)
        assert one.at_rest
        one.may_spend(10.0, 501)
        rests = [one.at_rest]
        for _ in range(4):
            one.succeeded()
            rests.append(one.at_rest)
        assert rests == [False, False, False, False, True]


class Report(NamedTuple):
    succeeded: float
    """Share of the calls."""
    amplification: float
    """Attempts per call."""
    refused: int
    """Calls that would have been retried, had there been enough left."""


Duration = Callable[[random.Random], float]

POLICY = RetryPolicy()


def run(
    calls: int,
    *,
    at_once: int,
    failing: float,
    lasts: Duration,
    max_retries: int = 3,
    one: BudgetMeter | None = None,
    seed: int = 0,
) -> Report:
    """Calls that begin as others end, on a clock of their own; each attempt fails with one chance."""
    one, chance = one or meter(), random.Random(seed)
    # When, what, which retry (0: the first attempt), and what the call's retries took so far.
    agenda: list[tuple[float, int, str, int, float]] = []
    begun = in_flight = attempts = succeeded = refused = 0

    def put(at: float, event: str, retry: int, costs: float) -> None:
        heapq.heappush(agenda, (at, attempts, event, retry, costs))

    def send(now: float, retry: int, costs: float) -> None:
        nonlocal attempts
        attempts += 1
        put(now + lasts(chance), "ended", retry, costs)

    def begin(now: float) -> None:
        nonlocal begun, in_flight
        begun += 1
        in_flight += 1
        send(now, 0, 0.0)

    def goes_on(now: float, event: str, retry: int, costs: float) -> bool:
        nonlocal succeeded, refused
        cost = one.cost_of(503)
        if event == "retry":
            if one.spend(cost, in_flight):
                send(now, retry, costs + cost)
                return True
            refused += 1
        elif chance.random() >= failing:
            succeeded += 1
            if retry:
                one.give_back(costs)
            else:
                one.succeeded()
        elif retry < max_retries:
            if one.may_spend(cost, in_flight):
                back_off = min(POLICY.initial_delay * 2.0**retry, POLICY.max_delay)
                put(now + back_off * (1.0 - POLICY.jitter * chance.random()), "retry", retry + 1, costs)
                return True
            refused += 1
        return False

    while begun < at_once:
        begin(0.0)
    while agenda:
        now, _, event, retry, costs = heapq.heappop(agenda)
        if not goes_on(now, event, retry, costs):
            in_flight -= 1
            if begun < calls:
                begin(now)
    return Report(succeeded / calls, attempts / calls, refused)


def exactly(seconds: float) -> Duration:
    return lambda _: seconds


def around(seconds: float) -> Duration:
    return lambda chance: seconds * (0.5 + chance.random())


class TestOutage:
    @pytest.mark.parametrize(
        ("at_once", "retries"), [(1, 50), (100, 50), (500, 50), (1000, 100), (2000, 200), (10_000, 1000)]
    )
    def test_ten_thousand_calls_are_hardly_more_attempts(self, at_once: int, retries: int) -> None:
        report = run(10_000, at_once=at_once, failing=1.0, lasts=around(0.1))
        assert report.succeeded == 0.0
        assert report.amplification == (10_000 + retries) / 10_000 <= 1.1

    def test_after_a_bad_time_it_is_twice_that_once(self) -> None:
        one = meter()
        run(10_000, at_once=1000, failing=0.05, lasts=around(0.1), one=one)
        amplification = [
            run(10_000, at_once=1000, failing=1.0, lasts=around(0.1), one=one).amplification for _ in range(2)
        ]
        assert 1.01 < amplification[0] <= 1.02
        assert amplification[1] == 1.0

    @pytest.mark.parametrize(
        ("failing", "least", "most"),
        [(0.2, 1.24, 1.26), (0.5, 1.1, 1.15), (0.7, 1.04, 1.06), (0.9, 1.01, 1.02), (0.99, 1.0, 1.01)],
    )
    @pytest.mark.parametrize("at_once", [100, 1000])
    def test_the_nearer_an_outage_the_fewer(self, at_once: int, failing: float, least: float, most: float) -> None:
        report = run(20_000, at_once=at_once, failing=failing, lasts=around(1.0))
        assert least < report.amplification < most


class TestRecovery:
    @pytest.mark.parametrize(("at_once", "successes"), [(1, 10), (500, 10), (1000, 14), (10_000, 14)])
    def test_few_successes_allow_the_first_retry(self, at_once: int, successes: int) -> None:
        one = meter()
        run(10_000, at_once=at_once, failing=1.0, lasts=exactly(1.0), one=one)
        counted = 0
        while not one.may_spend(10.0, 1):
            one.succeeded()
            counted += 1
        assert counted == successes

    def test_five_hundred_fill_the_bucket(self) -> None:
        one = meter()
        run(10_000, at_once=100, failing=1.0, lasts=exactly(1.0), one=one)
        for left in range(1, 501):
            assert not one.at_rest
            one.succeeded()
            assert one.left(1) == left
        assert one.at_rest


class TestRandomFailure:
    """One attempt in ten fails: of 10,000 calls with three retries each, one is expected to fail in the end."""

    @pytest.mark.parametrize("lasts", [around(0.1), around(1.0), around(10.0), exactly(10.0)])
    @pytest.mark.parametrize(("calls", "at_once"), [(20_000, 1000), (10_000, 10_000), (10_000, 100)])
    def test_no_retry_is_refused(self, calls: int, at_once: int, lasts: Duration) -> None:
        report = run(calls, at_once=at_once, failing=0.1, lasts=lasts)
        assert report.refused == 0
        assert report.succeeded >= 0.999
        assert 1.1 < report.amplification < 1.12

    @pytest.mark.parametrize("at_once", [50, 300, 500, 600, 1000, 3000])
    def test_nor_of_calls_that_begin_and_fail_together(self, at_once: int) -> None:
        reports = [run(at_once, at_once=at_once, failing=0.1, lasts=exactly(10.0), seed=seed) for seed in range(10)]
        assert sum(report.refused for report in reports) == 0
