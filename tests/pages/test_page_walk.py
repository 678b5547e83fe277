"""Going through a list: the same in both clients, whatever carries them."""

from __future__ import annotations

import gc
import pickle
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from trioclient import (
    APIConnectionError,
    APIResponseValidationError,
    AsyncAPIClient,
    InternalServerError,
    LimitExceeded,
    Limits,
    SyncAPIClient,
    omit,
)
from trioclient.testing import LoopbackServer, ScriptedTransport, reply


def tens(first: int, last: int) -> list[int]:
    """The items of some pages of a numbered list."""
    return [number * 10 + digit for number in range(first, last + 1) for digit in (0, 1)]


def a_page(data: Any, **successor: Any) -> Any:
    """An answer; ``params={...}``, ``json={...}`` or ``url="..."`` is its successor."""
    for how, info in successor.items():
        return reply(json={"data": data, "how": how, "next": info})
    return reply(json={"data": data})


class TestForth:
    async def test_items_come_in_order(self, lists: Any, numbered: Any, how: str) -> None:
        lists.answer = numbered(how, 4)
        assert await lists.all() == tens(1, 4)
        assert len(lists.requests) == 4

    async def test_so_do_pages(self, lists: Any, numbered: Any, how: str) -> None:
        lists.answer = numbered(how, 3)
        pages, _ = await lists.pages(await lists.first())
        assert [page.data for page in pages] == [[10, 11], [20, 21], [30, 31]]
        assert [page.has_next_page() for page in pages] == [True, True, False]

    async def test_by_hand(self, lists: Any, numbered: Any, how: str) -> None:
        lists.answer = numbered(how, 3)
        page = await lists.first()
        seen = [page.data]
        while page.has_next_page():
            page = await lists.after(page)
            seen.append(page.data)
        assert seen == [[10, 11], [20, 21], [30, 31]]
        with pytest.raises(RuntimeError, match="this is the last page"):
            await lists.after(page)
        assert len(lists.requests) == 3

    async def test_one_page_is_a_list_too(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 1)
        assert await lists.all() == [10, 11]

    async def test_from_a_page_in_the_middle(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 4)
        third = await lists.after(await lists.after(await lists.first()))
        assert (await lists.items(third))[0] == tens(3, 4)
        assert [page.data[0] for page in (await lists.pages(third))[0]] == [30, 40]

    @pytest.mark.parametrize("data", [[], None], ids=["empty", "null"])
    async def test_an_empty_page_ends_it(self, lists: Any, data: Any) -> None:
        replies = iter([a_page([1], params={"c": 1}), a_page(data, params={"c": 2}), a_page([3])])
        lists.answer = lambda request: next(replies)
        first = await lists.first()
        pages, _ = await lists.pages(first)
        assert [page.data for page in pages] == [[1], data]
        assert [page.has_next_page() for page in pages] == [True, False]
        # But what it says is next can be asked for.
        assert (await lists.after(pages[1])).data == [3]

    async def test_a_list_may_be_empty_from_the_start(self, lists: Any) -> None:
        lists.answer = lambda request: a_page([], params={"c": 1})
        assert await lists.all() == []
        assert len(lists.requests) == 1

    async def test_leaving_early_asks_for_no_more(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 9)
        first = await lists.first()
        assert await lists.items(first, at_most=3) == ([10, 11, 20], None)
        assert len(lists.requests) == 2
        assert len((await lists.pages(first, at_most=1))[0]) == 1
        assert len(lists.requests) == 2

    async def test_a_page_may_be_gone_through_again(self, lists: Any, numbered: Any, how: str) -> None:
        lists.answer = numbered(how, 3)
        first = await lists.first()
        for _ in range(2):
            assert await lists.items(first) == (tens(1, 3), None)
        second = await lists.after(first)
        again = await lists.after(first)
        assert second == again
        assert await lists.items(second) == await lists.items(again) == (tens(2, 3), None)


