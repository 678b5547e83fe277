from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import gzip
import io
import json
import pathlib
import tempfile
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import msgspec
import pydantic
import pytest
import trio

from trioclient._codec.body import (
    NO_BODY,
    AsyncPieces,
    Pieces,
    RequestBody,
    content_body,
    json_body,
    laid_over,
    watched,
)
from trioclient._types import NOT_GIVEN, omit


def sent(body: RequestBody) -> bytes:
    """What one sending of a sync body puts on the wire."""
    pieces = body.pieces()
    assert isinstance(pieces, Pieces)
    return b"".join(pieces)


async def asent(body: RequestBody) -> bytes:
    pieces = body.pieces()
    assert isinstance(pieces, AsyncPieces)
    async with contextlib.aclosing(pieces):
        return b"".join([piece async for piece in pieces])


def numbered(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield b"%d" % number


async def anumbered(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield b"%d" % number


class Numbers:
    """Makes a new iterator each time."""

    def __iter__(self) -> Iterator[bytes]:
        return numbered(3)


class AsyncNumbers:
    def __aiter__(self) -> AsyncIterator[bytes]:
        return anumbered(3)


# In memory


@pytest.mark.parametrize(
    ("content", "data", "content_type"),
    [
        (b"abc", b"abc", "application/octet-stream"),
        (b"", b"", "application/octet-stream"),
        (bytearray(b"abc"), b"abc", "application/octet-stream"),
        (memoryview(b"abcdef")[::2], b"ace", "application/octet-stream"),
        ("é", b"\xc3\xa9", "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
    ],
)
def test_content_in_memory(content: Any, data: bytes, content_type: str) -> None:
    body = content_body(content)
    assert body.content == data
    assert type(body.content) is bytes
    assert body.length == len(data)
    assert body.content_type == content_type
    assert body.replayable
    assert sent(body) == sent(body) == data


def test_content_is_copied() -> None:
    content = bytearray(b"abc")
    body = content_body(content)
    content[0] = 0
    assert body.content == b"abc"


def test_what_is_in_memory_can_come_in_pieces() -> None:
    body = content_body(b"x" * 200_000)
    assert [len(piece) for piece in body.pieces()] == [131_072, 68_928]  # type: ignore[union-attr]


def test_no_body() -> None:
    assert (NO_BODY.content, NO_BODY.length, NO_BODY.content_type, NO_BODY.replayable) == (b"", 0, None, True)
    assert list(NO_BODY.pieces()) == []  # type: ignore[arg-type]


# Streamed


def test_a_list_of_bytes_has_a_length() -> None:
    parts = [b"ab", bytearray(b"c"), b"", memoryview(b"d")]
    body = content_body(parts)  # type: ignore[arg-type]
    parts.append(b"more")
    assert (body.content, body.length, body.replayable) == (None, 4, True)
    assert list(body.pieces()) == [b"ab", b"c", b"d"]  # type: ignore[arg-type]
    assert sent(body) == b"abcd"


def test_a_sync_iterable_can_be_sent_again() -> None:
    body = content_body(Numbers())
    assert (body.content, body.length, body.content_type) == (None, None, "application/octet-stream")
    assert body.replayable
    assert sent(body) == sent(body) == b"012"


async def test_an_async_iterable_can_be_sent_again() -> None:
    body = content_body(AsyncNumbers())
    assert (body.content, body.length, body.content_type) == (None, None, "application/octet-stream")
    assert body.replayable
    assert await asent(body) == await asent(body) == b"012"


@pytest.mark.parametrize("make", [lambda: numbered(3), lambda: iter([b"0", b"1", b"2"]), lambda: map(bytes, [b"012"])])
def test_a_sync_iterator_is_sent_once(make: Any) -> None:
    body = content_body(make())
    assert (body.content, body.length, body.replayable) == (None, None, False)
    assert sent(body) == b"012"
    with pytest.raises(
        RuntimeError, match=r"^content is an iterator that was already sent; give bytes or a list to send it again$"
    ):
        body.pieces()


async def test_an_async_iterator_is_sent_once() -> None:
    body = content_body(anumbered(3))
    assert (body.content, body.length, body.replayable) == (None, None, False)
    assert await asent(body) == b"012"
    with pytest.raises(RuntimeError, match="content is an iterator that was already sent"):
        body.pieces()


def test_opened_is_sent_even_if_nothing_was_read() -> None:
    body = content_body(numbered(3))
    body.pieces()
    with pytest.raises(RuntimeError, match="already sent"):
        body.pieces()


async def test_an_iterable_that_hands_out_one_iterator_is_sent_once() -> None:
    class Wrapped:
        def __init__(self) -> None:
            self.pieces = numbered(3)
            self.apieces = anumbered(3)

    class Sync(Wrapped):
        def __iter__(self) -> Iterator[bytes]:
            return self.pieces

    class Async(Wrapped):
        def __aiter__(self) -> AsyncIterator[bytes]:
            return self.apieces

    for body in (content_body(Sync()), content_body(Async())):
        assert not body.replayable
        body.pieces()
        with pytest.raises(RuntimeError, match="already sent"):
            body.pieces()


async def test_a_memory_channel_is_a_body() -> None:
    sender, receiver = trio.open_memory_channel[bytes](5)
    async with sender:
        await sender.send(b"a")
        await sender.send(b"b")
    assert await asent(content_body(receiver)) == b"ab"


@pytest.mark.parametrize(
    ("piece", "kind"), [("text", "str: encode it"), (1, "int"), (None, "NoneType"), ([b"x"], "list")]
)
async def test_pieces_that_are_not_bytes(piece: Any, kind: str) -> None:
    async def agive() -> AsyncIterator[Any]:
        yield b"ok"
        yield piece

    with pytest.raises(TypeError, match=f"^content must be made of bytes, but gave {kind}$"):
        sent(content_body(iter([b"ok", piece])))
    with pytest.raises(TypeError, match=f"^content must be made of bytes, but gave {kind}$"):
        await asent(content_body(agive()))
    with pytest.raises(TypeError, match=f"^content must be made of bytes, but gave {kind}$"):
        content_body([b"ok", piece])


async def test_empty_pieces_are_left_out() -> None:
    async def agive() -> AsyncIterator[bytes]:
        for piece in (b"", b"a", b"", b"", b"b", b""):
            yield piece

    assert list(content_body(iter([b"", b"a", b"", b"b", b""])).pieces()) == [b"a", b"b"]  # type: ignore[arg-type]
    pieces = content_body(agive()).pieces()
    assert isinstance(pieces, AsyncPieces)
    assert [piece async for piece in pieces] == [b"a", b"b"]


async def test_closing_a_sending_closes_a_generator() -> None:
    closed: list[str] = []

    def give() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append("sync")

    async def agive() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append("async")

    pieces = content_body(give()).pieces()
    assert isinstance(pieces, Pieces)
    assert next(pieces) == b"a"
    pieces.close()
    apieces = content_body(agive()).pieces()
    assert isinstance(apieces, AsyncPieces)
    assert await apieces.__anext__() == b"a"
    await apieces.aclose()
    assert closed == ["sync", "async"]


async def test_closing_leaves_other_iterators_alone() -> None:
    sender, receiver = trio.open_memory_channel[bytes](5)
    async with sender, receiver:
        await sender.send(b"a")
        pieces = content_body(receiver).pieces()
        assert isinstance(pieces, AsyncPieces)
        await pieces.aclose()
        assert await receiver.receive() == b"a"
    pieces_of_list = content_body([b"a"]).pieces()
    assert isinstance(pieces_of_list, Pieces)
    pieces_of_list.close()


async def test_a_body_never_opened_leaves_no_warning() -> None:
    content_body(AsyncNumbers())
    content_body(anumbered(3))
    gc.collect()


async def test_a_sending_broken_off_and_closed_leaves_no_warning() -> None:
    body = content_body(AsyncNumbers())
    for _ in range(2):
        pieces = body.pieces()
        assert isinstance(pieces, AsyncPieces)
        assert await pieces.__anext__() == b"0"
        await pieces.aclose()
        del pieces
        gc.collect()


# Files


def test_a_file_is_sent_from_where_it_stood() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 200_000)
        file.seek(10)
        body = content_body(file)
        assert (body.content, body.length, body.replayable) == (None, 199_990, True)
        assert body.content_type == "application/octet-stream"
        assert file.tell() == 10
        assert [len(piece) for piece in body.pieces()] == [131_072, 68_918]  # type: ignore[union-attr]
        assert sent(body) == b"x" * 199_990


def test_a_file_that_grows_keeps_to_its_length() -> None:
    file = io.BytesIO(b"abc")
    body = content_body(file)
    file.seek(0, io.SEEK_END)
    file.write(b"more")
    assert sent(body) == b"abc"


def test_a_file_that_shrinks_is_no_shorter_body() -> None:
    file = io.BytesIO(b"abcdef")
    body = content_body(file)
    file.truncate(2)
    with pytest.raises(ValueError, match="content is 4 bytes shorter than it was when the call began"):
        sent(body)


def test_a_file_at_its_end_is_empty() -> None:
    file = io.BytesIO(b"abc")
    file.seek(10)
    body = content_body(file)
    assert body.length == 0
    assert sent(body) == b""


def test_a_compressed_file_can_be_sent_again() -> None:
    with gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"abcdef"))) as file:
        file.read(2)
        body = content_body(file)
        assert body.replayable
        assert body.length in (None, 4)
        assert sent(body) == sent(body) == b"cdef"


