"""The rules of the HTML standard, section 9.2.6, one by one; then against a parser that follows its
text word for word, at any cuts; bounds; time linear in the bytes.
"""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec import event_stream, lines
from trioclient._codec.event_stream import EventBytes, EventStreamParser
from trioclient._faults import LimitFault
from trioclient._server_sent_event import ServerSentEvent

BOM = b"\xef\xbb\xbf"
MANY = 1 << 30


def parser(*, max_line_bytes=MANY, max_event_bytes=MANY, **resumed) -> EventStreamParser:
    return EventStreamParser(max_line_bytes=max_line_bytes, max_event_bytes=max_event_bytes, **resumed)


def event(data: bytes, type: bytes = b"", id: bytes = b"", retry: int | None = None) -> EventBytes:  # noqa: A002
    return EventBytes(type, data, id, retry)


def in_pieces(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def parsed(pieces: list[bytes], using: EventStreamParser | None = None) -> list[EventBytes]:
    using = using or parser()
    events = [event for piece in pieces for event in using.feed(piece)]
    assert using.finish() == []
    return events


EXAMPLES = {
    "three messages": (
        b"data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\n"
        b"data: This is the third message.\n\n",
        [
            event(b"This is the first message."),
            event(b"This is the second message, it\nhas two lines."),
            event(b"This is the third message."),
        ],
    ),
    "types": (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
        [event(b"73857293", b"add"), event(b"2153", b"remove"), event(b"113411", b"add")],
    ),
    "stock": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [event(b"YHOO\n+2\n10")]),
    "a comment, an ID, an ID reset, an event cut short": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
        [event(b"first event", id=b"1"), event(b"second event")],
    ),
    "empty data, a line feed, cut short": (b"data\n\ndata\ndata\n\ndata:", [event(b""), event(b"\n")]),
    "two that are identical": (b"data:test\n\ndata: test\n\n", [event(b"test"), event(b"test")]),
}
"""The streams that the standard gives as examples."""

