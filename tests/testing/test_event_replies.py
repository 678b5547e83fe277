from __future__ import annotations

import math
import zlib

import httpx
import pytest
import trio

from trioclient import ServerSentEvent
from trioclient._codec.body import content_body
from trioclient._codec.event_stream import EventStreamParser
from trioclient._codec.url import Target
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._types import Limits, Timeouts
from trioclient.testing import LoopbackServer, Reply, ScriptedTransport, event_stream, json_lines, truncate

TIMEOUTS = Timeouts(connect=5.0, read=60.0, write=30.0, pool=math.inf)


def events_of(made: Reply) -> list[ServerSentEvent]:
    parser = EventStreamParser(max_line_bytes=1000, max_event_bytes=1000)
    return [event.record() for piece in made.pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("event", "piece"),
    [
        pytest.param(("start", {"id": 7}), b'event: start\ndata: {"id":7}\n\n', id="a name and JSON"),
        pytest.param(("start", "a"), b"event: start\ndata: a\n\n", id="a name and text"),
        pytest.param(("message", ""), b"event: message\ndata: \n\n", id="the name that is none"),
        pytest.param(("a", None), b"event: a\ndata: null\n\n", id="null"),
        pytest.param({"id": 7}, b'data: {"id":7}\n\n', id="JSON"),
        pytest.param([1, (2,)], b"data: [1,[2]]\n\n", id="a list"),
        pytest.param(True, b"data: true\n\n", id="a scalar"),
        pytest.param("[DONE]", b"data: [DONE]\n\n", id="text"),
        pytest.param(
            "one\ntwo\r\nthree\rfour\n", b"data: one\ndata: two\ndata: three\ndata: four\ndata: \n\n", id="lines"
        ),
        pytest.param("é\u2028", "data: é\u2028\n\n".encode(), id="UTF-8"),
        pytest.param(ServerSentEvent(), b"data: \n\n", id="an empty record"),
        pytest.param(
            ServerSentEvent("a", "b", "c", 5), b"id: c\nevent: a\ndata: b\nretry: 5\n\n", id="a record with everything"
        ),
        pytest.param(ServerSentEvent(data="a", retry=0), b"data: a\nretry: 0\n\n", id="retry 0"),
        pytest.param(b": still here\n\n", b": still here\n\n", id="bytes"),
        pytest.param(bytearray(b"data: cut sh"), b"data: cut sh", id="a bytearray"),
    ],
)
def test_wire_form_of_events(event, piece):
    assert event_stream(event).pieces == (piece,)


@pytest.mark.parametrize(
    ("value", "piece"),
    [
        ({"id": 1}, b'{"id":1}\n'),
        (None, b"null\n"),
        ("a\nb", b'"a\\nb"\n'),
        ((1, 2), b"[1,2]\n"),
        (b'{"id": ', b'{"id": '),
        (bytearray(b"\n"), b"\n"),
    ],
)
def test_wire_form_of_lines(value, piece):
    assert json_lines(value).pieces == (piece,)


def test_records_come_back():
    records = [
        ServerSentEvent("a", " b\n\nc ", "1", 10),
        ServerSentEvent(data="", id="2", retry=10),
        ServerSentEvent("x", "y", "2", 0),
    ]
    assert events_of(event_stream(*records)) == records


@pytest.mark.parametrize(
    ("build", "content_type"), [(event_stream, "text/event-stream"), (json_lines, "application/jsonl")]
)
def test_the_rest_is_as_for_reply(build, content_type):
    made = build({}, {})
    assert made.headers == (("Content-Type", content_type), ("Transfer-Encoding", "chunked"))
    assert (made.status, made.framing, made.delay, made.chunk_delay, made.early, made.close) == (
        *(200, "chunked", 0.0, 0.0, False, False),
    )
    assert build().headers == made.headers
    assert build().pieces == ()
    made = build(
        *({}, {}),
        status=201,
        headers={"X-A": "1", "content-type": "application/x-other"},
        delay=2.0,
        chunk_delay=0.5,
        framing="length",
        encoding="gzip",
        early=True,
        close=True,
    )
    assert made.headers[:2] == (("X-A", "1"), ("content-type", "application/x-other"))
    assert dict(made.headers).keys() == {"X-A", "content-type", "Content-Encoding", "Content-Length", "Connection"}
    assert (made.status, made.framing, made.delay, made.chunk_delay, made.early, made.close) == (
        *(201, "length", 2.0, 0.5, True, True),
    )
    decoder = zlib.decompressobj(wbits=31)
    assert tuple(map(decoder.decompress, made.pieces)) == build({}, {}).pieces
    assert build({}, headers=[("X-A", "1"), ("X-A", "2")]).headers[1:3] == (("X-A", "1"), ("X-A", "2"))


