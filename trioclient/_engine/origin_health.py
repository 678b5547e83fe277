"""What is known of one origin: what is left of its retry budget, its circuit, how long it takes.

Everything here is decided elsewhere (`_policy.budget`, `_policy.breaker`, `_policy.hedge`); this
keeps the parts of one origin together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .._policy.breaker import Circuit, CircuitBreaker
from .._policy.budget import BudgetMeter, RetryBudget
from .._policy.hedge import Hedge, HedgeDelay

if TYPE_CHECKING:
    from .._policy.breaker import CircuitState

__all__ = ["OriginHealth", "OriginStatistics"]


class OriginStatistics(NamedTuple):
    """How an origin stands."""

    origin: str
    budget_left: float | None
    """What a retry could spend of the budget, at most twice the size of the bucket; None without one."""
    circuit: CircuitState | None
    """None without a circuit breaker."""


class OriginHealth:
    """Made when it is first needed; while it is `at_rest` it knows nothing that a new one would not."""

    __slots__ = ("_delays", "budget", "circuit")

    def __init__(self, budget: RetryBudget | None, breaker: CircuitBreaker | None) -> None:
        self.budget = BudgetMeter(budget) if budget is not None else None
        self.circuit = Circuit(breaker) if breaker is not None else None
        # By what was asked for: calls may say different things, few in number.
        self._delays: dict[Hedge, HedgeDelay] = {}

    @property
    def idle(self) -> bool:
        """Whether it may be forgotten for want of room: always, as it only warns."""
        return True

    @property
    def at_rest(self) -> bool:
        return self.circuit is None and not self._delays and (self.budget is None or self.budget.at_rest)

    def hedge_delay(self, hedge: Hedge) -> HedgeDelay:
        """What was learned of its answers, for calls that say `hedge`."""
        delay = self._delays.get(hedge)
        if delay is None:
            delay = self._delays[hedge] = HedgeDelay(hedge)
        return delay

    def state(self, now: float) -> CircuitState | None:
        """Of the circuit; None without one."""
        return None if self.circuit is None else self.circuit.state(now)

    def statistics(self, origin: str, now: float, in_flight: int) -> OriginStatistics:
        """As it stands; readable from any thread."""
        return OriginStatistics(
            origin=origin,
            budget_left=None if self.budget is None else self.budget.left(in_flight),
            circuit=self.state(now),
        )
