"""The pieces of one sending of a streamed body, checked as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Final, Union, cast

__all__ = ["BUFFERS", "AsyncPieces", "Buffer", "Pieces", "checked_piece"]

Buffer = Union[bytes, bytearray, memoryview]
BUFFERS: Final = (bytes, bytearray, memoryview)


class Pieces(Iterator[bytes]):
    """One sending of a streamed body: never an empty piece, which would end a chunked body."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterator[object]) -> None:
        self._pieces = pieces

    def __next__(self) -> bytes:
        while True:
            piece = checked_piece(next(self._pieces))
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
            piece = checked_piece(await self._pieces.__anext__())
            if piece:
                return piece

    async def aclose(self) -> None:
        """Close a generator that was not read to its end: nobody else holds it."""
        pieces: object = self._pieces
        if isinstance(pieces, AsyncGenerator):
            await cast("AsyncGenerator[object, None]", pieces).aclose()


def checked_piece(piece: object, argument: str = "content") -> bytes:
    """A piece as bytes. Raises TypeError naming the `argument` that gave it."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, BUFFERS):
        return bytes(cast("Buffer", piece))
    hint = ": encode it" if isinstance(piece, str) else ""
    raise TypeError(f"{argument} must be made of bytes, but gave {type(piece).__name__}{hint}")
