"""A request body as one async iterator, however it was given.

Bytes come in slices, so that progress shows while a large body is written. A sync iterator is
advanced in a worker thread, since it may block on a disk or a lock, with a limiter of its own so
that uploads and the program's other thread work do not wait for one another. An iterator whose
length was announced must give exactly that much.

Who asks for a piece has handed the one before it to the network: that is when progress is told.

What the caller's own iterator raises propagates as itself, and so does what is raised by whom
progress is told to.

A cancelled sending leaves its thread behind, still at its step. That thread then closes the
pieces, and the next sending of the same body does not begin its own steps before: both may read
the same file.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Protocol

import trio

from .._codec.body import AsyncPieces
from .thread_limit import ThreadLimit

if TYPE_CHECKING:
    from .._codec.body import Pieces, RequestBody

__all__ = ["PieceIterator", "Sending", "aiter_pieces"]

_SLICE_BYTES: Final = 65_536
_READS: Final = ThreadLimit("reads of request bodies", 40)
_CLOSE_SECONDS: Final = 1.0


def aiter_pieces(body: RequestBody, at_most: int | None = None) -> PieceIterator:
    """The body from its start, in pieces as they come, or of so many bytes `at_most`.

    Whoever has it calls `PieceIterator.aclose`, at its end or before. Raises RuntimeError where the
    body was sent before and cannot be sent again.
    """
    if body.content is not None:
        return PieceIterator(_Slices(body.content, at_most or _SLICE_BYTES), Sending(body))
    pieces = body.pieces()
    source = pieces if isinstance(pieces, AsyncPieces) else _Threaded(pieces, body)
    return PieceIterator(source if at_most is None else _Cut(source, at_most), Sending(body))


class Sending:
    """How far one sending of a body has come. Holds it to the length it announced."""

    __slots__ = ("_given", "_length", "_progress", "_told")

    def __init__(self, body: RequestBody) -> None:
        self._length = body.length
        self._progress = body.progress
        self._given = 0
        self._told = -1

    def count(self, piece: bytes) -> None:
        """One more piece is on its way. Raises ValueError where it is too much."""
        self._given += len(piece)
        if self._length is not None and self._given > self._length:
            raise ValueError(f"content is longer than the {self._length} bytes it announced")

    def tell(self) -> None:
        """Every piece so far was handed to the network. Raises what the caller's function does."""
        if self._progress is None or self._told == self._given:
            return
        self._told = self._given
        try:
            self._progress(self._given, self._length)
        except StopAsyncIteration as error:
            # From where this is called it would pass for the end of the body.
            raise RuntimeError("options['upload_progress'] raised StopAsyncIteration") from error

    def end(self) -> None:
        """That was all. Raises ValueError where it is too little."""
        if self._length is not None and self._given < self._length:
            raise ValueError(f"content gave {self._given} bytes but announced {self._length}")


class _Source(Protocol):
    async def __anext__(self) -> bytes: ...
    async def aclose(self) -> None: ...


class PieceIterator(AsyncIterator[bytes]):
    """Gives bytes, none of them empty, and exactly as many as were announced.

    Not a generator: httpx leaves those half-way to the garbage collector.
    """

    __slots__ = ("_sending", "_source", "error")

    def __init__(self, source: _Source, sending: Sending) -> None:
        self._source = source
        self._sending = sending
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
        self._sending.tell()
        try:
            piece = await self._source.__anext__()
        except StopAsyncIteration:
            self._sending.end()
            return b""
        self._sending.count(piece)
        return piece


class _Slices:
    __slots__ = ("_at_most", "_content", "_start")

    def __init__(self, content: bytes, at_most: int) -> None:
        self._content = content
        self._at_most = at_most
        self._start = 0

    async def __anext__(self) -> bytes:
        piece = self._content[self._start : self._start + self._at_most]
        if not piece:
            raise StopAsyncIteration
        self._start += len(piece)
        return piece

    async def aclose(self) -> None:
        pass


class _Cut:
    """The pieces of another source, none larger than `at_most` bytes."""

    __slots__ = ("_at_most", "_slices", "_source")

    def __init__(self, source: _Source, at_most: int) -> None:
        self._source = source
        self._at_most = at_most
        self._slices = _Slices(b"", at_most)

    async def __anext__(self) -> bytes:
        try:
            return await self._slices.__anext__()
        except StopAsyncIteration:
            self._slices = _Slices(await self._source.__anext__(), self._at_most)
        return await self._slices.__anext__()

    async def aclose(self) -> None:
        await self._source.aclose()


# Held by the thread that steps through a body. By body, since the sendings of one share its files.
_turns: Final[weakref.WeakKeyDictionary[RequestBody, threading.Lock]] = weakref.WeakKeyDictionary()


class _Threaded:
    """Pieces that may block to come. Cancelled, it leaves the thread to finish its step."""

    __slots__ = ("_at_rest", "_ended", "_left", "_pieces", "_turn")

    def __init__(self, pieces: Pieces, body: RequestBody) -> None:
        self._pieces = pieces
        self._turn = _turns.setdefault(body, threading.Lock())
        # No step is under way. One that was begun in a thread left behind still is.
        self._at_rest = True
        self._ended = False
        self._left = False

    async def __anext__(self) -> bytes:
        self._at_rest = False
        # b"" for the end: a piece is never empty.
        piece = await trio.to_thread.run_sync(self._step, abandon_on_cancel=True, limiter=_READS.limiter())
        self._at_rest = True
        if not piece:
            self._ended = True
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        # First said, then looked: a thread lets go of its turn first and looks then.
        self._left = True
        if not self._ended and (self._at_rest or not self._turn.locked()):
            self._ended = True
            await trio.to_thread.run_sync(self._close, abandon_on_cancel=True, limiter=_READS.limiter())

    def _step(self) -> bytes:
        try:
            with self._turn:
                return b"" if self._left else next(self._pieces, b"")
        finally:
            if self._left:
                self._close()

    def _close(self) -> None:
        with self._turn:
            self._pieces.close()
