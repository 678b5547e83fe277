"""A message that is watched as it grows: its events or its text one by one, and the whole at the end.

The two classes differ in their waiting alone; what they know of messages is in `MessageAccumulator`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from trioclient import AsyncStream, Stream

from .accumulator import MessageAccumulator
from .events import ContentBlockDeltaEvent, MessageStreamEvent, TextDelta
from .message_types import Message

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncMessageStream", "MessageStream"]


class _Growing:
    """What has come so far."""

    def __init__(self) -> None:
        self._accumulator = MessageAccumulator()

    @property
    def current_snapshot(self) -> Message:
        """The message as far as it was iterated. Raises RuntimeError before its first event."""
        return self._accumulator.snapshot


class AsyncMessageStream(_Growing):
    """The events of a message, in an ``async for``. Made by `AsyncMessages.stream`.

    Each step raises what a stream does: the service's own error, also in mid-stream, and
    `APIStreamError` where the message breaks off.
    """

    def __init__(self, events: AsyncStream[MessageStreamEvent]) -> None:
        super().__init__()
        self._events = events

    @property
    def request_id(self) -> str | None:
        """The service's name for the request."""
        return self._events.response.request_id

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """What is said, piece by piece, and nothing else. Goes on where the iteration is."""
        return _AsyncTexts(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MessageStreamEvent:
        event = await self._events.__anext__()
        self._accumulator.feed(event)
        return event

    async def get_final_message(self) -> Message:
        """The whole message, what is left of it being read now. Raises ToolInputError, too."""
        async for _ in self:
            pass
        return self._accumulator.final_message()

    async def get_final_text(self) -> str:
        """All that was said."""
        return (await self.get_final_message()).text


class MessageStream(_Growing):
    """The events of a message, in a ``for``. Made by `Messages.stream`; see `AsyncMessageStream`."""

    def __init__(self, events: Stream[MessageStreamEvent]) -> None:
        super().__init__()
        self._events = events

    @property
    def request_id(self) -> str | None:
        """The service's name for the request."""
        return self._events.response.request_id

    @property
    def text_stream(self) -> Iterator[str]:
        """What is said, piece by piece, and nothing else. Goes on where the iteration is."""
        return filter(None, map(_text_in, self))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MessageStreamEvent:
        event = next(self._events)
        self._accumulator.feed(event)
        return event

    def get_final_message(self) -> Message:
        """The whole message, what is left of it being read now. Raises ToolInputError, too."""
        for _ in self:
            pass
        return self._accumulator.final_message()

    def get_final_text(self) -> str:
        """All that was said."""
        return self.get_final_message().text


class _AsyncTexts(AsyncIterator[str]):
    def __init__(self, events: AsyncMessageStream) -> None:
        self._events = events

    async def __anext__(self) -> str:
        async for event in self._events:
            if text := _text_in(event):
                return text
        raise StopAsyncIteration


def _text_in(event: MessageStreamEvent) -> str:
    match event:
        case ContentBlockDeltaEvent(delta=TextDelta(text=text)):
            return text
        case _:
            return ""
