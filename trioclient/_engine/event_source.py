"""Raw events from the body of an answer; where asked to, from several, one after another.

Resuming is the reconnection of the HTML standard (section 9.2.3). A stream that breaks off, or
ends, is asked for anew after the reconnection time, with the ID of its last event in
``Last-Event-ID``; what had come of an event that was not whole is forgotten. It is over when the
server answers 204. Connections made anew that bring no event at all are bounded, in a row, by the
call's `max_retries`, and all of it by its deadline.
"""

from __future__ import annotations

import contextlib
import math
import re
from typing import TYPE_CHECKING, Final

import trio

from .._codec.decode import AnswerFault
from .._codec.event_errors import ErrorEvent
from .._codec.event_formats import event_parser
from .._codec.event_stream import EventStreamParser
from .._codec.headers import header_block
from .._errors import APIError
from .._faults import DisconnectFault, Fault, TimeoutFault
from .answer_body import AnswerBody
from .failure import Received, error_of, event_error, stream_error

if TYPE_CHECKING:
    from .._codec.event_stream import EventBytes, EventParser
    from .._types import Limits
    from .call import Answer, CallTrace, PreparedCall
    from .loop import Engine

__all__ = ["EventSource", "open_events"]

_LAST_EVENT_ID: Final = b"Last-Event-ID"
_NO_CONTENT: Final = 204
_CONTROLS: Final = re.compile(rb"[\x00-\x1f\x7f]")  # that no header can hold


async def open_events(
    answer: Answer, trace: CallTrace, body: AnswerBody, *, limits: Limits, strict: bool, resume: Engine | None
) -> EventSource:
    """The events of an unread answer; `resume` makes the further calls, if any.

    Raises an `APIError` with the beginning of what came where that is no stream.
    """
    try:
        return EventSource(answer, trace, body, limits=limits, strict=strict, resume=resume)
    except AnswerFault as fault:
        content = await _beginning(body, limits.max_error_body_bytes)
        raise error_of(trace, fault, trio.current_time(), answer=answer._replace(content=content)) from fault


class EventSource:
    """Owns the body; close it. Raises an `APIError` where the stream breaks off, and is closed then."""

    def __init__(
        self, answer: Answer, trace: CallTrace, body: AnswerBody, *, limits: Limits, strict: bool, resume: Engine | None
    ) -> None:
        self.answer = answer
        self.trace = trace
        self._call = trace.call
        self._body = body
        self._limits = limits
        self._strict = strict
        self._parser = self._parser_for(answer, last_event_id=_last_event_id(trace.call))
        # What is not dispatched in events has no place to go on from.
        self._engine = resume if isinstance(self._parser, EventStreamParser) else None
        self._fruitless = 0
        self._received = 0
        self._events = 0

    async def receive(self) -> list[EventBytes] | None:
        """The events of the next piece of the body, perhaps none; None at the end."""
        try:
            return await self._receive()
        except (DisconnectFault, TimeoutFault) as fault:
            if self._engine is None or trio.current_time() >= self.trace.deadline:
                raise self.error(fault) from fault
            broken = fault
        except Fault as fault:
            await self.aclose()
            raise self.error(fault) from fault
        await self._reconnect(self._engine, broken)
        return []

    @property
    def is_closed(self) -> bool:
        """Whether it holds no connection."""
        return self._body.closed

    async def aclose(self, *, near_end: bool = False) -> None:
        """See `AnswerBody.aclose`."""
        self._engine = None
        await self._body.aclose(near_end=near_end)

    def error(self, fault: Fault, content: bytes = b"") -> APIError:
        """The error for a fault of the stream as it stands; `content` is the event that was at fault, if any."""
        most = self._limits.max_error_body_bytes
        if isinstance(fault, ErrorEvent):
            return event_error(self.trace, self.answer, fault.content[:most], fault.status, trio.current_time())
        received = Received(
            self._received + self._body.received,
            self._events,
            self._parser.last_event_id.decode("utf-8", "replace"),
            self._parser.pending()[:most],
        )
        answer = self.answer._replace(content=content[:most])
        return stream_error(self.trace, answer, fault, trio.current_time(), received)

    async def _receive(self) -> list[EventBytes] | None:
        data = await self._body.receive()
        events = self._parser.feed(data) if data else self._parser.finish()
        if events:
            self._events += len(events)
            self._fruitless = 0
        if data or events:
            return events
        if self._engine is None or self.answer.status == _NO_CONTENT:
            return None
        raise DisconnectFault("the stream ended")

    async def _reconnect(self, engine: Engine, fault: Fault) -> None:
        named = self._parser.retry
        delay = engine.reconnection_delay(named=named, fruitless=self._fruitless)
        wakes_at = trio.current_time() + delay
        if self._fruitless >= self._call.settings.max_retries or wakes_at > self._horizon():
            raise self.error(fault) from fault
        await trio.sleep_until(wakes_at)
        self._fruitless += 1
        try:
            answer, trace = await engine.run(self._call_anew())
        except APIError as failure:
            self.trace.attempts += failure.attempts
            late = trio.current_time() >= self.trace.deadline
            error = self.error(TimeoutFault("resume") if late else fault)
            if not late:
                error.message += f"; it could not be resumed: {failure.message}"
            raise error from failure
        try:
            self._adopt(answer, trace)
        except AnswerFault as other:
            await self.aclose()
            raise self.error(other) from other

    def _horizon(self) -> float:
        callers = trio.current_effective_deadline()
        return min(self.trace.deadline, callers) if callers != -math.inf else self.trace.deadline

    def _call_anew(self) -> PreparedCall:
        last = self._parser.last_event_id
        headers = [line for line in self._call.headers if not _is_last_event_id(line)]
        if last and not _CONTROLS.search(last):
            headers.append((_LAST_EVENT_ID, last))
        left = self.trace.deadline - trio.current_time()
        settings = self._call.settings._replace(deadline=max(left, 0.0))
        return self._call._replace(header_block=header_block(headers), settings=settings)

    def _adopt(self, answer: Answer, trace: CallTrace) -> None:
        """Go on with another answer to the same call."""
        self._received += self._body.received
        trace.call = self._call
        trace.started = self.trace.started
        trace.attempts += self.trace.attempts
        trace.retries += self.trace.retries + 1
        self.answer, self.trace = answer, trace
        assert answer.unread is not None
        self._body = AnswerBody(answer.unread, trace)
        self._parser = self._parser_for(answer, last_event_id=self._parser.last_event_id, retry=self._parser.retry)

    def _parser_for(self, answer: Answer, *, last_event_id: bytes = b"", retry: int | None = None) -> EventParser:
        return event_parser(
            "text/event-stream" if answer.status == _NO_CONTENT else answer.content_type,
            strict=self._strict,
            max_line_bytes=self._limits.max_line_bytes,
            max_event_bytes=self._limits.max_event_bytes,
            last_event_id=last_event_id,
            retry=retry,
        )


def _is_last_event_id(line: tuple[bytes, bytes]) -> bool:
    return line[0].lower() == _LAST_EVENT_ID.lower()


def _last_event_id(call: PreparedCall) -> bytes:
    """The one that the caller wants to go on from."""
    return next((line[1] for line in call.headers if _is_last_event_id(line)), b"")


async def _beginning(body: AnswerBody, most: int) -> bytes:
    pieces: list[bytes] = []
    try:
        with contextlib.suppress(Fault):
            while body.received < most and (piece := await body.receive()):
                pieces.append(piece)
    finally:
        await body.aclose()
    return b"".join(pieces)[:most]
