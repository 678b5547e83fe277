"""One event to one value."""

from __future__ import annotations

import contextlib
import json
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar, Union

import httpx
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient import ServerSentEvent, UnknownVariant
from trioclient._codec.decode import AnswerFault
from trioclient._codec.event_decoder import MISFITS, event_decoder
from trioclient._codec.event_stream import EventBytes
from trioclient._faults import LimitFault

T = TypeVar("T")


class Text(msgspec.Struct, tag="text"):
    text: str
    index: int = 0


class Stop(msgspec.Struct, tag="stop"):
    reason: str = ""


class Message(msgspec.Struct, tag="message"):
    parts: list[Union[Text, Stop]]


class Box(msgspec.Struct, Generic[T], tag="box"):
    value: T


class Plain(msgspec.Struct):
    text: str = ""


class Table(TypedDict, total=False):
    type: Literal["table"]
    text: str


class Model(pydantic.BaseModel):
    text: str


Event = Union[Text, Stop]
REPLACED = "\N{REPLACEMENT CHARACTER}"


def decoded(cast_to: Any, name: str | bytes, data: Any, *, strict: bool, max_depth: int = 512) -> object:
    """`data` that is not bytes is sent as JSON."""
    event = EventBytes(
        name if isinstance(name, bytes) else name.encode(),
        data if isinstance(data, bytes) else json.dumps(data).encode(),
        b"7",
        3000,
    )
    decoder = event_decoder(cast_to, strict=strict)
    value = decoder.decode(event, max_depth)
    read = decoder.by_name.get(event.event, decoder.by_default)
    if read is not None:
        with contextlib.suppress(*MISFITS):
            assert read(event.data) == value, "read at once it is the same"
    return value


@pytest.mark.parametrize(
    ("cast_to", "name"),
    [
        (Any, ""),
        (Any, "any"),
        (Plain, "any"),
        (Model, ""),
        (Event, "text"),
        (Event, "any"),
        (Event, ""),
        (Text, "text"),
    ],
    ids=str,
)
@pytest.mark.parametrize("data", [b'{"type": "text", "text": "Hi"}', b' {"type": "text", "text": "Hi"}\t\n'])
def test_what_is_read_at_once(cast_to: Any, name: str, data: bytes) -> None:
    decoder = event_decoder(cast_to, strict=True)
    read = decoder.by_name.get(name.encode(), decoder.by_default)
    assert read is not None
    assert read(data) == decoded(cast_to, name, data, strict=True)


def refusal(*args: Any, strict: bool = True) -> AnswerFault:
    with pytest.raises(AnswerFault) as caught:
        decoded(*args, strict=strict)
    return caught.value


either = pytest.mark.parametrize("strict", [True, False], ids=["strict", "loose"])


@either
@pytest.mark.parametrize(
    ("cast_to", "name", "data", "value"),
    [
        (ServerSentEvent, "", b"a\xff", ServerSentEvent("message", f"a{REPLACED}", "7", 3000)),
        (bytes, "any", b" a\xff", b" a\xff"),
        (str, "any", b" a\xff", f" a{REPLACED}"),
        (Any, "any", {"a": [1]}, {"a": [1]}),
        (Any, "any", None, None),
        (int, "any", 5, 5),
        (Union[str, None], "any", "quoted", "quoted"),
        (Plain, "any", {"text": "Hi"}, Plain("Hi")),
        (Model, "any", {"text": "Hi"}, Model(text="Hi")),
        (Annotated[int, {"not": "hashable"}], "any", 1, 1),
    ],
    ids=str,
)
def test_a_value(cast_to: Any, name: str, data: Any, value: object, strict: bool) -> None:
    made = decoded(cast_to, name, data, strict=strict)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("cast_to", "words"),
    [
        (None, "cast_to=None cannot be decoded to: the events of a stream have values"),
        (type(None), "cast_to=None cannot be decoded to: the events of a stream have values"),
        (httpx.Response, "cast_to=Response"),
        pytest.param(object(), "cast_to=", id="object"),
        ("Text", "cast_to='Text'"),
        (Union[Plain, dict[str, Any]], "cast_to=Plain | dict[str, typing.Any] cannot"),
    ],
    ids=str,
)
def test_a_type_that_events_cannot_be_decoded_to(cast_to: Any, words: str) -> None:
    with pytest.raises(TypeError) as caught:
        event_decoder(cast_to, strict=True)
    assert str(caught.value).startswith(words)


class Fallible(msgspec.Struct):
    error: str | None = None


@pytest.mark.parametrize(
    ("cast_to", "anything", "blank", "error"),
    [
        (ServerSentEvent, True, True, True),
        (bytes, False, True, True),
        (str, False, True, True),
        (Any, False, False, False),
        (Plain, False, False, False),
        (Fallible, False, False, True),
    ],
    ids=str,
)
def test_what_it_takes(cast_to: Any, anything: bool, blank: bool, error: bool) -> None:
    decoder = event_decoder(cast_to, strict=True)
    assert (decoder.takes_anything, decoder.takes_blank, decoder.takes_error) == (anything, blank, error)


