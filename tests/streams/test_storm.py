"""A storm of streams over ten slots, each left in one way or another: no slot may be lost.

``TRIOCLIENT_STORM_SECONDS`` says how long (3 by default), ``TRIOCLIENT_STORM_SEED`` which storm.
"""

from __future__ import annotations

import collections
import gc
import os
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from trioclient import APIError, AsyncAPIClient, Limits, RetryPolicy, ServerSentEvent
from trioclient.testing import LoopbackServer, RecordedRequest, drop, event_stream, json_lines, reply, stall, truncate

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

SECONDS = float(os.environ.get("TRIOCLIENT_STORM_SECONDS", "3"))
SEED = int(os.environ.get("TRIOCLIENT_STORM_SEED", "20"))
SLOTS = 10
CALLERS = 30
PATIENCE = 20.0

EVENTS = event_stream(ServerSentEvent("a", "1", "id-1"), ("b", 2), ("end", 3), chunk_delay=0.002)
ANSWERS = [
    *[EVENTS] * 5,
    event_stream(*range(20), chunk_delay=0.001),
    event_stream(1, 2, encoding="gzip", chunk_delay=0.002),
    event_stream(1, 2, framing="length"),
    event_stream("x" * 300_000, "y" * 300_000),
    event_stream(1, ("error", {"type": "overloaded_error"}), 2),
    event_stream(1, "[DONE]", b": more\n\n", chunk_delay=0.002),
    json_lines(1, 2, 3, chunk_delay=0.002),
    reply(json="no stream"),
    reply(503),
    reply(204),
    drop(),
    stall(),
    stall(-20, of=EVENTS),
    *[truncate(-20, of=EVENTS), truncate(-1, of=EVENTS), truncate(-20, of=EVENTS, reset=True)],
]

Use = Callable[[AsyncAPIClient, Any], Awaitable[None]]


class Storm:
    """Streams without pause, each given up after a random while, in one of many ways."""

    def __init__(self, client: AsyncAPIClient, rng: random.Random, folder: Path) -> None:
        self._client = client
        self._rng = rng
        self._folder = folder
        self.outcomes: collections.Counter[str] = collections.Counter()

    async def blow(self, seconds: float) -> None:
        until = trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for _ in range(CALLERS):
                nursery.start_soon(self._use_until, until)

    async def _use_until(self, until: float) -> None:
        while trio.current_time() < until:
            patience = min(self._rng.expovariate(1 / 0.02), 0.2)
            way = self._rng.choice([self._by_scope, self._by_options, self._by_cancel])
            try:
                self.outcomes[await way(patience)] += 1
            except APIError as error:
                self.outcomes[type(error).__name__] += 1

    async def _by_scope(self, patience: float) -> str:
        with trio.move_on_after(patience):
            return await self._use({})
        return "cancelled"

    async def _by_options(self, patience: float) -> str:
        return await self._use({self._rng.choice(["deadline", "idle_timeout", "timeout"]): patience})

    async def _by_cancel(self, patience: float) -> str:
        """By somebody else, after a number of the scheduler's rounds."""
        outcome = "cancelled"

        async def use() -> None:
            nonlocal outcome
            outcome = await self._use({})
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(use)
                for _ in range(int(patience * 1000)):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return outcome

    async def _use(self, options: dict[str, Any]) -> str:
        use = self._rng.choice([self._values, self._values, self._raw_events, self._left, self._unread, self._to_file])
        # What stalls is not waited for.
        return await use({"timeout": 0.5, "deadline": 0.5, **options})

    async def _values(self, options: Any) -> str:
        options.update(self._rng.choice([{}, {"resume": True}, {"terminal_event": "end"}]))
        async with await self._client.get("/storm", stream=True, options=options) as stream:
            async for _ in stream:
                pass
        return "read"

    async def _raw_events(self, options: Any) -> str:
        async with await self._client.post("/storm", stream=True, options=options) as stream:
            async for _ in stream.events():
                pass
        return "read"

    async def _left(self, options: Any) -> str:
        async with await self._client.get("/storm", stream=True, options=options) as stream:
            async for _ in stream:
                if self._rng.random() < 0.5:
                    break
        return "left"

    async def _unread(self, options: Any) -> str:
        async with self._client.with_streaming_response.get("/storm", options=options) as response:
            if self._rng.random() < 0.5:
                await response.read()
        return "left"

    async def _to_file(self, options: Any) -> str:
        async with self._client.with_streaming_response.get("/storm", options=options) as response:
            await response.stream_to_file(self._folder / "file")
        return "read"


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
@pytest.mark.parametrize("kind", ["trio", "httpx"])
async def test_no_slot_is_lost(kind: str, audit: Any, tmp_path: Path) -> None:
    # Over httpx a third as long: its pool is not ours.
    seconds = SECONDS / 3 if kind == "httpx" else SECONDS
    rng = random.Random(SEED)
    books = audit()
    async with LoopbackServer(keep=0) as server:
        server.route("*", "/storm", lambda request: rng.choice(ANSWERS))
        arguments: dict[str, Any] = {
            "base_url": server.url,
            "limits": Limits(max_connections=SLOTS),
            "retry": RetryPolicy(initial_delay=0.001, max_delay=0.004),
            "timeout": PATIENCE,
        }
        carrier = httpx.AsyncClient(verify=False)
        client = AsyncAPIClient(http_client=carrier if kind == "httpx" else None, **arguments)
        async with carrier, client:
            storm = Storm(client, rng, tmp_path)
            with trio.fail_after(seconds + PATIENCE):
                await storm.blow(seconds)
            statistics = client.statistics()
            print(kind, seconds, "s:", statistics.calls, "calls,", dict(storm.outcomes), statistics)
            assert min(storm.outcomes[way] for way in ("read", "left", "cancelled", "DeadlineExceeded")) > seconds
            assert statistics.in_flight == statistics.connections.waiting == 0
            assert statistics.connections.open == (statistics.connections.idle or 0) <= SLOTS
            await meet(client, server)
            assert client.statistics().connections.open in {SLOTS, 0}
        with trio.fail_after(PATIENCE):
            await server.wait_connections_closed()
    await trio.testing.wait_all_tasks_blocked()
    gc.collect()
    books.check()
    assert os.listdir(tmp_path) == ["file"]