def test_a_pipe_is_sent_once() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.left = [b"ab", b"c"]

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    body = content_body(Pipe())
    assert (body.length, body.replayable) == (None, False)
    assert sent(body) == b"abc"
    with pytest.raises(RuntimeError, match="already sent"):
        body.pieces()


def test_anything_with_read_is_a_file() -> None:
    class Minimal:
        def __init__(self) -> None:
            self.left = [b"ab", b"c"]

        def read(self, size: int) -> bytes:
            return self.left.pop(0) if self.left else b""

    assert sent(content_body(Minimal())) == b"abc"


def test_a_path_is_its_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 70_000)
    body = content_body(path)
    assert (body.content, body.length, body.replayable) == (None, 70_000, True)
    assert sent(body) == sent(body) == b"x" * 70_000
    path.write_bytes(b"x" * 69_996)
    with pytest.raises(ValueError, match=r"^content is 4 bytes shorter"):
        sent(body)
    with pytest.raises(FileNotFoundError):
        content_body(tmp_path / "nothing")


def test_text_files_are_refused() -> None:
    with pytest.raises(TypeError, match="binary mode"):
        content_body(io.StringIO("abc"))  # type: ignore[arg-type]

    class Text:
        def read(self, size: int) -> str:
            return "abc"

    with pytest.raises(TypeError, match="but gave str: encode it"):
        sent(content_body(Text()))  # type: ignore[arg-type]


