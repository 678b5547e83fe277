"""Random calls on one retry budget, against a plain sum of what they took and put back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trioclient._policy.budget import BudgetMeter, RetryBudget

CROWDS = st.sampled_from([0, 1, 3, 20, 40, 41, 77, 400])
STATUSES = st.sampled_from([None, 429, 500, 503, 529])


class Bucket:
    """The rules once more, in fractions: what is in it, not what is missing."""

    def __init__(self, capacity: int, per_call: Fraction) -> None:
        self.capacity = self.size = Fraction(capacity)
        self.per_call = per_call
        self.tokens = self.size

    def see(self, in_flight: int) -> None:
        self.resize(max(self.size, self.per_call * in_flight))

    def resize(self, size: Fraction) -> None:
        self.tokens += size - self.size
        self.size = size

    def put(self, tokens: int) -> None:
        self.tokens = min(self.tokens + tokens, 2 * self.size)


class BudgetMachine(RuleBasedStateMachine):
    """Retries that are sent, succeed, fail or are cancelled, in any order, in crowds of any size."""

    @initialize(
        capacity=st.sampled_from([0, 5, 20, 64]),
        throttle_cost=st.sampled_from([0, 1, 4]),
        refill=st.sampled_from([0, 1, 3]),
        share=st.sampled_from([0.0, 0.125, 0.5, 1.0]),
    )
    def begin(self, capacity: int, throttle_cost: int, refill: int, share: float) -> None:
        # Numbers that floats hold exactly, so that the sums must be the same.
        self.costs = {"transient": 8, "throttle": throttle_cost}
        self.refill = refill
        options: Any = {"capacity": capacity, "throttle_cost": throttle_cost, "refill": refill}
        self.meter = BudgetMeter(RetryBudget(transient_cost=8, in_flight_share=share, **options))
        self.bucket = Bucket(capacity, 8 * Fraction(share))
        self.calls: list[list[int]] = []
        self.taken = self.put_back = self.refilled = 0
        self.largest = self.bucket.size

    def cost(self, status: int | None) -> int:
        cost = self.costs["throttle" if status in (429, 529) else "transient"]
        assert self.meter.cost_of(status) == cost
        return cost

    def send(self, cost: int, in_flight: int) -> bool:
        self.bucket.see(in_flight)
        enough = self.bucket.tokens >= cost
        assert self.meter.may_spend(cost, in_flight) is enough
        assert self.meter.spend(cost, in_flight) is enough
        self.largest = max(self.largest, self.bucket.size)
        if enough:
            self.bucket.tokens -= cost
            self.taken += cost
        return enough

    def any_call(self, data: st.DataObject) -> list[int]:
        return self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))

    def put_back_costs(self, tokens: int) -> None:
        self.meter.give_back(tokens)
        self.bucket.put(tokens)
        self.put_back += tokens

    @rule(status=STATUSES, in_flight=CROWDS, calls=st.sampled_from([1, 2, 20]))
    def calls_are_retried(self, status: int | None, in_flight: int, calls: int) -> None:
        cost = self.cost(status)
        for _ in range(calls):
            if self.send(cost, in_flight):
                self.calls.append([cost])

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), status=STATUSES, in_flight=CROWDS)
    def and_retried_again(self, data: st.DataObject, status: int | None, in_flight: int) -> None:
        call = data.draw(st.sampled_from(self.calls))
        cost = self.cost(status)
        if self.send(cost, in_flight):
            call.append(cost)

    @rule(times=st.sampled_from([1, 2, 30]))
    def calls_succeed_at_once(self, times: int) -> None:
        for _ in range(times):
            self.meter.succeeded()
            self.bucket.resize(max(self.bucket.size - self.bucket.per_call / 4, self.bucket.capacity))
            self.bucket.put(self.refill)
            self.refilled += self.refill

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_retried_call_succeeds(self, data: st.DataObject) -> None:
        self.put_back_costs(sum(self.any_call(data)))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_retry_is_cancelled_before_it_is_sent(self, data: st.DataObject) -> None:
        self.put_back_costs(self.any_call(data)[-1])

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_retried_call_fails_or_is_cancelled(self, data: st.DataObject) -> None:
        self.any_call(data)

    @rule()
    def all_retried_calls_fail(self) -> None:
        self.calls.clear()

    @rule(in_flight=CROWDS)
    def somebody_looks(self, in_flight: int) -> None:
        before = (self.meter.size, self.meter.spent)
        grown = max(self.bucket.size, self.bucket.per_call * in_flight) - self.bucket.size
        assert self.meter.left(in_flight) == max(self.bucket.tokens + grown, 0)
        assert (self.meter.size, self.meter.spent) == before

    @invariant()
    def it_is_the_same_sum(self) -> None:
        self.bucket.tokens = min(self.bucket.tokens, 2 * self.bucket.size)
        assert self.meter.size == self.bucket.size >= self.bucket.capacity
        assert self.meter.size - self.meter.spent == self.bucket.tokens

    @invariant()
    def retries_take_no_more_than_there_was(self) -> None:
        assert self.taken <= self.largest + self.put_back + self.refilled

    @invariant()
    def it_is_at_rest_only_if_nothing_is_missing(self) -> None:
        full = self.bucket.tokens >= self.bucket.size == self.bucket.capacity
        assert self.meter.at_rest is full


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=settings.default.max_examples // 2, stateful_step_count=60)
