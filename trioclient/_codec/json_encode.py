"""Values to JSON, by msgspec, with what it leaves open: values that are left out, kinds it does
not know, and errors that say where.

The good path is one call of an encoder. `omit` and `NOT_GIVEN` show themselves only through
the encoder's hook; a body that holds one is first turned into plain containers without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec

from .._types import NotGiven, Omit, omit
from .json_faults import may_hold_nonfinite, refuse_unsayable
from .unknown_variant import UnknownVariant

__all__ = ["encode_json", "plain_values"]

T = TypeVar("T")

Convert = Callable[[object], object]
"""Turns a value into one closer to JSON, or raises TypeError."""


def encode_json(body: object, argument: str, default: Convert | None = None) -> bytes:
    """Encode anything msgspec does, pydantic models, mappings, and what `default` makes of the rest.

    Raises TypeError or ValueError naming the place, which begins with `argument`. What the
    caller's own code raises (`default`, a model's serializers) passes through.
    """
    convert, encoder = (_convert, _ENCODER) if default is None else _asking(default)
    try:
        outcome = _tried(encoder.encode, body)
        if isinstance(outcome, _Omitted):
            outcome = _tried(lambda body: encoder.encode(_pruned(body, convert)), body)
        if isinstance(outcome, bytes) and (b"null" not in outcome or not may_hold_nonfinite(body)):
            return outcome
        refuse_unsayable(body, argument, convert)
    except _CallersError as carried:
        outcome = carried.error
    if isinstance(outcome, bytes):
        return outcome
    raise ValueError(f"{argument} is nested too deeply") if isinstance(outcome, RecursionError) else outcome


def plain_values(body: object, argument: str, default: Convert | None = None) -> object:
    """The values `encode_json` would write, in plain containers, but bytes, which stay bytes.

    Raises as that does.
    """
    convert = _convert if default is None else _asking(default)[0]
    try:
        outcome = _tried(lambda body: _pruned(body, convert), body)
        if not isinstance(outcome, Exception):
            return outcome
        refuse_unsayable(body, argument, convert)
        error = ValueError(f"{argument} is nested too deeply") if isinstance(outcome, RecursionError) else outcome
    except _CallersError as carried:
        error = carried.error
    raise error


def _tried(encode: Callable[[object], T], body: object) -> T | Exception:
    # Returned, not handled on the spot: what is raised later is no consequence of it.
    try:
        return encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        return error


class _CallersError(Exception):
    """Carries an error of the caller's own code through code that catches its like."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Omitted(TypeError):
    """An `omit` or `NOT_GIVEN` was met."""


_UNKNOWN: Final = object()


def _known(value: Any) -> object:
    """Convert what msgspec does not encode and is common enough not to need a `default`."""
    if isinstance(value, (Omit, NotGiven)):
        raise _Omitted(f"{value!r} can only stand as a value of a mapping")
    if isinstance(value, UnknownVariant):
        return value.data
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    for plain in (str, int, float):
        if isinstance(value, plain):  # a subclass: numpy.float64 is one
            return plain(value)
    if hasattr(cast("type[object]", type(value)), "model_dump"):
        return _callers(lambda: value.model_dump(mode="json", by_alias=True, exclude_unset=True))
    return _UNKNOWN


def _convert(value: object) -> object:
    known = _known(value)
    if known is _UNKNOWN:
        raise TypeError
    return known


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_convert)


def _asking(default: Convert) -> tuple[Convert, msgspec.json.Encoder]:
    def convert(value: object) -> object:
        known = _known(value)
        return _callers(lambda: default(value)) if known is _UNKNOWN else known

    return convert, msgspec.json.Encoder(enc_hook=convert)


def _callers(call: Callable[[], object]) -> object:
    try:
        return call()
    except RecursionError:
        raise  # most likely the body contains itself, and the caller's code only stood at the end of it
    except Exception as error:
        raise _CallersError(error) from error


# Stands for an omitted value while a body is turned into plain containers. Of a kind that can be
# left as it is meanwhile, and known by its identity: being mutable, it is never one with another.
_GONE: Final = bytearray()


def _pruned(body: object, convert: Convert) -> object:
    def mark(value: object) -> object:
        return _GONE if isinstance(value, (Omit, NotGiven)) else convert(value)

    return _without_gone(
        msgspec.to_builtins(body, enc_hook=mark, builtin_types=(bytes, bytearray, memoryview), str_keys=True)
    )


def _without_gone(value: Any) -> object:
    if isinstance(value, dict):
        entries = cast("dict[object, object]", value)
        return {key: _without_gone(entry) for key, entry in entries.items() if entry is not _GONE}
    if isinstance(value, (list, tuple)):
        return [_without_gone(item) for item in cast("list[object]", value)]
    # Anywhere but in a mapping there is nothing to leave it out of: the encoder will object.
    return omit if value is _GONE else value
