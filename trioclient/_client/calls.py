"""The calls of the async client, each an HTTP method.

All of them are `request`; the rest names the method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, overload

from .._codec.event_values import EventValues
from .._server_sent_event import ServerSentEvent
from .answer_value import decoded_answer, value_decoder
from .base import ANY, NO_OPTIONS, BaseClient, Content, Files
from .call_arguments import Sent
from .response import AsyncAPIResponse
from .response_calls import AsyncRawCalls, AsyncStreamingCalls
from .stream import AsyncStream, stream_types

if TYPE_CHECKING:
    from typing_extensions import TypeForm, TypeVar, Unpack

    from .._engine.loop import Engine
    from .._request_options import RequestOptions
    from .call_arguments import Asked

    T = TypeVar("T", default=Any)
    StreamT = TypeVar("StreamT", bound=AsyncStream[Any], default=AsyncStream[Any])

__all__ = ["AsyncCalls"]


class AsyncCalls(BaseClient):
    """The calls; `AsyncAPIClient` adds what carries them."""

    _engine: Engine

    @overload
    async def request(
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
    async def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: None = None,
        **sent: Unpack[Sent],
    ) -> AsyncStream[T]: ...
    @overload
    async def request(
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
    async def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: bool,
        stream_cls: type[StreamT],
        **sent: Unpack[Sent],
    ) -> T | StreamT: ...
    async def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: Any = ANY,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
        stream: bool = False,
        stream_cls: Any = None,
    ) -> Any:
        """Make a call with any method.

        Args:
            method: an HTTP method in capitals.
            path: relative to the base URL, or an absolute URL. One of another origin gets no
                credentials but those in this call's own headers.
            cast_to: the type to decode the answer to: a msgspec Struct, dataclass, attrs class,
                TypedDict, NamedTuple, pydantic model, container or union of those, ``str``,
                ``bytes``, ``None`` or ``httpx.Response``. Left out: plain decoded JSON. Of a
                stream: the type of its events.
            body: encoded as JSON; beside `files`, a mapping of the form's other fields.
            content: sent as it is: bytes, str, a binary file, an iterable or async iterable of
                bytes. An iterator can be sent once, so such a call is not retried.
            files: sent as ``multipart/form-data``: a mapping of field names, or pairs of them, to
                bytes, a binary file, a path, or a tuple of file name, one of those, and if wanted
                a content type and a mapping of headers.
            options: this call's own settings, see `RequestOptions`.
            stream: give an `AsyncStream` of what comes, event by event.
            stream_cls: a subclass of `AsyncStream` to make; ``AsyncStream[Event]`` names the type
                of the events where `cast_to` names that of the whole answer.

        Raises APIError, and TypeError or ValueError for arguments that cannot be sent.
        """
        if stream:
            sent = Sent(body=body, content=content, files=files, options=options)
            return await self._stream(method, path, cast_to, stream_cls, sent)
        decoder = value_decoder(cast_to, strict=self._strict_response_validation)
        call = self._prepare(method, path, body=body, content=content, files=files, options=options)
        answer, trace = await self._engine.run(call)
        value = decoded_answer(answer, trace, decoder, self._limits)
        if trace.reservation is not None and call.priced is not None:
            trace.reservation.settle(value)
        return value

    @overload
    async def get(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[False] = False,
        stream_cls: object = None,
        **sent: Unpack[Asked],
    ) -> T: ...
    @overload
    async def get(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: None = None,
        **sent: Unpack[Asked],
    ) -> AsyncStream[T]: ...
    @overload
    async def get(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: type[StreamT],
        **sent: Unpack[Asked],
    ) -> StreamT: ...
    @overload
    async def get(
        self, path: str, *, cast_to: TypeForm[T] = ANY, stream: bool, stream_cls: type[StreamT], **sent: Unpack[Asked]
    ) -> T | StreamT: ...
    async def get(
        self,
        path: str,
        *,
        cast_to: Any = ANY,
        options: RequestOptions = NO_OPTIONS,
        stream: bool = False,
        stream_cls: Any = None,
    ) -> Any:
        """GET; see `request`."""
        return await self.request("GET", path, cast_to=cast_to, options=options, stream=stream, stream_cls=stream_cls)

    @overload
    async def post(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[False] = False,
        stream_cls: object = None,
        **sent: Unpack[Sent],
    ) -> T: ...
    @overload
    async def post(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: None = None,
        **sent: Unpack[Sent],
    ) -> AsyncStream[T]: ...
    @overload
    async def post(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        stream: Literal[True],
        stream_cls: type[StreamT],
        **sent: Unpack[Sent],
    ) -> StreamT: ...
    @overload
    async def post(
        self, path: str, *, cast_to: TypeForm[T] = ANY, stream: bool, stream_cls: type[StreamT], **sent: Unpack[Sent]
    ) -> T | StreamT: ...
    async def post(
        self,
        path: str,
        *,
        cast_to: Any = ANY,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
        stream: bool = False,
        stream_cls: Any = None,
    ) -> Any:
        """POST; see `request`."""
        return await self.request(
            "POST",
            path,
            cast_to=cast_to,
            body=body,
            content=content,
            files=files,
            options=options,
            stream=stream,
            stream_cls=stream_cls,
        )

    async def put(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> T:
        """PUT; see `request`."""
        return await self.request(
            "PUT", path, cast_to=cast_to, body=body, content=content, files=files, options=options
        )

    async def patch(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> T:
        """PATCH; see `request`."""
        return await self.request(
            "PATCH", path, cast_to=cast_to, body=body, content=content, files=files, options=options
        )

    async def delete(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = ANY,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> T:
        """DELETE; see `request`."""
        return await self.request(
            "DELETE", path, cast_to=cast_to, body=body, content=content, files=files, options=options
        )

    @property
    def with_raw_response(self) -> AsyncRawCalls:
        """The same calls, each giving an `AsyncAPIResponse`: the head of the answer, its body in
        memory, and `AsyncAPIResponse.parse` for the value.
        """
        return AsyncRawCalls(self._respond)

    @property
    def with_streaming_response(self) -> AsyncStreamingCalls:
        """The same calls, each a context manager with an `AsyncAPIResponse` whose body is not read yet."""
        return AsyncStreamingCalls(self._respond)

    # What other faces are made of.

    async def _respond(
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
    ) -> AsyncAPIResponse[T]:
        """The answer itself, its body in memory or `unread`. See `with_raw_response`."""
        strict = self._strict_response_validation
        value_decoder(cast_to, strict=strict)
        call = self._prepare(method, path, body=body, content=content, files=files, options=options, unread=unread)
        answer, trace = await self._engine.run(call)
        return AsyncAPIResponse(answer, trace, cast_to, strict=strict, limits=self._limits)

    async def _stream(self, method: str, path: str, cast_to: Any, stream_cls: Any, sent: Sent) -> AsyncStream[Any]:
        event_type, cls = stream_types(cast_to, stream_cls, cast("type[AsyncStream[Any]]", AsyncStream))
        strict, limits = self._strict_response_validation, self._limits
        call = self._prepare(method, path, **sent, stream=True)
        options = sent.get("options", NO_OPTIONS)
        terminal, depth = options.get("terminal_event"), limits.max_json_depth
        values = EventValues(event_type, strict=strict, terminal_event=terminal, max_depth=depth)
        raw = EventValues(ServerSentEvent, strict=strict, terminal_event=terminal, max_depth=depth)
        answer, trace = await self._engine.run(call)
        response: AsyncAPIResponse[Any] = AsyncAPIResponse(answer, trace, event_type, strict=strict, limits=limits)
        source = await response.take_events(self._engine if options.get("resume") else None)
        try:
            return cls(response=response, source=source, values=values, raw=raw)
        except BaseException:  # of a subclass
            await source.aclose()
            raise
