"""The circuit breaker as tables: what counts, when it opens, when and whom it lets in again."""

from __future__ import annotations

import math
import random
import sys
from typing import Any

import pytest

from trioclient._faults import (
    ClosedFault,
    CodingFault,
    ConnectFault,
    DisconnectFault,
    Fault,
    LimitFault,
    ProtocolFault,
    TimeoutFault,
)
from trioclient._policy.breaker import Circuit, CircuitBreaker, Ticket, Verdict, verdict_of

NOW = 1000.0
DURATIONS = ["window", "open_for", "max_open_for"]


def attempt(circuit: Circuit, verdict: Verdict, now: float = NOW) -> None:
    assert circuit.due(now) is None
    circuit.end(circuit.begin(now), verdict, now)


def attempts(circuit: Circuit, *, good: int = 0, bad: int = 0, now: float = NOW) -> None:
    for _ in range(good):
        attempt(circuit, "good", now)
    for _ in range(bad):
        attempt(circuit, "bad", now)


def opened(now: float = NOW, **options: Any) -> Circuit:
    """A circuit that has just opened."""
    circuit = Circuit(CircuitBreaker(of=1, **options))
    attempt(circuit, "bad", now)
    assert circuit.state(now) == "open"
    return circuit


class TestOptions:
    def test_they_are_named_and_stay_as_they_are(self) -> None:
        make: Any = CircuitBreaker
        with pytest.raises(TypeError):
            make(0.5)
        options = make(failures=0.5)
        with pytest.raises(AttributeError):
            options.failures = 0.25
        assert options == CircuitBreaker(failures=0.5)
        assert hash(options) == hash(CircuitBreaker(failures=0.5))

    def test_the_defaults(self) -> None:
        breaker = CircuitBreaker()
        assert (breaker.failures, breaker.of, breaker.window) == (0.5, 20, 30.0)
        assert (breaker.open_for, breaker.max_open_for, breaker.probes) == (5.0, 60.0, 1)

    @pytest.mark.parametrize("value", [True, "0.5", None])
    def test_a_share_that_is_no_number(self, value: Any) -> None:
        with pytest.raises(TypeError) as caught:
            CircuitBreaker(failures=value)
        assert str(caught.value) == f"breaker.failures must be a number, not {value!r}"

    @pytest.mark.parametrize("value", [0, 0.0, -0.5, 1.001, 50, math.nan, math.inf])
    def test_a_share_out_of_bounds(self, value: float) -> None:
        with pytest.raises(ValueError) as caught:
            CircuitBreaker(failures=value)
        assert str(caught.value) == f"breaker.failures must be a share above 0, up to 1, not {value!r}"

    @pytest.mark.parametrize("value", [1e-9, 1])
    def test_any_share_in_between(self, value: float) -> None:
        failures = CircuitBreaker(failures=value).failures
        assert failures == value
        assert type(failures) is float

    @pytest.mark.parametrize("name", ["of", "probes"])
    def test_counts(self, name: str) -> None:
        with pytest.raises(TypeError) as wrong_type:
            CircuitBreaker(**{name: 1.5})
        assert str(wrong_type.value) == f"breaker.{name} must be an int, not 1.5"
        with pytest.raises(ValueError) as too_few:
            CircuitBreaker(**{name: 0})
        assert str(too_few.value) == f"breaker.{name} must be 1 or more, not 0"
        assert getattr(CircuitBreaker(**{name: 1}), name) == 1

    @pytest.mark.parametrize("name", DURATIONS)
    def test_durations_that_are_none(self, name: str) -> None:
        with pytest.raises(TypeError) as wrong_type:
            CircuitBreaker(**{name: "5"})
        assert str(wrong_type.value) == f"breaker.{name} must be a number of seconds or None, not '5'"
        with pytest.raises(ValueError) as negative:
            CircuitBreaker(**{name: -1.0})
        assert str(negative.value) == f"breaker.{name} must be 0 seconds or more, not -1.0"

    @pytest.mark.parametrize("name", DURATIONS)
    @pytest.mark.parametrize("value", [0, 0.0, math.inf, None])
    def test_durations_without_an_end_or_a_beginning(self, name: str, value: float | None) -> None:
        with pytest.raises(ValueError) as caught:
            CircuitBreaker(**{name: value})
        assert str(caught.value) == f"breaker.{name} must be more than 0 seconds and finite, not {value!r}"

    @pytest.mark.parametrize("name", DURATIONS)
    def test_durations_become_floats(self, name: str) -> None:
        value = getattr(CircuitBreaker(**{"open_for": 1, name: 1}), name)
        assert value == 1.0
        assert type(value) is float

    def test_it_does_not_grow_to_less_than_it_is(self) -> None:
        with pytest.raises(ValueError) as caught:
            CircuitBreaker(open_for=90)
        assert str(caught.value) == "breaker.max_open_for must be 90 seconds (open_for) or more, not 60.0"
        assert CircuitBreaker(open_for=60).open_for == 60.0


