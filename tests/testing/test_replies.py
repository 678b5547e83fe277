from __future__ import annotations

import gzip
import json
import zlib

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient.testing import RawReply, reply
from trioclient.testing._replies import Pause, Send


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        pytest.param(reply(), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="empty"),
        pytest.param(
            reply(json={"a": [1]}),
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":[1]}',
            id="json",
        ),
        pytest.param(
            reply(json=None),
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull",
            id="json null",
        ),
        pytest.param(
            reply(418, content="tea\u00fc"),
            b"HTTP/1.1 418 I'm a Teapot\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Length: 5\r\n\r\ntea\xc3\xbc",
            id="text",
        ),
        pytest.param(
            reply(content=b"\0", headers=[("X-A", "1"), ("X-A", "2")]),
            b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: 1\r\n\r\n\0",
            id="bytes and a header twice",
        ),
        pytest.param(reply(299), b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", id="a status without a name"),
        pytest.param(reply(204), b"HTTP/1.1 204 No Content\r\n\r\n", id="204"),
        pytest.param(reply(304, headers={"ETag": "x"}), b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", id="304"),
        pytest.param(
            reply(chunks=["ab", b"c"], headers={"content-type": "text/event-stream"}),
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            id="chunks",
        ),
        pytest.param(
            reply(chunks=[]), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="no chunks"
        ),
        pytest.param(
            reply(chunks=[b"ab", b"c"], framing="length"),
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nabc",
            id="chunks with a length",
        ),
        pytest.param(
            reply(content=b"abc", framing="close", headers={"Content-Type": "a/b"}),
            b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\n\r\nabc",
            id="delimited by close",
        ),
        pytest.param(
            reply(close=True), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", id="close"
        ),
        pytest.param(
            reply(content=b"abc", headers={"content-length": "10", "Content-Type": "a/b"}),
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nContent-Type: a/b\r\n\r\nabc",
            id="a length that lies",
        ),
    ],
)
def test_wire_form(made, wire):
    assert made.wire() == wire


def test_steps_without_delays_are_one_write():
    made = reply(chunks=["a", "b", "c"])
    assert made.to_raw() == RawReply(ending=(Send(made.wire()),), status=200)


def test_steps_with_delays():
    made = reply(chunks=["a", "b", "c"], delay=2.0, chunk_delay=0.5, headers={"Content-Type": "a/b"})
    assert made.to_raw() == RawReply(
        opening=(
            Pause(2.0),
            Send(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
            Pause(0.5),
            Send(b"1\r\nb\r\n"),
            Pause(0.5),
        ),
        ending=(Send(b"1\r\nc\r\n0\r\n\r\n"),),
        status=200,
    )


def test_head_gets_the_head_of_what_get_gets():
    made = reply(json=[1, 2, 3])
    head, _, _ = made.wire().partition(b"[")
    assert made.to_raw("HEAD").ending == (Send(head),)
    assert made.to_raw("GET").ending == (Send(made.wire()),)


@pytest.mark.parametrize(("encoding", "decode"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_compressed_for_real(encoding, decode):
    made = reply(json=["a"] * 1000, encoding=encoding)
    assert ("Content-Encoding", encoding) in made.headers
    assert json.loads(decode(b"".join(made.pieces))) == ["a"] * 1000
    assert ("Content-Length", str(len(made.pieces[0]))) in made.headers


def test_each_compressed_chunk_can_be_read_at_once():
    decoder = zlib.decompressobj(wbits=31)
    made = reply(chunks=["one", "two", "three"], encoding="gzip")
    assert [decoder.decompress(piece) for piece in made.pieces] == [b"one", b"two", b"three"]
    assert decoder.eof


@given(
    chunks=st.lists(st.binary(max_size=50), max_size=5),
    framing=st.sampled_from(["length", "chunked", "close"]),
    encoding=st.sampled_from([None, "gzip", "deflate"]),
    cuts=st.lists(st.integers(min_value=1, max_value=30), min_size=1),
)
def test_h11_reads_what_was_scripted(chunks, framing, encoding, cuts):
    wire = reply(chunks=chunks, framing=framing, encoding=encoding).wire()
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "test")]))
    client.send(h11.EndOfMessage())
    received, position = b"", 0
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            size = cuts[position % len(cuts)]
            # Past the end this feeds b"", which ends a body that is delimited by close.
            client.receive_data(wire[:size])
            wire, position = wire[size:], position + 1
        elif isinstance(event, h11.Data):
            received += bytes(event.data)
    assert not wire
    if encoding is not None:
        received = zlib.decompress(received, wbits=47)
    assert received == b"".join(chunks)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"status": "200"}, TypeError, "status must be an int"),
        ({"status": 100}, ValueError, "status must be 200 or more"),
        ({"json": 1, "content": b""}, TypeError, "one of json, content and chunks"),
        ({"content": b"", "chunks": []}, TypeError, "one of json, content and chunks"),
        ({"chunks": "abc"}, TypeError, "chunks must be a sequence"),
        ({"status": 204, "json": 1}, ValueError, "a 204 answer has no body"),
        ({"headers": {"X": "a\r\nY: b"}}, ValueError, "'X' has a line break"),
        ({"headers": {"X\n": "a"}}, ValueError, "has a line break"),
        ({"encoding": "br"}, ValueError, "encoding must be one of gzip, deflate"),
        ({"framing": "none"}, ValueError, "framing must be"),
        ({"delay": -1}, ValueError, "delay must be 0 seconds or more"),
        ({"chunk_delay": "1"}, TypeError, "chunk_delay must be a number"),
        ({"json": object()}, TypeError, "object"),
        ({"content": 5}, TypeError, "content must be bytes or str"),
        ({"chunks": [b"a", None]}, TypeError, "chunks must be bytes or str"),
    ],
)
def test_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        reply(**arguments)
