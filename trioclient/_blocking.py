"""Blocking twins of async objects: the same methods, run on the portal.

A blocking object has an async twin, made for it, and a hold on the portal. Each of its methods
is `blocking` of the twin's method of that name, and does nothing but run it there. What it gives
that is still open, a stream or an answer, is given as the blocking twin of that.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Concatenate, Final, ParamSpec, TypeVar, cast, final, overload

from ._blocking_response import APIResponse
from ._blocking_stream import Stream
from ._client.response import AsyncAPIResponse
from ._client.stream import AsyncStream
from ._hold import Hold, call_or_hold
from ._portal import Lease

__all__ = ["OPEN", "BlockingFace", "BlockingResource", "blocking", "call_blocking", "twin_of"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

OPEN: Final[tuple[type[Any], ...]] = (AsyncAPIResponse, AsyncStream)
"""What a call may give that has a blocking twin."""


class BlockingFace:
    """What `blocking` asks of an object: the async twin, and a hold on the portal to run it on."""

    _twin: Any
    _lease: Lease


def call_blocking(lease: Lease, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do `work` on the portal. What comes of it that is open is given as its blocking twin."""
    return twin_of(call_or_hold(lease, OPEN, work))


def twin_of(result: Any, stream_cls: Callable[[Hold[Any]], object] = Stream) -> Any:
    """What a blocking caller is given for the result of `call_or_hold`."""
    return _face_of(cast("Hold[Any]", result), stream_cls) if type(result) is Hold else result


def _face_of(hold: Hold[Any], stream_cls: Callable[[Hold[Any]], object]) -> object:
    resource = hold.resource
    try:
        return stream_cls(hold) if isinstance(resource, AsyncStream) else APIResponse(resource, hold)
    except BaseException:
        hold.close(at_once=True)
        raise


@final
class _Untyped:
    """Nothing but Any is this."""


@overload
def blocking(method: Callable[Concatenate[Any, P], Awaitable[_Untyped]]) -> Callable[Concatenate[Any, P], Any]: ...
@overload
def blocking(
    method: Callable[Concatenate[Any, P], Awaitable[AsyncStream[T]]],
) -> Callable[Concatenate[Any, P], Stream[T]]: ...
@overload
def blocking(
    method: Callable[Concatenate[Any, P], Awaitable[AsyncAPIResponse[T]]],
) -> Callable[Concatenate[Any, P], APIResponse[T]]: ...
@overload
def blocking(method: Callable[Concatenate[Any, P], Awaitable[R]]) -> Callable[Concatenate[Any, P], R]: ...
def blocking(method: Callable[Concatenate[Any, P], Awaitable[Any]]) -> Callable[Concatenate[Any, P], Any]:
    """The blocking twin of an async method, with its signature, docstring and name.

        class AsyncMessages:
            def __init__(self, client: AsyncAPIClient) -> None: ...
            async def create(self, *, prompt: str) -> Message: ...

        class Messages(BlockingResource):
            async_class = AsyncMessages
            create = blocking(AsyncMessages.create)

    Where the method gives an `AsyncStream` or an `AsyncAPIResponse` this one gives a `Stream` or
    an `APIResponse`. Of a method with overloads, some of which give one, a type checker sees but
    those: write such overloads out, around one ``blocking`` of it.

    The method is looked up on the twin by its name, so that an override there counts. Raises
    TypeError if `method` is no method, or an async generator.
    """
    if not inspect.isroutine(method) or inspect.isasyncgenfunction(method):
        raise TypeError(f"blocking() takes an async method, such as AsyncMessages.create, not {method!r}")
    name = method.__name__

    # Of the function's own attributes none is taken over: one of them may mark it as async.
    @functools.wraps(method, updated=())
    def call(self: BlockingFace, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        # A method in all but its place.
        return call_blocking(self._lease, functools.partial(getattr(self._twin, name), *args, **kwargs))  # pyright: ignore[reportPrivateUsage]

    return call


class BlockingResource(BlockingFace):
    """Base of the blocking twin of a group of an SDK's methods; see `blocking`.

    Made with the blocking client; makes its async twin with that one's own. Made with another
    resource of it, it makes its twin with that resource's twin.
    """

    async_class: ClassVar[Callable[[Any], object]]
    """The class of the async twin, which is called with the async client. Override."""

    def __init__(self, client: BlockingFace) -> None:
        self._client = client
        self._twin = type(self).async_class(client._twin)
        self._lease = client._lease
