"""Holding the sending of a body to the least progress it must make.

A write that waits shows nothing until it is through, so another task looks on: at what the other
side's system has taken, where a link tells of that, several times in each span of the `Stall`.
Where a link does not, what it was given counts, in slices small enough to see it move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from .._faults import StallFault
from .progress import Progress, slice_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .progress import Least

__all__ = ["WatchedWriting"]

_LOOKS: Final = 8  # in a span


class WatchedWriting:
    """One sending. `watch` runs beside it until `end`."""

    __slots__ = ("_progress", "_scope", "_seen", "_taken", "_write")

    def __init__(
        self, stall: Least, write: Callable[[bytes], Awaitable[bool]], taken: Callable[[], int] | None
    ) -> None:
        self._progress = Progress(stall)
        self._scope = trio.CancelScope()
        self._write = write
        self._taken = taken
        self._seen = 0 if taken is None else taken()

    @property
    def stall(self) -> Least:
        """What it is held to."""
        return self._progress.stall

    async def write(self, data: bytes) -> bool:
        """What the function for it says, False where the server hung up."""
        progress = self._progress
        step = slice_bytes(progress.stall) if self._taken is None else max(len(data), 1)
        progress.wait(trio.current_time())
        try:
            for start in range(0, len(data), step):
                piece = data[start : start + step]
                if not await self._write(piece):
                    return False
                self._note(len(piece))
        finally:
            progress.rest(trio.current_time())
        return True

    async def watch(self) -> None:
        """Raises StallFault."""
        progress = self._progress
        pause = progress.stall.within / _LOOKS
        with self._scope:
            while True:
                await trio.sleep_until(min(progress.due, trio.current_time() + pause))
                self._note(0)
                if trio.current_time() >= progress.due:
                    raise StallFault("request", progress.stall.at_least, progress.stall.within)

    def end(self) -> None:
        """Nothing is being written any more."""
        self._scope.cancel()

    def _note(self, given: int) -> None:
        if self._taken is not None:
            before, self._seen = self._seen, self._taken()
            given = self._seen - before
        self._progress.move(given, trio.current_time())
