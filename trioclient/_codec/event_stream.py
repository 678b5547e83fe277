"""Server-sent events out of bytes, by the HTML standard, section 9.2.6, to the letter.

A line ends with LF, CR or CRLF; a byte order mark before the first one is dropped. Of each line:

==================  ==============================================================================
nothing             dispatch: the last event ID is what the ID buffer holds; unless the data buffer
                    is empty, an event goes out, its data without the last LF; then the data buffer
                    and the type are emptied, the ID buffer is not
``:...``            ignored, and so is every line that is not in this table
``data[: value]``   the value and a LF are added to the data buffer
``event[: value]``  the type is the value
``id[: value]``     the ID buffer is the value; ignored where it contains NUL
``retry: digits``   the reconnection time is the number; ignored where there is another character
==================  ==============================================================================

One space after the colon is dropped; without a colon the value is empty. What the stream ends with
and no blank line follows is not dispatched. Line ends and field names are ASCII, so all this is done
on bytes, and only what somebody wants to read is decoded.

Python's part in this is kept small by one regular expression, which takes lines as long as they come
in one order of fields, each at most once and none empty, up to a blank line. The usual event is one
match, the unusual one several; either way each line is read by the same rule.

In one respect this does as browsers do, not as the standard says: the ID buffer of a stream that is
resumed begins with the last event ID. Were it empty, an event without an ID would make the client
forget where to go on.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

import msgspec

from .._faults import LimitFault
from .._server_sent_event import ServerSentEvent
from .lines import BYTE_ORDER_MARK, LineFeeds, WholeLines

__all__ = ["EventBytes", "EventParser", "EventStreamParser"]

_FIELDS: Final = {b"id": rb"[^\n\0]+", b"event": rb".+", b"data": rb".+", b"retry": rb"[0-9]+"}
"""What a field's value may be where it is not empty, in the order in which most servers send them."""

_COLON: Final = rb":(?:[ ]|(?![ ]))"  # a space that is there is taken for good
_ANY_FIELD: Final = b"|".join(name + _COLON + value + rb"\n" for name, value in _FIELDS.items())
_RUN: Final = re.compile(
    # An empty alternative is quicker than a question mark.
    b"".join(rb"(?:%b%b(%b)\n|)" % (name, _COLON, value) for name, value in _FIELDS.items())
    # Then a blank line; or an empty field; or a field out of order, for the next match; or a line to ignore.
    + rb"(?:(\n)|(id|event|data)(?::[ ]?)?\n|(?=%b)|.+\n|\Z)" % _ANY_FIELD
)
"""A run of whole lines. Its groups are the fields, in the order above, the blank line, and the name of
the empty field."""

_MOST_RETRY_DIGITS: Final = 18  # thirty million years; behind 4,300 digits, int() refuses
_MOST_PENDING: Final = 65_536


class EventBytes(msgspec.Struct, frozen=True, gc=False):
    """An event as it came, undecoded."""

    event: bytes
    """Its type, empty where no field named one."""
    data: bytes
    id: bytes
    """The last event ID at its dispatch."""
    retry: int | None
    """The reconnection time at its dispatch, in milliseconds, if any was named."""

    def record(self) -> ServerSentEvent:
        """Decoded for the user; bytes that are not UTF-8 are replaced."""
        return ServerSentEvent(
            self.event.decode("utf-8", "replace") or "message",
            self.data.decode("utf-8", "replace"),
            self.id.decode("utf-8", "replace"),
            self.retry,
        )


class EventParser(Protocol):
    """Makes events of a body.

    A bound that is exceeded raises `LimitFault`, and so does every call thereafter. The events
    before it are not lost: the call that gives them does not raise, but the next one.
    """

    @property
    def last_event_id(self) -> bytes: ...
    @property
    def retry(self) -> int | None: ...

    def feed(self, data: bytes) -> list[EventBytes]:
        """The events that are whole with this piece of the body."""
        ...

    def finish(self) -> list[EventBytes]:
        """The body has ended: the events that this makes whole."""
        ...

    def pending(self) -> bytes:
        """The beginning, of at most 64 KiB, of what came and is part of no whole event."""
        ...