def test_a_read_that_would_block_is_not_the_end() -> None:
    class NonBlocking:
        def read(self, size: int) -> None:
            return None

    with pytest.raises(TypeError, match="but gave NoneType"):
        sent(content_body(NonBlocking()))  # type: ignore[arg-type]


# Refused


@pytest.mark.parametrize("content", [{"a": 1}, types.MappingProxyType({}), None, 5, 1.5, object(), object])
def test_content_of_another_type(content: Any) -> None:
    with pytest.raises(TypeError, match=f"content must be .*, not {type(content).__name__}.*body="):
        content_body(content)


def test_text_with_a_lone_surrogate() -> None:
    with pytest.raises(ValueError, match=r"^content holds a lone surrogate, which has no UTF-8 form$"):
        content_body("\ud800")


def test_repr_shows_no_content() -> None:
    assert repr(content_body("s3cret")) == "<RequestBody text/plain; charset=utf-8, 6 bytes>"
    assert repr(content_body(numbered(1))) == "<_OneShot application/octet-stream, unknown length>"


# JSON


class Model(msgspec.Struct, rename="camel"):
    first_name: str
    age: int = 1


@dataclasses.dataclass
class Data:
    first_name: str


@attrs.define
class Attributes:
    first_name: str


class Pydantic(pydantic.BaseModel):
    first_name: str = pydantic.Field(alias="firstName")
    unset: int = 5


@pytest.mark.parametrize("body", [{"a": 1}, [1, 2], "text", 5, True, 1.5, {}, []])
def test_json(body: object) -> None:
    encoded = json_body(body)
    assert encoded.content is not None
    assert json.loads(encoded.content) == body
    assert encoded.content_type == "application/json"
    assert encoded.length == len(encoded.content)
    assert encoded.replayable


@pytest.mark.parametrize(
    ("body", "extra", "expected"),
    [
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 1, "b": 3, "c": 4}),
        ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"y": 2}}),
        ({"a": 1, "b": 2}, {"a": omit}, {"b": 2}),
        ({"a": 1}, {"b": omit}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": NOT_GIVEN, "z": {"y": omit, "x": 1}}, {"a": 1, "b": 2, "z": {"x": 1}}),
        ({"a": omit}, {"b": None}, {"b": None}),
        (types.MappingProxyType({"a": 1}), types.MappingProxyType({"b": 2}), {"a": 1, "b": 2}),
        (Model("x"), {"age": 2}, {"firstName": "x", "age": 2}),
        (Model("x"), {"firstName": omit}, {"age": 1}),
        (Data("x"), {"b": 1}, {"first_name": "x", "b": 1}),
        (Attributes("x"), {"b": 1}, {"first_name": "x", "b": 1}),
        (Pydantic(firstName="x"), {"b": 1}, {"firstName": "x", "b": 1}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, None, {"a": 1}),
    ],
)
def test_extra_json(body: object, extra: Any, expected: object) -> None:
    encoded = json_body(body, extra)
    assert encoded.content is not None
    assert json.loads(encoded.content) == expected
    assert encoded.content_type == "application/json"


