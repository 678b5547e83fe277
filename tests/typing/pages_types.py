"""What a type checker makes of lists that come in pages; read by pyright, never run.

A stale ``pyright: ignore`` is an error here, so that each of them says: this is found.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx
import msgspec

from trioclient import (
    AsyncAPIClient,
    AsyncPaginator,
    BaseAsyncPage,
    BasePage,
    BaseSyncPage,
    PageInfo,
    SyncAPIClient,
    UnknownVariant,
    omit,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type

T = TypeVar("T")


class User(msgspec.Struct, tag="user"):
    name: str


class Robot(msgspec.Struct, tag="robot"):
    number: int


class CursorPage(BasePage[T], Generic[T]):
    data: list[T]
    next_cursor: str | None = None

    def _get_page_items(self) -> list[T]:
        return self.data

    def next_page_info(self) -> PageInfo | None:
        return PageInfo(params={"cursor": self.next_cursor}) if self.next_cursor else None


class AsyncCursorPage(CursorPage[T], BaseAsyncPage[T], Generic[T]):
    pass


class SyncCursorPage(CursorPage[T], BaseSyncPage[T], Generic[T]):
    pass


class AsyncUserPage(AsyncCursorPage[User]):
    pass


async def a_list_knows_its_items_and_its_pages(client: AsyncAPIClient) -> None:
    users = client.get_api_list("/users", model=User, page=AsyncCursorPage[User])
    assert_type(users, AsyncPaginator[User, AsyncCursorPage[User]])
    async for user in users:
        assert_type(user, User)
    async for page in users.iter_pages():
        assert_type(page, AsyncCursorPage[User])
        assert_type(page.data, list[User])
    async with users.prefetch(ahead=2) as items:
        async for user in items:
            assert_type(user, User)


async def a_page_does_too(client: AsyncAPIClient) -> None:
    page = await client.get_api_list("/users", model=User, page=AsyncCursorPage[User])
    assert_type(page, AsyncCursorPage[User])
    assert_type(page.data, list[User])
    assert_type(page.has_next_page(), bool)
    assert_type(page.next_page_info(), PageInfo | None)
    assert_type(await page.get_next_page(), AsyncCursorPage[User])
    async for user in page:
        assert_type(user, User)
    async for other in page.iter_pages():
        assert_type(other, AsyncCursorPage[User])
    async with page.prefetch() as items:
        assert_type(await anext(items), User)


async def a_page_class_without_a_parameter(client: AsyncAPIClient) -> None:
    async for user in client.get_api_list("/users", model=User, page=AsyncUserPage):
        assert_type(user, User)
    page = await client.get_api_list("/users", model=User, page=AsyncUserPage, method="post", body={"a": 1})
    assert_type(await page.get_next_page(), AsyncUserPage)
    async for user in page:
        assert_type(user, User)


async def one_whose_parameter_is_left_out(client: AsyncAPIClient) -> None:
    # Type checkers have no name for "the same class, of users": the items are known, the page is not.
    async for user in client.get_api_list("/users", model=User, page=AsyncCursorPage):
        assert_type(user, User)
    async with client.get_api_list("/users", model=User, page=AsyncCursorPage).prefetch() as users:
        async for user in users:
            assert_type(user, User)


async def items_of_a_union(client: AsyncAPIClient) -> None:
    page = AsyncCursorPage[User | Robot | UnknownVariant]
    async for someone in client.get_api_list("/users", model=User | Robot | UnknownVariant, page=page):
        assert_type(someone, User | Robot | UnknownVariant)


def the_blocking_client_gives_the_page(client: SyncAPIClient) -> None:
    page = client.get_api_list("/users", model=User, page=SyncCursorPage[User], max_pages=3)
    assert_type(page, SyncCursorPage[User])
    assert_type(page.data, list[User])
    assert_type(page.get_next_page(), SyncCursorPage[User])
    for user in page:
        assert_type(user, User)
    for other in page.iter_pages():
        assert_type(other, SyncCursorPage[User])
    with page.prefetch() as items:
        for user in items:
            assert_type(user, User)
        assert_type(next(items), User)


async def wrong_arguments_are_found(client: AsyncAPIClient, blocking: SyncAPIClient) -> None:
    client.get_api_list("/users", model=User, page=SyncCursorPage[User])  # pyright: ignore[reportArgumentType]
    blocking.get_api_list("/users", model=User, page=AsyncCursorPage[User])  # pyright: ignore[reportArgumentType]
    client.get_api_list("/users", model=User, page=User)  # pyright: ignore[reportArgumentType]
    client.get_api_list("/users", page=AsyncUserPage)  # pyright: ignore[reportCallIssue]
    client.get_api_list("/users", model=User, page=AsyncUserPage, max_pages=None)  # pyright: ignore[reportArgumentType]
    client.get_api_list("/users", model=User, page=AsyncUserPage, options={"retries": 1})  # pyright: ignore[reportArgumentType]


def how_the_next_page_is_asked_for() -> None:
    assert_type(PageInfo(params={"after": "x", "limit": 3, "before": None, "c": omit}), PageInfo)
    PageInfo(url="https://api.test/users?page=2")
    PageInfo(url=httpx.URL("https://api.test/users?page=2"))
    PageInfo(json={"cursor": {"deep": [1]}})
    PageInfo({"after": "x"})  # pyright: ignore[reportCallIssue]
    PageInfo(url=b"/users")  # pyright: ignore[reportArgumentType]
    PageInfo(params=[("after", "x")])  # pyright: ignore[reportArgumentType]


def a_page_made_by_hand(page: SyncCursorPage[Any]) -> None:
    assert_type(AsyncCursorPage([User("a")]), AsyncCursorPage[User])
    assert_type(SyncCursorPage([User("a")], next_cursor="x").data, list[User])
    for item in page:
        assert_type(item, Any)
