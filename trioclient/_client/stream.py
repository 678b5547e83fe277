"""A stream of values: the events of an answer, each decoded to the type that was asked for.

What an event is worth is decided by `EventValues` (pure); where events come from is the business
of `EventSource`. Here the two meet, one iteration at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from operator import length_hint
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar, get_args, get_origin

import trio

from .._codec.event_values import EventValues
from .._engine.event_source import EventSource
from .._faults import DisconnectFault, Fault
from .._server_sent_event import ServerSentEvent

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .._codec.event_stream import EventBytes
    from .response import AsyncAPIResponse

__all__ = ["AsyncStream", "stream_types"]

# Between two checkpoints that see a cancellation; between two that let other tasks run.
_MOST_AT_ONCE: Final = 32
_TURN_SECONDS: Final = 0.001

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

    Of events that came together not each is a checkpoint. A cancellation is seen after 32 of them at
    most, and other tasks have their turn after a millisecond or so: for a reader that takes that
    long over an event, both are after each.

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
        # What came in the last piece and was not taken yet.
        self._pending: Iterator[EventBytes] = iter(())
        self._at_once = 1
        self._turn_ends = 0.0
        self._over = False
        # The error it ended with was raised, or whoever closed it wants none.
        self._silent = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for value in self._values.ready:
                return value
            await self._refill(self._values)

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
        return self._is_over and self._source.is_closed

    async def until_done(self) -> None:
        """Read to the end, for what it may raise."""
        while await self.next_batch(raw=self._reads is self._raw):
            pass

    async def aclose(self) -> None:
        """Let go of the connection. May be called twice."""
        near_end = self._reads is not None and self._reads.over
        self._over = self._silent = True
        self._pending = iter(())
        self._values.drop()
        self._raw.drop()
        await self._source.aclose(near_end=near_end)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def next_event(self) -> ServerSentEvent:
        """The next one of `events`."""
        while True:
            for event in self._raw.ready:
                return event
            await self._refill(self._raw)

    async def next_batch(self, *, raw: bool) -> list[Any]:
        """At least one value, or event, and what is there besides; none at the end.

        An error is raised by the call after the one that gives what came before it.
        """
        reads = self._raw if raw else self._values
        try:
            while not (batch := list(reads.ready)):
                await self._refill(reads, whole=True)
        except StopAsyncIteration:
            return []
        return batch

    def _choose(self, reads: EventValues) -> None:
        if self._reads is not None and self._reads is not reads:
            raise RuntimeError("a stream is iterated as values or as events, not as both")
        self._reads = reads

    @property
    def _is_over(self) -> bool:
        return self._over or (self._reads is not None and self._reads.over)

    async def _refill(self, reads: EventValues, *, whole: bool = False) -> None:
        """Have something ready, perhaps, now that nothing is: of the last piece, or of the next.

        Raises what the reading has ended with, and StopAsyncIteration at the end.
        """
        self._choose(reads)
        await trio.lowlevel.checkpoint_if_cancelled()
        if reads.failure is not None:
            await self._fail(reads)
        if self._is_over:
            await self._end(reads)
        if not length_hint(self._pending):
            await self._fill()
            self._turn_ends = perf_counter() + _TURN_SECONDS
        elif perf_counter() < self._turn_ends:
            self._at_once = min(2 * self._at_once, _MOST_AT_ONCE)
        else:
            await trio.lowlevel.checkpoint()
            self._turn_ends = perf_counter() + _TURN_SECONDS
            self._at_once = 1
        reads.feed(islice(self._pending, None if whole else self._at_once))

    async def _fill(self) -> None:
        try:
            events = await self._source.receive()
        except Exception:
            self._over = self._silent = True
            raise
        if events is None:
            self._over = True
        else:
            self._pending = iter(events)

    async def _fail(self, reads: EventValues) -> NoReturn:
        assert reads.failure is not None
        (error, data), reads.failure = reads.failure, None
        if not isinstance(error, Fault):
            raise error  # by the caller's own code, which does not end the stream
        failure = self._source.error(error, data)
        await self.aclose()
        raise failure from error

    async def _end(self, reads: EventValues) -> NoReturn:
        cut_short = not reads.complete and not self._silent
        error = self._source.error(DisconnectFault("the stream ended before its terminal event")) if cut_short else None
        await self.aclose()
        raise error or StopAsyncIteration


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
