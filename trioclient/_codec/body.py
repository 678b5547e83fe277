"""The body of a request: whole in memory, or streamed.

A body is replayed exactly or not at all. What is in memory can be sent again, and so can what
makes a new iterator each time it is asked, and a file that seeks; an iterator can not. A
streamed body is opened by `pieces`, once for each sending, and its pieces are checked as they
come: a sync iterator is advanced in a worker thread, an async one in trio.
"""

from __future__ import annotations

import io
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, Final, Protocol, Union, cast

import msgspec

from .._types import Omit
from .json_encode import encode_json

__all__ = ["NO_BODY", "AsyncPieces", "Content", "Pieces", "RequestBody", "content_body", "json_body"]

FILE_PIECE_BYTES: Final = 65_536

_BINARY: Final = "application/octet-stream"
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"

Buffer = Union[bytes, bytearray, memoryview]
_BUFFERS: Final = (bytes, bytearray, memoryview)


class ReadableFile(Protocol):
    def read(self, size: int, /) -> bytes: ...


Content = Union[str, Buffer, Iterable[bytes], AsyncIterable[bytes], ReadableFile]
"""What a caller may give as ``content=``."""


class Pieces(Iterator[bytes]):
    """One sending of a streamed body: never an empty piece, which would end a chunked body."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterator[object]) -> None:
        self._pieces = pieces

    def __next__(self) -> bytes:
        while True:
            piece = _checked_piece(next(self._pieces))
            if piece:
                return piece

    def close(self) -> None:
        """Close a generator that was not read to its end: nobody else holds it."""
        pieces: object = self._pieces
        if isinstance(pieces, Generator):
            cast("Generator[object, None, None]", pieces).close()


class AsyncPieces(AsyncIterator[bytes]):
    """The same over an async iterator."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: AsyncIterator[object]) -> None:
        self._pieces = pieces

    async def __anext__(self) -> bytes:
        while True:
            piece = _checked_piece(await self._pieces.__anext__())
            if piece:
                return piece

    async def aclose(self) -> None:
        """Close a generator that was not read to its end: nobody else holds it."""
        pieces: object = self._pieces
        if isinstance(pieces, AsyncGenerator):
            await cast("AsyncGenerator[object, None]", pieces).aclose()


def _kind(value: object) -> str:
    return type(value).__name__


def _checked_piece(piece: object) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(cast("bytearray", piece))
    hint = ": encode it" if isinstance(piece, str) else ""
    raise TypeError(f"content must be made of bytes, but gave {_kind(piece)}{hint}")


class RequestBody:
    """A body in memory, and what the streamed kinds have in common. Not to be changed once made."""

    __slots__ = ("content", "content_type", "length", "replayable")

    content: bytes | None
    """The whole body where it is in memory; None where it is streamed by `pieces`."""
    length: int | None
    """In bytes; None where nobody knows, so that it is sent chunked."""
    content_type: str | None
    """The Content-Type to send where the caller names none."""
    replayable: bool
    """The same bytes can be sent again."""

    def __init__(self, content: bytes, content_type: str | None) -> None:
        self.content = content
        self.content_type = content_type
        self.length = len(content)
        self.replayable = True

    def pieces(self) -> Pieces | AsyncPieces:
        """Open the body for one sending."""
        return Pieces(iter((self.content,)))

    def __repr__(self) -> str:
        size = "unknown length" if self.length is None else f"{self.length} bytes"
        return f"<{type(self).__name__} {self.content_type}, {size}>"


NO_BODY: Final = RequestBody(b"", None)


class _StreamedBody(RequestBody):
    __slots__ = ()

    def __init__(self, length: int | None, replayable: bool) -> None:
        self.content = None
        self.content_type = _BINARY
        self.length = length
        self.replayable = replayable


class _Repeated(_StreamedBody):
    """Something that makes a new iterator each time it is asked."""

    __slots__ = ("_source",)

    def __init__(self, source: Iterable[object] | AsyncIterable[object], length: int | None = None) -> None:
        super().__init__(length, replayable=True)
        self._source = source

    def pieces(self) -> Pieces | AsyncPieces:
        source = self._source
        return AsyncPieces(source.__aiter__()) if isinstance(source, AsyncIterable) else Pieces(iter(source))


