"""The limits that some calls share: those of one origin, or of a group that has a name.

    permits    at most `max_at_once` attempts, and no more than the adaptive limit says
    gate       closed while the server has asked everyone to wait
    rate       requests and tokens per time

An attempt takes its permit first and keeps it while it waits for the other two, which are the
group's own: whoever is held up there holds up nobody that could have gone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .._policy.concurrency import AdaptiveConcurrency, ConcurrencyLimit
from .._policy.gate import Gate
from .permits import GroupPermits

if TYPE_CHECKING:
    from .rate_limiter import RateLimiter

__all__ = ["LimitGroup", "LimitGroupStatistics"]


class LimitGroupStatistics(NamedTuple):
    """How a group of calls that share limits stands."""

    name: str
    """Its origin, or what the calls say in ``limit_group``."""
    in_flight: int
    """Attempts under way, as far as they were counted: from the first trouble on, or always if limited."""
    waiting: int
    """Calls in line for a permit or for the rate."""
    limit: int | None
    """Attempts at once that are allowed now; None while they are not limited."""
    held_for: float
    """Seconds until the server lets calls in again; 0 while the gate is open."""
    throttled: int
    """Answers 429."""


class LimitGroup:
    """Made when it is first needed; while it is `at_rest` it knows nothing that a new one would not."""

    __slots__ = ("_most", "adaptive", "concurrency", "gate", "permits", "rate", "throttled", "under_way")

    def __init__(
        self,
        *,
        jitter: float,
        max_at_once: int | None,
        concurrency: AdaptiveConcurrency | None,
        ceiling: int,
        rate: RateLimiter | None,
    ) -> None:
        self.gate = Gate(jitter)
        self._most = math.inf if max_at_once is None else max_at_once
        self.permits = GroupPermits()
        self.permits.limit = self._most
        self.concurrency = concurrency
        self.adaptive = None if concurrency is None else ConcurrencyLimit(concurrency, min(ceiling, self._most))
        self.rate = rate
        self.under_way = 0
        """Of the permits taken, those of attempts that are past all waiting, and of answers left unread."""
        self.throttled = 0
        """Answers 429 so far."""

    @property
    def counts_unread(self) -> bool:
        """Whether an answer that is left unread keeps its permit: `max_at_once` counts it. To the adaptive
        limit it is answered: a stream may stay open for hours, and say nothing of the server's load.
        """
        return self._most != math.inf

    @property
    def idle(self) -> bool:
        """Whether nobody is inside, or in line."""
        return self.permits.taken == self.permits.waiting == 0

    def at_rest(self, now: float) -> bool:
        return (
            now >= self.gate.held_until
            and self.permits.taken == self.permits.waiting == 0
            and self._most == math.inf
            and self.rate is None
            and (self.adaptive is None or self.adaptive.at_rest)
        )

    def leave(self, *, begun: bool = True) -> None:
        """Give a permit back."""
        self.under_way -= begun
        self.permits.give_back()

    def ended(self, overloaded: bool, now: float, in_flight: int, *, counted: bool) -> None:
        """An attempt has ended; `in_flight` counts those on the wire, it included."""
        adaptive = self.adaptive
        if adaptive is None:
            return
        if adaptive.limit != math.inf:
            if not counted:
                adaptive.skip()
                return
            in_flight = self.under_way
        adaptive.record(overloaded, now, in_flight)
        limit = min(self._most, adaptive.limit)
        if limit != self.permits.limit:
            self.permits.limit = limit

    def statistics(self, name: str, now: float) -> LimitGroupStatistics:
        """As it stands; readable from any thread."""
        permits = self.permits
        return LimitGroupStatistics(
            name=name,
            in_flight=self.under_way,
            waiting=permits.waiting + permits.taken - self.under_way,
            limit=None if permits.limit == math.inf else int(permits.limit),
            held_for=max(0.0, self.gate.held_until - now),
            throttled=self.throttled,
        )
