"""Attempts at once of one limit group: as many as the limit says, and the limit may change.

Rules
- First come, first served. While somebody waits nobody gets a permit past the line.
- A permit is handed over by rescheduling the waiting task, which trio makes atomic: either the
  task was cancelled and has left the line, or it has the permit. Nothing is in between.
- A higher limit lets in as many as it has room for. A lower one takes no permit back: those taken
  beyond it are not handed on.

Constant work per permit, however many wait.
"""

from __future__ import annotations

import math

import trio

__all__ = ["GroupPermits"]


class GroupPermits:
    """Permits of one trio run, unlimited at first.

    Whoever took one gives it back, under cancellation too: with no checkpoint between the taking
    and the ``try`` whose ``finally`` gives it back.
    """

    __slots__ = ("_limit", "_line", "taken")

    def __init__(self) -> None:
        self._limit = math.inf
        self._line: dict[trio.lowlevel.Task, None] = {}
        self.taken = 0
        """More than the limit, if that was lowered of late."""

    def __repr__(self) -> str:
        return f"<GroupPermits limit={self._limit:g} taken={self.taken} waiting={self.waiting}>"

    @property
    def limit(self) -> float:
        """How many may be taken; ``inf`` for any number."""
        return self._limit

    @limit.setter
    def limit(self, limit: float) -> None:
        self._limit = limit
        self._let_in()

    @property
    def waiting(self) -> int:
        """Tasks in line."""
        return len(self._line)

    def take_nowait(self) -> bool:
        """Take a permit, if that needs no waiting."""
        # Whenever there is room the line is empty: it was let in when the room was made.
        if self.taken + 1 > self._limit:
            return False
        self.taken += 1
        return True

    async def take(self) -> None:
        """Take a permit. A checkpoint; if it is cancelled, none is taken."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.take_nowait():
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        task = trio.lowlevel.current_task()
        self._line[task] = None

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._line[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def give_back(self) -> None:
        """Give one back, to the first in line if there is room."""
        self.taken -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._line and self.take_nowait():
            first = next(iter(self._line))
            del self._line[first]
            trio.lowlevel.reschedule(first)
