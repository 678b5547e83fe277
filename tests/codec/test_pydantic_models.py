from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union

import msgspec
import pydantic
import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from trioclient._codec.pydantic_models import ModelReader, mentions_model, model_keys
from trioclient._codec.unknown_variant import UnknownVariant

T = TypeVar("T")


class Item(BaseModel):
    id: int
    name: str = "none"
    seen: datetime.datetime | None = None


class Tree(BaseModel):
    value: int
    branches: list[Tree] = []
    by_name: dict[str, Tree] = Field(default_factory=dict)
    best: Union[Tree, int, None] = None


class Text(BaseModel):
    type: Literal["text"]
    text: str


class Image(BaseModel):
    type: Literal["image", "photo"] = "image"
    url: str


class Aliased(BaseModel):
    kind: Literal["aliased"] = Field(alias="type")


class Message(BaseModel):
    content: list[Annotated[Union[Text, Image], Field(discriminator="type")]]


class Renamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: int = Field(alias="firstOne")
    second: int = Field(0, validation_alias=AliasChoices("two", "deux", AliasPath("x", 0)))
    third: int = Field(0, validation_alias=AliasPath("x", 1))


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: int


class Box(BaseModel, Generic[T]):
    content: T


class Cut(BaseModel):
    word: Annotated[str, pydantic.BeforeValidator(lambda sent: sent.strip())]
    count: Annotated[int, Field(gt=0)] = 1


class Refusing(BaseModel):
    id: int

    def model_post_init(self, _: Any) -> None:
        self.id.bit_length()


class Pair(NamedTuple):
    left: Item
    right: int