class TestVerdicts:
    @pytest.mark.parametrize("status", [100, 200, 204, 301, 400, 401, 404, 408, 409, 428, 430, 499])
    def test_a_server_that_answers_is_well(self, status: int) -> None:
        assert verdict_of(status, None) == "good"

    @pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 529, 599])
    def test_but_not_one_that_says_it_is_not(self, status: int) -> None:
        assert verdict_of(status, None) == "bad"

    def test_a_limit_is_no_failure(self) -> None:
        assert verdict_of(429, None) == "none"

    @pytest.mark.parametrize("status", [None, 200, 429])
    @pytest.mark.parametrize(
        ("fault", "verdict"),
        [
            (Fault("anything"), "bad"),
            (ConnectFault("refused"), "bad"),
            (DisconnectFault("reset"), "bad"),
            (ProtocolFault("not HTTP"), "bad"),
            (TimeoutFault("connect"), "bad"),
            (TimeoutFault("read"), "bad"),
            (TimeoutFault("write"), "bad"),
            (TimeoutFault("pool"), "none"),
            (LimitFault("max_body_bytes", 1), "none"),
            (CodingFault("gzip"), "none"),
            (ClosedFault(), "none"),
        ],
    )
    def test_faults(self, status: int | None, fault: Fault, verdict: Verdict) -> None:
        assert verdict_of(status, fault) == verdict

    def test_no_answer_at_all(self) -> None:
        assert verdict_of(None, None) == "bad"


class TestOpening:
    @pytest.mark.parametrize(
        ("good", "bad", "state"),
        [
            (0, 19, "closed"),
            (0, 20, "open"),
            (1, 18, "closed"),
            (1, 19, "open"),
            (10, 9, "closed"),
            (10, 10, "open"),
            (11, 9, "closed"),
            (11, 10, "closed"),
            (11, 11, "open"),
            (100, 99, "closed"),
            (100, 100, "open"),
        ],
    )
    def test_at_half_of_twenty(self, good: int, bad: int, state: str) -> None:
        circuit = Circuit(CircuitBreaker())
        attempts(circuit, good=good, bad=bad)
        assert circuit.state(NOW) == state

    @pytest.mark.parametrize(
        ("failures", "of", "good", "bad"), [(0.07, 100, 93, 7), (0.3, 10, 7, 3), (1.0, 3, 0, 3), (0.1, 1, 0, 1)]
    )
    def test_at_the_share_and_the_number_that_are_given(self, failures: float, of: int, good: int, bad: int) -> None:
        circuit = Circuit(CircuitBreaker(failures=failures, of=of))
        attempts(circuit, good=good, bad=bad - 1)
        assert circuit.state(NOW) == "closed"
        attempt(circuit, "bad")
        assert circuit.state(NOW) == "open"

    def test_a_success_never_opens_it(self) -> None:
        circuit = Circuit(CircuitBreaker())
        attempts(circuit, bad=19)
        attempts(circuit, good=5)
        assert circuit.state(NOW) == "closed"
        attempt(circuit, "bad")
        assert circuit.state(NOW) == "open"

    def test_what_has_no_verdict_is_not_counted(self) -> None:
        circuit = Circuit(CircuitBreaker())
        attempts(circuit, bad=19)
        for _ in range(100):
            attempt(circuit, "none")
        assert circuit.state(NOW) == "closed"
        attempt(circuit, "bad")
        assert circuit.state(NOW) == "open"

    def test_all_may_begin_while_it_is_closed(self) -> None:
        circuit = Circuit(CircuitBreaker())
        assert circuit.state(NOW) == "closed"
        for _ in range(100):
            assert circuit.due(NOW) is None
            circuit.begin(NOW)

    def test_they_share_one_ticket(self) -> None:
        circuit = Circuit(CircuitBreaker())
        assert len({circuit.begin(NOW) for _ in range(100)}) == 1