@pytest.mark.parametrize(
    ("cast_to", "names", "by_default"),
    [
        (Any, [], True),
        (Plain, [], True),
        (Event, ["text", "stop"], True),
        (Stop, ["", "message", "stop"], False),
        (Message, ["", "message"], False),
        (str, [], False),
    ],
    ids=str,
)
def test_which_names_are_read_at_once(cast_to: Any, names: list[str], by_default: bool) -> None:
    decoder = event_decoder(cast_to, strict=True)
    assert sorted(name.decode() for name, read in decoder.by_name.items() if callable(read)) == sorted(names)
    assert len(decoder.by_name) == len(names)
    assert decoder.by_default is None or by_default
    assert callable(decoder.by_default) == by_default


def test_a_type_that_cannot_be_hashed_is_strict_or_loose_as_any_other() -> None:
    cast_to: Any = Annotated[int, {"not": "hashable"}]
    assert refusal(cast_to, "any", "x").path == "$"
    assert decoded(cast_to, "any", "x", strict=False) == "x"


def test_decoders_are_kept() -> None:
    assert event_decoder(Event, strict=True) is event_decoder(Event, strict=True)
    assert event_decoder(Event, strict=True) is not event_decoder(Event, strict=False)


# Tags


@either
@pytest.mark.parametrize(
    ("cast_to", "name", "data", "value"),
    [
        # in the data: the name does not matter
        (Event, "text", {"type": "text", "text": "Hi"}, Text("Hi")),
        (Event, "", {"type": "text", "text": "Hi"}, Text("Hi")),
        (Event, "delta", {"type": "text", "text": "Hi"}, Text("Hi")),
        (Event, "stop", {"type": "text", "text": "Hi"}, Text("Hi")),
        (Text, "stop", {"type": "text", "text": "Hi"}, Text("Hi")),
        # by the name
        (Event, "text", {"text": "Hi"}, Text("Hi")),
        (Event, "text", b' { "text" : "Hi" } ', Text("Hi")),
        (Event, "stop", {}, Stop()),
        (Event, "text", {"text": b"\xf0\x9f\x98\x80".decode()}, Text("\N{GRINNING FACE}")),
        (Text, "text", {"text": "Hi"}, Text("Hi")),
        (Union[Text, Stop, None], "stop", {}, Stop()),
        (Union[Text, Stop, None], "stop", None, None),
        (Union[Text, None], "text", None, None),
        (Union[Text, Stop, list[int]], "text", [1], [1]),
        (Union[Box[int], Stop], "box", {"value": 1}, Box(1)),
        (Union[Message, Stop], "message", {"parts": []}, Message([])),
        # a lone Struct needs none
        (Stop, "", {"reason": "end"}, Stop("end")),
        (Stop, "message", {"reason": "end"}, Stop("end")),
        (Message, "message", {"parts": []}, Message([])),
        # other types are left alone
        (Any, "text", {"text": "Hi"}, {"text": "Hi"}),
        (dict[str, str], "text", {"text": "Hi"}, {"text": "Hi"}),
        (Table, "table", {"text": "Hi"}, {"text": "Hi"}),
    ],
    ids=str,
)
def test_a_tag(cast_to: Any, name: str, data: Any, value: object, strict: bool) -> None:
    assert decoded(cast_to, name, data, strict=strict) == value


@pytest.mark.parametrize(
    ("cast_to", "name", "data", "path", "loose"),
    [
        (Event, "news", {"a": 1}, "$.type", UnknownVariant("news", {"type": "news", "a": 1})),
        (Event, "text", {"type": "news"}, "$.type", UnknownVariant("news", {"type": "news"})),
        (Event, "", {"a": 1}, "$", UnknownVariant(None, {"a": 1})),
        (Event, "message", {"a": 1}, "$", UnknownVariant(None, {"a": 1})),
        (Event, "text", {"text": "Hi", "index": "x"}, "$.index", Text("Hi", "x")),  # type: ignore[arg-type]
        (Event, "text", [1], "$", [1]),
        (Text, "text", {"index": 1}, "$", Text(None, 1)),  # type: ignore[arg-type]
        (Stop, "news", {"a": 1}, "$.type", UnknownVariant("news", {"type": "news", "a": 1})),
        (Stop, "news", {"type": "stop", "reason": 5}, "$.reason", Stop(5)),  # type: ignore[arg-type]
        (
            Union[Message, Stop],
            "message",
            {"parts": [{"text": "Hi"}]},
            "$.parts[0]",
            Message([UnknownVariant(None, {"text": "Hi"})]),  # type: ignore[list-item]
        ),
        (Event, b"\xff", {}, "$.type", UnknownVariant(REPLACED, {"type": REPLACED})),
    ],
    ids=str,
)
def test_what_does_not_fit(cast_to: Any, name: str | bytes, data: Any, path: str, loose: object) -> None:
    assert refusal(cast_to, name, data).path == path
    assert decoded(cast_to, name, data, strict=False) == loose


