from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import types
import uuid
from typing import Any

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.json_encode import encode_json, plain_values
from trioclient._types import NOT_GIVEN, omit


class Model(msgspec.Struct, rename="camel"):
    first_name: Any = None


class Tagged(msgspec.Struct, tag="tagged", omit_defaults=True):
    a: Any = 1
    b: Any = 2


class Row(msgspec.Struct, array_like=True):
    a: Any = 1


@dataclasses.dataclass
class Data:
    a: Any = None


@attrs.define
class Attributes:
    a: Any = None


class Pydantic(pydantic.BaseModel):
    first_name: Any = pydantic.Field(None, alias="firstName")
    when: datetime.date = datetime.date(2024, 1, 2)


class Constants(pydantic.BaseModel, ser_json_inf_nan="constants"):
    a: Any = None


class Text(str):
    __slots__ = ()


class Count(int):
    pass


class Ratio(float):
    pass


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"a": [1, "é", None, True, 1.5]}, b'{"a":[1,"\xc3\xa9",null,true,1.5]}'),
        (Model("x"), b'{"firstName":"x"}'),
        (Data([Attributes(1)]), b'{"a":[{"a":1}]}'),
        (Pydantic(firstName=Data(1)), b'{"firstName":{"a":1}}'),
        (
            {"m": Pydantic(firstName="x", when=datetime.date(2025, 1, 2))},
            b'{"m":{"firstName":"x","when":"2025-01-02"}}',
        ),
        (types.MappingProxyType({"a": collections.ChainMap({"b": 1})}), b'{"a":{"b":1}}'),
        ([Text("a"), Count(1), Ratio(1.5), Colour.RED], b'["a",1,1.5,"red"]'),
        ([decimal.Decimal("1.50"), uuid.UUID(int=0)], b'["1.50","00000000-0000-0000-0000-000000000000"]'),
        ({1: 2}, b'{"1":2}'),
        (10**30, b"1" + b"0" * 30),
    ],
)
def test_kinds_of_values(body: object, expected: bytes) -> None:
    assert encode_json(body, "body") == expected


@pytest.mark.parametrize("gone", [omit, NOT_GIVEN])
def test_omitted_values_are_left_out(gone: Any) -> None:
    when = datetime.datetime(2024, 1, 2, 3, 4, 5, 600, tzinfo=datetime.timezone.utc)
    kept = {
        "zero": datetime.timedelta(0),
        "bytes": [b"x", bytearray(b"x"), bytearray()],
        "dec": decimal.Decimal("1.0"),
        "id": uuid.UUID(int=0),
        "when": [when, when.date(), when.timetz()],
        "set": {1},
        1: None,
        "text": Text("x"),
        "tuple": (1, [2]),
        "tagged": Tagged(b=3),
        "model": Pydantic(firstName="x"),
    }
    body = {"a": gone, **kept, "d": {"e": gone, "f": [{"g": gone}]}}
    assert encode_json(body, "body") == encode_json({**kept, "d": {"f": [{}]}}, "body")
    assert encode_json({"a": gone}, "body") == b"{}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (Model(omit), b"{}"),
        (Tagged(omit, 3), b'{"type":"tagged","b":3}'),
        (Data(omit), b"{}"),
        (Attributes({"x": omit}), b'{"a":{}}'),
        (types.MappingProxyType({"a": omit, "b": Data(omit)}), b'{"b":{}}'),
    ],
)
def test_omitted_fields_are_left_out(body: object, expected: bytes) -> None:
    assert encode_json(body, "body") == expected


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (omit, "body is omit"),
        ([1, omit], r"body\[1\] is omit"),
        ({"a": (NOT_GIVEN,)}, r"body\.a\[0\] is NOT_GIVEN"),
        (Row(omit), "omit can only stand as a value of a mapping"),
    ],
)
def test_nothing_to_leave_it_out_of(body: object, where: str) -> None:
    with pytest.raises(TypeError, match=where):
        encode_json(body, "body")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), Ratio("nan")])
