"""POST of small JSON to a typed object through the blocking clients, from several threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blocking_contenders import BLOCKING_CONTENDERS
from load import Figures, load_from_threads
from posts import LOAD_FIGURES
from shapes import Reply
from workload import Case, Run, Workload


class Threads(Workload):
    name = "threads"
    title = "Blocking POST, 868-byte JSON reply, one client shared by all threads"
    far_end = "plain"
    contenders = tuple(BLOCKING_CONTENDERS)
    figures = LOAD_FIGURES

    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        return [{"threads": number} for number in at_once or (1, 8, 32)]

    def measure(self, run: Run) -> Figures:
        threads = run.case["threads"]
        with BLOCKING_CONTENDERS[run.contender](run.url, threads, Reply) as call:
            return load_from_threads(call, threads, run.seconds, run.start_tally(threads))
