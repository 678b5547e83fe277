"""A form with files: multipart/form-data (RFC 7578), as httpx encodes it.

httpx writes the parts, escapes names and file names, guesses content types and adds up the
length. What is left to do here is to check what it is given, before anything is sent, and to give
it files that begin where they began, however often the form is sent. A form that holds a file
which cannot be rewound can be sent once, chunked.

A form of small parts in memory is encoded at once. Any other is encoded anew for each sending, its
parts read one after another, always with the same boundary, so that the same bytes come out.
"""

from __future__ import annotations

import io
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, Union, cast

import httpx

from .._types import Headers, NotGiven, Omit
from .body import RequestBody, StreamedBody, laid_over
from .body_pieces import Pieces
from .file_source import CHUNK_BYTES, FileContent, FileSource, InMemory, PathLike, file_source
from .headers import MergedHeaders
from .json_encode import plain_values
from .query import ArrayStyle, form_fields

__all__ = ["FileTypes", "Files", "multipart_body"]

FileTypes = Union[
    FileContent,
    tuple[Union[str, None], FileContent],
    tuple[Union[str, None], FileContent, Union[str, None]],
    tuple[Union[str, None], FileContent, Union[str, None], Mapping[str, str]],
]
"""One file of a form: its content, or ``(filename, content)``, then its content type, then headers."""

Files = Union[Mapping[str, FileTypes], Sequence[tuple[str, FileTypes]]]
"""What a caller may give as ``files=``: by field name, or in pairs where a name comes twice."""

MOST_IN_MEMORY: Final = 1_048_576
"""Bytes of a form that is encoded at once."""

_BOUNDARY: Final = r"[0-9A-Za-z'()+_,\-./:=?]{1,70}"
_TOKEN: Final = r"[0-9A-Za-z'+_\-.]+"


class _Part(NamedTuple):
    name: str
    filename: str | None
    source: FileSource
    content_type: str | None = None
    headers: Mapping[str, str] = {}


def multipart_body(
    body: object,
    files: Files,
    *,
    boundary: str,
    array_style: ArrayStyle = "brackets",
    extra_json: Mapping[str, object] | None = None,
    default: Callable[[object], object] | None = None,
) -> RequestBody:
    """A form of the fields of `body` and, after them, of `files`.

    Args:
        body: anything that JSON would write as an object. Its fields are text: nested ones are
            named ``a[b]``, lists follow `array_style`, ``None`` is left out.
        files: see `FileTypes`. A file without a name is called as it is where it lies, or "upload";
            a name of ``None`` sends none. `omit` and `NOT_GIVEN` leave a file out.
        boundary: stands between the parts, and must not be in them: 16 random bytes will do.
        array_style: as in queries.
        extra_json: laid over the fields of `body`.
        default: see `json_body`.

    An open file is sent from where it stands, and is the caller's to close. A path is opened when
    it is sent; it must be there already. Raises TypeError or ValueError naming the place, as
    ``files['photo']``, and OSError for a path that cannot be opened.
    """
    if not re.fullmatch(_BOUNDARY, boundary):
        raise ValueError("the boundary of a form must be 1 to 70 letters, digits and '()+_,-./:=?")

    def fields_of(value: object, argument: str) -> dict[str, list[tuple[str, str]]]:
        fields = plain_values(value, argument, default)
        if not isinstance(fields, dict):
            raise TypeError(f"{argument} must be a mapping or another object with fields, not {type(value).__name__}")
        named = cast("dict[str, object]", fields)
        return {name: form_fields(name, field, array_style, argument) for name, field in named.items()}

    parts = [_field(name, text) for fields in laid_over(body, extra_json, fields_of).values() for name, text in fields]
    return _encoded([*parts, *_file_parts(files)], boundary)


def _field(name: str, text: str) -> _Part:
    return _Part(name, None, InMemory(text.encode("utf-8")))


def _file_parts(files: Files) -> Iterator[_Part]:
    for name, file in _pairs(files):
        if not isinstance(file, (Omit, NotGiven)):
            argument = f"files[{name!r}]"
            yield _file_part(_checked_text(name, "a name in files"), file, argument)


def _pairs(files: object) -> Iterator[tuple[object, object]]:
    if isinstance(files, Mapping):
        yield from cast("Mapping[object, object]", files).items()
        return
    if not isinstance(files, (list, tuple)):
        raise TypeError(f"files must be a mapping, or a list of (name, file) pairs, not {type(files).__name__}")
    for index, pair in enumerate(cast("list[object]", files)):
        if not isinstance(pair, tuple) or len(cast("tuple[object, ...]", pair)) != 2:
            raise TypeError(f"files[{index}] must be a (name, file) pair")
        yield cast("tuple[object, object]", pair)


