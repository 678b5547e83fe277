"""Pieces of any size in, chunks of one size out."""

from __future__ import annotations

from collections.abc import Callable
from typing import AnyStr, Generic

__all__ = ["Chunks"]


class Chunks(Generic[AnyStr]):
    """Gives chunks of exactly `size` bytes or characters, the last one excepted; None gives the
    pieces as they come, empty ones left out.
    """

    __slots__ = ("_join", "_pieces", "_room", "_size")

    def __init__(self, size: int | None, join: Callable[[list[AnyStr]], AnyStr]) -> None:
        self._size = size
        self._room = size or 0
        self._join = join
        self._pieces: list[AnyStr] = []

    def feed(self, piece: AnyStr) -> list[AnyStr]:
        """The chunks that are whole with this piece."""
        if self._size is None:
            return [piece] if piece else []
        if len(piece) < self._room:
            self._pieces.append(piece)
            self._room -= len(piece)
            return []
        cuts = range(self._room, len(piece) + 1, self._size)
        self._pieces.append(piece[: self._room])
        chunks = [self._join(self._pieces)]
        chunks += [piece[start : start + self._size] for start in cuts[:-1]]
        rest = piece[cuts[-1] :]
        self._pieces = [rest]
        self._room = self._size - len(rest)
        return chunks

    def finish(self) -> list[AnyStr]:
        """What is left, if anything."""
        rest = self._join(self._pieces)
        self._pieces = []
        return [rest] if rest else []
