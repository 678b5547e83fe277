"""One server-sent event, as the HTML standard dispatches it (section 9.2.6)."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

__all__ = ["ServerSentEvent"]


class ServerSentEvent(NamedTuple):
    """An event of an event stream, before anything is made of its data."""

    event: str = "message"
    """Its type: what an ``event`` field named, else ``"message"``."""
    data: str = ""
    """Its ``data`` fields, joined by line feeds."""
    id: str = ""
    """The last event ID at its dispatch: an ID holds until another one is set."""
    retry: int | None = None
    """The reconnection time in milliseconds that the stream last named; None where it has not."""

    def json(self) -> Any:
        """`data` as JSON. Raises `msgspec.DecodeError` where it is none."""
        return msgspec.json.decode(self.data)
