"""From a stream of raw events to values: what is skipped, raised, and where it ends."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Union

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient import ServerSentEvent, UnknownVariant
from trioclient._codec.decode import AnswerFault
from trioclient._codec.event_errors import ErrorEvent
from trioclient._codec.event_stream import EventBytes
from trioclient._codec.event_values import EventValues
from trioclient._codec.json_depth import check_depth
from trioclient._faults import LimitFault


class Text(msgspec.Struct, tag="text"):
    text: str


class Stop(msgspec.Struct, tag="stop"):
    pass


class Chunk(msgspec.Struct):
    id: str = ""


class Line(msgspec.Struct):
    error: Any = None


Event = Union[Text, Stop]
Sent = tuple[str, Any]
"""Name and data; data that is neither str nor bytes is sent as JSON."""

DONE: Sent = ("", "[DONE]")
PING: Sent = ("ping", {})
EMPTY: Sent = ("keep-alive", "")
ERROR: Sent = ("", {"error": {"message": "bad luck"}})


def raw(sent: Sent) -> EventBytes:
    name, data = sent
    if not isinstance(data, bytes):
        data = (data if isinstance(data, str) else json.dumps(data)).encode()
    return EventBytes(name.encode(), data, b"", None)


def read(values: EventValues, *events: Sent) -> list[object]:
    """What a caller sees: values, and the class of what ended them. Each event comes alone."""
    return read_in_pieces(values, 1, *events)


def read_in_pieces(values: EventValues, size: int, *events: Sent) -> list[object]:
    """The same where `size` events come together."""
    seen: list[object] = []
    for start in range(0, len(events), size):
        values.feed(map(raw, events[start : start + size]))
        seen += values.ready
        if values.failure is not None:
            return [*seen, type(values.failure.error)]
    return seen


def loose(cast_to: Any, **options: Any) -> EventValues:
    return EventValues(cast_to, strict=False, **options)


def test_a_stream() -> None:
    values = loose(Event)
    seen = read(values, PING, ("text", {"text": "Hi"}), PING, ("text", {"type": "text", "text": "!"}), ("stop", {}))
    assert seen == [Text("Hi"), Text("!"), Stop()]
    assert (values.over, values.complete) == (False, True)


def test_strict_or_loose() -> None:
    assert read(EventValues(Event, strict=True), ("stop", {}), ("news", {})) == [Stop(), AnswerFault]
    assert read(loose(Event), ("stop", {}), ("news", {})) == [Stop(), UnknownVariant("news", {"type": "news"})]


def test_the_depth_is_bounded() -> None:
    data = "[" * 513 + "]" * 513
    assert read(loose(Any), ("", data[1:-1]))[0] != LimitFault
    assert read(loose(Any), ("", data)) == [LimitFault]
    assert read(loose(Any, max_depth=1), ("", [1]), ("", [[1]])) == [[1], LimitFault]


# What carries no value


@pytest.mark.parametrize("event", [PING, ("ping", ""), ("ping", "no JSON"), EMPTY, ("", ""), ("stop", "")])
@pytest.mark.parametrize("cast_to", [Event, Any, str, bytes])
def test_what_is_skipped(cast_to: Any, event: Sent) -> None:
    values = loose(cast_to)
    assert read(values, event, event) == []
    assert not values.over


@pytest.mark.parametrize("event", [PING, ("a", ""), ("a", " ")])
def test_what_is_skipped_among_others(event: Sent) -> None:
    assert read(loose(Any), ("a", 1), event, ("a", 2)) == [1, 2]


@pytest.mark.parametrize("blank", [" ", "\n", " \t\r\n "])
def test_blank_data(blank: str) -> None:
    assert read(loose(Any), ("", blank)) == []
    assert read(loose(str), ("", blank)) == [blank]
    assert read(loose(bytes), ("", blank)) == [blank.encode()]


def test_null_is_a_value() -> None:
    assert read(loose(Any), ("", None)) == [None]


@pytest.mark.parametrize(
    ("events", "values"),
    [
        ([("a", 1), ("", 2), ("b", 3)], [1, 3]),
        ([("", 1), ("a", 2), ("", 3)], [1, 2, 3]),
        ([("message", 1), ("", 2)], [1]),
        ([PING, ("", 1), ("a", 2), ("", 3)], [1, 2, 3]),
        ([EMPTY, ("", 1), ("a", 2), ("", 3)], [1, 2, 3]),
        ([("", ""), ("a", 1), ("", 2)], [1]),
        ([("", " "), ("a", 1), ("", 2)], [1]),
    ],
)
def test_what_has_no_name(events: list[Sent], values: list[object]) -> None:
    assert read(loose(Any), *events) == values
    assert read(loose(Any), *events) == values, "each stream decides for itself"


# Where it ends


@pytest.mark.parametrize("done", ["[DONE]", " [DONE]\n", "\t\r\n[DONE] "])
@pytest.mark.parametrize("name", ["", "message", "done", "ping"])
@pytest.mark.parametrize("cast_to", [Event, Any, str])
def test_done(cast_to: Any, name: str, done: str) -> None:
    values = loose(cast_to)
    assert read(values, (name, done)) == []
    assert (values.over, values.complete) == (True, True)
    assert read(values, ("a", "1"), ("error", "1")) == [], "nothing after it counts"


@pytest.mark.parametrize("data", ['"[DONE]"', "[DONE]]", "[done]", "x [DONE]"])
def test_not_done(data: str) -> None:
    values = loose(str)
    assert read(values, ("", data)) == [data]
    assert not values.over


def named(name: str) -> Callable[[ServerSentEvent], bool]:
    return lambda event: event.event == name


@pytest.mark.parametrize("terminal", ["stop", named("stop")])
@pytest.mark.parametrize(
    ("events", "seen", "over", "complete"),
    [
        ([], [], False, False),
        ([("a", 1)], [1], False, False),
        ([("a", 1), ("stop", 2), ("a", 3)], [1, 2], True, True),
        ([("a", 1), ("stop", "")], [1], True, True),
        ([("a", 1), DONE, ("stop", 2)], [1], True, False),
        ([("a", 1), ("stop", "[DONE]")], [1], True, True),
        ([("a", 1), ERROR], [1, ErrorEvent], True, False),
        ([("a", 1), ("stop", "no JSON")], [1, AnswerFault], True, True),
    ],
)
def test_a_terminal_event(terminal: Any, events: list[Sent], seen: list[object], over: bool, complete: bool) -> None:
    values = loose(Any, terminal_event=terminal)
    assert read(values, *events) == seen
    assert (values.over, values.complete) == (over, complete)


@pytest.mark.parametrize(("name", "seen"), [("ping", []), ("error", [ErrorEvent])])
def test_a_terminal_event_that_has_no_value(name: str, seen: list[object]) -> None:
    values = loose(Any, terminal_event=name)
    assert read(values, (name, {})) == seen
    assert (values.over, values.complete) == (True, True)


@pytest.mark.parametrize("terminal", ["message", named("message")])
@pytest.mark.parametrize("name", ["", "message"])
def test_message_is_what_events_without_a_name_are_called(terminal: Any, name: str) -> None:
    values = loose(Any, terminal_event=terminal)
    assert read(values, ("a", 1), (name, 2)) == ([1, 2] if name else [1])
    assert values.complete


def test_a_terminal_event_told_by_its_data() -> None:
    asked: list[ServerSentEvent] = []

    def is_last(event: ServerSentEvent) -> Any:
        asked.append(event)
        return "last" in event.data and "yes"

    values = loose(Any, terminal_event=is_last)
    assert read(values, PING, ("", {"n": 1}), ("", {"last": 2}), ("", {"n": 3})) == [{"n": 1}, {"last": 2}]
    assert (values.over, values.complete) == (True, True)
    assert [event.data for event in asked] == ["{}", '{"n": 1}', '{"last": 2}']


class Name(str, enum.Enum):
    LAST = "übrig"


@pytest.mark.parametrize("terminal", ["übrig", Name.LAST])
def test_names_of_every_kind(terminal: str) -> None:
    assert read(loose(Any, terminal_event=terminal), ("übrig", 1), ("übrig", 2)) == [1]


def test_a_bug_in_the_function_passes_through() -> None:
    def broken(event: ServerSentEvent) -> bool:
        return 1 / int(event.data) < 0

    values = loose(Any, terminal_event=broken)
    events = iter([raw(("a", n)) for n in (1, 0, 2)])
    values.feed(events)
    assert list(values.ready) == [1]
    assert values.failure is not None
    assert type(values.failure.error) is ZeroDivisionError
    assert not values.over
    values.feed(events)
    assert list(values.ready) == [2], "what came behind it is not lost"


async def is_last(event: ServerSentEvent) -> bool:
    return True


class IsLast:
    async def __call__(self, event: ServerSentEvent) -> bool:
        return True


@pytest.mark.parametrize("terminal", [5, b"stop", True, ["stop"], is_last, IsLast()])
def test_what_is_no_terminal_event(terminal: Any) -> None:
    with pytest.raises(TypeError) as caught:
        loose(Any, terminal_event=terminal)
    assert str(caught.value) == (
        "options['terminal_event'] must be the name of an event, or a function of a ServerSentEvent"
        f" that is not async; it is {terminal!r}"
    )


@pytest.mark.parametrize("terminal", ["", "a\nb", "a\r"])
def test_what_no_event_can_be_called(terminal: str) -> None:
    with pytest.raises(ValueError, match=r"options\['terminal_event'\] must be"):
        loose(Any, terminal_event=terminal)


@pytest.mark.parametrize("cast_to", [None, object()])
def test_what_events_cannot_be_decoded_to(cast_to: Any) -> None:
    with pytest.raises(TypeError, match="cast_to="):
        loose(cast_to)


# Errors


@pytest.mark.parametrize("cast_to", [Event, Any, str, bytes, Line])
@pytest.mark.parametrize("data", [{"error": {"type": "overloaded_error"}}, {}, "no JSON", "", "[DONE]"])
def test_an_event_named_error(cast_to: Any, data: Any) -> None:
    values = loose(cast_to)
    assert read(values, ("error", data), ("a", "1")) == [ErrorEvent]
    assert values.over
    assert values.failure is not None
    assert values.failure.data == raw(("error", data)).data
    error = values.failure.error
    assert isinstance(error, ErrorEvent)
    assert error.content == values.failure.data
    assert error.status == (529 if isinstance(data, dict) and data else None)


@pytest.mark.parametrize("name", ["", "message"])
@pytest.mark.parametrize("cast_to", [Any, dict[str, Any], Chunk, Event])
def test_an_error_without_a_name(cast_to: Any, name: str) -> None:
    assert read(loose(cast_to), (name, ERROR[1])) == [ErrorEvent]
    assert read(EventValues(cast_to, strict=True), (name, ERROR[1])) == [ErrorEvent]


def test_it_is_not_skipped_among_named_ones() -> None:
    assert read(loose(Any), ("a", 1), ERROR) == [1, ErrorEvent]


@pytest.mark.parametrize(
    ("cast_to", "event", "value"),
    [
        (Line, ERROR, Line({"message": "bad luck"})),
        (str, ERROR, json.dumps(ERROR[1])),
        (bytes, ERROR, json.dumps(ERROR[1]).encode()),
        (Any, ("a", ERROR[1]), ERROR[1]),
        (Any, ("", {"id": 1, **ERROR[1]}), {"id": 1, **ERROR[1]}),
        (Chunk, ("", {"id": "c", "error": None}), Chunk("c")),
    ],
)
def test_what_looks_like_an_error_and_is_a_value(cast_to: Any, event: Sent, value: object) -> None:
    assert read(loose(cast_to), event, event) == [value, value]


# The events themselves


def test_every_event_itself() -> None:
    events = [PING, EMPTY, ("", "x"), ("a", "1"), ("", "2"), ERROR, ("error", "no"), ("", " "), DONE]
    values = loose(ServerSentEvent)
    assert read(values, *events, ("late", "3")) == [raw(event).record() for event in events]
    assert (values.over, values.complete) == (True, True)


def test_the_terminal_event_itself() -> None:
    values = loose(ServerSentEvent, terminal_event="stop")
    seen: Any = read(values, ("a", "1"), ("stop", ""), ("a", "2"))
    assert [event.event for event in seen] == ["a", "stop"]
    assert (values.over, values.complete) == (True, True)


# Whatever comes

NAMES = st.sampled_from(["", "message", "ping", "text", "stop", "news"]) | st.text(max_size=4)
DATA = st.sampled_from(["", " ", "[DONE]", "{}", '{"text": "Hi"}', '{"type": "stop"}', '{"error": "x"}', "1", "{"])


@given(
    st.lists(st.tuples(NAMES, DATA | st.binary(max_size=8)), max_size=8),
    st.sampled_from([Event, Text, Any, str, bytes, ServerSentEvent, Line]),
    st.sampled_from([None, "stop", named("stop")]),
    st.booleans(),
)
def test_any_events(events: list[Sent], cast_to: Any, terminal: Any, strict: bool) -> None:
    values = EventValues(cast_to, strict=strict, terminal_event=terminal)
    seen = read(values, *events)
    ends = [
        number
        for number, event in enumerate(map(raw, events), 1)
        if (event.event == b"stop" and terminal is not None) or event.data.strip() == b"[DONE]"
    ]
    failed = values.failure is not None
    if failed:
        assert seen[-1] in (ErrorEvent, AnswerFault)
        assert cast_to is not ServerSentEvent
    else:
        assert values.over == bool(ends)
    assert len(seen) <= (ends[0] if ends else len(events))
    assert values.complete <= (terminal is None or values.over)
    # However they come, and by whichever way they are read.
    for size in (2, 3, 8):
        others = EventValues(cast_to, strict=strict, terminal_event=terminal)
        assert read_in_pieces(others, size, *events) == seen
        assert (others.over, others.complete) == (values.over, values.complete)


class Watched(Iterator[EventBytes]):
    """Says how many were taken."""

    def __init__(self, *events: Sent) -> None:
        self._events = iter(events)
        self.taken = 0

    def __next__(self) -> EventBytes:
        event = raw(next(self._events))
        self.taken += 1
        return event


@pytest.mark.parametrize("last", [("text", {"text": 5}), ("text", "no JSON"), ("error", {})])
def test_none_is_looked_at_before_its_turn(last: Sent) -> None:
    good: Sent = ("text", {"text": "Hi"})
    values = EventValues(Event, strict=True)
    assert read(values, good) == [Text("Hi")]
    events = Watched(good, good, last, good)
    values.feed(events)
    for taken in (1, 2):
        assert next(values.ready) == Text("Hi")
        assert (events.taken, values.failure) == (taken, None)
    assert next(values.ready, "none") == "none"
    assert events.taken == 3
    assert values.failure is not None
    assert values.failure.data == raw(last).data


def test_what_is_deep_is_refused_at_any_length() -> None:
    values = loose(Any, max_depth=8)
    deep = "[" * 9 + "]" * 9
    assert read(values, ("a", "1"), ("a", f'"{"[" * 9}"'), ("a", deep)) == [1, "[" * 9, LimitFault]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The names of the events that went through the table."""
    names: list[bytes] = []
    by_table = EventValues._by_table

    def counting(self: EventValues, event: EventBytes) -> object:
        names.append(event.event)
        return by_table(self, event)

    monkeypatch.setattr(EventValues, "_by_table", counting)
    return names


