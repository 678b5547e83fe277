from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.json_faults import may_hold_nonfinite, refuse_unsayable
from trioclient._types import NOT_GIVEN, omit

NAN = float("nan")


def no_conversion(value: object) -> object:
    raise TypeError


class Model(msgspec.Struct):
    a: Any = msgspec.UNSET
    b: Any = None


@dataclasses.dataclass
class Data:
    a: Any = None


@attrs.define
class Attributes:
    a: Any = None
    _hidden: Any = NAN


@dataclasses.dataclass
class Bare:
    a: Any


HALF_MADE = Bare.__new__(Bare)
"""Its field has no value, which msgspec does not mind."""


@pytest.mark.parametrize(
    "body",
    [
        HALF_MADE,
        None,
        1.5,
        {"a": [1, "x", (None, True), {"b": b"x"}]},
        {"a": omit, "b": NOT_GIVEN},
        [datetime.date(2024, 1, 1), {1, 2}],
        Model(b=Data(Attributes(1))),
        Model(omit, NOT_GIVEN),
        {1: 2, "a b": 3},
        [[]] * 3,
        [msgspec.Raw(b"1")],
    ],
)
def test_sayable(body: object) -> None:
    refuse_unsayable(body, "body", no_conversion)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (NAN, ValueError, "body is nan, which JSON has no word for"),
        ({"a": [0, NAN]}, ValueError, "body.a[1] is nan, which JSON has no word for"),
        ({"a b": {"": NAN}}, ValueError, "body['a b'][''] is nan, which JSON has no word for"),
        ({5: NAN}, ValueError, "body[5] is nan, which JSON has no word for"),
        (({NAN},), ValueError, "body[0][0] is nan, which JSON has no word for"),
        (Model(Data(Attributes(NAN))), ValueError, "body.a.a.a is nan, which JSON has no word for"),
        ([[1], NAN], ValueError, "body[1] is nan, which JSON has no word for"),
        ([NAN, object()], ValueError, "body[0] is nan, which JSON has no word for"),
        ([object(), NAN], TypeError, "body[0] is of type object, which cannot be sent as JSON"),
        ({"a": {b"\xff": 1, (): 2}}, TypeError, "body.a has a key of type tuple; JSON wants str"),
        (
            {"a": {"\ud800": 1}},
            ValueError,
            "body.a has the key '\\ud800', a lone surrogate without a UTF-8 form",
        ),
        ([omit], TypeError, "body[0] is omit, which can only stand as a value of a mapping"),
        (["\ud800"], ValueError, "body[0] holds a lone surrogate, which has no UTF-8 form"),
    ],
)
def test_unsayable(body: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        refuse_unsayable(body, "body", no_conversion)
    assert type(caught.value) is error
    assert str(caught.value) == message
    assert caught.value.__context__ is None


def test_the_root_has_the_name_it_is_given() -> None:
    with pytest.raises(ValueError, match=r"^extra_json\.a is nan"):
        refuse_unsayable({"a": NAN}, "extra_json", no_conversion)


def test_conversions_are_looked_into() -> None:
    asked: list[object] = []

    def convert(value: object) -> object:
        asked.append(value)
        return {"x": NAN}

    with pytest.raises(ValueError, match=r"^body\[0\]\.x is nan"):
        refuse_unsayable([1j], "body", convert)
    assert asked == [1j]


def test_what_a_conversion_raises_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        refuse_unsayable([1j], "body", lambda value: 1 // 0)


def test_one_value_in_two_places_is_fine() -> None:
    shared = [1, {"a": 2}]
    refuse_unsayable({"a": shared, "b": [shared, shared]}, "body", no_conversion)


def test_going_round_in_circles_ends() -> None:
    body: list[Any] = [1.5] * 1000
    body += [body, body]
    with pytest.raises(ValueError, match=r"^body\[1000\] contains itself$"):
        refuse_unsayable(body, "body", no_conversion)
    with pytest.raises(ValueError, match=r"is nested too deeply$"):
        refuse_unsayable(object(), "body", lambda value: [object()])


def test_depth_is_no_trouble() -> None:
    body: Any = [NAN]
    for _ in range(10_000):
        body = [body]
    with pytest.raises(ValueError, match=r"^body(\[0\]){10001} is nan"):
        refuse_unsayable(body, "body", no_conversion)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (1.5, False),
        (NAN, True),
        (float("-inf"), True),
        ({"a": [(1, "x", None, True, b"x", 1.5)]}, False),
        ({"a": [(1, {"b": NAN})]}, True),
        (Data([1.5, datetime.date(2024, 1, 1), omit]), False),
        ([Model(), Model(1, Attributes("x"))], False),
        (HALF_MADE, False),
        (Data([Model(NAN)]), True),
        (Attributes({"a": NAN}), True),
        (object(), True),
        ({1.5}, True),
    ],
)
def test_first_look(body: object, answer: bool) -> None:
    assert may_hold_nonfinite(body) is answer


_ANY_JSON = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8"), max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab ", max_size=2), inner, max_size=4),
    max_leaves=20,
)


@given(_ANY_JSON)
def test_the_first_look_and_the_second_agree(body: object) -> None:
    try:
        refuse_unsayable(body, "body", no_conversion)
    except ValueError as fault:
        assert may_hold_nonfinite(body)
        place = str(fault).split(" is ")[0].removeprefix("body")
        assert place == "" or place[0] in ".["
    else:
        assert not may_hold_nonfinite(body)