RULES = {
    "nothing": (b"", []),
    "BOM dropped": (BOM + b"data: a\n\n", [event(b"a")]),
    "BOM before a comment": (BOM + b":\ndata: a\n\n", [event(b"a")]),
    "BOM before a blank line": (BOM + b"\n\ndata: a\n\n", [event(b"a")]),
    "BOM dropped once": (BOM + BOM + b"data: a\ndata: b\n\n", [event(b"b")]),
    "BOM elsewhere is part of a name": (b"data: a\n" + BOM + b"data: b\n\n", [event(b"a")]),
    "BOM elsewhere is part of a value": (b"data: " + BOM + b"\n\n", [event(BOM)]),
    "BOM begun": (BOM[:2] + b"data: a\ndata: b\n\n", [event(b"b")]),
    "CR": (b"event: x\rdata: a\r\rdata: b\r\r", [event(b"a", b"x"), event(b"b")]),
    "CRLF": (b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [event(b"a", b"x"), event(b"b")]),
    "CR and LF are one line end, LF and CR two": (b"data: a\r\ndata: b\n\rdata: c\n\n", [event(b"a\nb"), event(b"c")]),
    "every mix of line ends": (
        b"data: a\ndata: b\rdata: c\r\n\ndata: d\r\rdata: e\n\r\ndata: f\r\n\rdata: g\r\n\r\n",
        [event(b"a\nb\nc"), event(b"d"), event(b"e"), event(b"f"), event(b"g")],
    ),
    "other line ends end nothing": (
        b"data: a\x0bdata: b\x0cdata: c\x1cdata: d\xc2\x85data: e\xe2\x80\xa8data: f\n\n",
        [event(b"a\x0bdata: b\x0cdata: c\x1cdata: d\xc2\x85data: e\xe2\x80\xa8data: f")],
    ),
    "comment": (b": data: a\n:\n:data: b\ndata: c\n: d\n\n", [event(b"c")]),
    "comment between the lines of data": (b"data: a\n: b\ndata: c\n\n", [event(b"a\nc")]),
    "comment alone": (b": still here\n\n: and here\n\n", []),
    "one space dropped": (b"data:  a \n\ndata:b\n\ndata: \n\n", [event(b" a "), event(b"b"), event(b"")]),
    "no other space dropped": (b"data:\ta\n\ndata:\xc2\xa0a\n\n", [event(b"\ta"), event(b"\xc2\xa0a")]),
    "the first colon counts": (b"data: a: b\n\ndata::\n\n", [event(b"a: b"), event(b":")]),
    "field without a colon": (b"event: x\nevent\ndata\n\n", [event(b"")]),
    "names are case-sensitive": (b"Data: a\nDATA: b\ndata: c\nEvent: x\nID: 1\n\n", [event(b"c")]),
    "names are whole": (b"data: a\ndat: b\ndata2: c\n data: d\ndata : e\nid2: 1\n\n", [event(b"a")]),
    "unknown fields": (b"foo: bar\ndata: a\nfoo\n{}\n\n", [event(b"a")]),
    "data is joined by LF": (b"data: a\ndata:\ndata: b\ndata\n\n", [event(b"a\n\nb\n")]),
    "no data, no event": (b"event: x\nid: 1\n\n", []),
    "no data, and the type is forgotten": (b"event: x\n\ndata: a\n\n", [event(b"a")]),
    "no data, and the ID is kept": (b"id: 1\n\ndata: a\n\n", [event(b"a", id=b"1")]),
    "empty data is an event": (b"data:\n\nevent: x\ndata\n\n", [event(b""), event(b"", b"x")]),
    "blank lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", [event(b"a"), event(b"b")]),
    "the type is reset": (b"event: x\ndata: a\n\ndata: b\n\n", [event(b"a", b"x"), event(b"b")]),
    "the last type counts": (b"event: x\nevent: y\ndata: a\n\n", [event(b"a", b"y")]),
    "an empty type is none": (b"event: x\nevent:\ndata: a\n\n", [event(b"a")]),
    "the type may come last": (b"data: a\nevent: x\n\n", [event(b"a", b"x")]),
    "the ID is sticky": (b"id: 1\ndata: a\n\ndata: b\n\n", [event(b"a", id=b"1"), event(b"b", id=b"1")]),
    "the last ID counts": (b"id: 1\nid: 2\ndata: a\n\n", [event(b"a", id=b"2")]),
    "the ID may come last": (b"data: a\nid: 1\n\n", [event(b"a", id=b"1")]),
    "an empty ID resets": (
        b"id: 1\ndata: a\n\nid:\ndata: b\n\nid: 2\n\nid: \ndata: c\n\n",
        [event(b"a", id=b"1"), event(b"b"), event(b"c")],
    ),
    "an ID with NUL is ignored": (
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\nid: 3\ndata: c\nid:\0\n\n",
        [event(b"a", id=b"1"), event(b"b", id=b"1"), event(b"c", id=b"3")],
    ),
    "NUL elsewhere": (b"event: \0\ndata: \0\n\0: a\n\n", [event(b"\0", b"\0")]),
    "retry": (b"retry: 10\ndata: a\n\ndata: b\n\n", [event(b"a", retry=10), event(b"b", retry=10)]),
    "retry in front, in between, behind": (
        b"retry: 1\ndata: a\n\nretry: 2\n\ndata: b\nretry: 3\n\n",
        [event(b"a", retry=1), event(b"b", retry=3)],
    ),
    "the last retry counts": (b"retry: 1\nretry: 2\nretry: x\ndata: a\n\n", [event(b"a", retry=2)]),
    "retry 0": (b"retry: 1\nretry: 000\ndata: a\n\n", [event(b"a", retry=0)]),
    "retry with zeros": (b"retry:" + b"0" * 5000 + b"70\ndata: a\n\n", [event(b"a", retry=70)]),
    "retry, only digits": (
        b"retry: +1\nretry: -1\nretry: 1.5\nretry: 1e3\nretry:  1\nretry: 1 \nretry: 1_0\nretry: 0x1\nretry: x\n"
        b"retry: \xd9\xa1\nretry: \xc2\xb2\nretry:\nretry\nretry: \ndata: a\n\n",
        [event(b"a")],
    ),
    "retry, the longest": (b"retry: " + b"8" * 18 + b"\ndata: a\n\n", [event(b"a", retry=int("8" * 18))]),
    "retry, larger": (b"retry: 1" + b"0" * 18 + b"\ndata: a\n\n", [event(b"a", retry=10**18 - 1)]),
    "retry, of more digits than int() takes": (
        b"retry: " + b"1" * 5000 + b"\ndata: a\n\n",
        [event(b"a", retry=10**18 - 1)],
    ),
    "no blank line at the end": (b"data: a\n\nevent: x\ndata: b\n", [event(b"a")]),
    "no line end at the end": (b"data: a\n\ndata: b", [event(b"a")]),
    "every field, in every order": (
        b"retry: 1\ndata: a\nevent: x\nid: 1\n\nid: 2\nevent: y\ndata: b\nretry: 2\n\n"
        b"event: z\nretry: 3\nid: 3\ndata: c\n\n",
        [event(b"a", b"x", b"1", 1), event(b"b", b"y", b"2", 2), event(b"c", b"z", b"3", 3)],
    ),
    "not UTF-8": (b"data: \xff\xe2\x82\nevent: \xc3\n\n", [event(b"\xff\xe2\x82", b"\xc3")]),
}


