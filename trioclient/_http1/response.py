"""Bytes to events: one answer, parsed by httptools, kept inside bounds (RFC 9112).

``feed`` takes what the connection received (``b""`` for its end) and returns events: a `Head`,
then pieces of the body as bytes, then an `End`. What httptools leaves to its user is done here:

- An answer to HEAD never completes by itself: it ends at its head.
- 1xx answers come as messages of their own: counted and dropped. 101 was never asked for.
- ``should_keep_alive`` is right only inside a callback.
- There is no end of input: a body without framing ends where the connection ends, any other
  is cut short.
- There is no bound on header bytes. Between two events no more than ``max_header_bytes`` may
  pass, which also stops endless 1xx answers, chunk extensions and trailers.
- Bytes after the answer are the start of another: its connection must not be used again.
- Only the transfer coding "chunked" is understood, so any other is refused.
"""

from __future__ import annotations

from typing import NamedTuple, Union

import httptools

from .._faults import ClosedFault, DisconnectFault, Fault, LimitFault, ProtocolFault
from .._types import Limits, RawHeaders

__all__ = ["End", "Event", "Head", "ResponseParser"]


class Head(NamedTuple):
    """Status line and headers of the final answer; header names are lower-case."""

    status: int
    http_version: str
    headers: RawHeaders


class End(NamedTuple):
    """The answer is whole. `reusable`: the connection may carry another exchange."""

    reusable: bool


Event = Union[Head, bytes, End]

_VERSIONS = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1"}
_HEADER_OVERHEAD = 4  # ": " and the line end


class ResponseParser:
    """Parses one answer. Raises a `Fault` and is then of no further use."""

    __slots__ = (
        "_body",
        "_events",
        "_fault",
        "_headers",
        "_informational",
        "_limits",
        "_method",
        "_parser",
        "_quiet_bytes",
        "_reusable",
        "_until_close",
        "done",
        "head_seen",
    )

    def __init__(self, method: str, limits: Limits) -> None:
        self._method = method
        self._limits = limits
        # None once done: it refers back to this object, and the two would wait for the collector.
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._events: list[Event] = []
        self._body: list[bytes] = []
        # Of the head, or of the trailer, that is coming in.
        self._headers: RawHeaders = []
        # Since the last event.
        self._quiet_bytes = 0
        self._informational = 0
        self._until_close = False
        self._reusable = False
        self._fault: Fault | None = None
        self.head_seen = False
        self.done = False

    def feed(self, data: bytes) -> list[Event]:
        """Take received bytes, or ``b""`` at the end of input; return what they complete."""
        parser = self._parser
        if parser is None:
            raise ClosedFault  # while these bytes were on their way
        if not data:
            return self._end_of_input()
        self._quiet_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise ProtocolFault("the server switched protocols, which was not asked for") from None
        except httptools.HttpParserError as error:
            if not self.done:
                raise self._fault or ProtocolFault(f"malformed HTTP: {error}") from error
            self._reusable = False
        if self._fault is not None:
            raise self._fault
        events = self._take_events()
        if events:
            self._quiet_bytes = 0
        elif self._quiet_bytes > self._limits.max_header_bytes:
            raise LimitFault("max_header_bytes", self._limits.max_header_bytes)
        if self.done:
            # Only now, for bytes after the answer may have spoiled the connection meanwhile.
            events.append(End(self._reusable))
            self.close()
        return events

    def close(self) -> None:
        """Let go of the C parser."""
        self._parser = None

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        if self._body:
            # One piece, however many chunks it came in: tiny ones cost many times their size.
            events.append(self._body[0] if len(self._body) == 1 else b"".join(self._body))
            self._body = []
        return events

    def _end_of_input(self) -> list[Event]:
        self.close()
        if not self.head_seen:
            raise DisconnectFault("the server closed the connection without an answer")
        if not self._until_close:
            raise DisconnectFault("the server closed the connection before the answer was whole")
        self.done = True
        return [End(False)]

    # What httptools calls. An exception in here would be wrapped, so faults are noted instead.

    def on_message_begin(self) -> None:
        if self.done:
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if self.done or parser is None:
            return
        headers = self._taken_headers()
        status = parser.get_status_code()
        version = parser.get_http_version()
        if version not in _VERSIONS:
            self._fault = ProtocolFault(f"the server speaks HTTP/{version}")
        elif 200 <= status < 600:
            self._note_head(Head(status, _VERSIONS[version], headers))
        elif 100 <= status < 200:
            self._note_informational(status)
        else:
            self._fault = ProtocolFault(f"{status} is no HTTP status")

    def on_body(self, data: bytes) -> None:
        if self.done:
            self._reusable = False
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self.head_seen and not self.done and self._parser is not None:
            self.done = True
            self._reusable = self._parser.should_keep_alive()
        if self._headers:
            self._taken_headers()  # a trailer, which nobody asked for

    def _taken_headers(self) -> RawHeaders:
        headers, self._headers = self._headers, []
        most = self._limits.max_header_bytes
        # So few bytes cannot hold more of them; else they are counted.
        if self._quiet_bytes > most and sum(len(n) + len(v) + _HEADER_OVERHEAD for n, v in headers) > most:
            self._fault = LimitFault("max_header_bytes", most)
        return headers

    def _note_informational(self, status: int) -> None:
        self._informational += 1
        if status == 101:
            self._fault = ProtocolFault("the server switched protocols, which was not asked for")
        elif self._informational > self._limits.max_informational:
            self._fault = LimitFault("max_informational", self._limits.max_informational)

    def _note_head(self, head: Head) -> None:
        self.head_seen = True
        self._events.append(head)
        fields = dict(head.headers)
        coded = b"transfer-encoding" in fields
        if coded and any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in head.headers):
            self._fault = ProtocolFault("the answer has a transfer coding other than chunked")
        if self._method == "HEAD":
            self.done = True
            connection = fields.get(b"connection", b"close" if head.http_version == "HTTP/1.0" else b"")
            self._reusable = b"close" not in connection.lower()
        elif not coded and b"content-length" not in fields and head.status not in (204, 304):
            self._until_close = True