NAMES = st.sampled_from(["", "message", "text", "stop", "news"]) | st.text(max_size=8)
MEMBERS = st.dictionaries(st.sampled_from(["text", "reason", "index"]), st.text(max_size=3) | st.integers(0, 9))


def outcome(cast_to: Any, name: str, data: dict[str, Any], strict: bool) -> object:
    """The value, or where it does not fit."""
    try:
        return decoded(cast_to, name, data, strict=strict)
    except AnswerFault as fault:
        return fault.path


@either
@given(NAMES.filter(lambda name: name not in ("", "message")), MEMBERS)
def test_a_name_is_worth_a_tag(strict: bool, name: str, members: dict[str, Any]) -> None:
    for cast_to in (Event, Text, Stop):
        expected = outcome(cast_to, "", {"type": name, **members}, strict)
        assert outcome(cast_to, name, members, strict) == expected


@either
@given(NAMES, NAMES | st.none(), MEMBERS)
def test_a_tag_is_worth_more(strict: bool, name: str, tag: str | None, members: dict[str, Any]) -> None:
    for cast_to in (Event, Text, Stop):
        data = {**members, "type": tag}
        assert outcome(cast_to, name, data, strict) == outcome(cast_to, "", data, strict)


# What is wrong


@pytest.mark.parametrize(
    ("cast_to", "name", "data", "message"),
    [
        (
            Event,
            "text",
            {"text": 5},
            "event 'text': the data does not fit Text | Stop: Expected `str`, got `int` - at `$.text`",
        ),
        (Plain, "", {"text": 5}, "the data does not fit Plain: Expected `str`, got `int` - at `$.text`"),
        (Any, "x", b'{"a": ', "event 'x': expected JSON, found text that ends before its value does"),
        (
            list[Any],
            "x",
            b"[1e999]",
            "event 'x': the data does not fit list[typing.Any]: Number out of range - at `$[0]`",
        ),
        (int, "é" * 1000, "a", f"event '{'é' * 99}: the data does not fit int: Expected `int`, got `str`"),
    ],
    ids=["misfit", "without a name", "malformed", "out of range", "a long name"],
)
def test_the_message(cast_to: Any, name: str, data: Any, message: str) -> None:
    fault = refusal(cast_to, name, data)
    assert str(fault) == message
    assert str(fault).endswith(str(fault.__cause__))


@either
@pytest.mark.parametrize("cast_to", [Any, Event, Text, Plain, Model])
def test_what_is_not_json(cast_to: Any, strict: bool) -> None:
    fault = refusal(cast_to, "x", b"Hello", strict=strict)
    assert str(fault).startswith("event 'x': expected JSON, found malformed text")
    assert fault.path is None


@either
@pytest.mark.parametrize("cast_to", [Any, Event, Stop, Model])
@pytest.mark.parametrize("name", ["", "text", "news"])
def test_too_deep(cast_to: Any, name: str, strict: bool) -> None:
    with pytest.raises(LimitFault, match="max_json_depth"):
        decoded(cast_to, name, b'{"a":' * 9 + b"1" + b"}" * 9, strict=strict, max_depth=8)


# Bytes that are not UTF-8


@either
@pytest.mark.parametrize(
    ("cast_to", "name", "data", "value"),
    [
        (Any, "", b'"a\xffb"', f"a{REPLACED}b"),
        (Any, "", b'{"\xc3": "\xe2\x82"}', {REPLACED: REPLACED}),
        (Plain, "any", b'{"text": "\xff"}', Plain(REPLACED)),
        (Model, "any", b'{"text": "\xff"}', Model(text=REPLACED)),
        (Event, "any", b'{"type": "text", "text": "\xff"}', Text(REPLACED)),
        (Event, "text", b'{"text": "\xff"}', Text(REPLACED)),
        (Text, "text", b'{"text": "\xff"}', Text(REPLACED)),
    ],
    ids=str,
)
def test_bytes_that_are_not_utf8(cast_to: Any, name: str, data: bytes, value: object, strict: bool) -> None:
    assert decoded(cast_to, name, data, strict=strict) == value


@given(st.binary(max_size=20))
def test_text_comes_as_the_standard_has_it(data: bytes) -> None:
    assert decoded(str, "", data, strict=True) == data.decode("utf-8", "replace")
    quoted = b'"' + bytes(byte for byte in data if byte >= 0x20 and byte not in b'"\\') + b'"'
    assert decoded(Any, "", quoted, strict=True) == quoted[1:-1].decode("utf-8", "replace")