@pytest.mark.parametrize("size", [MANY, 1, 2, 3], ids=["whole", "1", "2", "3"])
@pytest.mark.parametrize(
    ("stream", "events"), [pytest.param(*case, id=name) for name, case in {**EXAMPLES, **RULES}.items()]
)
def test_by_the_standard(stream, events, size):
    assert parsed(in_pieces(stream, size)) == events


@pytest.mark.parametrize(
    ("pieces", "events"),
    [
        ([b"data: a\r", b"\r"], [[], [event(b"a")]]),
        ([b"data: a\r\n\r", b"\n", b"data: b\r\n\r\n"], [[event(b"a")], [], [event(b"b")]]),
        ([b"data: a\r\r", b"\n", b"data: b\n\n"], [[event(b"a")], [], [event(b"b")]]),
        ([b"data: a\r\r", b"\n\ndata: b\n\n"], [[event(b"a")], [event(b"b")]]),
        ([b"data: a\r", b"\n\n"], [[], [event(b"a")]]),
        ([b"data: a\r", b"\n\r\n"], [[], [event(b"a")]]),
        ([b"data: a\r", b"", b"\n", b"data: b\n\n"], [[], [], [], [event(b"a\nb")]]),
        ([b"data: a\r", b"data: b\r", b"\r"], [[], [], [event(b"a\nb")]]),
    ],
)
def test_cr_ends_a_line_at_once(pieces, events):
    """Waiting for the LF that may follow would hold back an event that has come."""
    reader = parser()
    assert [reader.feed(piece) for piece in pieces] == events


def test_events_come_with_their_blank_line():
    reader = parser()
    assert [len(reader.feed(piece)) for piece in in_pieces(b"data: a\n\nevent: b\ndata\n\n", 1)] == [
        *[0] * 8,
        1,
        *[0] * 14,
        1,
    ]


class Source:
    """The event source of the standard: its text, word for word, on a stream that has ended."""

    def __init__(self, stream: bytes) -> None:
        self.events: list[ServerSentEvent] = []
        self.data = self.type = self.id_buffer = self.last_event_id = ""
        self.reconnection_time: int | None = None
        text = stream.removeprefix(BOM).decode("utf-8", "replace")
        *whole, _ = re.split("\r\n|\n|\r", text)
        for line in whole:
            self.interpret(line)

    def interpret(self, line: str) -> None:
        if line == "":
            self.dispatch()
        elif line[0] == ":":
            pass
        elif ":" in line:
            field, value = line.split(":", 1)
            self.process(field, value[1:] if value[:1] == " " else value)
        else:
            self.process(line, "")

    def process(self, field: str, value: str) -> None:
        if field == "event":
            self.type = value
        elif field == "data":
            self.data += value + "\n"
        elif field == "id" and "\0" not in value:
            self.id_buffer = value
        elif field == "retry" and re.fullmatch("[0-9]+", value):
            self.reconnection_time = int(value)

    def dispatch(self) -> None:
        self.last_event_id = self.id_buffer
        data, kind = self.data, self.type
        self.data = self.type = ""
        if data != "":
            self.events.append(
                ServerSentEvent(kind or "message", data[:-1], self.last_event_id, self.reconnection_time)
            )


