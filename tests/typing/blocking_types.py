"""What a type checker makes of `blocking`; read by pyright, never run.

A stale ``pyright: ignore`` is an error here, so that each of them says: this is found.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from typing_extensions import TypeVar, assert_type

    T = TypeVar("T", default=Any)

from trioclient import BlockingResource, SyncAPIClient, blocking


class AsyncShelf:
    def __init__(self, client: object) -> None: ...

    async def get(
        self,
        path: str,
        *,
        cast_to: type[T] = ...,  # pyright: ignore[reportInvalidTypeVarUse] -- its default says what it is then
        options: Mapping[str, int] = {},
    ) -> T: ...

    async def put(self, count: int, /, *names: str, mark: bytes = b"") -> list[int]: ...

    @overload
    async def find(self, key: int) -> int: ...
    @overload
    async def find(self, key: str, *, many: Literal[True]) -> list[str]: ...
    async def find(self, key: int | str, many: bool = False) -> object: ...


class Shelf(BlockingResource):
    async_class = AsyncShelf
    get = blocking(AsyncShelf.get)
    put = blocking(AsyncShelf.put)
    find = blocking(AsyncShelf.find)


def results_are_values(shelf: Shelf) -> None:
    assert_type(shelf.put(1, "a", mark=b""), list[int])
    assert_type(shelf.get("/a", cast_to=int), int)
    assert_type(shelf.get("/a", cast_to=dict[str, int], options={"a": 1}), dict[str, int])
    assert_type(shelf.get("/a"), Any)


def overloads_are_kept(shelf: Shelf) -> None:
    assert_type(shelf.find(1), int)
    assert_type(shelf.find("a", many=True), list[str])


def wrong_arguments_are_found(shelf: Shelf) -> None:
    shelf.put("1")  # pyright: ignore[reportArgumentType]
    shelf.put(count=1)  # pyright: ignore[reportCallIssue]
    shelf.get(1)  # pyright: ignore[reportArgumentType]
    shelf.get("/a", cast=int)  # pyright: ignore[reportCallIssue]
    shelf.find("a")  # pyright: ignore[reportArgumentType]


def what_is_not_async_is_found(function: Callable[[Any], int]) -> None:
    blocking(function)  # pyright: ignore[reportCallIssue, reportArgumentType]


def the_client_is_made_that_way(client: SyncAPIClient) -> None:
    assert_type(client.get("/a", cast_to=int), int)
    assert_type(client.post("/a", body={}, cast_to=list[str]), list[str])
    assert_type(client.post("/a"), Any)
    assert_type(client.request("GET", "/a", cast_to=bytes), bytes)
    client.get("/a", body={})  # pyright: ignore[reportCallIssue]
    with client as entered:
        assert_type(entered, SyncAPIClient)
    assert_type(client.with_options(max_retries=1), SyncAPIClient)


def a_fan_out_knows_its_values(client: SyncAPIClient) -> None:
    with client.fan_out(lambda api, item: api.post("/a", body=item, cast_to=int), ["a"], max_at_once=1) as run:
        for outcome in run:
            assert_type(outcome.item, str)
            assert_type(outcome.unwrap(), int)
