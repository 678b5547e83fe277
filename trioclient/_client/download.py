"""A body into a file, which is there when it is whole and not before.

It is written under another name beside it, and renamed at the end. Whatever ends it earlier
leaves nothing behind, and a file that was there before as it was.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import IO, Final, TypeVar

import trio

from .._net.thread_limit import ThreadLimit

__all__ = ["Progress", "save", "write_whole"]

_T = TypeVar("_T")

Progress = Callable[[int, "int | None"], object]
"""Called with the bytes so far and their number in all, None where nobody knows; awaited if it is async."""

_WRITES: Final = ThreadLimit("writes of answers to files", 40)
_BATCH_BYTES: Final = 1_048_576
_FREE_NAME_TRIES: Final = 100


async def save(
    chunks: AsyncIterator[bytes], file: str | os.PathLike[str], *, size: int | None, progress: Progress | None
) -> None:
    """Write the chunks to `file`. Raises OSError, and what `chunks` and `progress` raise."""
    unfinished = await _in_thread(_UnfinishedFile, file)
    try:
        await _fill(unfinished, chunks, size, progress)
        await _in_thread(unfinished.finish)
    except BaseException:
        with trio.CancelScope(shield=True):
            await _in_thread(unfinished.discard)
        raise


def write_whole(chunks: Iterable[bytes], file: str | os.PathLike[str]) -> None:
    """The same with what is in memory, in this thread."""
    unfinished = _UnfinishedFile(file)
    try:
        for chunk in chunks:
            unfinished.write(chunk)
        unfinished.finish()
    except BaseException:
        unfinished.discard()
        raise


async def _fill(
    unfinished: _UnfinishedFile, chunks: AsyncIterator[bytes], size: int | None, progress: Progress | None
) -> None:
    batch: list[bytes] = []
    waiting = written = 0
    async for chunk in chunks:
        batch.append(chunk)
        waiting += len(chunk)
        if waiting >= _BATCH_BYTES:
            await _in_thread(unfinished.write, b"".join(batch))
            batch.clear()
            written += waiting
            waiting = 0
        if progress is not None:
            told = progress(written + waiting, size)
            if isinstance(told, Awaitable):
                await told
    await _in_thread(unfinished.write, b"".join(batch))


async def _in_thread(fn: Callable[..., _T], *args: object) -> _T:
    # Not left behind when cancelled: what it opens must be closed, what it writes be in order.
    return await trio.to_thread.run_sync(fn, *args, limiter=_WRITES.limiter())


class _UnfinishedFile:
    def __init__(self, file: str | os.PathLike[str]) -> None:
        # Where it is a link, what it leads to is replaced and not the link.
        self._path = os.path.realpath(file)
        if os.path.isdir(self._path):
            raise IsADirectoryError(f"file must be the path of a file: {self._path!r} is a directory")
        if os.path.exists(self._path) and not os.path.isfile(self._path):
            # A device or a pipe: renaming would put a file in its place.
            raise OSError(f"file must be the path of a regular file: {self._path!r} is none")
        self._unfinished, self._handle = _open_beside(self._path)

    def write(self, data: bytes) -> None:
        self._handle.write(data)

    def finish(self) -> None:
        self._handle.close()
        os.replace(self._unfinished, self._path)

    def discard(self) -> None:
        """Leave nothing behind. After `finish` there is nothing."""
        with contextlib.suppress(OSError):  # the disk is full, and now the rest of it does not fit either
            self._handle.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._unfinished)


def _open_beside(path: str) -> tuple[str, IO[bytes]]:
    folder, name = os.path.split(path)
    for _ in range(_FREE_NAME_TRIES):
        # Names have a length limit; the start of this one tells whose it is.
        unfinished = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(4)}.part")
        try:
            return unfinished, open(unfinished, "xb")
        except FileExistsError:
            continue
    raise FileExistsError(f"no free name for an unfinished file beside {path!r}")
