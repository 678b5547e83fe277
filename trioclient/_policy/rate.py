"""Requests and tokens per time: the option record, and the meter of one rate.

A demand is one request and the tokens it is thought to cost. It goes when every quota lets it
(`pace.Pace`), and each of them counts it from that moment on. What it really cost is known later:
`RateMeter.settle` puts the difference right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import force_setattr

from .._types import checked_amount, checked_bool
from .pace import Pace, Slot
from .share import checked_whole_share

__all__ = ["Booking", "Demand", "Dimension", "Rate", "RateMeter"]

Dimension = Literal["requests", "tokens"]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be asked of a server in each `per` seconds.

    Raises TypeError or ValueError naming the field.
    """

    requests: float | None = None
    """Requests in each `per` seconds; None for no bound."""
    tokens: float | None = None
    """Tokens, or whatever else `cost` counts, in each `per` seconds; None for no bound."""
    per: float = 60.0
    """Seconds."""
    cost: Callable[[Any], float] | None = None
    """Of what is to be sent, the `body` of a call or the item of a fan-out: the tokens it is
    thought to cost. Needed with `tokens`. A call without a `body`, or with `content`, costs none.
    """
    used: Callable[[Any], float] | None = None
    """Of the value that came back: the tokens it really cost. None leaves it at the estimate, and
    so do raw answers, streams and pages; a call that costs none is not asked about.
    """
    burst: float = 0.01
    """Share of a quota, 0 to 1, that may go at once after a pause, on top of the pace. 1 suits a
    server that fills a token bucket. With ``share * (1 + burst)`` up to 1, as by default, no
    window of `per` seconds gets more than the quota; above it, as much more as the burst is.
    """
    share: float = 0.97
    """Share of each quota that is used, above 0 to 1; the rest allows for clocks and networks
    that are not quite even.
    """
    learn: bool = False
    """Whether what answers say of the server's quotas, and its 429s, correct these, or stand in
    for those that are not given.
    """

    def __post_init__(self) -> None:
        for name in ("requests", "tokens"):
            quota: object = getattr(self, name)
            if quota is not None and checked_amount(quota, f"rate.{name}") < 1.0:
                raise ValueError(f"rate.{name} must be 1 or more, not {quota!r}: a longer `per` makes it so")
        for name in ("per", "burst", "share"):
            force_setattr(self, name, checked_amount(getattr(self, name), f"rate.{name}"))
        if self.per == 0.0:
            raise ValueError("rate.per must be more than 0 seconds")
        if self.burst > 1.0:
            raise ValueError(f"rate.burst must be a share from 0 to 1, not {self.burst!r}")
        checked_whole_share(self.share, "rate.share")
        checked_bool(self.learn, "rate.learn")
        for name in ("cost", "used"):
            function: object = getattr(self, name)
            if function is not None and not callable(function):
                raise TypeError(f"rate.{name} must be a function or None, not {function!r}")
        if self.requests is None and self.tokens is None and not self.learn:
            raise ValueError("rate needs `requests` or `tokens`, or learn=True")
        if self.tokens is not None and self.cost is None:
            raise ValueError("rate.tokens needs rate.cost, which says how many of them something will cost")

    def demand_of(self, what: object) -> Demand:
        """What sending this will cost; None, as where there is no body, costs no tokens. Raises TypeError or
        ValueError if `cost` returns no number of 0 or more.
        """
        if self.cost is None or what is None:
            return ONE_REQUEST
        return Demand(1.0, checked_amount(self.cost(what), "what rate.cost returns"))

    def used_by(self, value: object) -> float | None:
        """What it really cost, None where nobody says. Raises as `demand_of`."""
        return None if self.used is None else checked_amount(self.used(value), "what rate.used returns")


class Demand(NamedTuple):
    """What one call asks of each quota; or what several do."""

    requests: float
    tokens: float


ONE_REQUEST = Demand(1.0, 0.0)
NOTHING = Demand(0.0, 0.0)


class Booking(NamedTuple):
    """A demand that went, and where it is counted."""

    demand: Demand
    requests: Slot | None
    tokens: Slot | None


class RateMeter:
    """The quotas of one rate. Instants are seconds on the monotonic clock of the caller."""

    __slots__ = ("_requests", "_tokens")

    def __init__(self, rate: Rate) -> None:
        self._requests = _pace(rate, rate.requests, learns=rate.learn)
        self._tokens = _pace(rate, rate.tokens, learns=rate.learn and rate.cost is not None)

    def unfit(self, demand: Demand) -> Dimension | None:
        """The quota that can never meet this demand, if there is one."""
        if self._requests is not None and demand.requests > self._requests.quota:
            return "requests"
        if self._tokens is not None and demand.tokens > self._tokens.quota:
            return "tokens"
        return None

    def ready_at(self, now: float, demand: Demand, queued: Demand = NOTHING) -> float:
        """When a demand may go: `now`, or a later instant.

        With `queued` ahead of it an estimate, since each of those may be settled, or leave.
        """
        ready = now
        if self._requests is not None:
            ready = self._requests.ready_at(now, demand.requests, queued.requests)
        if self._tokens is not None:
            ready = max(ready, self._tokens.ready_at(now, demand.tokens, queued.tokens))
        return ready

    def take(self, now: float, demand: Demand) -> Booking:
        """The demand goes now, whatever `ready_at` says."""
        return Booking(
            demand,
            None if self._requests is None else self._requests.take(now, demand.requests),
            None if self._tokens is None else self._tokens.take(now, demand.tokens),
        )

    def settle(self, now: float, booking: Booking, real: Demand) -> None:
        """It cost this and not what it was taken for."""
        for pace, slot, estimated, used in (
            (self._requests, booking.requests, booking.demand.requests, real.requests),
            (self._tokens, booking.tokens, booking.demand.tokens, real.tokens),
        ):
            if pace is not None and slot is not None and used != estimated:
                pace.correct(now, slot, used - estimated)

    def pace(self, dimension: Dimension) -> Pace | None:
        return self._requests if dimension == "requests" else self._tokens

    def quota(self, dimension: Dimension) -> float | None:
        """None where there is none, or none that is known yet."""
        pace = self.pace(dimension)
        return None if pace is None or pace.quota == math.inf else pace.quota

    def left(self, dimension: Dimension, now: float) -> float | None:
        """Of a quota, in the window that ends now; None where `quota` is."""
        pace = self.pace(dimension)
        return None if pace is None or pace.quota == math.inf else pace.left(now)


def _pace(rate: Rate, quota: float | None, *, learns: bool) -> Pace | None:
    if quota is None and not learns:
        return None
    return Pace(math.inf if quota is None else quota, per=rate.per, burst=rate.burst, share=rate.share)
