"""Bodies that are cut short, corrupt, endless or late."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Union

import brotli
import zstandard
from case import PATIENCE, SHORT, Case, Expected, Fails, Gives
from far_ends import Entry, answers
from shapes import Shape, Thing

from trioclient import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    DeadlineExceeded,
    InternalServerError,
    LimitExceeded,
    Limits,
    Stall,
)
from trioclient.testing import RawReply, Reply, drip, raw, reply, truncate
from trioclient.testing._replies import Endless, Send, Silence

__all__ = ["CASES"]

_case = partial(Case, kind="body")
_MIB = 1_048_576
_LIMITS = {
    "limits": Limits(
        max_body_bytes=_MIB,
        max_decoded_bytes=4 * _MIB,
        max_line_bytes=4 * _MIB,
        max_event_bytes=4 * _MIB,
        max_error_body_bytes=10_000,
    )
}
_LAST_CHUNK = b"0\r\n\r\n"
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def _chunks(last: bytes) -> Entry:
    """The chunks of a good answer, and this in the place of the last one."""
    return lambda shape: raw(shape.answer(framing="chunked").wire().removesuffix(_LAST_CHUNK) + last)


def _cut(n: int, *, reset: bool = False) -> Entry:
    return lambda shape: truncate(n, of=shape.answer(framing="length"), reset=reset)


def _coded(coding: str, spoil: Callable[[bytes], bytes]) -> Entry:
    return lambda shape: shape.holding(spoil(shape.content), coding)


def _truncated(name: str, far_end: Entry) -> Case:
    return _case(name=name, far_end=answers(far_end), expected=Fails(APIConnectionError), stream=Fails(APIStreamError))


def _corrupt(name: str, coding: str, spoil: Callable[[bytes], bytes]) -> Case:
    """Whole, and never to be understood: not asked for again."""
    return _case(
        name=name, far_end=answers(_coded(coding, spoil)), retries=2, expected=Fails(APIResponseValidationError)
    )


def _flooding(name: str, far_end: Entry, limit: str, *, of_stream: str) -> Case:
    return _case(
        name=name,
        far_end=answers(far_end),
        retries=2,
        client=_LIMITS,
        bloats=True,
        expected=Fails(LimitExceeded, saying=limit),
        stream=Fails(LimitExceeded, saying=of_stream),
    )


def _late(name: str, far_end: Entry, *, deadline: bool = False, stream: Expected | None = None) -> Case:
    return _case(
        name=f"{name}, {'deadline' if deadline else 'read timeout'}",
        far_end=answers(far_end),
        deadline=SHORT if deadline else PATIENCE,
        timeouts={} if deadline else {"read": SHORT},
        expected=Fails(DeadlineExceeded if deadline else APITimeoutError),
        stream=stream,
    )


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _endless(
    content: bytes, *, status: int = 200, coding: bytes = b"identity", start: bytes = b" ", interval: float = 0.0
) -> Callable[[Shape], RawReply]:
    """A chunked body of these bytes over and over, under the content type that is expected."""

    def answer(shape: Shape) -> RawReply:
        head = b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\nContent-Type: %b\r\nContent-Encoding: %b\r\n\r\n"
        sent = head % (status, shape.content_type.encode(), coding) + _chunk(start)
        return RawReply(opening=(Send(sent), Endless(_chunk(content), interval)))

    return answer


def _unending(name: str, content: bytes, *, coding: bytes = b"identity") -> Case:
    """A stream of this that does not end, and brings nothing to stop at; the other calls get a good answer."""
    start = _GZIP_HEADER if coding == b"gzip" else b"\n"
    endless = _endless(content * 10, coding=coding, start=start, interval=SHORT / 10)

    def answer(shape: Shape) -> Reply | RawReply:
        return endless(shape) if shape.streams else shape.answer()

    return _case(
        name=f"{name} without end, deadline",
        far_end=answers(answer),
        deadline=SHORT,
        expected=Gives(),
        stream=Fails(DeadlineExceeded, saying="deadline"),
    )


@cache
def _bomb() -> bytes:
    """A hundred kB of gzip that stand for 128 MiB in one line."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * _MIB
    return b"".join(compressor.compress(block) for _ in range(128)) + compressor.flush()


def _stalled(shape: Shape) -> RawReply:
    head, _, body = shape.answer(framing="length").wire().partition(b"\r\n\r\n")
    return RawReply(opening=(Send(head + b"\r\n\r\n" + body[:-1]), Silence()))


def _dripping(shape: Shape) -> RawReply:
    return drip(shape.saying(b" " * 4000), interval=SHORT / 6, head=False)


def _dripping_trailer(shape: Shape) -> RawReply:
    begun = shape.answer(framing="chunked").wire().removesuffix(b"\r\n")
    return RawReply(opening=(Send(begun), Endless(b"X: y\r\n", SHORT / 6)))


