"""The blocking twin of a stream: its batches come over in a bounded queue."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._blocking_response import APIResponse
from ._client.stream import AsyncStream
from ._hold import HeldIterator, Hold

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._server_sent_event import ServerSentEvent

__all__ = ["Stream"]

T = TypeVar("T")


class Stream(HeldIterator[T], Generic[T]):
    """An answer that comes event by event: a context manager, inside it an iterator of values.

        with client.post("/chat", body=..., cast_to=Event, stream=True) as stream:
            for event in stream:
                ...

    See `AsyncStream`. Events are read ahead of the caller, by a bounded number, once the first
    was asked for. For one thread at a time; `close` may be called from any.

    A subclass, given as ``stream_cls=``, may add to it.
    """

    def __init__(self, hold: Hold[AsyncStream[T]]) -> None:
        twin = hold.resource
        super().__init__(hold, partial(twin.next_batch, raw=False))
        self._twin = twin
        self._events: HeldIterator[ServerSentEvent] | None = None
        self.response: APIResponse[Any] = APIResponse(twin.response, hold)
        """The head of the answer; of the first one, where the stream was resumed."""
        hold.name = type(self).__name__

    def events(self) -> Iterator[ServerSentEvent]:
        """Every event as the standard dispatches it; see `AsyncStream.events`."""
        self._twin.events()
        if self._events is None:
            self._events = HeldIterator(self._hold, partial(self._twin.next_batch, raw=True))
        return self._events

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to come."""
        return not self._hold.open

    def until_done(self) -> None:
        """Read to the end, for what it may raise."""
        for _ in self._events or self:
            pass

    def close(self) -> None:
        """Let go of the connection. May be called twice."""
        self._leave(at_once=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(at_once=exc is not None and not isinstance(exc, Exception))

    def _leave(self, *, at_once: bool) -> None:
        try:
            self._hold.close(at_once=at_once)
        finally:
            self.forget()
            if self._events is not None:
                self._events.forget()
