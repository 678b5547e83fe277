"""What there was before, to be there again, and how much memory was taken meanwhile."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

import trio

__all__ = ["Audit", "PeakMemory"]

_SETTLED = 3.0  # seconds: a name look-up that was left behind may end first


class Audit:
    """Tasks of this trio run and descriptors of this process."""

    def __init__(self) -> None:
        self._before = _reading()

    async def complaints(self) -> list[str]:
        """What is left over, or missing, a moment later."""
        with trio.move_on_after(_SETTLED):
            while _reading() != self._before:  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.001)
        after = _reading()
        return [f"{after[what]} {what}, not {before}" for what, before in self._before.items() if after[what] != before]


def _reading() -> dict[str, int]:
    # Elsewhere than on Linux nobody keeps a list.
    descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    return {"tasks": trio.lowlevel.current_statistics().tasks_living, "descriptors": descriptors}


class PeakMemory:
    """The most that was resident since it was made, clients and servers together; Linux only."""

    def __init__(self) -> None:
        self._measures = False
        with contextlib.suppress(OSError):  # elsewhere, or in a sandbox that forbids it
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            self._measures = True
            self._before = _kilobytes("VmRSS")

    def grown(self) -> int:
        """Bytes; 0 where it cannot be measured."""
        return max(_kilobytes("VmHWM") - self._before, 0) * 1024 if self._measures else 0


def _kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