CASES = [
    _truncated("a byte short of its length", _cut(-1)),
    _truncated("a byte short, then reset", _cut(-1, reset=True)),
    _truncated("head only", lambda shape: truncate(-len(shape.content), of=shape.answer(framing="length"))),
    _truncated("no last chunk", _chunks(b"")),
    _truncated("half a last chunk", _chunks(b"0\r\n")),
    _truncated("half a chunk", _chunks(b"ff\r\nhalf")),
    _truncated("half a trailer", _chunks(b"0\r\nX-Sum: 1")),
    _truncated("chunk size in words", _chunks(b"two\r\n{}\r\n0\r\n\r\n")),
    _truncated("negative chunk size", _chunks(b"-2\r\n{}\r\n0\r\n\r\n")),
    _truncated("chunk size of 80 bits", _chunks(b"fffffffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
    _truncated("chunk longer than its size", _chunks(b"2\r\n{}}}\r\n0\r\n\r\n")),
    _truncated("half a gzip body", _coded("gzip", lambda content: gzip.compress(content)[:-12])),
    _truncated("gzip without its checksum", _coded("gzip", lambda content: gzip.compress(content)[:-8])),
    _truncated("brotli cut short", _coded("br", lambda content: brotli.compress(content)[:-2])),
    _truncated("zstd cut short", _coded("zstd", lambda content: zstandard.compress(content)[:-2])),
    _corrupt("no gzip at all", "gzip", bytes),
    _corrupt("gzip with a wrong checksum", "gzip", lambda content: gzip.compress(content)[:-8] + bytes(8)),
    _corrupt("unknown coding", "rot13", bytes),
    _corrupt("fifty codings", "gzip, " * 50 + "gzip", bytes),
    _flooding(
        "chunk extension of a megabyte",
        _chunks(b"2;x=" + b"y" * _MIB + b"\r\n{}\r\n0\r\n\r\n"),
        "max_header_bytes",
        of_stream="max_header_bytes",
    ),
    _flooding(
        "trailer of a megabyte",
        _chunks(b"0\r\nX: " + b"y" * _MIB + b"\r\n\r\n"),
        "max_header_bytes",
        of_stream="max_header_bytes",
    ),
    _flooding("body without end", _endless(b"[" * 10_000), "max_body_bytes", of_stream="max_line_bytes"),
    _flooding(
        "gzip bomb", lambda shape: shape.holding(_bomb(), "gzip"), "max_decoded_bytes", of_stream="max_line_bytes"
    ),
    _flooding(
        "gzip bomb in deflate",
        lambda shape: shape.holding(zlib.compress(_bomb()), "gzip, deflate"),
        "max_decoded_bytes",
        of_stream="max_line_bytes",
    ),
    _case(
        name="error body without end",
        far_end=answers(_endless(b"[" * 10_000, status=500)),
        client=_LIMITS,
        bloats=True,
        expected=Fails(InternalServerError),
    ),
    _case(
        name="error body cut short",
        far_end=answers(truncate(-1, of=reply(400, json=[1, 2, 3]))),
        expected=Fails(APIConnectionError),
    ),
    _late("stalls in the body", _stalled, stream=Fails(APIStreamError, saying="read")),
    _late("stalls in the body", _stalled, deadline=True),
    # A stream that drips is alive, whatever it brings; an answer that drips is not.
    _case(
        name="body drips, read timeout",
        far_end=answers(_dripping),
        deadline=2 * SHORT,
        timeouts={"read": SHORT},
        expected=Fails(APITimeoutError, saying="read"),
        stream=Fails(DeadlineExceeded, saying="deadline"),
    ),
    _late("body drips", _dripping, deadline=True),
    _case(
        name="body drips, stall",
        far_end=answers(_dripping),
        deadline=10 * SHORT,
        client={"stall": Stall(at_least=1024, within=SHORT)},
        expected=Fails(APITimeoutError, saying="1,024"),
        stream=Fails(APIStreamError, saying="1,024"),
    ),
    _late("trailer drips", _dripping_trailer, stream=Fails(APIStreamError, saying="read")),
    _unending("comments", b": still here\n\n"),
    _unending("blank lines", b"\n"),
    _unending("good events", b'data: {"id":7,"name":"thing"}\n\n'),
    _unending("gzip of nothing", b"\0\0\0\xff\xff", coding=b"gzip"),
    _late("chunks drip without end", _endless(b"  ", interval=SHORT / 6), deadline=True),
    _case(
        name="surplus behind the body",
        far_end=answers(lambda shape: raw(shape.answer().wire() + reply(json="not yours").wire(), close=False)),
        good_calls=2,
        expected=Gives(),
    ),
    _case(
        name="body on a 204",
        far_end=answers(
            lambda shape: shape.answer(),
            raw(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}", close=False),
        ),
        good_calls=1,
        cast_to=Union[Thing, None],
        expected=Gives(None),
        stream=Gives([]),
    ),
    _case(
        name="body on a 304",
        far_end=answers(raw(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}", close=False)),
        expected=Fails(APIStatusError, saying="304"),
    ),
    _case(
        name="gzip in two members",
        far_end=answers(_coded("gzip", lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:]))),
        expected=Gives(),
    ),
]
