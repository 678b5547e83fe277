"""A stream of values: the events of an answer, each decoded to the type that was asked for.

What an event is worth is decided by `EventValues` (pure); where events come from is the business
of `EventSource`. Here the two meet, one iteration at a time.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_args, get_origin

import trio

from .._codec.event_values import SKIPPED, EventValues
from .._engine.event_source import EventSource
from .._errors import APIError
from .._faults import DisconnectFault, Fault
from .._server_sent_event import ServerSentEvent

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .._codec.event_stream import EventBytes
    from .response import AsyncAPIResponse

__all__ = ["AsyncStream", "stream_types"]

T = TypeVar("T")
StreamT = TypeVar("StreamT")


class AsyncStream(AsyncIterator[T], Generic[T]):
    """An answer that comes event by event: a context manager, inside it an iterator of values.

        async with await client.post("/chat", body=..., cast_to=Event, stream=True) as stream:
            async for event in stream:
                ...

    Server-sent events and JSON lines alike. It holds a connection until it has ended or the
    ``async with`` is left. For one task at a time. Raises an `APIError` in the middle: the error
    that the server sent as an event, `APIStreamError` where the stream broke off, `DeadlineExceeded`.

    A subclass, given as ``stream_cls=``, may add to it.
    """

    def __init__(
        self, *, response: AsyncAPIResponse[Any], source: EventSource, values: EventValues, raw: EventValues
    ) -> None:
        self.response = response
        """The head of the answer; of the first one, where the stream was resumed."""
        self._source = source
        self._values = values
        self._raw = raw
        self._reads: EventValues | None = None
        self._pending: deque[EventBytes] = deque()
        self._failure: Exception | None = None
        self._over = False
        # The error it ended with was raised, or whoever closed it wants none.
        self._silent = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        return cast("T", await self._next(self._values))

    def events(self) -> AsyncIterator[ServerSentEvent]:
        """Every event as the standard dispatches it, nothing decoded, skipped or raised.

        A stream is iterated as values or as events, not as both. A line of JSON lines is an event
        without a name.
        """
        self._choose(self._raw)
        return _Events(self)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to come."""
        return self._over and self._source.is_closed

    async def until_done(self) -> None:
        """Read to the end, for what it may raise."""
        with contextlib.suppress(StopAsyncIteration):
            while True:
                await self._next(self._reads or self._values)

    async def aclose(self) -> None:
        """Let go of the connection. May be called twice."""
        self._over = self._silent = True
        self._pending.clear()
        await self._source.aclose(near_end=self._reads is not None and self._reads.over)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def next_event(self) -> ServerSentEvent:
        """The next one of `events`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return cast("ServerSentEvent", await self._next(self._raw))

    async def next_batch(self, *, raw: bool) -> list[Any]:
        """At least one value, or event, and what is there besides; none at the end.

        An error is raised by the call after the one that gives what came before it.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        reads = self._raw if raw else self._values
        batch: list[Any] = []
        try:
            batch.append(await self._next(reads))
            # What is there besides may be worth nothing, and is not waited for.
            while self._pending:
                value = self._take(reads)
                if value is not SKIPPED:
                    batch.append(value)
        except StopAsyncIteration:
            pass
        except Exception as error:
            await self._close_after(error)
            if not batch:
                raise
            self._failure = error
        return batch

    def _choose(self, reads: EventValues) -> None:
        if self._reads is not None and self._reads is not reads:
            raise RuntimeError("a stream is iterated as values or as events, not as both")
        self._reads = reads

    async def _next(self, reads: EventValues) -> object:
        self._choose(reads)
        while not self._over:
            if not self._pending:
                await self._fill(reads)
            while self._pending:
                try:
                    value = self._take(reads)
                except APIError as error:
                    await self._close_after(error)
                    raise
                if value is not SKIPPED:
                    return value
        cut_short = not reads.complete and not self._silent
        error = self._source.error(DisconnectFault("the stream ended before its terminal event")) if cut_short else None
        await self.aclose()
        raise error or StopAsyncIteration

    async def _fill(self, reads: EventValues) -> None:
        try:
            events = await self._source.receive()
        except Exception:
            self._over = self._silent = True
            raise
        if events is None:
            self._over = True
        else:
            self._pending.extend(events)

    def _take(self, reads: EventValues) -> object:
        """The value of the next pending event, or `SKIPPED`. After an `APIError` the stream is to be closed."""
        event = self._pending.popleft()
        try:
            value = reads.value_of(event)
        except Fault as fault:
            raise self._source.error(fault, event.data) from fault
        if reads.over:
            self._over = True
            self._pending.clear()
        return value

    async def _close_after(self, error: Exception) -> None:
        # What the caller's own code raises does not end the stream.
        if isinstance(error, APIError):
            await self.aclose()


class _Events(AsyncIterator[ServerSentEvent]):
    def __init__(self, stream: AsyncStream[Any]) -> None:
        self._stream = stream

    async def __anext__(self) -> ServerSentEvent:
        return await self._stream.next_event()


def stream_types(cast_to: Any, stream_cls: Any, base: type[StreamT]) -> tuple[Any, type[StreamT]]:
    """The type of the values and the class of the stream, `base` or a subclass.

    ``stream_cls=AsyncStream[Event]`` names the type as well, and so does a class made from that;
    else it is `cast_to`. Raises TypeError naming ``stream_cls``.
    """
    if stream_cls is None:
        return cast_to, base
    root: type[StreamT] = get_origin(base) or base  # `base` may have its type in brackets as well
    cls = get_origin(stream_cls) or stream_cls
    if not (isinstance(cls, type) and issubclass(cls, root)):
        raise TypeError(f"stream_cls must be {root.__name__} or a subclass of it, not {stream_cls!r}")
    named = _argument(stream_cls, root)
    return (cast_to if named is None else named), cls


def _argument(stream_cls: Any, base: type) -> Any:
    """What stands in the brackets behind `base`, in `stream_cls` itself or in what it is made from."""
    cls = get_origin(stream_cls) or stream_cls
    arguments = get_args(stream_cls)
    if cls is base:
        return None if not arguments or isinstance(arguments[0], TypeVar) else arguments[0]
    given = dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=False))
    for parent in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = get_origin(parent) or parent
        if isinstance(origin, type) and issubclass(origin, base):
            free = getattr(parent, "__parameters__", ()) if get_args(parent) else ()
            return _argument(parent[tuple(given.get(name, name) for name in free)] if free else parent, base)
    return None
