"""Going through a list: page by page, item by item, and with the next page on its way.

Iterators are classes, not generators, so that one that is left half-way leaves nothing behind.
An error leaves an iterator where it is: the next step asks for the same page again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

import trio

from .._net.single_nursery import open_single_nursery
from .._types import checked_int
from .fan_out_pool import YIELD_EVERY
from .page_walk import BasePage, items_of, page_after

__all__ = ["ItemIterator", "PageIterator", "Prefetch"]

T = TypeVar("T")
PageT = TypeVar("PageT", bound=BasePage[Any])


class PageIterator(AsyncIterator[PageT]):
    """The page that `first` gets, and those after it."""

    def __init__(self, first: Callable[[], Awaitable[PageT]]) -> None:
        self._first = first
        self._page: PageT | None = None
        self._fetching = False

    async def __anext__(self) -> PageT:
        if self._fetching:
            raise trio.BusyResourceError("another task is already waiting for the next page of this list")
        self._fetching = True
        try:
            if self._page is None:
                page = await self._first()
            elif self._page.has_next_page():
                page = await page_after(self._page)
            else:
                raise StopAsyncIteration
        finally:
            self._fetching = False
        self._page = page
        return page


class ItemIterator(AsyncIterator[T]):
    """The items of the pages that `next_page` gets until it raises StopAsyncIteration."""

    def __init__(self, next_page: Callable[[], Awaitable[BasePage[T]]]) -> None:
        self._next_page = next_page
        self._items: Iterator[T] = iter(())
        self._turns = 0

    async def __anext__(self) -> T:
        self._turns += 1
        if self._turns % YIELD_EVERY:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        while True:
            for item in self._items:
                return item
            self._items = iter(items_of(await self._next_page()))


class Prefetch(Generic[T]):
    """An async context manager that gives an iterator over items, and fetches ahead of it.

        async with client.get_api_list("/items", model=Item, page=AsyncItemPage).prefetch() as items:
            async for item in items:
                ...

    While the caller is at one page the next `ahead` are fetched, and no more. What a fetch raises
    is raised after the items before it. Leaving the block ends the fetching.
    """

    def __init__(self, pages: PageIterator[Any], ahead: int) -> None:
        """Raises TypeError or ValueError naming ``ahead``."""
        self._pages = pages
        # One page is in the hands of the task that waits to send it.
        self._send, self._receive = trio.open_memory_channel[BasePage[T]](checked_int(ahead, "ahead", 1) - 1)
        self._manager = open_single_nursery()
        self._error: Exception | None = None
        self._entered = self._left = False

    @trio.lowlevel.enable_ki_protection
    async def __aenter__(self) -> AsyncIterator[T]:
        if self._entered:
            raise RuntimeError("a prefetch can be entered only once; make a new one")
        self._entered = True
        self._nursery = await self._manager.__aenter__()
        self._nursery.start_soon(self._fetch)
        return ItemIterator(self._next_page)

    @trio.lowlevel.enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        self._nursery.cancel_scope.cancel()
        try:
            # Not shown what the body raised, which goes its own way and in no group.
            await self._manager.__aexit__(None, None, None)
        except trio.Cancelled:
            if exc is None:
                raise

    async def _fetch(self) -> None:
        with self._send:
            try:
                async for page in self._pages:
                    await self._send.send(page)
            except Exception as error:
                self._error = error

    async def _next_page(self) -> BasePage[T]:
        if self._left:
            raise RuntimeError("prefetched items can be iterated only inside their own `async with`")
        with contextlib.suppress(trio.EndOfChannel):
            return await self._receive.receive()
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopAsyncIteration
