"""How many retries all calls to one origin may send together: a bucket of tokens.

Retries mend what fails at random and make an outage worse: with two of them each, all clients
together send a server that is down three times its load. `max_retries` bounds one call; this bounds
the crowd.

1. A retry takes tokens out of the bucket when it is sent, `transient_cost` or `throttle_cost`. So
   does the second copy of a hedged call. If there are not enough, it is not sent.
2. A call that succeeds in the end puts back what all of its retries took; one that fails does not.
3. A call that succeeds at the first attempt puts in `refill`.
4. A retry that is not sent after all puts back what it took. One that was sent and then cancelled
   does not.
5. The bucket's size is `capacity`, or, where that is more, `transient_cost` for `in_flight_share`
   of the calls in flight when an attempt fails. It shrinks again with each success (3), by a
   quarter of what the bucket has for one call in flight.
6. What is put in beyond the size is kept, up to as much again.

So in an outage a hundred calls may have fifty retries between them, ten thousand at once a thousand,
and then there are none until calls succeed again. Where one in ten fails at random, none is refused.

Rules 1 to 4 are those of botocore's standard mode (500 tokens; 5 for a retry, 10 after a timeout; 1
back), save that it puts back the cost of a call's last retry only. Rules 5 and 6 are for crowds. When
a thousand calls begin together and a hundred of them fail, these retry after the others have ended:
what is in flight by then says little of the crowd they came in, and the success of the others would
be lost on a bucket that was full. For contrast, the retry throttling of gRPC (proposal A6) counts
every failure, retried or not, and stops all retries when half its tokens are gone: at its customary
ratio of 0.1 tokens for a success, one failure in ten is enough for that.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import force_setattr

from .._types import checked_amount

__all__ = ["BudgetMeter", "RetryBudget"]

_THROTTLES: Final = frozenset({429, 529})
_SHRINK: Final = 0.25
"""Fast enough to forget a crowd within four times its size; slow enough to know it when its failures retry."""


class RetryBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds the retries that all calls to one origin send together. In tokens, unless it says otherwise.

    Raises TypeError or ValueError naming the field.
    """

    capacity: float = 500.0
    """What there is for retries when nothing has failed for a while, however few calls are in flight."""
    transient_cost: float = 10.0
    """Of a retry after a fault, a timeout or an error of the server, and of a second copy (`Hedge`)."""
    throttle_cost: float = 5.0
    """Of a retry after an answer that asks for patience: 429 or 529."""
    refill: float = 1.0
    """What a call that needed no retry puts back in."""
    in_flight_share: float = 0.1
    """Share of the calls in flight, 0 to 1, that may be retried at once where `capacity` is for fewer."""

    def __post_init__(self) -> None:
        for name in ("capacity", "transient_cost", "throttle_cost", "refill", "in_flight_share"):
            force_setattr(self, name, checked_amount(getattr(self, name), f"budget.{name}"))
        if self.in_flight_share > 1.0:
            raise ValueError(f"budget.in_flight_share must be a share from 0 to 1, not {self.in_flight_share!r}")


class BudgetMeter:
    """The bucket of one origin. `in_flight` is the number of calls begun and not ended."""

    __slots__ = ("_budget", "_per_call", "size", "spent")

    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget
        self._per_call = budget.transient_cost * budget.in_flight_share
        self.size = budget.capacity
        """Rule 5, for the crowd as it was last seen."""
        self.spent = 0.0
        """What was taken out and not put back; below zero, what there is beyond the size (rule 6)."""

    @property
    def at_rest(self) -> bool:
        """Nothing is spent and no crowd remembered: a new bucket would do as well."""
        return self.spent <= 0.0 and self.size == self._budget.capacity

    def cost_of(self, status: int | None) -> float:
        """Of a retry after this status, None where there was no whole answer."""
        return self._budget.throttle_cost if status in _THROTTLES else self._budget.transient_cost

    def may_spend(self, cost: float, in_flight: int) -> bool:
        """Whether there is enough now. Takes nothing, but sees how large the crowd is."""
        self.size = max(self.size, self._per_call * in_flight)
        return self.spent + cost <= self.size

    def spend(self, cost: float, in_flight: int) -> bool:
        """Take `cost` for a retry about to be sent. False, and nothing is taken, where there is not enough."""
        if not self.may_spend(cost, in_flight):
            return False
        self.spent += cost
        return True

    def give_back(self, cost: float) -> None:
        """What a retry took that is not sent after all, or all retries of a call that now succeeded."""
        self.spent = max(self.spent - cost, -self.size)

    def succeeded(self) -> None:
        """A call needed no retry. Need not be told while `at_rest` and no failed call waits to retry."""
        budget = self._budget
        self.size = max(self.size - _SHRINK * self._per_call, budget.capacity)
        self.spent = max(self.spent - budget.refill, -self.size)

    def left(self, in_flight: int) -> float:
        """Tokens that a retry could spend now."""
        return max(max(self.size, self._per_call * in_flight) - self.spent, 0.0)
