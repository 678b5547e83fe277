"""Clients with guards of every kind at once, under random calls and a server in a random mood.

Calls succeed, fail, are retried, redirected, asked for credentials, hedged, streamed, left half-read
and cancelled; hooks and the functions of a rate raise. Whatever comes of a call, what the client
says of itself agrees with what its server has seen, and nothing is left when all calls are over.

What happens to a call follows from its seed and number alone; in which order tasks run does not.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal

import httpx
import pytest
import trio
import trio.testing

from trioclient import (
    AdaptiveConcurrency,
    APIError,
    AsyncAPIClient,
    AttemptRecord,
    CircuitBreaker,
    Hedge,
    Rate,
    RetryBudget,
    RetryPolicy,
)
from trioclient._net.protocol import PhaseScope, WireRequest, WireResponse
from trioclient._types import Sent, further_sent
from trioclient.testing import ScriptedTransport, event_stream, fault, reply

CALLS = 100
OUTAGE_CALLS = 30
ORIGINS = ("https://one.test", "https://two.test")
LONGEST_PAUSE = 4
LONGEST_RAMP = LONGEST_PAUSE * 0.25


class Bug(Exception):
    """Of the caller's own code."""


class PulledPlug(BaseException):
    """As a signal handler might raise it."""


@dataclasses.dataclass
class Plan:
    """One call: what it is, and what it meets."""

    number: int
    dice: random.Random

    def __post_init__(self) -> None:
        dice = self.dice
        self.origin = dice.choice(ORIGINS)
        self.group: str | None = dice.choice([None, None, "mine"])
        self.starts_at = dice.uniform(0.0, 20.0)
        self.cancelled_after = dice.choice([math.inf, math.inf, dice.uniform(0.0, 4.0)])
        self.deadline = dice.choice([None, dice.uniform(0.0, 12.0)])
        self.kind = dice.choice(["get", "get", "post", "post", "raw", "stream"])
        self.buggy = dice.choice(["", "", "", "", "", "hook", "plug", "cost", "used", "auth"])

    @property
    def limits(self) -> str:
        """The group whose limits it shares."""
        return self.group or self.origin

    def options(self) -> Any:
        options: dict[str, Any] = {"headers": {"X-Call": str(self.number)}, "deadline": self.deadline}
        if self.group is not None:
            options["limit_group"] = self.group
        return options


class SeenResponse:
    """Counts as open until it is closed. See `WireResponse`."""

    def __init__(self, response: WireResponse, open_now: Counter[str], limits: str) -> None:
        self._response = response
        self._open_now = open_now
        self._limits = limits
        self._closed = False
        self.status = response.status
        self.http_version = response.http_version
        self.headers = response.headers

    async def receive(self) -> bytes:
        return await self._response.receive()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._open_now[self._limits] -= 1
        await self._response.aclose()


class Server:
    """Both origins, and what they see of each call."""

    def __init__(self, plans: list[Plan]) -> None:
        self._plans = plans
        self._scripted = ScriptedTransport(self._answer, repeat_last=True)
        self.mood: Literal["moody", "dead", "well"] = "moody"
        self.state_of: Callable[[str], str | None] = lambda origin: None
        """Of the circuit of an origin."""
        self.open_now: Counter[str] = Counter()
        """Requests and answers under way, by limit group."""
        self.attempts: Counter[tuple[int, str]] = Counter()
        """By call and number of the retry: more than one is a second copy."""
        self.sent: dict[int, Sent] = {}

    async def send(self, request: WireRequest, phases: PhaseScope) -> WireResponse:
        headers = {name.lower(): value for name, value in request.headers}
        plan = self._plans[int(headers[b"x-call"])]
        if request.target.path == "/x" and b"x-again" not in headers:
            self.attempts[plan.number, headers[b"x-trioclient-retry-count"].decode()] += 1
            assert self.state_of(plan.origin) != "open"
        self.open_now[plan.limits] += 1
        try:
            response = await self._scripted.send(request, phases)
        except BaseException:
            self.open_now[plan.limits] -= 1
            raise
        finally:
            if request.target.path != "/token":
                self.sent[plan.number] = further_sent(self.sent.get(plan.number, "no"), request.sent)
        return SeenResponse(response, self.open_now, plan.limits)

    async def aclose(self) -> None:
        await self._scripted.aclose()

    def statistics(self) -> Any:
        return self._scripted.statistics()

    @property
    def hedges(self) -> int:
        return sum(copies - 1 for copies in self.attempts.values())

    def copies(self, plan: Plan) -> int:
        """Attempts of a call."""
        return sum(copies for (number, _), copies in self.attempts.items() if number == plan.number)

    def rounds(self, plan: Plan) -> int:
        """Attempts of a call, two copies taken for one."""
        return sum(number == plan.number for number, _ in self.attempts)

    async def _answer(self, seen: Any) -> Any:
        headers = {name.lower(): value for name, value in seen.headers}
        plan = self._plans[int(headers["x-call"])]
        good = event_stream({"n": 1}, {"n": 2}) if plan.kind == "stream" else reply(json={"tokens": 1})
        if self.mood == "dead":
            return reply(500)
        if self.mood == "well" or seen.target == "/token":
            return good
        dice = plan.dice
        if seen.target == "/landed" or "x-again" in headers:
            await trio.sleep(dice.uniform(0.0, 1.0))
            return good
        await trio.sleep(dice.expovariate(2.0))
        if dice.random() < 0.5:
            return good
        return dice.choice(
            [
                reply(429, headers={"Retry-After": str(dice.randint(1, LONGEST_PAUSE))}),
                reply(429),
                reply(503, headers={"Retry-After": "1"}),
                reply(503),
                reply(500),
                reply(404),
                reply(401),
                reply(302, headers={"Location": f"{dice.choice(ORIGINS)}/landed"}),
                reply(json={"tokens": 1}, delay=30.0),
                fault("connect"),
                fault("write", after=0.5),
                fault("disconnect"),
                fault("disconnect", of=good),
            ]
        )


