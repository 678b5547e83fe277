"""The two kinds of lists that the service gives in pages, each for both clients."""

from __future__ import annotations

from typing import Generic, TypedDict, TypeVar

from trioclient import BaseAsyncPage, BasePage, BaseSyncPage, PageInfo

__all__ = [
    "AsyncCursorPage",
    "AsyncIDPage",
    "CursorPage",
    "CursorPlace",
    "IDPage",
    "IDPlace",
    "SyncCursorPage",
    "SyncIDPage",
]

T = TypeVar("T")


# Lists that go by the ids of their items


class IDPlace(TypedDict, total=False):
    """Where such a list begins, and how many items a page has: `limit`, from 1 to 1000, 20 if left out."""

    after_id: str | None
    """Behind this item."""
    before_id: str | None
    """Before this item, and on backwards, page by page."""
    limit: int | None


class IDPage(BasePage[T], Generic[T]):
    """Goes on behind its last item, or, where it was asked for with `before_id`, before its first."""

    data: list[T]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None

    def _get_page_items(self) -> list[T]:
        return self.data

    def next_page_info(self) -> PageInfo | None:
        backwards = "before_id" in self._get_request_params()
        cursor = self.first_id if backwards else self.last_id
        if not self.has_more or cursor is None:
            return None
        return PageInfo(params={"before_id" if backwards else "after_id": cursor})


class AsyncIDPage(IDPage[T], BaseAsyncPage[T], Generic[T]):
    """For the async client."""


class SyncIDPage(IDPage[T], BaseSyncPage[T], Generic[T]):
    """For the blocking client."""


# Lists that go by cursors


class CursorPlace(TypedDict, total=False):
    """Where such a list begins, and how many items a page has: `limit`, from 1 to 1000, 20 if left out."""

    page: str | None
    """The cursor of the first page wanted, `next_page` of the one before it."""
    limit: int | None


class CursorPage(BasePage[T], Generic[T]):
    """Goes on at the cursor it names."""

    data: list[T]
    next_page: str | None = None

    def _get_page_items(self) -> list[T]:
        return self.data

    def next_page_info(self) -> PageInfo | None:
        return PageInfo(params={"page": self.next_page}) if self.next_page else None


class AsyncCursorPage(CursorPage[T], BaseAsyncPage[T], Generic[T]):
    """For the async client."""


class SyncCursorPage(CursorPage[T], BaseSyncPage[T], Generic[T]):
    """For the blocking client."""
