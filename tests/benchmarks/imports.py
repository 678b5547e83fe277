"""What an import costs in a fresh interpreter: time, modules, memory. `import_time.py` tells it by module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence

from load import Figures
from workload import Case, Figure, Run, Workload

PROGRAM = """
import sys, time
def resident():
    try:
        with open("/proc/self/statm") as pages:
            return int(pages.read().split()[1])
    except OSError:
        return float("nan")
known, memory, start = len(sys.modules), resident(), time.perf_counter()
import {}
print(time.perf_counter() - start, len(sys.modules) - known, resident() - memory)
"""
PAGE = 4096

MODULES = {
    "trioclient": "trioclient",
    "trio": "trio",
    "trio, httpx, msgspec, httptools": "trio, httpx, msgspec, httptools",
    "httpx": "httpx",
    "httpx2": "httpx2",
    "aiohttp": "aiohttp",
    "urllib3": "urllib3",
    "requests": "requests",
    "anthropic": "anthropic",
}


def imported(modules: str) -> tuple[float, ...]:
    """Seconds, modules and pages of memory it took a fresh interpreter."""
    command = [sys.executable, "-c", PROGRAM.format(modules)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode == 0:
        return tuple(map(float, child.stdout.split()))
    kind, _, said = child.stderr.strip().rpartition("\n")[2].partition(": ")
    raise ModuleNotFoundError(said) if kind == "ModuleNotFoundError" else RuntimeError(f"{kind}: {said}")


class Imports(Workload):
    name = "imports"
    title = "Import in a fresh interpreter, byte code compiled"
    contenders = tuple(MODULES)
    figures = (
        Figure("milliseconds", "ms", 1, compared=True),
        Figure("modules", "modules"),
        Figure("memory", "memory MB", 1),
    )

    def cases(self, at_once: Sequence[int] | None, *, quick: bool) -> Iterable[Case]:
        return [{}]

    def measure(self, run: Run) -> Figures:
        imported(MODULES[run.contender])  # This brings the files into memory, and compiles them where needed.
        seconds, modules, pages = imported(MODULES[run.contender])
        return {"milliseconds": seconds * 1e3, "modules": modules, "memory": pages * PAGE / 1e6}
