"""A million trivial items through `fan_out`: items per second, and memory above the start.

    python tests/benchmarks/fan_out_million.py

Every run is a fresh process, so that its peak of memory is its own. "Naive" is what one writes
without a fan-out: a nursery with a task per item and a `CapacityLimiter`; it gets fewer items.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import trio

from trioclient import fan_out

AT_ONCE = 100
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


async def echo(item: int) -> int:
    return item


async def echo_later(item: int) -> int:
    await trio.lowlevel.checkpoint()
    return item


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def fanned_out(call: Callable[[int], Awaitable[int]], items: Any, **options: Any) -> int:
    total = 0
    async with fan_out(call, items, max_at_once=AT_ONCE, **options) as run:
        async for outcome in run:
            total += outcome.unwrap()
    assert run.report.done == run.report.seen == run.report.delivered
    return total


async def naive(count: int) -> int:
    limiter = trio.CapacityLimiter(AT_ONCE)
    values: list[int] = []

    async def one(item: int) -> None:
        async with limiter:
            values.append(await echo(item))

    async with trio.open_nursery() as nursery:
        for item in range(count):
            nursery.start_soon(one, item)
    return sum(values)


CASES: dict[str, tuple[int, Callable[[int], Awaitable[int]]]] = {
    "as finished": (1_000_000, lambda count: fanned_out(echo, range(count))),
    "in order": (1_000_000, lambda count: fanned_out(echo, range(count), ordered=True)),
    "async input": (1_000_000, lambda count: fanned_out(echo, numbers(count))),
    "calls that wait": (1_000_000, lambda count: fanned_out(echo_later, range(count))),
    "item deadlines": (1_000_000, lambda count: fanned_out(echo, range(count), item_deadline=10)),
    "naive": (100_000, naive),
}


def measured(case: str) -> tuple[int, float, int]:
    """Items, seconds, and bytes of peak memory above the start; in this process."""
    count, run = CASES[case]
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    total = trio.run(run, count)
    seconds = time.perf_counter() - began
    assert total == count * (count - 1) // 2
    return count, seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * RSS_UNIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=list(CASES), help="run one in this process, for the table to read")
    options = parser.parse_args()
    if options.case:
        print(*measured(options.case))
        return
    print(f"{AT_ONCE} at once, CPython {platform.python_version()}, trio {trio.__version__}")
    print(f"{'':<16}{'items':>10}{'items/s':>12}{'MB above start':>16}")
    for case in CASES:
        command = [sys.executable, __file__, "--case", case]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        count, seconds, memory = output.split()
        rate = int(count) / float(seconds)
        print(f"{case:<16}{int(count):>10,}{rate:>12,.0f}{int(memory) / 1e6:>16.1f}", flush=True)


if __name__ == "__main__":
    main()
