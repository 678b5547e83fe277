"""``with_raw_response`` and ``with_streaming_response``: the calls of a client, answered with the
answer itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .base import ANY, NO_OPTIONS, Content, Files
from .response import AsyncAPIResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from typing_extensions import TypeForm, Unpack
    from typing_extensions import TypeVar as DefaultedTypeVar

    from .._request_options import RequestOptions
    from .call_arguments import Sent

    T = DefaultedTypeVar("T", default=Any)

R = TypeVar("R")

__all__ = ["AsyncRawCalls", "AsyncStreamingCalls", "AsyncStreamingResponse"]


class Respond(Protocol):
    """Makes a call and gives the answer itself, its body in memory or `unread`."""

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T],
        body: object,
        content: Content | None,
        files: Files | None,
        options: RequestOptions,
        unread: bool,
    ) -> AsyncAPIResponse[T]: ...


class AsyncRawCalls:
    """The calls of a client, each giving an `AsyncAPIResponse` whose body is in memory."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond

    async def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> AsyncAPIResponse[T]:
        """See `AsyncCalls.request`."""
        return await self._respond(
            method, path, cast_to=cast_to, body=body, content=content, files=files, options=options, unread=False
        )

    async def get(
        self, path: str, *, cast_to: TypeForm[T] = ANY, options: RequestOptions = NO_OPTIONS
    ) -> AsyncAPIResponse[T]:
        """GET; see `request`."""
        return await self.request("GET", path, cast_to=cast_to, options=options)

    async def post(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncAPIResponse[T]:
        """POST; see `request`."""
        return await self.request("POST", path, cast_to=cast_to, **sent)

    async def put(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncAPIResponse[T]:
        """PUT; see `request`."""
        return await self.request("PUT", path, cast_to=cast_to, **sent)

    async def patch(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncAPIResponse[T]:
        """PATCH; see `request`."""
        return await self.request("PATCH", path, cast_to=cast_to, **sent)

    async def delete(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncAPIResponse[T]:
        """DELETE; see `request`."""
        return await self.request("DELETE", path, cast_to=cast_to, **sent)


class AsyncStreamingCalls:
    """The calls of a client, each giving a context manager; inside it, an `AsyncAPIResponse` whose
    body is not read yet.

        async with client.with_streaming_response.get("/export") as response:
            await response.stream_to_file("export.csv")
    """

    def __init__(self, respond: Respond) -> None:
        self._respond = respond

    def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> AsyncStreamingResponse[T]:
        """See `AsyncCalls.request`."""
        return AsyncStreamingResponse(
            partial(
                self._respond,
                method,
                path,
                cast_to=cast_to,
                body=body,
                content=content,
                files=files,
                options=options,
                unread=True,
            )
        )

    def get(
        self, path: str, *, cast_to: TypeForm[T] = ANY, options: RequestOptions = NO_OPTIONS
    ) -> AsyncStreamingResponse[T]:
        """GET; see `request`."""
        return self.request("GET", path, cast_to=cast_to, options=options)

    def post(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncStreamingResponse[T]:
        """POST; see `request`."""
        return self.request("POST", path, cast_to=cast_to, **sent)

    def put(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncStreamingResponse[T]:
        """PUT; see `request`."""
        return self.request("PUT", path, cast_to=cast_to, **sent)

    def patch(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncStreamingResponse[T]:
        """PATCH; see `request`."""
        return self.request("PATCH", path, cast_to=cast_to, **sent)

    def delete(self, path: str, *, cast_to: TypeForm[T] = ANY, **sent: Unpack[Sent]) -> AsyncStreamingResponse[T]:
        """DELETE; see `request`."""
        return self.request("DELETE", path, cast_to=cast_to, **sent)


class AsyncStreamingResponse(Generic[R]):
    """A call that is made on entry and let go of on exit."""

    def __init__(self, respond: Callable[[], Awaitable[AsyncAPIResponse[R]]]) -> None:
        self._respond = respond
        self._response: AsyncAPIResponse[R] | None = None

    async def __aenter__(self) -> AsyncAPIResponse[R]:
        if self._response is not None:
            raise RuntimeError("this call was made already; each `async with` needs one of its own")
        self._response = await self._respond()
        return self._response

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is not None:
            await self._response.aclose()
