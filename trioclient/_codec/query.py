"""Nested values to a query string.

A mapping becomes ``a[b]=c``. An array follows one of four styles:

    repeat     a=1&a=2          the default
    brackets   a[]=1&a[]=2
    comma      a=1,2
    indices    a[0]=1&a[1]=2

A container inside an array has to keep its parts together: ``a[0][b]=c`` with indices,
``a[][b]=c`` with repeat and brackets; comma cannot say it and refuses.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import re
from collections.abc import Mapping, Sequence, Set
from typing import Final, Literal, cast, get_args
from urllib.parse import quote

import msgspec

from .._types import NotGiven, Omit

__all__ = ["ArrayStyle", "encode_query", "scalar_text"]

ArrayStyle = Literal["repeat", "brackets", "comma", "indices"]

MAX_DEPTH: Final = 64
"""Containers within each other; far more than any server reads."""

_STYLES: Final = frozenset(get_args(ArrayStyle))
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]*")
_BINARY: Final = (bytes, bytearray, memoryview)

Path = tuple[object, ...]
"""Where a value stands: the argument's name, then keys and positions."""


def encode_query(params: Mapping[str, object], arrays: ArrayStyle = "repeat", argument: str = "params") -> str:
    """Encode without the leading ``?``; ``""`` where nothing is left to say.

    ``None``, `omit` and `NOT_GIVEN` are dropped, in arrays too; a set is sent in sorted
    order, so that the same call makes the same URL. Raises TypeError or ValueError naming
    the key, as ``params['a']['b']``.
    """
    if not isinstance(params, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"{argument} must be a mapping, not {type(params).__name__}")
    if arrays not in _STYLES:
        raise ValueError(f"arrays must be one of {', '.join(sorted(_STYLES))}, not {arrays!r}")
    query = _Query(arrays)
    for key, value in params.items():
        path = (argument, key)
        kind = type(value)
        if kind is str or kind is int:
            query.pairs.append(f"{_key(key, path)}={_quoted(str(value), path)}")
        else:
            query.add(_key(key, path), value, path, (params,))
    return "&".join(query.pairs)


def scalar_text(value: object, path: Path) -> str:
    """One plain value as text, not yet percent-encoded. Raises TypeError or ValueError naming it."""
    if isinstance(value, enum.Enum):
        return scalar_text(value.value, path)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, (float, decimal.Decimal)):
        if not math.isfinite(value):
            raise ValueError(f"{_shown(path)} must be a finite number, not {value}")
        return float.__repr__(value) if isinstance(value, float) else str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, _BINARY):
        raise TypeError(f"{_shown(path)} must be text, not {_kind(cast(object, value))}: decode it first")
    text = _text_in_json(value)
    if text is None:
        raise TypeError(f"{_shown(path)} must be a str, number, bool, date, UUID or Enum, not {_kind(value)}")
    return text


def _text_in_json(value: object) -> str | None:
    """UUIDs and durations, as a JSON body would have them; None for what is not text there."""
    try:
        plain: object = msgspec.to_builtins(value)
    except TypeError:
        return None
    return plain if isinstance(plain, str) else None


class _Query:
    """The pairs written so far, in one array style. Names are passed on already encoded."""

    __slots__ = ("_arrays", "pairs")

    def __init__(self, arrays: ArrayStyle) -> None:
        self._arrays: ArrayStyle = arrays
        self.pairs: list[str] = []

    def add(self, name: str, value: object, path: Path, above: Path) -> None:
        """Write one value of any kind; `above` holds the containers it stands in."""
        if _is_dropped(value):
            return
        if isinstance(value, Mapping):
            mapping = cast("Mapping[object, object]", value)
            above = _entered(mapping, path, above)
            for key, child in mapping.items():
                child_path = (*path, key)
                self.add(f"{name}%5B{_key(key, child_path)}%5D", child, child_path, above)
        elif _is_array(value):
            self._add_array(name, value, path, _entered(value, path, above))
        else:
            self.pairs.append(f"{name}={_quoted(scalar_text(value, path), path)}")

    def _add_array(self, name: str, array: object, path: Path, above: Path) -> None:
        items = _kept_items(array)
        if self._arrays == "comma":
            self._add_joined(name, items, path)
            return
        for index, item in enumerate(items):
            self.add(name + self._element_suffix(index, item), item, (*path, index), above)

    def _element_suffix(self, index: int, item: object) -> str:
        if self._arrays == "indices":
            return f"%5B{index}%5D"
        if self._arrays == "brackets" or isinstance(item, Mapping) or _is_array(item):
            return "%5B%5D"
        return ""

    def _add_joined(self, name: str, items: list[object], path: Path) -> None:
        # The commas between stay as they are (RFC 6570), one within an element is encoded,
        # so that a server can tell them apart.
        texts: list[str] = []
        for index, item in enumerate(items):
            item_path = (*path, index)
            if isinstance(item, Mapping) or _is_array(item):
                raise ValueError(f"{_shown(item_path)}: the comma style cannot nest; use indices or brackets")
            texts.append(_quoted(scalar_text(item, item_path), item_path))
        if texts:
            self.pairs.append(f"{name}={','.join(texts)}")


def _is_dropped(value: object) -> bool:
    return value is None or isinstance(value, (Omit, NotGiven))


def _is_array(value: object) -> bool:
    return isinstance(value, (Sequence, Set)) and not isinstance(value, (str, *_BINARY))


def _kept_items(array: object) -> list[object]:
    items = [item for item in cast("Sequence[object] | Set[object]", array) if not _is_dropped(item)]
    return sorted(items, key=str) if isinstance(array, Set) else items


def _entered(container: object, path: Path, above: Path) -> Path:
    if any(container is outer for outer in above):
        raise ValueError(f"{_shown(path)} contains itself")
    if len(above) >= MAX_DEPTH:
        raise ValueError(f"{path[0]} nests deeper than {MAX_DEPTH} levels")
    return (*above, container)


def _key(key: object, path: Path) -> str:
    if type(key) is str:
        return _quoted(key, path)
    if not isinstance(key, str):
        raise TypeError(f"{_shown(path)}: keys must be str, not {type(key).__name__}")
    return _quoted(scalar_text(key, path), path)


def _quoted(text: str, path: Path) -> str:
    # A space becomes %20. "+" means a space in form encoding alone; in a URL (RFC 3986) it is
    # a plus sign, and servers differ in which of the two they read. %20 is never in doubt.
    if _UNRESERVED.fullmatch(text):
        return text
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{_shown(path)} holds a lone surrogate, which has no UTF-8 form") from None


def _kind(value: object) -> str:
    return type(value).__name__


def _shown(path: Path) -> str:
    return f"{path[0]}{''.join(f'[{part!r}]' for part in path[1:])}"
