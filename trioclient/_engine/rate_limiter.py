"""Waiting until a rate lets something go: first come, first served.

    async with trio.open_nursery() as nursery:
        async for page in pages:
            reservation = await limiter.reserve(page)
            nursery.start_soon(send, page, reservation)

Only the head of the queue sleeps, until the instant the meter names, and takes at that moment
what it needs. So whoever is cancelled, head or not, has taken nothing and holds up nobody.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import trio

from .._errors import DeadlineExceeded, LimitExceeded
from .._policy.learned_rate import LearnedRate
from .._policy.rate import NOTHING, Demand, Rate, RateMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._policy.rate import Booking, Dimension
    from .._types import RawHeaders

__all__ = ["RateLimiter", "RateStatistics", "Reservation", "TooLate"]


class TooLate(DeadlineExceeded):
    """The rate would not let it go in time."""

    def __init__(self, ready_at: float, now: float) -> None:
        super().__init__(f"the rate lets it go in {ready_at - now:.3g} s, which is too late")
        self.ready_at = ready_at
        """When it would, as far as is known; on trio's clock."""


class RateStatistics(NamedTuple):
    """A reading of a `RateLimiter`."""

    waiting: int
    """Reservations asked for and not granted yet."""
    requests_left: float | None
    """Of the quota, in the window that ends now; None where requests have none, or none that is known."""
    tokens_left: float | None
    """The same of tokens."""


class RateLimiter:
    """One `Rate`, kept over everything that asks here. It needs no `with`.

    Used in one trio run at a time; in another run it begins anew.
    """

    def __init__(self, rate: Rate) -> None:
        self.rate = _checked_rate(rate)
        self._token: trio.lowlevel.TrioToken | None = None
        self._line = _Line(rate)
        self._wall: Callable[[], float] = time.time

    async def reserve(self, what: object = None, *, until: float = math.inf) -> Reservation:
        """Wait until one request, with the tokens that `rate.cost` says `what` will cost, may go.

        `until` is an instant on trio's clock. A checkpoint only if it has to wait; a cancelled
        caller gets its `Cancelled` in any case, and has taken nothing. Raises `DeadlineExceeded` at
        once where the wait would end after `until`, those ahead counted in; `LimitExceeded` where no
        wait is long enough; TypeError or ValueError if `rate.cost` does not return a number.
        """
        line = self._line_of_this_run()
        demand = self._demand_of(what, line)
        await trio.lowlevel.checkpoint_if_cancelled()
        now = trio.current_time()
        ready_at = line.meter.ready_at(now, demand, line.queued)
        if ready_at > until:
            raise TooLate(ready_at, now)
        if line.queue or ready_at > now:
            await line.wait(demand, until)
            now = trio.current_time()
        return Reservation(self.rate, line, line.meter.take(now, demand))

    def reserve_nowait(self, what: object = None) -> Reservation | None:
        """The same where there is nothing to wait for; else None. Raises as `reserve` does."""
        line = self._line_of_this_run()
        demand = self._demand_of(what, line)
        now = trio.current_time()
        if line.queue or line.meter.ready_at(now, demand) > now:
            return None
        return Reservation(self.rate, line, line.meter.take(now, demand))

    def learn(self, status: int, headers: RawHeaders, *, sent_at: float | None = None) -> None:
        """An answer has come to a request that went at `sent_at`, an instant on trio's clock.

        Does nothing unless the rate is to learn. None is now: what else is under way is not
        reckoned with then.
        """
        line, now = self._line_of_this_run(), trio.current_time()
        if line.learned is not None:
            # Has patterns to compile that only those need who learn.
            from .._codec.quota_headers import quota_readings

            readings = quota_readings(headers, self._wall())
            line.learned.learn(now, now if sent_at is None else sent_at, status, readings)
            line.wake_head()

    @property
    def waiting(self) -> int:
        """Reservations asked for and not granted yet."""
        return len(self._line.queue)

    def statistics(self) -> RateStatistics:
        """Within trio only."""
        meter, now = self._line_of_this_run().meter, trio.current_time()
        return RateStatistics(self.waiting, meter.left("requests", now), meter.left("tokens", now))

    def _line_of_this_run(self) -> _Line:
        token = trio.lowlevel.current_trio_token()
        if token is not self._token:
            self._token = token
            self._line = _Line(self.rate)
        return self._line

    def _demand_of(self, what: object, line: _Line) -> Demand:
        demand = self.rate.demand_of(what)
        dimension = line.meter.unfit(demand)
        if dimension is not None:
            raise _unfit(dimension, line.meter.quota(dimension) or 0.0)
        return demand


