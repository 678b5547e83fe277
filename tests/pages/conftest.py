"""A list that comes in pages, and a client of one of four kinds to go through it.

The server says itself how to ask for the next page: ``{"data": [1, 2], "how": "params", "next":
{"cursor": "x"}}``. What a list holds is a function of the request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs

import httpx
import pytest
import trio

from trioclient import (
    APIError,
    AsyncAPIClient,
    BaseAsyncPage,
    BasePage,
    BaseSyncPage,
    PageInfo,
    SyncAPIClient,
)
from trioclient.testing import LoopbackServer, Reply, ScriptedTransport, reply

T = TypeVar("T")
Answer = Callable[[Any], Reply]


class Listed(BasePage[T], Generic[T]):
    """A page whose successor the server names in `PageInfo`'s own words."""

    data: list[T]
    how: str = ""
    next: Any = None

    def _get_page_items(self) -> list[T]:
        return self.data

    def next_page_info(self) -> PageInfo | None:
        return PageInfo(**{self.how: self.next}) if self.how else None


class AsyncListed(Listed[T], BaseAsyncPage[T], Generic[T]):
    pass


class SyncListed(Listed[T], BaseSyncPage[T], Generic[T]):
    pass


LISTED = (AsyncListed, SyncListed)
"""A page class as each client has it."""
Got = tuple[list[Any], Any]
"""What came, and the error that ended it, if one did."""


class Lists:
    """A client, and a server that answers by `answer`. Everything is awaited, whichever client it is."""

    def __init__(self) -> None:
        self.client: Any = None
        self.answer: Answer = lambda request: reply(404)
        self.requests: list[Any] = []

    def reply_to(self, request: Any) -> Reply:
        self.requests.append(request)
        return self.answer(request)

    async def first(
        self, path: str = "/list", *, model: Any = int, page: tuple[Any, Any] = LISTED, **arguments: Any
    ) -> Any:
        return await self.client.get_api_list(path, model=model, page=page[0], **arguments)

    async def after(self, page: Any) -> Any:
        return await page.get_next_page()

    async def items(self, page: Any, at_most: int | None = None) -> Got:
        return await self._gather(aiter(page), at_most)

    async def pages(self, page: Any, at_most: int | None = None) -> Got:
        return await self._gather(page.iter_pages(), at_most)

    async def prefetched(self, page: Any, at_most: int | None = None, ahead: int = 1) -> Got:
        async with page.prefetch(ahead=ahead) as items:
            return await self._gather(items, at_most)

    async def all(self, *args: Any, **arguments: Any) -> list[Any]:
        """Every item of a list that has no errors in it."""
        items, error = await self.items(await self.first(*args, **arguments))
        assert error is None, error
        return items

    async def _gather(self, things: Any, at_most: int | None) -> Got:
        got: list[Any] = []
        try:
            async for thing in things:
                got.append(thing)
                if len(got) == at_most:
                    break
        except APIError as error:
            return got, error
        return got, None


