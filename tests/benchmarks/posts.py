"""POST of small JSON to a typed object, many at once, from one thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from async_contenders import ASYNC_CONTENDERS
from load import Figures, load
from loops import Loop
from workload import Case, Figure, Run, Workload

LOAD_FIGURES = (
    Figure("rate", "requests/s", compared=True),
    Figure("cpu", "CPU µs/request", 1, compared=True),
    Figure("p50", "p50 ms", 2),
    Figure("p99", "p99 ms", 2),
    Figure("memory", "memory MB", 1),
    Figure("far_end", "far end busy", 2),
)


class Posts(Workload):
    """`path` at the far end says which reply comes, and how."""

    contenders = tuple(ASYNC_CONTENDERS)
    figures = LOAD_FIGURES

    def __init__(
        self,
        name: str,
        title: str,
        *,
        far_end: str,
        path: str,
        cast_to: Any,
        at_once: Sequence[int],
        quick: Sequence[int],
    ) -> None:
        self.name = name
        self.title = title
        self.far_end = far_end
        self.path = path
        self.cast_to = cast_to
        self.at_once = at_once
        self.quick = quick

    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        return [{"at once": number} for number in at_once or (self.quick if quick else self.at_once)]

    def measure(self, run: Run) -> Figures:
        contender = ASYNC_CONTENDERS[run.contender]
        at_once = run.case["at once"]

        async def main(loop: Loop) -> Figures:
            async with contender.open_calls(f"{run.url}{self.path}", at_once, self.cast_to, run.cafile) as calls:
                return await load(loop, calls, run.seconds, run.start_tally(at_once))

        return contender.loop.run(main)