def state(value: Any) -> Any:
    """Models as plain values, what was never set included: equality of models is about less."""
    if isinstance(value, BaseModel):
        fields = {name: state(getattr(value, name)) for name in type(value).model_fields}
        return type(value), fields, value.model_extra, value.model_fields_set
    if isinstance(value, dict):
        return {key: state(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(map(state, value)) if not isinstance(value, (set, frozenset)) else value
    return value


@pytest.mark.parametrize(
    ("cast_to", "content"),
    [
        (Item, '{"id": 1, "seen": "2024-01-02T03:04:05Z"}'),
        (list[Item], '[{"id": 1}, {"id": "2"}]'),
        (Item | None, "null"),
        (dict[str, Item], '{"a": {"id": 1, "name": "x"}}'),
        (Tree, '{"value": 1, "branches": [{"value": 2}], "by_name": {"a": {"value": 3}}, "best": {"value": 4}}'),
        (Message, '{"content": [{"type": "text", "text": "t"}, {"type": "photo", "url": "u"}]}'),
        (Renamed, '{"firstOne": 1, "deux": 2}'),
        (Renamed, '{"first": 1, "two": 2}'),
        (Open, '{"id": 1, "more": {"a": [1]}}'),
        (Box[Item], '{"content": {"id": 1}}'),
        (Cut, '{"word": " a ", "count": 3}'),
    ],
    ids=str,
)
def test_what_fits_is_built_as_pydantic_does(cast_to: Any, content: str) -> None:
    reader = ModelReader(cast_to)
    expected = pydantic.TypeAdapter(cast_to).validate_json(content)
    assert state(reader.decode(content.encode())) == state(expected)
    assert state(reader.lenient(content.encode())) == state(expected)


def construct(model: Any, **values: Any) -> Any:
    return model.model_construct(**values)


@pytest.mark.parametrize(
    ("cast_to", "content", "value"),
    [
        (Item, '{"id": "x", "seen": "2024-01-02"}', construct(Item, id="x", seen=datetime.datetime(2024, 1, 2))),
        (Item, '{"name": null}', construct(Item, id=None, name=None)),
        (Item, "[]", []),
        (list[Item], '[{"id": "x"}, {"id": "2"}, 3]', [construct(Item, id="x"), Item(id=2), 3]),
        (tuple[Item, ...], '[{"id": "x"}]', (construct(Item, id="x"),)),
        (set[Union[int, Item]], '["1", [2]]', [1, [2]]),
        (set[Union[int, Item]], '["1", 2]', {1, 2}),
        (tuple[Item, int], '[{"id": "x"}, 1]', [{"id": "x"}, 1]),
        (dict[int, Item], '{"1": {"id": "x"}, "y": 2}', {1: construct(Item, id="x"), "y": 2}),
        (Mapping[str, Item | None], '{"1": {"id": "x"}, "y": null}', {"1": construct(Item, id="x"), "y": None}),
        (
            Tree,
            '{"value": "x", "branches": [{"value": "2"}, {"best": {"value": "y"}}], "best": "z"}',
            construct(
                Tree,
                value="x",
                branches=[Tree(value=2), construct(Tree, value=None, best=construct(Tree, value="y"))],
                best="z",
            ),
        ),
        (
            Message,
            '{"content": [{"type": "text"}, {"type": "photo", "url": 1}, {"type": "new"}, {"text": "t"}, 5]}',
            construct(
                Message,
                content=[
                    construct(Text, type="text", text=None),
                    construct(Image, type="photo", url=1),
                    UnknownVariant("new", {"type": "new"}),
                    UnknownVariant(None, {"text": "t"}),
                    5,
                ],
            ),
        ),
        (Union[Item, Tree], '{"name": 5}', {"name": 5}),
        (Union[Text, Aliased, None], '{"type": "aliased", "text": 1}', construct(Aliased, kind="aliased")),
        (Union[Text, Aliased, None], '{"type": "new"}', UnknownVariant("new", {"type": "new"})),
        (Union[Item, Tree], '{"value": "5"}', Tree(value=5)),
        (Renamed, '{"firstOne": "x", "first": 2, "deux": "y"}', construct(Renamed, first="x", second="y")),
        (Renamed, '{"x": ["1", "2"]}', construct(Renamed, first=None)),
        (Open, '{"id": "x", "more": {"a": [1]}}', construct(Open, id="x", more={"a": [1]})),
        (Box[Item], '{"content": {"id": "x"}}', construct(Box[Item], content=construct(Item, id="x"))),
        (Box[Any], "{}", construct(Box[Any], content=None)),
        (Cut, '{"word": 1, "count": "0"}', construct(Cut, word=1, count="0")),
        (Cut, '{"word": " a ", "count": "0"}', construct(Cut, word="a", count="0")),
        (Refusing, '{"id": "x", "more": 1}', {"id": "x"}),
        (Union[Pair, Item], '[{"id": "x"}, 1]', [{"id": "x"}, 1]),
        (list[Item] | None, '[{"id": "x"}, 3]', [construct(Item, id="x"), 3]),
        (Union[list[Item], dict[str, Item]], '[{"id": "x"}, 3]', [construct(Item, id="x"), 3]),
        (Union[list[Item], dict[str, Item]], '{"a": {"id": "x"}}', {"a": construct(Item, id="x")}),
        (Union[Literal["a"], int, Item], '"5"', 5),
    ],
    ids=str,
)
def test_what_does_not_fit_is_kept(cast_to: Any, content: str, value: Any) -> None:
    made = ModelReader(cast_to).lenient(content.encode())
    assert made == value
    assert type(made) is type(value)


def test_what_was_not_sent_does_not_count_as_set() -> None:
    made: Any = ModelReader(Item).lenient(b'{"seen": "x"}')
    assert made.model_fields_set == {"seen"}
    assert (made.id, made.name) == (None, "none")


@pytest.mark.parametrize(
    ("cast_to", "content", "sentence", "path"),
    [
        (Item, '{"id": "x"}', "Input should be a valid integer", "$.id"),
        (Item, "{}", "Field required", "$.id"),
        (
            list[Tree],
            '[{"value": 1, "branches": [{"value": []}]}]',
            "Input should be a valid int",
            "$[0].branches[0].value",
        ),
        (Item, "[]", "Input should be an object", "$"),
    ],
)
def test_a_mismatch_says_what_and_where(cast_to: Any, content: str, sentence: str, path: str) -> None:
    reader = ModelReader(cast_to)
    with pytest.raises(pydantic.ValidationError) as caught:
        reader.decode(content.encode())
    mismatch = reader.mismatch(caught.value)
    assert mismatch is not None
    assert mismatch.sentence.startswith(sentence)
    assert mismatch.sentence.endswith(f" - at `{path}`")
    assert mismatch.path == path
    assert reader.mismatch(ValueError("another")) is None


@pytest.mark.parametrize(
    "content", [b'{"id": NaN}', b'{"id": -Infinity}', rb'{"name": "\ud800"}', b'{"name": "\xff"}', b"{"]
)
def test_what_is_no_json_is_told_by_msgspec(content: bytes) -> None:
    reader = ModelReader(Item)
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        reader.decode(content)
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        reader.lenient(content)


def test_json_deeper_than_pydantic_reads_is_a_mismatch() -> None:
    reader = ModelReader(Tree)
    content = b'{"value": 1, "best": ' * 300 + b'{"value": 2}' + b"}" * 300
    with pytest.raises(pydantic.ValidationError) as caught:
        reader.decode(content)
    assert reader.mismatch(caught.value) is not None
    made: Any = reader.lenient(content)
    for _ in range(300):
        made = made.best
    assert made == Tree(value=2)


@pytest.mark.parametrize(("cast_to", "accepts"), [(Item, False), (Item | None, True), (list[Item], False)])
def test_knows_whether_none_fits(cast_to: Any, accepts: bool) -> None:
    assert ModelReader(cast_to).accepts_none() is accepts


class Struct(msgspec.Struct):
    item: Item


class Unresolved(BaseModel):
    of: NoSuchType  # noqa: F821


@pytest.mark.parametrize("cast_to", [Unresolved, dict[str, Union[Item, Struct]], list["NoSuchType"]])  # noqa: F821
def test_refuses_what_pydantic_does(cast_to: Any) -> None:
    with pytest.raises(TypeError) as caught:
        ModelReader(cast_to)
    assert str(caught.value) == str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("cast_to", "mentions"),
    [
        (Item, True),
        (Box[int], True),
        (dict[str, list[Item | None]], True),
        (Annotated[Union[int, Item], "x"], True),
        (int | Item, True),
        (Struct, False),
        (list[Any], False),
        (Literal["a"], False),
        (None, False),
        ("Item", False),
        ([Item], False),
    ],
    ids=str,
)
def test_finds_models(cast_to: Any, mentions: bool) -> None:
    assert mentions_model(cast_to) is mentions


@pytest.mark.parametrize(
    ("cast_to", "keys"),
    [
        (Item, ["id", "name", "seen"]),
        (Renamed, ["deux", "first", "firstOne", "second", "third", "two"]),
        (Union[Text, Aliased], ["text", "type"]),
        (Text | Image, ["text", "type", "url"]),
        (Annotated[Union[Text, None], "x"], ["text", "type"]),
        (Annotated[Item, "x"], ["id", "name", "seen"]),
        (int, []),
        (list[Item], []),
    ],
    ids=str,
)
def test_the_keys_of_a_model(cast_to: Any, keys: list[str]) -> None:
    assert sorted(model_keys(cast_to)) == keys


def test_pydantic_is_never_imported_here() -> None:
    code = (
        "import sys; from trioclient._codec.decode import answer_decoder\n"
        "answer_decoder(dict[str, int], strict=False).decode(b'[]', 'application/json', max_depth=9)\n"
        "assert not [name for name in sys.modules if name.startswith('pydantic')]"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
