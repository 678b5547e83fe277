"""Lists that come in pages, in the async client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from .page_iteration import ItemIterator, PageIterator, Prefetch
from .page_walk import BasePage, Walk, page_after

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncPaginator", "BaseAsyncPage"]

T = TypeVar("T")


class BaseAsyncPage(BasePage[T]):
    """A page of `AsyncAPIClient.get_api_list`; see `BasePage` for how to write one.

    Iterating over it gives its items and those of all pages after it.
    """

    async def get_next_page(self) -> Self:
        """Fetch the next page, with the options of this one.

        Raises an `APIError`, and RuntimeError where this is the last page: see `has_next_page`.
        """
        return await page_after(self)

    def iter_pages(self) -> AsyncIterator[Self]:
        """This page and all after it."""
        return PageIterator(partial(_itself, self))

    def __aiter__(self) -> AsyncIterator[T]:
        return ItemIterator(PageIterator(partial(_itself, self)).__anext__)

    def prefetch(self, *, ahead: int = 1) -> Prefetch[T]:
        """The items, of all pages on, with pages fetched `ahead`; see `Prefetch`."""
        return Prefetch(PageIterator(partial(_itself, self)), ahead)


PageT = TypeVar("PageT", bound=BaseAsyncPage[Any])


class AsyncPaginator(Generic[T, PageT]):
    """A list that `AsyncAPIClient.get_api_list` was asked for; nothing is sent yet.

        page = await paginator
        async for item in paginator: ...
        async for page in paginator.iter_pages(): ...
        async with paginator.prefetch() as items: ...

    Each of these begins at the first page anew.
    """

    def __init__(self, walk: Walk[PageT]) -> None:
        self._walk = walk

    def __await__(self) -> Generator[Any, Any, PageT]:
        return self._walk.first().__await__()

    def iter_pages(self) -> AsyncIterator[PageT]:
        """All pages. Each step raises what a call does."""
        return PageIterator(self._walk.first)

    def __aiter__(self) -> AsyncIterator[T]:
        return ItemIterator(PageIterator(self._walk.first).__anext__)

    def prefetch(self, *, ahead: int = 1) -> Prefetch[T]:
        """The items, with pages fetched `ahead` of the one the caller is at; see `Prefetch`."""
        return Prefetch(PageIterator(self._walk.first), ahead)


async def _itself(page: PageT) -> PageT:
    await trio.lowlevel.checkpoint()
    return page
