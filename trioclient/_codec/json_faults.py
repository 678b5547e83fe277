"""Finds what in a request body JSON cannot say, and says where: ``body.items[0].price``.

msgspec encodes fast but keeps quiet about places, and writes NaN and infinity as ``null``. So
this runs only once encoding has failed, or where a ``null`` came out of a body that may hold a
float. It goes down the body without recursion, because a body that is too deep or contains
itself is one of the things it looks for.
"""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec

from .._types import NotGiven, Omit

__all__ = ["may_hold_nonfinite", "refuse_unsayable"]

MAX_DEPTH: Final = 20_000
"""Deeper than msgspec goes on any Python: only a conversion without end gets there."""

_NEVER_NONFINITE: Final = frozenset(
    {str, int, bool, bytes, type(None), datetime.date, datetime.datetime, Omit, NotGiven, msgspec.UnsetType}
)
_ARRAYS: Final = (list, tuple, set, frozenset)
_ENCODER: Final = msgspec.json.Encoder()

_Child = tuple[str, object]
"""What stands between a container and one of its values (``.name``, ``[0]``), and the value."""


def may_hold_nonfinite(body: object) -> bool:
    """Whether NaN or infinity is in `body`, or anything that is not looked into here."""
    pending = [body]
    while pending:
        value: Any = pending.pop()
        kind = cast("type[object]", type(value))
        if kind is dict:
            pending.extend(value.values())
        elif kind is list or kind is tuple:
            pending.extend(value)
        elif kind is float:
            if not math.isfinite(value):
                return True
        elif kind not in _NEVER_NONFINITE:
            names = _field_names(kind)
            if names is None:
                return True
            pending.extend([getattr(value, name, None) for name in names])
    return False


class _Unsayable(Exception):
    """What is wrong with one value, before it is known where that stands."""

    def __init__(self, kind: type[TypeError | ValueError], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class _Level(NamedTuple):
    """One container on the way down, and what of it is still to be looked at."""

    label: str
    container: object
    children: Iterator[_Child]


def refuse_unsayable(body: object, root: str, convert: Callable[[object], object]) -> None:
    """Raise the TypeError or ValueError that names the first fault; return where there is none.

    `root` is what to call `body` itself. `convert` turns what msgspec does not know into what
    it does, and raises TypeError where it cannot; whatever else it raises passes through.
    """
    levels = [_Level("", None, iter([(root, body)]))]
    entered: set[int] = set()
    label = ""
    try:
        while levels:
            label = ""
            found = next(levels[-1].children, None)
            if found is None:
                entered.discard(id(levels.pop().container))
                continue
            label, value = found
            children = _children(value, convert)
            if children is None:
                continue
            if id(value) in entered:
                raise _Unsayable(ValueError, "contains itself")
            if len(levels) > MAX_DEPTH:
                raise _Unsayable(ValueError, "is nested too deeply")
            entered.add(id(value))
            levels.append(_Level(label, value, children))
    except _Unsayable as fault:
        path = "".join([level.label for level in levels] + [label])
        error = fault.kind(f"{path} {fault}")
    else:
        return
    raise error


def _children(value: object, convert: Callable[[object], object]) -> Iterator[_Child] | None:
    """What to look at below `value`; None where it is a plain value and fine."""
    if isinstance(value, Mapping):
        return _entries(cast("Mapping[object, object]", value))
    if isinstance(value, _ARRAYS):
        return ((f"[{index}]", item) for index, item in enumerate(cast("list[object]", value)))
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unsayable(ValueError, f"is {value}, which JSON has no word for")
    if isinstance(value, (Omit, NotGiven)):
        raise _Unsayable(TypeError, f"is {value!r}, which can only stand as a value of a mapping")
    names = _field_names(type(value))
    if names is not None:
        return _fields(value, names)
    if _is_encodable(value):
        return None
    return iter([("", _converted(value, convert))])


def _is_encodable(value: object) -> bool:
    try:
        _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise _Unsayable(ValueError, "holds a lone surrogate, which has no UTF-8 form") from None
    except TypeError:
        return False
    return True


def _converted(value: object, convert: Callable[[object], object]) -> object:
    try:
        return convert(value)
    except TypeError:
        raise _Unsayable(TypeError, f"is of type {type(value).__name__}, which cannot be sent as JSON") from None


def _entries(mapping: Mapping[object, object]) -> Iterator[_Child]:
    for key, value in mapping.items():
        try:
            _ENCODER.encode({key: None})
        except UnicodeEncodeError:
            raise _Unsayable(ValueError, f"has the key {key!r}, a lone surrogate without a UTF-8 form") from None
        except TypeError:
            raise _Unsayable(TypeError, f"has a key of type {type(key).__name__}; JSON wants str") from None
        if not isinstance(value, (Omit, NotGiven)):
            yield f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]", value


@functools.lru_cache(maxsize=512)
def _field_names(kind: Any) -> tuple[str, ...] | None:
    """Of a Struct, dataclass or attrs class, as msgspec encodes them; None for other types."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if (fields := getattr(kind, "__dataclass_fields__", None)) is not None:
        return tuple(fields)
    if (attributes := getattr(kind, "__attrs_attrs__", None)) is not None:
        return tuple(attribute.name for attribute in attributes if not attribute.name.startswith("_"))
    return None


def _fields(value: object, names: tuple[str, ...]) -> Iterator[_Child]:
    for name in names:
        field = getattr(value, name, msgspec.UNSET)
        if field is not msgspec.UNSET and not isinstance(field, (Omit, NotGiven)):
            yield f".{name}", field
