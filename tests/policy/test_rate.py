"""The option record `Rate`, and the meter that keeps both of its quotas."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import pytest

from trioclient._policy.rate import Demand, Rate, RateMeter

Options = dict[str, Any]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "rate needs `requests` or `tokens`, or learn=True"),
        ({"requests": "60"}, TypeError, "rate.requests must be a number"),
        ({"requests": True}, TypeError, "rate.requests must be a number"),
        ({"requests": 0}, ValueError, "rate.requests must be 1 or more, not 0"),
        ({"requests": 0.5}, ValueError, "rate.requests must be 1 or more, not 0.5: a longer `per` makes it so"),
        ({"requests": math.nan}, ValueError, "rate.requests must be a finite number"),
        ({"requests": math.inf}, ValueError, "rate.requests must be a finite number"),
        ({"requests": -1}, ValueError, "rate.requests must be a finite number of 0 or more"),
        ({"tokens": 0, "cost": len}, ValueError, "rate.tokens must be 1 or more"),
        ({"tokens": 10}, ValueError, "rate.tokens needs rate.cost"),
        ({"tokens": 10, "cost": 3}, TypeError, "rate.cost must be a function or None, not 3"),
        ({"tokens": 10, "cost": len, "used": 3}, TypeError, "rate.used must be a function or None, not 3"),
        ({"requests": 1, "per": 0}, ValueError, "rate.per must be more than 0 seconds"),
        ({"requests": 1, "per": None}, TypeError, "rate.per must be a number"),
        ({"requests": 1, "per": math.inf}, ValueError, "rate.per must be a finite number"),
        ({"requests": 1, "burst": -0.1}, ValueError, "rate.burst must be a finite number of 0 or more"),
        ({"requests": 1, "burst": 1.1}, ValueError, "rate.burst must be a share from 0 to 1, not 1.1"),
        ({"requests": 1, "share": 0.0}, ValueError, "rate.share must be a share above 0, up to 1, not 0.0"),
        ({"requests": 1, "share": 1.01}, ValueError, "rate.share must be a share above 0, up to 1, not 1.01"),
        ({"requests": 1, "learn": 1}, TypeError, "rate.learn must be True or False"),
    ],
)
def test_options_are_checked(options: Options, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        Rate(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"requests": 1},
        {"tokens": 1, "cost": len},
        {"learn": True},
        {"learn": True, "requests": 5, "share": 1, "per": 0.1},
        {"requests": 1, "burst": 1},
    ],
)
def test_options_that_will_do(options: Options) -> None:
    rate = Rate(**options)
    assert all(isinstance(value, float) for value in (rate.per, rate.burst, rate.share))


def test_options_are_fixed() -> None:
    with pytest.raises(AttributeError):
        Rate(requests=1).requests = 2
    assert msgspec.structs.replace(Rate(requests=1), requests=2) == Rate(requests=2)


class TestDemands:
    def test_a_call_is_one_request(self) -> None:
        assert Rate(requests=10).demand_of({"any": "body"}) == (1.0, 0.0)

    def test_its_tokens_are_estimated(self) -> None:
        assert Rate(tokens=10, cost=len).demand_of("seven") == (1.0, 5.0)
        assert Rate(tokens=10, cost=len).demand_of(None) == (1.0, 0.0)

    @pytest.mark.parametrize("cost", [math.nan, math.inf, -1, -0.5])
    def test_an_estimate_that_is_no_amount(self, cost: float) -> None:
        with pytest.raises(ValueError, match=r"^what rate\.cost returns must be a finite number of 0 or more"):
            Rate(tokens=10, cost=lambda _: cost).demand_of("x")

    @pytest.mark.parametrize("cost", [None, "5", True])
    def test_an_estimate_that_is_no_number(self, cost: Any) -> None:
        with pytest.raises(TypeError, match=r"^what rate\.cost returns must be a number"):
            Rate(tokens=10, cost=lambda _: cost).demand_of("x")

    def test_what_was_used(self) -> None:
        assert Rate(tokens=10, cost=len, used=len).used_by("four") == 4.0
        assert Rate(tokens=10, cost=len).used_by("four") is None
        with pytest.raises(ValueError, match=r"^what rate\.used returns must be"):
            Rate(tokens=10, cost=len, used=lambda _: math.nan).used_by("four")


def meter(**options: Any) -> RateMeter:
    return RateMeter(Rate(**{"per": 100.0, "share": 1.0, "burst": 0.0, "cost": len, **options}))


class TestTheMeter:
    def test_the_slower_quota_counts(self) -> None:
        both = meter(requests=100, tokens=1000)
        assert both.ready_at(0.0, Demand(1.0, 400.0)) == 0.0
        both.take(0.0, Demand(1.0, 400.0))
        assert both.ready_at(0.0, Demand(1.0, 5.0)) == 1.0
        assert both.ready_at(0.0, Demand(1.0, 50.0)) == 5.0

    def test_both_are_taken_when_it_goes(self) -> None:
        both = meter(requests=100, tokens=1000)
        both.take(0.0, Demand(1.0, 50.0))
        both.take(5.0, Demand(1.0, 50.0))
        # Not five requests at once now, although the tokens made the second wait.
        assert both.ready_at(5.0, Demand(1.0, 0.0)) == 6.0
        assert (both.left("requests", 5.0), both.left("tokens", 5.0)) == (98.0, 900.0)

    @pytest.mark.parametrize(
        ("demand", "unfit"),
        [
            (Demand(1.0, 1000.0), None),
            (Demand(1.0, 1000.5), "tokens"),
            (Demand(1.0, 0.0), None),
            (Demand(100.0, 0.0), None),
            (Demand(101.0, 0.0), "requests"),
        ],
    )
    def test_what_can_never_fit(self, demand: Demand, unfit: str | None) -> None:
        assert meter(requests=100, tokens=1000).unfit(demand) == unfit

    def test_a_quota_that_is_not_given_bounds_nothing(self) -> None:
        requests = meter(requests=100)
        assert requests.unfit(Demand(1.0, 1e9)) is None
        requests.take(0.0, Demand(1.0, 1e9))
        assert requests.ready_at(1.0, Demand(1.0, 1e9)) == 1.0
        assert (requests.quota("requests"), requests.quota("tokens")) == (100.0, None)
        assert (requests.left("requests", 0.0), requests.left("tokens", 0.0)) == (99.0, None)

    def test_nor_one_of_requests(self) -> None:
        tokens = meter(tokens=1000)
        assert tokens.unfit(Demand(1e9, 1000.0)) is None
        booking = tokens.take(0.0, Demand(1.0, 400.0))
        assert tokens.ready_at(0.0, Demand(1.0, 100.0)) == 10.0
        tokens.settle(0.0, booking, Demand(0.0, 300.0))
        assert (tokens.left("requests", 0.0), tokens.left("tokens", 0.0)) == (None, 700.0)

    @pytest.mark.parametrize(
        ("options", "kept"),
        [
            ({"learn": True}, {"requests", "tokens"}),
            ({"learn": True, "cost": None}, {"requests"}),
            ({"requests": 100}, {"requests"}),
            ({"tokens": 1000}, {"tokens"}),
        ],
    )
    def test_which_quotas_are_kept(self, options: Options, kept: set[str]) -> None:
        one = meter(**options)
        assert {name for name in ("requests", "tokens") if one.pace(name)} == kept

    def test_the_queue_goes_first(self) -> None:
        both = meter(requests=100, tokens=1000)
        both.take(0.0, Demand(1.0, 0.0))
        assert both.ready_at(0.0, Demand(1.0, 10.0), Demand(4.0, 0.0)) == 5.0
        assert both.ready_at(0.0, Demand(1.0, 10.0), Demand(4.0, 190.0)) == 20.0

    def test_it_is_settled(self) -> None:
        both = meter(requests=100, tokens=1000)
        booking = both.take(0.0, Demand(1.0, 400.0))
        both.settle(1.0, booking, Demand(1.0, 100.0))
        assert (both.left("requests", 1.0), both.left("tokens", 1.0)) == (99.0, 900.0)
        both.settle(1.0, both.take(1.0, Demand(1.0, 10.0)), Demand(0.0, 0.0))
        assert (both.left("requests", 1.0), both.left("tokens", 1.0)) == (99.0, 900.0)
