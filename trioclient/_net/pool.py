"""Who may use which connection: constant work per request, however many wait.

Rules
- A slot is the right to have one connection open. There are ``max_connections`` of them; a slot
  is connecting, busy or idle.
- The idle connections of an origin are a stack: the warmest is taken first, so that surplus
  ones grow old and expire.
- Who finds no slot waits in one queue, first come, first served. A connection given back goes
  to the first waiter straight away; if that one wants another origin, it gets the slot alone.
- Nobody waits while a connection is idle: the longest idle one of any origin is closed instead.
- A connection is handed over by rescheduling the waiting task, which trio makes atomic: either
  the task was cancelled and left the queue, or it has the connection. Nothing is in between.

Nothing here does I/O save closing, and only `Pool.wait` waits.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Union, cast

import outcome
import trio

from .protocol import TransportStatistics

if TYPE_CHECKING:
    from .._codec.url import Origin
    from .._types import Limits
    from .connection import Connection

__all__ = ["Free", "Full", "Pool"]


class Free:
    """The caller owns a slot and must connect, then `Pool.adopt` or `Pool.forfeit`."""


class Full:
    """No slot is free: `Pool.wait`."""


_FREE = Free()
_FULL = Full()


class Pool:
    """Slots, idle stacks and the queue of one trio run."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots_taken = 0
        self._replaced = 0
        self._busy: set[Connection] = set()
        self._idle: collections.defaultdict[Origin, collections.deque[Connection]] = collections.defaultdict(
            collections.deque
        )
        # Every idle connection, the longest idle first.
        self.idle_by_age: dict[Connection, None] = {}
        self._waiting: dict[trio.lowlevel.Task, Origin] = {}
        self._closed = False

    def __repr__(self) -> str:
        state = self.statistics()
        return f"<Pool open={state.open} idle={state.idle} waiting={state.waiting}>"

    def statistics(self) -> TransportStatistics:
        return TransportStatistics(self._slots_taken, len(self.idle_by_age), len(self._waiting), self._replaced)

    def take_nowait(self, origin: Origin, now: float) -> Union[Connection, Free, Full]:
        """An idle connection that is fit for use, else a slot, else `Full`."""
        stack = self._idle.get(origin)
        while stack:
            connection = stack.pop()
            del self.idle_by_age[connection]
            if not stack:
                del self._idle[origin]
            if now < connection.expires_at and not connection.is_stale():
                self._busy.add(connection)
                return connection
            self._slots_taken -= 1
            connection.close()
        if self._slots_taken >= self._limits.max_connections:
            if not self.idle_by_age:
                return _FULL
            self._close_longest_idle()
        self._slots_taken += 1
        return _FREE

    async def wait(self, origin: Origin) -> Union[Connection, Free]:
        """Queue up for a connection or a slot."""
        task = trio.lowlevel.current_task()
        self._waiting[task] = origin

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._waiting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        return cast("Union[Connection, Free]", await trio.lowlevel.wait_task_rescheduled(abort))

    def adopt(self, connection: Connection) -> None:
        """The slot's owner has connected."""
        if self._closed:
            connection.close()
        self._busy.add(connection)

    def forfeit(self) -> None:
        """Give a slot back that holds no connection."""
        if self._waiting:
            self._wake_first(_FREE)
        else:
            self._slots_taken -= 1

    def discard(self, connection: Connection) -> None:
        """Close a busy connection and give its slot back."""
        self._close_busy(connection)
        self.forfeit()

    def replace(self, connection: Connection) -> None:
        """Close a busy connection that turned out dead but keep its slot, to connect anew."""
        self._replaced += 1
        self._close_busy(connection)

    def release(self, connection: Connection, now: float) -> None:
        """Give back a busy connection that can carry another exchange."""
        ends_at = connection.created_at + self._limits.max_lifetime
        if self._closed or now >= ends_at:
            self.discard(connection)
        elif self._waiting:
            if next(iter(self._waiting.values())) == connection.origin:
                self._wake_first(connection)
            else:
                self.discard(connection)
        else:
            self._busy.discard(connection)
            idle_until = now + self._limits.idle_expiry
            connection.expires_at = min(idle_until, ends_at)
            idle = self.idle_by_age
            idle[connection] = None
            self._idle[connection.origin].append(connection)
            if len(idle) > self._limits.max_idle_connections or now >= next(iter(idle)).expires_at:
                self._close_surplus(now)

    def close(self) -> None:
        """Close every connection, busy ones too: their calls fail. Waiters fail when they try."""
        self._closed = True
        while self.idle_by_age:
            self._close_longest_idle()
        for connection in self._busy:
            connection.close()
        while self._waiting:
            self._slots_taken += 1
            self._wake_first(_FREE)

    def _close_busy(self, connection: Connection) -> None:
        self._busy.discard(connection)
        connection.close()

    def _wake_first(self, what: Union[Connection, Free]) -> None:
        task = next(iter(self._waiting))
        del self._waiting[task]
        trio.lowlevel.reschedule(task, outcome.Value(what))

    def _close_surplus(self, now: float) -> None:
        while len(self.idle_by_age) > self._limits.max_idle_connections:
            self._close_longest_idle()
        while self.idle_by_age and now >= next(iter(self.idle_by_age)).expires_at:
            self._close_longest_idle()

    def _close_longest_idle(self) -> None:
        connection = next(iter(self.idle_by_age))
        del self.idle_by_age[connection]
        stack = self._idle[connection.origin]
        # Connections fall idle in this order, so the longest idle is the bottom of its stack.
        stack.popleft()
        if not stack:
            del self._idle[connection.origin]
        self._slots_taken -= 1
        connection.close()
