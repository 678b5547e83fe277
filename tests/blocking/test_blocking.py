"""Blocking twins of async methods, over plain async classes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trio

from trioclient._blocking import BlockingFace, BlockingResource, blocking
from trioclient._portal import Lease


class AsyncShelf:
    """What an SDK author writes."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def put(self, book: str, /, *more: str, copies: int = 1, **labels: str) -> list[str]:
        """Put books on the shelf."""
        await trio.lowlevel.checkpoint()
        return [book, *more] * copies + [f"{key}={value}" for key, value in labels.items()]

    async def where(self) -> tuple[str, int]:
        return type(self).__name__, threading.get_ident()

    async def fail(self) -> None:
        raise LookupError("no such book")

    async def count(self) -> AsyncIterator[int]:
        yield 1


class Shelf(BlockingResource):
    async_class = AsyncShelf
    put = blocking(AsyncShelf.put)
    where = blocking(AsyncShelf.where)
    fail = blocking(AsyncShelf.fail)


class Face(BlockingFace):
    """In the place of a client."""

    def __init__(self) -> None:
        self._twin = object()
        self._lease = Lease()


@pytest.fixture
def face() -> Iterator[Face]:
    face = Face()
    yield face
    face._lease.release()


def test_arguments_and_results_cross_as_they_are(face: Face) -> None:
    assert Shelf(face).put("a", "b", copies=2, colour="red") == ["a", "b", "a", "b", "colour=red"]


def test_it_runs_in_another_thread_on_the_twin(face: Face) -> None:
    name, thread = Shelf(face).where()
    assert name == "AsyncShelf"
    assert thread != threading.get_ident()


def test_errors_cross_as_they_are(face: Face) -> None:
    with pytest.raises(LookupError, match="no such book"):
        Shelf(face).fail()


def test_wrong_arguments_are_a_type_error_that_names_the_method(face: Face) -> None:
    with pytest.raises(TypeError, match="put"):
        Shelf(face).put()  # type: ignore[call-arg]


def test_the_twin_is_made_with_the_owners_twin(face: Face) -> None:
    shelf = Shelf(face)
    assert shelf._twin.client is face._twin
    assert Shelf(shelf)._twin.client is shelf._twin


def test_an_override_on_the_twin_counts(face: Face) -> None:
    class AsyncSpecialShelf(AsyncShelf):
        async def put(self, book: str, /, *more: str, copies: int = 1, **labels: str) -> list[str]:
            return ["special"]

    class SpecialShelf(Shelf):
        async_class = AsyncSpecialShelf

    assert SpecialShelf(face).put("a") == ["special"]


def test_it_looks_like_the_method_it_is_the_twin_of() -> None:
    assert Shelf.put.__name__ == "put"
    assert Shelf.put.__qualname__ == "AsyncShelf.put"
    assert Shelf.put.__doc__ == "Put books on the shelf."
    assert Shelf.put.__module__ == AsyncShelf.put.__module__
    assert inspect.signature(Shelf.put) == inspect.signature(AsyncShelf.put)
    assert typing.get_type_hints(Shelf.put) == typing.get_type_hints(AsyncShelf.put)


def test_a_bound_one_shows_its_arguments_without_self(face: Face) -> None:
    assert list(inspect.signature(Shelf(face).put).parameters) == ["book", "more", "copies", "labels"]


def marked(method: Callable[..., Any]) -> Callable[..., Any]:
    """As a decorator of somebody else's that says it returns a coroutine."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    if hasattr(inspect, "markcoroutinefunction"):
        return inspect.markcoroutinefunction(call)
    return call


@pytest.mark.parametrize("method", [AsyncShelf.put, marked(AsyncShelf.put)])
def test_nobody_takes_it_for_async(method: Callable[..., Any], recwarn: pytest.WarningsRecorder) -> None:
    twin = blocking(method)
    assert not inspect.iscoroutinefunction(twin)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)  # 3.14 deprecates the next
        assert not asyncio.iscoroutinefunction(twin)


def test_a_decorated_method_keeps_working(face: Face) -> None:
    class DecoratedShelf(Shelf):
        where = blocking(marked(AsyncShelf.where))

    assert DecoratedShelf(face).where()[0] == "AsyncShelf"


@pytest.mark.parametrize("wrong", [AsyncShelf.count, AsyncShelf, None, functools.partial(AsyncShelf.put)])
def test_what_is_no_async_method_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="async method"):
        blocking(wrong)
