"""Blocking twins of async objects: the same methods, run on the portal.

A blocking object has an async twin, made for it, and a hold on the portal. Each of its methods
is `blocking` of the twin's method of that name, and does nothing but run it there.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from ._portal import Lease

__all__ = ["BlockingFace", "BlockingResource", "blocking"]

P = ParamSpec("P")
R = TypeVar("R")


class BlockingFace:
    """What `blocking` asks of an object: the async twin, and a hold on the portal to run it on."""

    _twin: Any
    _lease: Lease


def blocking(method: Callable[Concatenate[Any, P], Awaitable[R]]) -> Callable[Concatenate[Any, P], R]:
    """The blocking twin of an async method, with its signature, docstring and name.

        class AsyncMessages:
            def __init__(self, client: AsyncAPIClient) -> None: ...
            async def create(self, *, prompt: str) -> Message: ...

        class Messages(BlockingResource):
            async_class = AsyncMessages
            create = blocking(AsyncMessages.create)

    The method is looked up on the twin by its name, so that an override there counts. Raises
    TypeError if `method` is no method, or an async generator.
    """
    if not inspect.isroutine(method) or inspect.isasyncgenfunction(method):
        raise TypeError(f"blocking() takes an async method, such as AsyncMessages.create, not {method!r}")
    name = method.__name__

    # Of the function's own attributes none is taken over: one of them may mark it as async.
    @functools.wraps(method, updated=())
    def call(self: BlockingFace, /, *args: P.args, **kwargs: P.kwargs) -> R:
        # A method in all but its place.
        return self._lease.call(getattr(self._twin, name), *args, **kwargs)  # pyright: ignore[reportPrivateUsage]

    return call


class BlockingResource(BlockingFace):
    """Base of the blocking twin of a group of an SDK's methods; see `blocking`.

    Made with the blocking client, or with another resource of it; makes its async twin with that
    one's own twin.
    """

    async_class: ClassVar[Callable[[Any], object]]
    """The class of the async twin, which is called with the async client. Override."""

    def __init__(self, client: BlockingFace) -> None:
        self._client = client
        self._twin = type(self).async_class(client._twin)
        self._lease = client._lease
