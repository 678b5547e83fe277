"""Page classes as SDK authors write them: how they are laid out, decoded, and used on their own."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Generic, TypeVar, Union

import msgspec
import pytest

from trioclient import (
    APIResponseValidationError,
    AsyncAPIClient,
    BaseAsyncPage,
    BasePage,
    BaseSyncPage,
    PageInfo,
    SyncAPIClient,
    UnknownVariant,
    omit,
)
from trioclient.testing import ScriptedTransport, reply

T = TypeVar("T")
MetaT = TypeVar("MetaT")


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    name: str


Pet = Union[Cat, Dog]


class Cursor(BasePage[T], Generic[T]):
    """What the others have in common."""

    data: list[T]
    next_cursor: str | None = None

    def _get_page_items(self) -> list[T]:
        return self.data

    def next_page_info(self) -> PageInfo | None:
        return PageInfo(params={"cursor": self.next_cursor}) if self.next_cursor else None


class AsyncCursor(Cursor[T], BaseAsyncPage[T], Generic[T]):
    pass


class SyncCursor(Cursor[T], BaseSyncPage[T], Generic[T]):
    pass


class AsyncFirst(BaseAsyncPage[T], Cursor[T]):
    pass


class SyncFirst(BaseSyncPage[T], Cursor[T]):
    pass


class AsyncFrozen(Cursor[T], BaseAsyncPage[T], Generic[T], frozen=True):
    pass


class SyncFrozen(Cursor[T], BaseSyncPage[T], Generic[T], frozen=True):
    pass


class AsyncStrange(
    Cursor[T], BaseAsyncPage[T], Generic[T], kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    total: int


class SyncStrange(Cursor[T], BaseSyncPage[T], Generic[T], kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    total: int


class CamelCase(BasePage[T], Generic[T], rename="camel"):
    list_items: list[T]
    next_cursor: str | None = None

    def _get_page_items(self) -> list[T]:
        return self.list_items

    def next_page_info(self) -> PageInfo | None:
        return PageInfo(params={"cursor": self.next_cursor}) if self.next_cursor else None


class AsyncCamelCase(CamelCase[T], BaseAsyncPage[T], rename="camel"):
    pass


class SyncCamelCase(CamelCase[T], BaseSyncPage[T], rename="camel"):
    pass


class AsyncArray(Cursor[T], BaseAsyncPage[T], Generic[T], array_like=True):
    pass


class SyncArray(Cursor[T], BaseSyncPage[T], Generic[T], array_like=True):
    pass


class AsyncTagged(Cursor[T], BaseAsyncPage[T], Generic[T], tag_field="object", tag="list"):
    pass


class SyncTagged(Cursor[T], BaseSyncPage[T], Generic[T], tag_field="object", tag="list"):
    pass


class AsyncCats(AsyncCursor[Cat]):
    """No longer generic."""


class SyncCats(SyncCursor[Cat]):
    """No longer generic."""


class AsyncWithMeta(Cursor[T], BaseAsyncPage[T], Generic[T, MetaT]):
    meta: MetaT | None = None


class SyncWithMeta(Cursor[T], BaseSyncPage[T], Generic[T, MetaT]):
    meta: MetaT | None = None


CAT = {"type": "cat", "lives": 9}
PLAIN = {"data": [CAT], "next_cursor": "x"}

LAYOUTS = [
    pytest.param((AsyncCursor, SyncCursor), PLAIN, id="plain"),
    pytest.param((AsyncCursor[Cat], SyncCursor[Cat]), PLAIN, id="with its type"),
    pytest.param((AsyncFirst, SyncFirst), PLAIN, id="in the other order"),
    pytest.param((AsyncFrozen, SyncFrozen), PLAIN, id="frozen"),
    pytest.param((AsyncStrange, SyncStrange), {**PLAIN, "total": 3}, id="with further fields"),
    pytest.param((AsyncCamelCase, SyncCamelCase), {"listItems": [CAT], "nextCursor": "x"}, id="renamed"),
    pytest.param((AsyncArray, SyncArray), [[CAT], "x"], id="array"),
    pytest.param((AsyncTagged, SyncTagged), {"object": "list", **PLAIN}, id="tagged"),
    pytest.param((AsyncCats, SyncCats), PLAIN, id="not generic"),
    pytest.param((AsyncWithMeta[T, int], SyncWithMeta[T, int]), {**PLAIN, "meta": 1}, id="with a type of its own"),
]


class TestLayouts:
    @pytest.mark.parametrize(("pair", "page"), LAYOUTS)
    @pytest.mark.parametrize("strict", [True, False])
    async def test_each_is_decoded_and_leads_on(
        self, open_lists: Any, pair: tuple[Any, Any], page: Any, strict: bool
    ) -> None:
        last = msgspec.json.decode(msgspec.json.encode(page).replace(b'"x"', b"null"))
        async with open_lists(_strict_response_validation=strict) as lists:
            lists.answer = lambda request: reply(json=last if request.query else page)
            first = await lists.first(page=pair, model=Cat)
            assert await lists.items(first) == ([Cat(9), Cat(9)], None)
        assert isinstance(first, BasePage)
        assert msgspec.json.decode(msgspec.json.encode(first)) == page

    @pytest.mark.parametrize(("pair", "page"), LAYOUTS)
    async def test_each_is_built_loosely_where_it_does_not_fit(
        self, lists: Any, pair: tuple[Any, Any], page: Any
    ) -> None:
        sent = msgspec.json.encode(page).replace(b'"x"', b"17").replace(b":9", b':"nine"')
        lists.answer = lambda request: reply(content=sent, headers={"Content-Type": "application/json"})
        first = await lists.first(page=pair, model=Cat)
        assert first.next_cursor == 17
        items, error = await lists.items(first)
        assert items == [Cat("nine"), Cat("nine")]  # type: ignore[arg-type]
        assert "PageInfo(params={'cursor': 17})" in str(error)

    async def test_unions_of_items(self, lists: Any) -> None:
        sent = [CAT, {"type": "dog", "name": "Rex"}, {"type": "eel", "volts": 600}]
        lists.answer = lambda request: reply(json={"data": sent})
        items = await lists.all(page=(AsyncCursor, SyncCursor), model=Pet)
        assert items == [Cat(9), Dog("Rex"), UnknownVariant("eel", {"type": "eel", "volts": 600})]

    @pytest.mark.parametrize("model", [int, str, dict[str, Any], Any, list[int], Union[int, None]], ids=repr)
    async def test_items_of_any_type(self, lists: Any, model: Any) -> None:
        item: Any = {int: 1, str: "a", list[int]: [1]}.get(model) or ({"a": 1} if model != Union[int, None] else None)
        lists.answer = lambda request: reply(json={"data": [item]})
        assert await lists.all(page=(AsyncCursor, SyncCursor), model=model) == [item]


class AsyncPicky(Cursor[T], BaseAsyncPage[T], Generic[T]):
    def __post_init__(self) -> None:
        if not isinstance(self.data, list):
            raise ValueError("no list")  # noqa: TRY004


class SyncPicky(Cursor[T], BaseSyncPage[T], Generic[T]):
    def __post_init__(self) -> None:
        if not isinstance(self.data, list):
            raise ValueError("no list")  # noqa: TRY004


class TestWhatIsNoPage:
    @pytest.mark.parametrize("strict", [True, False])
    @pytest.mark.parametrize("sent", ["[1, 2]", '"text"', "null", "1", ""])
    async def test_is_an_error(self, open_lists: Any, strict: bool, sent: str) -> None:
        async with open_lists(_strict_response_validation=strict) as lists:
            lists.answer = lambda request: reply(content=sent, headers={"Content-Type": "application/json"})
            with pytest.raises(APIResponseValidationError) as caught:
                await lists.first(page=(AsyncCursor, SyncCursor))
        assert caught.value.response is not None
        assert caught.value.response.text == sent
        assert caught.value.attempts == 1

    async def test_nor_is_text(self, lists: Any) -> None:
        lists.answer = lambda request: reply(content="welcome")
        with pytest.raises(APIResponseValidationError, match="found str"):
            await lists.first(page=(AsyncCursor, SyncCursor))

    @pytest.mark.parametrize("data", ["abc", 5, {"a": 1}])
    async def test_nor_has_it_items_where_it_has_no_list(self, lists: Any, data: Any) -> None:
        lists.answer = lambda request: reply(json={"data": data, "next_cursor": "x"})
        page = await lists.first(page=(AsyncCursor, SyncCursor))
        assert page.data == data
        with pytest.raises(APIResponseValidationError, match=f"as a list, found {type(data).__name__}") as caught:
            page.has_next_page()
        assert caught.value.request is not None
        assert "_get_page_items() of the page class" in str(caught.value)
        items, error = await lists.items(page)
        assert items == []
        assert type(error) is APIResponseValidationError

    async def test_items_left_out_are_none(self, lists: Any) -> None:
        lists.answer = lambda request: reply(json={"next_cursor": "x"})
        page = await lists.first(page=(AsyncCursor, SyncCursor))
        assert not page.has_next_page()
        assert await lists.items(page) == ([], None)

    async def test_what_its_hook_refuses_is_one_all_the_same(self, lists: Any) -> None:
        lists.answer = lambda request: reply(json={"data": None})
        page = await lists.first(page=(AsyncPicky, SyncPicky))
        assert page.data is None
        assert await lists.items(page) == ([], None)


class AsyncBare(BaseAsyncPage[T]):
    data: list[T]


class SyncBare(BaseSyncPage[T]):
    data: list[T]


class TwoWay(Cursor[T], Generic[T]):
    """Goes on in the direction it was asked for in."""

    def next_page_info(self) -> PageInfo | None:
        way = "before" if "before" in self._get_request_params() else "after"
        return PageInfo(params={way: self.next_cursor})


class AsyncTwoWay(TwoWay[T], BaseAsyncPage[T], Generic[T]):
    pass


class SyncTwoWay(TwoWay[T], BaseSyncPage[T], Generic[T]):
    pass


class Flagged(Cursor[T], Generic[T]):
    more: bool = True

    def has_next_page(self) -> bool:
        return self.more


class AsyncFlagged(Flagged[T], BaseAsyncPage[T], Generic[T]):
    pass


class SyncFlagged(Flagged[T], BaseSyncPage[T], Generic[T]):
    pass


class TestAuthors:
    @pytest.mark.parametrize("bare", [AsyncBare, SyncBare])
    def test_what_they_do_not_override_names_the_class(self, bare: Any) -> None:
        with pytest.raises(NotImplementedError, match=rf"{bare.__name__} must override _get_page_items\(\)"):
            bare([1]).has_next_page()
        with pytest.raises(NotImplementedError, match=rf"{bare.__name__} must override next_page_info\(\)"):
            bare([1]).next_page_info()

    @pytest.mark.parametrize("way", ["before", "after"])
    async def test_they_see_what_was_asked_for(self, lists: Any, way: str) -> None:
        replies = iter([{"data": [1], "next_cursor": "x"}, {"data": [], "next_cursor": "y"}])
        lists.answer = lambda request: reply(json=next(replies))
        params = {way: "z", "none": None, "before" if way == "after" else "after": omit}
        assert await lists.all(page=(AsyncTwoWay, SyncTwoWay), options={"params": params}) == [1]
        assert [request.query for request in lists.requests] == [f"{way}=z", f"{way}=x"]

    async def test_they_may_decide_themselves_when_it_ends(self, lists: Any) -> None:
        replies = iter([{"data": [], "next_cursor": "a"}, {"data": [1], "next_cursor": "b", "more": False}])
        lists.answer = lambda request: reply(json=next(replies))
        assert await lists.all(page=(AsyncFlagged, SyncFlagged)) == [1]

    @pytest.mark.parametrize("method", ["_get_page_items", "has_next_page", "next_page_info"])
    async def test_their_bug_does_not_pass_for_the_end(
        self, lists: Any, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        lists.answer = lambda request: reply(json=PLAIN)
        page = await lists.first(page=(AsyncCursor, SyncCursor), model=Cat)
        monkeypatch.setattr(type(page), method, lambda self: next(iter(())))
        for go_through in (lists.items, lists.prefetched):
            with pytest.raises(RuntimeError, match="raised StopIteration"):
                await go_through(page)


class TestOnItsOwn:
    def test_where_it_came_from_is_no_part_of_it(self) -> None:
        transport = ScriptedTransport(reply(json=PLAIN), repeat_last=True)
        with SyncAPIClient(base_url="https://api.test", transport=transport) as client:
            one = client.get_api_list("/a", model=Cat, page=SyncCursor)
            other = client.get_api_list("/b", model=Cat, page=SyncCursor)
            assert one == other == SyncCursor([Cat(9)], "x")
            assert repr(one) == repr(SyncCursor([Cat(9)], "x"))
            assert msgspec.structs.asdict(one) == {"data": [Cat(9)], "next_cursor": "x"}
            for other in (
                pickle.loads(pickle.dumps(one)),
                copy.copy(one),
                copy.deepcopy(one),
                msgspec.structs.replace(one, next_cursor="x"),
            ):
                assert other == one
                with pytest.raises(RuntimeError, match="did not come from get_api_list"):
                    other.get_next_page()

    async def test_made_by_hand_it_has_its_items_alone(self) -> None:
        page = AsyncCursor([1, 2])
        assert [item async for item in page] == [1, 2]
        assert [each async for each in page.iter_pages()] == [page]
        async with page.prefetch() as items:
            assert [item async for item in items] == [1, 2]
        page = AsyncCursor([1, 2], "x")
        assert page._get_request_params() == {}
        items = aiter(page)
        assert [await anext(items), await anext(items)] == [1, 2]
        with pytest.raises(RuntimeError, match="this AsyncCursor did not come from get_api_list"):
            await anext(items)

    def test_and_so_in_the_blocking_client(self) -> None:
        page = SyncCursor([1, 2])
        assert list(page) == [1, 2]
        assert list(page.iter_pages()) == [page]
        page = SyncCursor([1, 2], "x")
        items = iter(page)
        assert [next(items), next(items)] == [1, 2]
        for call in (lambda: next(items), page.prefetch, page.get_next_page):
            with pytest.raises(RuntimeError, match="this SyncCursor did not come from get_api_list"):
                call()


class TestArguments:
    @pytest.fixture
    def get_api_list(self, request: pytest.FixtureRequest) -> Any:
        return AsyncAPIClient(base_url="https://api.test", transport=ScriptedTransport()).get_api_list

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"page": SyncCursor}, TypeError, "page must be a subclass of BaseAsyncPage, not .*SyncCursor"),
            ({"page": SyncCursor[int]}, TypeError, "page must be a subclass of BaseAsyncPage"),
            ({"page": Cursor}, TypeError, "page must be a subclass of BaseAsyncPage"),
            ({"page": int}, TypeError, "page must be a subclass of BaseAsyncPage"),
            ({"page": list[int]}, TypeError, "page must be a subclass of BaseAsyncPage"),
            ({"page": None}, TypeError, "page must be a subclass of BaseAsyncPage, not None"),
            ({"page": AsyncCursor([1])}, TypeError, "page must be a subclass of BaseAsyncPage"),
            ({"page": AsyncWithMeta}, TypeError, "page=AsyncWithMeta cannot be decoded with model=<class 'int'>"),
            ({"model": object()}, TypeError, "page=AsyncCursor cannot be decoded with model=<object"),
            ({"max_pages": 0}, ValueError, "max_pages must be 1 or more, not 0"),
            ({"max_pages": None}, TypeError, "max_pages must be an int, not None"),
            ({"method": "get it"}, ValueError, "method must be"),
            ({"method": None}, TypeError, "method must be a str, not NoneType"),
            ({"options": None}, TypeError, "options must be a mapping"),
        ],
    )
    async def test_are_checked_before_anything_is_awaited(
        self, get_api_list: Any, arguments: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            get_api_list("/list", **{"model": int, "page": AsyncCursor, **arguments})

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"path": 5}, TypeError, "path must be a str"),
            ({"path": "../x"}, ValueError, "path must not hold"),
            ({"options": {"retries": 1}}, TypeError, "options has no key 'retries'"),
            ({"options": {"params": [1]}}, TypeError, r"options\['params'\] must be a mapping"),
            ({"body": b"raw"}, TypeError, "body must be"),
        ],
    )
    async def test_or_when_the_request_is_made(
        self, get_api_list: Any, arguments: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            await get_api_list(**{"path": "/list", "model": int, "page": AsyncCursor, **arguments})

    def test_the_blocking_client_wants_its_own(self) -> None:
        with SyncAPIClient(base_url="https://api.test", transport=ScriptedTransport()) as client:
            with pytest.raises(TypeError, match=r"page must be a subclass of BaseSyncPage, not .*AsyncCursor"):
                client.get_api_list("/list", model=int, page=AsyncCursor)  # type: ignore[type-var]

    async def test_a_body_that_is_no_object_has_no_place_for_json(self) -> None:
        class AsyncJSON(AsyncCursor[T], Generic[T]):
            def next_page_info(self) -> PageInfo | None:
                return PageInfo(json={"cursor": 1})

        transport = ScriptedTransport(reply(json=PLAIN), repeat_last=True)
        async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
            page = await client.get_api_list("/list", model=Cat, page=AsyncJSON, body=[1], method="post")
            with pytest.raises(TypeError, match="must be an object"):
                await page.get_next_page()