FRAGMENTS = [b"data", b"event", b"id", b"retry", b":", b": ", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"7", b"a"]
LINES = [b"data: a\n", b"data\n", b"data:\r\n", b"event: x\n", b"event\n", b"id: 1\n", b"id\r", b"retry: 5\n", b":\n"]
STREAMS = st.one_of(
    st.lists(st.sampled_from([*FRAGMENTS, BOM, b"\xff", b"\xe2\x82", "é\u2028".encode()]), max_size=40),
    st.lists(st.sampled_from([*LINES, b"\n", b"\r\n", b"data", b"foo: bar\n", b"id: \0\n"]), max_size=20),
    st.tuples(st.sampled_from([b"", BOM]), st.binary(max_size=60)),
).map(b"".join)
CUTS = st.lists(st.integers(min_value=1, max_value=20), min_size=1, max_size=10)


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    """In pieces of these sizes, over and over."""
    pieces = []
    while stream:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


@given(stream=STREAMS, sizes=CUTS)
def test_against_the_text_of_the_standard(stream, sizes):
    source = Source(stream)
    for pieces in ([stream], in_pieces(stream, 1), cut(stream, sizes)):
        reader = parser()
        assert [event.record() for event in parsed(pieces, reader)] == source.events
        assert reader.last_event_id.decode("utf-8", "replace") == source.last_event_id
        assert reader.retry == source.reconnection_time


def test_records():
    assert event(b"").record() == ServerSentEvent("message", "", "", None)
    assert event(b"\xff\xc3\xa9", b"\xe2\x82", b"\xfe", 7).record() == ServerSentEvent("\ufffd", "\ufffdé", "\ufffd", 7)


def test_where_to_go_on():
    """The ID counts from the blank line on, the reconnection time from its own line on."""
    reader = parser()
    assert (reader.last_event_id, reader.retry) == (b"", None)
    reader.feed(b"id: 1\nretry: 10\ndata: a")
    assert (reader.last_event_id, reader.retry) == (b"", 10)
    reader.feed(b"\n\nid: 2\nretry: 2")
    assert (reader.last_event_id, reader.retry) == (b"1", 10)
    assert reader.finish() == []
    assert (reader.last_event_id, reader.retry) == (b"1", 10)


def test_going_on():
    reader = parser(last_event_id=b"7", retry=10)
    assert (reader.last_event_id, reader.retry) == (b"7", 10)
    # An event without an ID leaves the place where to go on as it was.
    assert reader.feed(BOM + b"data: a\n\n") == [event(b"a", id=b"7", retry=10)]
    assert reader.last_event_id == b"7"
    assert reader.feed(b"id\nretry: 20\ndata: b\n\n") == [event(b"b", retry=20)]
    assert (reader.last_event_id, reader.retry) == (b"", 20)


