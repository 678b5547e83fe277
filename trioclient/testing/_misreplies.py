"""Answers no decent server would give: connections cut, silence, drips, floods, plain nonsense.

Played on the socket as they are, below any HTTP library, by a `LoopbackServer`.
"""

from __future__ import annotations

import math
import zlib
from typing import Literal

from .._types import checked_int, checked_seconds
from ._replies import Endless, HangUp, Pause, RawReply, Reply, Send, Silence, Step, reply

__all__ = ["FloodKind", "drip", "drop", "flood", "raw", "stall", "truncate"]

FloodKind = Literal["informational", "headers", "header line", "body", "gzip"]

_PLAIN = reply(content="a plain answer\n")
_BLOCK = 65_536


def drop(before: Literal["body", "answer"] = "answer", *, after: Reply | None = None, reset: bool = False) -> RawReply:
    """Close the connection instead of answering.

    `before` ``"answer"``: the whole request is read first; ``"body"``: only its head, and the
    unread rest makes most systems send a reset rather than an orderly end. With
    `after`, that answer is sent whole first, so that the client is left with an idle connection
    that is dead without notice. With `reset`, by a TCP reset.
    """
    if before not in {"body", "answer"}:
        raise ValueError(f"before must be 'body' or 'answer', not {before!r}")
    if after is None:
        return RawReply(ending=(HangUp(reset),), early=before == "body")
    sent = after.to_raw()
    return RawReply(
        opening=sent.opening,
        ending=(*sent.ending, HangUp(reset)),
        status=sent.status,
        early=sent.early or before == "body",
    )


def truncate(n: int, *, of: Reply = _PLAIN, reset: bool = False) -> RawReply:
    """Send the first `n` bytes of an answer, head included, then close (with `reset`, by a TCP reset).

    A negative `n` counts from the end: ``truncate(-1, of=reply(json=[]))``.
    """
    return RawReply(opening=_first(n, of), ending=(HangUp(reset),), early=of.early)


def stall(after: int = 0, *, of: Reply = _PLAIN) -> RawReply:
    """Send the first `after` bytes of an answer, head included, then nothing until the client goes."""
    return RawReply(opening=(*_first(after, of), Silence()), early=of.early)


def drip(of: Reply = _PLAIN, *, interval: float, head: bool = True) -> RawReply:
    """Send an answer byte by byte, `interval` seconds apart; with ``head=False``, its head in one piece."""
    checked_seconds(interval, "interval")
    wire = of.wire()
    start = 1 if head else wire.index(b"\r\n\r\n") + 4
    steps: list[Step] = [Pause(of.delay)] if of.delay else []
    steps.append(Send(wire[:start]))
    for position in range(start, len(wire)):
        steps += (Pause(interval), Send(wire[position : position + 1]))
    return RawReply(opening=tuple(steps[:-1]), ending=(steps[-1],), status=of.status, early=of.early, close=of.close)


def raw(data: bytes, *, close: bool = True) -> RawReply:
    """Send exactly these bytes, then close the connection or keep it for the next request.

        raw(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n{}")
        raw(reply(json=1).wire() + reply(json=2).wire(), close=False)

    The wire form of a proper answer is a good start.
    """
    return RawReply(ending=(Send(bytes(data)),), close=close)


def flood(kind: FloodKind, *, interval: float = 0.0) -> RawReply:
    """Send without end until the client goes away, as fast as it takes it or every `interval` seconds.

    ``"informational"``: 1xx answers; ``"headers"``: header lines; ``"header line"``: one header
    line; ``"body"``: a chunked body; ``"gzip"``: a chunked body that inflates a thousandfold.
    """
    if kind not in _FLOODS:
        raise ValueError(f"kind must be one of {', '.join(_FLOODS)}, not {kind!r}")
    checked_seconds(interval, "interval")
    start, unit = _FLOODS[kind]
    unit = unit or _chunk(_inflating_block())
    # A unit may be a few bytes: without a pause many go in one write.
    data = unit if interval else unit * math.ceil(_BLOCK / len(unit))
    return RawReply(opening=(Send(start), Endless(data, interval)))


def _first(n: int, of: Reply) -> tuple[Step, ...]:
    """The steps that send the first `n` bytes of an answer; from its end if negative."""
    whole = len(of.wire())
    left = checked_int(n, "the number of bytes", at_least=-whole)
    if left < 0:
        left += whole
    sent = of.to_raw()
    steps: list[Step] = []
    for step in sent.opening + sent.ending:
        if isinstance(step, Send):
            step = Send(step.data[:left])
            left -= len(step.data)
        steps.append(step)
        if not left:
            break
    return tuple(steps)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _inflating_block() -> bytes:
    # The flush ends it on a whole byte, so that it can be repeated for ever.
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(bytes(1_048_576)) + compressor.flush(zlib.Z_SYNC_FLUSH)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_FLOODS: dict[FloodKind, tuple[bytes, bytes]] = {
    "informational": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"),
    "headers": (_HEAD, b"X-Flood: and so on\r\n"),
    "header line": (_HEAD + b"X-Flood: ", b"and so on "),
    "body": (_HEAD + _CHUNKED + b"\r\n", _chunk(b"[" * 64)),
    "gzip": (
        _HEAD + _CHUNKED + b"Content-Encoding: gzip\r\n\r\n" + _chunk(_GZIP_HEADER),
        b"",  # made when asked for
    ),
}
