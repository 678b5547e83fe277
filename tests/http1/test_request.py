"""The bytes of a request's head."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.headers import header_block
from trioclient._codec.url import Target
from trioclient._http1.request import LAST_CHUNK, encode_chunk, encode_head

TARGET = Target.of("http://api.test:8080/v1/things?a=1")


@pytest.mark.parametrize(
    ("method", "length", "framing"),
    [
        ("GET", 0, b""),
        ("DELETE", 0, b""),
        ("HEAD", 0, b""),
        ("POST", 0, b"Content-Length: 0\r\n"),
        ("PUT", 0, b"Content-Length: 0\r\n"),
        ("PATCH", 0, b"Content-Length: 0\r\n"),
        ("POST", 12, b"Content-Length: 12\r\n"),
        ("DELETE", 12, b"Content-Length: 12\r\n"),
        ("POST", None, b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_framing(method: str, length: int | None, framing: bytes) -> None:
    head = encode_head(method, TARGET, b"X-A: b\r\n", length)
    assert head == (
        b"%b /v1/things?a=1 HTTP/1.1\r\nHost: api.test:8080\r\nX-A: b\r\n%b\r\n" % (method.encode(), framing)
    )


def test_the_callers_own_host_header_stands_alone() -> None:
    head = encode_head("GET", TARGET, header_block([(b"hOsT", b"other.test")]), 0)
    assert head == b"GET /v1/things?a=1 HTTP/1.1\r\nHost: other.test\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=5))
def test_chunks_are_what_h11_reads(pieces: list[bytes]) -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(encode_head("POST", TARGET, b"", None))
    for piece in pieces:
        server.receive_data(encode_chunk(piece))
    server.receive_data(LAST_CHUNK)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    assert request.target == b"/v1/things?a=1"
    received = b""
    while isinstance(event := server.next_event(), h11.Data):
        received += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert received == b"".join(pieces)