@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda x: x, "body"),
        (lambda x: {"a": [1, {"b": x}]}, r"body\.a\[1\]\.b"),
        (lambda x: {"a": None, "b": (None, x)}, r"body\.b\[1\]"),
        (lambda x: {"gone": omit, "b": x}, r"body\.b"),
        (lambda x: Model([x]), r"body\.first_name\[0\]"),
        (lambda x: Data(x), r"body\.a"),
        (lambda x: [Attributes(x)], r"body\[0\]\.a"),
        (lambda x: Constants(a=[x]), r"body\.a\[0\]"),
        (lambda x: types.MappingProxyType({"a": x}), r"body\.a"),
    ],
)
def test_numbers_that_json_lacks(number: float, wrap: Any, where: str) -> None:
    with pytest.raises(ValueError, match=f"^{where} is -?(nan|inf), which JSON has no word for"):
        encode_json(wrap(number), "body")


def test_null_is_no_fault() -> None:
    body = {"a": None, "b": "null", "c": [Data(None), Model(None), 1.5], "d": Pydantic(firstName=None)}
    assert json.loads(encode_json(body, "body")) == {
        "a": None,
        "b": "null",
        "c": [{"a": None}, {"firstName": None}, 1.5],
        "d": {"firstName": None},
    }


@pytest.mark.parametrize(
    ("body", "error", "where"),
    [
        ({"a": [object()]}, TypeError, r"^body\.a\[0\] is of type object, which cannot be sent as JSON$"),
        (Data({"x": 1j}), TypeError, r"^body\.a\.x is of type complex"),
        ((x for x in "ab"), TypeError, r"^body is of type generator"),
        ({"a": {(1, 2): 3}}, TypeError, r"^body\.a has a key of type tuple"),
        ({"a": "\ud800"}, ValueError, r"^body\.a holds a lone surrogate"),
        ({"a": {"\ud800": 1}}, ValueError, r"^body\.a has the key '\\ud800'"),
    ],
)
def test_values_that_cannot_be_sent(body: object, error: type[Exception], where: str) -> None:
    with pytest.raises(error, match=where) as caught:
        encode_json(body, "body")
    assert type(caught.value) is error
    assert caught.value.__cause__ is None


def test_a_body_within_itself() -> None:
    mapping: dict[str, Any] = {"data": [1.5] * 1000}
    mapping["a"] = [mapping, mapping]
    with pytest.raises(ValueError, match=r"^body\.a\[0\] contains itself"):
        encode_json(mapping, "body")
    data = Data()
    data.a = data
    with pytest.raises(ValueError, match=r"^body\.a contains itself"):
        encode_json(data, "body")


def test_a_body_that_is_too_deep() -> None:
    body: list[Any] = []
    for _ in range(50_000):
        body = [body]
    with pytest.raises(ValueError, match=r"^body.* is nested too deeply"):
        encode_json(body, "body")
    del body


def test_default_is_asked_last() -> None:
    asked: list[object] = []

    def default(value: object) -> object:
        asked.append(value)
        return {"really": str(value)}

    body = {"a": 1j, "b": omit, "c": Data(None), "d": types.MappingProxyType({"x": 2j})}
    assert json.loads(encode_json(body, "body", default)) == {
        "a": {"really": "1j"},
        "c": {"a": None},
        "d": {"x": {"really": "2j"}},
    }
    assert set(map(str, asked)) == {"1j", "2j"}


