"""The machine the benchmarks run on: which cores are whose, what a process has used, what to call it all."""

from __future__ import annotations

import math
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

LIBRARIES = (
    *(
        "trioclient",
        "trio",
        "httptools",
        "msgspec",
        "httpx",
        "httpcore",
        "httpx2",
        "httpcore2",
        "anthropic",
        "pydantic",
    ),
    *("aiohttp", "uvloop", "urllib3", "requests", "httpx-sse", "anyio"),
)


def raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def split_cores() -> tuple[list[int], list[int]]:
    """Cores for the far end and cores for the client; both empty where nobody can be pinned."""
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    return (cores[:1], cores[1:]) if len(cores) > 1 else ([], [])


def pin(cores: Collection[int], pid: int = 0) -> None:
    """Keep a process, this one by default, on some cores."""
    if cores and sys.platform == "linux":
        os.sched_setaffinity(pid, cores)


class Spent:
    """What has been spent since it was made: time, and CPU time here and at the far end."""

    def __init__(self, far_end_pid: int = 0) -> None:
        self._pid = far_end_pid
        self._far_end = _cpu_seconds_of(far_end_pid)
        self._cpu, self._start = _cpu_seconds(), time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    @property
    def cpu(self) -> float:
        """User and system time of this process, all its threads together, in seconds."""
        return _cpu_seconds() - self._cpu

    @property
    def far_end_busy(self) -> float:
        """The share of a core that the far end has used, NaN where the system does not tell. In steps of 10 ms."""
        return (_cpu_seconds_of(self._pid) - self._far_end) / self.seconds


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cpu_seconds_of(pid: int) -> float:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def descriptors() -> int:
    """Open file descriptors of this process."""
    return len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))


class PeakMemory:
    """The most memory this process has had since, over what it has now."""

    def __init__(self) -> None:
        if sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew, see proc(5).
        self.start = self._now()

    def above_start(self) -> float:
        """In MB."""
        return max(self._peak() - self.start, 0) / 1e6

    # ru_maxrss of a new process begins with the size of the one it was forked from.
    def _now(self) -> int:
        return _status_bytes("VmRSS") if sys.platform == "linux" else _max_rss()

    def _peak(self) -> int:
        return _status_bytes("VmHWM") if sys.platform == "linux" else _max_rss()


def _status_bytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _max_rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def described() -> dict[str, object]:
    """What a reader must know of this machine to make sense of a figure."""
    installed = {found.metadata["Name"].lower(): found.version for found in metadata.distributions()}
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "libraries": {name: installed[name] for name in LIBRARIES if name in installed},
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