class TestWindow:
    """Ten slices of three seconds; 1020.0 is where one begins."""

    @pytest.mark.parametrize(
        ("ended", "then", "state"),
        [
            (1020.0, 1020.0, "open"),
            (1020.0, 1047.0, "open"),
            (1020.0, 1049.99, "open"),
            (1020.0, 1050.0, "closed"),
            (1022.99, 1049.99, "open"),
            (1022.99, 1050.0, "closed"),
            (1019.99, 1046.99, "open"),
            (1019.99, 1047.0, "closed"),
            (1020.0, 1e9, "closed"),
        ],
    )
    def test_what_lies_too_far_back_does_not_count(self, ended: float, then: float, state: str) -> None:
        circuit = Circuit(CircuitBreaker())
        attempts(circuit, bad=19, now=ended)
        attempt(circuit, "bad", then)
        assert circuit.state(then) == state

    def test_neither_do_successes(self) -> None:
        circuit = Circuit(CircuitBreaker())
        attempts(circuit, good=1000, now=1020.0)
        attempts(circuit, bad=20, now=1049.0)
        assert circuit.state(1049.0) == "closed"
        attempt(circuit, "bad", 1050.0)
        assert circuit.state(1050.0) == "open"

    def test_its_slices_are_forgotten_one_by_one(self) -> None:
        circuit = Circuit(CircuitBreaker(of=10))
        for second in range(0, 300, 3):
            attempts(circuit, good=6, bad=5, now=1020.0 + second)
        attempts(circuit, bad=5, now=1320.0)  # and of the nine slices before: 54 good, 45 bad
        attempts(circuit, bad=2, now=1323.0)  # 48 good, 40 bad, and those five
        assert circuit.state(1323.0) == "closed"
        attempt(circuit, "bad", 1323.0)
        assert circuit.state(1323.0) == "open"

    def test_a_pause_of_less_than_the_window_keeps_the_rest(self) -> None:
        circuit = Circuit(CircuitBreaker(of=3))
        attempt(circuit, "bad", 1020.0)
        attempt(circuit, "bad", 1026.0)
        attempt(circuit, "bad", 1053.0)
        assert circuit.state(1053.0) == "closed"  # 1026 and 1053
        attempt(circuit, "bad", 1053.0)
        assert circuit.state(1053.0) == "open"

    def test_it_is_as_long_as_it_is_given(self) -> None:
        for then, state in [(1009.99, "open"), (1010.0, "closed")]:
            circuit = Circuit(CircuitBreaker(of=2, window=10.0))
            attempt(circuit, "bad", 1000.0)
            attempt(circuit, "bad", then)
            assert circuit.state(then) == state

    def test_it_takes_no_more_memory_for_more_attempts(self) -> None:
        def weight(circuit: Circuit) -> int:
            verdicts: Any = circuit._verdicts
            return sum(sys.getsizeof(getattr(verdicts, name)) for name in verdicts.__slots__)

        circuit = Circuit(CircuitBreaker())
        attempts(circuit, good=10, bad=1)
        before = weight(circuit)
        for second in range(1000):
            attempts(circuit, good=10, bad=1, now=NOW + second)
        assert weight(circuit) == before


