"""Where a fan-out's items come from.

A sync iterator is pulled by the workers themselves, each when it is free. An async one has a
task of its own that pulls it from the first item to the last and closes it: an async generator
may hold a nursery or a cancel scope open around its ``yield``, and those belong to one task.

What is closed at the end is what the run itself opened: generators, and iterators it got from
an iterable. An open channel or file given as the iterator itself stays its owner's.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from typing import Any, Generic, TypeVar

import trio

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

__all__ = ["AsyncInput", "SyncInput", "input_of"]

Item = TypeVar("Item")


def input_of(items: Iterable[Item] | AsyncIterable[Item]) -> SyncInput[Item] | AsyncInput[Item]:
    """Raises TypeError for what cannot be iterated, and for text, whose items are hardly meant."""
    if isinstance(items, AsyncIterable):
        return AsyncInput(items)
    if isinstance(items, (str, bytes, bytearray)):
        raise TypeError(f"items must be an iterable of items, not one {type(items).__name__}")
    try:
        return SyncInput(items)
    except TypeError as error:
        raise TypeError(f"items must be an iterable or async iterable, not {items!r}") from error


class SyncInput(Generic[Item]):
    """Items pulled at the moment they are taken."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._iterator = iter(items)
        owned = self._iterator is not items or isinstance(items, Generator)
        self._close: Callable[[], object] | None = getattr(self._iterator, "close", None) if owned else None
        self.open = True
        self.seen = 0

    def supply(self, room: int) -> int:
        """How many items a worker may hope for, where the window has `room`."""
        return room if self.open else 0

    def take(self) -> Item:
        """The next item. Raises StopIteration at the end, and what the caller's iterator raises."""
        item = next(self._iterator)
        self.seen += 1
        return item

    def resume(self) -> None:
        """Workers resume by themselves."""

    def stop(self) -> None:
        """Give no more items."""
        self.open = False

    def close(self) -> None:
        """Raises what the caller's generator raises on being closed."""
        if self._close is not None:
            self._close()


class AsyncInput(Generic[Item]):
    """Items pulled by `feed`, in a task of its own, and held until a worker takes them."""

    def __init__(self, items: AsyncIterable[Item]) -> None:
        self._iterator = aiter(items)
        owned = self._iterator is not items or isinstance(items, AsyncGenerator)
        self._aclose: Callable[[], Awaitable[Any]] | None = getattr(self._iterator, "aclose", None) if owned else None
        self._pulled: deque[Item] = deque()
        self._scope = trio.CancelScope()
        self._pause = trio.lowlevel.ParkingLot()
        self._inside = False
        self.open = True
        self.seen = 0

    def supply(self, room: int) -> int:
        """How many items are at hand."""
        return len(self._pulled)

    def take(self) -> Item:
        return self._pulled.popleft()

    def resume(self) -> None:
        """Look again whether an item may be pulled."""
        self._pause.unpark()

    def stop(self) -> None:
        """Give no more items; those at hand are dropped."""
        self.open = False
        self._pulled.clear()
        if self._inside:
            self._scope.cancel()
        # Between two items there is nothing to cancel, so a generator can clean up in peace.
        self._pause.unpark()

    def close(self) -> None:
        """Done by `feed`."""

    async def feed(self, may_pull: Callable[[int], bool], pulled: Callable[[], None]) -> None:
        """Pull until the end, or until stopped. Raises what the caller's iterator raises.

        `may_pull(at_hand)` says whether, beside those at hand, there is a worker and room for one
        more; `pulled()` is called after each.
        """
        with self._scope:
            try:
                while self.open:
                    if may_pull(len(self._pulled)):
                        await self._pull()
                        pulled()
                    else:
                        await self._pause.park()
            finally:
                self.open = False
                await self._close_in_peace()

    async def _close_in_peace(self) -> None:
        if self._aclose is None:
            return
        try:
            await self._aclose()
        except BaseExceptionGroup as group:
            # A nursery inside the generator wraps even the GeneratorExit that closes it.
            rest = group.split(GeneratorExit)[1]
            if rest is not None:
                raise rest from None

    async def _pull(self) -> None:
        self._inside = True
        try:
            item = await anext(self._iterator)
        except StopAsyncIteration:
            self.open = False
            return
        finally:
            self._inside = False
        self.seen += 1
        if self.open:
            self._pulled.append(item)
