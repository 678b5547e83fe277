"""Where a fan-out's items come from.

A sync iterator is pulled by the workers themselves, each when it is free. An async one has a
task of its own that pulls it from the first item to the last and closes it: an async generator
may hold a nursery or a cancel scope open around its ``yield``, and those belong to one task.

What is closed at the end is what the run itself opened: generators, and iterators it got from
an iterable. An open channel or file given as the iterator itself stays its owner's.

Where items are to wait before they may begin (`Admission`), a sync iterator is pulled by such a
task too.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable
from typing import Any, Generic, Protocol, TypeVar

import trio

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

__all__ = ["Admission", "AsyncInput", "SyncInput", "input_of"]

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class Admission(Protocol[Item_contra]):
    """What an item has to pass between being pulled and being given to a worker."""

    async def admit(self, item: Item_contra) -> None:
        """Wait until it may begin. Raises no Exception."""
        ...

    def close(self) -> None:
        """No more are taken, although some that were admitted may be left."""
        ...


def input_of(
    items: Iterable[Item] | AsyncIterable[Item], admission: Admission[Item] | None = None
) -> SyncInput[Item] | AsyncInput[Item]:
    """Raises TypeError for what cannot be iterated, and for text, whose items are hardly meant."""
    if isinstance(items, AsyncIterable):
        return AsyncInput(items, admission)
    if isinstance(items, (str, bytes, bytearray)):
        raise TypeError(f"items must be an iterable of items, not one {type(items).__name__}")
    try:
        source = SyncInput(items)
    except TypeError as error:
        raise TypeError(f"items must be an iterable or async iterable, not {items!r}") from error
    return source if admission is None else AsyncInput(_Stepped(source), admission)


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


class _Stepped(AsyncIterator[Item]):
    """A sync input as an async iterator, closed with it."""

    def __init__(self, source: SyncInput[Item]) -> None:
        self._source = source

    async def __anext__(self) -> Item:
        try:
            return self._source.take()
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self._source.close()


class AsyncInput(Generic[Item]):
    """Items pulled by `feed`, in a task of its own, and held until a worker takes them."""

    def __init__(self, items: AsyncIterable[Item], admission: Admission[Item] | None = None) -> None:
        self._admission = admission
        self._iterator = aiter(items)
        owned = self._iterator is not items or isinstance(items, (AsyncGenerator, _Stepped))
        self._aclose: Callable[[], Awaitable[Any]] | None = getattr(self._iterator, "aclose", None) if owned else None
        self._pulled: deque[Item] = deque()
        self._scope = trio.CancelScope()
        self._admitting = trio.CancelScope()
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
        # Between two items its iterator is not cancelled, so that a generator can clean up in peace.
        self._admitting.cancel()
        self._pause.unpark()

    def close(self) -> None:
        """The iterator is closed by `feed`, in its own task."""
        if self._admission is not None:
            self._admission.close()

    async def feed(
        self, may_pull: Callable[[int], bool], held_until: Callable[[], float | None], pulled: Callable[[], None]
    ) -> None:
        """Pull until the end, or until stopped. Raises what the caller's iterator raises.

        `may_pull(at_hand)` says whether, beside those at hand, there is a worker and room for one
        more; `held_until()` that nothing is to be pulled before an instant; `pulled()` is called
        after each.
        """
        with self._scope:
            try:
                while self.open:
                    if not may_pull(len(self._pulled)):
                        await self._pause.park()
                    elif (instant := held_until()) is not None:
                        with trio.CancelScope(deadline=instant):
                            await self._pause.park()
                    else:
                        await self._pull()
                        pulled()
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
        if self._admission is not None:
            with self._admitting:
                await self._admission.admit(item)
            self._admitting = trio.CancelScope()
        if self.open:
            self._pulled.append(item)
