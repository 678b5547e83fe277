"""Calls made by many at once for a while, and the figures of that.

A run has two phases: the first, in which all connections are opened, and the measured one. It is
bounded in time from outside (see `child`): a `Tally` can tell at any moment what is known so far.
"""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import machine
from loops import Loop

AsyncCall = Callable[[], Awaitable[Any]]
"""One POST, from the question as a dict to the reply as a typed object."""
Call = Callable[[], Any]

Figures = dict[str, float]
"""NaN is what the system does not tell."""


class Tally:
    """The figures of one run, also before its end.

    `rate` in requests/s, `cpu` of this process in µs per request, `p50` and `p99` of the latency in
    ms, `memory` in MB over that before the first request, `far_end`: how busy the server was, 0 to 1.
    """

    def __init__(self, at_once: int, far_end_pid: int = 0) -> None:
        self.at_once = at_once
        self.far_end_pid = far_end_pid
        self.memory = machine.PeakMemory()
        self.first: Figures = {}
        self.begin()

    def begin(self) -> None:
        """The clock starts here."""
        self.latencies = array("d")
        self.spent = machine.Spent(self.far_end_pid)

    def measured_phase(self) -> None:
        self.first = self.figures()
        self.begin()

    def figures(self) -> Figures:
        """From `begin` until now; empty, where no request was answered yet."""
        seconds, cpu = self.spent.seconds, self.spent.cpu
        latencies = sorted(self.latencies)
        count = len(latencies)
        if not count:
            return {}
        return {
            "rate": count / seconds,
            "cpu": cpu / count * 1e6,
            "p50": latencies[count // 2] * 1e3,
            "p99": latencies[count * 99 // 100] * 1e3,
            "memory": self.memory.above_start(),
            "far_end": self.spent.far_end_busy,
        }

    def so_far(self, limit: float) -> tuple[Figures, str]:
        """Figures for a run that is cut off here, after `limit` seconds, and what to know of them.

        Of the measured phase, unless it is so young that those calls that were in flight when it
        began would make up most of it.
        """
        count = len(self.latencies)
        if self.first and count < self.at_once:
            return self.first, f"first requests only, connecting included: the rest was cut off after {limit:g} s"
        if self.first:
            return self.figures(), f"cut off after {limit:g} s"
        if not count:
            return {}, f"none of the first {self.at_once} requests done in {limit:g} s"
        return self.figures(), f"cut off after {limit:g} s with {count} of the first {self.at_once} requests done"


def until(end: float) -> Iterator[None]:
    while time.perf_counter() < end:
        yield


def tickets(at_once: int, seconds: float) -> Iterator[Any]:
    """One for each request that may begin: for `seconds`, and `at_once` at least."""
    return itertools.chain(range(at_once), until(time.perf_counter() + seconds))


async def load(loop: Loop, calls: Sequence[AsyncCall], seconds: float, tally: Tally) -> Figures:
    """One worker for each of `calls`, which makes it over and over."""

    async def work(call: AsyncCall, tickets: Iterator[Any]) -> None:
        clock, done = time.perf_counter, tally.latencies.append
        for _ in tickets:
            start = clock()
            reply = await call()
            done(clock() - start)
            assert reply.usage.output == 345

    async def run(seconds: float) -> None:
        # Each worker gets one ticket at least: every connection is open before the second run.
        some = tickets(len(calls), seconds)
        await loop.together([lambda call=call: work(call, some) for call in calls])

    await run(seconds / 4)
    tally.measured_phase()
    await run(seconds)
    return tally.figures()


def load_from_threads(call: Call, threads: int, seconds: float, tally: Tally) -> Figures:
    """So many threads, each of which makes `call` over and over."""
    failures: list[BaseException] = []

    def work(some: Iterator[Any]) -> None:
        clock, done = time.perf_counter, tally.latencies.append
        try:
            # A generator must not be asked by two threads at once: each has its own.
            for _ in some:
                start = clock()
                reply = call()
                done(clock() - start)
                assert reply.usage.output == 345
        except BaseException as failure:
            failures.append(failure)
            raise

    def run(seconds: float) -> None:
        workers = [threading.Thread(target=work, args=(tickets(1, seconds),)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failures:
            raise failures[0]

    run(seconds / 4)
    tally.measured_phase()
    run(seconds)
    return tally.figures()
