"""What stands between a client's calls and their attempts, as its arguments say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._engine.guards import GuardOptions
from .._policy.breaker import CircuitBreaker
from .._policy.concurrency import AdaptiveConcurrency
from .._types import checked_int
from .arguments import checked_or_none, checked_rate

if TYPE_CHECKING:
    from .._engine.rate_limiter import RateLimiter
    from .._policy.rate import Rate
    from .._policy.retry import RetryPolicy
    from .._types import Limits

__all__ = ["ADAPTIVE", "guard_options"]

ADAPTIVE: Final = AdaptiveConcurrency()
"""How a client limits itself that is not told otherwise."""


def guard_options(
    policy: RetryPolicy,
    limits: Limits,
    *,
    max_at_once: int | None,
    rate: Rate | RateLimiter | None,
    concurrency: AdaptiveConcurrency | None,
    breaker: CircuitBreaker | None,
) -> GuardOptions:
    """Raises TypeError or ValueError naming the argument."""
    return GuardOptions(
        policy,
        None if max_at_once is None else checked_int(max_at_once, "max_at_once", 1),
        checked_rate(rate),
        checked_or_none(AdaptiveConcurrency, concurrency, "concurrency"),
        checked_or_none(CircuitBreaker, breaker, "breaker"),
        limits.max_connections,
    )