class EventStreamParser:
    """Parses one stream of server-sent events; a resumed stream takes a new parser.

    `max_line_bytes` bounds a line without its end, `max_event_bytes` the data of an event.
    """

    __slots__ = (
        "_data",
        "_fault",
        "_id",
        "_last_event_id",
        "_line_feeds",
        "_lines",
        "_max_event_bytes",
        "_more",
        "_retry",
        "_type",
        "_undispatched",
    )

    def __init__(
        self, *, max_line_bytes: int, max_event_bytes: int, last_event_id: bytes = b"", retry: int | None = None
    ) -> None:
        """`last_event_id` and `retry` are those of the stream that this one resumes."""
        self._line_feeds = LineFeeds()
        self._lines = WholeLines(max_line_bytes, mark=BYTE_ORDER_MARK)
        self._max_event_bytes = max_event_bytes
        self._fault: LimitFault | None = None
        self._id = self._last_event_id = last_event_id
        self._type = b""
        # The data buffer in two parts: the usual event has one line of data, which is not copied.
        self._data: bytes | None = None
        self._more = bytearray()
        self._retry = retry
        self._undispatched = bytearray()

    @property
    def last_event_id(self) -> bytes:
        """What to ask for the continuation with: the ID at the last blank line."""
        return self._last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, if any was named."""
        return self._retry

    def feed(self, data: bytes) -> list[EventBytes]:
        """The events that are whole with this piece of the body. Raises `LimitFault`."""
        if self._fault is not None:
            raise self._fault
        lines = self._lines.feed(self._line_feeds.feed(data))
        if not lines:
            return []
        if len(lines) + self._data_size() <= self._max_event_bytes:
            return self._read(lines)
        return self._read_closely(lines)

    def finish(self) -> list[EventBytes]:
        """None: what no blank line follows is dropped. Raises `LimitFault`."""
        return self.feed(b"")

    def pending(self) -> bytes:
        """The beginning, of at most 64 KiB, of what came since the last blank line; line ends are LF."""
        return (bytes(self._undispatched) + self._lines.pending(_MOST_PENDING))[:_MOST_PENDING]

    def _data_size(self) -> int:
        return len(self._data or b"") + len(self._more)

    def _read_closely(self, lines: bytes) -> list[EventBytes]:
        """Line by line, since one of these may be too much for its event."""
        events: list[EventBytes] = []
        for line in lines.splitlines(keepends=True):
            events += self._read(line)
            if self._data_size() > self._max_event_bytes:
                self._fault = LimitFault("max_event_bytes", self._max_event_bytes)
                if not events:
                    raise self._fault
                break
        return events

    def _read(self, lines: bytes) -> list[EventBytes]:
        """The hot loop: what is used for every event is in local variables."""
        events: list[EventBytes] = []
        dispatch = events.append
        kind, data, more = self._type, self._data, self._more
        event_id, retry = self._id, self._retry
        for id_, event, value, digits, blank, empty in _RUN.findall(lines):
            if id_:
                event_id = id_
            if event:
                kind = event
            if value:
                if data is None:
                    data = value
                else:
                    more += b"\n"
                    more += value
            if digits:
                retry = _number(digits)
            if blank:
                self._last_event_id = event_id
                if data is not None:
                    if more:
                        data += more
                        more.clear()
                    dispatch(EventBytes(kind, data, event_id, retry))
                    data = None
                kind = b""
            elif empty == b"data":
                if data is None:
                    data = b""
                else:
                    more += b"\n"
            elif empty == b"event":
                kind = b""
            elif empty:
                event_id = b""
        self._type, self._data = kind, data
        self._id, self._retry = event_id, retry
        self._keep_undispatched(lines)
        return events

    def _keep_undispatched(self, lines: bytes) -> None:
        blank = (b"\n" + lines).rfind(b"\n\n")
        if blank >= 0:
            self._undispatched = bytearray(lines[blank + 1 : blank + 1 + _MOST_PENDING])
        elif len(self._undispatched) < _MOST_PENDING:
            self._undispatched += lines[:_MOST_PENDING]


def _number(digits: bytes) -> int:
    """A larger one than 18 digits can give counts as the largest that they can."""
    digits = digits.lstrip(b"0")
    return int(b"0" + digits) if len(digits) <= _MOST_RETRY_DIGITS else 10**_MOST_RETRY_DIGITS - 1
