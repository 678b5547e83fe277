"""The body of a request: whole in memory, or streamed.

A body is replayed exactly or not at all. What is in memory can be sent again, and so can what
makes a new iterator each time it is asked, and a file that seeks; an iterator can not. A
streamed body is opened by `pieces`, once for each sending, and its pieces are checked as they
come: a sync iterator is advanced in a worker thread, an async one in trio.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, Union, cast

import msgspec

from .._types import Omit
from .body_pieces import BUFFERS, AsyncPieces, Buffer, Pieces, checked_piece
from .file_source import FileSource, InMemory, PathLike, ReadableFile, file_source, opened_file
from .json_encode import encode_json

__all__ = [
    "NO_BODY",
    "AsyncPieces",
    "Content",
    "Pieces",
    "Progress",
    "RequestBody",
    "StreamedBody",
    "content_body",
    "json_body",
    "laid_over",
    "watched",
]

_BINARY: Final = "application/octet-stream"
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"

ValueT = TypeVar("ValueT")

Content = Union[str, Buffer, Iterable[bytes], AsyncIterable[bytes], ReadableFile, PathLike]
"""What a caller may give as ``content=``."""

Progress = Callable[[int, Union[int, None]], object]
"""Told how many bytes have been handed to the network, and how many there are if that is known."""


def _kind(value: object) -> str:
    return type(value).__name__


class RequestBody:
    """A body in memory, and what the streamed kinds have in common. Not to be changed once made."""

    __slots__ = ("__weakref__", "content", "content_type", "length", "replayable")

    progress: Progress | None = None
    """Who wants to know how far a sending has come; see `watched`."""

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
        return Pieces(InMemory(self.content or b"").chunks())

    def __repr__(self) -> str:
        size = "unknown length" if self.length is None else f"{self.length} bytes"
        return f"<{type(self).__name__} {self.content_type}, {size}>"


NO_BODY: Final = RequestBody(b"", None)


class StreamedBody(RequestBody):
    """A body that comes by `pieces` alone."""

    __slots__ = ()

    def __init__(self, length: int | None, replayable: bool, content_type: str = _BINARY) -> None:
        self.content = None
        self.content_type = content_type
        self.length = length
        self.replayable = replayable


class _Repeated(StreamedBody):
    """Something that makes a new iterator each time it is asked."""

    __slots__ = ("_source",)

    def __init__(self, source: Iterable[object] | AsyncIterable[object], length: int | None = None) -> None:
        super().__init__(length, replayable=True)
        self._source = source

    def pieces(self) -> Pieces | AsyncPieces:
        source = self._source
        return AsyncPieces(source.__aiter__()) if isinstance(source, AsyncIterable) else Pieces(iter(source))


class _OneShot(StreamedBody):
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


class _File(StreamedBody):
    __slots__ = ("_source",)

    def __init__(self, source: FileSource) -> None:
        super().__init__(source.length, source.replayable)
        self._source = source

    def pieces(self) -> Pieces:
        return Pieces(self._source.chunks())


class _Watched(RequestBody):
    """A body, and who wants to know how far it has come."""

    __slots__ = ("_body", "progress")

    def __init__(self, body: RequestBody, progress: Progress) -> None:
        self.content = body.content
        self.content_type = body.content_type
        self.length = body.length
        self.replayable = body.replayable
        self.progress = progress
        self._body = body

    def pieces(self) -> Pieces | AsyncPieces:
        return self._body.pieces()


def content_body(content: Content) -> RequestBody:
    """A body of the caller's own bytes, text, file, path of a file or iterable of bytes.

    Raises TypeError naming ``content`` for anything else, and OSError for a path that cannot be
    opened; what an iterator yields is checked when it is sent.
    """
    if isinstance(content, str):
        return RequestBody(_utf8(content), _TEXT)
    if isinstance(content, BUFFERS):
        return RequestBody(bytes(content), _BINARY)
    if isinstance(content, (list, tuple)):
        parts = [checked_piece(piece) for piece in cast("list[object]", content)]
        return _Repeated(parts, length=sum(map(len, parts)))
    if isinstance(content, AsyncIterable):
        return _async_body(cast("AsyncIterable[object]", content))
    if isinstance(content, PathLike):
        return _file_body(file_source(content, "content"))
    if hasattr(content, "read"):
        return _file_body(opened_file(content, "content"))
    if isinstance(content, Iterable) and not isinstance(content, Mapping):
        return _sync_body(cast("Iterable[object]", content))
    raise TypeError(
        "content must be bytes, str, a binary file, a path or an iterable of bytes,"
        f" not {_kind(cast('object', content))}: give values to be sent as JSON as body="
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


def _file_body(source: FileSource) -> RequestBody:
    return _File(source) if source.replayable else _OneShot(Pieces(source.chunks()))


def watched(body: RequestBody, progress: Progress) -> RequestBody:
    """The same body, of which `progress` is told: at the start of each sending, after each piece
    that was handed to the network, and so at the end.

    It is called where trio runs, and from a worker thread where a blocking ``httpx.Client`` sends
    the body. What it raises propagates as itself. Where there is no body, there is nothing to tell.
    Raises TypeError naming ``options['upload_progress']``.
    """
    kind: Any = type(progress)
    if not callable(progress) or inspect.iscoroutinefunction(progress) or inspect.iscoroutinefunction(kind.__call__):
        raise TypeError(
            f"options['upload_progress'] must be a sync function of the bytes sent and their total, not {progress!r}"
        )
    return body if body is NO_BODY else _Watched(body, progress)


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
    if isinstance(body, BUFFERS):
        raise TypeError(
            f"body must be values to be sent as JSON, not {_kind(cast('object', body))}: give bytes as content="
        )
    if extra_json is None or extra_json == {}:
        return NO_BODY if body is None else RequestBody(encode_json(body, "body", default), _JSON)

    def fields_of(value: object, argument: str) -> dict[str, msgspec.Raw]:
        content = encode_json(value, argument, default)
        if content[:1] != b"{":
            raise TypeError(f"{argument} must be an object for extra_json to be laid over it")
        return _FIELDS_DECODER.decode(content)

    return RequestBody(_FIELDS_ENCODER.encode(laid_over(body, extra_json, fields_of)), _JSON)


def laid_over(
    body: object, extra_json: Mapping[str, object] | None, fields_of: Callable[[object, str], dict[str, ValueT]]
) -> dict[str, ValueT]:
    """The fields of `body` and over them those of `extra_json`, by the names they have on the wire;
    an `omit` there deletes. ``fields_of(value, argument)`` gives the fields of either.
    """
    if extra_json is not None and not isinstance(extra_json, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"extra_json must be a mapping, not {_kind(extra_json)}")
    fields = {} if body is None else fields_of(body, "body")
    for name, value in (extra_json or {}).items():
        if isinstance(value, Omit):
            fields.pop(name, None)
    return {**fields, **fields_of(extra_json, "extra_json")} if extra_json else fields
