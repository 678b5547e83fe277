"""Which of the two formats a stream has.

============================================  =====================================================
Content-Type                                  format
============================================  =====================================================
text/event-stream                             server-sent events
application/jsonl, x-jsonl, jsonlines,        JSON lines
x-jsonlines, ndjson, x-ndjson
none, text/plain, application/octet-stream,   loose: JSON lines if the body begins like a JSON
application/binary, binary/octet-stream       value, else server-sent events; strict: AnswerFault
any other                                     AnswerFault
============================================  =====================================================
"""

from __future__ import annotations

from typing import Final

from .decode import AnswerFault
from .event_stream import EventBytes, EventParser, EventStreamParser
from .json_lines import JSONLinesParser
from .lines import BYTE_ORDER_MARK

__all__ = ["event_parser"]

_EVENT_STREAM: Final = "text/event-stream"
_JSON_LINES: Final = frozenset(
    f"{kind}/{name}"
    for kind in ("application", "text")
    for name in ("jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "ndjson", "x-ndjson")
)
_SAYS_NOTHING: Final = frozenset(
    {"", "text/plain", "application/octet-stream", "application/binary", "binary/octet-stream"}
)
_BEGINS_JSON: Final = b'{["-0123456789'  # no field of an event stream does
_MOST_BLANK: Final = 1024  # bytes after which it is guessed without having seen anything


def event_parser(
    content_type: str | None,
    *,
    strict: bool,
    max_line_bytes: int,
    max_event_bytes: int,
    last_event_id: bytes = b"",
    retry: int | None = None,
) -> EventParser:
    """The parser for a stream. Raises `AnswerFault` where the answer is none."""
    essence = (content_type or "").partition(";")[0].strip().lower()
    events = EventStreamParser(
        max_line_bytes=max_line_bytes, max_event_bytes=max_event_bytes, last_event_id=last_event_id, retry=retry
    )
    if essence == _EVENT_STREAM:
        return events
    lines = JSONLinesParser(max_line_bytes=max_line_bytes)
    if essence in _JSON_LINES:
        return lines
    if essence in _SAYS_NOTHING and not strict:
        return _Guess(events, lines)
    raise AnswerFault(f"expected server-sent events or JSON lines, found {essence or 'no content type'}")


class _Guess:
    """Goes by how the body begins."""

    def __init__(self, events: EventStreamParser, lines: JSONLinesParser) -> None:
        self._events = events
        self._lines = lines
        self._parser: EventParser | None = None
        self._beginning = b""

    @property
    def last_event_id(self) -> bytes:
        return self._events.last_event_id

    @property
    def retry(self) -> int | None:
        return self._events.retry

    def feed(self, data: bytes) -> list[EventBytes]:
        if self._parser is not None:
            return self._parser.feed(data)
        self._beginning += data
        text = self._beginning.removeprefix(BYTE_ORDER_MARK).lstrip()
        undecided = not text or BYTE_ORDER_MARK.startswith(self._beginning)
        if undecided and len(self._beginning) < _MOST_BLANK:
            return []
        self._parser = self._lines if text and text[0] in _BEGINS_JSON else self._events
        return self._parser.feed(self._beginning)

    def finish(self) -> list[EventBytes]:
        return [] if self._parser is None else self._parser.finish()

    def pending(self) -> bytes:
        return self._beginning if self._parser is None else self._parser.pending()