class TestOpen:
    def test_until_it_is_due(self) -> None:
        circuit = opened()
        for now in (NOW, NOW + 4.999):
            assert circuit.due(now) == NOW + 5.0
            assert circuit.state(now) == "open"
        assert circuit.due(NOW + 5.0) is None
        assert circuit.state(NOW + 5.0) == "half-open"

    def test_for_as_long_as_it_is_given(self) -> None:
        assert opened(open_for=3.0).due(NOW) == NOW + 3.0

    def test_for_twice_as_long_with_each_probe_that_fails(self) -> None:
        circuit, now = opened(), NOW
        lengths = []
        for _ in range(7):
            due = circuit.due(now)
            assert due is not None
            lengths.append(due - now)
            now = due + 0.5
            ticket = circuit.begin(due)
            circuit.end(ticket, "bad", now)
        assert lengths == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]

    def test_to_the_longest_it_is_given(self) -> None:
        circuit = opened(open_for=4.0, max_open_for=7.0)
        attempt(circuit, "bad", NOW + 4.0)
        assert circuit.due(NOW + 4.0) == NOW + 11.0
        attempt(circuit, "bad", NOW + 11.0)
        assert circuit.due(NOW + 11.0) == NOW + 18.0

    def test_what_was_under_way_has_no_say(self) -> None:
        circuit = Circuit(CircuitBreaker(of=1))
        tickets = [circuit.begin(NOW) for _ in range(3)]
        circuit.end(tickets[0], "bad", NOW)
        circuit.end(tickets[1], "bad", NOW + 1.0)
        assert circuit.due(NOW + 1.0) == NOW + 5.0
        assert circuit.due(NOW + 6.0) is None
        circuit.end(tickets[2], "good", NOW + 6.0)
        assert circuit.state(NOW + 6.0) == "half-open"


