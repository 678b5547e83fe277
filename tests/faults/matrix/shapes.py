"""The three shapes a call of the matrix has, and what a decent answer to each looks like."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from trioclient.testing import Reply, event_stream, reply

__all__ = ["EVENTS", "NEXT", "SHAPES", "THING", "Shape", "Thing"]


class Thing(msgspec.Struct):
    """What every call asks for; a stream brings two of them."""

    id: int
    name: str


THING = {"id": 7, "name": "thing"}
NEXT = reply(json={"next": True})
EVENTS = "text/event-stream"


class Shape(NamedTuple):
    """How a call asks."""

    name: str
    method: str
    body: Any = None
    streams: bool = False

    @property
    def value(self) -> Any:
        """What comes of a decent answer."""
        return [THING, THING] if self.streams else THING

    @property
    def content_type(self) -> str:
        return EVENTS if self.streams else "application/json"

    @property
    def content(self) -> bytes:
        """The body of a decent answer."""
        return b"".join(self.answer().pieces)

    def answer(self, **arguments: Any) -> Reply:
        """A decent answer; the arguments are those of `reply`."""
        return event_stream(THING, THING, **arguments) if self.streams else reply(json=THING, **arguments)

    def saying(self, payload: bytes, **arguments: Any) -> Reply:
        """The same with other JSON in the place of the thing."""
        content = b"data: " + payload + b"\n\n" if self.streams else payload
        return self.holding(content, **arguments)

    def holding(self, content: bytes, coding: str | None = None, **arguments: Any) -> Reply:
        """The same with another body, said to be of this coding."""
        headers = {"Content-Type": self.content_type, **({} if coding is None else {"Content-Encoding": coding})}
        return reply(content=content, headers=headers, **arguments)


SHAPES = (
    Shape("GET", "GET"),
    Shape("POST", "POST", {"text": "do it"}),
    Shape("stream", "POST", {"text": "tell it"}, streams=True),
)
