"""Iterators and prefetching: what is fetched when, in virtual time, and what is left behind."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from trioclient import APIConnectionError, AsyncAPIClient, InternalServerError, LimitExceeded, SyncAPIClient
from trioclient.testing import LoopbackServer, ScriptedTransport, fault, reply

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

SECONDS = 1.0
"""A page takes so long, and so does the work on it."""


class Stage:
    """A list whose pages [n] take a second each; times of the requests and of the items."""

    def __init__(self, last: int, listed: Any, **odd: Any) -> None:
        """`odd` answers some pages otherwise: ``page3=reply(500)``."""

        def answer(request: Any) -> Any:
            number = int(request.query.removeprefix("page=") or 1)
            following = {"how": "params", "next": {"page": number + 1}} if number < last else {}
            return odd.get(f"page{number}", reply(json={"data": [number], **following}, delay=SECONDS))

        self.transport = ScriptedTransport(answer, repeat_last=True)
        self.client = AsyncAPIClient(base_url="https://api.test", transport=self.transport, max_retries=0)
        self.paginator = self.client.get_api_list("/list", model=int, page=listed[0])
        self.began = trio.current_time()
        self.got: list[tuple[int, float]] = []

    @property
    def asked(self) -> list[float]:
        return [request.at - self.began for request in self.transport.requests]

    @property
    def now(self) -> float:
        return trio.current_time() - self.began

    async def work(self, items: Any, seconds: float = SECONDS) -> None:
        async for item in items:
            self.got.append((item, self.now))
            await trio.sleep(seconds)

    def is_clean(self) -> bool:
        return self.transport.open_responses == 0 and self.client.statistics().in_flight == 0


@pytest.fixture
def stage(listed: Any) -> Callable[..., Stage]:
    return lambda last, **odd: Stage(last, listed, **odd)


class TestInTime:
    async def test_without_prefetching_work_and_fetching_take_turns(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5)
        await on.work(on.paginator)
        assert on.now == 10
        assert on.asked == [0, 2, 4, 6, 8]

    @pytest.mark.parametrize("ahead", [1, 2, 7])
    async def test_with_it_the_next_page_is_there_when_the_work_is_done(
        self, autojump_clock: Any, stage: Any, ahead: int
    ) -> None:
        on = stage(5)
        async with on.paginator.prefetch(ahead=ahead) as items:
            await on.work(items)
        assert on.got == [(number, number) for number in (1, 2, 3, 4, 5)]
        assert on.now == 6
        assert on.asked == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("ahead", "asked"), [(1, [0, 1, 11, 21, 31]), (2, [0, 1, 2, 11, 21]), (9, [0, 1, 2, 3, 4])]
    )
    async def test_it_goes_no_further_ahead_than_told(
        self, autojump_clock: Any, stage: Any, ahead: int, asked: list[float]
    ) -> None:
        on = stage(5)
        async with on.paginator.prefetch(ahead=ahead) as items:
            await on.work(items, 10 * SECONDS)
        assert on.asked == asked
        assert on.now == 51

    async def test_work_that_is_done_at_once_waits_for_each_page(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5)
        async with on.paginator.prefetch() as items:
            await on.work(items, 0)
        assert on.got == [(number, number) for number in (1, 2, 3, 4, 5)]

    async def test_from_a_page(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(4)
        page = await (await on.paginator).get_next_page()
        async with page.prefetch() as items:
            await on.work(items)
        assert on.got == [(2, 2), (3, 3), (4, 4)]
        assert on.now == 5

    async def test_nothing_is_sent_before_it_is_entered(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(4)
        on.paginator.prefetch()
        aiter(on.paginator)
        on.paginator.iter_pages()
        await trio.sleep(10)
        assert on.asked == []


class TestErrors:
    async def test_one_comes_after_the_items_before_it(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5, page3=reply(500))
        async with on.paginator.prefetch() as items:
            with pytest.raises(InternalServerError):
                await on.work(items)
            assert on.got == [(1, 1), (2, 2)]
            assert on.now == 3
            await on.work(items)
            assert len(on.got) == 2  # it has ended
        assert on.is_clean()

    async def test_one_leaves_the_block_as_itself(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5, page1=fault("connect"))
        with pytest.raises(APIConnectionError) as caught:
            async with on.paginator.prefetch() as items:
                await on.work(items)
        assert type(caught.value.__cause__).__name__ == "ConnectFault"

    async def test_one_that_nobody_gets_to_is_not_raised(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5, page2=reply(500))
        async with on.paginator.prefetch() as items:
            assert await anext(items) == 1
            await trio.sleep(5)
        assert len(on.asked) == 2

    async def test_what_the_page_class_raises(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5, page2=reply(json={"data": [2], "how": "nonsense", "next": 1}))
        with pytest.raises(TypeError, match="nonsense"):
            async with on.paginator.prefetch() as items:
                await on.work(items)
        assert [item for item, _ in on.got] == [1, 2]

    @pytest.mark.parametrize(
        "error", [ValueError("mine"), KeyboardInterrupt(), ExceptionGroup("mine", [ValueError()])], ids=repr
    )
    async def test_what_the_body_raises_goes_its_own_way(
        self, autojump_clock: Any, stage: Any, error: BaseException
    ) -> None:
        on = stage(5)
        with pytest.raises(type(error)) as caught:
            async with on.paginator.prefetch() as items:
                await anext(items)
                raise error
        assert caught.value is error
        assert on.now == 1
        assert on.is_clean()


class TestLeaving:
    async def test_early_ends_the_fetch(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5)
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with on.paginator.prefetch() as items:
            async for _ in items:
                await trio.sleep(SECONDS / 2)
                break
        assert on.now == 1.5
        assert on.asked == [0, 1]
        assert on.is_clean()
        assert trio.lowlevel.current_statistics().tasks_living == tasks

    @pytest.mark.parametrize("at", [0.0, 0.5, 1.5, 2.0, 2.5])
    async def test_by_cancellation(self, autojump_clock: Any, stage: Any, at: float) -> None:
        on = stage(5)
        tasks = trio.lowlevel.current_statistics().tasks_living
        with trio.move_on_after(at) as scope:
            async with on.paginator.prefetch() as items:
                await on.work(items)
        assert scope.cancelled_caught
        assert on.now == at
        assert on.is_clean()
        assert trio.lowlevel.current_statistics().tasks_living == tasks

    async def test_cancelled_only_as_it_is_left(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5)
        with trio.CancelScope() as scope:
            async with on.paginator.prefetch() as items:
                await anext(items)
                scope.cancel()
        assert on.is_clean()

    async def test_by_an_error_while_cancelled(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5)
        with pytest.raises(ValueError, match="mine"), trio.CancelScope() as scope:
            async with on.paginator.prefetch() as items:
                await anext(items)
                scope.cancel()
                raise ValueError("mine")
        assert on.is_clean()

    async def test_afterwards_its_items_are_out_of_reach(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5)
        async with on.paginator.prefetch() as items:
            pass
        with pytest.raises(RuntimeError, match="only inside their own `async with`"):
            await anext(items)

    async def test_it_is_entered_once(self, autojump_clock: Any, stage: Any) -> None:
        prefetch = stage(5).paginator.prefetch()
        async with prefetch:
            with pytest.raises(RuntimeError, match="only once"):
                await prefetch.__aenter__()

    @pytest.mark.parametrize(
        ("ahead", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError), (1.5, TypeError)]
    )
    async def test_how_far_ahead_is_checked(self, stage: Any, ahead: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match="ahead must be"):
            stage(5).paginator.prefetch(ahead=ahead)


class TestIterators:
    async def test_each_is_a_walk_of_its_own(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(2)
        for _ in range(2):
            assert [item async for item in on.paginator] == [1, 2]
        assert [page.data async for page in on.paginator.iter_pages()] == [[1], [2]]
        assert (await on.paginator).data == (await on.paginator).data == [1]
        assert len(on.asked) == 8

    async def test_one_goes_on_after_an_error_where_it_was(self, autojump_clock: Any, listed: Any) -> None:
        page = {"data": [1], "how": "params", "next": {"page": 2}}
        transport = ScriptedTransport(reply(500), reply(json=page), fault("disconnect"), reply(json={"data": [2]}))
        client = AsyncAPIClient(base_url="https://api.test", transport=transport, max_retries=0)
        items = aiter(client.get_api_list("/list", model=int, page=listed[0]))
        with pytest.raises(InternalServerError):
            await anext(items)
        assert await anext(items) == 1
        with pytest.raises(APIConnectionError):
            await anext(items)
        assert await anext(items) == 2
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(items)

    async def test_two_tasks_do_not_share_one(self, autojump_clock: Any, stage: Any, nursery: trio.Nursery) -> None:
        pages = stage(3).paginator.iter_pages()
        nursery.start_soon(anext, pages)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await anext(pages)
        await trio.sleep(5)
        assert (await anext(pages)).data == [2]

    async def test_items_at_hand_let_others_run(self, autojump_clock: Any, listed: Any) -> None:
        transport = ScriptedTransport(reply(json={"data": list(range(1000))}))
        client = AsyncAPIClient(base_url="https://api.test", transport=transport)
        seen: list[int] = []

        async def watch() -> None:
            while True:
                await trio.lowlevel.checkpoint()
                seen.append(len(got))

        got: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            async for item in client.get_api_list("/list", model=int, page=listed[0]):
                got += [item]
            nursery.cancel_scope.cancel()
        assert len({count for count in seen if 0 < count < 1000}) > 3

    async def test_items_at_hand_are_kept_back_when_cancelled(self, autojump_clock: Any, listed: Any) -> None:
        transport = ScriptedTransport(reply(json={"data": [1, 2, 3]}))
        client = AsyncAPIClient(base_url="https://api.test", transport=transport)
        items = aiter(client.get_api_list("/list", model=int, page=listed[0]))
        assert await anext(items) == 1
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(items)
        assert scope.cancelled_caught
        assert await anext(items) == 2

    async def test_one_left_half_way_leaves_nothing(self, autojump_clock: Any, stage: Any) -> None:
        on = stage(5)
        async for _ in on.paginator:
            break
        async for _ in on.paginator.iter_pages():
            break
        gc.collect()  # where an async generator would warn
        assert on.is_clean()


class TestBlocking:
    """Its fetching is one task on the background thread, so what it has done is known when that is idle."""

    @staticmethod
    def opened(last: int, **odd: Any) -> tuple[SyncAPIClient, ScriptedTransport]:
        def answer(request: Any) -> Any:
            number = int(request.query.removeprefix("page=") or 1)
            following = {"how": "params", "next": {"page": number + 1}} if number < last else {}
            return odd.get(f"page{number}", reply(json={"data": [number], **following}))

        transport = ScriptedTransport(answer, repeat_last=True)
        return SyncAPIClient(base_url="https://api.test", transport=transport, max_retries=0), transport

    @pytest.mark.parametrize("ahead", [1, 2, 7])
    def test_it_goes_no_further_ahead_than_told(self, listed: Any, ahead: int) -> None:
        client, transport = self.opened(6)
        with client, client.get_api_list("/list", model=int, page=listed[1]).prefetch(ahead=ahead) as items:
            for item in items:
                client._lease.call(trio.testing.wait_all_tasks_blocked)
                assert len(transport.requests) == min(item + ahead, 6)
            assert item == 6

    def test_an_error_comes_after_the_items_before_it(self, listed: Any) -> None:
        client, _ = self.opened(6, page4=reply(500))
        got = []
        with client, client.get_api_list("/list", model=int, page=listed[1]).prefetch() as items:
            with pytest.raises(InternalServerError):
                for item in items:
                    client._lease.call(trio.testing.wait_all_tasks_blocked)
                    got.append(item)
            assert got == [1, 2, 3]
            assert list(items) == []

    def test_the_bound_on_pages_holds_too(self, listed: Any) -> None:
        client, transport = self.opened(6)
        with client:
            page = client.get_api_list("/list", model=int, page=listed[1], max_pages=2)
            with pytest.raises(LimitExceeded), page.prefetch(ahead=9) as items:
                assert [next(items), next(items)] == [1, 2]
                next(items)
        assert len(transport.requests) == 2

    def test_leaving_early_ends_the_fetch(self, listed: Any) -> None:
        client, transport = self.opened(6, page3=reply(json={}, delay=float("inf")))
        with client, client.get_api_list("/list", model=int, page=listed[1]).prefetch() as items:
            assert [next(items), next(items)] == [1, 2]
            client._lease.call(trio.testing.wait_all_tasks_blocked)
            assert client.statistics().in_flight == 1
        assert len(transport.requests) == 3
        assert client.statistics().in_flight == 0

    def test_what_the_body_raises_goes_its_own_way(self, listed: Any) -> None:
        client, transport = self.opened(6, page2=reply(json={}, delay=float("inf")))
        with pytest.raises(KeyboardInterrupt), client:
            with client.get_api_list("/list", model=int, page=listed[1]).prefetch() as items:
                assert next(items) == 1
                raise KeyboardInterrupt
        assert transport.open_responses == client.statistics().in_flight == 0

    def test_afterwards_its_items_are_out_of_reach(self, listed: Any) -> None:
        client, _ = self.opened(6)
        with client:
            prefetch = client.get_api_list("/list", model=int, page=listed[1]).prefetch()
            with prefetch as items:
                with pytest.raises(RuntimeError, match="only once"):
                    prefetch.__enter__()
            with pytest.raises(RuntimeError, match="only inside their own `with`"):
                next(items)

    @pytest.mark.parametrize(("ahead", "error"), [(0, ValueError), ("1", TypeError)])
    def test_how_far_ahead_is_checked(self, listed: Any, ahead: Any, error: type[Exception]) -> None:
        client, _ = self.opened(1)
        with client, pytest.raises(error, match="ahead must be"):
            client.get_api_list("/list", model=int, page=listed[1]).prefetch(ahead=ahead)

    def test_an_iterator_goes_on_after_an_error_where_it_was(self, listed: Any) -> None:
        page = {"data": [1], "how": "params", "next": {"page": 2}}
        transport = ScriptedTransport(reply(json=page), fault("disconnect"), reply(json={"data": [2]}))
        with SyncAPIClient(base_url="https://api.test", transport=transport, max_retries=0) as client:
            items = iter(client.get_api_list("/list", model=int, page=listed[1]))
            assert next(items) == 1
            with pytest.raises(APIConnectionError):
                next(items)
            assert list(items) == [2]
            assert list(items) == []

    async def test_it_is_refused_on_a_thread_that_runs_trio(self, listed: Any) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/list", reply(json={"data": [1], "how": "params", "next": {"a": 1}}))
            client = SyncAPIClient(base_url=server.url)
            page = await trio.to_thread.run_sync(lambda: client.get_api_list("/list", model=int, page=listed[1]))
            for call in (page.get_next_page, lambda: list(page), lambda: page.prefetch().__enter__()):
                with pytest.raises(RuntimeError, match="use AsyncAPIClient"):
                    call()
            await trio.to_thread.run_sync(client.close)


class TestBothClients:
    @pytest.mark.parametrize("ahead", [1, 3])
    async def test_prefetched_items_are_the_same(self, lists: Any, numbered: Any, how: str, ahead: int) -> None:
        lists.answer = numbered(how, 4)
        first = await lists.first()
        assert await lists.prefetched(first, ahead=ahead) == await lists.items(first)
        assert len(lists.requests) == 7

    async def test_and_their_errors(self, lists: Any, numbered: Any) -> None:
        pages = numbered("params", 4)
        lists.answer = lambda request: reply(500) if "3" in request.query else pages(request)
        items, error = await lists.prefetched(await lists.first())
        assert items == [10, 11, 20, 21]
        assert type(error) is InternalServerError

    async def test_a_list_feeds_a_fan_out(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 3)

        async def call(api: Any, item: int) -> int:
            return item * 2

        page = await lists.first()
        if isinstance(lists.client, AsyncAPIClient):
            async with lists.client.fan_out(call, page, max_at_once=2, ordered=True) as run:
                values = [outcome.value async for outcome in run]
        else:

            def fan_out() -> list[int | None]:
                with lists.client.fan_out(call, page, max_at_once=2, ordered=True) as run:
                    return [outcome.value for outcome in run]

            values = await trio.to_thread.run_sync(fan_out)
        assert values == [20, 22, 40, 42, 60, 62]

    async def test_one_may_leave_early(self, lists: Any, numbered: Any) -> None:
        lists.answer = numbered("params", 9)
        assert await lists.prefetched(await lists.first(), at_most=3) == ([10, 11, 20], None)
        assert len(lists.requests) in {2, 3}
