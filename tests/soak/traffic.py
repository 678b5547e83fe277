"""Calls of every kind without pause, async and blocking, most of them cut short in some way.

An `APIError` is what a call may well end with here. Anything else ends the soak.
"""

from __future__ import annotations

import collections
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import trio

from trioclient import (
    APIError,
    AsyncAPIClient,
    CircuitBreaker,
    Hedge,
    Limits,
    Rate,
    RetryBudget,
    RetryPolicy,
    Stall,
    SyncAPIClient,
)

__all__ = ["ASYNC_JOBS", "BLOCKING_JOBS", "GUARDS", "AsyncTraffic", "BlockingTraffic", "Outcomes", "client_arguments"]

Outcomes = collections.Counter[tuple[str, str]]
"""How often what kind of call ended in which way."""

HANG = 30.0  # seconds after which a call counts as hanging

_DONE, _CANCELLED = "done", "cancelled"


_QUICK: dict[str, Any] = {"initial_delay": 0.01, "max_delay": 0.05}

GUARDS: dict[str, Any] = {
    "retry": RetryPolicy(**_QUICK, budget=RetryBudget(capacity=1e9)),
    "max_at_once": 16,
    "rate": Rate(requests=2000, per=1.0, burst=1.0),
    "hedge": Hedge(after=0.01),
    "breaker": CircuitBreaker(of=50, window=1.0, open_for=0.1, max_open_for=0.5),
    "stall": Stall(at_least=64, within=0.3),
}
"""All there are, and a budget that never ends."""


def client_arguments(url: str) -> dict[str, Any]:
    return {
        "base_url": url,
        "timeout": httpx.Timeout(0.4, connect=1.0, pool=5.0),
        "retry": RetryPolicy(**_QUICK),
        "limits": Limits(
            max_connections=24,
            max_idle_connections=12,
            idle_expiry=2.0,
            max_body_bytes=300_000,
            max_decoded_bytes=900_000,
        ),
    }


def _pieces() -> Iterator[bytes]:
    for _ in range(20):
        yield b"x" * 20_000


async def _slow_pieces() -> AsyncIterator[bytes]:
    for piece in _pieces():
        await trio.sleep(0.001)
        yield piece


_CONTENTS: list[Callable[[], Any]] = [lambda: b"x" * 400_000, _pieces, _slow_pieces]


# Async.


async def _get(client: AsyncAPIClient, chance: random.Random, options: Any) -> None:
    await client.get("/mixed", options=options)


async def _post(client: AsyncAPIClient, chance: random.Random, options: Any) -> None:
    await client.post("/mixed", body={"numbers": list(range(50))}, options=options)


async def _upload(client: AsyncAPIClient, chance: random.Random, options: Any) -> None:
    await client.put("/mixed", content=chance.choice(_CONTENTS)(), options=options)


async def _stream(client: AsyncAPIClient, chance: random.Random, options: Any) -> None:
    at_most = chance.choice([3, 1_000_000])
    options = {**options, "idle_timeout": 0.4, "resume": chance.random() < 0.3}
    async with await client.get("/stream", stream=True, options=options) as stream:
        async for _ in stream:
            at_most -= 1
            if not at_most:
                break


async def _fan_out(client: AsyncAPIClient, chance: random.Random, options: Any) -> None:
    at_most = chance.choice([3, 1_000_000])
    async with client.fan_out(
        lambda api, item: api.post("/mixed", body={"item": item}, options=options),
        range(30),
        max_at_once=8,
        ordered=chance.random() < 0.5,
        on_error=chance.choice(["collect", "collect", "stop", "cancel"]),
    ) as run:
        async for _ in run:
            at_most -= 1
            if not at_most:
                break


async def _own_client(client: AsyncAPIClient, chance: random.Random, options: Any) -> None:
    async with AsyncAPIClient(**client_arguments(str(client.base_url))) as own:
        await own.get("/mixed", options=options)


ASYNC_JOBS: dict[str, Callable[[AsyncAPIClient, random.Random, Any], Awaitable[None]]] = {
    "GET": _get,
    "POST": _post,
    "upload": _upload,
    "stream": _stream,
    "fan-out": _fan_out,
    "client of its own": _own_client,
}