class BlockingLists(Lists):
    async def _run(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Any:
        return await trio.to_thread.run_sync(partial(function, *args, **arguments), abandon_on_cancel=True)

    async def first(
        self, path: str = "/list", *, model: Any = int, page: tuple[Any, Any] = LISTED, **arguments: Any
    ) -> Any:
        return await self._run(self.client.get_api_list, path, model=model, page=page[1], **arguments)

    async def after(self, page: Any) -> Any:
        return await self._run(page.get_next_page)

    async def items(self, page: Any, at_most: int | None = None) -> Got:
        return await self._run(self._gather_here, iter(page), at_most)

    async def pages(self, page: Any, at_most: int | None = None) -> Got:
        return await self._run(self._gather_here, page.iter_pages(), at_most)

    async def prefetched(self, page: Any, at_most: int | None = None, ahead: int = 1) -> Got:
        def prefetched() -> Got:
            with page.prefetch(ahead=ahead) as items:
                return self._gather_here(items, at_most)

        return await self._run(prefetched)

    def _gather_here(self, things: Iterator[Any], at_most: int | None) -> Got:
        got: list[Any] = []
        try:
            for thing in things:
                got.append(thing)
                if len(got) == at_most:
                    break
        except APIError as error:
            return got, error
        return got, None


OpenLists = Callable[..., Any]


@asynccontextmanager
async def _scripted(**arguments: Any) -> AsyncIterator[Lists]:
    lists = Lists()
    transport = ScriptedTransport(lists.reply_to, repeat_last=True)
    async with AsyncAPIClient(base_url="https://api.test/v1", transport=transport, **arguments) as lists.client:
        yield lists
        assert transport.open_responses == 0


@asynccontextmanager
async def _served(lists: Lists) -> AsyncIterator[str]:
    async with LoopbackServer() as server:
        server.route("*", "/*", lists.reply_to, repeat_last=True)
        yield f"{server.url}v1"
        await server.wait_connections_closed()


@asynccontextmanager
async def _over_trio(**arguments: Any) -> AsyncIterator[Lists]:
    lists = Lists()
    async with _served(lists) as url:
        async with AsyncAPIClient(base_url=url, **arguments) as lists.client:
            yield lists


@asynccontextmanager
async def _over_httpx(**arguments: Any) -> AsyncIterator[Lists]:
    lists = Lists()
    async with _served(lists) as url, httpx.AsyncClient(verify=False) as carrier:
        async with AsyncAPIClient(base_url=url, http_client=carrier, **arguments) as lists.client:
            yield lists


@asynccontextmanager
async def _blocking(**arguments: Any) -> AsyncIterator[Lists]:
    lists = BlockingLists()
    async with _served(lists) as url:
        lists.client = SyncAPIClient(base_url=url, **arguments)
        try:
            yield lists
        finally:
            await trio.to_thread.run_sync(lists.client.close)


_FACES = {"scripted": _scripted, "trio": _over_trio, "httpx": _over_httpx, "blocking": _blocking}


@pytest.fixture
def listed() -> tuple[Any, Any]:
    """The page class of these lists, for the async client and for the blocking one."""
    return LISTED


@pytest.fixture(params=list(_FACES))
def open_lists(request: pytest.FixtureRequest) -> OpenLists:
    """Opens `Lists`; arguments go to the client."""
    return _FACES[request.param]


@pytest.fixture
async def lists(open_lists: OpenLists) -> AsyncIterator[Lists]:
    """One without retries."""
    async with open_lists(max_retries=0) as lists:
        yield lists


def _page_number(request: Any) -> int:
    asked = {**parse_qs(request.query), **(request.json() if request.body else {})}
    number = asked.get("page", 1)
    return int(number[0] if isinstance(number, list) else number)


def _numbered(how: str, last: int) -> Answer:
    def answer(request: Any) -> Reply:
        number = _page_number(request)
        following = {
            "params": ("params", {"page": number + 1}),
            "json": ("json", {"page": number + 1}),
            "path": ("url", f"/v1/list?page={number + 1}"),
            "query": ("url", f"?page={number + 1}"),
            "url": ("url", f"{_root(request)}/v1/list?page={number + 1}"),
        }
        named, info = following[how]
        return reply(json={"data": [number * 10, number * 10 + 1], "how": named if number < last else "", "next": info})

    return answer


def _root(request: Any) -> str:
    scheme = "https" if request.header("host") in {None, "api.test"} else "http"
    return f"{scheme}://{request.header('host') or 'api.test'}"


@pytest.fixture
def numbered() -> Callable[[str, int], Answer]:
    """``numbered(how, last)`` answers with pages 1 to `last`: [10, 11], [20, 21]..., naming the next one that way."""
    return _numbered


@pytest.fixture(params=["params", "json", "path", "query", "url"])
def how(request: pytest.FixtureRequest) -> str:
    """How the server names the next page."""
    return request.param


@pytest.fixture
def page_number() -> Callable[[Any], int]:
    """Which page a request is for."""
    return _page_number
