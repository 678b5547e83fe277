"""A storm of random deadlines over ten slots: none may be lost, however long it blows.

``TRIOCLIENT_STORM_SECONDS`` says how long (3 by default), ``TRIOCLIENT_STORM_SEED`` which storm.
"""

from __future__ import annotations

import collections
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from trioclient import APIError, AsyncAPIClient, DeadlineExceeded, Limits, RetryPolicy, TrioTransport
from trioclient.testing import LoopbackServer, RecordedRequest, drop, reply, truncate

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

SECONDS = float(os.environ.get("TRIOCLIENT_STORM_SECONDS", "3"))
SEED = int(os.environ.get("TRIOCLIENT_STORM_SEED", "20"))
SLOTS = 10
CALLERS = 40
PATIENCE = 20.0

ANSWERS = [
    *[reply(json="ok")] * 6,
    reply(json="ok", delay=0.005),
    reply(chunks=[b'"o', b'k"'], headers={"Content-Type": "application/json"}, chunk_delay=0.004),
    reply(json=["ok"] * 2000, encoding="gzip"),
    reply(json="ok", close=True),
    reply(307, headers={"Location": "/ok"}),
    reply(503),
    reply(429, headers={"Retry-After-Ms": "2"}),
    reply(413, json="no", early=True),
    drop(),
    drop(reset=True),
    drop(after=reply(json="ok")),
    truncate(-1, of=reply(json="ok")),
]


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        await trio.sleep(0.002)
        yield b"x" * 100


def pieces_of_a_thread() -> Iterator[bytes]:
    yield from (b"x" * 100, b"y" * 100)


CONTENTS = [*[lambda: None] * 6, lambda: b"x" * 100, lambda: b"x" * 200_000, pieces, pieces_of_a_thread]


class Storm:
    """Calls without pause, each given up after a random while, in one of three ways."""

    def __init__(self, client: AsyncAPIClient, rng: random.Random) -> None:
        self._client = client
        self._rng = rng
        self.outcomes: collections.Counter[str] = collections.Counter()

    async def blow(self, seconds: float) -> None:
        until = trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for _ in range(CALLERS):
                nursery.start_soon(self._call_until, until)

    async def _call_until(self, until: float) -> None:
        while trio.current_time() < until:
            patience = min(self._rng.expovariate(1 / 0.02), 0.3)
            way = self._rng.choice([self._by_scope, self._by_deadline, self._by_cancel])
            try:
                self.outcomes[await way(patience)] += 1
            except DeadlineExceeded:
                self.outcomes["deadline"] += 1
            except APIError as error:
                self.outcomes[type(error).__name__] += 1

    async def _by_scope(self, patience: float) -> str:
        with trio.move_on_after(patience):
            await self._call({})
            return "done"
        return "cancelled"

    async def _by_deadline(self, patience: float) -> str:
        await self._call({"deadline": patience})
        return "done"

    async def _by_cancel(self, patience: float) -> str:
        """By somebody else, after a number of the scheduler's rounds."""
        outcome = "cancelled"

        async def call() -> None:
            nonlocal outcome
            await self._call({})
            outcome = "done"
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                for _ in range(int(patience * 1000)):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return outcome

    async def _call(self, options: Any) -> None:
        content = self._rng.choice(CONTENTS)()
        await self._client.request("POST" if content else "GET", "/storm", content=content, options=options)


async def meet(client: AsyncAPIClient, server: LoopbackServer) -> None:
    """As many calls at once as there are slots: none is answered before all have arrived."""
    arrived = 0
    all_there = trio.Event()

    async def wait_for_the_others(request: RecordedRequest) -> Any:
        nonlocal arrived
        arrived += 1
        if arrived == SLOTS:
            all_there.set()
        await all_there.wait()
        return reply(json="met")

    server.route("GET", "/meet", wait_for_the_others)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            for _ in range(SLOTS):
                nursery.start_soon(client.get, "/meet")


@pytest.mark.timeout(SECONDS + 3 * PATIENCE)
@pytest.mark.parametrize("kind", ["trio", "trio over TLS", "httpx"])
async def test_no_slot_is_lost(kind: str, authority: Any, audit: Any) -> None:
    # Over httpx a third as long: its pool is not ours.
    seconds = SECONDS / 3 if kind == "httpx" else SECONDS
    rng = random.Random(SEED)
    context = authority.server("127.0.0.1") if kind.endswith("TLS") else None
    limits = Limits(max_connections=SLOTS)
    retry = RetryPolicy(initial_delay=0.001, max_delay=0.004)
    books = audit()
    async with LoopbackServer(ssl_context=context, keep=0) as server:
        server.route("*", "/ok", reply(json="ok"))
        server.route("*", "/storm", lambda request: rng.choice(ANSWERS))
        carrier = httpx.AsyncClient(verify=authority.client)
        arguments: dict[str, Any] = {"base_url": server.url, "limits": limits, "retry": retry, "timeout": PATIENCE}
        if kind == "httpx":
            client = AsyncAPIClient(http_client=carrier, **arguments)
        else:
            transport = TrioTransport(ssl_context=authority.client, limits=limits)
            client = AsyncAPIClient(transport=transport, **arguments)
        async with carrier, client:
            storm = Storm(client, rng)
            with trio.fail_after(seconds + PATIENCE):
                await storm.blow(seconds)
            statistics = client.statistics()
            print(kind, seconds, "s:", statistics.calls, "calls,", dict(storm.outcomes), statistics)
            assert statistics.calls == storm.outcomes.total()
            assert min(storm.outcomes[way] for way in ("done", "cancelled", "deadline")) > seconds
            assert statistics.in_flight == statistics.connections.waiting == 0
            assert statistics.connections.open == (statistics.connections.idle or 0) <= SLOTS
            await meet(client, server)
            assert client.statistics().connections.open in (SLOTS, 0)
        with trio.fail_after(PATIENCE):
            await server.wait_connections_closed()
    await trio.testing.wait_all_tasks_blocked()
    books.check()
