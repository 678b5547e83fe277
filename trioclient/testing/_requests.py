"""What the other end of a call saw of it: requests and connections, as plain records."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import msgspec

__all__ = ["ConnectionRecord", "Ended", "ReceivedRequest", "RecordedRequest", "SeenRequest"]

Ended = Literal["client", "server", "broken", "bad request", "handshake", "stopped"]
"""Who or what ended a connection: ``client`` and ``server`` closed it between requests or as
scripted, ``broken`` is a client gone in the middle of a request or an answer, ``bad request``
is one that is not HTTP, ``handshake`` a TLS handshake that failed, ``stopped`` the server's exit."""


@dataclasses.dataclass(slots=True, kw_only=True)
class ReceivedRequest:
    """One request as it arrived, whole."""

    method: str
    target: str
    """Path and query as on the request line, still percent-encoded: ``"/items?limit=2"``."""
    headers: list[tuple[str, str]] = dataclasses.field(repr=False)
    """In order, names as they were sent. Not in the repr, like the body: they hold secrets."""
    body: bytes = dataclasses.field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """`target` up to its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """`target` behind its ``?``; ``""`` without one."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first value under a name in any case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def json(self) -> Any:
        """The body decoded as JSON. Raises `msgspec.DecodeError`."""
        return msgspec.json.decode(self.body)


@dataclasses.dataclass(slots=True, kw_only=True)
class SeenRequest(ReceivedRequest):
    """One attempt, as a `ScriptedTransport` was asked to send it."""

    url: str
    """The whole URL."""
    at: float
    """`trio.current_time()` when it was sent."""


@dataclasses.dataclass(slots=True, kw_only=True)
class RecordedRequest(ReceivedRequest):
    """One request, as a `LoopbackServer` received it. Times are of the server's own trio clock."""

    connection: int
    """`ConnectionRecord.number` of the connection it came over."""
    started: float
    """When its head was read."""
    finished: float | None = None
    """When its answer was sent, or given up; None while in flight."""
    status: int | None = None
    """Of the answer, set when the last of it is sent; None where it never was."""


@dataclasses.dataclass(slots=True, kw_only=True)
class ConnectionRecord:
    """One connection. Times are of the server's own trio clock."""

    number: int
    """From 1, in the order of arrival."""
    opened: float
    closed: float | None = None
    """None while open."""
    requests: int = 0
    """Requests whose head was read."""
    ended: Ended | None = None
    """None while open."""
