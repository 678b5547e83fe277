"""A request body as one async iterator, however it was given.

Bytes come in slices, so that progress shows while a large body is written. A sync iterator is
advanced in a worker thread, since it may block on a disk or a lock, with a limiter of its own so
that uploads and the program's other thread work do not wait for one another. An iterator whose
length was announced must give exactly that much.

What the caller's own iterator raises propagates as itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Protocol

import trio

from .._codec.body import AsyncPieces
from .thread_limit import ThreadLimit

if TYPE_CHECKING:
    from .._codec.body import Pieces, RequestBody

__all__ = ["Announced", "PieceIterator", "aiter_pieces"]

_SLICE_BYTES: Final = 65_536
_READS: Final = ThreadLimit("reads of request bodies", 40)
_CLOSE_SECONDS: Final = 1.0


def aiter_pieces(body: RequestBody) -> PieceIterator:
    """The body from its start. Whoever has it calls `PieceIterator.aclose`, at its end or before.

    Raises RuntimeError where the body was sent before and cannot be sent again.
    """
    if body.content is not None:
        return PieceIterator(_Slices(body.content), body.length)
    pieces = body.pieces()
    return PieceIterator(pieces if isinstance(pieces, AsyncPieces) else _Threaded(pieces), body.length)


class Announced:
    """Holds a body to the length it announced; None is any."""

    __slots__ = ("_given", "_length")

    def __init__(self, length: int | None) -> None:
        self._length = length
        self._given = 0

    def count(self, piece: bytes) -> None:
        """One more piece. Raises ValueError where it is too much."""
        self._given += len(piece)
        if self._length is not None and self._given > self._length:
            raise ValueError(f"content is longer than the {self._length} bytes it announced")

    def end(self) -> None:
        """That was all. Raises ValueError where it is too little."""
        if self._length is not None and self._given < self._length:
            raise ValueError(f"content gave {self._given} bytes but announced {self._length}")


class _Source(Protocol):
    async def __anext__(self) -> bytes: ...
    async def aclose(self) -> None: ...


class PieceIterator(AsyncIterator[bytes]):
    """Gives bytes, none of them empty, and exactly the announced `length` of them.

    Not a generator: httpx leaves those half-way to the garbage collector.
    """

    __slots__ = ("_announced", "_source", "error")

    def __init__(self, source: _Source, length: int | None) -> None:
        self._source = source
        self._announced = Announced(length)
        self.error: BaseException | None = None
        """What broke it off: the caller's own, not to be taken for the network's."""

    async def __anext__(self) -> bytes:
        try:
            piece = await self._next_or_end()
        except BaseException as error:
            self.error = error
            raise
        if piece:
            return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close a generator that was not run to its end, whoever cancels; does not wait long."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
            await self._source.aclose()

    async def _next_or_end(self) -> bytes:
        try:
            piece = await self._source.__anext__()
        except StopAsyncIteration:
            self._announced.end()
            return b""
        self._announced.count(piece)
        return piece


class _Slices:
    __slots__ = ("_content", "_start")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._start = 0

    async def __anext__(self) -> bytes:
        piece = self._content[self._start : self._start + _SLICE_BYTES]
        if not piece:
            raise StopAsyncIteration
        self._start += len(piece)
        return piece

    async def aclose(self) -> None:
        pass


class _Threaded:
    """Pieces that may block to come. Cancelled, it leaves the thread to finish its step."""

    __slots__ = ("_at_rest", "_pieces")

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        # Begun or not, but not ended, and not just now at work in a thread that was left behind.
        self._at_rest = True

    async def __anext__(self) -> bytes:
        self._at_rest = False
        # b"" for the end: a piece is never empty.
        piece = await trio.to_thread.run_sync(next, self._pieces, b"", abandon_on_cancel=True, limiter=_READS.limiter())
        if not piece:
            raise StopAsyncIteration
        self._at_rest = True
        return piece

    async def aclose(self) -> None:
        if self._at_rest:
            self._at_rest = False
            await trio.to_thread.run_sync(self._pieces.close, abandon_on_cancel=True, limiter=_READS.limiter())
