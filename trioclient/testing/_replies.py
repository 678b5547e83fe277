"""Scripted answers: what a decent server would send.

A `Reply` serves both ends of the testing kit. `ScriptedTransport` reads its fields;
`LoopbackServer` plays its wire form, a `RawReply`: a list of steps on the socket. The replies
in ``_misreplies.py``, which no decent server would send, exist only in that form.
"""

from __future__ import annotations

import dataclasses
import http
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Union, cast

import msgspec

from .._types import NOT_GIVEN, NotGiven, checked_int, checked_seconds

__all__ = [
    "Encoding",
    "Endless",
    "Framing",
    "HangUp",
    "HeaderPairs",
    "Pause",
    "RawReply",
    "Reply",
    "Send",
    "Silence",
    "Step",
    "reply",
]

Framing = Literal["length", "chunked", "close"]
"""How a body's end is told: ``Content-Length``, ``Transfer-Encoding: chunked``, or by closing."""

Encoding = Literal["gzip", "deflate"]

HeaderPairs = Union[Mapping[str, str], Iterable[tuple[str, str]]]

_WBITS: dict[Encoding, int] = {"gzip": 31, "deflate": 15}
_BODILESS = frozenset({204, 304})


class Send(NamedTuple):
    """Send these bytes."""

    data: bytes


class Pause(NamedTuple):
    """Wait, in seconds, but no longer than the client does."""

    seconds: float


class Silence(NamedTuple):
    """Say nothing more until the client goes away."""


class Endless(NamedTuple):
    """Send these bytes over and over until the client goes away, `interval` seconds apart."""

    data: bytes
    interval: float = 0.0


class HangUp(NamedTuple):
    """Close the connection at once, without a TLS goodbye; with `reset`, by an RST."""

    reset: bool = False


Step = Union[Send, Pause, Silence, Endless, HangUp]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """What to do on the socket in answer to one request."""

    opening: tuple[Step, ...] = ()
    ending: tuple[Step, ...] = ()
    """The client may take the answer for ended as soon as these begin, so the server counts
    the request as answered from there."""
    status: int | None = None
    """The status the client gets to see if all of it arrives; None where it gets no whole answer."""
    early: bool = False
    """Begin before the request's body is read."""
    close: bool = False
    """Close the connection afterwards, properly."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One proper HTTP answer; made by `reply`."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    """Every header line of the answer, framing included."""
    pieces: tuple[bytes, ...] = ()
    """The body in the pieces it is sent in, compressed where it is to be."""
    framing: Framing = "length"
    delay: float = 0.0
    """Seconds before the head."""
    chunk_delay: float = 0.0
    """Seconds between two pieces of the body."""
    early: bool = False
    """Answered before the request's body is read."""
    close: bool = False
    """The connection is closed after the answer."""
    _raw: dict[bool, RawReply] = dataclasses.field(
        default_factory=dict[bool, RawReply], init=False, repr=False, compare=False
    )

    def wire(self) -> bytes:
        """The whole answer as it crosses the wire, for `raw` to take apart."""
        raw = self.to_raw()
        return b"".join(step.data for step in raw.opening + raw.ending if isinstance(step, Send))

    def to_raw(self, method: str = "GET") -> RawReply:
        """The steps that send this answer to a request of the given method."""
        bodiless = method == "HEAD"
        if bodiless not in self._raw:
            self._raw[bodiless] = self._compile(bodiless)
        return self._raw[bodiless]

    def _compile(self, bodiless: bool) -> RawReply:
        steps: list[Step] = [Pause(self.delay)] if self.delay else []
        writes = [self._head(), *(() if bodiless else self._framed())]
        if self.chunk_delay and len(writes) > 1:
            steps.append(Send(b"".join(writes[:2])))
            for write in writes[2:]:
                steps += (Pause(self.chunk_delay), Send(write))
        else:
            steps.append(Send(b"".join(writes)))
        return RawReply(
            opening=tuple(steps[:-1]), ending=(steps[-1],), status=self.status, early=self.early, close=self.close
        )

    def _head(self) -> bytes:
        try:
            reason = http.HTTPStatus(self.status).phrase
        except ValueError:
            reason = ""
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _framed(self) -> list[bytes]:
        """The pieces, in their chunk framing if they have one; the last chunk goes with the last piece."""
        if self.framing != "chunked":
            return list(self.pieces)
        framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in self.pieces if piece]
        return [*framed[:-1], b"".join(framed[-1:]) + b"0\r\n\r\n"]


