from __future__ import annotations

import contextlib
import datetime
import enum
import json
import pickle
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, Union

import httpx
import msgspec
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trioclient._codec.decode import AnswerFault, answer_decoder
from trioclient._codec.unknown_variant import UnknownVariant
from trioclient._faults import Fault, LimitFault

JSON = "application/json"


class Item(msgspec.Struct):
    id: int
    name: str = ""


class Text(msgspec.Struct, tag="text"):
    text: str


class Image(msgspec.Struct, tag="image"):
    url: str


class Message(msgspec.Struct):
    id: str
    content: list[Union[Text, Image]]


class Nested(msgspec.Struct):
    inner: Nested | None = None
    value: int = 0


class Model(pydantic.BaseModel):
    id: int


class Color(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


def decoded(
    cast_to: Any, content: bytes | str, content_type: str | None = JSON, *, strict: bool, max_depth: int = 512
) -> object:
    body = content.encode() if isinstance(content, str) else content
    return answer_decoder(cast_to, strict=strict).decode(body, content_type, max_depth=max_depth)


def refusal(*args: Any, strict: bool, **options: Any) -> AnswerFault:
    with pytest.raises(AnswerFault) as caught:
        decoded(*args, strict=strict, **options)
    return caught.value


either = pytest.mark.parametrize("strict", [True, False], ids=["strict", "loose"])


@either
@pytest.mark.parametrize(
    ("cast_to", "content", "value"),
    [
        (Any, '{"a": [1, 2.5, null, true, "é"]}', {"a": [1, 2.5, None, True, "é"]}),
        (object, "[1]", [1]),
        (Item, '{"id": 1, "more": 2}', Item(1)),
        (list[Item], '[{"id": 1, "name": "x"}]', [Item(1, "x")]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Item | None, "null", None),
        (Message, '{"id": "m", "content": [{"type": "image", "url": "u"}]}', Message("m", [Image("u")])),
        (Color, '"red"', Color.RED),
        (Point, "[1, 2]", Point(1, 2)),
        (datetime.date, '"2024-01-02"', datetime.date(2024, 1, 2)),
        (str | None, '"text"', "text"),
        (Annotated[int, {"not": "hashable"}], "1", 1),
        (Model, '{"id": 1}', Model(id=1)),
        (list[Model | None], '[{"id": 1}, null]', [Model(id=1), None]),
        (str, '"as it stands"', '"as it stands"'),
        (bytes, '{"a": 1}', b'{"a": 1}'),
        (None, '{"a": 1}', None),
        (type(None), "not JSON", None),
    ],
    ids=str,
)
def test_an_answer_that_fits(cast_to: Any, content: str, value: object, strict: bool) -> None:
    made = decoded(cast_to, content, strict=strict)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("cast_to", "content", "path", "words", "loose"),
    [
        (Item, '{"id": "x"}', "$.id", "Item: Expected `int`, got `str`", Item("x")),
        (Item, "{}", "$", "missing required field `id`", Item(None)),
        (Item, "[]", "$", "Expected `object`, got `array`", []),
        (int, "3.0", "$", "Expected `int`, got `float`", 3),
        (int, '"5"', "$", "Expected `int`, got `str`", "5"),
        (list[Item], '[{"id": 1}, {"id": "x"}]', "$[1].id", "Expected `int`, got `str`", [Item(1), Item("x")]),
        (
            Message,
            '{"id": "m", "content": [{"type": "text", "text": "t"}, {"type": "new", "n": 1}]}',
            "$.content[1].type",
            "Invalid value 'new'",
            Message("m", [Text("t"), UnknownVariant("new", {"type": "new", "n": 1})]),
        ),
        (Color, '"green"', "$", "Invalid enum value 'green'", "green"),
        (set[Any], "[[1], 2]", None, "hashable", [[1], 2]),
        (Model, '{"id": "x"}', "$.id", "valid integer", Model.model_construct(id="x")),
        (list[Model], '[{"id": 1}, 2]', "$[1]", "an object", [Model(id=1), 2]),
    ],
    ids=str,
)
def test_an_answer_that_does_not_fit(cast_to: Any, content: str, path: str | None, words: str, loose: object) -> None:
    fault = refusal(cast_to, content, strict=True)
    assert fault.path == path
    assert words in str(fault)
    made = decoded(cast_to, content, strict=False)
    assert made == loose
    assert type(made) is type(loose)


