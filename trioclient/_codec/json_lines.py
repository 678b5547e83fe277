"""JSON lines out of bytes: a value on each line, as ``application/jsonl`` and its kin have it.

A line ends with LF or CRLF. A CR alone ends none: to JSON it is whitespace like any other, so
the whitespace around a value is dropped and the CR of a CRLF with it. Lines without anything else
are skipped. A byte order mark before the first line is dropped. The last line needs no end.
"""

from __future__ import annotations

from typing import Final

from .event_stream import EventBytes
from .lines import BYTE_ORDER_MARK, WholeLines

__all__ = ["JSONLinesParser"]

_WHITESPACE: Final = b" \t\r"  # what JSON calls so and a line can contain
_MOST_PENDING: Final = 65_536


class JSONLinesParser:
    """An `EventParser` whose events are the lines: without a type, an ID or a reconnection time.

    `max_line_bytes` bounds a line without its LF.
    """

    __slots__ = ("_lines",)

    def __init__(self, *, max_line_bytes: int) -> None:
        self._lines = WholeLines(max_line_bytes, mark=BYTE_ORDER_MARK)

    @property
    def last_event_id(self) -> bytes:
        """Lines have none."""
        return b""

    @property
    def retry(self) -> int | None:
        """None."""
        return None

    def feed(self, data: bytes) -> list[EventBytes]:
        """The lines that are whole with this piece of the body. Raises `LimitFault`."""
        return _values(self._lines.feed(data))

    def finish(self) -> list[EventBytes]:
        """The last line, if it had no end. Raises `LimitFault`."""
        return _values(self._lines.finish())

    def pending(self) -> bytes:
        """The beginning, of at most 64 KiB, of what came of a line that is not whole."""
        return self._lines.pending(_MOST_PENDING)


def _values(lines: bytes) -> list[EventBytes]:
    return [EventBytes(b"", value, b"", None) for line in lines.split(b"\n") if (value := line.strip(_WHITESPACE))]
