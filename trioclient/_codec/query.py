"""Nested values to a query string, or to the fields of a form.

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

__all__ = ["ArrayStyle", "encode_query", "form_fields", "scalar_text"]

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
    query = _Query(arrays)
    for key, value in params.items():
        path = (argument, key)
        kind = type(value)
        if kind is str or kind is int:
            query.pairs.append((_key(key, path), _quoted(str(value), path)))
        else:
            query.add(_key(key, path), value, path, (params,))
    return "&".join([f"{name}={text}" for name, text in query.pairs])


def form_fields(name: str, value: object, arrays: ArrayStyle, argument: str) -> list[tuple[str, str]]:
    """The fields that say `value` under `name` in a form, where nothing is percent-encoded.

    Otherwise as `encode_query` has it, but that the comma style refuses a comma in an element.
    """
    path = (argument, name)
    form = _Form(arrays)
    form.add(form.key(name, path), value, path, ())
    return form.pairs


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


class _Form:
    """The pairs written so far, in one array style. Names are passed on already encoded."""

    __slots__ = ("_arrays", "pairs")

    brackets = "[", "]"

    def __init__(self, arrays: ArrayStyle) -> None:
        if arrays not in _STYLES:
            raise ValueError(f"arrays must be one of {', '.join(sorted(_STYLES))}, not {arrays!r}")
        self._arrays: ArrayStyle = arrays
        self.pairs: list[tuple[str, str]] = []

    def key(self, key: object, path: Path) -> str:
        """A name or a part of one, encoded."""
        return self.text(_key_text(key, path), path)

    def text(self, text: str, path: Path) -> str:
        """A value, encoded."""
        return _checked_text(text, path)

    def element(self, text: str, path: Path) -> str:
        """One of several values with commas between them, encoded."""
        if "," in text:
            raise ValueError(f"{_shown(path)} holds a comma, which would end it in the comma style")
        return self.text(text, path)

    def add(self, name: str, value: object, path: Path, above: Path) -> None:
        """Write one value of any kind; `above` holds the containers it stands in."""
        if _is_dropped(value):
            return
        if isinstance(value, Mapping):
            mapping = cast("Mapping[object, object]", value)
            above = _entered(mapping, path, above)
            left, right = self.brackets
            for key, child in mapping.items():
                child_path = (*path, key)
                self.add(f"{name}{left}{self.key(key, child_path)}{right}", child, child_path, above)
        elif _is_array(value):
            self._add_array(name, value, path, _entered(value, path, above))
        else:
            self.pairs.append((name, self.text(scalar_text(value, path), path)))

    def _add_array(self, name: str, array: object, path: Path, above: Path) -> None:
        items = _kept_items(array)
        if self._arrays == "comma":
            self._add_joined(name, items, path)
            return
        for index, item in enumerate(items):
            self.add(name + self._element_suffix(index, item), item, (*path, index), above)

    def _element_suffix(self, index: int, item: object) -> str:
        left, right = self.brackets
        if self._arrays == "indices":
            return f"{left}{index}{right}"
        if self._arrays == "brackets" or isinstance(item, Mapping) or _is_array(item):
            return f"{left}{right}"
        return ""

    def _add_joined(self, name: str, items: list[object], path: Path) -> None:
        texts: list[str] = []
        for index, item in enumerate(items):
            item_path = (*path, index)
            if isinstance(item, Mapping) or _is_array(item):
                raise ValueError(f"{_shown(item_path)}: the comma style cannot nest; use indices or brackets")
            texts.append(self.element(scalar_text(item, item_path), item_path))
        if texts:
            self.pairs.append((name, ",".join(texts)))


class _Query(_Form):
    """The same for a URL, percent-encoded."""

    __slots__ = ()

    brackets = "%5B", "%5D"

    def key(self, key: object, path: Path) -> str:
        return _key(key, path)

    def text(self, text: str, path: Path) -> str:
        return _quoted(text, path)

    def element(self, text: str, path: Path) -> str:
        # The commas between stay as they are (RFC 6570), one within an element is encoded,
        # so that a server can tell them apart.
        return _quoted(text, path)


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
    return _quoted(key if type(key) is str else _key_text(key, path), path)


def _key_text(key: object, path: Path) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{_shown(path)}: keys must be str, not {type(key).__name__}")
    return scalar_text(key, path)


def _quoted(text: str, path: Path) -> str:
    # A space becomes %20. "+" means a space in form encoding alone; in a URL (RFC 3986) it is
    # a plus sign, and servers differ in which of the two they read. %20 is never in doubt.
    if _UNRESERVED.fullmatch(text):
        return text
    return quote(_checked_text(text, path), safe="")


def _checked_text(text: str, path: Path) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{_shown(path)} holds a lone surrogate, which has no UTF-8 form") from None
    return text


def _kind(value: object) -> str:
    return type(value).__name__


def _shown(path: Path) -> str:
    return f"{path[0]}{''.join(f'[{part!r}]' for part in path[1:])}"
