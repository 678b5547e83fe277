"""The retry rules as tables: exact delays, exact instants, exact reasons; no clock, no sleep."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest

from trioclient._faults import ConnectFault, DisconnectFault, LimitFault, ProtocolFault, TimeoutFault
from trioclient._policy.gate import Gate
from trioclient._policy.retry import (
    Outcome,
    Retry,
    RetryPolicy,
    Stop,
    decide,
    gate_delay,
    outcome_of_answer,
    outcome_of_fault,
)
from trioclient._types import IDEMPOTENT_METHODS

NOW = 1000.0
WALL = 1_700_000_000.0
POLICY = RetryPolicy()
ANSWER = Outcome(kind="answer", sent="yes", keyed=True, replayable=True, status=503)
BROKEN = Outcome(kind="disconnect", sent="maybe", keyed=True, replayable=True)


def verdict(outcome: Outcome, policy: RetryPolicy = POLICY, **given: Any) -> Retry | Stop:
    readings: dict[str, Any] = {
        "retries_taken": 0,
        "max_retries": 2,
        "now": NOW,
        "deadline": math.inf,
        "wall": WALL,
        "draw": 0.0,
        **given,
    }
    return decide(policy, outcome, **readings)


def but(outcome: Outcome, **changes: Any) -> Outcome:
    return msgspec.structs.replace(outcome, **changes)


def reason(result: Retry | Stop) -> str:
    assert isinstance(result, Stop)
    return result.reason


class TestWhatIsRetried:
    @pytest.mark.parametrize("status", [408, 409, 429, 500, 501, 502, 503, 504, 507, 529, 599])
    def test_statuses_that_are(self, status: int) -> None:
        assert verdict(but(ANSWER, status=status)) == Retry(0.5, f"status {status}", "back-off")

    @pytest.mark.parametrize("status", [300, 304, 307, 400, 401, 403, 404, 405, 410, 413, 418, 422, 425, 451, 499])
    def test_statuses_that_are_not(self, status: int) -> None:
        assert verdict(but(ANSWER, status=status)) == Stop(f"status {status} is not retried", None)

    @pytest.mark.parametrize(
        ("policy", "status", "retried"),
        [
            (RetryPolicy(statuses=frozenset({404})), 404, True),
            (RetryPolicy(statuses=frozenset({404})), 429, False),
            (RetryPolicy(statuses=frozenset({404})), 500, True),
            (RetryPolicy(statuses=frozenset(), server_errors=False), 500, False),
            (RetryPolicy(statuses=frozenset({503}), server_errors=False), 503, True),
            (RetryPolicy(statuses=frozenset({503}), server_errors=False), 502, False),
        ],
    )
    def test_statuses_the_policy_names(self, policy: RetryPolicy, status: int, retried: bool) -> None:
        assert isinstance(verdict(but(ANSWER, status=status), policy), Retry) is retried

    @pytest.mark.parametrize(
        ("status", "should_retry", "expected"),
        [
            (400, True, Retry(0.5, "status 400, x-should-retry: true", "back-off")),
            (404, True, Retry(0.5, "status 404, x-should-retry: true", "back-off")),
            (503, True, Retry(0.5, "status 503, x-should-retry: true", "back-off")),
            (503, False, Stop("status 503, x-should-retry: false", None)),
            (429, False, Stop("status 429, x-should-retry: false", None)),
            (400, False, Stop("status 400, x-should-retry: false", None)),
        ],
    )
    def test_the_server_has_the_last_word_on_the_status(
        self, status: int, should_retry: bool, expected: Retry | Stop
    ) -> None:
        assert verdict(but(ANSWER, status=status, should_retry=should_retry)) == expected

    @pytest.mark.parametrize(
        ("fault", "expected"),
        [
            (ConnectFault("refused"), Retry(0.5, "no whole answer came", "back-off")),
            (DisconnectFault("reset"), Retry(0.5, "no whole answer came", "back-off")),
            (ProtocolFault("not HTTP"), Retry(0.5, "no whole answer came", "back-off")),
            (TimeoutFault("connect"), Retry(0.5, "the attempt timed out", "back-off")),
            (TimeoutFault("read"), Retry(0.5, "the attempt timed out", "back-off")),
            (LimitFault("max_body_bytes", 10), Stop("another attempt would end the same way", None)),
        ],
    )
    def test_faults(self, fault: Exception, expected: Retry | Stop) -> None:
        assert verdict(outcome_of_fault(fault, sent="maybe", keyed=True, replayable=True)) == expected  # type: ignore[arg-type]

    def test_a_final_outcome_stays_final_whatever_the_server_says(self) -> None:
        outcome = but(ANSWER, kind="final", status=500, should_retry=True, server_delay=1.0)
        assert verdict(outcome) == Stop("another attempt would end the same way", WALL + 1.0)


class TestWhatForbidsIt:
    @pytest.mark.parametrize(
        ("retries_taken", "max_retries", "goes_on"),
        [(0, 1, True), (1, 1, False), (0, 2, True), (1, 2, True), (2, 2, False), (3, 2, False), (7, 8, True)],
    )
    def test_max_retries_counts_retries(self, retries_taken: int, max_retries: int, goes_on: bool) -> None:
        result = verdict(ANSWER, retries_taken=retries_taken, max_retries=max_retries)
        assert isinstance(result, Retry) if goes_on else result == Stop("retries used up", None)

    def test_zero_turns_retries_off(self) -> None:
        assert verdict(ANSWER, max_retries=0) == Stop("retries are turned off", None)

    @pytest.mark.parametrize("outcome", [ANSWER, BROKEN, but(ANSWER, status=400, should_retry=True)])
    def test_a_body_that_cannot_be_sent_again(self, outcome: Outcome) -> None:
        assert verdict(but(outcome, replayable=False)) == Stop("the body cannot be sent again", None)

    @pytest.mark.parametrize(
        ("keyed", "sent", "replay_unkeyed", "goes_on"),
        [
            (False, "no", False, True),
            (False, "maybe", False, False),
            (False, "yes", False, False),
            (True, "maybe", False, True),
            (True, "yes", False, True),
            (False, "no", True, True),
            (False, "maybe", True, True),
            (False, "yes", True, True),
        ],
    )
    def test_an_unkeyed_call_that_may_have_arrived(
        self, keyed: bool, sent: str, replay_unkeyed: bool, goes_on: bool
    ) -> None:
        result = verdict(but(BROKEN, keyed=keyed, sent=sent), RetryPolicy(replay_unkeyed=replay_unkeyed))
        if goes_on:
            assert isinstance(result, Retry)
        else:
            assert reason(result) == "the call has no idempotency key and may have reached the server"

    def test_the_server_cannot_allow_an_unkeyed_replay(self) -> None:
        outcome = but(ANSWER, keyed=False, should_retry=True)
        assert isinstance(verdict(outcome, RetryPolicy(replay_unkeyed=False)), Stop)

    @pytest.mark.parametrize(
        ("forbidden", "given"),
        [
            (but(ANSWER, should_retry=True), {"retries_taken": 2}),
            (but(ANSWER, should_retry=True), {"max_retries": 0}),
            (but(ANSWER, should_retry=True, replayable=False), {}),
            (but(ANSWER, should_retry=True, server_delay=121.0), {}),
            (but(ANSWER, should_retry=True), {"deadline": NOW + 0.49}),
        ],
    )
    def test_x_should_retry_overrides_the_status_rule_only(self, forbidden: Outcome, given: dict[str, Any]) -> None:
        assert isinstance(verdict(forbidden, **given), Stop)

    @pytest.mark.parametrize(
        ("outcome", "given", "expected"),
        [
            (ANSWER, {}, "the retry budget is spent"),
            (BROKEN, {}, "the retry budget is spent"),
            (ANSWER, {"deadline": NOW}, "the retry budget is spent"),
            (ANSWER, {"retries_taken": 2}, "retries used up"),
            (but(ANSWER, status=400), {}, "status 400 is not retried"),
        ],
    )
    def test_a_budget_that_is_spent(self, outcome: Outcome, given: dict[str, Any], expected: str) -> None:
        assert reason(verdict(outcome, budget_left=False, **given)) == expected

    def test_methods_whose_repetition_does_no_harm(self) -> None:
        assert {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"} == IDEMPOTENT_METHODS


class TestDelay:
    @pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
    @pytest.mark.parametrize(
        ("retries_taken", "whole"),
        [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (100, 8.0), (10**9, 8.0)],
    )
    def test_back_off_less_up_to_a_quarter(self, retries_taken: int, whole: float, draw: float) -> None:
        result = verdict(BROKEN, retries_taken=retries_taken, max_retries=10**10, draw=draw)
        assert result == Retry(whole * (1 - 0.25 * draw), "no whole answer came", "back-off")

    @pytest.mark.parametrize(("draw", "delay"), [(0.0, 0.5), (0.5, 0.4375), (0.999, 0.375125)])
    def test_back_off_in_figures(self, draw: float, delay: float) -> None:
        result = verdict(BROKEN, draw=draw)
        assert isinstance(result, Retry)
        assert result.delay == pytest.approx(delay, rel=1e-12)

    @pytest.mark.parametrize(
        ("server_delay", "draw", "delay"),
        [(4.0, 0.0, 4.0), (4.0, 0.5, 4.5), (4.0, 0.999, 4.999), (0.01, 0.0, 0.01), (120.0, 0.5, 135.0)],
    )
    def test_a_server_delay_is_a_minimum(self, server_delay: float, draw: float, delay: float) -> None:
        # Also where it is shorter than the back-off would be, and 120 s before jitter is not too much.
        result = verdict(but(ANSWER, server_delay=server_delay), draw=draw, retries_taken=1)
        assert result == Retry(pytest.approx(delay, rel=1e-12), "status 503", "server")

    def test_never_less_than_the_server_asked_for(self) -> None:
        chance = random.Random(7)
        for _ in range(1000):
            asked = chance.uniform(1e-6, 120.0)
            result = verdict(but(ANSWER, server_delay=asked), draw=chance.random())
            assert isinstance(result, Retry)
            assert asked <= result.delay <= asked * 1.25

    @pytest.mark.parametrize("server_delay", [120.001, 121.0, 86_400.0, 1e300])
    def test_a_server_delay_above_the_most(self, server_delay: float) -> None:
        assert reason(verdict(but(ANSWER, server_delay=server_delay))) == (
            f"the server asks for {server_delay:g} s, more than max_retry_after (120 s)"
        )

    def test_the_most_is_the_policys(self) -> None:
        outcome = but(ANSWER, server_delay=2.0)
        assert isinstance(verdict(outcome, RetryPolicy(max_retry_after=1.0)), Stop)
        assert isinstance(verdict(outcome, RetryPolicy(max_retry_after=2.0)), Retry)
        assert isinstance(verdict(but(ANSWER, server_delay=1e6), RetryPolicy(max_retry_after=math.inf)), Retry)

    @pytest.mark.parametrize(
        ("policy", "retries_taken", "delay"),
        [
            (RetryPolicy(initial_delay=0.1, max_delay=0.3, jitter=0), 0, 0.1),
            (RetryPolicy(initial_delay=0.1, max_delay=0.3, jitter=0), 1, 0.2),
            (RetryPolicy(initial_delay=0.1, max_delay=0.3, jitter=0), 2, 0.3),
            (RetryPolicy(initial_delay=5.0, max_delay=3.0, jitter=0), 0, 3.0),
            (RetryPolicy(initial_delay=0.0), 2000, 0.0),
            (RetryPolicy(max_delay=0.0), 3, 0.0),
            (RetryPolicy(initial_delay=1e300, max_delay=7.0, jitter=0), 2000, 7.0),
            (RetryPolicy(jitter=1.0), 0, 0.25),
        ],
    )
    def test_the_policys_own_figures(self, policy: RetryPolicy, retries_taken: int, delay: float) -> None:
        result = verdict(BROKEN, policy, retries_taken=retries_taken, max_retries=10**6, draw=0.5)
        assert isinstance(result, Retry)
        assert result.delay == delay


class TestDeadline:
    @pytest.mark.parametrize(
        ("outcome", "deadline", "goes_on"),
        [
            (BROKEN, NOW + 0.5, True),
            (BROKEN, NOW + 0.499, False),
            (BROKEN, NOW, False),
            (BROKEN, NOW - 1.0, False),
            (BROKEN, math.inf, True),
            (but(ANSWER, server_delay=30.0), NOW + 30.0, True),
            (but(ANSWER, server_delay=30.0), NOW + 29.9, False),
        ],
    )
    def test_a_delay_past_it_fails_at_once(self, outcome: Outcome, deadline: float, goes_on: bool) -> None:
        assert isinstance(verdict(outcome, deadline=deadline), Retry) is goes_on

    def test_the_jitter_counts(self) -> None:
        outcome = but(ANSWER, server_delay=4.0)
        assert isinstance(verdict(outcome, deadline=NOW + 4.4, draw=0.0), Retry)
        assert verdict(outcome, deadline=NOW + 4.4, draw=0.5) == Stop(
            "the next attempt, 4.50 s from now, would start after the deadline", WALL + 4.0
        )

    def test_a_deadline_already_past_forbids_even_no_delay(self) -> None:
        assert isinstance(verdict(BROKEN, RetryPolicy(initial_delay=0), deadline=NOW - 0.001), Stop)


class TestRetryAt:
    @pytest.mark.parametrize(
        ("outcome", "given"),
        [
            (but(ANSWER, server_delay=300.0), {}),
            (but(ANSWER, server_delay=300.0, status=400), {}),
            (but(ANSWER, server_delay=300.0, should_retry=False), {}),
            (but(ANSWER, server_delay=300.0, replayable=False), {}),
            (but(ANSWER, server_delay=300.0), {"max_retries": 0}),
            (but(ANSWER, server_delay=300.0), {"retries_taken": 2}),
            (but(ANSWER, server_delay=300.0), {"deadline": NOW + 1.0}),
        ],
    )
    def test_it_is_the_servers_time_whatever_ended_the_call(self, outcome: Outcome, given: dict[str, Any]) -> None:
        result = verdict(outcome, draw=0.999, **given)
        assert isinstance(result, Stop)
        assert result.retry_at == WALL + 300.0

    def test_it_is_past_no_calendars_end(self) -> None:
        last = 253_402_300_799.0
        assert verdict(but(ANSWER, server_delay=last - WALL)).retry_at == last  # type: ignore[union-attr]
        assert verdict(but(ANSWER, server_delay=last - WALL + 1)).retry_at is None  # type: ignore[union-attr]

    def test_none_where_the_server_named_no_time(self) -> None:
        assert verdict(BROKEN, max_retries=0).retry_at is None  # type: ignore[union-attr]


class TestCircuit:
    @pytest.mark.parametrize(
        ("due", "expected"),
        [
            (NOW - 1.0, Retry(0.5, "status 503", "back-off")),
            (NOW + 0.5, Retry(0.5, "status 503", "back-off")),
            (NOW + 0.75, Stop("the circuit is open", WALL + 0.75)),
            (NOW + 60.0, Stop("the circuit is open", WALL + 60.0)),
        ],
    )
    def test_one_that_is_open_for_longer_than_the_delay(self, due: float, expected: Retry | Stop) -> None:
        assert verdict(ANSWER, circuit_due=due) == expected

    def test_it_goes_before_the_deadline(self) -> None:
        assert verdict(ANSWER, circuit_due=NOW + 60.0, deadline=NOW) == Stop("the circuit is open", WALL + 60.0)

    def test_the_gate_may_open_later(self) -> None:
        decision = verdict(ANSWER, circuit_due=NOW + 5.0, held_until=NOW + 5.0)
        assert decision == Retry(5.0, "status 503", "gate")


class TestGate:
    @pytest.mark.parametrize(
        ("outcome", "held_until", "expected"),
        [
            (BROKEN, -math.inf, Retry(0.5, "no whole answer came", "back-off")),
            (BROKEN, NOW - 5.0, Retry(0.5, "no whole answer came", "back-off")),
            (BROKEN, NOW + 0.25, Retry(0.5, "no whole answer came", "back-off")),
            (BROKEN, NOW + 0.5, Retry(0.5, "no whole answer came", "back-off")),
            (BROKEN, NOW + 6.0, Retry(6.0, "no whole answer came", "gate")),
            (but(ANSWER, server_delay=4.0), NOW + 6.0, Retry(6.0, "status 503", "gate")),
            (but(ANSWER, server_delay=8.0), NOW + 6.0, Retry(8.0, "status 503", "server")),
        ],
    )
    def test_no_attempt_before_it_opens(self, outcome: Outcome, held_until: float, expected: Retry) -> None:
        assert verdict(outcome, held_until=held_until) == expected

    def test_one_that_opens_after_the_deadline_fails_at_once(self) -> None:
        assert isinstance(verdict(BROKEN, held_until=NOW + 6.0, deadline=NOW + 6.0), Retry)
        assert isinstance(verdict(BROKEN, held_until=NOW + 6.0, deadline=NOW + 5.9), Stop)

    @pytest.mark.parametrize(
        ("policy", "outcome", "delay"),
        [
            (POLICY, but(ANSWER, status=429, server_delay=3.0), 3.0),
            (POLICY, but(ANSWER, status=503, server_delay=3.0), 3.0),
            (POLICY, but(ANSWER, status=429, server_delay=3.0, should_retry=False, replayable=False), 3.0),
            (POLICY, but(ANSWER, status=429, server_delay=120.0), 120.0),
            (POLICY, but(ANSWER, status=429, server_delay=120.5), None),
            (POLICY, but(ANSWER, status=429), None),
            (POLICY, but(ANSWER, status=500, server_delay=3.0), None),
            (POLICY, but(ANSWER, status=409, server_delay=3.0), None),
            (POLICY, BROKEN, None),
            (RetryPolicy(gate=False), but(ANSWER, status=429, server_delay=3.0), None),
        ],
    )
    def test_what_closes_it(self, policy: RetryPolicy, outcome: Outcome, delay: float | None) -> None:
        assert gate_delay(policy, outcome) == delay

    def test_the_call_that_closed_it_comes_back_as_one_of_those_that_waited(self) -> None:
        gate, outcome = Gate(POLICY.jitter), but(ANSWER, status=429, server_delay=4.0)
        own = verdict(outcome, draw=0.5, held_until=gate.opens_at(NOW, 0.5))
        closed_for = gate_delay(POLICY, outcome)
        assert closed_for is not None
        gate.hold(NOW, closed_for)
        assert own == Retry(4.5, "status 429", "server")
        assert gate.opens_at(NOW + 1.0, 0.25) == NOW + 4.5


class TestOutcome:
    def test_of_an_answer(self) -> None:
        headers = [(b"retry-after", b"1.5"), (b"x-should-retry", b"True")]
        assert outcome_of_answer(429, headers, WALL, keyed=False, replayable=True) == Outcome(
            kind="answer",
            sent="yes",
            keyed=False,
            replayable=True,
            status=429,
            should_retry=True,
            server_delay=1.5,
        )

    def test_of_an_answer_that_names_an_instant(self) -> None:
        headers = [(b"retry-after", b"Tue, 14 Nov 2023 22:13:30 GMT")]
        assert outcome_of_answer(503, headers, WALL, keyed=True, replayable=True).server_delay == 10.0

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (ConnectFault(""), "disconnect"),
            (DisconnectFault(""), "disconnect"),
            (ProtocolFault(""), "disconnect"),
            (TimeoutFault("pool"), "timeout"),
            (LimitFault("max_header_bytes", 1), "final"),
        ],
    )
    def test_of_a_fault(self, fault: Any, kind: str) -> None:
        outcome = outcome_of_fault(fault, sent="no", keyed=True, replayable=False)
        assert outcome == Outcome(kind=kind, sent="no", keyed=True, replayable=False)  # type: ignore[arg-type]


class TestPolicy:
    def test_defaults(self) -> None:
        assert RetryPolicy() == RetryPolicy(
            initial_delay=0.5,
            max_delay=8.0,
            jitter=0.25,
            max_retry_after=120.0,
            statuses=frozenset({408, 409, 429}),
            server_errors=True,
            replay_unkeyed=True,
            gate=True,
        )

    @pytest.mark.parametrize(
        ("field", "value", "error"),
        [
            ("initial_delay", -0.1, ValueError),
            ("initial_delay", math.nan, ValueError),
            ("initial_delay", math.inf, ValueError),
            ("initial_delay", "1", TypeError),
            ("initial_delay", True, TypeError),
            ("max_delay", -1, ValueError),
            ("max_delay", math.inf, ValueError),
            ("max_delay", None, ValueError),
            ("jitter", -0.01, ValueError),
            ("jitter", 1.01, ValueError),
            ("jitter", math.nan, ValueError),
            ("jitter", "25 %", TypeError),
            ("max_retry_after", -1.0, ValueError),
            ("max_retry_after", [], TypeError),
            ("statuses", "429", TypeError),
            ("statuses", 429, TypeError),
            ("statuses", {"429"}, TypeError),
            ("statuses", {True}, TypeError),
            ("statuses", {200}, ValueError),
            ("statuses", {600}, ValueError),
            ("server_errors", 1, TypeError),
            ("replay_unkeyed", None, TypeError),
            ("gate", "yes", TypeError),
            ("budget", 500.0, TypeError),
        ],
    )
    def test_what_it_refuses_names_the_field(self, field: str, value: object, error: type[Exception]) -> None:
        with pytest.raises(error, match=rf"retry\.{field} must"):
            RetryPolicy(**{field: value})  # type: ignore[arg-type]

    def test_statuses_of_any_collection_are_frozen(self) -> None:
        policy = RetryPolicy(statuses=[429, 425, 429])
        assert policy.statuses == frozenset({425, 429})
        assert hash(policy) == hash(RetryPolicy(statuses={425, 429}))

    def test_bounds_are_within(self) -> None:
        policy = RetryPolicy(jitter=1.0, initial_delay=0, max_delay=0, max_retry_after=math.inf, statuses={300, 599})
        assert (policy.jitter, policy.statuses) == (1.0, {300, 599})

    def test_it_is_frozen(self) -> None:
        with pytest.raises(AttributeError):
            POLICY.jitter = 0.5  # type: ignore[misc]
