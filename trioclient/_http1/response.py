"""Bytes to an answer, parsed by httptools, kept inside bounds (RFC 9112).

``feed`` takes what the connection received (``b""`` for its end). What has come of the answer is
there to be looked at: its `Head`, pieces of its body, whether it has ended, and the fault, if it is
malformed or cut short. What comes before a fault counts. What httptools leaves to its user is done
here:

- An answer to HEAD never completes by itself: it ends at its head.
- 1xx answers come as messages of their own: counted and dropped. 101 was never asked for.
- ``should_keep_alive`` is right only inside a callback.
- There is no end of input: a body without framing ends where the connection ends, any other
  is cut short.
- There is no bound on header bytes. Between a head, a piece of the body and the end no more than
  ``max_header_bytes`` may pass, which also stops endless 1xx answers, chunk extensions and trailers.
- Bytes after the answer are the start of another: its connection must not be used again.
- Only the transfer coding "chunked" is understood, so any other is refused.
"""

from __future__ import annotations

from typing import NamedTuple

import httptools

from .._faults import ClosedFault, DisconnectFault, Fault, LimitFault, ProtocolFault
from .._types import Limits, RawHeaders

__all__ = ["Head", "ResponseParser"]


class Head(NamedTuple):
    """Status line and headers of the final answer; header names are lower-case."""

    status: int
    http_version: str
    headers: RawHeaders


_VERSIONS = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1"}
_HEADER_OVERHEAD = 4  # ": " and the line end


class ResponseParser:
    """Parses one answer; after one that leaves the connection reusable, the next."""

    def __init__(self, method: str, limits: Limits) -> None:
        # None once closed: it refers back to this object, and the two would wait for the collector.
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        # Of the head, or of the trailer, that is coming in: names and values in turn.
        self._headers: list[bytes] = []
        self._begin(method, limits)

    def _begin(self, method: str, limits: Limits) -> None:
        self._method = method
        self._limits = limits
        self.head: Head | None = None
        self.ended = False
        """The answer is whole."""
        self.reusable = False
        """It has ended, and the connection may carry another exchange."""
        self.fault: Fault | None = None
        """What is wrong with it; the parser is of no further use then."""
        # Since the last thing worth telling.
        self._quiet_bytes = 0
        self._informational = 0
        self._until_close = False

    def next(self, method: str, limits: Limits) -> ResponseParser:
        """A parser for the next answer on the same connection: this one where it can be."""
        # httptools does not know that an answer to HEAD has ended.
        if not self.reusable or self._method == "HEAD" or self._pieces:
            self.close()
            return ResponseParser(method, limits)
        self._begin(method, limits)
        return self

    def feed(self, data: bytes) -> None:
        """Take received bytes, or ``b""`` at the end of input. Raises ClosedFault after `close`."""
        parser = self._parser
        if parser is None:
            raise ClosedFault  # while these bytes were on their way
        if not data:
            self._end_of_input()
            return
        self._quiet_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fault = ProtocolFault("the server switched protocols, which was not asked for")
        except httptools.HttpParserError as error:
            self.reusable = False
            if not self.ended and self.fault is None:
                self.fault = ProtocolFault(f"malformed HTTP: {error}")
                self.fault.__cause__ = error
        # Only now, for bytes after the answer may have spoiled the connection meanwhile.
        if self.ended:
            if not self.reusable:
                self.close()
        elif self._quiet_bytes > self._limits.max_header_bytes and self.fault is None:
            self.fault = LimitFault("max_header_bytes", self._limits.max_header_bytes)

    def take(self) -> bytes:
        """What has come of the body since the last time; ``b""`` if nothing has."""
        pieces = self._pieces
        if not pieces:
            return b""
        # One piece, however many chunks it came in: tiny ones cost many times their size.
        self._pieces = []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Let go of the C parser."""
        self._parser = None

    def _end_of_input(self) -> None:
        self.close()
        if self._until_close:
            self.ended = True
        elif self.fault is None:
            cut = "without an answer" if self.head is None else "before the answer was whole"
            self.fault = DisconnectFault(f"the server closed the connection {cut}")

    # What httptools calls. An exception in here would be wrapped, so faults are noted instead.

    def on_message_begin(self) -> None:
        if self.ended:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += name, value

    def on_headers_complete(self) -> None:
        parser = self._parser
        if self.ended or parser is None:
            return
        headers = self._taken_headers()
        status = parser.get_status_code()
        version = parser.get_http_version()
        if version not in _VERSIONS:
            self.fault = ProtocolFault(f"the server speaks HTTP/{version}")
        elif 200 <= status < 600 and self.fault is None:
            self._note_head(Head(status, _VERSIONS[version], headers))
        elif 100 <= status < 200:
            self._note_informational(status)
        elif self.fault is None:
            self.fault = ProtocolFault(f"{status} is no HTTP status")

    def on_body(self, data: bytes) -> None:
        if self.ended:
            self.reusable = False
        else:
            self._pieces.append(data)
            self._quiet_bytes = 0

    def on_message_complete(self) -> None:
        if self._headers:
            self._taken_headers()  # a trailer, which nobody asked for
        if self.head is not None and self.fault is None and not self.ended and self._parser is not None:
            self.ended = True
            self.reusable = self._parser.should_keep_alive()

    def _taken_headers(self) -> RawHeaders:
        flat, self._headers = self._headers, []
        headers = list(zip(map(bytes.lower, flat[::2]), map(bytes.rstrip, flat[1::2]), strict=True))
        most = self._limits.max_header_bytes
        # So few bytes cannot hold more of them; else they are counted.
        if self._quiet_bytes > most and sum(len(n) + len(v) + _HEADER_OVERHEAD for n, v in headers) > most:
            self.fault = LimitFault("max_header_bytes", most)
        return headers

    def _note_informational(self, status: int) -> None:
        self._informational += 1
        if status == 101:
            self.fault = ProtocolFault("the server switched protocols, which was not asked for")
        elif self._informational > self._limits.max_informational:
            self.fault = LimitFault("max_informational", self._limits.max_informational)

    def _note_head(self, head: Head) -> None:
        fields = dict(head.headers)
        coded = b"transfer-encoding" in fields
        if coded and any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in head.headers):
            self.fault = ProtocolFault("the answer has a transfer coding other than chunked")
            return
        self.head = head
        self._quiet_bytes = 0
        if self._method == "HEAD":
            self.ended = True
            connection = fields.get(b"connection", b"close" if head.http_version == "HTTP/1.0" else b"")
            self.reusable = b"close" not in connection.lower()
        elif not coded and b"content-length" not in fields and head.status not in (204, 304):
            self._until_close = True
