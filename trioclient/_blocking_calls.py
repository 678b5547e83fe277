"""The calls of the blocking client: those of the async one, run on the portal."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, overload

from ._blocking import OPEN, BlockingFace, blocking, call_blocking, twin_of
from ._blocking_response import APIResponse
from ._blocking_stream import Stream
from ._client.base import ANY
from ._client.calls import AsyncCalls
from ._client.response_calls import AsyncRawCalls, AsyncStreamingCalls, AsyncStreamingResponse
from ._client.stream import stream_types
from ._hold import call_or_hold

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import TypeForm, Unpack
    from typing_extensions import TypeVar as DefaultedTypeVar

    from ._client.call_arguments import Asked, Sent
    from ._portal import Lease

    T = DefaultedTypeVar("T", default=Any)
    StreamT = DefaultedTypeVar("StreamT", bound=Stream[Any], default=Stream[Any])

__all__ = ["RawCalls", "StreamingCalls", "StreamingResponse", "SyncCalls"]

P = ParamSpec("P")
R = TypeVar("R")
Method = Callable[..., Any]


def _streaming(method: Method) -> Callable[[Method], Method]:
    """Makes what stands under it the blocking twin of a method that may be asked for a stream."""
    name = method.__name__

    def make(described: Method) -> Method:
        def call(
            self: Any,
            *args: Any,
            cast_to: Any = ANY,
            stream: bool = False,
            stream_cls: Any = None,
            **sent: Any,
        ) -> Any:
            run = getattr(self._twin, name)
            if not stream:
                return call_blocking(self._lease, functools.partial(run, *args, cast_to=cast_to, **sent))
            event_type, cls = stream_types(cast_to, stream_cls, Stream[Any])
            work = functools.partial(run, *args, cast_to=event_type, stream=True, **sent)
            return twin_of(call_or_hold(self._lease, OPEN, work), cls)

        functools.update_wrapper(call, method, updated=())
        call.__doc__ = described.__doc__
        return call

    return make


class SyncCalls(BlockingFace):
    """The calls; `SyncAPIClient` adds what carries them."""

    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[False] = False,
        stream_cls: object = None,
        **sent: Unpack[Sent],
    ) -> T: ...
    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: None = None,
        **sent: Unpack[Sent],
    ) -> Stream[T]: ...
    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: type[StreamT],
        **sent: Unpack[Sent],
    ) -> StreamT: ...
    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: bool,
        stream_cls: type[StreamT],
        **sent: Unpack[Sent],
    ) -> T | StreamT: ...
    @_streaming(AsyncCalls.request)
    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """Make a call with any method; see `AsyncAPIClient.request` for the arguments.

        With ``stream=True`` it gives a `Stream` of what comes, event by event; `stream_cls` is a
        subclass of `Stream` to make.
        """

    @overload
    def get(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[False] = False,
        stream_cls: object = None,
        **sent: Unpack[Asked],
    ) -> T: ...
    @overload
    def get(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: None = None,
        **sent: Unpack[Asked],
    ) -> Stream[T]: ...
    @overload
    def get(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: type[StreamT],
        **sent: Unpack[Asked],
    ) -> StreamT: ...
    @overload
    def get(
        self, path: str, *, cast_to: TypeForm[T] = ANY, stream: bool, stream_cls: type[StreamT], **sent: Unpack[Asked]
    ) -> T | StreamT: ...
    @_streaming(AsyncCalls.get)
    def get(self, path: str, **arguments: Any) -> Any:
        """GET; see `request`."""

    @overload
    def post(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[False] = False,
        stream_cls: object = None,
        **sent: Unpack[Sent],
    ) -> T: ...
    @overload
    def post(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: None = None,
        **sent: Unpack[Sent],
    ) -> Stream[T]: ...
    @overload
    def post(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: type[StreamT],
        **sent: Unpack[Sent],
    ) -> StreamT: ...
    @overload
    def post(
        self, path: str, *, cast_to: TypeForm[T] = ANY, stream: bool, stream_cls: type[StreamT], **sent: Unpack[Sent]
    ) -> T | StreamT: ...
    @_streaming(AsyncCalls.post)
    def post(self, path: str, **arguments: Any) -> Any:
        """POST; see `request`."""

    put = blocking(AsyncCalls.put)
    patch = blocking(AsyncCalls.patch)
    delete = blocking(AsyncCalls.delete)

    @property
    def with_raw_response(self) -> RawCalls:
        """The same calls, each giving an `APIResponse`: the head of the answer, its body in
        memory, and `APIResponse.parse` for the value.
        """
        return RawCalls(self._twin.with_raw_response, self._lease)

    @property
    def with_streaming_response(self) -> StreamingCalls:
        """The same calls, each a context manager with an `APIResponse` whose body is not read yet."""
        return StreamingCalls(self._twin.with_streaming_response, self._lease)


class RawCalls(BlockingFace):
    """The calls of a client, each giving an `APIResponse` whose body is in memory."""

    def __init__(self, twin: AsyncRawCalls, lease: Lease) -> None:
        self._twin = twin
        self._lease = lease

    request = blocking(AsyncRawCalls.request)
    get = blocking(AsyncRawCalls.get)
    post = blocking(AsyncRawCalls.post)
    put = blocking(AsyncRawCalls.put)
    patch = blocking(AsyncRawCalls.patch)
    delete = blocking(AsyncRawCalls.delete)


def _entered(
    method: Callable[Concatenate[Any, P], AsyncStreamingResponse[R]],
) -> Callable[Concatenate[Any, P], StreamingResponse[R]]:
    """The blocking twin of a method that gives a context manager."""
    name = method.__name__

    @functools.wraps(method, updated=())
    def call(self: BlockingFace, /, *args: P.args, **kwargs: P.kwargs) -> StreamingResponse[R]:
        return StreamingResponse(getattr(self._twin, name)(*args, **kwargs), self._lease)  # pyright: ignore[reportPrivateUsage]

    return call


class StreamingCalls(BlockingFace):
    """The calls of a client, each giving a context manager; inside it, an `APIResponse` whose body
    is not read yet.

        with client.with_streaming_response.get("/export") as response:
            response.stream_to_file("export.csv")
    """

    def __init__(self, twin: AsyncStreamingCalls, lease: Lease) -> None:
        self._twin = twin
        self._lease = lease

    request = _entered(AsyncStreamingCalls.request)
    get = _entered(AsyncStreamingCalls.get)
    post = _entered(AsyncStreamingCalls.post)
    put = _entered(AsyncStreamingCalls.put)
    patch = _entered(AsyncStreamingCalls.patch)
    delete = _entered(AsyncStreamingCalls.delete)


class StreamingResponse(Generic[R]):
    """A call that is made on entry and let go of on exit."""

    def __init__(self, twin: AsyncStreamingResponse[R], lease: Lease) -> None:
        self._twin = twin
        self._lease = lease
        self._response: APIResponse[R] | None = None

    def __enter__(self) -> APIResponse[R]:
        response = cast("APIResponse[R]", call_blocking(self._lease, self._twin.__aenter__))
        self._response = response
        return response

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.__exit__(exc_type, exc, traceback)