@pytest.mark.parametrize(
    ("stream", "pending"),
    [
        (b"", b""),
        (b"data: a\n\n", b""),
        (b"data: a\n\n\n", b""),
        (b"data: a\n\nevent: b\n: c\ndata: d", b"event: b\n: c\ndata: d"),
        (b"data: a\n\ndata: b\n", b"data: b\n"),
        (b"\r\ndata: a\r\n", b"data: a\n"),
        (b'{"error": {\n  "type": "busy"\n}}\n', b'{"error": {\n  "type": "busy"\n}}\n'),
        (b"<html>", b"<html>"),
        (b"data: " + b"a" * 70_000, b"data: " + b"a" * 65_530),
        (b"data: " + b"a" * 70_000 + b"\ndata: b\n", b"data: " + b"a" * 65_530),
        (b"\ndata: " + b"a" * 70_000 + b"\ndata: b\n", b"data: " + b"a" * 65_530),
        (
            b"data: " + b"a" * 40_000 + b"\ndata: " + b"b" * 40_000,
            b"data: " + b"a" * 40_000 + b"\ndata: " + b"b" * 25_523,
        ),
    ],
)
@pytest.mark.parametrize("size", [MANY, 1000, 1])
def test_pending(stream, pending, size):
    reader = parser()
    for piece in in_pieces(stream, size):
        reader.feed(piece)
    assert reader.pending() == pending


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b": still here\n" * 100_000, id="comments"),
        pytest.param(b"foo\n" * 200_000, id="unknown fields"),
        pytest.param(b"\n: " + b"x" * 1_000_000 + b"\n", id="a long comment"),
        pytest.param(b"\n" * 500_000, id="blank lines"),
    ],
)
@pytest.mark.parametrize("size", [MANY, 1000])
def test_what_makes_no_event_is_not_kept(lines, size):
    reader = parser()
    for piece in in_pieces(lines, size):
        reader.feed(piece)
    kept = [getattr(reader, name) for name in reader.__slots__]
    assert sum(map(sys.getsizeof, kept)) < 200_000


def outcome(pieces: list[bytes], reader: EventStreamParser) -> tuple[list[EventBytes], str]:
    """The events up to the end or the first fault."""
    events: list[EventBytes] = []
    try:
        for piece in pieces:
            events += reader.feed(piece)
        reader.finish()
    except LimitFault as fault:
        return events, str(fault)
    return events, ""


@pytest.mark.parametrize("size", [MANY, 7, 1])
@pytest.mark.parametrize(
    ("stream", "events", "fault"),
    [
        pytest.param(b"data: 4567890\n\n", [b"4567890"], "", id="a line at the bound"),
        pytest.param(BOM + b"data: 4567890\r\n\r\n", [b"4567890"], "", id="a marked line at the bound"),
        pytest.param(b"data: 45678901\n\n", [], "max_line_bytes (13)", id="a line beyond"),
        pytest.param(b": 1234567890123", [], "max_line_bytes (13)", id="a comment without end"),
        pytest.param(b"data: a\n\n:\n: 1234567890123\n\n", [b"a"], "max_line_bytes (13)", id="after an event"),
        pytest.param(b"data: a\n: 1234567890123\n\n", [], "max_line_bytes (13)", id="within an event"),
        pytest.param(b"data: 123456\ndata: 890\n\n", [b"123456\n890"], "", id="an event at the bound"),
        pytest.param(b"data: 123456\ndata: 8901\n\n", [], "max_event_bytes (10)", id="an event beyond"),
        pytest.param(b"data: 123456\ndata: 8901\n", [], "max_event_bytes (10)", id="beyond before its end"),
        pytest.param(b"data: a\n\n" + b"data\n" * 20, [b"a"], "max_event_bytes (10)", id="many empty lines"),
        pytest.param(b"id: 123456\nevent: 12345\n:\n" * 9 + b"data\n\n", [b""], "", id="only the data counts"),
        pytest.param(
            b"data: a\n\n" + b"data\n" * 20 + b": 1234567890123\n", [b"a"], "max_event_bytes (10)", id="the first one"
        ),
        pytest.param(
            b"data: a\n\n: 1234567890123\n" + b"data\n" * 20, [b"a"], "max_line_bytes (13)", id="the other first"
        ),
    ],
)
def test_bounds(stream, events, fault, size):
    reader = parser(max_line_bytes=13, max_event_bytes=10)
    found, message = outcome(in_pieces(stream, size), reader)
    assert [event.data for event in found] == events
    assert message == (f"{fault} was exceeded" if fault else "")


@pytest.mark.parametrize("bad", [b": 1234567890123\n", b"data: 123456\ndata: 890123\n"])
def test_a_fault_waits_for_the_events_before_it_and_then_stays(bad):
    reader = parser(max_line_bytes=13, max_event_bytes=10)
    assert reader.feed(b"data: a\n\n" + bad + b"\ndata: b\n\n") == [event(b"a")]
    for again in (reader.finish, lambda: reader.feed(b"data: c\n\n"), lambda: reader.feed(b"")):
        with pytest.raises(LimitFault):
            again()
    assert reader.pending()


