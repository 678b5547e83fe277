"""Server-sent events or JSON lines: told by the content type, or by how the body begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.decode import AnswerFault
from trioclient._codec.event_formats import event_parser
from trioclient._codec.event_stream import EventParser, EventStreamParser
from trioclient._codec.json_lines import JSONLinesParser
from trioclient._faults import LimitFault

EVENTS = [
    "text/event-stream",
    "Text/Event-Stream",
    "text/event-stream; charset=utf-8",
    "text/event-stream;charset=UTF-8;x=y",
    " text/event-stream ",
]
LINES = [
    f"{kind}/{name}"
    for kind in ("application", "text")
    for name in ("jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "ndjson", "x-ndjson")
] + ["APPLICATION/JSONL; charset=utf-8"]
SAY_NOTHING = [None, "", "text/plain", "text/plain; charset=utf-8", "application/octet-stream", "binary/octet-stream"]
OTHERS = ["application/json", "text/html", "application/problem+json", "multipart/mixed", "text/event-stream+x", ";"]


def parser_for(
    content_type: str | None,
    *,
    strict: bool = False,
    line: int = 1000,
    event: int = 1000,
    last_event_id: bytes = b"",
    retry: int | None = None,
) -> EventParser:
    return event_parser(
        content_type,
        strict=strict,
        max_line_bytes=line,
        max_event_bytes=event,
        last_event_id=last_event_id,
        retry=retry,
    )


def parsed(content_type: str | None, *pieces: bytes) -> list[bytes]:
    """The data of the events."""
    parser = parser_for(content_type)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return [event.data for event in [*events, *parser.finish()]]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("content_types", "kind"), [(EVENTS, EventStreamParser), (LINES, JSONLinesParser)], ids=["events", "lines"]
)
def test_what_it_says_counts(content_types: list[str], kind: type, strict: bool) -> None:
    for content_type in content_types:
        assert type(parser_for(content_type, strict=strict)) is kind, content_type


@pytest.mark.parametrize("content_type", [name for name in OTHERS if name != ";"])
@pytest.mark.parametrize("strict", [False, True])
def test_anything_else_is_no_stream(content_type: str, strict: bool) -> None:
    with pytest.raises(AnswerFault, match="expected server-sent events or JSON lines") as caught:
        parser_for(content_type, strict=strict)
    assert content_type in str(caught.value)


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (None, "no content type"),
        ("", "no content type"),
        (";", "no content type"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("application/octet-stream", "application/octet-stream"),
        ("binary/octet-stream", "binary/octet-stream"),
    ],
)
def test_strictly_saying_nothing_will_not_do(content_type: str | None, found: str) -> None:
    with pytest.raises(AnswerFault, match=f"^expected server-sent events or JSON lines, found {found}$"):
        parser_for(content_type, strict=True)


@pytest.mark.parametrize("content_type", SAY_NOTHING)
@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: 1\n\n", [b"1"]),
        (b": comment\n\ndata: 1\n\n", [b"1"]),
        (b"\n\ndata: 1\n\n", [b"1"]),
        (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
        (b"\r\rdata: 1\r\r", [b"1"]),
        (b"event: a\ndata: {}\n\n", [b"{}"]),
        (b"nonsense\n\n", []),
        (b"{}\n[]\n", [b"{}", b"[]"]),
        (b'\n  {"a": 1}\r\n2', [b'{"a": 1}', b"2"]),
        (b"\xef\xbb\xbf{}\n", [b"{}"]),
        (b'"text"', [b'"text"']),
        (b"-1\n2\n", [b"-1", b"2"]),
        (b"", []),
        (b" \n\n", []),
        (b"\xef\xbb\xbf", []),
    ],
)
def test_else_the_beginning_counts(content_type: str | None, body: bytes, events: list[bytes]) -> None:
    assert parsed(content_type, body) == events
    assert parsed(content_type, *[body[at : at + 1] for at in range(len(body))]) == events


@given(st.lists(st.sampled_from([b"\xef\xbb\xbf", b"\n", b" ", b"\r", b"data: 1", b"{}", b"\xef", b"1"])), st.data())
def test_cuts_change_nothing(parts: list[bytes], data: st.DataObject) -> None:
    body = b"".join(parts)
    cut = data.draw(st.integers(0, len(body)))
    assert parsed(None, body[:cut], body[cut:]) == parsed(None, body)


class TestUndecided:
    """A parser that does not know yet is a parser all the same."""

    def test_what_came_is_pending(self) -> None:
        parser = parser_for(None)
        assert parser.feed(b"  \n") == []
        assert parser.pending() == b"  \n"
        parser.feed(b'{"a": ')
        assert parser.pending().endswith(b'{"a": ')
        parser.feed(b"1")
        assert parser.pending().endswith(b'{"a": 1')

    def test_where_it_goes_on_from(self) -> None:
        parser = parser_for(None, last_event_id=b"7", retry=20)
        assert (parser.last_event_id, parser.retry) == (b"7", 20)
        parser.feed(b"id: 8\nretry: 30\ndata\n\n")
        assert (parser.last_event_id, parser.retry) == (b"8", 30)

    @pytest.mark.parametrize(("blanks", "events"), [(1023, [b"{}"]), (1024, [])])
    def test_after_so_many_blanks_it_is_a_guess(self, blanks: int, events: list[bytes]) -> None:
        parser = parser_for(None, line=5000)
        assert parser.feed(b" " * blanks) == []
        assert [event.data for event in parser.feed(b"{}\n\n")] == events

    def test_blank_lines_are_those_of_server_sent_events(self) -> None:
        assert parsed(None, b"\n" * 2000, b"data: 1\n\n") == [b"1"]

    def test_blanks_without_end_are_bounded(self) -> None:
        parser = parser_for(None, line=100)
        with pytest.raises(LimitFault) as caught:
            for _ in range(1000):
                parser.feed(b" " * 10)
        assert caught.value.limit == "max_line_bytes"


@pytest.mark.parametrize(
    ("content_type", "body", "limit"),
    [
        ("text/event-stream", b"data: " + b"x" * 200, "max_line_bytes"),
        ("text/event-stream", b"data: xxxxxx\n" * 20, "max_event_bytes"),
        ("application/jsonl", b"1" * 200, "max_line_bytes"),
        (None, b"1" * 200, "max_line_bytes"),
        (None, b"data: xxxxxx\n" * 20, "max_event_bytes"),
    ],
)
def test_the_bounds_reach_the_parser(content_type: str | None, body: bytes, limit: str) -> None:
    parser = parser_for(content_type, line=100, event=100)
    with pytest.raises(LimitFault) as caught:
        parser.feed(body)
        parser.finish()
    assert (caught.value.limit, caught.value.value) == (limit, 100)


def test_a_stream_from_its_beginning() -> None:
    parser = event_parser("text/event-stream", strict=True, max_line_bytes=100, max_event_bytes=100)
    assert (parser.last_event_id, parser.retry) == (b"", None)


def test_a_resumed_stream_goes_on_from_its_last_event() -> None:
    parser = parser_for("text/event-stream", last_event_id=b"7", retry=20)
    assert (parser.last_event_id, parser.retry) == (b"7", 20)
    [event] = parser.feed(b"data: 1\n\n")
    assert (event.id, event.retry) == (b"7", 20)
