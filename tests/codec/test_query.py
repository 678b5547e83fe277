from __future__ import annotations

import collections
import datetime
import decimal
import enum
import types
import uuid
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.query import ArrayStyle, encode_query, form_fields
from trioclient._types import NOT_GIVEN, omit


class Colour(enum.Enum):
    RED = "r d"


class Word(str, enum.Enum):
    ONE = "one"


class Level(enum.IntEnum):
    HIGH = 3


class Blob(enum.Enum):
    EMPTY = b""


class Ratio(float):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Point(msgspec.Struct):
    x: int = 1


UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        ("a b+c", "a%20b%2Bc"),
        ("-._~", "-._~"),
        ("é&=?#/", "%C3%A9%26%3D%3F%23%2F"),
        ("a\r\n\0", "a%0D%0A%00"),
        (Name("a"), "a"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-5, "-5"),
        (10**20, "100000000000000000000"),
        (0.1, "0.1"),
        (Ratio(0.5), "0.5"),
        (1e100, "1e%2B100"),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "2024-02-29T12%3A30%3A00%2B00%3A00"),
        (datetime.time(12, 30), "12%3A30%3A00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "r%20d"),
        (Word.ONE, "one"),
        (Level.HIGH, "3"),
    ],
)
def test_plain_values(value: object, text: str) -> None:
    assert encode_query({"k": value}) == f"k={text}"
    assert encode_query({"k": {"n": value}}) == f"k%5Bn%5D={text}"
    assert encode_query({"k": [value]}) == f"k={text}"


@pytest.mark.parametrize("value", [None, omit, NOT_GIVEN, [], {}, (), [None, omit], {"a": None}, {"a": [NOT_GIVEN]}])
@pytest.mark.parametrize("style", ["repeat", "brackets", "comma", "indices"])
def test_what_says_nothing_is_left_out(value: object, style: ArrayStyle) -> None:
    assert encode_query({"before": 1, "k": value, "after": 2}, style) == "before=1&after=2"
    assert encode_query({"k": value}, style) == ""


@pytest.mark.parametrize(
    ("value", "repeat", "brackets", "indices"),
    [
        ([1, "b c"], "k=1&k=b%20c", "k[]=1&k[]=b%20c", "k[0]=1&k[1]=b%20c"),
        ([1, None, 2], "k=1&k=2", "k[]=1&k[]=2", "k[0]=1&k[1]=2"),
        ({"a": {"b": 1}}, "k[a][b]=1", "k[a][b]=1", "k[a][b]=1"),
        ({"a": [1, 2]}, "k[a]=1&k[a]=2", "k[a][]=1&k[a][]=2", "k[a][0]=1&k[a][1]=2"),
        ([{"a": 1}, {"a": 2}], "k[][a]=1&k[][a]=2", "k[][a]=1&k[][a]=2", "k[0][a]=1&k[1][a]=2"),
        ([[1, 2], [3]], "k[]=1&k[]=2&k[]=3", "k[][]=1&k[][]=2&k[][]=3", "k[0][0]=1&k[0][1]=2&k[1][0]=3"),
    ],
)
def test_nested_values(value: object, repeat: str, brackets: str, indices: str) -> None:
    for style, expected in (("repeat", repeat), ("brackets", brackets), ("indices", indices)):
        encoded = encode_query({"k": value}, style)  # type: ignore[arg-type]
        assert encoded == expected.replace("[", "%5B").replace("]", "%5D")


def test_commas_between_are_not_encoded_and_commas_within_are() -> None:
    assert encode_query({"k": [1, "a,b", None, 2], "m": {"n": [3, 4]}}, "comma") == "k=1,a%2Cb,2&m%5Bn%5D=3,4"


@pytest.mark.parametrize("value", [[{"a": 1}], [[1]], [1, (2,)]])
def test_comma_refuses_to_nest(value: object) -> None:
    with pytest.raises(ValueError, match=r"params\['k'\]\[[01]\]: the comma style cannot nest"):
        encode_query({"k": value}, "comma")


@pytest.mark.parametrize(
    "array",
    [["a", "b"], ("a", "b"), collections.deque(["a", "b"]), {"b", "a"}, frozenset({"b", "a"}), {"b": 1, "a": 2}.keys()],
)
def test_kinds_of_arrays(array: object) -> None:
    assert encode_query({"k": array}) == "k=a&k=b"


def test_a_set_is_sorted_as_text() -> None:
    assert encode_query({"k": {"a", 10, 9}}) == "k=10&k=9&k=a"


def test_kinds_of_mappings() -> None:
    params = types.MappingProxyType({"k": collections.ChainMap({"a": 1})})
    assert encode_query(params) == "k%5Ba%5D=1"


def test_keys_are_encoded() -> None:
    assert encode_query({"a[b] c&": "1", Word.ONE: 2}) == "a%5Bb%5D%20c%26=1&one=2"


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"a": {"b": b"x"}}, r"params\['a'\]\['b'\] must be text, not bytes"),
        ({"a": bytearray(b"x")}, r"params\['a'\] must be text, not bytearray"),
        ({"a": Blob.EMPTY}, r"params\['a'\] must be text, not bytes"),
        ({"a": [1, memoryview(b"x")]}, r"params\['a'\]\[1\] must be text, not memoryview"),
        ({"a": object()}, r"params\['a'\] must be .*, not object"),
        ({"a": Point()}, r"params\['a'\] must be .*, not Point"),
        ({"a": (x for x in "ab")}, r"params\['a'\] must be .*, not generator"),
        ({1: "x"}, r"params\[1\]: keys must be str, not int"),
        ({1: 1.5}, r"params\[1\]: keys must be str, not int"),
        ({"a": {None: "x"}}, r"params\['a'\]\[None\]: keys must be str, not NoneType"),
        ([("a", 1)], "params must be a mapping, not list"),
        ("a=1", "params must be a mapping, not str"),
    ],
)
@pytest.mark.parametrize("style", ["repeat", "comma"])
def test_wrong_types(params: Any, where: str, style: ArrayStyle) -> None:
    with pytest.raises(TypeError, match=f"^{where}"):
        encode_query(params, style)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), decimal.Decimal("NaN")])
