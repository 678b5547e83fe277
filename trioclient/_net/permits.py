"""A bound on exchanges at once, put before a pool that must never queue.

httpx's pools do work for every waiting request on every request, and lose track of some that
are cancelled while they wait. With no more permits than the pool has connections nothing waits
there: it waits here, first come, first served.
"""

from __future__ import annotations

from typing import NamedTuple

import trio

from .protocol import TransportStatistics

__all__ = ["Permit", "PermitStatistics", "Permits"]


class PermitStatistics(NamedTuple):
    """A reading of `Permits`."""

    total: int
    free: int
    waiting: int


class Permits:
    """`total` permits for each trio run; those of an earlier run are forgotten with it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._token: trio.lowlevel.TrioToken | None = None
        self._semaphore = trio.Semaphore(total, max_value=total)

    async def acquire(self) -> Permit:
        """Wait for one. A checkpoint."""
        token = trio.lowlevel.current_trio_token()
        if token is not self._token:
            self._token = token
            self._semaphore = trio.Semaphore(self.total, max_value=self.total)
        await self._semaphore.acquire()
        return Permit(self._semaphore)

    def statistics(self) -> PermitStatistics:
        return PermitStatistics(self.total, self._semaphore.value, self._semaphore.statistics().tasks_waiting)

    def transport_statistics(self) -> TransportStatistics:
        """The same in a transport's words: a permit taken is an exchange on some connection."""
        total, free, waiting = self.statistics()
        return TransportStatistics(open=total - free, idle=None, waiting=waiting)


class Permit:
    """One exchange's permit, to be given back in the trio thread it came from."""

    __slots__ = ("_semaphore",)

    def __init__(self, semaphore: trio.Semaphore) -> None:
        self._semaphore: trio.Semaphore | None = semaphore

    def release(self) -> None:
        """Give it back. Further calls do nothing."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release()
