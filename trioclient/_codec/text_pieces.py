"""Text out of bytes that come in pieces, and lines out of such text."""

from __future__ import annotations

import codecs
import sys
from typing import Final

from .lines import LineFeeds, WholeLines

__all__ = ["LinePieces", "TextPieces"]

_TOLD_BY_MARK: Final = frozenset({"utf-16", "utf-32"})
"""Charsets that begin with a byte order mark. Without one, it is the order of `bytes.decode`."""
_BYTE_ORDER: Final = "le" if sys.byteorder == "little" else "be"


class TextPieces:
    """Decodes piece by piece. What the charset does not allow is replaced by U+FFFD."""

    __slots__ = ("_charset", "_decoder")

    def __init__(self, charset: str) -> None:
        """`charset` is the name of a Python text codec, as `media_type` gives it."""
        self._charset = charset
        self._decoder = _decoder(charset)

    def feed(self, data: bytes) -> str:
        """The characters that are whole with this piece."""
        return self._decode(data, final=False)

    def finish(self) -> str:
        """The bytes have ended: a character that was cut short is replaced."""
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, final: bool) -> str:
        try:
            return self._decoder.decode(data, final)
        except UnicodeError:
            return self._decode_regardless(data, final)

    def _decode_regardless(self, data: bytes, final: bool) -> str:
        """Two kinds of decoder raise although they were told to replace."""
        if self._charset in _TOLD_BY_MARK:
            held, _ = self._decoder.getstate()
            self._decoder = _decoder(f"{self._charset}-{_BYTE_ORDER}")
            return self._decoder.decode(held + data, final)
        # ISO 2022: an escape sequence without end. What was held of it is gone.
        return "\ufffd" + data.decode(self._charset, "replace")


class LinePieces:
    r"""Cuts text into lines, their ends dropped. ``\n``, ``\r\n`` and ``\r`` end one, and nothing else
    does, whatever `str.splitlines` holds of form feeds and U+2028. A ``\r`` at the end of a piece ends
    its line at once. The last line needs no end.

    `max_line_bytes` bounds a line without its end, in UTF-8, as which it is kept meanwhile. One that
    is longer raises `LimitFault`, and so does every call thereafter. The lines before it are not
    lost: a call that has any gives them, and it is the next one that raises.
    """

    __slots__ = ("_line_feeds", "_lines")

    def __init__(self, max_line_bytes: int) -> None:
        self._line_feeds = LineFeeds()
        self._lines = WholeLines(max_line_bytes)

    def feed(self, text: str) -> list[str]:
        """The lines that are whole with this piece. Raises `LimitFault`."""
        lines = self._lines.feed(self._line_feeds.feed(text.encode("utf-8", "surrogatepass")))
        return _text(lines[:-1]).split("\n") if lines else []

    def finish(self) -> list[str]:
        """The last line, if it had no end and is not empty. Raises `LimitFault`."""
        rest = self._lines.finish()
        return [_text(rest)] if rest else []


def _decoder(charset: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(charset)(errors="replace")


def _text(lines: bytes) -> str:
    return lines.decode("utf-8", "surrogatepass")