@pytest.mark.parametrize(
    ("cast_to", "name"),
    [
        (Item, "Item"),
        (Item | None, "Item | None"),
        (Union[Text, Image], "Text | Image"),
        (Union[int, bool, None, Item], "int | bool | None | Item"),
        (Union[int, bool, None, Item, Point], "int | bool | None | Item | ..."),
        (list[int], "list[int]"),
    ],
)
def test_what_a_type_is_called(cast_to: Any, name: str) -> None:
    assert str(refusal(cast_to, '"x"', strict=True)).startswith(f"the answer does not fit {name}: Expected ")


@pytest.mark.parametrize(
    ("strict", "message"),
    [
        (True, "line 5 does not fit Item: Expected `int`, got `str` - at `$.id`"),
        (False, "line 5 cannot be read: Number out of range - at `$[...]`"),
    ],
)
def test_what_an_answer_is_called(strict: bool, message: str) -> None:
    decoder = answer_decoder(Item, strict=strict, subject="line 5")
    with pytest.raises(AnswerFault) as caught:
        decoder.decode(b'{"id": "x", "more": 1e999}', JSON, max_depth=9)
    assert str(caught.value) == message


def test_a_type_that_cannot_be_hashed_is_as_any_other() -> None:
    cast_to: Any = Annotated[list[Item], {"not": "hashable"}]
    strict = answer_decoder(cast_to, strict=True, subject="line 5")
    with pytest.raises(AnswerFault, match=r"^line 5 does not fit .*Expected `int`"):
        strict.decode(b'[{"id": "x"}]', JSON, max_depth=9)
    loose = answer_decoder(cast_to, strict=False, subject="line 5")
    assert loose.decode(b'[{"id": "x"}]', JSON, max_depth=9) == [Item("x")]


@pytest.mark.parametrize("cast_to", [Any, Item, list[int], Model])
@pytest.mark.parametrize("content_type", [JSON, "Application/Problem+JSON; charset=utf-8"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "malformed"),
        (b'{"id": 1', "ends before its value does"),
        (b"[1,]", "trailing comma"),
        (b"{} {}", "trailing characters"),
        (b"[NaN]", "NaN at byte 1"),
        (b'{"id": Infinity}', "Infinity at byte 7"),
        (b'{"id": -Infinity}', "Infinity at byte 8"),
        (rb'["\ud800"]', "surrogate"),
        (rb'{"id": 1, "id": "\udead ..........."}', "surrogate"),
        (b'["\xff"]', "0xff at byte 2, which is not UTF-8"),
        (b"\xff\xfe{\x00}\x00", "malformed"),
        (b"\xef\xbb\xbf\xef\xbb\xbf1", "malformed"),
    ],
)
def test_what_claims_to_be_json_and_is_not(cast_to: Any, content_type: str, content: bytes, words: str) -> None:
    faults = [refusal(Any, content, content_type, strict=True), refusal(cast_to, content, content_type, strict=False)]
    for fault in faults:
        assert fault.path is None
        assert words in str(fault)
    # With a type, strict decoding may meet a value that does not fit before it meets what is no JSON.
    refusal(cast_to, content, content_type, strict=True)


@either
@pytest.mark.parametrize(("content", "path"), [("[1e999]", "$[0]"), ("1" * 5000, "$")])
def test_a_number_that_python_cannot_hold(content: str, path: str, strict: bool) -> None:
    fault = refusal(Any, content, strict=strict)
    assert fault.path == path
    assert "out of range" in str(fault)


@pytest.mark.parametrize("cast_to", [Any, Item, int | None, Model])
@pytest.mark.parametrize("content", ['{"id": 1}', "plain words", "[[["])
def test_another_media_type(cast_to: Any, content: str) -> None:
    fault = refusal(cast_to, content, "text/html; charset=utf-8", strict=True)
    assert "'text/html; charset=utf-8'" in str(fault)
    assert fault.path is None
    assert decoded(cast_to, content, "text/html; charset=utf-8", strict=False) == content


def test_a_long_media_type_is_cut_in_the_message() -> None:
    assert len(str(refusal(Any, "x", "text/" + "x" * 10_000, strict=True))) < 200


@pytest.mark.parametrize("content_type", [None, ""])
def test_no_media_type(content_type: str | None) -> None:
    for strict in (True, False):
        assert decoded(Item, '{"id": 1}', content_type, strict=strict) == Item(1)
    assert decoded(Item, '{"id": "x"}', content_type, strict=False) == Item("x")
    assert decoded(Item, "plain words", content_type, strict=False) == "plain words"
    assert decoded(Item, b"\xff", content_type, strict=False) == "\N{REPLACEMENT CHARACTER}"
    assert "malformed" in str(refusal(Item, "plain words", content_type, strict=True))