class Challenged(httpx.Auth):
    """Gets a token where the server asks for one, and comes again with it."""

    def __init__(self, plans: list[Plan]) -> None:
        self._plans = plans

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        call = request.headers["X-Call"]
        response = yield request
        if response.status_code == 401:
            if self._plans[int(call)].buggy == "auth":
                raise Bug
            yield httpx.Request("POST", f"{ORIGINS[0]}/token", headers={"X-Call": call})
            request.headers["X-Again"] = "1"
            yield request


class Client(AsyncAPIClient):
    plans: list[Plan]

    @property
    def custom_auth(self) -> httpx.Auth:
        return Challenged(self.plans)


class World:
    """A client, its server and its calls, all of one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.plans = [Plan(number, random.Random(seed * CALLS + number)) for number in range(CALLS)]
        self.server = Server(self.plans)
        self.told: Counter[int] = Counter()
        self.max_at_once: int | None = dice.choice([None, 3, 10])
        self.hedge = dice.choice([None, Hedge(after=0.4), Hedge(least=5)])
        self.capacity = dice.choice([40.0, 500.0])
        self.rate = dice.choice([None, None, self._rate(learn=False), self._rate(learn=True)])
        self.breaker = dice.choice([None, CircuitBreaker(failures=0.6, of=8, open_for=1.0, max_open_for=4.0)])
        self.budget = dice.choice([None, RetryBudget(capacity=self.capacity, in_flight_share=0.0)])
        self.client = Client(
            base_url=ORIGINS[0],
            transport=self.server,
            timeout=5.0,
            max_retries=dice.choice([0, 2, 4]),
            hooks=[self._hook],
            retry=RetryPolicy(budget=self.budget, gate=dice.random() < 0.7),
            max_at_once=self.max_at_once,
            rate=self.rate,
            hedge=self.hedge,
            breaker=self.breaker,
            concurrency=dice.choice([None, AdaptiveConcurrency(floor=2, least=4), AdaptiveConcurrency()]),
        )
        self.client.plans = self.plans
        self.guards = self.client._engine.guards
        self.guards.draw = dice.random
        self.server.state_of = self._state_of

    def _rate(self, *, learn: bool) -> Rate:
        return Rate(requests=1000.0, tokens=5000.0, cost=self._cost, used=self._used, per=60.0, burst=0.01, learn=learn)

    def _state_of(self, origin: str) -> str | None:
        states = {state.origin: state.circuit for state in self.client.statistics().origins}
        return states.get(origin)

    def _cost(self, body: Any) -> float:
        plan = self.plans[body["call"]]
        if plan.buggy == "cost" and plan.dice.random() < 0.5:
            raise Bug
        return 20.0

    def _used(self, value: Any) -> float:
        if self.server.mood == "moody" and self.dice.random() < 0.05:
            raise Bug
        return 200.0

    def _hook(self, record: AttemptRecord) -> None:
        number = int(dict(record.request.headers)["X-Call"])
        self.told[number] += 1
        plan = self.plans[number]
        if plan.buggy in ("hook", "plug") and plan.dice.random() < 0.3:
            raise Bug if plan.buggy == "hook" else PulledPlug

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for plan in self.plans:
                nursery.start_soon(self.call, plan)
            for _ in range(20):
                await trio.sleep(1.0)
                await trio.testing.wait_all_tasks_blocked()
                self.check_now()
        self.check_end()
        await self.check_outage()
        await self.check_recovery()

    async def call(self, plan: Plan) -> None:
        await trio.sleep(plan.starts_at)
        began = trio.current_time()
        response = error = None
        ended = math.nan
        with trio.move_on_after(plan.cancelled_after) as scope:
            try:
                response = await self.made(plan)
            except APIError as caught:
                error = caught
            except (Bug, PulledPlug):
                return
            ended = trio.current_time()
            assert plan.deadline is None or ended <= began + plan.deadline + 1e-6
            assert self.told[plan.number] == self.server.rounds(plan)
            if response is not None:
                await self.left_somehow(plan, response)
        if error is not None and not scope.cancelled_caught:
            assert error.sent == self.server.sent.get(plan.number, "no")
            assert error.attempts == self.server.copies(plan)
            assert error.elapsed == pytest.approx(ended - began)

    async def made(self, plan: Plan) -> Any:
        url, options = f"{plan.origin}/x", plan.options()
        if plan.kind == "get":
            await self.client.get(url, options=options)
        elif plan.kind == "post":
            await self.client.post(url, body={"call": plan.number}, options=options)
        elif plan.kind == "raw":
            await self.client.with_raw_response.post(url, body={"call": plan.number}, options=options)
        else:
            return await self.client.get(url, stream=True, options=options)
        return None

    async def left_somehow(self, plan: Plan, stream: Any) -> None:
        """Read to its end, left half-way or unread; at once or later."""
        try:
            await trio.sleep(plan.dice.choice([0.0, 0.5, 3.0]))
            for _ in range(plan.dice.choice([0, 1, 10])):
                await stream.__anext__()
        except (APIError, StopAsyncIteration):
            assert stream.response.is_closed
        finally:
            with trio.CancelScope(shield=plan.dice.random() < 0.5):
                await stream.aclose()

    def check_now(self) -> None:
        """While nobody is between two steps."""
        counts = self.client._engine.counts
        assert 0 <= counts.sleeping <= counts.in_flight
        for health in self.guards._origins.values():
            assert health.budget is None or health.budget.spent <= self.capacity
        if self.max_at_once is None:
            return
        for key, group in self.guards._groups.items():
            name = self.name_of(key)
            under_way = self.server.open_now[name]
            assert under_way <= group.permits.taken <= self.max_at_once
            ramped_until = group.gate.held_until + LONGEST_RAMP
            waits_inside = self.rate is not None or trio.current_time() < ramped_until
            if not waits_inside and self.hedge is None:
                assert group.permits.taken == under_way

    @staticmethod
    def name_of(key: Any) -> str:
        return key if isinstance(key, str) else f"{key.scheme}://{key.authority}"

    def check_end(self) -> None:
        statistics = self.client.statistics()
        attempts = self.server.attempts
        assert statistics.in_flight == self.client._engine.counts.sleeping == 0
        assert statistics.attempts == attempts.total()
        assert statistics.hedges == self.server.hedges
        assert statistics.retries == sum(number != "0" for _, number in attempts)
        assert statistics.connections.open == 0
        assert not +self.server.open_now
        for group in statistics.limit_groups:
            assert (group.in_flight, group.waiting) == (0, 0)
        now = trio.current_time()
        for health in self.guards._origins.values():
            circuit = health.circuit
            assert circuit is None or circuit.state(now) == "open" or circuit.due(now) is None

    async def check_outage(self) -> None:
        """A dead server gets no more retries than there is budget for, and nothing once the circuit is open."""
        self.server.mood = "dead"
        await trio.sleep(30.0)  # of what went well the circuit knows no longer
        before = self.server.attempts.total()
        async with trio.open_nursery() as nursery:
            for _ in range(OUTAGE_CALLS):
                nursery.start_soon(self.one_more, ORIGINS[0])
        made = self.server.attempts.total() - before
        if self.budget is not None:
            # It may hold as much again, see `_policy.budget`.
            assert made <= OUTAGE_CALLS + 2 * self.budget.capacity / self.budget.transient_cost
        if self.breaker is not None and not (self.rate is not None and self.rate.learn):
            # A rate that was learned may space calls further than the circuit looks back.
            assert await self.one_more(ORIGINS[0]) != ""
            assert self._state_of(ORIGINS[0]) == "open"

    async def check_recovery(self) -> None:
        """When the server has been well for a while, no call is refused, nor waits for anything."""
        self.server.mood = "well"
        await trio.sleep(130.0)
        for origin in ORIGINS:
            began = trio.current_time()
            assert await self.one_more(origin) == ""
            assert trio.current_time() == began
        for state in self.client.statistics().origins:
            assert state.circuit in (None, "closed")

    async def one_more(self, origin: str) -> str:
        """The name of its error."""
        plan = Plan(len(self.plans), random.Random(0))
        plan.origin, plan.group, plan.kind, plan.buggy, plan.deadline = origin, None, "get", "", None
        self.plans.append(plan)
        try:
            await self.made(plan)
        except APIError as error:
            return type(error).__name__
        return ""


@pytest.mark.parametrize("seed", range(25))
async def test_what_is_said_agrees_with_what_was_seen_and_nothing_is_left(autojump_clock: Any, seed: int) -> None:
    await World(seed).run()