def test_numbers_that_are_none(number: object) -> None:
    with pytest.raises(ValueError, match=r"params\['a'\]\[0\] must be a finite number"):
        encode_query({"a": [number]})


@pytest.mark.parametrize("params", [{"a": "\ud800"}, {"a": {"b": "\ud800"}}, {"\ud800": 1}, {"\ud800": "x"}])
def test_lone_surrogates(params: Any) -> None:
    with pytest.raises(ValueError, match=r"^params\[.*\] holds a lone surrogate, which has no UTF-8 form$"):
        encode_query(params)


def test_a_lone_surrogate_among_others() -> None:
    with pytest.raises(ValueError, match=r"^params\['a'\]\[1\] holds a lone surrogate"):
        encode_query({"a": ["x", "\ud800"]}, "comma")


def test_unknown_style() -> None:
    with pytest.raises(ValueError, match="arrays must be one of brackets, comma, indices, repeat, not 'pipes'"):
        encode_query({}, "pipes")  # type: ignore[arg-type]


def test_params_within_themselves() -> None:
    mapping: dict[str, Any] = {"n": 1}
    mapping["a"] = mapping["b"] = mapping
    with pytest.raises(ValueError, match=r"params\['a'\] contains itself"):
        encode_query(mapping)
    array: list[Any] = [1]
    array += [array, array]
    with pytest.raises(ValueError, match=r"params\['k'\]\[1\] contains itself"):
        encode_query({"k": array})


def test_depth_is_bounded() -> None:
    def nested(levels: int) -> dict[str, Any]:
        params: dict[str, Any] = {"a": 1}
        for _ in range(levels - 1):
            params = {"a": params}
        return params

    assert encode_query(nested(64)).endswith("=1")
    with pytest.raises(ValueError, match="params nests deeper than 64 levels"):
        encode_query(nested(65))


def test_one_value_in_two_places_is_fine() -> None:
    shared = {"x": 1}
    assert encode_query({"a": shared, "b": [shared]}, "indices") == "a%5Bx%5D=1&b%5B0%5D%5Bx%5D=1"


# Forms


@pytest.mark.parametrize(
    ("value", "arrays", "fields"),
    [
        ("é & b", "repeat", [("k", "é & b")]),
        (1.5, "repeat", [("k", "1.5")]),
        (None, "repeat", []),
        ([1, None, 2], "repeat", [("k", "1"), ("k", "2")]),
        ([1, 2], "brackets", [("k[]", "1"), ("k[]", "2")]),
        ([1, 2], "indices", [("k[0]", "1"), ("k[1]", "2")]),
        ([1, 2], "comma", [("k", "1,2")]),
        ({"ä b": {"c": True}}, "repeat", [("k[ä b][c]", "true")]),
        ([{"a": 1}], "repeat", [("k[][a]", "1")]),
    ],
)
def test_the_fields_of_a_form(value: object, arrays: ArrayStyle, fields: list[tuple[str, str]]) -> None:
    assert form_fields("k", value, arrays, "body") == fields


@pytest.mark.parametrize(
    ("name", "value", "error", "where"),
    [
        ("k", ["a", "b,c"], ValueError, r"body\['k'\]\[1\] holds a comma, which would end it in the comma style"),
        ("k", ["a", "\ud800"], ValueError, r"body\['k'\]\[1\] holds a lone surrogate"),
        ("k", ["a", b"b"], TypeError, r"body\['k'\]\[1\] must be text, not bytes: decode it first"),
        ("k", {"a": "\ud800"}, ValueError, r"body\['k'\]\['a'\] holds a lone surrogate"),
        ("k", {"\ud800": "a"}, ValueError, r"body\['k'\]\['\\ud800'\] holds a lone surrogate"),
        ("k", {1: "a"}, TypeError, r"body\['k'\]\[1\]: keys must be str, not int"),
        ("\ud800", "a", ValueError, r"body\['\\ud800'\] holds a lone surrogate"),
        ("k", object(), TypeError, r"body\['k'\] must be a str, number, bool, date, UUID or Enum, not object"),
    ],
)
def test_what_a_form_cannot_hold(name: str, value: object, error: type[Exception], where: str) -> None:
    with pytest.raises(error, match=f"^{where}"):
        form_fields(name, value, "comma", "body")


_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.dictionaries(_TEXT, _TEXT, max_size=6))
def test_flat_values_come_back(params: dict[str, str]) -> None:
    encoded = encode_query(params)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert not set(encoded) & set(" +#?[]")
    assert parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(params)) == list(params.items())


@given(st.dictionaries(_TEXT, st.lists(_TEXT, min_size=1, max_size=4), max_size=4))
def test_arrays_come_back(params: dict[str, list[str]]) -> None:
    expected = [(key, item) for key, items in params.items() for item in items]
    assert parse_qsl(encode_query(params), keep_blank_values=True) == expected
    commas = [pair.partition("=") for pair in encode_query(params, "comma").split("&")] if params else []
    assert {unquote(key): [unquote(item) for item in items.split(",")] for key, _, items in commas} == params