def reply(
    status: int = 200,
    *,
    json: object = NOT_GIVEN,
    content: bytes | str | NotGiven = NOT_GIVEN,
    chunks: Sequence[bytes | str] | NotGiven = NOT_GIVEN,
    headers: HeaderPairs = (),
    delay: float = 0.0,
    chunk_delay: float = 0.0,
    framing: Framing | None = None,
    encoding: Encoding | None = None,
    early: bool = False,
    close: bool = False,
) -> Reply:
    """A proper HTTP answer.

        reply(json={"ok": True})
        reply(429, headers={"Retry-After": "2"})
        reply(chunks=["one ", "two"], chunk_delay=0.5, encoding="gzip")

    The body is one of `json` (anything msgspec encodes), `content`, or `chunks`, which are sent
    one by one, `chunk_delay` seconds apart; text is sent as UTF-8. `delay` is in seconds, before
    the head; ``math.inf`` never answers. `framing` is ``"chunked"`` for `chunks` and ``"length"``
    for the others unless given. `encoding` compresses the body for real. A Content-Type, Content-Length
    or Transfer-Encoding among `headers` is sent in place of the right one. `early` answers
    before the request's body was read (and reads it afterwards); `close` closes the connection
    after the answer and says so in a header.

    Raises TypeError or ValueError.
    """
    checked_int(status, "status", 200)
    pieces, content_type = _body(json, content, chunks)
    if status in _BODILESS and any(pieces):
        raise ValueError(f"a {status} answer has no body")
    if framing is None:
        framing = "length" if isinstance(chunks, NotGiven) else "chunked"
    given = _checked_headers(headers)
    names = {name.lower() for name, _ in given}
    made: list[tuple[str, str]] = []
    if content_type and "content-type" not in names:
        made.append(("Content-Type", content_type))
    if encoding is not None:
        pieces = _compressed(pieces, encoding)
        made.append(("Content-Encoding", encoding))
    if status not in _BODILESS and not names & {"content-length", "transfer-encoding"}:
        made += _framing_headers(framing, pieces)
    closes = close or framing == "close"
    if closes and "connection" not in names:
        made.append(("Connection", "close"))
    return Reply(
        status=status,
        headers=(*given, *made),
        pieces=tuple(pieces),
        framing=framing,
        delay=checked_seconds(delay, "delay"),
        chunk_delay=checked_seconds(chunk_delay, "chunk_delay"),
        early=early,
        close=closes,
    )


def _body(
    json: object, content: bytes | str | NotGiven, chunks: Sequence[bytes | str] | NotGiven
) -> tuple[list[bytes], str]:
    """The body's pieces and their content type, ``""`` where there is no body."""
    if sum(part is not NOT_GIVEN for part in (json, content, chunks)) > 1:
        raise TypeError("give one of json, content and chunks")
    if json is not NOT_GIVEN:
        return [msgspec.json.encode(json)], "application/json"
    if isinstance(chunks, (bytes, str)):
        raise TypeError("chunks must be a sequence of bytes or str; give one piece as content")
    if not isinstance(content, NotGiven):
        given, argument = [content], "content"
    else:
        given, argument = [] if isinstance(chunks, NotGiven) else list(chunks), "chunks"
    pieces = [piece.encode() if isinstance(piece, str) else _checked_bytes(piece, argument) for piece in given]
    if not given:
        return pieces, ""
    return pieces, "text/plain; charset=utf-8" if isinstance(given[0], str) else "application/octet-stream"


def _checked_bytes(piece: object, argument: str) -> bytes:
    if not isinstance(piece, (bytes, bytearray)):
        raise TypeError(f"{argument} must be bytes or str, not {piece!r}")
    return bytes(piece)


def _checked_headers(headers: HeaderPairs) -> list[tuple[str, str]]:
    pairs = list(cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers)
    for name, value in pairs:
        if set(name + value) & set("\r\n\0"):
            raise ValueError(f"header {name!r} has a line break or NUL; raw() sends such bytes")
    return pairs


def _compressed(pieces: list[bytes], encoding: Encoding) -> list[bytes]:
    """Each piece compressed so that it can be read as soon as it has arrived."""
    if encoding not in _WBITS:
        raise ValueError(f"encoding must be one of {', '.join(_WBITS)}, not {encoding!r}")
    compressor = zlib.compressobj(wbits=_WBITS[encoding])
    done = [compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH) for piece in pieces[:-1]]
    return [*done, compressor.compress(b"".join(pieces[-1:])) + compressor.flush()]


def _framing_headers(framing: Framing, pieces: list[bytes]) -> list[tuple[str, str]]:
    if framing == "length":
        return [("Content-Length", str(sum(map(len, pieces))))]
    if framing == "chunked":
        return [("Transfer-Encoding", "chunked")]
    if framing == "close":
        return []
    raise ValueError(f"framing must be 'length', 'chunked' or 'close', not {framing!r}")