class TestHalfOpen:
    def test_one_probe_at_a_time(self) -> None:
        circuit = opened()
        now = NOW + 7.0
        circuit.begin(now)
        assert circuit.state(now) == "half-open"
        assert circuit.due(now) == now + 5.0
        assert circuit.due(now + 1.0) == now + 5.0

    def test_a_good_one_closes_it(self) -> None:
        circuit = opened()
        attempt(circuit, "good", NOW + 5.0)
        assert circuit.state(NOW + 5.0) == "closed"
        assert circuit.due(NOW + 5.0) is None

    def test_a_bad_one_opens_it(self) -> None:
        circuit = opened()
        ticket = circuit.begin(NOW + 5.0)
        circuit.end(ticket, "bad", NOW + 6.0)
        assert circuit.state(NOW + 6.0) == "open"
        assert circuit.due(NOW + 6.0) == NOW + 16.0

    def test_one_without_a_verdict_makes_room_for_another(self) -> None:
        circuit = opened()
        ticket = circuit.begin(NOW + 5.0)
        circuit.end(ticket, "none", NOW + 6.0)
        assert circuit.state(NOW + 6.0) == "half-open"
        assert circuit.due(NOW + 6.0) is None
        attempt(circuit, "good", NOW + 6.0)
        assert circuit.state(NOW + 6.0) == "closed"

    def test_as_many_as_are_given(self) -> None:
        circuit = opened(probes=3)
        tickets = []
        for later in range(3):
            assert circuit.due(NOW + 5.0 + later) is None
            tickets.append(circuit.begin(NOW + 5.0 + later))
        assert circuit.due(NOW + 8.0) == NOW + 10.0
        circuit.end(tickets[0], "none", NOW + 8.0)
        assert circuit.due(NOW + 8.0) is None
        circuit.begin(NOW + 8.0)
        assert circuit.due(NOW + 8.0) == NOW + 11.0

    def test_and_as_many_must_be_good(self) -> None:
        circuit = opened(probes=3)
        attempt(circuit, "good", NOW + 5.0)
        attempt(circuit, "good", NOW + 5.0)
        attempt(circuit, "none", NOW + 5.0)
        assert circuit.state(NOW + 5.0) == "half-open"
        attempt(circuit, "good", NOW + 5.0)
        assert circuit.state(NOW + 5.0) == "closed"

    def test_none_of_them_bad(self) -> None:
        circuit = opened(probes=2)
        attempt(circuit, "good", NOW + 5.0)
        attempt(circuit, "bad", NOW + 5.0)
        assert circuit.due(NOW + 5.0) == NOW + 15.0
        attempt(circuit, "good", NOW + 15.0)
        assert circuit.state(NOW + 15.0) == "half-open"  # those of the last time do not count
        attempt(circuit, "good", NOW + 15.0)
        assert circuit.state(NOW + 15.0) == "closed"

    def test_others_under_way_when_one_fails_have_no_say(self) -> None:
        circuit = opened(probes=3)
        tickets = [circuit.begin(NOW + 5.0) for _ in range(3)]
        circuit.end(tickets[1], "bad", NOW + 6.0)
        circuit.end(tickets[0], "bad", NOW + 7.0)
        assert circuit.due(NOW + 7.0) == NOW + 16.0
        circuit.end(tickets[2], "good", NOW + 16.0)
        assert circuit.state(NOW + 16.0) == "half-open"
        # Nor do they hold a place.
        for _ in range(3):
            assert circuit.due(NOW + 16.0) is None
            circuit.begin(NOW + 16.0)
        assert circuit.due(NOW + 16.0) == NOW + 26.0

    def test_one_that_hangs_keeps_nobody_out(self) -> None:
        circuit = opened()
        circuit.begin(NOW + 5.0)
        assert circuit.due(NOW + 9.999) == NOW + 10.0
        assert circuit.due(NOW + 10.0) is None
        circuit.begin(NOW + 10.0)
        assert circuit.due(NOW + 10.0) == NOW + 15.0

    def test_but_its_verdict_counts(self) -> None:
        for verdict, state in [("good", "closed"), ("bad", "open"), ("none", "half-open")]:
            circuit = opened()
            late = circuit.begin(NOW + 5.0)
            circuit.begin(NOW + 10.0)
            circuit.end(late, verdict, NOW + 11.0)
            assert circuit.state(NOW + 11.0) == state

    def test_without_a_verdict_it_does_not_make_room_twice(self) -> None:
        circuit = opened()
        late = circuit.begin(NOW + 5.0)
        circuit.begin(NOW + 10.0)
        circuit.end(late, "none", NOW + 11.0)
        assert circuit.due(NOW + 11.0) == NOW + 15.0

    def test_the_longer_it_was_open_the_longer_a_probe_may_take(self) -> None:
        circuit = opened()
        attempt(circuit, "bad", NOW + 5.0)
        circuit.begin(NOW + 20.0)
        assert circuit.due(NOW + 20.0) == NOW + 30.0


