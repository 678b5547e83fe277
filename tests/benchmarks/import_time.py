"""What `import trioclient` costs over `import trio`, in fresh processes that take turns.

python tests/benchmarks/import_time.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

IMPORTS = ("trio", "trio, httpx, msgspec, httptools", "trioclient")
TIMED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


# Byte code must be kept between the runs, as an installed package has it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def milliseconds(modules: str) -> float:
    command = [sys.executable, "-c", TIMED.format(modules)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return float(child.stdout) * 1e3


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for modules in IMPORTS:
        milliseconds(modules)  # Byte code is compiled and the files are in memory from here on.
    measured = [[milliseconds(modules) for modules in IMPORTS] for _ in range(rounds)]
    for modules, values in zip(IMPORTS, zip(*measured, strict=True), strict=True):
        print(f"{modules:<34}{statistics.median(values):7.1f} ms ({min(values):.1f}..{max(values):.1f})")
    over = statistics.median(row[-1] - row[0] for row in measured)
    print(f"trioclient over trio: {over:.1f} ms (the aim: 60 ms or less)")


if __name__ == "__main__":
    main()