@either
@pytest.mark.parametrize("content_type", [JSON, None, "text/plain"])
@pytest.mark.parametrize("cast_to", [Any, None, Item | None, Model | None, object])
def test_an_empty_body_where_none_will_do(cast_to: Any, content_type: str | None, strict: bool) -> None:
    assert decoded(cast_to, b"", content_type, strict=strict) is None


@either
@pytest.mark.parametrize("content_type", [JSON, None, "text/plain"])
@pytest.mark.parametrize("cast_to", [int, Item, list[Any], Model])
def test_an_empty_body_where_a_value_is_needed(cast_to: Any, content_type: str | None, strict: bool) -> None:
    fault = refusal(cast_to, b"", content_type, strict=strict)
    assert "empty body" in str(fault)
    assert fault.path is None


@either
@pytest.mark.parametrize("content", [b" \r\n\t", b"\xef\xbb\xbf"])
def test_blank_is_empty(content: bytes, strict: bool) -> None:
    assert decoded(Any, content, strict=strict) is None
    assert "empty body" in str(refusal(Item, content, strict=strict))


@either
def test_an_empty_text_is_a_text(strict: bool) -> None:
    assert decoded(str, b"", strict=strict) == ""
    assert decoded(bytes, b"", strict=strict) == b""


@either
@pytest.mark.parametrize(
    ("codec", "charset"),
    [
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", '"utf-16be"'),
        ("utf-32", "utf-32"),
        ("utf-8", "iso-8859-1"),
        ("utf-8", "nonsense"),
    ],
)
def test_json_in_other_encodings(codec: str, charset: str, strict: bool) -> None:
    content = '{"id": 1, "name": "é\N{SNOWMAN}"}'.encode(codec)
    assert decoded(Item, content, f"{JSON}; charset={charset}", strict=strict) == Item(1, "é\N{SNOWMAN}")


@either
def test_json_that_is_not_in_the_encoding_it_claims(strict: bool) -> None:
    assert "utf-16" in str(refusal(Item, b'{"id":1}\xff', f"{JSON}; charset=utf-16", strict=strict))


def test_text_is_in_the_charset_of_its_media_type() -> None:
    for strict in (True, False):
        assert decoded(str, "é".encode("latin-1"), "text/plain; charset=latin-1", strict=strict) == "é"
        assert decoded(str, "é".encode(), "text/plain", strict=strict) == "é"
        assert decoded(str, '"é"'.encode(), JSON, strict=strict) == '"é"'
        assert decoded(str, "é".encode(), None, strict=strict) == "é"
    assert decoded(str, b"ab\xff", "text/plain", strict=False) == "ab\N{REPLACEMENT CHARACTER}"
    assert str(refusal(str, b"ab\xff", "text/plain", strict=True)) == "expected text in utf-8, found 0xff at byte 2"


@either
@pytest.mark.parametrize("cast_to", [Any, Item, list[Any], Nested, Model])
@pytest.mark.parametrize(
    "content",
    ["[" * 200_000, "[" * 200_000 + "]" * 200_000, '{"inner":' * 200_000, '{"id":' + "[" * 3000 + "]" * 3000 + "}"],
)
def test_too_deep(cast_to: Any, content: str, strict: bool) -> None:
    with pytest.raises(LimitFault) as caught:
        decoded(cast_to, content, strict=strict)
    assert (caught.value.limit, caught.value.value) == ("max_json_depth", 512)


@either
@pytest.mark.parametrize("cast_to", [Any, Nested, Model])
def test_deeper_than_the_parser_goes(cast_to: Any, strict: bool) -> None:
    with pytest.raises(LimitFault) as caught:
        decoded(cast_to, '{"inner":' * 200_000 + "{}" + "}" * 200_000, strict=strict, max_depth=1_000_000)
    assert (caught.value.limit, caught.value.value) == ("max_json_depth", 1_000_000)


def test_deeper_than_the_parser_goes_behind_what_does_not_fit() -> None:
    with pytest.raises(LimitFault) as caught:
        content = '{"value": "x", "inner": ' + "[" * 200_000 + "]" * 200_000 + "}"
        decoded(Nested, content, strict=False, max_depth=1_000_000)
    assert (caught.value.limit, caught.value.value) == ("max_json_depth", 1_000_000)


@either
def test_the_depth_bound_is_exact(strict: bool) -> None:
    content = "[" * 100 + "]" * 100
    assert decoded(Any, content, strict=strict, max_depth=100) is not None
    with pytest.raises(LimitFault):
        decoded(Any, content, strict=strict, max_depth=99)


def test_deep_and_misfitting() -> None:
    made: Any = decoded(Nested, '{"inner":' * 150 + '{"value":"x"}' + "}" * 150, strict=False)
    for _ in range(150):
        made = made.inner
    assert made == Nested(None, "x")


