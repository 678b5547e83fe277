"""From what went wrong below to the `APIError` a caller sees.

One table of kinds; the facts come from the call's trace.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Union, cast

import msgspec

from .._codec.decode import AnswerFault
from .._errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    DeadlineExceeded,
    LimitExceeded,
    status_error_class,
)
from .._faults import CodingFault, Fault, LimitFault, TimeoutFault
from .attempt import RedirectRefused
from .call import Answer

if TYPE_CHECKING:
    from .call import CallTrace

__all__ = ["Failure", "error_of"]

Failure = Union[Answer, Fault, RedirectRefused]
"""An attempt that brought no usable answer."""

_MESSAGE_CHARACTERS = 300


def error_of(
    trace: CallTrace, failure: Failure, now: float, *, answer: Answer | None = None, retry_at: float | None = None
) -> APIError:
    """The error for a failure. `answer` is the whole answer that could not be decoded, if any."""
    if isinstance(failure, Answer):
        return _status_error(trace, failure, now, retry_at)
    if isinstance(failure, RedirectRefused):
        return trace.error(APIStatusError, str(failure), now, answer=failure.answer)
    error = _fault_error(trace, failure, now, answer)
    error.__cause__ = failure
    return error


def _fault_error(trace: CallTrace, fault: Fault, now: float, answer: Answer | None) -> APIError:
    if isinstance(fault, TimeoutFault):
        if now >= trace.deadline:
            message = f"the deadline of {trace.call.deadline:g} s passed ({fault.phase} phase)"
            return trace.error(DeadlineExceeded, message, now)
        return trace.error(APITimeoutError, str(fault), now)
    if isinstance(fault, LimitFault):
        return trace.error(LimitExceeded, str(fault), now, answer=answer, limit=fault.limit, value=fault.value)
    if isinstance(fault, CodingFault):
        return trace.error(APIResponseValidationError, str(fault), now)
    if isinstance(fault, AnswerFault):
        body = None if answer is None else _decoded(answer.content)
        return trace.error(APIResponseValidationError, str(fault), now, answer=answer, path=fault.path, body=body)
    return trace.error(APIConnectionError, str(fault), now)


def _status_error(trace: CallTrace, answer: Answer, now: float, retry_at: float | None) -> APIStatusError:
    body = _decoded(answer.content)
    message = str(answer.status)
    if answer.status in http.HTTPStatus.__members__.values():
        message += f" {http.HTTPStatus(answer.status).phrase}"
    reason = _reason(body)
    if reason:
        message += f": {reason}"
    kind = status_error_class(answer.status)
    return trace.error(kind, message, now, answer=answer, retry_at=retry_at, body=body)


def _decoded(content: bytes) -> object:
    """JSON if it is, else text, else None."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "replace") or None


def _reason(body: object) -> str:
    """The server's own words, where the body has them in a usual place."""
    while isinstance(body, dict):
        fields = cast("dict[str, object]", body)
        body = next((fields[key] for key in ("error", "message", "detail", "title") if fields.get(key)), None)
    if not isinstance(body, str):
        return ""
    text = " ".join(body.split())
    return text if len(text) <= _MESSAGE_CHARACTERS else text[:_MESSAGE_CHARACTERS] + "…"
