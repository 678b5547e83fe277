"""Server-sent events: many small ones in chunks of several sizes, and a single large one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import machine
from load import Figures
from replies import events_per_block
from stream_contenders import STREAM_CONTENDERS
from workload import Case, Figure, Run, Workload

MEGABYTE = 1_000_000


class EventStreams(Workload):
    name = "events"
    title = "Stream of server-sent events, 136 bytes each, to a tagged union, by size of the HTTP chunks"
    far_end = "scripted"
    contenders = tuple(STREAM_CONTENDERS)
    figures = (
        Figure("rate", "events/s", compared=True),
        Figure("cpu", "CPU µs/event", 2, compared=True),
        Figure("memory", "memory MB", 1),
        Figure("far_end", "far end busy", 2),
    )

    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        return [{"bytes a chunk": size} for size in (256, 1400, 65536)]

    def measure(self, run: Run) -> Figures:
        contender = STREAM_CONTENDERS[run.contender]
        chunk = run.case["bytes a chunk"]
        block = events_per_block(chunk)

        async def main(loop: object) -> Figures:
            async with contender.open_reader(run.url) as read:
                memory = machine.PeakMemory()
                # The first stream tells how long one must be to last as long as is asked for.
                warm_up = block * max(1, 2000 // block)
                spent = machine.Spent()
                count = await read(f"/events/{chunk}/{warm_up}")
                blocks = max(1, int(run.seconds * count / spent.seconds / block))
                spent = machine.Spent(run.far_end_pid)
                count = await read(f"/events/{chunk}/{blocks * block}")
                seconds, cpu = spent.seconds, spent.cpu
                assert count == blocks * block + 1
                return {
                    "rate": count / seconds,
                    "cpu": cpu / count * 1e6,
                    "memory": memory.above_start(),
                    "far_end": spent.far_end_busy,
                }

        return contender.loop.run(main)


class OneEvent(Workload):
    name = "one-event"
    title = "One server-sent event of 1 and of 4 MB, in HTTP chunks of 1400 bytes"
    far_end = "scripted"
    contenders = tuple(STREAM_CONTENDERS)
    figures = (
        Figure("milliseconds", "ms", 1, compared=True),
        Figure("cpu", "CPU ms", 1, compared=True),
        Figure("memory", "memory MB", 1),
    )

    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        return [{"MB": size} for size in (1, 4)]

    def measure(self, run: Run) -> Figures:
        contender = STREAM_CONTENDERS[run.contender]

        async def main(loop: object) -> Figures:
            async with contender.open_reader(run.url) as read:
                await read("/one-event/1400/1000")
                memory, spent = machine.PeakMemory(), machine.Spent()
                count = await read(f"/one-event/1400/{run.case['MB'] * MEGABYTE}")
                seconds, cpu = spent.seconds, spent.cpu
                assert count == 2
                return {"milliseconds": seconds * 1e3, "cpu": cpu * 1e3, "memory": memory.above_start()}

        return contender.loop.run(main)
