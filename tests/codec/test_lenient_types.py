from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar, Union

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from trioclient._codec.lenient_types import LenientDecoder
from trioclient._codec.unknown_variant import UnknownVariant

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Text(msgspec.Struct, tag="text"):
    text: str


class Image(msgspec.Struct, tag="image", rename="camel"):
    image_url: str
    alt_text: str | None = None


class Group(msgspec.Struct, tag="group"):
    parts: list[Union[Text, Image, Group]]
    title: Annotated[Union[Text, Image] | None, msgspec.Meta(description="shown above")] = None


class Coded(msgspec.Struct, tag_field="code", tag=1):
    value: int


class Recoded(msgspec.Struct, tag_field="code", tag=2):
    value: int


class Row(msgspec.Struct, array_like=True):
    id: int
    name: str = "?"


class Circle(msgspec.Struct, array_like=True, tag=True):
    radius: float


class Square(msgspec.Struct, array_like=True, tag=True):
    side: float


class Node(msgspec.Struct):
    value: int
    next: Node | None = None
    others: dict[str, Node] = {}


class Box(msgspec.Struct, Generic[T]):
    content: T
    inner: Box[T] | None = None


class Strange(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    note: Union[str, UnsetType, None] = UNSET
    tags: list[str] = msgspec.field(default_factory=lambda: ["none"])


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5
    label: Point | None = None


@attrs.frozen
class Person:
    name: str
    age: int | None = None


class Movie(TypedDict):
    title: str
    cast: list[Person]


class Sparse(TypedDict, total=False):
    a: int
    b: int


class Pair(NamedTuple):
    left: int
    right: Text | None = None


def loosely(cast_to: Any, content: bytes | str) -> object:
    return LenientDecoder(cast_to).decode(content if isinstance(content, bytes) else content.encode())


UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("cast_to", "content", "value"),
    [
        # Scalars
        (int, "3.0", 3),
        (int, "3.5", 3.5),
        (int, '"5"', "5"),
        (int, "true", True),
        (int, "null", None),
        (float, "3", 3.0),
        (float, "1" + "0" * 400, 10**400),
        (float, '"nan"', "nan"),
        (bool, "1", 1),
        (str, "1", 1),
        (bytes, '"aGk="', b"hi"),
        (bytes, '"!"', "!"),
        (datetime.datetime, '"2024-01-02T03:04:05Z"', datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (datetime.datetime, '"yesterday"', "yesterday"),
        (datetime.datetime, "17", 17),
        (datetime.date, '"2024-13-01"', "2024-13-01"),
        (datetime.time, '"25:00:00"', "25:00:00"),
        (datetime.timedelta, '"P9999999999D"', "P9999999999D"),
        (uuid.UUID, '"6ba7b810-9dad-11d1-80b4-00c04fd430c8"', uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")),
        (uuid.UUID, '"6ba7"', "6ba7"),
        (Decimal, '"1.10"', Decimal("1.10")),
        (Decimal, '"a"', "a"),
        (Decimal, "7", Decimal(7)),
        (Color, '"red"', Color.RED),
        (Color, '"green"', "green"),
        (Level, "2", Level.HIGH),
        (Level, "9", 9),
        (set[datetime.date], '["2024-01-02", 5]', {datetime.date(2024, 1, 2), 5}),
        (frozenset[datetime.date], '["2024-01-02", 5]', frozenset({datetime.date(2024, 1, 2), 5})),
        (tuple[datetime.date, ...], '["2024-01-02", 5]', (datetime.date(2024, 1, 2), 5)),
        (Literal["a", 1], '"b"', "b"),
        (Annotated[int, msgspec.Meta(ge=10)], "3", 3),
        (Any, "[1]", [1]),
        # Containers
        (list[int], '[1, "2", 3.0]', [1, "2", 3]),
        (list[int], '{"a": 1}', {"a": 1}),
        (list[object], '[1, {"a": null}]', [1, {"a": None}]),
        (Sequence[int], '[1.0, ""]', [1, ""]),
        (tuple[int, ...], '[1.0, "2"]', (1, "2")),
        (tuple[int, float], "[1.0]", (1,)),
        (tuple[int, float], '[1.0, 2, "3"]', (1, 2.0, "3")),
        (set[int], '[1, 1.0, "2"]', {1, "2"}),
        (frozenset[int], "[1, null]", frozenset({1, None})),
        (set[int], "[1, [2]]", [1, [2]]),
        (dict[str, int], '{"a": "1", "b": 2.0}', {"a": "1", "b": 2}),
        (Mapping[str, list[int]], '{"a": [1.0], "b": 1}', {"a": [1], "b": 1}),
        (dict[int, str], '{"1": 1, "x": "y"}', {1: 1, "x": "y"}),
        (dict[float, int], '{"1.5": "", "x": 1}', {1.5: "", "x": 1}),
        (dict[Color, int], '{"red": "", "green": 1}', {Color.RED: "", "green": 1}),
        (dict[Level, int], '{"1": "", "9": 1}', {Level.LOW: "", "9": 1}),
        (dict[Literal[1, 2], int], '{"1": "", "9": 1}', {1: "", "9": 1}),
        (dict[datetime.date, int], '{"2024-01-01": "", "x": 1}', {datetime.date(2024, 1, 1): "", "x": 1}),
        (dict[Annotated[int, msgspec.Meta(description="n")], int], '{"1": ""}', {1: ""}),
        # Records
        (Text, '{"text": 1}', Text(1)),
        (Text, "[]", []),
        (Image, '{"imageUrl": 1, "altText": "x", "alt_text": "y", "more": 0}', Image(1, "x")),
        (Image, "{}", Image(None)),
        (Strange, '{"id": "x", "more": 1}', Strange("x")),
        (Strange, '{"note": null}', Strange(None, None)),
        (Row, '["x"]', Row("x")),
        (Row, '[1.0, null, "more"]', Row(1, None)),
        (Row, '{"id": 1}', {"id": 1}),
        (Box[int], '{"content": 1.0, "inner": {"content": "x"}}', Box(1, Box("x"))),
        (Point, '{"x": "1", "label": {"y": 2}}', Point("1", label=Point(None, 2.0))),
        (Person, '{"age": "old"}', Person(None, "old")),
        (Movie, '{"cast": [{"name": 1}, 2], "more": 0}', {"title": None, "cast": [Person(1), 2]}),
        (Sparse, '{"a": "x"}', {"a": "x"}),
        (Pair, '[1.0, {"text": 2}, 3]', Pair(1, Text(2))),
        (Pair, "[]", Pair(None)),
        # Unions
        (int | None, '"x"', "x"),
        (int | None, "1.0", 1),
        (Union[int, float], "1.0", 1.0),
        (Union[float, int, None], "[1]", [1]),
        (Union[datetime.date, int], '"2024-01-01"', datetime.date(2024, 1, 1)),
        (Union[datetime.date, int], '"soon"', "soon"),
        (Union[Literal[1], float], "2", 2),
        (Union[list[int], dict[str, float], str], '{"a": 1, "b": ""}', {"a": 1.0, "b": ""}),
        (Union[Node, list[int], None], '{"value": "x"}', Node("x")),
        (Union[Any, int], "1.0", 1.0),
        # Tagged unions
        (Union[Text, Image], '{"type": "text"}', Text(None)),
        (Union[Text, Image], '{"type": "video", "url": 1}', UnknownVariant("video", {"type": "video", "url": 1})),
        (Union[Text, Image], '{"text": "x"}', UnknownVariant(None, {"text": "x"})),
        (Union[Text, Image, None, str], "1", 1),
        (Union[Coded, Recoded], '{"code": 2, "value": "x"}', Recoded("x")),
        (Union[Coded, Recoded], '{"code": 3}', UnknownVariant(3, {"code": 3})),
        (Union[Coded, Recoded], '{"code": true}', UnknownVariant(None, {"code": True})),
        (Text, '{"type": "image"}', UnknownVariant("image", {"type": "image"})),
        (
            list[Union[Text, Image, Group]],
            '[{"type": "group", "parts": [{"type": "new"}, {"type": "text", "text": "x"}],'
            ' "title": {"type": "text"}}, 1]',
            [Group([UnknownVariant("new", {"type": "new"}), Text("x")], Text(None)), 1],
        ),
        (Union[Circle, Square], '["Circle", "x"]', Circle("x")),
        (Union[Circle, Square], '["Square", 1, "more"]', Square(1.0)),
        (Union[Circle, Square], '["Heart", 1]', ["Heart", 1]),
        (Union[Circle, Square], "[]", []),
        (Union[Circle, Square], "[[1]]", [[1]]),
    ],
    ids=lambda it: str(sorted(it, key=str)) if isinstance(it, (set, frozenset)) else str(it),
)
def test_makes_the_best_of_it(cast_to: Any, content: str, value: object) -> None:
    made = loosely(cast_to, content)
    assert made == value
    assert type(made) is type(value)


def test_int_stays_int_and_float_float() -> None:
    made = loosely(list[Union[int, float, None]], '[1, 1.0, ""]')
    assert isinstance(made, list)
    assert list(map(type, made)) == [int, float, str]


def test_raw_is_what_was_sent() -> None:
    made = loosely(list[Union[msgspec.Raw, Any]], "[1]")
    assert made == [1]
    made = loosely(dict[str, msgspec.Raw], '{"a": [1, {"b": null}]}')
    assert isinstance(made, dict)
    assert bytes(made["a"]) == b'[1,{"b":null}]'


class Invoice(msgspec.Struct):
    total: Decimal
    rate: float
    count: int
    rest: Any
    raw: msgspec.Raw | None = None


def test_a_decimal_has_the_digits_that_were_sent() -> None:
    exact = "0.1234567890123456789012345678901234567890"
    made = loosely(list[Union[Invoice, float]], f'[{{"total": {exact}, "rate": {exact}, "count": 2.0}}, "x", 1.5]')
    assert isinstance(made, list)
    assert (made[0].total, made[0].rate, made[0].count, made[2]) == (Decimal(exact), float(exact), 2, 1.5)
    assert type(made[2]) is float


def test_where_no_decimal_is_wanted_there_is_none() -> None:
    invoice = '{"total": 1.10, "rate": "x", "count": 2.5, "rest": {"a": [1.5, {"b": 2.5}]}, "raw": [1.10]}'
    content = f'[{invoice}, 3.5, {{"more": [4.5]}}]'
    made = loosely(list[Invoice], content)
    assert isinstance(made, list)
    assert repr(made[0].total) == "Decimal('1.10')"
    assert bytes(made[0].raw) == b"[1.10]"
    assert repr([made[0].count, made[0].rest, made[1:]]) == repr(
        [2.5, {"a": [1.5, {"b": 2.5}]}, [3.5, Invoice(None, None, None, None)]]
    )


def test_a_decimal_of_any_size() -> None:
    made = loosely(list[Union[Decimal, None]], '[1e400, 1e-99999999999999999999, 1e99999999999999999999, ""]')
    assert made == [Decimal("1e400"), 0.0, float("inf"), ""]
    assert loosely(dict[str, Union[int, Decimal]], '{"a": 1e999999999, "b": []}') == {
        "a": Decimal("1e999999999"),
        "b": [],
    }


def test_a_recursive_type_goes_as_deep_as_the_body() -> None:
    # Not deeper here than msgspec itself can go, with the stack pytest already stands on.
    levels = 150
    made: Any = loosely(Node, '{"value": 1.0, "next": ' * levels + '{"value": "x"}' + "}" * levels)
    for _ in range(levels):
        assert type(made.value) is int
        made = made.next
    assert made == Node("x")


# Whatever is sent, to whatever type


BATTERY: list[Any] = [
    Any,
    int,
    float,
    bool,
    bytes,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    Decimal,
    Color,
    Level,
    Literal["text", 1, None],
    list[int],
    set[Any],
    frozenset[Union[Text, Image, None]],
    tuple[int, str, float],
    tuple[Decimal, ...],
    dict[str, float],
    dict[int, Any],
    dict[Level, Union[int, float]],
    Union[Text, Image, Group],
    Union[Coded, Recoded, list[float], None],
    Union[Circle, Square],
    Group,
    Node,
    Box[int],
    Strange,
    Row,
    Invoice,
    Point,
    Person,
    Movie,
    Sparse,
    Pair,
    Union[int, float, str, list[Node], dict[str, Text], None],
]
DECODERS = [(msgspec.json.Decoder(list[cast_to]), LenientDecoder(list[cast_to])) for cast_to in BATTERY]

NAMES = st.sampled_from(["type", "code", "text", "imageUrl", "altText", "parts", "title", "value", "next", "others"])
NAMES |= st.sampled_from(["content", "inner", "id", "note", "tags", "x", "y", "label", "name", "age", "cast", "a", "b"])
NAMES |= st.sampled_from(["total", "rate", "count", "rest", "1"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["text", "image", "group", "Circle", "red", "1", "1.5", "aGk=", "2024-01-02", "03:04:05", "P1D"])
    | st.sampled_from(["2024-01-02T03:04:05Z", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
)
VALUES = st.recursive(
    LEAVES,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(NAMES | st.text(max_size=4), values, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_nothing_fails_and_what_fits_is_as_strict_decoding_makes_it(value: object) -> None:
    fitting = json.dumps([value]).encode()
    # Next to something that fits hardly any of the types, so that all of it is built leniently.
    mixed = json.dumps([value, {"no": "fit"}]).encode()
    for strict, lenient in DECODERS:
        made = lenient.decode(mixed)
        assert isinstance(made, list)
        try:
            expected = strict.decode(fitting)
        except (msgspec.ValidationError, TypeError):
            continue
        assert made[0] == expected[0]
        assert type(made[0]) is type(expected[0])


# Values of the declared types, which lenient building must leave as they are

TEXTS = st.builds(Text, st.text())
IMAGES = st.builds(Image, st.text(), st.none() | st.text())
GROUPS = st.recursive(
    TEXTS | IMAGES,
    lambda parts: st.builds(Group, st.lists(parts, max_size=3), st.none() | TEXTS | IMAGES),
    max_leaves=8,
)
NODES = st.recursive(
    st.builds(Node, st.integers()),
    lambda nodes: st.builds(
        Node, st.integers(), st.none() | nodes, st.dictionaries(st.text(max_size=3), nodes, max_size=2)
    ),
    max_leaves=6,
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
POINTS = st.builds(Point, st.integers(), FLOATS, st.none() | st.builds(Point, st.integers()))
PEOPLE = st.builds(Person, st.text(), st.none() | st.integers())
INSTANTS = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize("decimal_format", ["string", "number"])
@given(data=st.data())
def test_values_of_a_type_come_out_as_they_went_in(decimal_format: Any, data: st.DataObject) -> None:
    cast_to, values = data.draw(
        st.sampled_from(
            [
                (Union[Text, Image, Group], GROUPS),
                (Node, NODES),
                (Point, POINTS),
                (Movie, st.fixed_dictionaries({"title": st.text(), "cast": st.lists(PEOPLE, max_size=3)})),
                (Invoice, st.builds(Invoice, DECIMALS, FLOATS, st.integers(), st.lists(FLOATS, max_size=3))),
                (Strange, st.builds(Strange, st.integers(), st.none() | st.text() | st.just(UNSET))),
                (Box[Pair], st.builds(Box, st.builds(Pair, st.integers(), st.none() | TEXTS))),
                (Union[Circle, Square], st.builds(Circle, FLOATS) | st.builds(Square, FLOATS)),
                (Row, st.builds(Row, st.integers(), st.text())),
                (set[Color], st.sets(st.sampled_from(Color))),
                (dict[Level, Decimal], st.dictionaries(st.sampled_from(Level), DECIMALS)),
                (dict[datetime.date, tuple[int, ...]], st.dictionaries(st.dates(), st.lists(st.integers()).map(tuple))),
                (tuple[datetime.datetime, uuid.UUID, bytes], st.tuples(INSTANTS, st.uuids(), st.binary())),
                (datetime.timedelta, st.timedeltas()),
            ]
        )
    )
    value = data.draw(values)
    content = msgspec.json.Encoder(decimal_format=decimal_format).encode(value)
    made = loosely(cast_to, content)
    assert made == msgspec.json.decode(content, type=cast_to)
    assert made == value
