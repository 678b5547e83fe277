from __future__ import annotations

import dataclasses
import gc
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from msgspec import UNSET, UnsetType, inspect

from trioclient._codec.lenient_records import absent_value, record_maker

T = TypeVar("T")
SUBCLASSED: list[type] = []


def refuse_unless_int(value: object) -> None:
    if not isinstance(value, int):
        raise TypeError("expected an int")


class Plain(msgspec.Struct):
    a: int
    b: str = "b"


class KeywordOnly(msgspec.Struct, kw_only=True, frozen=True):
    b: str = "b"
    a: int


class Box(msgspec.Struct, Generic[T]):
    a: T
    b: str = "b"


class Refusing(msgspec.Struct):
    a: int
    b: str = "b"

    def __init_subclass__(cls, **_: Any) -> None:
        SUBCLASSED.append(cls)

    def __post_init__(self) -> None:
        refuse_unless_int(self.a)
        self.b = self.b.upper()


class RefusingFrozen(msgspec.Struct, frozen=True, cache_hash=True, weakref=True, tag="t", rename="upper"):
    a: int
    b: str = "b"

    def __post_init__(self) -> None:
        refuse_unless_int(self.a)


class RefusingBox(msgspec.Struct, Generic[T], array_like=True, kw_only=True, gc=False):
    a: T
    b: str = "b"

    def __post_init__(self) -> None:
        self.a.bit_length()


@dataclasses.dataclass
class Data:
    a: int
    b: str = "b"


@dataclasses.dataclass(frozen=True, slots=True)
class RefusingData:
    a: int
    b: str = "b"

    def __post_init__(self) -> None:
        refuse_unless_int(self.a)


@attrs.define
class Attrs:
    a: int
    b: str = "b"


@attrs.frozen
class RefusingAttrs:
    a: int = attrs.field(validator=attrs.validators.instance_of(int))
    b: str = "b"

    def __attrs_post_init__(self) -> None:
        refuse_unless_int(self.a)


@dataclasses.dataclass
class HookedData:
    a: int
    b: str = "b"

    def __post_init__(self) -> None:
        self.b += f" {self.a}"


@attrs.define
class HookedAttrs:
    a: int
    b: str = "b"
    bare: bool = attrs.field(init=False)

    def __attrs_pre_init__(self) -> None:
        self.bare = not hasattr(self, "a")

    def __attrs_post_init__(self) -> None:
        self.b += f" {self.a} {self.bare}"


class Pair(NamedTuple):
    a: int
    b: str = "b"


STRUCTS = [Plain, KeywordOnly, Box, Refusing, RefusingFrozen, RefusingBox]
CLASSES = [*STRUCTS, Data, RefusingData, Attrs, RefusingAttrs, Pair]


def maker(cls: Any) -> Any:
    info = inspect.type_info(cls)
    assert isinstance(info, (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType))
    return record_maker(info)


@pytest.mark.parametrize("cls", CLASSES)
def test_right_values_make_what_the_class_would(cls: Any) -> None:
    made = maker(cls)({"a": 1, "b": "x"})
    assert type(made) is cls
    assert made == cls(a=1, b="x")


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("wrong", ["x", None, [1]])
def test_wrong_values_are_kept_whatever_the_class_says(cls: Any, wrong: object) -> None:
    make = maker(cls)
    first, second = make({"a": wrong, "b": "x"}), make({"a": wrong, "b": None})
    assert type(first) is cls
    assert (first.a, first.b) == (wrong, "x")
    assert (second.a, second.b) == (wrong, None)


def test_hooks_run_on_values_that_are_right() -> None:
    assert maker(Refusing)({"a": 1, "b": "x"}).b == "X"
    assert maker(HookedData)({"a": 1, "b": "x"}).b == "x 1"
    assert maker(HookedAttrs)({"a": 1, "b": "x"}).b == "x 1 True"


def test_a_record_made_in_spite_of_its_hook_is_like_any_other() -> None:
    make = maker(RefusingFrozen)
    made = make({"a": "x", "b": "y"})
    assert hash(made) == hash(make({"a": "x", "b": "y"}))
    assert msgspec.json.encode(made) == b'{"type":"t","A":"x","B":"y"}'
    assert repr(made) == "RefusingFrozen(a='x', b='y')"
    with pytest.raises(AttributeError):
        made.a = 1


def test_making_one_leaves_no_trace_on_the_class() -> None:
    SUBCLASSED.clear()
    maker(Refusing)({"a": "x", "b": "y"})
    gc.collect()
    assert SUBCLASSED == []
    assert Refusing.__subclasses__() == []


@pytest.mark.parametrize("cls", [Box, RefusingBox])
def test_generic(cls: Any) -> None:
    made = maker(cls[str])({"a": "x", "b": "y"})
    assert type(made) is cls
    assert made.a == "x"


class Movie(TypedDict):
    title: str


def test_a_typed_dict_has_only_the_keys_that_have_values() -> None:
    assert maker(Movie)({"title": None, "year": UNSET}) == {"title": None}


class Defaults(msgspec.Struct):
    required: int
    fixed: int = 3
    fresh: list[int] = msgspec.field(default_factory=lambda: [1])
    unset: int | UnsetType = UNSET


def test_absent_values() -> None:
    info = inspect.type_info(Defaults)
    assert isinstance(info, inspect.StructType)
    absent = {field.name: absent_value(field) for field in info.fields}
    assert {name: make() for name, make in absent.items()} == {
        "required": None,
        "fixed": 3,
        "fresh": [1],
        "unset": UNSET,
    }
    assert absent["fresh"]() is not absent["fresh"]()
