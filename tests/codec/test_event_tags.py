"""The name of an event as the tag of its data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar, Union

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.event_tags import EventTags, event_tags

T = TypeVar("T")


class Text(msgspec.Struct, tag="text"):
    text: str = ""


class Stop(msgspec.Struct, tag="stop"):
    pass


class Kind(msgspec.Struct, tag_field="kind", tag=str.upper):
    pass


class Box(msgspec.Struct, Generic[T], tag="box"):
    value: T


class Plain(msgspec.Struct):
    type: str


class Numbered(msgspec.Struct, tag=1):
    pass


class Row(msgspec.Struct, tag="row", array_like=True):
    pass


class Table(TypedDict):
    type: Literal["table"]


class Model(pydantic.BaseModel):
    type: Literal["model"]


@pytest.mark.parametrize(
    ("cast_to", "variants"),
    [
        (Text, {"text": Text}),
        (Union[Text, Stop], {"text": Text, "stop": Stop}),
        (Union[Text, Stop, int, None], {"text": Text, "stop": Stop}),
        (Annotated[Union[Text, Stop], msgspec.Meta(title="events")], {"text": Text, "stop": Stop}),
        (Kind, {"KIND": Kind}),
        (Box[int], {"box": Box[int]}),
    ],
    ids=str,
)
def test_the_tags_of_a_type(cast_to: Any, variants: dict[str, type]) -> None:
    tags = event_tags(cast_to)
    assert tags is not None
    assert tags.variants == variants


@pytest.mark.parametrize(
    "cast_to",
    [
        *(Any, int, dict[str, Any], list[Text], Plain, Numbered, Row, Table),
        *(Model, Union[Model, None], Union[Model, dict[str, Any]]),
    ],
    ids=str,
)
def test_types_without(cast_to: Any) -> None:
    assert event_tags(cast_to) is None


@pytest.mark.parametrize(
    ("data", "tagged"),
    [
        (b'{"text": "Hi"}', b'{"type":"text","text": "Hi"}'),
        (b"{}", b'{"type":"text"}'),
        (b" \t\r\n{ \t\r\n} ", b'{"type":"text"} '),
        (b' {\n "a": {"type": 1}} ', b'{"type":"text","a": {"type": 1}} '),
        (b'{"types": 1, "TYPE": 2, "": "type"}', b'{"type":"text","types": 1, "TYPE": 2, "": "type"}'),
    ],
)
def test_what_lacks_a_tag(data: bytes, tagged: bytes) -> None:
    assert EventTags("type", {"text": Text}).tagged(data, "text") == tagged


def test_a_tag_of_another_name() -> None:
    tags = event_tags(Kind)
    assert tags is not None
    assert tags.tagged(b'{"type": 1}', "KIND") == b'{"kind":"KIND","type": 1}'
    assert tags.tagged(b'{"kind": 1}', "KIND") == b'{"kind": 1}'


@pytest.mark.parametrize(
    "data",
    [
        b'{"type": "text"}',
        b'{"type": "other"}',
        b'{"a": 1, "type": null}',
        rb'{"\u0074ype": "text"}',
        b"[]",
        b'[{"a": 1}]',
        b'"{}"',
        b"null",
        b"",
        b"{",
        b'{"a": 1,}',
        b"{} {}",
        b'{\x0b"a": 1}',
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_has_one_or_can_have_none(data: bytes) -> None:
    assert EventTags("type", {"text": Text}).tagged(data, "text") == data


@pytest.mark.parametrize(
    ("tags", "name", "taken"),
    [
        (["text"], "other", True),
        (["text"], "message", False),
        (["text", "message"], "message", True),
        (["text"], "", False),
        ([""], "", True),
    ],
)
def test_which_names_are_tags(tags: list[str], name: str, taken: bool) -> None:
    tagged = EventTags("type", dict.fromkeys(tags, Text)).tagged(b"{}", name)
    assert tagged == (json.dumps({"type": name}, separators=(",", ":")).encode() if taken else b"{}")


BLANKS = st.text(" \t\r\n", max_size=3)
WORDS = st.text(max_size=5) | st.sampled_from(["type", "kind", 'quo"te', "back\\slash", "Größe", "\N{SNOWMAN}"])
NAMES = WORDS.filter(lambda name: name not in ("", "message"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(WORDS, values),
    max_leaves=8,
)


def with_blanks(draw: Callable[[Any], str], value: Any) -> str:
    """JSON text with white space wherever it may stand."""
    if isinstance(value, dict):
        members = [f"{with_blanks(draw, key)}:{with_blanks(draw, item)}" for key, item in value.items()]
        text = "{" + (",".join(members) or draw(BLANKS)) + "}"
    elif isinstance(value, list):
        text = "[" + (",".join(with_blanks(draw, item) for item in value) or draw(BLANKS)) + "]"
    else:
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return draw(BLANKS) + text + draw(BLANKS)


@given(st.data(), VALUES | st.dictionaries(WORDS, VALUES), WORDS, NAMES)
def test_any_value(data: st.DataObject, value: Any, key: str, name: str) -> None:
    text = with_blanks(data.draw, value).encode()
    tagged = EventTags(key, {}).tagged(text, name)
    if isinstance(value, dict) and key not in value:
        assert list(json.loads(tagged).items()) == [(key, name), *value.items()]
    else:
        assert tagged == text


@given(st.binary(max_size=30) | st.text('{}[]":,\\ type1', max_size=30).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    EventTags("type", {}).tagged(data.decode("utf-8", "replace").encode(), "text")
