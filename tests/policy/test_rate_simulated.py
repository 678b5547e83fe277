"""A rate against strict servers of three kinds, an hour of it: who is turned away, what is left unused.

The servers are strict to the unit. Each request reaches them up to a quarter of a second after it
was sent, so a later one may come first. The client always has another call to make.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from typing import NamedTuple, Protocol

import pytest

from trioclient._policy.rate import Demand, Rate, RateMeter

PER = 60.0
HOUR = 3600.0
LATENCY = 0.25


class Server(Protocol):
    def admits(self, now: float, units: float) -> bool: ...


class FixedWindow:
    """Counts anew at every full window."""

    def __init__(self, quota: float) -> None:
        self._quota = quota
        self._window = -1.0
        self._spent = 0.0

    def admits(self, now: float, units: float) -> bool:
        window = (now + 17.0) // PER
        if window != self._window:
            self._window, self._spent = window, 0.0
        if self._spent + units > self._quota:
            return False
        self._spent += units
        return True


class SlidingLog:
    """Knows the instant of each request of the last window."""

    def __init__(self, quota: float) -> None:
        self._quota = quota
        self._log: deque[tuple[float, float]] = deque()
        self._spent = 0.0

    def admits(self, now: float, units: float) -> bool:
        while self._log and self._log[0][0] <= now - PER:
            self._spent -= self._log.popleft()[1]
        if self._spent + units > self._quota:
            return False
        self._log.append((now, units))
        self._spent += units
        return True


class TokenBucket:
    """Filled all the time, up to a tenth of the quota."""

    def __init__(self, quota: float, capacity: float = 0.1) -> None:
        self._rate = quota / PER
        self._capacity = self._level = capacity * quota
        self._filled = 0.0

    def admits(self, now: float, units: float) -> bool:
        self._level = min(self._capacity, self._level + (now - self._filled) * self._rate)
        self._filled = now
        if units > self._level:
            return False
        self._level -= units
        return True


class Hour(NamedTuple):
    sent: int
    refused: int
    units: float


def hour_of(rate: Rate, server: Server, sizes: tuple[float, float], seed: int) -> Hour:
    """Everything `rate` lets go within an hour of the given smallest and largest size."""
    chance, meter = random.Random(seed), RateMeter(rate)
    now, sent, refused, units = 0.0, 0, 0, 0.0
    on_the_way: list[tuple[float, float]] = []
    while now < HOUR and sent < 50_000:  # more than any of these lets go
        demand = Demand(1.0, chance.uniform(*sizes))
        now = meter.ready_at(now, demand)
        while on_the_way and on_the_way[0][0] <= now:
            arrives, size = heapq.heappop(on_the_way)
            admitted = server.admits(arrives, size)
            refused += not admitted
            units += size * admitted
        meter.take(now, demand)
        sent += 1
        heapq.heappush(on_the_way, (now + chance.random() * LATENCY, demand.tokens))
    return Hour(sent, refused, units)


@pytest.mark.parametrize("server", [FixedWindow, SlidingLog, TokenBucket])
@pytest.mark.parametrize("seed", [1])
class TestARateThatIsGiven:
    @pytest.mark.parametrize("quota", [30, 600])
    def test_requests(self, server: type[FixedWindow | SlidingLog | TokenBucket], seed: int, quota: int) -> None:
        hour = hour_of(Rate(requests=quota), server(quota), (1.0, 1.0), seed)
        assert hour.refused <= 0.001 * hour.sent
        assert hour.units >= 0.95 * quota * HOUR / PER

    def test_tokens(self, server: type[FixedWindow | SlidingLog | TokenBucket], seed: int) -> None:
        rate = Rate(tokens=100_000, cost=len)
        hour = hour_of(rate, server(100_000), (100.0, 3000.0), seed)
        assert hour.refused <= 0.001 * hour.sent
        assert hour.units >= 0.95 * 100_000 * HOUR / PER

    def test_large_parts_of_the_quota(self, server: type[FixedWindow | SlidingLog | TokenBucket], seed: int) -> None:
        """Two of them may not fit into one window: nobody is turned away, and less is used."""
        rate = Rate(tokens=1000, cost=len)
        strict = TokenBucket(1000, 1.0) if server is TokenBucket else server(1000)
        hour = hour_of(rate, strict, (10.0, 500.0), seed)
        assert hour.refused == 0
        assert hour.units >= 0.75 * 1000 * HOUR / PER


@pytest.mark.parametrize("seed", [1, 2])
def test_a_burst_suits_a_full_bucket(seed: int) -> None:
    rate = Rate(tokens=1000, cost=len, burst=1.0)
    hour = hour_of(rate, TokenBucket(1000, 1.0), (10.0, 500.0), seed)
    assert hour.refused <= 0.001 * hour.sent
    assert hour.units >= 0.95 * 1000 * HOUR / PER