@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        ((), TypeError, r"an event is \(name, data\)"),
        (("a",), TypeError, r"an event is \(name, data\)"),
        (("a", "b", "c"), TypeError, r"an event is \(name, data\)"),
        ((1, "b"), TypeError, "the name of an event must be a str, not 1"),
        (("a\nb", "c"), ValueError, "the name of an event has a line break or NUL"),
        (("a\r", "c"), ValueError, "the name of an event has a line break or NUL"),
        (ServerSentEvent("a\n"), ValueError, "the name of an event has a line break or NUL"),
        (ServerSentEvent(id="a\n"), ValueError, "the id of an event has a line break or NUL"),
        (ServerSentEvent(id="a\0"), ValueError, "the id of an event has a line break or NUL"),
        (ServerSentEvent(retry=-1), ValueError, "the retry must be 0 or more"),
        (ServerSentEvent(retry="1"), TypeError, "the retry must be an int"),
        (object(), TypeError, "object"),
        (("a", object()), TypeError, "object"),
    ],
)
def test_refused(event, error, message):
    with pytest.raises(error, match=message):
        event_stream(event)


def test_a_line_that_is_no_json_is_refused():
    with pytest.raises(TypeError, match="object"):
        json_lines(object())


def test_an_answer_without_a_body_has_no_events():
    assert event_stream(status=204).pieces == ()
    with pytest.raises(ValueError, match="a 204 answer has no body"):
        event_stream("a", status=204)


def request(method: str = "GET") -> WireRequest:
    return WireRequest(
        method, Target.of("https://api.test/"), b"", content_body(b""), TIMEOUTS, Limits(), replayable=True
    )


async def test_scripted_at_exact_times(autojump_clock):
    transport = ScriptedTransport(
        event_stream(("a", 1), ("b", 2), b": c\n\n", delay=2.0, chunk_delay=0.5), json_lines(1, 2, chunk_delay=3.0)
    )
    seen = []
    for _ in range(2):
        response = await transport.send(request(), PhaseScope("read", math.inf, trio.current_time()))
        while piece := await response.receive():
            seen.append((trio.current_time(), piece))
        await response.aclose()
    assert seen == [
        (2.0, b"event: a\ndata: 1\n\n"),
        (2.5, b"event: b\ndata: 2\n\n"),
        (3.0, b": c\n\n"),
        (3.0, b"1\n"),
        (6.0, b"2\n"),
    ]


async def test_on_a_socket():
    async with LoopbackServer() as server:
        server.route("GET", "/events", event_stream(("a", {"n": 1}), "two", chunk_delay=0.01))
        server.route("GET", "/lines", json_lines(1, [2], chunk_delay=0.01, encoding="gzip", framing="close"))
        server.route("GET", "/cut", truncate(-8, of=event_stream("one", "two", framing="length")))
        async with httpx.AsyncClient(base_url=server.url) as client:
            events = await client.get("events")
            lines = await client.get("lines")
            received = b""
            async with client.stream("GET", "cut") as answer:
                with pytest.raises(httpx.RemoteProtocolError):
                    async for piece in answer.aiter_raw():
                        received += piece
    assert events.headers["Content-Type"] == "text/event-stream"
    assert events.content == b'event: a\ndata: {"n":1}\n\ndata: two\n\n'
    assert lines.headers["Content-Type"] == "application/jsonl"
    assert lines.content == b"1\n[2]\n"
    assert received == b"data: one\n\ndat"
