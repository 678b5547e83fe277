"""What `import trioclient` costs over `import trio`, in fresh processes that take turns.

    python tests/benchmarks/import_time.py [ROUNDS]       time, modules and peak memory
    python tests/benchmarks/import_time.py --by-module    which modules the time goes to

A client that is made, and a first call, are measured too: what an import puts off is paid there.
"""

from __future__ import annotations

import argparse
import os
import re
import socketserver
import statistics
import subprocess
import sys
import threading
from typing import NamedTuple

DEPENDENCIES = "import trio, httpx, msgspec, httptools"
CLIENT = """
import trio, trioclient
async def main():
    async with trioclient.AsyncAPIClient(base_url="http://api.test"):
        pass
trio.run(main)
"""
FIRST_CALL = """
import trioclient
with trioclient.SyncAPIClient(base_url="http://127.0.0.1:{port}") as client:
    assert client.get("/") == [1]
"""
PROGRAMS = {
    "import trio": "import trio",
    DEPENDENCIES: DEPENDENCIES,
    "import trioclient": "import trioclient",
    "... and a client made and closed": CLIENT,
    "... and a first blocking call": FIRST_CALL,
}
MEASURED = """
import sys, time
start = time.perf_counter()
{program}
elapsed = time.perf_counter() - start
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
except ImportError:
    peak = float("nan")
print(elapsed * 1e3, len(sys.modules), peak)
"""

# Byte code must be kept between the runs, as an installed package has it.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONDONTWRITEBYTECODE" and not name.lower().endswith("_proxy")
}


class Cost(NamedTuple):
    milliseconds: float
    modules: float
    megabytes: float


class Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]")


def cost(program: str) -> Cost:
    command = [sys.executable, "-c", MEASURED.format(program=program)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT)
    return Cost(*map(float, child.stdout.split()))


def compare(rounds: int) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        programs = {name: program.format(port=server.server_address[1]) for name, program in PROGRAMS.items()}
        for program in programs.values():
            cost(program)  # Byte code is compiled and the files are in memory from here on.
        measured = [{name: cost(program) for name, program in programs.items()} for _ in range(rounds)]
        server.shutdown()
    print(f"{'':<42}{'ms':>8}{'(least..most)':>18}{'modules':>10}{'peak MB':>10}")
    for name in programs:
        times = [costs[name].milliseconds for costs in measured]
        spread = f"({min(times):.1f}..{max(times):.1f})"
        _, modules, megabytes = measured[-1][name]
        print(f"{name:<42}{statistics.median(times):>8.1f}{spread:>18}{modules:>10.0f}{megabytes:>10.1f}")
    over = statistics.median(
        costs["import trioclient"].milliseconds - costs["import trio"].milliseconds for costs in measured
    )
    print(f"trioclient over trio: {over:.1f} ms (the aim: 60 ms or less)")


def show_modules(rounds: int) -> None:
    """Every module's own time, the least of so many rounds, without what it imports itself."""
    least: dict[str, int] = {}
    command = [sys.executable, "-X", "importtime", "-c", f"{DEPENDENCIES}, trioclient"]
    for _ in range(rounds + 1):
        child = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT)
        for own, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", child.stderr, re.MULTILINE):
            least[module] = min(int(own), least.get(module, int(own)))
    packages: dict[str, int] = {}
    for module, own in least.items():
        package = module.partition(".")[0]
        packages[package] = packages.get(package, 0) + own
    print("microseconds, by package")
    for package, own in sorted(packages.items(), key=lambda item: -item[1])[:12]:
        print(f"{own:>8,}  {package}")
    print("\nmicroseconds, by module")
    for module, own in sorted(least.items(), key=lambda item: -item[1]):
        if module.partition(".")[0] == "trioclient":
            print(f"{own:>8,}  {module}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=15)
    parser.add_argument("--by-module", action="store_true")
    options = parser.parse_args()
    (show_modules if options.by_module else compare)(options.rounds)


if __name__ == "__main__":
    main()
