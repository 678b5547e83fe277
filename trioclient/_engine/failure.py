"""From what went wrong below to the `APIError` a caller sees.

One table of kinds; the facts come from the call's trace.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, NamedTuple, Union, cast

from .._codec.decode import AnswerFault
from .._codec.error_body import error_body
from .._errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    DeadlineExceeded,
    LimitExceeded,
    status_error_class,
)
from .._faults import ClosedFault, CodingFault, Fault, LimitFault, StallFault, TimeoutFault
from .attempt import RedirectRefused
from .call import Answer

if TYPE_CHECKING:
    from .call import CallTrace

__all__ = ["Failure", "Received", "error_of", "event_error", "stream_error"]

Failure = Union[Answer, Fault, RedirectRefused]
"""An attempt that brought no usable answer."""

_MESSAGE_CHARACTERS = 300
# Where servers put their own words, the most telling first: OAuth and Spring have an "error" as
# well, which only names the kind; RFC 9457 has "detail" and "title", FastAPI "detail" and "msg".
_REASON_FIELDS = ("message", "error_description", "detail", "msg", "error", "errors", "title")


def error_of(
    trace: CallTrace, failure: Failure, now: float, *, answer: Answer | None = None, retry_at: float | None = None
) -> APIError:
    """The error for a failure. `answer` is the whole answer that could not be decoded, if any."""
    if isinstance(failure, Answer):
        return _status_error(trace, failure, now, retry_at)
    if isinstance(failure, RedirectRefused):
        return _status_error(trace, failure.answer, now, retry_at, str(failure))
    error = _fault_error(trace, failure, now, answer)
    error.__cause__ = failure
    return error


class Received(NamedTuple):
    """How far a stream had come."""

    size: int = 0
    """Bytes of the body, decompressed."""
    events: int = 0
    last_event_id: str = ""
    rest: bytes = b""
    """What came of an event, or a line, that is not whole."""


def stream_error(trace: CallTrace, answer: Answer, fault: Fault, now: float, received: Received) -> APIError:
    """The error for a fault in the body of an answer that its caller was already reading."""
    late = isinstance(fault, TimeoutFault) and now >= trace.deadline
    if late or isinstance(fault, (LimitFault, CodingFault, AnswerFault)):
        return error_of(trace, fault, now, answer=answer)
    error = trace.error(
        APIStreamError,
        f"{fault} after {received.size:,} bytes of the answer's body",
        now,
        answer=answer,
        body=received.rest.decode("utf-8", "replace") or None,
        received=received.size,
        events=received.events,
        last_event_id=received.last_event_id,
    )
    error.__cause__ = fault
    return error


def event_error(trace: CallTrace, answer: Answer, content: bytes, status: int | None, now: float) -> APIStatusError:
    """The error that an event of a stream tells of: its data is `content`; `status`, what it stands for."""
    body = error_body(content)
    message = "the stream brought an error"
    if status is not None:
        message += f", {_named(status)}"
    if reason := _reason(body):
        message += f": {reason}"
    kind = APIStatusError if status is None else status_error_class(status)
    return trace.error(kind, message, now, answer=answer, body=body, status=status)


def _fault_error(trace: CallTrace, fault: Fault, now: float, answer: Answer | None) -> APIError:
    if isinstance(fault, TimeoutFault):
        if now >= trace.deadline:
            message = f"the deadline of {trace.call.settings.deadline:g} s passed ({fault.phase} phase)"
            return trace.error(DeadlineExceeded, message, now, answer=answer)
        error = trace.error(APITimeoutError, str(fault), now)
        if isinstance(fault, StallFault):
            error.advice = "Ask less of `stall=` if the link is known to be slow."
        return error
    if isinstance(fault, LimitFault):
        return trace.error(LimitExceeded, str(fault), now, answer=answer, limit=fault.limit, value=fault.value)
    if isinstance(fault, CodingFault):
        return trace.error(APIResponseValidationError, str(fault), now, answer=answer)
    if isinstance(fault, AnswerFault):
        body = None if answer is None else error_body(answer.content)
        return trace.error(APIResponseValidationError, str(fault), now, answer=answer, path=fault.path, body=body)
    error = trace.error(APIConnectionError, str(fault), now)
    if isinstance(fault, ClosedFault):
        error.advice = "Make the call before the client is closed: inside its `async with`."
    return error


def _status_error(
    trace: CallTrace, answer: Answer, now: float, retry_at: float | None, reason: str = ""
) -> APIStatusError:
    body = error_body(answer.content)
    message = _named(answer.status)
    reason = reason or _reason(body)
    if reason:
        message += f": {reason}"
    kind = status_error_class(answer.status)
    return trace.error(kind, message, now, answer=answer, retry_at=retry_at, body=body)


def _named(status: int) -> str:
    known = status in http.HTTPStatus.__members__.values()
    return f"{status} {http.HTTPStatus(status).phrase}" if known else str(status)


def _reason(body: object) -> str:
    """The server's own words, where the body has them in a usual place."""
    text = " ".join(_first_text(body).split())
    if text.startswith("<"):  # a proxy's page; the status says as much
        return ""
    if len(text) > _MESSAGE_CHARACTERS:
        text = text[:_MESSAGE_CHARACTERS] + "…"
    return "".join(filter(str.isprintable, text))  # nothing that moves a terminal's cursor


def _first_text(body: object) -> str:
    if isinstance(body, str):
        return body
    values: list[object] = []
    if isinstance(body, list):
        values = cast("list[object]", body)[:1]
    elif isinstance(body, dict):
        fields = cast("dict[str, object]", body)
        values = [fields.get(name) for name in _REASON_FIELDS]
    return next((text for value in values if (text := _first_text(value))), "")
