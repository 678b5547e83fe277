"""One soak: traffic against a far end that keeps dying, and a look at the process now and then."""

from __future__ import annotations

import collections
import gc
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import trio
from far_end import FarEnd
from readings import Reading, read_process
from traffic import GUARDS, AsyncTraffic, BlockingTraffic, Outcomes, client_arguments

from trioclient import AsyncAPIClient, SyncAPIClient

__all__ = ["Rest", "Soak"]

ASYNC_CALLERS = 24
BLOCKING_CALLERS = 4
SETTLING = 5.0  # seconds that sockets and threads get to be gone


class Rest(NamedTuple):
    """What there is when nothing goes on. Must be the same before and after."""

    descriptors: int
    threads: int
    tasks: int


@dataclass
class Soak:
    """What is to be done, and what came of it."""

    seconds: float
    interval: float
    seed: str
    tell: Callable[[float, Reading], None]
    readings: list[Reading] = field(default_factory=list)
    outcomes: Outcomes = field(default_factory=collections.Counter)
    calls: int = 0
    attempts: int = 0
    hedges: int = 0
    left_open: int = 0
    """Calls, connections and permits that the clients still counted as in use at the end."""
    starts: int = 0
    """Of the far end."""
    before: Rest | None = None
    after: Rest | None = None

    async def run(self) -> None:
        self.before = _at_rest()
        chance = random.Random(self.seed)
        far_end = FarEnd(random.Random(f"{self.seed} far end"))
        async with trio.open_nursery() as nursery:
            await nursery.start(far_end.run)
            # Two names of one far end: the other is looked up, and may have an address that refuses.
            urls = [f"http://127.0.0.1:{far_end.port}", f"http://localhost:{far_end.port}"]
            async with AsyncAPIClient(**client_arguments(urls[0])) as client:
                async with AsyncAPIClient(**{**client_arguments(urls[1]), **GUARDS}) as guarded:
                    blocking = SyncAPIClient(**client_arguments(urls[0]))
                    await self._load(chance, [client, guarded], blocking)
                    await trio.to_thread.run_sync(blocking.close)
            nursery.cancel_scope.cancel()
        self.starts = far_end.starts
        self.after = await self._settled()

    async def _load(self, chance: random.Random, clients: list[AsyncAPIClient], blocking: SyncAPIClient) -> None:
        until = trio.current_time() + self.seconds
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_now_and_then, clients, blocking, until)
            nursery.start_soon(BlockingTraffic(blocking, self.seed, self.outcomes).run, BLOCKING_CALLERS, until)
            for client in clients:
                nursery.start_soon(
                    AsyncTraffic(client, chance, self.outcomes).run, ASYNC_CALLERS // len(clients), until
                )
        for client in (*clients, blocking):
            now = client.statistics()
            self.calls += now.calls
            self.attempts += now.attempts
            self.hedges += now.hedges
            self.left_open += now.in_flight + (now.connections.open or 0) - (now.connections.idle or 0)
            self.left_open += sum(group.in_flight + group.waiting for group in now.limit_groups)

    async def _look_now_and_then(self, clients: list[AsyncAPIClient], blocking: SyncAPIClient, until: float) -> None:
        began = trio.current_time()
        while trio.current_time() + self.interval <= until:
            await trio.sleep(self.interval)
            connections = sum(client.statistics().connections.open or 0 for client in (*clients, blocking))
            # By way of the client's hold on its thread, since no public way leads there.
            tasks = await trio.to_thread.run_sync(blocking._lease.call, _tasks)
            self.readings.append(read_process(tasks, connections))
            self.tell(trio.current_time() - began, self.readings[-1])

    async def _settled(self) -> Rest:
        with trio.move_on_after(SETTLING):
            while _at_rest() != self.before:  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.05)
        return _at_rest()


async def _tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def _at_rest() -> Rest:
    gc.collect()
    # Threads that trio keeps for the next job, for a while, are nobody's.
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")]
    return Rest(len(os.listdir("/proc/self/fd")), len(threads), trio.lowlevel.current_statistics().tasks_living)
