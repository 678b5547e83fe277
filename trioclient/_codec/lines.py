"""Lines out of bytes that come in pieces, in time linear in the bytes and in bounded memory.

A line ends with LF. Where CRLF and CR end lines as well, `LineFeeds` stands in front.

Each byte is looked at once as it comes, and moved a constant number of times: what there is of an
unfinished line grows in place and is neither joined nor searched before its end has come.
"""

from __future__ import annotations

import codecs
from typing import Final

from .._faults import LimitFault

__all__ = ["BYTE_ORDER_MARK", "LineFeeds", "WholeLines"]

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8


class LineFeeds:
    """Makes CRLF, CR and LF alike into LF.

    A CR at the end of a piece is a line end at once; the LF that may come first in the next
    piece belongs to it and is dropped.
    """

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, data: bytes) -> bytes:
        """The piece with its line ends made LF."""
        if not data:
            return data
        if self._after_cr:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data


class WholeLines:
    """Holds back the line that is not finished yet.

    A line of more than `max_line_bytes`, its LF not counted, raises `LimitFault`, and so does
    every call thereafter. The lines before it are not lost: a call that has any gives them, and it
    is the next one that raises.
    """

    __slots__ = ("_fault", "_mark", "_max_line_bytes", "_rest")

    def __init__(self, max_line_bytes: int, *, mark: bytes = b"") -> None:
        """`mark` is taken off the first line if that begins with it."""
        self._max_line_bytes = max_line_bytes
        self._mark = mark
        self._rest = bytearray()
        self._fault: LimitFault | None = None

    def feed(self, data: bytes) -> bytes:
        """The lines that are whole now, each with its LF, in one piece; maybe none."""
        if self._fault is not None:
            raise self._fault
        end = data.rfind(b"\n") + 1
        if not end:
            self._rest += data
            return self._bounded(b"")
        lines = self._unmarked(bytes(self._rest) + data[:end])
        self._rest = bytearray(data[end:])
        return self._bounded(lines)

    def finish(self) -> bytes:
        """What came of an unfinished line."""
        if self._fault is not None:
            raise self._fault
        rest, self._rest = bytes(self._rest), bytearray()
        return self._unmarked(rest)

    def pending(self, size: int) -> bytes:
        """The beginning, of at most `size` bytes, of what `feed` has not given."""
        return bytes(self._rest[:size])

    def _unmarked(self, lines: bytes) -> bytes:
        mark, self._mark = self._mark, b""
        return lines.removeprefix(mark)

    def _bounded(self, lines: bytes) -> bytes:
        if len(lines) > self._max_line_bytes:
            lines = self._up_to_the_long_one(lines)
        marked = self._rest.startswith(self._mark)
        if len(self._rest) - marked * len(self._mark) > self._max_line_bytes:
            self._fault = LimitFault("max_line_bytes", self._max_line_bytes)
            if not lines:
                raise self._fault
        return lines

    def _up_to_the_long_one(self, lines: bytes) -> bytes:
        """The lines before the first one that is too long, which goes back to the rest."""
        start = 0
        for line in lines.split(b"\n"):
            if len(line) > self._max_line_bytes:
                self._rest[:0] = lines[start:]
                break
            start += len(line) + 1
        return lines[:start]
