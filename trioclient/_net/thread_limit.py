"""A bound on the threads of one kind of job, apart from trio's default one.

That one is shared by every thread job of the program: slow name look-ups would hold up its
file reads, and the other way round.
"""

from __future__ import annotations

import trio

__all__ = ["ThreadLimit"]


class ThreadLimit:
    """So many threads at once, in each trio run."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = threads
        self._limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar(f"trioclient {name}")

    def limiter(self) -> trio.CapacityLimiter:
        """The limiter of the current run, for ``trio.to_thread.run_sync``."""
        try:
            return self._limiter.get()
        except LookupError:
            limiter = trio.CapacityLimiter(self._threads)
            self._limiter.set(limiter)
            return limiter
