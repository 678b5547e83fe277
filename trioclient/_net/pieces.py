"""A request body as one async iterator, however it was given.

Bytes come in slices. A sync iterator is advanced in a worker thread, since it may block on a
disk or a lock, with a limiter of its own so that uploads and the program's other thread work do
not wait for one another. An iterator whose length was announced must give exactly that much.

What the caller's own iterator raises propagates as itself.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from .._codec.body import RequestBody

__all__ = ["SLICE_BYTES", "PieceIterator", "aiter_pieces", "slices"]

SLICE_BYTES: Final = 65_536
_THREADS: Final = 40
_CLOSE_SECONDS: Final = 1.0


def aiter_pieces(body: RequestBody) -> PieceIterator:
    """The body from its start; `PieceIterator.aclose` when done with it, whole or not."""
    if body.content is not None:
        return PieceIterator(_Ready(slices(body.content)), None)
    pieces = body.pieces()
    return PieceIterator(pieces if isinstance(pieces, AsyncIterator) else _Threaded(pieces), body.length)


def slices(content: bytes) -> Iterator[bytes]:
    """Pieces of at most `SLICE_BYTES`, so that progress shows while a large body is written."""
    for start in range(0, len(content), SLICE_BYTES):
        yield content[start : start + SLICE_BYTES]


class PieceIterator:
    """Gives bytes, none of them empty; counts them against the announced `length`.

    Not a generator: leaving one half-way needs care that httpx does not take.
    """

    __slots__ = ("_length", "_source", "error", "given")

    def __init__(self, source: AsyncIterator[bytes], length: int | None) -> None:
        self._source = source
        self._length = length
        self.given = 0
        """Bytes so far."""
        self.error: BaseException | None = None
        """What ended it before its time: the caller's own, not to be taken for the network's."""

    def __aiter__(self) -> PieceIterator:
        return self

    async def __anext__(self) -> bytes:
        try:
            while True:
                piece = await self._source.__anext__()
                self._count(piece)
                if piece:
                    return piece
        except StopAsyncIteration:
            if self._length is not None and self.given < self._length:
                self.error = ValueError(f"content gave {self.given} bytes but announced {self._length}")
                raise self.error from None
            raise
        except BaseException as error:
            self.error = error
            raise

    async def aclose(self) -> None:
        """Close a generator that was not run to its end. Does not wait long."""
        if inspect.isasyncgen(self._source):
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
                await self._source.aclose()

    def _count(self, piece: bytes) -> None:
        if not isinstance(piece, (bytes, bytearray)):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
            raise TypeError(f"content must give bytes, not {type(piece).__name__}")
        self.given += len(piece)
        if self._length is not None and self.given > self._length:
            raise ValueError(f"content is longer than the {self._length} bytes it announced")


class _Ready:
    """A sync iterator that never blocks, as an async one."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> _Ready:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            raise StopAsyncIteration from None


class _End:
    """The type of `_END`: no piece can be taken for it."""


_END: Final = _End()


class _Threaded:
    """A sync iterator that may block. Cancelled, it leaves the thread to finish its step."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> _Threaded:
        return self

    async def __anext__(self) -> bytes:
        piece = await trio.to_thread.run_sync(
            next, self._pieces, _END, abandon_on_cancel=True, limiter=_piece_limiter()
        )
        if isinstance(piece, _End):
            raise StopAsyncIteration
        return piece


_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("trioclient_piece_limiter")


def _piece_limiter() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(_THREADS)
        _limiter.set(limiter)
        return limiter
