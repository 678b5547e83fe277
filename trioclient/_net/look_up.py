"""Name look-ups: each in a thread, and one for a name however many want it.

The system's look-up blocks for as long as it likes, half a minute where a name server is down, and
cannot be broken off. So

- whoever wants a name that is being looked up waits for that look-up. Of a thousand calls to a slow
  name one thread is busy, and a call to another finds one;
- whoever is cancelled leaves. The look-up goes on, and a retry joins it rather than beginning
  another;
- so many names are looked up at once. A further one waits in line, and is forgotten if nobody wants
  it any more.

Nothing is remembered once it is found: how long an address is good only the system knows.
"""

from __future__ import annotations

import contextlib
import copy
import socket
from functools import partial
from typing import Any, Union

import outcome
import trio

__all__ = ["Found", "look_up"]

_MOST_THREADS = 32

Found = list[tuple[Any, ...]]
"""What ``socket.getaddrinfo`` returns."""

_Name = tuple[str, int]
_underway: trio.lowlevel.RunVar[_LookUps] = trio.lowlevel.RunVar("trioclient name look-ups")


async def look_up(host: str, port: int) -> Found:
    """The addresses of a host, for streams. Raises what ``socket.getaddrinfo`` does."""
    try:
        look_ups = _underway.get()
    except LookupError:
        look_ups = _LookUps()
        _underway.set(look_ups)
    return await look_ups.result((host, port))


class _LookUp:
    """One of a name."""

    __slots__ = ("done", "name", "result", "wanted")

    def __init__(self, name: _Name) -> None:
        self.name = name
        self.wanted = 0
        """By so many tasks."""
        self.done = trio.Event()
        self.result: Union[Found, Exception] = []


class _LookUps:
    """Those of one trio run."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._all: dict[_Name, _LookUp] = {}
        self._in_line: dict[_Name, _LookUp] = {}

    async def result(self, name: _Name) -> Found:
        one = self._all.get(name)
        if one is None:
            one = self._all[name] = self._in_line[name] = _LookUp(name)
            self._begin_next()
        one.wanted += 1
        try:
            await one.done.wait()
        finally:
            one.wanted -= 1
            if not one.wanted and self._in_line.pop(name, None) is one:
                del self._all[name]
        if isinstance(one.result, Exception):
            # Each gets its own: a traceback grows wherever it is raised.
            raise copy.copy(one.result)
        return one.result

    def _begin_next(self) -> None:
        while self._in_line and len(self._all) - len(self._in_line) < _MOST_THREADS:
            name = next(iter(self._in_line))
            one = self._in_line.pop(name)
            try:
                trio.lowlevel.start_thread_soon(
                    partial(socket.getaddrinfo, *name, type=socket.SOCK_STREAM), partial(self._deliver, one)
                )
            except RuntimeError as error:  # the system gives no more threads
                self._end(one, outcome.Error(OSError(str(error))))

    def _deliver(self, one: _LookUp, result: outcome.Outcome[Found]) -> None:
        """In the thread."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._end, one, result)

    def _end(self, one: _LookUp, result: outcome.Outcome[Found]) -> None:
        del self._all[one.name]
        try:
            one.result = result.unwrap()
        except Exception as error:
            one.result = error
        one.done.set()
        self._begin_next()
