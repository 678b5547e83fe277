"""From what went wrong below to the `APIError` a caller sees.

One table of kinds; the facts come from the call's trace.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Union, cast

import msgspec

from .._codec.decode import AnswerFault
from .._codec.json_depth import check_depth
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
from .._faults import ClosedFault, CodingFault, Fault, LimitFault, TimeoutFault
from .attempt import RedirectRefused
from .call import Answer

if TYPE_CHECKING:
    from .call import CallTrace

__all__ = ["Failure", "error_of"]

Failure = Union[Answer, Fault, RedirectRefused]
"""An attempt that brought no usable answer."""

_MESSAGE_CHARACTERS = 300
# Nested deeper, an error could not be pickled or copied.
_BODY_DEPTH = 64
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
    error = trace.error(APIConnectionError, str(fault), now)
    if isinstance(fault, ClosedFault):
        error.advice = "Make the call before the client is closed: inside its `async with`."
    return error


def _status_error(
    trace: CallTrace, answer: Answer, now: float, retry_at: float | None, reason: str = ""
) -> APIStatusError:
    body = _decoded(answer.content)
    message = str(answer.status)
    if answer.status in http.HTTPStatus.__members__.values():
        message += f" {http.HTTPStatus(answer.status).phrase}"
    reason = reason or _reason(body)
    if reason:
        message += f": {reason}"
    kind = status_error_class(answer.status)
    return trace.error(kind, message, now, answer=answer, retry_at=retry_at, body=body)


def _decoded(content: bytes) -> object:
    """JSON if it is, else text, else None."""
    try:
        check_depth(content, _BODY_DEPTH)
        return msgspec.json.decode(content)
    except (LimitFault, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "replace") or None


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
