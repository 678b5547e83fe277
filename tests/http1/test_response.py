"""Answers, fed whole, byte by byte and at random cuts."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._faults import ClosedFault, DisconnectFault, LimitFault, ProtocolFault
from trioclient._http1.response import Head, ResponseParser
from trioclient._types import Limits

EOF = b""


class Answer(NamedTuple):
    head: Head
    body: bytes
    reusable: bool


def fed(parser: ResponseParser, piece: bytes) -> bytes:
    """What of the body that brought; its fault is raised."""
    parser.feed(piece)
    if parser.fault is not None:
        raise parser.fault
    return parser.take()


def feed(pieces: list[bytes], method: str = "GET", limits: Limits | None = None) -> Answer | None:
    """A whole answer; None where it has not ended."""
    parser = ResponseParser(method, limits or Limits())
    body = b""
    for piece in pieces:
        body += fed(parser, piece)
        if parser.ended:
            assert parser.head is not None
            return Answer(parser.head, body, parser.reusable)
    return None


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


def answer(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


WHOLE = {
    "content-length": (answer("HTTP/1.1 200 OK\nContent-Length: 5", b"hello"), 200, b"hello", True),
    "empty": (answer("HTTP/1.1 200 OK\nContent-Length: 0"), 200, b"", True),
    "chunked": (
        answer("HTTP/1.1 201 Made\nTransfer-Encoding: Chunked", b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: u\r\n\r\n"),
        201,
        b"hello",
        True,
    ),
    "1xx first": (
        answer("HTTP/1.1 100 Continue")
        + answer("HTTP/1.1 103 Early\nLink: x")
        + answer("HTTP/1.1 200 OK\nContent-Length: 2", b"ok"),
        200,
        b"ok",
        True,
    ),
    "204": (answer("HTTP/1.1 204 None"), 204, b"", True),
    "304": (answer("HTTP/1.1 304 Same\nContent-Length: 99"), 304, b"", True),
    "connection close": (answer("HTTP/1.1 200 OK\nContent-Length: 1\nConnection: close", b"x"), 200, b"x", False),
    "HTTP/1.0": (answer("HTTP/1.0 200 OK\nContent-Length: 1", b"x"), 200, b"x", False),
    "HTTP/1.0 keep-alive": (
        answer("HTTP/1.0 200 OK\nContent-Length: 1\nConnection: keep-alive", b"x"),
        200,
        b"x",
        True,
    ),
    "no reason phrase": (answer("HTTP/1.1 200\nContent-Length: 1", b"x"), 200, b"x", True),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_and_byte_by_byte(name: str) -> None:
    data, status, body, reusable = WHOLE[name]
    for pieces in ([data], [bytes([byte]) for byte in data]):
        found = feed(pieces)
        assert found is not None
        assert found.head.status == status
        assert (found.body, found.reusable) == (body, reusable)


@given(st.sampled_from(sorted(WHOLE)), st.lists(st.integers(0, 500), max_size=6))
def test_random_cuts_change_nothing(name: str, cuts: list[int]) -> None:
    data = WHOLE[name][0]
    assert feed(cut(data, cuts)) == feed([data])


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_every_prefix_is_unfinished_and_its_end_an_error(name: str, data: st.DataObject) -> None:
    wire = WHOLE[name][0]
    length = data.draw(st.integers(0, len(wire) - 1))
    parser = ResponseParser("GET", Limits())
    if length:
        parser.feed(wire[:length])
    assert not parser.ended
    parser.feed(EOF)
    assert isinstance(parser.fault, DisconnectFault)
    assert not parser.ended


@given(st.binary(max_size=300), st.lists(st.integers(0, 500), max_size=4))
def test_any_bytes_give_an_answer_or_a_fault(data: bytes, cuts: list[int]) -> None:
    parser = ResponseParser("GET", Limits())
    for piece in [*cut(data, cuts), EOF]:
        parser.feed(piece)
        if parser.ended or parser.fault is not None:
            break
    assert parser.ended != (parser.fault is not None)


@given(st.binary(max_size=200), st.lists(st.integers(0, 500), max_size=4))
def test_any_bytes_for_a_body(data: bytes, cuts: list[int]) -> None:
    wire = answer(f"HTTP/1.1 200 OK\nContent-Length: {len(data)}", data)
    found = feed(cut(wire, cuts))
    assert found is not None
    assert found.body == data


def test_header_names_are_lowered_values_kept_and_trailers_dropped() -> None:
    found = feed([WHOLE["chunked"][0]])
    assert found is not None
    assert found.head == Head(201, "HTTP/1.1", [(b"transfer-encoding", b"Chunked")])
    found = feed([answer("HTTP/1.1 204 No\nX-Thing:   Some Value  \nX-Thing: Two\nX-Empty:")])
    assert found is not None
    assert found.head.headers == [(b"x-thing", b"Some Value"), (b"x-thing", b"Two"), (b"x-empty", b"")]


@pytest.mark.parametrize("length", ["", "\nContent-Length: 5", "\nTransfer-Encoding: chunked"])
def test_a_head_answer_ends_at_its_head(length: str) -> None:
    for connection, reusable in [("", True), ("\nConnection: close", False)]:
        found = feed([answer(f"HTTP/1.1 200 OK{length}{connection}")], "HEAD")
        assert found is not None
        assert (found.body, found.reusable) == (b"", reusable)


def test_a_body_without_framing_ends_with_the_connection() -> None:
    for pieces, body in [
        ([answer("HTTP/1.1 200 OK", b"some"), b" more"], b"some more"),
        ([answer("HTTP/1.0 200 OK")], b""),
    ]:
        found = feed([*pieces, EOF])
        assert found is not None
        assert (found.body, found.reusable) == (body, False)


@pytest.mark.parametrize(
    "surplus", [answer("HTTP/1.1 200 OK\nContent-Length: 5", b"other"), b"x", b"\r\n\r\nHTTP", b"HTTP/1.1 2"]
)
@pytest.mark.parametrize(
    ("name", "method"), [("content-length", "GET"), ("chunked", "GET"), ("204", "GET"), ("304", "HEAD")]
)
def test_bytes_after_the_answer_spoil_the_connection(name: str, method: str, surplus: bytes) -> None:
    data, status, body, _ = WHOLE[name]
    found = feed([data + surplus], method)
    assert found is not None
    assert (found.head.status, found.body, found.reusable) == (status, body, False)


@pytest.mark.parametrize(
    "wire",
    [
        answer("HTTP/1.1 200 OK\nContent-Length: 3\nTransfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 3", b"3\r\nabc\r\n0\r\n\r\n"),
        answer("HTTP/1.1 200 OK\nContent-Length: 3\nContent-Length: 4", b"abcd"),
        answer("HTTP/1.1 200 OK\nContent-Length: -3", b"abc"),
        answer("HTTP/1.1 200 OK\nContent-Length: 0x3", b"abc"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked, gzip", b"0\r\n\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: identity", b""),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"ffffffffffffffffff\r\n"),
        answer("HTTP/1.1 200 OK\nBad Name: x"),
        answer("HTTP/1.1 200 OK\nA: b\0c"),
        answer("HTTP/1.1 200 OK\nA: b\n  folded"),
        answer("HTTP/2.0 200 OK\nContent-Length: 0"),
        answer("HTTP/1.1 101 Switching\nUpgrade: x\nConnection: upgrade"),
        answer("HTTP/1.1 600 What\nContent-Length: 0"),
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_malformed_answers_are_refused(wire: bytes) -> None:
    with pytest.raises(ProtocolFault):
        feed([wire])
    with pytest.raises(ProtocolFault):
        feed([bytes([byte]) for byte in wire])


def test_what_came_before_a_fault_in_the_same_bytes_is_there() -> None:
    parser = ResponseParser("GET", Limits())
    parser.feed(answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nab\r\nzz\r\n"))
    assert parser.head is not None
    assert parser.take() == b"ab"
    assert isinstance(parser.fault, ProtocolFault)
    assert not parser.ended


FLOODS = {
    "one endless header": (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 1000),
    "endless headers": (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n"),
    "an endless reason": (b"HTTP/1.1 200 ", b"a" * 100),
    "endless 1xx headers": (b"HTTP/1.1 100 C\r\n", b"X-Header: value\r\n"),
    "an endless chunk extension": (answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked") + b"5;x=", b"a" * 1000),
    "endless trailers": (answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked") + b"0\r\n", b"X-T: v\r\n"),
    "one endless trailer": (answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked") + b"0\r\nT: ", b"a" * 1000),
}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("at_once", [1, 1000])
def test_header_bytes_are_bounded(name: str, at_once: int) -> None:
    start, more = FLOODS[name]
    limits = Limits(max_header_bytes=8_000)
    parser = ResponseParser("GET", limits)
    sent = 0
    with pytest.raises(LimitFault, match="max_header_bytes") as caught:
        fed(parser, start)
        while sent < 2_000_000:
            sent += len(more) * at_once
            fed(parser, more * at_once)
    assert caught.value.limit == "max_header_bytes"
    assert sent <= 8_000 + 2 * len(more) * at_once


def test_a_head_within_its_bound_passes_and_one_byte_more_does_not() -> None:
    wire = answer("HTTP/1.1 204 OK\nX-A: " + "v" * 93)  # 3 + 93 + 4 bytes of header
    assert feed([wire], limits=Limits(max_header_bytes=100))
    with pytest.raises(LimitFault):
        feed([wire], limits=Limits(max_header_bytes=99))


def test_1xx_answers_are_counted() -> None:
    early = answer("HTTP/1.1 102 Wait")
    final = answer("HTTP/1.1 204 OK")
    assert feed([early * 3 + final], limits=Limits(max_informational=3))
    with pytest.raises(LimitFault, match="max_informational"):
        feed([early * 4 + final], limits=Limits(max_informational=3))


@pytest.mark.parametrize(("name", "close"), [("connection close", False), ("content-length", True)])
def test_a_parser_that_is_done_leaves_no_cycle_behind(name: str, close: bool) -> None:
    gc.disable()
    try:
        parser = ResponseParser("GET", Limits())
        seen = weakref.ref(parser)
        parser.feed(WHOLE[name][0])
        if close:
            parser.close()
        del parser
        assert seen() is None
    finally:
        gc.enable()


KEPT = sorted(name for name, (_, _, _, reusable) in WHOLE.items() if reusable)


@given(st.lists(st.sampled_from(KEPT), min_size=1, max_size=6), st.lists(st.integers(0, 500), max_size=4))
def test_one_answer_after_another(names: list[str], cuts: list[int]) -> None:
    parser = ResponseParser("GET", Limits())
    first = parser
    for name in names:
        data, status, body, _ = WHOLE[name]
        parser = parser.next("GET", Limits()) if parser.ended else parser
        assert (parser.head, parser.ended, parser.reusable) == (None, False, False)
        assert b"".join([fed(parser, piece) for piece in cut(data, cuts)]) == body
        assert parser.head is not None
        assert (parser.head.status, parser.ended, parser.reusable) == (status, True, True)
    assert parser is first


@pytest.mark.parametrize(
    ("method", "wire"),
    [
        ("HEAD", answer("HTTP/1.1 200 OK\nContent-Length: 5")),
        ("GET", WHOLE["connection close"][0]),
        ("GET", WHOLE["content-length"][0] + b"HTTP/1.1 200"),
        ("GET", WHOLE["content-length"][0][:-1]),
        ("GET", b"nonsense"),
    ],
)
def test_a_parser_that_cannot_go_on_is_replaced(method: str, wire: bytes) -> None:
    parser = ResponseParser(method, Limits())
    parser.feed(wire)
    parser.take()
    following = parser.next("GET", Limits())
    assert following is not parser
    assert fed(following, WHOLE["content-length"][0]) == b"hello"
    with pytest.raises(ClosedFault):
        parser.feed(b"x")  # let go of, so that it leaves no cycle behind


def test_what_was_not_taken_of_an_answer_is_no_part_of_the_next() -> None:
    parser = ResponseParser("GET", Limits())
    parser.feed(WHOLE["content-length"][0])
    following = parser.next("GET", Limits())
    following.feed(WHOLE["chunked"][0])
    assert following.take() == b"hello"