class _OneShot(_StreamedBody):
    """An iterator: what it gave once it does not give again."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Pieces | AsyncPieces) -> None:
        super().__init__(length=None, replayable=False)
        self._pieces: Pieces | AsyncPieces | None = pieces

    def pieces(self) -> Pieces | AsyncPieces:
        pieces, self._pieces = self._pieces, None
        if pieces is None:
            raise RuntimeError("content is an iterator that was already sent; give bytes or a list to send it again")
        return pieces


class _SeekableFile(_StreamedBody):
    """A file from where it stood when it was given."""

    __slots__ = ("_file", "_start")

    def __init__(self, file: Any, start: int, length: int | None) -> None:
        super().__init__(length, replayable=True)
        self._file = file
        self._start = start

    def pieces(self) -> Pieces:
        return Pieces(self._read())

    def _read(self) -> Iterator[object]:
        # The seek is a part of the first step, so that it too runs where files may block.
        self._file.seek(self._start)
        yield from _file_pieces(self._file, self.length)


def _file_pieces(file: Any, length: int | None = None) -> Iterator[object]:
    """To the end of the file; of one that grows meanwhile, the `length` that was announced."""
    left = length
    while left is None or left > 0:
        piece = file.read(FILE_PIECE_BYTES if left is None else min(left, FILE_PIECE_BYTES))
        yield piece
        if not piece:
            return
        if left is not None:
            left -= len(piece)


def content_body(content: Content) -> RequestBody:
    """A body of the caller's own bytes, text, file or iterable of bytes.

    Raises TypeError naming ``content`` for anything else; what an iterator yields is checked
    when it is sent.
    """
    if isinstance(content, str):
        return RequestBody(_utf8(content), _TEXT)
    if isinstance(content, _BUFFERS):
        return RequestBody(bytes(content), _BINARY)
    if isinstance(content, (list, tuple)):
        parts = [_checked_piece(piece) for piece in cast("list[object]", content)]
        return _Repeated(parts, length=sum(map(len, parts)))
    if isinstance(content, AsyncIterable):
        return _async_body(cast("AsyncIterable[object]", content))
    if hasattr(content, "read"):
        return _file_body(content)
    if isinstance(content, Iterable) and not isinstance(content, Mapping):
        return _sync_body(cast("Iterable[object]", content))
    raise TypeError(
        f"content must be bytes, str, a binary file or an iterable of bytes, not {_kind(cast('object', content))}:"
        " give values to be sent as JSON as body="
    )


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("content holds a lone surrogate, which has no UTF-8 form") from None


def _sync_body(source: Iterable[object]) -> RequestBody:
    first, second = iter(source), iter(source)
    # One that hands out the same iterator twice would be empty the second time.
    return _OneShot(Pieces(first)) if first is second or first is source else _Repeated(source)


def _async_body(source: AsyncIterable[object]) -> RequestBody:
    first, second = source.__aiter__(), source.__aiter__()
    return _OneShot(AsyncPieces(first)) if first is second or first is source else _Repeated(source)


def _file_body(file: Any) -> RequestBody:
    if isinstance(file, io.TextIOBase):
        raise TypeError("content must be a file opened in binary mode ('rb'), not a text file")
    try:
        start = file.tell()
        file.seek(start)
    except (AttributeError, OSError, ValueError):
        return _OneShot(Pieces(_file_pieces(file)))
    return _SeekableFile(file, start, _length_from(file, start))


def _length_from(file: Any, start: int) -> int | None:
    # A compressed file seeks, but not from its end.
    try:
        end = file.seek(0, io.SEEK_END)
        end = file.tell() if end is None else end
    except (OSError, ValueError):
        end = None
    file.seek(start)
    return None if end is None else max(end - start, 0)


_FIELDS_ENCODER: Final = msgspec.json.Encoder()
_FIELDS_DECODER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def json_body(
    body: object,
    extra_json: Mapping[str, object] | None = None,
    *,
    default: Callable[[object], object] | None = None,
) -> RequestBody:
    """A JSON body of anything msgspec encodes, pydantic models, mappings, and what `default` turns
    into those (like `json.dumps`, it is asked last and raises TypeError for what it does not know).

    The fields of `extra_json` are laid over the body, which must be an object or None. `omit` and
    `NOT_GIVEN` values of mappings and fields are left out; in `extra_json`, `omit` deletes.
    Raises TypeError or ValueError naming the place, as ``body.items[0].price``; what `default`
    raises passes through, its TypeError too.
    """
    if isinstance(body, _BUFFERS):
        raise TypeError(
            f"body must be values to be sent as JSON, not {_kind(cast('object', body))}: give bytes as content="
        )
    if extra_json is not None and not isinstance(extra_json, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"extra_json must be a mapping, not {_kind(extra_json)}")
    if not extra_json:
        return NO_BODY if body is None else RequestBody(encode_json(body, "body", default), _JSON)
    fields = {} if body is None else _as_fields(encode_json(body, "body", default), "body")
    for name, value in extra_json.items():
        if isinstance(value, Omit):
            fields.pop(name, None)
    fields.update(_as_fields(encode_json(extra_json, "extra_json", default), "extra_json"))
    return RequestBody(_FIELDS_ENCODER.encode(fields), _JSON)


def _as_fields(content: bytes, argument: str) -> dict[str, msgspec.Raw]:
    # Laid over each other by the names they have on the wire, whatever type they came from.
    if content[:1] != b"{":
        raise TypeError(f"{argument} must be an object for extra_json to be laid over it")
    return _FIELDS_DECODER.decode(content)
