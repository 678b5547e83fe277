"""The adaptive limit as tables: what is overload, how far the limit falls, when it rises and how far."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trioclient._faults import ConnectFault, DisconnectFault, Fault, LimitFault, TimeoutFault
from trioclient._policy.concurrency import AdaptiveConcurrency, ConcurrencyLimit, overloaded

OPTIONS = AdaptiveConcurrency()


def limit_of(ceiling: float = 1000, **options: Any) -> ConcurrencyLimit:
    return ConcurrencyLimit(AdaptiveConcurrency(**options), ceiling)


def tell(limit: ConcurrencyLimit, verdicts: str, in_flight: int = 100, now: float = 0.0) -> float:
    """Attempts that end: ``x`` overloaded, ``.`` not. The limit after them."""
    for verdict in verdicts:
        limit.record(verdict == "x", now, in_flight)
    return limit.limit


def lowered(in_flight: int = 100, ceiling: float = 1000, **options: Any) -> ConcurrencyLimit:
    """Lowered once, and all that was in flight then has ended."""
    limit = limit_of(ceiling, **options)
    tell(limit, "x" * 10, in_flight)
    assert limit.limit != math.inf
    tell(limit, "x" * (in_flight - 1), in_flight)
    return limit


class TestOptions:
    def test_defaults(self) -> None:
        numbers = (OPTIONS.floor, OPTIONS.tolerance, OPTIONS.decrease, OPTIONS.increase, OPTIONS.least, OPTIONS.window)
        assert numbers == (4, 0.1, 0.7, 1, 10, 10.0)
        assert OPTIONS.statuses == {429, 503, 529}

    @pytest.mark.parametrize(
        ("field", "value", "error", "message"),
        [
            ("floor", 0, ValueError, "concurrency.floor must be 1 or more, not 0"),
            ("floor", 2.0, TypeError, "concurrency.floor must be an int, not 2.0"),
            ("increase", 0, ValueError, "concurrency.increase must be 1 or more, not 0"),
            ("least", 0, ValueError, "concurrency.least must be 1 or more, not 0"),
            ("tolerance", 0.0, ValueError, "concurrency.tolerance must lie between 0 and 1, not 0.0"),
            ("decrease", 1.0, ValueError, "concurrency.decrease must lie between 0 and 1, not 1.0"),
            ("window", -1, ValueError, "concurrency.window must be 0 seconds or more, not -1"),
            ("statuses", "429", TypeError, "concurrency.statuses must be a set of ints, not '429'"),
            ("statuses", b"429", TypeError, "concurrency.statuses must be a set of ints, not b'429'"),
            ("statuses", 429, TypeError, "concurrency.statuses must be a set of ints, not 429"),
            ("statuses", {"429"}, TypeError, "concurrency.statuses must be an int, not '429'"),
            ("statuses", {399}, ValueError, "concurrency.statuses must be 400 or more, not 399"),
            ("statuses", {600}, ValueError, "concurrency.statuses must hold statuses from 400 to 599, not 600"),
        ],
    )
    def test_bad_ones_are_named(self, field: str, value: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error) as caught:
            AdaptiveConcurrency(**{field: value})
        assert str(caught.value) == message

    def test_the_least_that_goes(self) -> None:
        options = AdaptiveConcurrency(floor=1, increase=1, least=1, window=0, statuses=[400, 599])
        assert (options.statuses, options.window) == (frozenset({400, 599}), 0.0)
        assert hash(options) == hash(AdaptiveConcurrency(floor=1, least=1, window=0, statuses={599, 400}))


@pytest.mark.parametrize(
    ("status", "fault", "verdict"),
    [
        (429, None, True),
        (503, None, True),
        (529, None, True),
        (200, None, False),
        (500, None, False),
        (504, None, False),
        (None, None, False),
        (None, TimeoutFault("connect"), True),
        (None, TimeoutFault("read"), True),
        (None, TimeoutFault("write"), True),
        (None, TimeoutFault("pool"), False),
        (None, ConnectFault("refused"), False),
        (None, DisconnectFault("broke"), False),
        (None, LimitFault("max_body_bytes", 1), False),
        (200, TimeoutFault("read"), True),
    ],
)
def test_what_says_overload(status: int | None, fault: Fault | None, verdict: bool) -> None:
    assert overloaded(OPTIONS, status, fault) is verdict


def test_statuses_are_the_options() -> None:
    options = AdaptiveConcurrency(statuses={500})
    assert [status for status in (429, 500, 503) if overloaded(options, status, None)] == [500]


class TestOverload:
    @pytest.mark.parametrize(
        ("verdicts", "limit"),
        [
            ("." * 1000, math.inf),
            ("x" * 9, math.inf),
            ("x" * 10, 70),
            ("xxxxx" + "." + "xxxx", math.inf),
            ("xxxxx" + "." + "xxxxx", math.inf),
            ("xxxxx" + "." + "xxxxxx", 70),
            ("x" * 9 + "." * 9 + "xx", 70),
            ("x" * 9 + "." * 10 + "xx", math.inf),
            ("x" * 9 + "." * 10 + "xxx", 70),
            (("x" + "." * 9) * 100, math.inf),
            ("x" * 9 + "." * 81 + "x" * 9, math.inf),
            ("x" * 9 + "." * 81 + "x" * 10, 70),
            ("x" * 9 + "." * 80 + "x" * 9, math.inf),
            ("x" * 9 + "." * 80 + "x" * 10, 70),
        ],
    )
    def test_so_many_more_than_tolerated(self, verdicts: str, limit: float) -> None:
        assert tell(limit_of(), verdicts) == limit

    def test_it_is_told_by_the_attempt_that_is_too_much(self) -> None:
        limit = limit_of()
        seen = [tell(limit, verdict) for verdict in "x.x.x.x.x.x.x.x.x.x.x.x.x.x"]
        # 12 of 23: 2 more than `least`, against a tenth of 13. Of 21 it was 1 against 1.1.
        assert seen.index(70) == 22

    @pytest.mark.parametrize(("least", "tolerance", "number"), [(1, 0.1, 1), (2, 0.5, 2), (30, 0.9, 30)])
    def test_as_many_in_a_row_as_the_options_say(self, least: int, tolerance: float, number: int) -> None:
        limit = limit_of(least=least, tolerance=tolerance)
        assert tell(limit, "x" * (number - 1)) == math.inf
        assert tell(limit, "x") == 70

    def test_outside_of_a_spell_a_good_answer_changes_nothing(self) -> None:
        limit = limit_of()
        assert limit.at_rest
        tell(limit, "x")
        assert not limit.at_rest
        tell(limit, "." * 8)
        assert not limit.at_rest
        tell(limit, ".")
        assert limit.at_rest
        tell(limit, "." * 50, in_flight=500)
        assert tell(limit, "x" * 9) == math.inf
        assert tell(limit, "x") == 70

    @pytest.mark.parametrize(("pause", "limit"), [(10.0, 70), (10.001, math.inf)])
    def test_it_is_forgotten_after_the_window(self, pause: float, limit: float) -> None:
        concurrency = limit_of()
        tell(concurrency, "x" * 9, now=100.0)
        assert tell(concurrency, "x", now=100.0 + pause) == limit
        assert tell(concurrency, "x" * 8, now=100.0 + pause) == limit
        assert tell(concurrency, "x", now=100.0 + pause) == 70

    def test_overload_renews_the_window_and_good_answers_do_not(self) -> None:
        limit = limit_of()
        for step in range(9):
            tell(limit, "x", now=6.0 * step)
        tell(limit, ".", now=55.0)
        assert not limit.at_rest
        tell(limit, ".", now=59.0)
        assert limit.at_rest

    def test_what_was_in_flight_before_does_not_count(self) -> None:
        limit = limit_of()
        tell(limit, "x" + "." * 9, in_flight=500)
        tell(limit, ".", in_flight=500)
        assert tell(limit, "x" * 10, in_flight=100) == 70

    def test_nor_what_was_in_flight_in_a_spell_that_is_forgotten(self) -> None:
        limit = limit_of()
        tell(limit, "x", in_flight=500, now=0.0)
        assert tell(limit, "x" * 10, in_flight=100, now=11.0) == 70


class TestDecrease:
    @pytest.mark.parametrize(
        ("in_flight", "limit"), [(1000, 700), (100, 70), (99, 69), (7, 4), (6, 4), (5, 4), (4, math.inf), (1, math.inf)]
    )
    def test_from_what_was_in_flight(self, in_flight: int, limit: float) -> None:
        concurrency = limit_of()
        assert tell(concurrency, "x" * 10, in_flight) == limit
        assert concurrency.at_rest is (limit == math.inf)

    def test_from_the_most_that_was(self) -> None:
        limit = limit_of()
        tell(limit, "xxx", 50)
        tell(limit, "xxx", 100)
        assert tell(limit, "xxxx", 60) == 70

    @pytest.mark.parametrize(("options", "limit"), [({"decrease": 0.5}, 50), ({"floor": 80}, 80), ({"floor": 99}, 99)])
    def test_as_the_options_say(self, options: dict[str, Any], limit: float) -> None:
        assert tell(limit_of(**options), "x" * 10) == limit

    def test_with_no_more_in_flight_than_the_floor_there_is_nothing_to_limit(self) -> None:
        limit = limit_of()
        tell(limit, "x" * 19, in_flight=4)
        assert limit.limit == math.inf
        assert tell(limit, "x", in_flight=5) == 4

    def test_the_limit_is_a_whole_number(self) -> None:
        limit = lowered(99)
        assert limit.limit == 69.0
        assert isinstance(limit.limit, float)

    def test_what_was_sent_before_is_not_heard(self) -> None:
        limit = limit_of()
        tell(limit, "x" * 10)
        assert tell(limit, "x" * 99) == 70
        assert tell(limit, "x" * 9, in_flight=70) == 70
        assert tell(limit, "x", in_flight=70) == 49

    def test_nor_need_it_be_told_of(self) -> None:
        limit = limit_of()
        tell(limit, "x" * 10)
        for _ in range(98):
            limit.skip()
        assert tell(limit, "x" * 10, in_flight=70) == 70
        assert tell(limit, "x", in_flight=70) == 49
        for _ in range(100):
            limit.skip()
        assert tell(limit, "x" * 9, in_flight=49) == 49
        assert tell(limit, "x", in_flight=49) == 34

    def test_but_for_the_window_at_most(self) -> None:
        limit = limit_of()
        tell(limit, "x" * 10, now=100.0)
        assert tell(limit, "x" * 20, now=110.0) == 70
        assert tell(limit, "x" * 10, in_flight=70, now=110.001) == 49

    def test_that_which_is_not_heard_makes_no_round(self) -> None:
        limit = lowered()
        assert tell(limit, "." * 69, in_flight=70) == 70
        assert tell(limit, ".", in_flight=70) == 77

    @pytest.mark.parametrize(("in_flight", "limit"), [(200, 49), (70, 49), (69, 48), (20, 14), (5, 4), (1, 4)])
    def test_a_limit_that_is_not_used_falls_to_what_was(self, in_flight: int, limit: float) -> None:
        assert tell(lowered(), "x" * 10, in_flight) == limit

    def test_down_to_the_floor_and_no_further(self) -> None:
        limit = limit_of()
        seen: list[float] = []
        for _ in range(1000):
            in_flight = int(min(limit.limit, 100))
            tell(limit, "x", in_flight)
            if limit.limit not in (math.inf, *seen):
                seen.append(limit.limit)
        assert seen == [70, 49, 34, 23, 16, 11, 7, 4]


class TestIncrease:
    def test_by_a_quarter_of_the_distance_after_each_round(self) -> None:
        limit = lowered()
        seen: list[float] = []
        while limit.limit < 150:
            tell(limit, "." * int(limit.limit), in_flight=int(limit.limit))
            seen.append(limit.limit)
        assert seen[:9] == [77, 82, 86, 89, 91, 93, 94, 95, 96]
        assert seen[9:20] == [97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107]
        assert seen[20:] == [108, 110, 112, 115, 118, 122, 127, 133, 141, 151]

    @pytest.mark.parametrize(("increase", "limit"), [(7, 77), (8, 78), (100, 170)])
    def test_by_no_less_than_the_options_say(self, increase: int, limit: float) -> None:
        assert tell(lowered(increase=increase), "." * 70, in_flight=70) == limit

    def test_not_before_the_round_is_over(self) -> None:
        limit = lowered()
        assert tell(limit, "." * 69, in_flight=70) == 70
        assert tell(limit, ".", in_flight=70) == 77
        assert tell(limit, "." * 76, in_flight=77) == 77
        assert tell(limit, ".", in_flight=77) == 82

    def test_a_round_has_a_least_length(self) -> None:
        limit = lowered(5)
        assert limit.limit == 4
        assert tell(limit, "." * 9, in_flight=4) == 4
        assert tell(limit, ".", in_flight=4) == 5

    def test_a_limit_that_is_not_reached_stays(self) -> None:
        limit = lowered()
        assert tell(limit, "." * 1000, in_flight=69) == 70

    def test_once_in_the_round_is_enough(self) -> None:
        limit = lowered()
        tell(limit, "." * 30, in_flight=40)
        tell(limit, ".", in_flight=70)
        assert tell(limit, "." * 39, in_flight=40) == 77
        # And says nothing of the next one.
        assert tell(limit, "." * 77, in_flight=40) == 77

    @pytest.mark.parametrize(("overloaded", "limit"), [(0, 77), (7, 77), (8, 70)])
    def test_overload_within_what_is_tolerated_does_not_matter(self, overloaded: int, limit: float) -> None:
        assert tell(lowered(), "x" * overloaded + "." * (70 - overloaded), in_flight=70) == limit

    def test_each_round_is_counted_by_itself(self) -> None:
        limit = lowered()
        tell(limit, "x" * 8 + "." * 62, in_flight=70)
        assert tell(limit, "." * 70, in_flight=70) == 77

    def test_at_the_ceiling_there_is_no_limit_any_more(self) -> None:
        limit = lowered(ceiling=83)
        tell(limit, "." * (70 + 77), in_flight=77)
        assert (limit.limit, limit.at_rest) == (82, False)
        tell(limit, "." * 82, in_flight=82)
        assert (limit.limit, limit.at_rest) == (math.inf, True)

    @pytest.mark.parametrize(("ceiling", "limit"), [(77, math.inf), (78, 77)])
    def test_reaching_the_ceiling_is_enough(self, ceiling: float, limit: float) -> None:
        assert tell(lowered(ceiling=ceiling), "." * 70, in_flight=70) == limit

    def test_a_limit_that_is_gone_takes_its_doubts_with_it(self) -> None:
        limit = lowered(ceiling=77)
        tell(limit, "." * 63 + "x" * 7, in_flight=70)
        assert limit.at_rest
        assert tell(limit, "x" * 9) == math.inf

    def test_without_a_ceiling_it_goes_on(self) -> None:
        limit = lowered(ceiling=math.inf)
        for _ in range(100):
            tell(limit, "." * min(int(limit.limit), 10**6), in_flight=int(limit.limit))
            if limit.limit > 10_000:
                break
        assert 10_000 < limit.limit < math.inf