class _Line:
    """The queue of one run, before its meter."""

    __slots__ = ("learned", "meter", "queue", "queued")

    def __init__(self, rate: Rate) -> None:
        self.meter = RateMeter(rate)
        self.learned = LearnedRate(rate, self.meter) if rate.learn else None
        self.queue: OrderedDict[_Waiter, None] = OrderedDict()
        self.queued = NOTHING
        """All that the queue asks for."""

    async def wait(self, demand: Demand, until: float) -> None:
        """Return when it is its turn and it may go: it is taken without another checkpoint."""
        waiter = _Waiter()
        self.queue[waiter] = None
        self.queued = _sum(self.queued, demand)
        try:
            while True:
                now = trio.current_time()
                instant = math.inf
                if next(iter(self.queue)) is waiter:
                    instant = self.meter.ready_at(now, demand)
                    if instant <= now:
                        return
                    if instant > until:
                        raise TooLate(instant, now)
                elif now >= until:
                    # Those ahead wait for longer than it seemed.
                    others = _difference(self.queued, demand)
                    raise TooLate(self.meter.ready_at(now, demand, others), now)
                await waiter.sleep_until(min(instant, until))
        finally:
            del self.queue[waiter]
            self.queued = _difference(self.queued, demand) if self.queue else NOTHING
            self.wake_head()

    def correct(self, booking: Booking, real: Demand) -> None:
        self.meter.settle(trio.current_time(), booking, real)
        if real.tokens < booking.demand.tokens or real.requests < booking.demand.requests:
            self.wake_head()

    def wake_head(self) -> None:
        """Let it look again at when it may go."""
        for head in self.queue:
            head.wake()
            return


class _Waiter:
    """Somebody in the queue."""

    __slots__ = ("_scope",)

    def __init__(self) -> None:
        self._scope: trio.CancelScope | None = None

    async def sleep_until(self, instant: float) -> None:
        """Until then, or until woken."""
        with trio.CancelScope(deadline=instant) as self._scope:
            await trio.sleep_forever()

    def wake(self) -> None:
        if self._scope is not None:
            self._scope.cancel()


class Reservation:
    """What one request has taken of a rate. It is put right once: by its end, or because there was none."""

    __slots__ = ("_booking", "_line", "_rate")

    def __init__(self, rate: Rate, line: _Line, booking: Booking) -> None:
        self._rate = rate
        self._line = line
        self._booking: Booking | None = booking

    def settle(self, value: object) -> None:
        """This value came back: `rate.used` says what it really cost. Further calls do nothing.

        Raises TypeError or ValueError if `rate.used` does not return a number.
        """
        booking, self._booking = self._booking, None
        if booking is None:
            return
        used = self._rate.used_by(value)
        if used is not None:
            self._line.correct(booking, Demand(booking.demand.requests, used))

    def give_back(self) -> None:
        """It was not sent after all. Further calls do nothing."""
        booking, self._booking = self._booking, None
        if booking is not None:
            self._line.correct(booking, NOTHING)


def _checked_rate(rate: object) -> Rate:
    if not isinstance(rate, Rate):
        raise TypeError(f"rate must be a Rate, not {rate!r}")
    return rate


def _sum(one: Demand, other: Demand) -> Demand:
    return Demand(one.requests + other.requests, one.tokens + other.tokens)


def _difference(one: Demand, other: Demand) -> Demand:
    return Demand(one.requests - other.requests, one.tokens - other.tokens)


def _unfit(dimension: Dimension, quota: float) -> LimitExceeded:
    limit = f"rate.{dimension}"
    error = LimitExceeded(f"it needs more than the whole quota of {limit}, {quota:,g}", limit=limit, value=quota)
    error.advice = "Ask for less at a time; the cost is what `rate.cost` says."
    return error
