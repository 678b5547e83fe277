"""One POST of small JSON to a typed object: trioclient beside its peers.

    pip install -e '.[bench]' && python tests/benchmarks/peers.py

Every run is a fresh process; the contenders take turns within a round (A B C A B C), so that a
slow minute of the machine hurts all of them. Shown are the median and the extremes over the
rounds. Trust the ratios, not the figures: client and server share one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from importlib import metadata
from pathlib import Path

from contenders import CONTENDERS
from far_end import REPLY, far_end

CHILD = str(Path(__file__).with_name("contenders.py"))
LIBRARIES = ("trio", "httpx", "httpx2", "aiohttp", "uvloop", "httptools", "msgspec")
HEADER = f"{'at once':>7}  {'contender':<16}{'requests/s':>28}{'CPU µs/request':>26}{'p50 ms':>10}{'p99 ms':>10}"

Results = dict[str, list[dict[str, float]]]


def main() -> None:
    options = parsed_options()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with far_end() as (url, server):
        print(f"POST JSON, {len(REPLY)}-byte JSON reply, {server}, {options.rounds} rounds, {described_machine()}")
        for at_once in options.concurrency:
            results: Results = defaultdict(list)
            for _ in range(options.rounds):
                for name in list(options.contenders):
                    result = one_run(name, url, at_once, options.seconds, options.requests)
                    if isinstance(result, str):
                        print(f"{name} cannot take part: {result}")
                        options.contenders.remove(name)
                    else:
                        results[name].append(result)
            print_table(at_once, results)


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one run, warm-up excluded")
    parser.add_argument("--requests", type=int, default=0, help="requests of one run, in place of --seconds")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 50, 1000], metavar="N")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS), metavar="NAME")
    return parser.parse_args()


def described_machine() -> str:
    installed = {found.metadata["Name"]: found.version for found in metadata.distributions()}
    versions = [f"{name} {installed[name]}" for name in LIBRARIES if name in installed]
    return ", ".join([f"Python {platform.python_version()}", f"{os.cpu_count()} CPUs", *versions])


def one_run(name: str, url: str, at_once: int, seconds: float, requests: int) -> dict[str, float] | str:
    """The figures of one run, or why this contender cannot take part."""
    # Proxies of the environment would put something else between the client and the far end.
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    command = [sys.executable, CHILD, name, url, str(at_once), str(seconds), str(requests)]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    last_line = child.stderr.strip().rpartition("\n")[2]
    if child.returncode == 0:
        return json.loads(child.stdout)
    if last_line.startswith("ModuleNotFoundError"):
        return last_line
    raise SystemExit(f"{name} at {at_once} at once failed:\n{child.stderr}")


def print_table(at_once: int, results: Results) -> None:
    if not results:
        return
    base = "trioclient" if "trioclient" in results else next(iter(results))
    print(f"\n{HEADER}   against {base}: requests/s, CPU")
    for name, runs in results.items():
        speed = median(runs, "rate") / median(results[base], "rate")
        cost = median(runs, "cpu") / median(results[base], "cpu")
        print(
            f"{at_once:>7}  {name:<16}{spread(runs, 'rate'):>28}{spread(runs, 'cpu'):>26}"
            f"{median(runs, 'p50'):>10.2f}{median(runs, 'p99'):>10.2f}{speed:>20.2f}×{cost:>12.2f}×",
            flush=True,
        )


def median(runs: list[dict[str, float]], field: str) -> float:
    return statistics.median(run[field] for run in runs)


def spread(runs: list[dict[str, float]], field: str) -> str:
    values = [run[field] for run in runs]
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}..{max(values):,.0f})"


if __name__ == "__main__":
    main()
