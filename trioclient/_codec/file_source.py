"""Files as sources of a body: where each begins, how long it is, whether it can be read again.

What a source announces it keeps. It begins anew where it began; of a file that has grown it
gives the length it announced, and of one that has shrunk nothing more: that is an error, never
a shorter body. A path is opened for each reading and closed with it. A file object is the
caller's: each read seeks to its own place first, so that two readings in turn do not mix, and
one that was moved meanwhile is found out.

Reading may block: it is done where that is allowed, by stepping through `chunks`.
"""

from __future__ import annotations

import inspect
import io
import pathlib
import stat
from collections.abc import Generator
from typing import Any, Final, Protocol, Union, runtime_checkable

from .body_pieces import BUFFERS, Buffer, checked_piece

__all__ = [
    "CHUNK_BYTES",
    "FileContent",
    "FileSource",
    "InMemory",
    "PathLike",
    "ReadableFile",
    "file_source",
    "opened_file",
]

# A step in a worker thread takes as long as the writing of so much; a write timeout bounds each.
CHUNK_BYTES: Final = 131_072


class ReadableFile(Protocol):
    """A file opened in binary mode, or what reads like one."""

    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class PathLike(Protocol):
    """A `pathlib.Path` or another ``os.PathLike``."""

    def __fspath__(self) -> str: ...


FileContent = Union[Buffer, ReadableFile, PathLike]
"""One file: its bytes, itself open in binary mode, or where it lies. Not a str, which could be either."""


class FileSource(Protocol):
    """Where the bytes of one file come from. Not to be changed once made."""

    length: int | None
    """In bytes, from where it begins; None where nobody knows."""
    replayable: bool
    """`chunks` may be asked for again."""

    def chunks(self) -> Generator[bytes, None, None]:
        """Begin at the beginning. To be closed by who leaves it half-way."""
        ...


class InMemory:
    """A copy of the caller's bytes."""

    replayable = True

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.length: int | None = len(content)

    def chunks(self) -> Generator[bytes, None, None]:
        for start in range(0, len(self._content), CHUNK_BYTES):
            yield self._content[start : start + CHUNK_BYTES]


class _AtPath:
    """Opened anew for each reading."""

    def __init__(self, path: pathlib.Path, length: int | None, argument: str) -> None:
        self._path = path
        self._argument = argument
        self.length = length
        # A pipe has no length, and what was taken from it is gone.
        self.replayable = length is not None

    def chunks(self) -> Generator[bytes, None, None]:
        with self._path.open("rb") as file:
            yield from _chunks(file.read, self.length, self._argument)


class _SeekableFile:
    replayable = True

    def __init__(self, file: Any, start: int, argument: str) -> None:
        self._file = file
        self._start = start
        self._argument = argument
        self.length = _length_from(file, start)

    def chunks(self) -> Generator[bytes, None, None]:
        position = self._start

        def read(size: int) -> bytes:
            nonlocal position
            self._file.seek(position)
            chunk = checked_piece(self._file.read(size), self._argument)
            position += len(chunk)
            if self._file.tell() != position:
                raise ValueError(
                    f"{self._argument} was moved while it was sent: give each call an open file of its own, or a path"
                )
            return chunk

        return _chunks(read, self.length, self._argument)


class _Unseekable:
    replayable = False

    def __init__(self, file: Any, argument: str) -> None:
        self.length: int | None = None
        self._file = file
        self._argument = argument

    def chunks(self) -> Generator[bytes, None, None]:
        return _chunks(self._file.read, None, self._argument)


def _chunks(read: Any, length: int | None, argument: str) -> Generator[bytes, None, None]:
    left = length
    while left is None or left > 0:
        chunk = checked_piece(read(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES)), argument)
        if not chunk:
            break
        yield chunk
        if left is not None:
            left -= len(chunk)
    if left:
        raise ValueError(f"{argument} is {left} bytes shorter than it was when the call began")


def file_source(content: FileContent, argument: str) -> FileSource:
    """The source of one file. Looks at a path, so that a missing file is found missing now.

    Raises TypeError naming `argument`, and OSError for what cannot be opened.
    """
    if isinstance(content, BUFFERS):
        return InMemory(bytes(content))
    if isinstance(content, PathLike):
        return _at_path(content, argument)
    if isinstance(content, str):
        raise TypeError(f"{argument} must not be a str: encode it, or give pathlib.Path(...) for the file at a path")
    if hasattr(content, "read"):
        return opened_file(content, argument)
    raise TypeError(
        f"{argument} must be bytes, a file opened in binary mode or a pathlib.Path, not {type(content).__name__}"
    )


def opened_file(file: Any, argument: str) -> FileSource:
    """The source of a file object from where it stands. Raises TypeError naming `argument`."""
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{argument} must be a file opened in binary mode ('rb'), not a text file")
    if inspect.iscoroutinefunction(file.read):
        raise TypeError(f"{argument} must be a blocking file, not an async one: it is read in a worker thread")
    try:
        start = file.tell()
        file.seek(start)
    except (AttributeError, OSError, ValueError):
        return _Unseekable(file, argument)
    return _SeekableFile(file, start, argument)


def _at_path(given: PathLike, argument: str) -> FileSource:
    name = given.__fspath__()
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- some give bytes
        raise TypeError(f"{argument} must be a path of text, not of {type(name).__name__}")
    path = pathlib.Path(name).absolute()
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        return _AtPath(path, None, argument)
    with path.open("rb") as file:
        return _AtPath(path, file.seek(0, io.SEEK_END), argument)


def _length_from(file: Any, start: int) -> int | None:
    # A compressed file seeks, but not from its end.
    try:
        file.seek(0, io.SEEK_END)
        end = file.tell()
    except (OSError, ValueError):
        end = None
    file.seek(start)
    return None if end is None else max(end - start, 0)
