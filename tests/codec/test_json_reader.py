from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union

import httpx
import msgspec
import pytest

from trioclient._codec.json_reader import TypedReader


class Item(msgspec.Struct):
    id: int
    tags: list[str] = []

    def __post_init__(self) -> None:
        if self.id < 0:
            raise ValueError("id must not be negative")


class Page(msgspec.Struct):
    data: list[Item]
    by_name: dict[str, Item] = {}


@dataclasses.dataclass
class WithoutHints:
    of: NoSuchType  # noqa: F821


@pytest.mark.parametrize(
    ("cast_to", "content", "sentence", "path"),
    [
        (int, b'"5"', "Expected `int`, got `str`", "$"),
        (int, b"3.0", "Expected `int`, got `float`", "$"),
        (Page, b'{"data": [{"id": 1}, {"id": "x"}]}', "Expected `int`, got `str`", "$.data[1].id"),
        (Page, b'{"data": [{}]}', "Object missing required field `id`", "$.data[0]"),
        (Page, b'{"data": [{"id": -1}]}', "id must not be negative", "$.data[0]"),
        (
            Page,
            b'{"data": [], "by_name": {"a`b": {"id": 1, "tags": 1}}}',
            "Expected `array`, got `int`",
            "$.by_name[...].tags",
        ),
        (dict[int, int], b'{"x": 1}', "Expected `int`, got `str`", "$"),
        (set[Any], b"[[1]]", "Expected hashable members of a set", None),
    ],
)
def test_a_mismatch_says_what_and_where(cast_to: Any, content: bytes, sentence: str, path: str | None) -> None:
    reader = TypedReader(cast_to)
    with pytest.raises((msgspec.ValidationError, TypeError)) as caught:
        reader.decode(content)
    mismatch = reader.mismatch(caught.value)
    assert mismatch is not None
    assert mismatch.sentence.startswith(sentence)
    assert mismatch.path == path


@pytest.mark.parametrize(
    "error", [msgspec.DecodeError("x"), ValueError("x"), TypeError("x"), RecursionError("x"), KeyError("x")]
)
def test_other_errors_are_no_mismatch(error: Exception) -> None:
    assert TypedReader(Page).mismatch(error) is None


@pytest.mark.parametrize(
    ("cast_to", "accepts"),
    [
        (Any, True),
        (object, True),
        (Page | None, True),
        (Union[int, None, str], True),
        (Literal["a", None], True),
        (Annotated[int | None, "x"], True),
        (int, False),
        (Page, False),
        (list[Any], False),
        (Literal["a"], False),
    ],
)
def test_knows_whether_none_fits(cast_to: Any, accepts: bool) -> None:
    assert TypedReader(cast_to).accepts_none() is accepts


@pytest.mark.parametrize("cast_to", [object, Sequence[int], Mapping[str, int], Annotated[int, {}], msgspec.Raw])
def test_takes_every_type_msgspec_does(cast_to: Any) -> None:
    assert TypedReader(cast_to)


class Opaque:
    pass


@pytest.mark.parametrize(
    "cast_to",
    [
        Opaque,
        httpx.Response,
        complex,
        Opaque | None,
        list[Opaque],
        tuple[int, Opaque],
        tuple[Opaque, ...],
        dict[str, set[Opaque]],
        Annotated[Opaque, msgspec.Meta(title="x")],
        Union[Page, dict[str, Any]],
        Union[int, Opaque],
        WithoutHints,
        list["NoSuchType"],  # noqa: F821
        "int",
        5,
    ],
    ids=str,
)
def test_refuses_others(cast_to: Any) -> None:
    with pytest.raises(TypeError):
        TypedReader(cast_to)


@pytest.mark.parametrize(
    ("cast_to", "message"),
    [
        (WithoutHints, "name 'NoSuchType' is not defined"),
        (list[Opaque], f"{Opaque!r} is neither a type msgspec knows nor a pydantic model"),
    ],
    ids=str,
)
def test_says_why(cast_to: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        TypedReader(cast_to)
    assert str(caught.value) == message


def test_reads_leniently_what_does_not_fit() -> None:
    made: Any = TypedReader(Page).lenient(b'{"data": [{"id": "x"}, 5]}')
    assert (type(made), made.data[0].id, made.data[1]) == (Page, "x", 5)