# Decoders


class Opaque:
    pass


class Unresolved(msgspec.Struct):
    of: NoSuchType  # noqa: F821


class UnresolvedModel(pydantic.BaseModel):
    of: NoSuchType  # noqa: F821


@either
@pytest.mark.parametrize(
    ("cast_to", "words"),
    [
        (Opaque, "cast_to=Opaque"),
        (httpx.Response, "cast_to=Response"),
        (list[Opaque], "Opaque"),
        (Union[Item, dict[str, Any]], "more than one dict-like type"),
        (Union[Model, Opaque], "Opaque"),
        (Unresolved, "NoSuchType"),
        (UnresolvedModel, "not fully defined"),
        ("Item", "cast_to='Item'"),
        (5, "cast_to=5"),
        ([int], "cast_to="),
    ],
    ids=str,
)
def test_a_type_that_cannot_be_decoded_to(cast_to: Any, words: str, strict: bool) -> None:
    with pytest.raises(TypeError) as caught:
        answer_decoder(cast_to, strict=strict)
    assert words in str(caught.value)


def test_decoders_are_kept() -> None:
    assert answer_decoder(list[Item], strict=True) is answer_decoder(list[Item], strict=True)
    assert answer_decoder(list[Item], strict=True) is not answer_decoder(list[Item], strict=False)


class Buggy(msgspec.Struct):
    a: int
    b: list[int] = msgspec.field(default_factory=lambda: [].pop())

    def __post_init__(self) -> None:
        if self.a == 0:
            raise ZeroDivisionError


@either
@pytest.mark.parametrize(("content", "error"), [('{"a": 0, "b": []}', ZeroDivisionError), ('{"a": 1}', IndexError)])
def test_a_bug_of_the_caller_passes_through(content: str, error: type[Exception], strict: bool) -> None:
    with pytest.raises(error):
        decoded(Buggy, content, strict=strict)


def raising(error: Exception) -> Callable[[], Any]:
    def make() -> Any:
        raise error

    return make


@either
@pytest.mark.parametrize("error", [ValueError("bug"), TypeError("bug")])
def test_so_does_one_that_looks_like_a_mismatch(error: Exception, strict: bool) -> None:
    kind = msgspec.defstruct("Faulty", [("a", int, msgspec.field(default_factory=raising(error)))])
    with pytest.raises(type(error), match="bug"):
        decoded(kind, "{}", strict=strict)


def test_the_fault_is_a_fault_and_pickles() -> None:
    fault = refusal(Item, '{"id": "x"}', strict=True)
    assert isinstance(fault, Fault)
    assert isinstance(fault.__cause__, msgspec.ValidationError)
    copy = pickle.loads(pickle.dumps(fault))
    assert (type(copy), str(copy), copy.path) == (AnswerFault, str(fault), "$.id")


# Whatever is sent

KINDS: list[Any] = [
    Any,
    Item,
    Message,
    Nested,
    Color,
    Point,
    datetime.date,
    set[Any],
    dict[int, Model],
    Model,
    str,
    bytes,
]
TYPES = [JSON, None, "text/plain", f"{JSON}; charset=utf-16", "text/plain; charset=shift_jis"]
SCRAPS = st.sampled_from(
    rb'{ } [ ] " : , \ \u d800 NaN 1 - 1e999 null "id" "content" "type" "text"'.split()
) | st.sampled_from([b" ", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"\0"])


@either
@given(
    st.binary(max_size=60) | st.lists(SCRAPS, max_size=12).map(b"".join),
    st.sampled_from(KINDS),
    st.sampled_from(TYPES),
    st.integers(0, 4),
)
@example(b'["\xc3"', Any, None, 0)
def test_any_bytes_make_a_value_or_a_fault(
    strict: bool, content: bytes, cast_to: Any, content_type: str | None, max_depth: int
) -> None:
    with contextlib.suppress(AnswerFault, LimitFault):
        decoded(cast_to, content, content_type, strict=strict, max_depth=max_depth)


LOOSE_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.sampled_from(["id", "type", "content", "value"]), values),
    max_leaves=10,
)


@given(LOOSE_VALUES, st.sampled_from([kind for kind in KINDS if kind not in (str, bytes)]))
def test_loose_decoding_takes_any_json_and_agrees_with_strict(value: object, cast_to: Any) -> None:
    content = json.dumps(value)
    made = decoded(cast_to, content, strict=False)
    try:
        expected = decoded(cast_to, content, strict=True)
    except AnswerFault:
        return
    assert made == expected