CHUNK: Sent = ("", {"id": "c"})
CALLED: Sent = ("message", {"id": "c"})
HI: Sent = ("text", {"text": "Hi"})


@pytest.mark.parametrize(
    ("cast_to", "terminal", "events", "by_table"),
    [
        (Chunk, None, [CHUNK, CHUNK, CALLED, CHUNK], [""]),
        (Chunk, None, [CALLED, CALLED, CHUNK, CALLED], ["message", ""]),
        (Line, None, [("", {}), ERROR, ("message", {}), ("", {})], [""]),
        (Event, None, [HI, HI, ("stop", {}), ("stop", {}), HI], ["text"]),
        (Event, None, [HI, ("", {"type": "stop"}), HI], ["text", ""]),
        (Event, None, [("", {"type": "stop"}), ("", {"type": "stop"}), HI], [""]),
        (Event, None, [HI, PING, ("ping", {"type": "stop"}), HI], ["text", "ping", "ping"]),
        (Event, None, [HI, ("other", {"type": "stop"})], ["text"]),
        (Stop, None, [("stop", {}), ("", {}), ("stop", {})], ["stop", ""]),
        (Stop, None, [("", {}), ("", {}), ("message", {}), ("stop", {}), ("other", {})], ["", "other"]),
        (Any, "stop", [("a", 1), ("a", 2), ("stop", 3)], ["a", "stop"]),
        (Any, named("stop"), [("a", 1), ("a", 2), ("stop", 3)], ["a"]),
        (Event, None, [HI, ("text", {"text": 5}), HI], ["text", "text"]),
        (str, None, [("a", "x"), ("a", "y")], ["a", "a"]),
    ],
)
def test_what_goes_through_the_table(
    monkeypatch: pytest.MonkeyPatch, cast_to: Any, terminal: Any, events: list[Sent], by_table: list[str]
) -> None:
    names = counted(monkeypatch)
    read(loose(cast_to, terminal_event=terminal), *events)
    assert [name.decode() for name in names] == by_table


