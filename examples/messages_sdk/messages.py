"""Messages: asked for whole, as a stream of events, or watched as they grow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Literal, overload

from trioclient import AsyncAPIClient, AsyncStream, RequestOptions, Stream, blocking

from .batches import AsyncBatches, Batches
from .events import TERMINAL_EVENT, MessageStreamEvent
from .message_params import CountTokensParams, MessageParams
from .message_stream import AsyncMessageStream, MessageStream
from .message_types import Message, MessageTokensCount
from .options import NO_OPTIONS
from .resource import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncMessages", "Messages"]

_PATH = "/v1/messages"


class AsyncMessages:
    """``client.messages``. Each method takes `options` for what one call wants otherwise."""

    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    @property
    def batches(self) -> AsyncBatches:
        return AsyncBatches(self._client)

    @overload
    async def create(
        self, *, stream: Literal[False] = False, options: RequestOptions = ..., **params: Unpack[MessageParams]
    ) -> Message: ...
    @overload
    async def create(
        self, *, stream: Literal[True], options: RequestOptions = ..., **params: Unpack[MessageParams]
    ) -> AsyncStream[MessageStreamEvent]: ...
    async def create(self, *, stream: bool = False, options: RequestOptions = NO_OPTIONS, **params: Any) -> Any:
        """Ask for a message, to come whole or, with ``stream=True``, event by event.

        A stream raises `APIStreamError` where it ends before the message does.
        """
        if not stream:
            return await self._client.post(_PATH, body=params, cast_to=Message, options=options)
        return await self._client.post(
            _PATH,
            body={**params, "stream": True},
            cast_to=MessageStreamEvent,
            stream=True,
            options={"terminal_event": TERMINAL_EVENT, **options},
        )

    @asynccontextmanager
    async def stream(
        self, *, options: RequestOptions = NO_OPTIONS, **params: Unpack[MessageParams]
    ) -> AsyncGenerator[AsyncMessageStream, None]:
        """Ask for a message and watch it grow.

        async with client.messages.stream(model=..., max_tokens=..., messages=...) as stream:
            async for text in stream.text_stream:
                print(text, end="", flush=True)
            message = await stream.get_final_message()
        """
        async with await self.create(stream=True, options=options, **params) as events:
            yield AsyncMessageStream(events)

    async def count_tokens(
        self, *, options: RequestOptions = NO_OPTIONS, **params: Unpack[CountTokensParams]
    ) -> MessageTokensCount:
        """What a request would be billed for its input."""
        return await self._client.post(
            f"{_PATH}/count_tokens", body=params, cast_to=MessageTokensCount, options=options
        )


class Messages(Resource):
    """The same, blocking."""

    async_class = AsyncMessages
    count_tokens = blocking(AsyncMessages.count_tokens)
    _create = blocking(AsyncMessages.create)

    @property
    def batches(self) -> Batches:
        return Batches(self._blocking_client)

    @overload
    def create(
        self, *, stream: Literal[False] = False, options: RequestOptions = ..., **params: Unpack[MessageParams]
    ) -> Message: ...
    @overload
    def create(
        self, *, stream: Literal[True], options: RequestOptions = ..., **params: Unpack[MessageParams]
    ) -> Stream[MessageStreamEvent]: ...
    def create(self, **arguments: Any) -> Any:
        """Ask for a message, to come whole or, with ``stream=True``, event by event; see `AsyncMessages.create`."""
        return self._create(**arguments)

    @contextmanager
    def stream(
        self, *, options: RequestOptions = NO_OPTIONS, **params: Unpack[MessageParams]
    ) -> Generator[MessageStream, None, None]:
        """Ask for a message and watch it grow.

        with client.messages.stream(model=..., max_tokens=..., messages=...) as stream:
            for text in stream.text_stream:
                print(text, end="", flush=True)
            message = stream.get_final_message()
        """
        with self.create(stream=True, options=options, **params) as events:
            yield MessageStream(events)
