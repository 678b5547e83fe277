"""An answer's body to the value the caller asked for.

`answer_decoder` picks once per type what to do with bodies:

- ``None`` ignores the body, ``bytes`` takes it as it is, ``str`` as text, whatever it is;
- any other type is read from JSON: by msgspec, or by pydantic where the type mentions one of
  its models. `typing.Any` takes any JSON.

====================================  ====================  ============================
a JSON type and                       strict                loose
====================================  ====================  ============================
JSON that does not fit the type       AnswerFault           built leniently, see `lenient`
a JSON media type, but no JSON        AnswerFault           AnswerFault
another media type                    AnswerFault           the text
no media type, and no JSON            AnswerFault           the text
no body                               None where the type takes None, else AnswerFault: there is
                                      nothing to build a value of
nested too deeply                     LimitFault            LimitFault
====================================  ====================  ============================

What the caller's own code raises (a default factory, a validator with a bug) passes through.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from types import NoneType
from typing import Final, NoReturn, Protocol, get_args

import msgspec
from msgspec import inspect

from .._faults import Fault, LimitFault
from .json_depth import check_depth
from .lenient_types import LenientDecoder
from .media_type import UNDECLARED, UTF8_JSON, MediaType, media_type
from .pydantic_models import ModelReader, mentions_model

__all__ = ["AnswerDecoder", "AnswerFault", "answer_decoder"]


class AnswerFault(Fault):
    """The body is not what was asked for."""

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        """Where in the JSON value (``$.data[0].id``); None where the body is no such value."""


class AnswerDecoder(Protocol):
    """Turns whole bodies into values of one type; of no state, and fit for any thread."""

    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> object:
        """Raises `AnswerFault`, or `LimitFault` where JSON is nested deeper than `max_depth`."""
        ...


def answer_decoder(cast_to: object, *, strict: bool) -> AnswerDecoder:
    """The decoder for a type, made once. Raises TypeError for a type that cannot be decoded to."""
    try:
        hash(cast_to)
    except TypeError:  # Annotated with a dict, say
        return _new_decoder(cast_to, strict)
    return _cached_decoder(cast_to, strict)


def _new_decoder(cast_to: object, strict: bool) -> AnswerDecoder:
    if cast_to is None or cast_to is NoneType:
        return _NoAnswer()
    if cast_to is bytes:
        return _BytesAnswer()
    if cast_to is str:
        return _StrictText() if strict else _LooseText()
    reader = _reader(cast_to)
    return _StrictJSON(reader, _name(cast_to)) if strict else _LooseJSON(reader, _name(cast_to))


_cached_decoder = functools.lru_cache(maxsize=1024)(_new_decoder)


# Bodies that need not be JSON


class _NoAnswer:
    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> None:
        pass


class _BytesAnswer:
    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> bytes:
        return content


class _LooseText:
    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> str:
        return content.decode(media_type(content_type).charset, "replace")


class _StrictText:
    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> str:
        return _text(content, media_type(content_type).charset)


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except UnicodeDecodeError as error:
        start = error.start
    # Raised outside the handler: the error holds the whole body.
    raise AnswerFault(f"expected text in {charset}, found byte {content[start]:#04x} at offset {start}")


# JSON


class _Reader(Protocol):
    """Makes values of one type out of UTF-8 JSON text."""

    decode: Callable[[bytes], object]
    """Raises msgspec's errors for text that is not JSON, and its own for what does not fit the type."""

    def accepts_none(self) -> bool: ...
    def mismatch(self, error: Exception) -> tuple[str, str | None] | None:
        """If `error`, from `decode`, says that the value does not fit: the sentence and the path."""
        ...

    def lenient(self, content: bytes) -> object: ...