@pytest.mark.parametrize("extra", [None, {}])
def test_nothing_is_no_body(extra: Any) -> None:
    assert json_body(None, extra) is NO_BODY


@pytest.mark.parametrize("body", [[1], "a", 5, [{"a": 1}], True])
def test_extra_json_needs_an_object(body: object) -> None:
    with pytest.raises(TypeError, match="body must be an object for extra_json"):
        json_body(body, {"a": 1})


@pytest.mark.parametrize("extra", [[1], "a", 5])
def test_extra_json_is_a_mapping(extra: Any) -> None:
    with pytest.raises(TypeError, match=f"^extra_json must be a mapping, not {type(extra).__name__}$"):
        json_body({}, extra)


@pytest.mark.parametrize(
    ("body", "extra", "asked"),
    [
        (None, None, []),
        (None, {}, []),
        ("b", None, ["body"]),
        ("b", {}, ["body"]),
        ("b", {"a": 1}, ["body", "extra_json"]),
    ],
)
def test_only_what_is_given_is_asked_for_its_fields(body: object, extra: Any, asked: list[str]) -> None:
    arguments: list[str] = []

    def fields_of(value: object, argument: str) -> dict[str, object]:
        arguments.append(argument)
        return {argument: value}

    fields = laid_over(body, extra, fields_of)
    assert arguments == list(fields) == asked


def test_a_fault_is_named_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"^body\.a\[0\] is nan"):
        json_body({"a": [float("nan")]})
    with pytest.raises(ValueError, match=r"^body\.a\[0\] is nan"):
        json_body({"a": [float("nan")]}, {"b": 1})
    with pytest.raises(ValueError, match=r"^extra_json\.a\[0\] is nan"):
        json_body({}, {"a": [float("nan")]})


@pytest.mark.parametrize("body", [b"x", bytearray(b"x"), memoryview(b"x")])
def test_bytes_are_not_json(body: object) -> None:
    with pytest.raises(TypeError, match=f"not {type(body).__name__}: give bytes as content="):
        json_body(body)


def test_default_is_asked() -> None:
    assert json_body({"a": 1j}, default=str).content == b'{"a":"1j"}'
    assert json_body({"a": 1j}, {"b": 2j}, default=str).content == b'{"a":"1j","b":"2j"}'


# Watched


def note(sent: int, total: int | None) -> None:
    pass


@pytest.mark.parametrize("content", [b"abc", b"", [b"a", b"bc"], io.BytesIO(b"abc"), Numbers()], ids=type)
def test_a_watched_body_is_the_same_body(content: Any) -> None:
    plain = content_body(content)
    body = watched(plain, note)
    for name in ("content", "content_type", "length", "replayable"):
        assert getattr(body, name) == getattr(plain, name)
    assert (plain.progress, body.progress) == (None, note)
    assert sent(body) == sent(body) == sent(plain)


def test_a_watched_iterator_is_sent_once() -> None:
    body = watched(content_body(numbered(3)), note)
    assert not body.replayable
    assert sent(body) == b"012"
    with pytest.raises(RuntimeError, match="already sent"):
        body.pieces()


def test_nothing_is_not_watched() -> None:
    assert watched(NO_BODY, note) is NO_BODY


class Progress:
    def __call__(self, sent: int, total: int | None) -> None:
        pass

    def told(self, sent: int, total: int | None) -> None:
        pass

    async def atold(self, sent: int, total: int | None) -> None:
        pass


class AsyncProgress:
    async def __call__(self, sent: int, total: int | None) -> None:
        pass


@pytest.mark.parametrize(
    "progress", [note, Progress(), Progress().told, functools.partial(note, 1), print, lambda *_: 0]
)
def test_who_can_be_told(progress: Any) -> None:
    assert watched(content_body(b"x"), progress).progress is progress


@pytest.mark.parametrize(
    "progress", [None, 5, "note", AsyncProgress(), Progress().atold, functools.partial(Progress().atold)]
)
def test_who_cannot_be_told(progress: Any) -> None:
    with pytest.raises(TypeError, match=r"options\['upload_progress'\] must be a sync function"):
        watched(content_body(b"x"), progress)
