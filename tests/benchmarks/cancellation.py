"""Cancel of many requests in flight, to a server that never answers: how long until all are back, and what is left."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable, Sequence

import machine
from async_contenders import ASYNC_CONTENDERS
from load import Figures
from loops import Loop
from shapes import Reply
from workload import Case, Figure, Run, Workload

SETTLING = 0.2
"""Seconds: a closed connection is noticed at the far end, and by some loops here, a little later."""


def waiting_at(url: str) -> int:
    """How many connections the far end has open on which a request waits."""
    with urllib.request.urlopen(f"{url}/waiting") as answer:
        return int(answer.read())


class Cancellation(Workload):
    name = "cancel"
    title = "Cancel of requests in flight; connections and descriptors left, the client being open still"
    far_end = "scripted"
    contenders = ("trioclient", "httpx-trio", "httpx2-trio", "aiohttp-asyncio", "aiohttp-uvloop")
    figures = (
        Figure("milliseconds", "ms until all are back", 1, compared=True),
        Figure("connections", "connections left"),
        Figure("descriptors", "descriptors left"),
    )

    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        return [{"at once": number} for number in at_once or (1000,)]

    def measure(self, run: Run) -> Figures:
        contender = ASYNC_CONTENDERS[run.contender]
        at_once = run.case["at once"]

        async def main(loop: Loop) -> Figures:
            async with contender.open_calls(f"{run.url}/never", at_once, Reply, None) as calls:
                # The first one also opens what the loop itself keeps.
                await loop.cancelled(calls[:1], lambda: waiting_at(run.url) == 1)
                await loop.sleep(SETTLING)
                before = machine.descriptors()
                seconds = await loop.cancelled(calls, lambda: waiting_at(run.url) == at_once)
                await loop.sleep(SETTLING)
                return {
                    "milliseconds": seconds * 1e3,
                    "connections": waiting_at(run.url),
                    "descriptors": machine.descriptors() - before,
                }

        return contender.loop.run(main)