def _file_part(name: str, file: object, argument: str) -> _Part:
    if isinstance(file, list):
        raise TypeError(f"{argument} must be one file: give files as (name, file) pairs for several of one name")
    if not isinstance(file, tuple):
        return _Part(name, _own_name(file), file_source(cast("FileContent", file), argument))
    given = cast("tuple[Any, ...]", file)
    if not 2 <= len(given) <= 4:
        raise TypeError(f"{argument} must be (filename, content), then content type and headers, if any")
    filename, content = given[:2]
    content_type, headers = (*given[2:], None, None)[:2]
    return _Part(
        name,
        None if filename is None else _checked_text(filename, f"the filename of {argument}"),
        file_source(content, argument),
        *_checked_headers(content_type, headers, argument),
    )


def _checked_text(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds a lone surrogate, which has no UTF-8 form") from None
    return str(text)


def _own_name(file: Any) -> str:
    name: object = file.__fspath__() if isinstance(file, PathLike) else getattr(file, "name", None)
    # Of a temporary file it is a number.
    base = pathlib.PurePath(name).name if isinstance(name, str) else ""
    return base.encode("utf-8", "replace").decode() or "upload"


def _checked_headers(
    content_type: str | None, headers: Headers | None, argument: str
) -> tuple[str | None, dict[str, str]]:
    if headers is not None and not isinstance(headers, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"the headers of {argument} must be a mapping, not {type(headers).__name__}")
    try:
        MergedHeaders.of({"Content-Type": content_type} if content_type is not None else None)
        merged = MergedHeaders.of(headers)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{argument}: {error}") from None
    if merged.mentions("Content-Disposition"):
        raise ValueError(f"{argument}: header 'Content-Disposition' cannot be set: it holds the names of the part")
    return content_type, {name.decode("ascii"): value.decode("latin-1") for name, value in merged.lines}


def _encoded(parts: list[_Part], boundary: str) -> RequestBody:
    content_type = "multipart/form-data; boundary=" + (boundary if re.fullmatch(_TOKEN, boundary) else f'"{boundary}"')
    if not parts:
        return RequestBody(b"--%s--\r\n" % boundary.encode("ascii"), content_type)
    form = _Form(parts, content_type)
    if (
        form.length is not None
        and form.length <= MOST_IN_MEMORY
        and all(isinstance(part.source, InMemory) for part in parts)
    ):
        return RequestBody(b"".join(form.pieces()), content_type)
    return form


class _Form(StreamedBody):
    """Encoded as it is sent."""

    __slots__ = ("_parts", "_sent")

    def __init__(self, parts: list[_Part], content_type: str) -> None:
        length = _encoder(parts, _readers(parts), content_type).headers.get("Content-Length")
        super().__init__(
            None if length is None else int(length),
            replayable=all(part.source.replayable for part in parts),
            content_type=content_type,
        )
        self._parts = parts
        self._sent = False

    def pieces(self) -> Pieces:
        if self._sent and not self.replayable:
            raise RuntimeError("files hold one that cannot be rewound and was already sent")
        self._sent = True
        return Pieces(self._read())

    def _read(self) -> Iterator[bytes]:
        assert self.content_type is not None
        readers = _readers(self._parts)
        # What is open when a sending is left half-way is closed with it.
        with ExitStack() as stack:
            for reader in readers:
                stack.callback(reader.close)
            encoder = _encoder(self._parts, readers, self.content_type)
            yield from _joined(cast("httpx.SyncByteStream", encoder.stream))


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A part has small pieces around its content: each alone would cost a write of its own."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    yield b"".join(waiting)


def _encoder(parts: list[_Part], readers: list[_Reader], content_type: str) -> httpx.Request:
    """A request whose stream is the encoded form; it goes nowhere."""
    files: Any = [
        # httpx changes the headers it is given.
        (part.name, (part.filename, reader, part.content_type, dict(part.headers)))
        for part, reader in zip(parts, readers, strict=True)
    ]
    return httpx.Request("POST", "http://form", files=files, headers={"Content-Type": content_type})


def _readers(parts: list[_Part]) -> list[_Reader]:
    lengths = [(part.source, part.source.length) for part in parts]
    return [_Reader(source) if length is None else _MeasuredReader(source, length) for source, length in lengths]


class _Reader:
    """A source as the file that httpx's encoder reads once, from its beginning to its end."""

    def __init__(self, source: FileSource) -> None:
        self._chunks = source.chunks()
        self.close = self._chunks.close

    def read(self, size: int) -> bytes:
        return next(self._chunks, b"")


class _MeasuredReader(_Reader):
    """One whose length is known: the encoder seeks to its end and back to find out."""

    def __init__(self, source: FileSource, length: int) -> None:
        super().__init__(source)
        self._length = length

    def tell(self) -> int:
        return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._length if whence == io.SEEK_END else offset
