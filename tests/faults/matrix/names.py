"""Host names of the matrix, looked up in a table before the system is asked.

So that no look-up leaves the machine, and each can fail, or take its time, when it shall.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Found", "addresses", "after", "names", "nothing", "table", "unknown", "unsure"]

Found = list[tuple[Any, ...]]

table: dict[str, Callable[[int], Found]] = {}
"""By name: a function of the port that returns what ``socket.getaddrinfo`` would, or raises."""


@contextlib.contextmanager
def names() -> Iterator[None]:
    """The table is asked first, for as long as this is open."""
    system = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        found = table.get(host)
        return system(host, port, *args, **kwargs) if found is None else found(port)

    socket.getaddrinfo = look_up
    try:
        yield
    finally:
        socket.getaddrinfo = system


def unknown(port: int) -> Found:
    """No such host."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def unsure(port: int) -> Found:
    """The name server does not answer."""
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def nothing(port: int) -> Found:
    """A host without an address."""
    return []


def addresses(*found: tuple[str, int]) -> Callable[[int], Found]:
    """These addresses and ports, in this order."""
    return lambda port: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]


def after(event: threading.Event) -> Callable[[int], Found]:
    """Nothing is known before that."""

    def wait(port: int) -> Found:
        event.wait()
        return nothing(port)

    return wait
