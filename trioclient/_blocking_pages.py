"""Lists that come in pages, in the blocking client: fetched by the async walk on the portal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from ._client.page_iteration import PageIterator
from ._client.page_walk import BasePage, Walk, items_of, page_after, walk_of
from ._feed import Feed, Feeder
from ._portal import GRACE, Lease
from ._types import checked_int

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseSyncPage", "BlockingPrefetch", "first_page"]

T = TypeVar("T")
R = TypeVar("R")


class BaseSyncPage(BasePage[T]):
    """A page of `SyncAPIClient.get_api_list`; see `BasePage` for how to write one.

    Iterating over it gives its items and those of all pages after it.
    """

    def get_next_page(self) -> Self:
        """Fetch the next page, with the options of this one.

        Raises an `APIError`, and RuntimeError where this is the last page: see `has_next_page`.
        """
        return _lease_of(self).call(page_after, self)

    def iter_pages(self) -> Iterator[Self]:
        """This page and all after it."""
        return _PageIterator(self)

    def __iter__(self) -> Iterator[T]:
        return _ItemIterator(_PageIterator(self).__next__)

    def prefetch(self, *, ahead: int = 1) -> BlockingPrefetch[T]:
        """The items, of all pages on, with pages fetched `ahead` of the one the caller is at.

            with client.get_api_list("/items", model=Item, page=SyncItemPage).prefetch() as items:
                for item in items:
                    ...

        What a fetch raises is raised after the items before it. Leaving the block ends the
        fetching. The page class's own methods may be called on the background thread.
        """
        return BlockingPrefetch(_lease_of(self), self, checked_int(ahead, "ahead", 1))


PageT = TypeVar("PageT", bound=BaseSyncPage[Any])


def first_page(walk: Walk[PageT], lease: Lease) -> PageT:
    """Fetch the first page of a list, on the portal, and the others there, too, when it comes to that."""
    walk.lease = lease
    return lease.call(walk.first)


def _lease_of(page: BaseSyncPage[Any]) -> Lease:
    lease = walk_of(page).lease
    assert lease is not None
    return lease


class _PageIterator(Iterator[PageT]):
    def __init__(self, page: PageT) -> None:
        self._page = page
        self._begun = False

    def __next__(self) -> PageT:
        if self._begun:
            if not _said_by(self._page.has_next_page):
                raise StopIteration
            self._page = self._page.get_next_page()
        self._begun = True
        return self._page


class _ItemIterator(Iterator[T]):
    def __init__(self, next_page: Callable[[], BasePage[T]]) -> None:
        self._next_page = next_page
        self._items: Iterator[T] = iter(())

    def __next__(self) -> T:
        while True:
            for item in self._items:
                return item
            page = self._next_page()
            self._items = iter(_said_by(partial(items_of, page)))


def _said_by(method: Callable[[], R]) -> R:
    """Call a page class's own code, of which a StopIteration would end the list without a word."""
    try:
        return method()
    except StopIteration as error:
        raise RuntimeError("a method of the page class raised StopIteration") from error


class BlockingPrefetch(Generic[T]):
    """A context manager that gives an iterator over items; see `BaseSyncPage.prefetch`."""

    def __init__(self, lease: Lease, page: BaseSyncPage[T], ahead: int) -> None:
        self._page = page
        # Whoever sends a page waits until there are fewer than `ahead` to be taken.
        self._feed: Feed[BasePage[T]] = Feed(lease, self._fetch, ahead)
        self._entered = self._left = False

    def __enter__(self) -> Iterator[T]:
        if self._entered:
            raise RuntimeError("a prefetch can be entered only once; make a new one")
        self._entered = True
        try:
            self._feed.__enter__()
            return _ItemIterator(self._next_page)
        except BaseException:
            # Ctrl-C may come between that return and this one.
            self._feed.close(GRACE)
            raise

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left = True
        self._feed.__exit__(exc_type, exc, traceback)

    async def _fetch(self, feeder: Feeder[BasePage[T]]) -> None:
        async for page in PageIterator(partial(_itself, self._page)):
            await feeder.send(page)

    def _next_page(self) -> BasePage[T]:
        if self._left:
            raise RuntimeError("prefetched items can be iterated only inside their own `with`")
        return next(self._feed)


async def _itself(page: PageT) -> PageT:
    await trio.lowlevel.checkpoint()
    return page
