"""A fan-out's items at a given rate: each waits, once pulled, until the rate lets it begin.

One at a time. The task that pulls the input waits for the rate too, with one item in its hand: no
more is pulled than is about to begin, items begin in the order of the input, and of runs that
share a limiter none has more places in its line than another. An item that waits is "not
started"; neither its `elapsed` nor its own deadline has begun.

What the rate has set aside for an item goes with it into its call. There it is settled: with
what the call returned; not at all where the call failed, as nobody knows what it used; given
back where nothing was sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from .._engine.rate_limiter import RateLimiter, Reservation
from .._engine.tally import AttemptTally, current_tally
from .._policy.rate import Rate
from .fan_out_call import can_be_awaited, not_async

__all__ = ["Pacer", "checked_limiter"]

Item = TypeVar("Item")
Value = TypeVar("Value")


def checked_limiter(rate: object) -> RateLimiter:
    """The limiter itself, or one made for this run. Raises TypeError or ValueError."""
    if isinstance(rate, RateLimiter):
        return rate
    if not isinstance(rate, Rate):
        raise TypeError(f"rate must be a Rate, a RateLimiter or None, not {rate!r}")
    if rate.learn:
        raise ValueError("rate.learn is for the rate of a client, which sees the answers: a fan-out sees none")
    return RateLimiter(rate)


class Pacer(Generic[Item, Value]):
    """Between a run's input and its calls. `admit` and the calls go in the same order."""

    def __init__(self, limiter: RateLimiter, call: Callable[[Item], Awaitable[Value]]) -> None:
        self._limiter = limiter
        self._call = call
        self._admitted: deque[Reservation | Exception] = deque()
        self.waiting = False
        """The next item has been pulled, and waits for the rate."""

    async def admit(self, item: Item) -> None:
        """Wait until the item may begin. What is wrong with it will be its call's error."""
        self.waiting = True
        try:
            self._admitted.append(await self._limiter.reserve(item))
        except Exception as error:
            self._admitted.append(error)
        finally:
            self.waiting = False

    async def call(self, item: Item) -> Value:
        """The call of the item that was admitted longest ago."""
        admitted = self._admitted.popleft()
        tally = current_tally.get()
        assert tally is not None
        if isinstance(admitted, Exception):
            tally.calls += 1  # which made no attempt
            raise admitted
        try:
            awaitable = self._call(item)
            if not can_be_awaited(awaitable):
                raise not_async(awaitable)
            value = await awaitable
        except BaseException:
            if _nothing_sent(tally):
                admitted.give_back()
            raise
        admitted.settle(value)
        return value

    def close(self) -> None:
        """Give back what was set aside for items that did not begin."""
        while self._admitted:
            admitted = self._admitted.popleft()
            if not isinstance(admitted, Exception):
                admitted.give_back()


def _nothing_sent(tally: AttemptTally) -> bool:
    return tally.calls > 0 and tally.sent == "no"