class TestErrors:
    async def test_one_on_page_three_comes_after_the_items_before_it(self, lists: Any, numbered: Any) -> None:
        pages = numbered("params", 4)
        lists.answer = lambda request: reply(500) if len(lists.requests) == 3 else pages(request)
        items, error = await lists.items(await lists.first())
        assert items == tens(1, 2)
        assert type(error) is InternalServerError
        assert error.attempts == 1

    async def test_after_one_the_same_page_can_be_asked_for_again(self, lists: Any, numbered: Any) -> None:
        pages = numbered("params", 4)
        lists.answer = lambda request: reply(500) if len(lists.requests) == 3 else pages(request)
        (_, second), error = await lists.pages(await lists.first())
        assert type(error) is InternalServerError
        assert await lists.items(await lists.after(second)) == (tens(3, 4), None)

    async def test_pages_are_retried_like_any_call(self, open_lists: Any, numbered: Any) -> None:
        pages = numbered("params", 3)
        async with open_lists() as lists:
            no = reply(503, headers={"retry-after-ms": "1"})
            lists.answer = lambda request: no if len(lists.requests) % 2 else pages(request)
            assert await lists.all() == tens(1, 3)
            assert len(lists.requests) == 6

    async def test_a_closed_client_gets_no_more(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 3)
        first = await lists.first()
        if isinstance(lists.client, SyncAPIClient):
            await trio.to_thread.run_sync(lists.client.close)
        else:
            await lists.client.aclose()
        items, error = await lists.items(first)
        assert items == [10, 11]
        assert type(error) is APIConnectionError


class TestRepetition:
    @pytest.mark.parametrize("lead", [0, 2])
    @pytest.mark.parametrize("cycle", [1, 2, 5])
    async def test_a_page_given_before_is_not_asked_for_again(
        self, lists: Any, how: str, cycle: int, lead: int, numbered: Any, page_number: Callable[[Any], int]
    ) -> None:
        begin: Any = {"body": {"page": 1}} if how == "json" else {"options": {"params": {"page": 1}}}
        last = lead + cycle
        forth = numbered(how, 99)
        back: Any = {how: {"page": lead + 1}} if how in {"params", "json"} else {"url": f"?page={lead + 1}"}
        lists.answer = lambda request: a_page([0], **back) if page_number(request) == last else forth(request)
        items, error = await lists.items(await lists.first(**begin))
        assert items == [*tens(1, last - 1), 0]
        assert len(lists.requests) == last
        assert type(error) is APIResponseValidationError
        assert "a page as the next one that it had given before: PageInfo(" in str(error)
        assert f"page={lead + 1}" in str(error) or f"'page': {lead + 1}" in str(error)
        assert str(error.request.url).endswith(lists.requests[-1].target)
        assert (error.attempts, error.sent) == (0, "yes")
        assert str(pickle.loads(pickle.dumps(error))) == str(error)

    async def test_the_message_keeps_secrets(self, open_lists: Any) -> None:
        async with open_lists(custom_query={"api_key": "s3cr3t"}) as lists:
            lists.answer = lambda request: a_page([1], params={"page_token": "s3cr3t-too"})
            items, error = await lists.items(await lists.first(options={"headers": {"X-Api-Key": "s3cr3t"}}))
        assert items == [1, 1]
        assert "{'page_token': [redacted]}" in str(error)
        assert "s3cr3t" not in f"{error}{error!r}{vars(error)}{error.request.headers.raw}"

    async def test_order_of_writing_makes_no_new_page(self, lists: Any) -> None:
        urls = iter(["?a=1&b=2", "/v1/list?a=1&b=2#more"])
        lists.answer = lambda request: a_page([1], url=next(urls))
        items, error = await lists.items(await lists.first())
        assert items == [1, 1]
        assert isinstance(error, APIResponseValidationError)

    async def test_another_body_is_another_page(self, lists: Any) -> None:
        bodies = iter([{"cursor": "a"}, {"cursor": "b"}, {"cursor": "a"}])
        lists.answer = lambda request: a_page([len(lists.requests)], json=next(bodies))
        items, error = await lists.items(await lists.first(method="post"))
        assert items == [1, 2, 3]
        assert isinstance(error, APIResponseValidationError)

    async def test_a_list_that_has_changed_is_no_repetition(self, lists: Any) -> None:
        """Pages fetched again may name others as the next than they did the first time."""
        nexts = {"": ["a", "b"], "cursor=a": ["b"], "cursor=b": ["a", ""]}
        lists.answer = lambda request: a_page([request.query], **_cursor(nexts[request.query].pop(0)))
        first = await lists.first()
        items, error = await lists.items(first)
        assert items == ["", "cursor=a", "cursor=b"]
        assert isinstance(error, APIResponseValidationError)
        nexts[""], nexts["cursor=b"], nexts["cursor=a"] = ["b"], ["a"], [""]
        again = await lists.first()
        assert await lists.items(again) == (["", "cursor=b", "cursor=a"], None)