def test_an_event_named_error_among_usual_ones() -> None:
    assert read(loose(Event), HI, HI, ("error", {"type": "stop"}), HI) == [Text("Hi"), Text("Hi"), ErrorEvent]


@pytest.mark.parametrize(("length", "checked"), [(16, False), (17, True)])
def test_what_is_too_short_to_be_deep_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, length: int, checked: bool
) -> None:
    seen: list[tuple[int, int]] = []
    values = loose(Any, max_depth=8)
    assert read(values, ("a", 1)) == [1]

    def recording(data: bytes, max_depth: int) -> None:
        seen.append((len(data), max_depth))
        check_depth(data, max_depth)

    monkeypatch.setattr("trioclient._codec.event_values.check_depth", recording)
    assert read(values, ("a", "1".rjust(length))) == [1]
    assert seen == ([(length, 8)] if checked else [])


def test_what_the_parser_raises() -> None:
    def broken() -> Iterator[EventBytes]:
        raise LimitFault("max_event_bytes", 5)
        yield

    def after_one() -> Iterable[EventBytes]:
        yield raw(("a", 1))
        yield from broken()

    values = loose(Any)
    for events, data in ((broken(), b""), (after_one(), b"1")):
        values.feed(events)
        list(values.ready)
        assert values.failure is not None
        assert (type(values.failure.error), values.failure.data) == (LimitFault, data)


def test_nothing_is_ready_at_first_nor_what_was_dropped() -> None:
    values = loose(Any)
    assert next(values.ready, "none") == "none"
    values.feed([raw(("", "no JSON")), raw(("", 1))])
    assert list(values.ready) == []
    values.feed([raw(("", 1))])
    values.drop()
    assert next(values.ready, "none") == "none"
    assert values.failure is None


def test_an_error_among_nameless_events() -> None:
    """Also where they have become usual."""
    chunk: Sent = ("", {"id": "c"})
    named: Sent = ("", {"id": '"error"', "error": None})
    assert read(loose(Chunk), CALLED, CALLED, ("message", ERROR[1]), chunk) == [Chunk("c"), Chunk("c"), ErrorEvent]
    seen = read(loose(Chunk), chunk, chunk, named, ERROR, chunk)
    assert seen == [
        Chunk("c"),
        Chunk("c"),
        Chunk('"error"'),
        ErrorEvent,
    ]