class AsyncTraffic:
    """Callers that each make one call after another."""

    def __init__(self, client: AsyncAPIClient, chance: random.Random, outcomes: Outcomes) -> None:
        self._client = client
        self._chance = chance
        self._outcomes = outcomes

    async def run(self, callers: int, until: float) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(self._call_until, until)

    async def _call_until(self, until: float) -> None:
        while trio.current_time() < until:
            job = self._chance.choice(list(ASYNC_JOBS))
            try:
                with trio.fail_after(HANG):
                    outcome = await self._call(job)
            except APIError as error:
                outcome = type(error).__name__
            self._outcomes[job, outcome] += 1

    async def _call(self, job: str) -> str:
        """Given up by the caller or by its deadline after a random while, or not at all."""
        patience = min(self._chance.expovariate(1 / 0.05), 1.0)
        way = self._chance.choice(["waits", "has a deadline", "gives up"])
        options = {"deadline": patience} if way == "has a deadline" else {}
        with trio.move_on_after(patience if way == "gives up" else HANG + 1.0):
            await ASYNC_JOBS[job](self._client, self._chance, options)
            return _DONE
        return _CANCELLED


# Blocking.


def _blocking_get(client: SyncAPIClient, chance: random.Random, options: Any) -> None:
    client.get("/mixed", options=options)


def _blocking_post(client: SyncAPIClient, chance: random.Random, options: Any) -> None:
    client.post("/mixed", content=chance.choice([b"x", b"x" * 400_000]), options=options)


def _blocking_stream(client: SyncAPIClient, chance: random.Random, options: Any) -> None:
    at_most = chance.choice([3, 1_000_000])
    with client.get("/stream", stream=True, options={**options, "idle_timeout": 0.4}) as stream:
        for _ in stream:
            at_most -= 1
            if not at_most:
                break


def _blocking_fan_out(client: SyncAPIClient, chance: random.Random, options: Any) -> None:
    at_most = chance.choice([3, 1_000_000])
    items = range(20) if chance.random() < 0.5 else iter(range(20))
    with client.fan_out(lambda api, item: api.get("/mixed", options=options), items, max_at_once=4) as run:
        for _ in run:
            at_most -= 1
            if not at_most:
                break


def _blocking_own_client(client: SyncAPIClient, chance: random.Random, options: Any) -> None:
    with SyncAPIClient(**client_arguments(str(client.base_url))) as own:
        own.get("/mixed", options=options)


BLOCKING_JOBS: dict[str, Callable[[SyncAPIClient, random.Random, Any], None]] = {
    "blocking GET": _blocking_get,
    "blocking POST": _blocking_post,
    "blocking stream": _blocking_stream,
    "blocking fan-out": _blocking_fan_out,
    "blocking client of its own": _blocking_own_client,
}


class BlockingTraffic:
    """The same from threads."""

    def __init__(self, client: SyncAPIClient, seed: str, outcomes: Outcomes) -> None:
        self._client = client
        self._seed = seed
        self._outcomes = outcomes
        self._over = threading.Event()

    async def run(self, callers: int, until: float) -> None:
        limiter = trio.CapacityLimiter(callers)
        async with trio.open_nursery() as nursery:
            for number in range(callers):
                chance = random.Random(f"{self._seed} {number}")
                nursery.start_soon(_in_thread, self._call_until_over, chance, limiter)
            with self._ending():
                await trio.sleep_until(until)

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._over.set()

    def _call_until_over(self, chance: random.Random) -> None:
        while not self._over.is_set():
            job = chance.choice(list(BLOCKING_JOBS))
            deadline = chance.choice([HANG, min(chance.expovariate(1 / 0.05), 1.0)])
            outcome = _DONE
            try:
                BLOCKING_JOBS[job](self._client, chance, {"deadline": deadline})
            except APIError as error:
                outcome = type(error).__name__
            self._outcomes[job, outcome] += 1


async def _in_thread(
    work: Callable[[random.Random], None], chance: random.Random, limiter: trio.CapacityLimiter
) -> None:
    await trio.to_thread.run_sync(work, chance, limiter=limiter)
