"""Simulations: a crowd of calls and a server in trouble, on a virtual clock and with fixed seeds.

Each says how the crowd fares with the client as it is, and mostly also how it would without the
part that is looked at, so that the figures mean something.
"""

from __future__ import annotations

import collections
import random
from collections.abc import Callable
from typing import Any

import pytest
import trio

from trioclient import APIError, AsyncAPIClient, CircuitBreaker, Hedge, Rate, RetryPolicy
from trioclient.testing import ScriptedTransport, reply

OK = reply(json=1)
BUSY = reply(503)


class Service:
    """A server that takes so long, fails so often, and has room for so many at once."""

    def __init__(
        self,
        seed: int,
        *,
        latency: float = 0.05,
        failures: float = 0.0,
        room: float = float("inf"),
        down: Callable[[float], bool] = lambda now: False,
    ) -> None:
        self._chance = random.Random(seed)
        self._began = trio.current_time()
        self._latency = latency
        self._failures = failures
        self._room = room
        self._down = down
        self.busy = 0
        self.answers: collections.Counter[int] = collections.Counter()
        self.arrivals: list[float] = []

    @property
    def now(self) -> float:
        return trio.current_time() - self._began

    async def __call__(self, _: Any) -> Any:
        self.arrivals.append(self.now)
        self.busy += 1
        try:
            # Says no at once, and yes after a while.
            answer = self._answer()
            if answer is OK:
                await trio.sleep(self._latency * self._chance.uniform(0.5, 1.5))
        finally:
            self.busy -= 1
        self.answers[answer.status] += 1
        return answer

    def _answer(self) -> Any:
        if self._down(self.now) or self._chance.random() < self._failures or self.busy > self._room:
            return BUSY
        return OK

    def share(self, status: int) -> float:
        return self.answers[status] / self.answers.total()

    def busiest(self, seconds: float, start: float = 0.0, until: float = float("inf")) -> int:
        """The most that arrived in so many seconds."""
        later = [instant for instant in self.arrivals if start <= instant < until]
        most = first = 0
        for last, instant in enumerate(later):
            while instant - later[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


class Crowd:
    """So many callers, each calling again and again."""

    def __init__(self, service: Any, seed: int = 1, **options: Any) -> None:
        transport = ScriptedTransport(service, repeat_last=True)
        self.client = AsyncAPIClient(base_url="https://api.test", transport=transport, **options)
        self.client._engine.guards.draw = random.Random(seed).random
        self.succeeded_at: list[float] = []
        self.failed_at: list[float] = []

    @property
    def success(self) -> float:
        return len(self.succeeded_at) / (len(self.succeeded_at) + len(self.failed_at))

    @property
    def amplification(self) -> float:
        statistics = self.client.statistics()
        return statistics.attempts / statistics.calls

    async def call(self, service: Service | StrictQuota, **options: Any) -> None:
        try:
            await self.client.get("/x", options=options)
        except APIError:
            self.failed_at.append(service.now)
        else:
            self.succeeded_at.append(service.now)

    async def run(self, service: Service | StrictQuota, callers: int, seconds: float, pause: float = 0.0) -> None:
        async def caller() -> None:
            while service.now < seconds:
                await self.call(service)
                await trio.sleep(pause)

        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(caller)

    async def arrive(self, service: Service, per_second: float, seconds: float) -> None:
        """Whether or not those before them are answered."""
        async with trio.open_nursery() as nursery:
            while service.now < seconds:
                nursery.start_soon(self.call, service)
                await trio.sleep(1 / per_second)


class TestOutage:
    async def test_retries_do_not_make_it_worse(self, autojump_clock: Any) -> None:
        service = Service(1, down=lambda now: True)
        crowd = Crowd(service)
        await crowd.arrive(service, 100, 20)
        assert crowd.client.statistics().calls >= 1999
        assert crowd.amplification <= 1.1
        assert crowd.success == 0.0

    async def test_without_a_budget_they_would(self, autojump_clock: Any) -> None:
        service = Service(1, down=lambda now: True)
        crowd = Crowd(service, retry=RetryPolicy(budget=None), concurrency=None)
        await crowd.arrive(service, 100, 5)
        assert crowd.amplification == pytest.approx(3.0)

    async def test_behind_a_circuit_breaker_hardly_anything_is_sent(self, autojump_clock: Any) -> None:
        service = Service(1, down=lambda now: True)
        crowd = Crowd(service, breaker=CircuitBreaker())
        await crowd.arrive(service, 30, 100)
        assert crowd.client.statistics().calls >= 2_999
        assert len(service.arrivals) < 100


class TestRandomFailures:
    @pytest.mark.parametrize("callers", [10, 1000])
    async def test_one_in_ten(self, autojump_clock: Any, callers: int) -> None:
        service = Service(2, failures=0.1)
        crowd = Crowd(service, max_retries=3)
        await crowd.run(service, callers, 300 / callers)
        assert len(crowd.succeeded_at) > 2_000
        assert crowd.success >= 0.999
        # Each failure was retried: neither the budget nor the limit is in the way of what is random.
        assert crowd.amplification == pytest.approx(1.11, abs=0.01)


class TestRecovery:
    async def test_calls_succeed_again_at_once(self, autojump_clock: Any) -> None:
        service = Service(3, down=lambda now: 20 <= now < 40)
        crowd = Crowd(service)
        await crowd.run(service, 20, 60, pause=0.5)
        assert not [instant for instant in crowd.succeeded_at if 21 < instant < 40]
        assert not [instant for instant in crowd.failed_at if instant > 40.1]
        before = sum(10 < instant < 20 for instant in crowd.succeeded_at)
        after = sum(45 < instant < 55 for instant in crowd.succeeded_at)
        assert after > 0.95 * before

    async def test_behind_a_circuit_breaker_after_the_next_probe(self, autojump_clock: Any) -> None:
        service = Service(3, down=lambda now: 20 <= now < 40)
        crowd = Crowd(service, breaker=CircuitBreaker(open_for=2.0, max_open_for=5.0))
        await crowd.run(service, 20, 60, pause=0.5)
        first = min(instant for instant in crowd.succeeded_at if instant > 21)
        assert 40 <= first < 46
        assert not [instant for instant in crowd.failed_at if instant > first]

    async def test_no_herd_when_it_comes_back(self, autojump_clock: Any) -> None:
        service = Service(3, down=lambda now: 4 <= now < 8)
        crowd = Crowd(service, max_retries=5)
        await crowd.run(service, 100, 16, pause=0.5)
        usual = service.busiest(0.5, until=4.0)
        assert service.busiest(0.5, start=8.0) <= 1.5 * usual


class TestOverload:
    """Room for 50 at once, 300 callers."""

    async def test_the_limit_finds_the_room(self, autojump_clock: Any) -> None:
        service = Service(4, room=50, latency=0.5)
        crowd = Crowd(service, max_retries=0)
        await crowd.run(service, 300, 30, pause=0.1)
        succeeded = sum(instant > 10 for instant in crowd.succeeded_at)
        failed = sum(instant > 10 for instant in crowd.failed_at)
        assert succeeded / 20 > 0.85 * 50 / 0.5
        assert failed / (failed + succeeded) < 0.15

    async def test_without_it_almost_all_is_turned_away(self, autojump_clock: Any) -> None:
        service = Service(4, room=50, latency=0.5)
        crowd = Crowd(service, max_retries=0, concurrency=None)
        await crowd.run(service, 300, 1, pause=0.1)
        assert service.share(503) > 0.9


class StrictQuota:
    """So many requests in any window of so many seconds, counted as they arrive, and after a journey."""

    def __init__(self, seed: int, requests: int, per: float) -> None:
        self._chance = random.Random(seed)
        self._requests = requests
        self._per = per
        self._let_in: collections.deque[float] = collections.deque()
        self._began = trio.current_time()
        self.answers: collections.Counter[int] = collections.Counter()
        self.arrivals: list[float] = []

    @property
    def now(self) -> float:
        return trio.current_time() - self._began

    async def __call__(self, _: Any) -> Any:
        await trio.sleep(self._chance.uniform(0.01, 0.03))
        now = self.now
        self.arrivals.append(now)
        while self._let_in and now - self._let_in[0] >= self._per:
            self._let_in.popleft()
        if len(self._let_in) >= self._requests:
            self.answers[429] += 1
            return reply(429, headers={"Retry-After": f"{self._let_in[0] + self._per - now + 0.001:.3f}"})
        self._let_in.append(now)
        self.answers[200] += 1
        await trio.sleep(self._chance.uniform(0.1, 0.5))
        return OK


class TestThrottling:
    async def test_a_rate_keeps_within_the_quota_and_uses_it(self, autojump_clock: Any) -> None:
        service = StrictQuota(5, 600, 60.0)
        crowd = Crowd(service, rate=Rate(requests=600, per=60.0))
        await crowd.run(service, 50, 180)
        assert service.answers[429] / service.answers.total() <= 0.001
        assert service.answers[200] / 1800 >= 0.95
        assert not crowd.failed_at

    async def test_without_one_the_gate_lets_them_find_out_in_small_numbers(self, autojump_clock: Any) -> None:
        service = StrictQuota(5, 600, 60.0)
        crowd = Crowd(service, max_retries=10)
        await crowd.run(service, 50, 180)
        assert service.answers[429] / service.answers.total() <= 0.1
        assert service.answers[200] / 1800 >= 0.9


class TestHerd:
    async def test_a_thousand_wait_behind_one_429_and_come_back_on_a_ramp(self, autojump_clock: Any) -> None:
        service = Service(6)
        crowd = Crowd(service)
        async with trio.open_nursery() as nursery:
            engine = crowd.client._engine
            engine.guards.group_of(crowd.client._limit_group).gate.hold(trio.current_time(), 20.0)
            for _ in range(1000):
                nursery.start_soon(crowd.call, service)
        assert crowd.success == 1.0
        assert min(service.arrivals) >= 20.0
        tenths = [sum(instant < 20 + 0.5 * tenth for instant in service.arrivals) for tenth in range(1, 11)]
        assert tenths[0] < 25
        assert tenths[2] < 130
        assert tenths[9] == 1000
        assert service.busiest(0.1) < 60

    async def test_where_the_server_still_says_no_few_find_out(self, autojump_clock: Any) -> None:
        service = StrictQuota(7, 100, 10.0)
        crowd = Crowd(service, max_retries=20)
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(crowd.call, service)
        assert crowd.success == 1.0
        # The first thousand had no way to know; after that there is one gate for all.
        assert service.answers[429] <= 900 + 1000


class TestHedging:
    async def test_the_tail_is_cut_for_a_little_more_load(self, autojump_clock: Any) -> None:
        async def run(**options: Any) -> tuple[float, float]:
            chance = random.Random(8)
            crowd = Crowd(lambda _: reply(json=1, delay=2.0 if chance.random() < 0.02 else chance.uniform(0.04, 0.06)))
            client = crowd.client.with_options(**options)
            times: list[float] = []
            for _ in range(1000):
                began = trio.current_time()
                await client.get("/x")
                times.append(trio.current_time() - began)
            return sorted(times)[990], client.statistics().attempts / 1000

        assert await run() == (2.0, 1.0)
        slowest, load = await run(hedge=Hedge())
        assert slowest < 0.2
        assert 1.01 < load < 1.07