def _cursor(cursor: str) -> Any:
    return {"params": {"cursor": cursor}} if cursor else {}


class TestBounds:
    async def test_the_clients(self, open_lists: Any, numbered: Any, how: str) -> None:
        async with open_lists(limits=Limits(max_pages=3)) as lists:
            lists.answer = numbered(how, 9)
            items, error = await lists.items(await lists.first())
            assert items == tens(1, 3)
            assert type(error) is LimitExceeded
            assert (error.limit, error.value, error.attempts, error.sent) == ("max_pages", 3, 0, "yes")
            assert "max_pages (3) was exceeded" in str(error)
            assert error.request is not None
            assert error.request.method == "GET"
            assert len(lists.requests) == 3

    @pytest.mark.parametrize("most", [1, 4])
    async def test_the_lists_own(self, open_lists: Any, numbered: Any, most: int) -> None:
        async with open_lists(limits=Limits(max_pages=2)) as lists:
            lists.answer = numbered("params", 9)
            pages, error = await lists.pages(await lists.first(max_pages=most))
            assert len(pages) == len(lists.requests) == most
            assert type(error) is LimitExceeded
            assert error.value == most

    async def test_a_list_that_fills_it_is_no_error(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 3)
        assert await lists.all(max_pages=3) == tens(1, 3)

    async def test_it_counts_from_the_first_page_however_often_one_goes_on(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 9)
        first = await lists.first(max_pages=3)
        for _ in range(3):
            pages, error = await lists.pages(first)
            assert len(pages) == 3
            assert type(error) is LimitExceeded
        assert len((await lists.pages(pages[2]))[0]) == 1


