"""What is not the head of an HTTP answer, or not quite, or never comes to an end."""

from __future__ import annotations

from functools import partial

from case import SHORT, Case, Fails, Gives
from far_ends import Entry, answers

from trioclient import APIConnectionError, APITimeoutError, DeadlineExceeded, LimitExceeded
from trioclient.testing import drip, drop, flood, raw, reply, stall, truncate
from trioclient.testing._replies import RawReply, Send, Silence

__all__ = ["CASES"]

_case = partial(Case, kind="head")
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_MALFORMED = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/2 frames": bytes.fromhex("00000604000000000000030000006400000004080000000000000f0001"),
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "no version": b"200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status 99": b"HTTP/1.1 099 What\r\nContent-Length: 2\r\n\r\n{}",
    "status 999": b"HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\n{}",
    "status 1000": b"HTTP/1.1 1000 What\r\nContent-Length: 2\r\n\r\n{}",
    "switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "both framings": _OK + b"Content-Length: 2\r\n" + _CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    "both framings, chunked first": _OK + _CHUNKED + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two lengths": _OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "two equal lengths": _OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "list of lengths": _OK + b"Content-Length: 2, 3\r\n\r\n{} ",
    "negative length": _OK + b"Content-Length: -2\r\n\r\n{}",
    "length of 80 bits": _OK + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "unknown transfer coding": _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "NUL in a header": _OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "control character in a header": _OK + b"X: a\1b\r\nContent-Length: 2\r\n\r\n{}",
    "bare CR in a header": _OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\n{}",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "folded header": _OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "space before the colon": _OK + b"Content-Length : 2\r\n\r\n{}",
    "header without a name": _OK + b": x\r\nContent-Length: 2\r\n\r\n{}",
}
_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_STRANGE = {"X": "caf\xe9 \xff"}
_MANY = [(f"X-{number}", "y") for number in range(10_000)]
_PLAIN = reply(content=b"never seen")
_LATE = Fails(APITimeoutError, saying="read")
_OVERDUE = Fails(DeadlineExceeded, saying="deadline")


def _said(said: bytes, instead: bytes) -> Entry:
    """A good answer, its head put differently."""
    return lambda shape: raw(shape.answer().wire().replace(said, instead, 1))


CASES = [
    *[
        _case(name=name, far_end=answers(raw(data)), expected=Fails(APIConnectionError))
        for name, data in _MALFORMED.items()
    ],
    _case(
        name="malformed thrice",
        far_end=answers(raw(_MALFORMED["two lengths"])),
        retries=2,
        expected=Fails(APIConnectionError, attempts=3),
    ),
    _case(
        name="1xx before the head",
        far_end=answers(lambda shape: raw(_HINTS * 5 + shape.answer().wire())),
        expected=Gives(),
    ),
    _case(
        name="1xx with a length",
        far_end=answers(_said(b"HTTP", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP")),
        expected=Gives(),
    ),
    _case(name="no reason phrase", far_end=answers(_said(b"200 OK", b"200")), expected=Gives()),
    _case(name="header beyond ASCII", far_end=answers(lambda shape: shape.answer(headers=_STRANGE)), expected=Gives()),
    _case(
        name="a thousand headers", far_end=answers(lambda shape: shape.answer(headers=_MANY[:1000])), expected=Gives()
    ),
    _case(
        name="ten thousand headers",
        far_end=answers(lambda shape: shape.answer(headers=_MANY)),
        expected=Fails(LimitExceeded, saying="max_header_bytes"),
    ),
    _case(name="byte by byte", far_end=answers(lambda shape: drip(shape.answer(), interval=0.0)), expected=Gives()),
    _case(
        name="1xx without end",
        far_end=answers(flood("informational")),
        expected=Fails(LimitExceeded, saying="max_informational"),
        retries=2,
        bloats=True,
    ),
    _case(
        name="header lines without end",
        far_end=answers(flood("headers")),
        expected=Fails(LimitExceeded, saying="max_header_bytes"),
        retries=2,
        bloats=True,
    ),
    _case(
        name="header line without end",
        far_end=answers(flood("header line")),
        expected=Fails(LimitExceeded, saying="max_header_bytes"),
        retries=2,
        bloats=True,
    ),
    _case(
        name="header of a megabyte",
        far_end=answers(lambda shape: shape.answer(headers={"X": "x" * 1_000_000})),
        expected=Fails(LimitExceeded, saying="max_header_bytes"),
    ),
    _case(name="closed before the head", far_end=answers(drop()), expected=Fails(APIConnectionError, "maybe")),
    _case(name="reset before the head", far_end=answers(drop(reset=True)), expected=Fails(APIConnectionError, "maybe")),
    _case(name="closed in the status line", far_end=answers(truncate(7)), expected=Fails(APIConnectionError)),
    _case(name="closed in the head", far_end=answers(truncate(20)), expected=Fails(APIConnectionError)),
    _case(
        name="reset once, then fine",
        far_end=answers(drop(reset=True), lambda shape: shape.answer()),
        retries=1,
        expected=Gives(attempts=2),
    ),
    _case(
        name="no answer, read timeout",
        far_end=answers(stall()),
        timeouts={"read": SHORT},
        expected=_LATE._replace(sent="maybe"),
    ),
    _case(
        name="no answer twice, read timeout",
        far_end=answers(stall()),
        timeouts={"read": SHORT / 2},
        retries=1,
        expected=_LATE._replace(sent="maybe", attempts=2),
    ),
    _case(
        name="no answer, deadline", far_end=answers(stall()), deadline=SHORT, expected=_OVERDUE._replace(sent="maybe")
    ),
    _case(
        name="100 and no more, read timeout",
        far_end=answers(RawReply(opening=(Send(b"HTTP/1.1 100 Continue\r\n\r\n"), Silence()))),
        timeouts={"read": SHORT},
        expected=_LATE,
    ),
    _case(
        name="stalls in the head, read timeout",
        far_end=answers(stall(20, of=_PLAIN)),
        timeouts={"read": SHORT},
        expected=_LATE,
    ),
    _case(
        name="head drips, read timeout",
        far_end=answers(drip(_PLAIN, interval=SHORT / 6)),
        timeouts={"read": SHORT},
        expected=_LATE,
    ),
    _case(
        name="head drips, deadline",
        far_end=answers(drip(_PLAIN, interval=SHORT / 6)),
        deadline=SHORT,
        expected=_OVERDUE,
    ),
    _case(
        name="1xx drip, read timeout",
        far_end=answers(flood("informational", interval=SHORT / 6)),
        timeouts={"read": SHORT},
        expected=_LATE,
    ),
    _case(
        name="header lines drip, deadline",
        far_end=answers(flood("headers", interval=SHORT / 6)),
        deadline=SHORT,
        expected=_OVERDUE,
    ),
]
