"""Events that tell of an error, and the HTTP status such an error would have come with.

An event named ``error`` is one, whatever its data. Where events have no names (no ``event``
field, or ``message``, which is the same) a bare error is one: an object with ``error``, which is
a string or has a ``message``, and nothing beside it but what belongs to an error, such as a code.
To a type with an ``error`` field of its own it is a value; ``str`` and ``bytes`` take it as it is.
A line among a batch's results, ``{"id": ..., "error": {...}}``, is no bare error.

The status is the first of these that there is, at the top or inside ``error``:

1. a number from 400 to 599, perhaps in a string, under ``status``, ``status_code`` or ``code``;
2. a name in `STATUS_OF_ERROR` under ``type`` or ``code``, that inside ``error`` before that at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Union, cast

import msgspec
from msgspec import inspect

from .._faults import Fault
from .error_body import error_body
from .lenient_types import union_members
from .pydantic_models import mentions_model, model_keys

__all__ = ["STATUS_OF_ERROR", "ErrorEvent", "is_bare_error", "takes_error"]

STATUS_OF_ERROR: Final[dict[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "unprocessable_entity_error": 422,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # As others call them:
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "server_error": 500,
}

_STATUS_KEYS: Final = ("status", "status_code", "code")
_NAME_KEYS: Final = ("type", "code")
_ERROR_STATUSES: Final = range(400, 600)
_ERROR_DIGITS: Final = frozenset(map(str, _ERROR_STATUSES))

_BESIDE_ERROR: Final = frozenset(
    {"error", "error_type", "type", "object", "code", "status", "status_code", "message", "detail", "param"}
    | {"request_id", "event_id", "sequence_number"}
)
"""What an object may hold and still be nothing but an error."""


class ErrorEvent(Fault):
    """The stream brought an error in the place of a value."""

    def __init__(self, content: bytes) -> None:
        super().__init__("the stream brought an error")
        self.content = content
        """The event's data, as it came."""
        self.body = error_body(content)
        """The data decoded where it is JSON, else as text; None where there is none."""
        self.status = _status(self.body)
        """The HTTP status it stands for, 400 to 599; None where it does not say."""


def _replaced(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode()


# Its status


def _status(body: object) -> int | None:
    places = list(_places(body))
    for number in (place.get(key) for place in places for key in _STATUS_KEYS):
        if isinstance(number, (int, float)) and number in _ERROR_STATUSES:
            return int(number)
        if isinstance(number, str) and number in _ERROR_DIGITS:
            return int(number)
    for name in (place.get(key) for place in reversed(places) for key in _NAME_KEYS):
        if isinstance(name, str) and name in STATUS_OF_ERROR:
            return STATUS_OF_ERROR[name]
    return None


def _places(body: object) -> Iterator[dict[str, object]]:
    """The objects that may say something about the error, the outer one first."""
    if isinstance(body, dict):
        outer = cast("dict[str, object]", body)
        yield outer
        inner = outer.get("error")
        if isinstance(inner, dict):
            yield cast("dict[str, object]", inner)


# Errors without a name


class _Words(msgspec.Struct):
    message: str


class _Error(msgspec.Struct):
    error: Union[_Words, str]


_ERROR: Final = msgspec.json.Decoder(_Error)


def is_bare_error(content: bytes) -> bool:
    """Whether JSON text is an object that holds nothing but an error."""
    text = _replaced(content)
    try:
        _ERROR.decode(text)
        return msgspec.json.decode(text, type=dict[str, Any]).keys() <= _BESIDE_ERROR
    except (msgspec.DecodeError, RecursionError):
        return False


def takes_error(cast_to: Any) -> bool:
    """Whether an object of the type has an ``error`` of its own. For types msgspec or pydantic decodes."""
    if mentions_model(cast_to):
        return "error" in model_keys(cast_to)
    return any(
        field.encode_name == "error"
        for member in union_members(inspect.type_info(cast_to))
        if isinstance(member, (inspect.StructType, inspect.DataclassType, inspect.TypedDictType))
        for field in member.fields
    )