class TestRequests:
    async def test_every_page_is_asked_for_with_the_same_options(self, lists: Any, numbered: Any, how: str) -> None:
        lists.answer = numbered(how, 3)
        options = {"headers": {"X-Mine": "1", "Accept": omit}, "params": {"limit": 2, "of": [1, 2]}}
        await lists.all(options=options, method="POST", body={"filter": "f"})
        assert [request.method for request in lists.requests] == ["POST"] * 3
        for request in lists.requests:
            assert request.header("x-mine") == "1"
            assert request.header("accept") != "application/json"
            assert set(request.query.split("&")) >= {"limit=2", "of=1", "of=2"}
            assert request.json()["filter"] == "f"

    async def test_what_the_caller_does_to_them_later_has_no_effect(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 3)
        options: Any = {"params": {"limit": 2}, "headers": {"X-Mine": "1"}, "extra_json": {"a": 1}}
        first = await lists.first(options=options)
        options["params"]["limit"] = options["headers"]["X-Mine"] = options["extra_json"]["a"] = "no"
        options["max_retries"] = -1
        await lists.items(first)
        assert [(request.query, request.header("X-Mine"), request.json()) for request in lists.requests] == [
            ("limit=2", "1", {"a": 1}),
            ("limit=2&page=2", "1", {"a": 1}),
            ("limit=2&page=3", "1", {"a": 1}),
        ]

    @pytest.mark.parametrize("name", ["params", "headers", "extra_json"])
    async def test_options_that_are_none_are_as_good_as_left_out(self, lists: Any, numbered: Any, name: str) -> None:
        lists.answer = numbered("json", 3)
        assert await lists.all(options={name: None}) == tens(1, 3)

    async def test_an_idempotency_key_is_the_first_ones_only(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("json", 3)
        await lists.all(method="post", options={"idempotency_key": "mine"})
        keys = [request.header("idempotency-key") for request in lists.requests]
        assert keys[0] == "mine"
        assert len({*keys, None}) == 4

    async def test_a_param_takes_the_place_of_one_in_the_path(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 3)
        assert await lists.all("/list?page=1&limit=2") == tens(1, 3)
        assert [request.target for request in lists.requests] == [
            "/v1/list?page=1&limit=2",
            "/v1/list?limit=2&page=2",
            "/v1/list?limit=2&page=3",
        ]

    async def test_none_deletes_a_param(self, lists: Any) -> None:
        replies = iter([a_page([1], params={"before": None, "after": "x"}), a_page([2])])
        lists.answer = lambda request: next(replies)
        await lists.all(options={"params": {"before": "b", "limit": 2}})
        assert [request.query for request in lists.requests] == ["before=b&limit=2", "limit=2&after=x"]

    async def test_the_query_of_a_url_goes_before_the_clients(self, open_lists: Any) -> None:
        replies = iter([a_page([1], url="/v1/list?version=2&page=2"), a_page([2])])
        async with open_lists(custom_query={"version": 1, "lang": "en"}) as lists:
            lists.answer = lambda request: next(replies)
            await lists.all(options={"params": {"page": 1, "limit": 2}})
        assert [request.query for request in lists.requests] == [
            "version=1&lang=en&page=1&limit=2",
            "version=2&page=2&lang=en&limit=2",
        ]

    async def test_a_relative_url_starts_where_redirects_have_led(self, lists: Any) -> None:
        def answer(request: Any) -> Any:
            if request.path == "/v1/list":
                return reply(302, headers={"Location": "/v1/regions/eu/list"})
            return a_page([request.path]) if request.query else a_page([1], url="list?page=2")

        lists.answer = answer
        assert await lists.all() == [1, "/v1/regions/eu/list"]
        assert len(lists.requests) == 3

    @pytest.mark.parametrize(
        ("url", "message"),
        [("ftp://api.test/", "must be an absolute http"), ("http://u:s3cr3t@h/", "must not hold a user name")],
    )
    async def test_a_url_that_cannot_be_followed(self, lists: Any, url: str, message: str) -> None:
        lists.answer = lambda request: a_page([1], url=url)
        items, error = await lists.items(await lists.first())
        assert items == [1]
        assert type(error) is APIResponseValidationError
        assert message in str(error)
        assert "s3cr3t" not in str(error)
        assert error.request is not None
        assert (error.attempts, len(lists.requests)) == (0, 1)

    async def test_no_credential_goes_to_another_origin(self, listed: Any) -> None:
        class Client(AsyncAPIClient):
            @property
            def auth_headers(self) -> dict[str, str]:
                return {"X-Badge": "s3cr3t"}

        async with LoopbackServer() as here, LoopbackServer() as there:
            here.route("GET", "/list", a_page([1], url=f"{there.url}list?page=2"))
            there.route("GET", "/list", a_page([2], url="?page=3"), a_page([3], url=f"{here.url}list/4"))
            here.route("GET", "/list/4", a_page([4]))
            async with Client(base_url=here.url, custom_query={"api_key": "s3cr3t"}) as client:
                paginator = client.get_api_list(
                    "/list",
                    model=int,
                    page=listed[0],
                    options={
                        "headers": {"Cookie": "s3cr3t", "X-Badge": "s3cr3t-too", "X-Mine": "1"},
                        "params": {"sig": "s3cr3t"},
                    },
                )
                assert [item async for item in paginator] == [1, 2, 3, 4]
        assert [request.target for request in there.requests] == ["/list?page=2", "/list?page=3"]
        assert [request.header("X-Mine") for request in there.requests] == ["1", "1"]
        assert "s3cr3t" not in str([(request.headers, request.target) for request in there.requests])
        # The client's own are for its own origin again; the call's are not heard of any more.
        assert here.requests[1].header("X-Badge") == "s3cr3t"
        assert here.requests[1].header("Cookie") is None

    async def test_nor_does_one_that_a_redirect_has_held_back(self, listed: Any) -> None:
        async with LoopbackServer() as here, LoopbackServer() as there:
            here.route("GET", "/list", reply(302, headers={"Location": f"{there.url}list"}))
            there.route("GET", "/list", a_page([1], url="?page=2"), a_page([2]))
            async with AsyncAPIClient(base_url=here.url) as client:
                options: Any = {"headers": {"Cookie": "s3cr3t", "X-Mine": "1"}}
                paginator = client.get_api_list("/list", model=int, page=listed[0], options=options)
                assert [item async for item in paginator] == [1, 2]
        assert [(request.header("Cookie"), request.header("X-Mine")) for request in there.requests] == [(None, "1")] * 2


class TestTenThousandPages:
    """No page is kept, and of each only a few bytes."""

    PAGES = 10_000
    FEWER = 2_000

    def transport(self, pages: int) -> ScriptedTransport:
        def answer(request: Any) -> Any:
            transport.requests.clear()
            number = int(request.query.removeprefix("cursor=") or 1)
            following: Any = {"params": {"cursor": number + 1}} if number < pages else {}
            return a_page([number * 1000, number * 1000 + 1], **following)

        transport = ScriptedTransport(answer, repeat_last=True)
        return transport

    @contextmanager
    def flat(self, pages: int, gauge: Callable[[], int], most: int) -> Iterator[Callable[[], None]]:
        """From the hundredth item taken on, `gauge` may not rise by more than `most`."""
        taken = before = 0

        def take() -> None:
            nonlocal taken, before
            taken += 1
            if taken == 100:
                gc.collect()
                before = gauge()

        yield take
        gc.collect()
        assert taken == pages * 2
        assert gauge() - before < most

    async def test_in_blocks(self, listed: Any) -> None:
        """Blocks of memory are counted anyway: a page would be more than ten."""
        async with AsyncAPIClient(base_url="https://api.test", transport=self.transport(self.PAGES)) as client:
            with self.flat(self.PAGES, sys.getallocatedblocks, 5 * self.PAGES) as take:
                async for _ in client.get_api_list("/list", model=int, page=listed[0]):
                    take()

    async def test_in_bytes(self, listed: Any) -> None:
        async with AsyncAPIClient(base_url="https://api.test", transport=self.transport(self.FEWER)) as client:
            items = aiter(client.get_api_list("/list", model=int, page=listed[0]))
            tracemalloc.start()
            try:
                with self.flat(self.FEWER, lambda: tracemalloc.get_traced_memory()[0], 1_000_000) as take:
                    async for _ in items:
                        take()
            finally:
                tracemalloc.stop()

    async def test_prefetched(self, listed: Any) -> None:
        async with AsyncAPIClient(base_url="https://api.test", transport=self.transport(self.FEWER)) as client:
            async with client.get_api_list("/list", model=int, page=listed[0]).prefetch() as items:
                with self.flat(self.FEWER, sys.getallocatedblocks, 5 * self.FEWER) as take:
                    async for _ in items:
                        take()

    def test_blocking(self, listed: Any) -> None:
        with SyncAPIClient(base_url="https://api.test", transport=self.transport(self.FEWER)) as client:
            items = iter(client.get_api_list("/list", model=int, page=listed[1]))
            with self.flat(self.FEWER, sys.getallocatedblocks, 5 * self.FEWER) as take:
                for _ in items:
                    take()

    def test_blocking_and_prefetched(self, listed: Any) -> None:
        with SyncAPIClient(base_url="https://api.test", transport=self.transport(self.FEWER)) as client:
            with client.get_api_list("/list", model=int, page=listed[1]).prefetch() as items:
                with self.flat(self.FEWER, sys.getallocatedblocks, 5 * self.FEWER) as take:
                    for _ in items:
                        take()