@pytest.mark.parametrize("bad", [b": 12345678901234", b"data: 123456\ndata: 890123\n"])
def test_a_fault_with_no_event_before_it_is_raised_at_once(bad):
    reader = parser(max_line_bytes=13, max_event_bytes=10)
    with pytest.raises(LimitFault):
        reader.feed(bad)
    assert bad.startswith(reader.pending())


@given(stream=STREAMS, sizes=CUTS, line=st.integers(3, 12), data=st.integers(0, 8))
def test_bounds_are_the_same_at_any_cut(stream, sizes, line, data):
    whole, by_byte, cut_up = [
        outcome(pieces, parser(max_line_bytes=line, max_event_bytes=data))
        for pieces in ([stream], in_pieces(stream, 1), cut(stream, sizes))
    ]
    assert whole == by_byte == cut_up
    events, fault = whole
    assert all(len(event.data) <= data for event in events)
    assert fault or [event.record() for event in events] == Source(stream).events


class Work:
    """Bytes that buffers and the regular expression went through."""

    done = 0


class CountingBuffer(bytearray):
    """Counts what each of its operations moves or looks at."""

    def __init__(self, *source: object) -> None:
        super().__init__(*source)
        Work.done += len(self)

    def __getattribute__(self, name: str):
        """A method: it may go through all of it."""
        if name not in ("clear", "startswith"):
            Work.done += len(self)
        return super().__getattribute__(name)

    def __bytes__(self) -> bytes:
        return bytes(memoryview(self))

    def __getitem__(self, index: slice):
        found = super().__getitem__(index)
        Work.done += len(found)
        return found

    def __add__(self, data):
        return CountingBuffer(super().__add__(data))

    def __iadd__(self, data):
        Work.done += len(data)
        return super().__iadd__(data)


class CountingPattern:
    def findall(self, text: bytes) -> list:
        Work.done += len(text)
        return RUN.findall(text)


RUN = event_stream._RUN


@pytest.fixture
def work(monkeypatch) -> type[Work]:
    for module in (event_stream, lines):
        monkeypatch.setattr(module, "bytearray", CountingBuffer, raising=False)
    monkeypatch.setattr(event_stream, "_RUN", CountingPattern())
    monkeypatch.setattr(Work, "done", 0)
    return Work


@pytest.mark.parametrize("size", [1, 64, 1400])
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"x" * 200_000 + b"\n\n", id="one line"),
        pytest.param(b"data: ab\r\n" * 20_000 + b"\r\n", id="many lines of data"),
        pytest.param(b"data: " + b"x" * 100_000 + b"\n" + b"data: ab\n" * 10_000 + b"\n", id="a long line, then many"),
        pytest.param(b"data: a\n" + b": " + b"x" * 100_000 + b"\n" + b":\n" * 50_000 + b"\n", id="comments"),
        pytest.param(b"event: x\ndata: {}\n\n" * 10_000, id="many events"),
    ],
)
def test_work_grows_with_the_bytes_and_no_faster(work, stream, size):
    events = parsed(in_pieces(stream, size))
    assert events
    assert len(stream) < work.done < 8 * len(stream)


@pytest.mark.parametrize(
    ("stream", "size"),
    [
        pytest.param(b"data: " + b"x" * (16 << 20) + b"\n\n", 1024, id="16 MiB of one line in pieces of 1 KiB"),
        pytest.param(b"data: a line\n" * 1_000_000 + b"\n", 1400, id="a million lines in pieces of 1,400 bytes"),
        pytest.param(b"data: a line\n" * 1_000_000 + b"\n", MANY, id="a million lines at once"),
    ],
)
def test_huge_events(stream, size):
    [only] = parsed(in_pieces(stream, size))
    assert only.data == stream[6:-2].replace(b"data: ", b"")


def test_the_end_takes_up_no_room() -> None:
    parser = EventStreamParser(max_line_bytes=4, max_event_bytes=100)
    assert parser.feed(b"abcd") == []
    assert parser.finish() == []