class TestClosedAgain:
    def test_nothing_is_counted_yet(self) -> None:
        circuit = Circuit(CircuitBreaker(of=2))
        attempts(circuit, bad=2)
        attempt(circuit, "good", NOW + 5.0)
        attempt(circuit, "bad", NOW + 5.0)
        assert circuit.state(NOW + 5.0) == "closed"
        attempt(circuit, "bad", NOW + 5.0)
        assert circuit.state(NOW + 5.0) == "open"

    def test_the_next_opening_is_short_again(self) -> None:
        circuit = opened()
        attempt(circuit, "bad", NOW + 5.0)
        attempt(circuit, "good", NOW + 15.0)
        attempt(circuit, "bad", NOW + 16.0)
        assert circuit.due(NOW + 16.0) == NOW + 21.0

    def test_what_was_under_way_before_has_no_say(self) -> None:
        circuit = Circuit(CircuitBreaker(of=1, probes=1))
        before = circuit.begin(NOW)
        attempt(circuit, "bad")
        hanging = circuit.begin(NOW + 5.0)
        attempt(circuit, "good", NOW + 10.0)
        circuit.end(before, "bad", NOW + 11.0)
        circuit.end(hanging, "bad", NOW + 11.0)
        assert circuit.state(NOW + 11.0) == "closed"
        attempt(circuit, "bad", NOW + 11.0)
        assert circuit.state(NOW + 11.0) == "open"


class TestRest:
    def test_with_the_first_failure_it_ends(self) -> None:
        circuit = Circuit(CircuitBreaker(of=2))
        assert circuit.at_rest
        attempts(circuit, good=5)
        attempt(circuit, "none")
        assert circuit.at_rest
        attempt(circuit, "bad")
        assert not circuit.at_rest

    def test_it_is_there_again_when_that_is_forgotten(self) -> None:
        circuit = Circuit(CircuitBreaker(of=2))
        attempt(circuit, "bad", 1020.0)
        attempt(circuit, "good", 1049.0)
        assert not circuit.at_rest
        attempt(circuit, "good", 1050.0)
        assert circuit.at_rest

    def test_not_while_it_is_not_closed(self) -> None:
        circuit = opened()
        assert not circuit.at_rest
        ticket = circuit.begin(NOW + 5.0)
        assert not circuit.at_rest
        circuit.end(ticket, "good", NOW + 5.0)
        assert circuit.at_rest


class Server:
    """Answers in a tenth of a second, except while it is down: then it never answers, which takes a second to see."""

    def __init__(self, down: tuple[float, float], *, calls_per_second: float, failing: float = 0.0) -> None:
        self.down, self.interval, self.failing = down, 1.0 / calls_per_second, failing
        self.chance = random.Random(0)
        self.circuit = Circuit(CircuitBreaker())
        self.refused = self.failed = self.sent_while_down = 0
        self.closed_at = math.inf

    def run(self, until: float) -> None:
        circuit, began = self.circuit, NOW
        under_way: list[tuple[float, Ticket, Verdict]] = []
        for number in range(round(until / self.interval)):
            now = began + number * self.interval
            for ended, ticket, verdict in sorted(under_way):
                if ended <= now:
                    under_way.remove((ended, ticket, verdict))
                    circuit.end(ticket, verdict, ended)
                    self.failed += verdict == "bad"
            if circuit.state(now) == "closed" and now - began > self.down[1]:
                self.closed_at = min(self.closed_at, now - began)
            if circuit.due(now) is not None:
                self.refused += 1
                continue
            down = self.down[0] <= now - began < self.down[1]
            self.sent_while_down += down
            if down:
                under_way.append((now + 1.0, circuit.begin(now), "bad"))
            else:
                verdict: Verdict = "bad" if self.chance.random() < self.failing else "good"
                under_way.append((now + 0.1, circuit.begin(now), verdict))


class TestInTime:
    def test_a_server_that_is_down_for_a_while_is_left_alone(self) -> None:
        server = Server((60.0, 180.0), calls_per_second=10.0)
        server.run(300.0)
        # What it takes to see it, in a window with good answers in it, and one probe each after 5, 10, 20 and 40 s.
        assert 140 < server.sent_while_down < 150
        assert 1300 < server.refused < 1400
        assert server.closed_at < 180.0 + 60.0 + 1.0

    def test_one_that_fails_one_time_in_four_is_not(self) -> None:
        server = Server((0.0, 0.0), calls_per_second=10.0, failing=0.25)
        server.run(1000.0)
        assert server.refused == 0
        assert 2300 < server.failed < 2700
