"""What reads JSON text to values of one type, and msgspec's way of doing that."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from msgspec import inspect

from .lenient_types import LenientDecoder

__all__ = ["JSONReader", "Mismatch", "TypedReader", "path_in"]


class Mismatch(NamedTuple):
    """A value that does not fit the type."""

    sentence: str
    """What was expected and what was found."""
    path: str | None


class JSONReader(Protocol):
    """Reads UTF-8 JSON text to values of one type."""

    def decode(self, content: bytes, /) -> object:
        """Raises msgspec's errors for text that is not JSON, or its own for what does not fit."""
        ...

    def mismatch(self, error: Exception) -> Mismatch | None:
        """What is wrong, if `error`, raised by `decode`, says that the value does not fit."""
        ...

    def lenient(self, content: bytes) -> object:
        """Whatever the text holds, as near to the type as it comes.

        Raises msgspec's errors for text that is not JSON.
        """
        ...

    def accepts_none(self) -> bool:
        """Whether None is a value of the type."""
        ...


class TypedReader:
    """A `JSONReader` for every type msgspec knows. Raises TypeError for others."""

    def __init__(self, cast_to: Any) -> None:
        try:
            self.decode = msgspec.json.Decoder[object](cast_to).decode
            info = inspect.type_info(cast_to)
        except (NotImplementedError, NameError) as error:
            raise TypeError(str(error)) from error
        for unknown in _unknown_types(info):
            raise TypeError(f"{unknown!r} is neither a type msgspec knows nor a pydantic model")
        self._cast_to = cast_to

    def mismatch(self, error: Exception) -> Mismatch | None:
        if isinstance(error, msgspec.ValidationError):
            return Mismatch(str(error), path_in(error))
        if isinstance(error, TypeError) and "unhashable type" in str(error):
            return Mismatch(f"Expected hashable members of a set, got {error}", None)
        return None

    def lenient(self, content: bytes) -> object:
        return self._lenient.decode(content)

    @functools.cached_property
    def _lenient(self) -> LenientDecoder:
        return LenientDecoder(self._cast_to)

    def accepts_none(self) -> bool:
        try:
            msgspec.convert(None, self._cast_to)
        except msgspec.ValidationError:
            return False
        return True


_PATH: Final = r" - at (?:`key` in )?`(\$[^`]*)`\Z"


def path_in(error: msgspec.ValidationError) -> str:
    """Where in the value, which msgspec tells in its message only; ``$`` is the whole."""
    found = re.search(_PATH, str(error))
    return "$" if found is None else found[1]


def _unknown_types(info: inspect.Type) -> Iterator[type]:
    """Classes msgspec knows nothing of, outside of fields, where it leaves them to the caller."""
    match info:
        case inspect.CustomType() if info.cls is not object:
            yield info.cls
        case inspect.Metadata():
            yield from _unknown_types(info.type)
        case inspect.UnionType():
            for member in info.types:
                yield from _unknown_types(member)
        case inspect.CollectionType():
            yield from _unknown_types(info.item_type)
        case inspect.TupleType():
            for item in info.item_types:
                yield from _unknown_types(item)
        case inspect.DictType():
            yield from _unknown_types(info.value_type)
        case _:
            pass