@pytest.mark.parametrize("kind", [TypeError, ValueError, KeyError, ZeroDivisionError, UnicodeError])
@pytest.mark.parametrize("body", [{"a": [1j]}, {"a": omit, "b": 1j}, [None, 1j]])
def test_what_default_raises_passes_through(kind: type[Exception], body: object) -> None:
    raised = kind("the caller's own")

    def default(value: object) -> object:
        raise raised

    with pytest.raises(kind) as caught:
        encode_json(body, "body", default)
    assert caught.value is raised
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_default_may_be_stopped_by_ctrl_c() -> None:
    def default(value: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_json([1j], "body", default)


def test_default_that_gets_nowhere() -> None:
    with pytest.raises(ValueError, match="contains itself"):
        encode_json({"a": 1j}, "body", lambda value: value)
    with pytest.raises(ValueError, match="nested too deeply"):
        encode_json({"a": 1j}, "body", lambda value: [object()])


def test_what_default_gives_is_looked_into() -> None:
    with pytest.raises(ValueError, match=r"^body\.a\.x is nan"):
        encode_json({"a": 1j}, "body", lambda value: {"x": float("nan")})
    with pytest.raises(ValueError, match=r"^body\.a holds a lone surrogate"):
        encode_json({"a": 1j}, "body", lambda value: "\ud800")


def test_what_a_model_raises_passes_through() -> None:
    class Broken:
        def model_dump(self, **options: object) -> dict[str, Any]:
            raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        encode_json({"a": Broken()}, "body")


def test_a_model_has_its_own_say_about_nan() -> None:
    assert encode_json(Pydantic(firstName=float("nan")), "body") == b'{"firstName":null}'


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_JSON)
def test_plain_json_comes_back(body: object) -> None:
    assert json.loads(encode_json(body, "body")) == body


def _holed(body: Any) -> Any:
    """The same with an omitted value in every mapping."""
    if isinstance(body, dict):
        return {"": omit, **{f"x{key}": _holed(value) for key, value in body.items()}, "y": NOT_GIVEN}
    return [_holed(item) for item in body] if isinstance(body, list) else body


def _whole(body: Any) -> Any:
    if isinstance(body, dict):
        return {f"x{key}": _whole(value) for key, value in body.items()}
    return [_whole(item) for item in body] if isinstance(body, list) else body


@given(_JSON)
def test_omitted_values_change_nothing_else(body: object) -> None:
    assert encode_json(_holed(body), "body") == encode_json(_whole(body), "body")


# In plain containers


def lists(depth: int) -> list[Any]:
    body: list[Any] = []
    for _ in range(depth):
        body = [body]
    return body


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        ({"a": 1, "b": omit, "c": NOT_GIVEN}, {"a": 1}),
        ({"a": [b"x", bytearray(b"y"), (1, Model(2))]}, {"a": [b"x", bytearray(b"y"), [1, {"firstName": 2}]]}),
        (types.MappingProxyType({"a": Data(omit)}), {"a": {}}),
        (Pydantic(firstName="x"), {"firstName": "x"}),
        ({1: Text("x"), "when": datetime.date(2024, 1, 2)}, {"1": "x", "when": "2024-01-02"}),
        (None, None),
        ([omit], [omit]),
    ],
)
def test_plain_values(body: object, plain: object) -> None:
    assert plain_values(body, "body") == plain


def test_a_body_that_is_too_deep_for_the_encoder() -> None:
    with pytest.raises(ValueError, match=r"^body is nested too deeply$"):
        encode_json(lists(19_000), "body")


def test_default_is_asked_for_plain_values() -> None:
    assert plain_values({"a": 1j, "b": Data(2)}, "body", str) == {"a": "1j", "b": {"a": 2}}


@pytest.mark.parametrize(
    ("body", "default", "error", "message"),
    [
        ({"a": [object()]}, None, TypeError, "body.a[0] is of type object, which cannot be sent as JSON"),
        ({"a": {(1, 2): 3}}, None, TypeError, "body.a has a key of type tuple; JSON wants str"),
        (lists(19_000), None, ValueError, "body is nested too deeply"),
        ({"a": 1j}, lambda value: value, ValueError, "body.a contains itself"),
        ({"a": 1j}, lambda value: {"b": {(1, 2): 3}}, TypeError, "body.a.b has a key of type tuple; JSON wants str"),
    ],
    ids=["kind", "key", "depth", "default", "key of a default's"],
)
def test_what_has_no_plain_value(body: object, default: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        plain_values(body, "body", default)
    assert str(caught.value) == message
    assert caught.value.__context__ is None


def test_what_default_raises_passes_through_plain_values() -> None:
    raised = TypeError("the caller's own")

    def default(value: object) -> object:
        raise raised

    with pytest.raises(TypeError) as caught:
        plain_values([1j], "body", default)
    assert caught.value is raised
