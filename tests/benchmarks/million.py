"""Many trivial items through `fan_out`: items per second, and memory above the start.

"nursery" is what one writes without a fan-out, a nursery with a task per item and a
`CapacityLimiter`; a million tasks would take gigabytes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import machine
import trio
from load import Figures
from workload import Case, Figure, Run, Workload

AT_ONCE = 100
MOST_TASKS = 100_000


async def echo(item: int) -> int:
    return item


async def echo_later(item: int) -> int:
    await trio.lowlevel.checkpoint()
    return item


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def fanned_out(call: Callable[[int], Awaitable[int]], items: Any, **options: Any) -> int:
    from trioclient import fan_out

    total = 0
    async with fan_out(call, items, max_at_once=AT_ONCE, **options) as run:
        async for outcome in run:
            total += outcome.unwrap()
    assert run.report.done == run.report.seen == run.report.delivered
    return total


async def task_each(count: int) -> int:
    if count > MOST_TASKS:
        raise MemoryError(f"not tried with more than {MOST_TASKS:,} tasks")
    limiter = trio.CapacityLimiter(AT_ONCE)
    values: list[int] = []

    async def one(item: int) -> None:
        async with limiter:
            values.append(await echo(item))

    async with trio.open_nursery() as nursery:
        for item in range(count):
            nursery.start_soon(one, item)
    return sum(values)


WAYS: dict[str, Callable[[int], Awaitable[int]]] = {
    "trioclient": lambda count: fanned_out(echo, range(count)),
    "trioclient-in-order": lambda count: fanned_out(echo, range(count), ordered=True),
    "trioclient-async-input": lambda count: fanned_out(echo, numbers(count)),
    "trioclient-calls-that-wait": lambda count: fanned_out(echo_later, range(count)),
    "trioclient-item-deadlines": lambda count: fanned_out(echo, range(count), item_deadline=10),
    "nursery": task_each,
}


class Million(Workload):
    name = "fan-out"
    title = "Fan-out of trivial items, 100 at once"
    contenders = tuple(WAYS)
    figures = (
        Figure("rate", "items/s", compared=True),
        Figure("memory", "memory MB", 1),
    )
    limit = 180

    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        return [{"items": count} for count in (MOST_TASKS, 1_000_000)]

    def measure(self, run: Run) -> Figures:
        import trioclient

        assert trioclient  # Loaded before memory is looked at.
        count = run.case["items"]
        memory, start = machine.PeakMemory(), time.perf_counter()
        total = trio.run(WAYS[run.contender], count)
        seconds = time.perf_counter() - start
        assert total == count * (count - 1) // 2
        return {"rate": count / seconds, "memory": memory.above_start()}
