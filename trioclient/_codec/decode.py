"""An answer's body to the value the caller asked for.

`answer_decoder` picks once per type what to do with bodies:

- ``None`` ignores the body, ``bytes`` takes it as it is, ``str`` as text, whatever it is;
- any other type is read from JSON: by msgspec, or by pydantic where the type mentions one of
  its models. `typing.Any` takes any JSON.

==================================  =============  ==========================
what came                           strict         loose
==================================  =============  ==========================
JSON that does not fit the type     AnswerFault    built as `lenient` tells
a JSON media type, but no JSON      AnswerFault    AnswerFault
another media type                  AnswerFault    the text
no media type, and no JSON          AnswerFault    the text
JSON that is nested too deeply      LimitFault     LimitFault
nothing, and the type takes None    None           None
nothing, and the type does not      AnswerFault    AnswerFault: there is
                                                   nothing to build a value of
==================================  =============  ==========================

What the caller's own code raises (a default factory, a validator with a bug) passes through.
"""

from __future__ import annotations

import codecs
import functools
from types import NoneType, UnionType
from typing import Final, Protocol, Union, get_args, get_origin

import msgspec

from .._faults import Fault, LimitFault
from .json_depth import check_depth
from .json_reader import JSONReader, TypedReader, path_in
from .media_type import UNDECLARED, UTF8_JSON, MediaType, media_type
from .not_json import why_not_json
from .pydantic_models import ModelReader, mentions_model

__all__ = ["AnswerDecoder", "AnswerFault", "answer_decoder", "json_reader"]


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


def answer_decoder(cast_to: object, *, strict: bool, subject: str = "the answer") -> AnswerDecoder:
    """The decoder for a type, made once. Raises TypeError for a type that cannot be decoded to.

    `subject` is what faults call that which is decoded.
    """
    try:
        hash(cast_to)
    except TypeError:  # Annotated with a dict, say
        return _new_decoder(cast_to, strict, subject)
    return _cached_decoder(cast_to, strict, subject)


def _new_decoder(cast_to: object, strict: bool, subject: str) -> AnswerDecoder:
    if cast_to is None or cast_to is NoneType:
        return _NoAnswer()
    if cast_to is bytes:
        return _BytesAnswer()
    if cast_to is str:
        return _StrictText() if strict else _LooseText()
    reader = json_reader(cast_to)
    kind = _StrictJSON if strict else _LooseJSON
    return kind(reader, _name(cast_to), subject)


def json_reader(cast_to: object) -> JSONReader:
    """What reads JSON to a type. Raises TypeError for a type that cannot be decoded to."""
    try:
        return ModelReader(cast_to) if mentions_model(cast_to) else TypedReader(cast_to)
    except TypeError as error:
        raise TypeError(f"cast_to={_name(cast_to)} cannot be decoded to: {error}") from error


_NAMED_MEMBERS: Final = 4  # of a union


def _name(cast_to: object) -> str:
    members = get_args(cast_to)
    if get_origin(cast_to) in (Union, UnionType):
        names = [_name(member) for member in members[:_NAMED_MEMBERS]]
        return " | ".join(names if len(members) <= _NAMED_MEMBERS else [*names, "..."])
    if cast_to is NoneType:
        return "None"
    return cast_to.__name__ if isinstance(cast_to, type) and not members else repr(cast_to)


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
        found = content[error.start]
        raise AnswerFault(f"expected text in {charset}, found {found:#04x} at byte {error.start}") from error


# JSON


class _StrictJSON:
    """Takes only JSON that fits."""

    def __init__(self, reader: JSONReader, name: str, subject: str) -> None:
        self._decode = reader.decode
        self._reader = reader
        self._name = name
        self._subject = subject
        self._accepts_none = reader.accepts_none()

    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> object:
        if not content:
            return self._nothing()
        media = media_type(content_type)
        if media is not UTF8_JSON and media is not UNDECLARED:
            if not media.json:
                return self._no_json(
                    AnswerFault(f"expected JSON, found the media type {content_type!r:.100}"), content, media
                )
            content = _text(content, media.charset).encode()
        content = content.removeprefix(codecs.BOM_UTF8)
        check_depth(content, max_depth)
        try:
            return self._decode(content)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            return self._recovered(error, content, media, max_depth)

    def _recovered(self, error: Exception, content: bytes, media: MediaType, max_depth: int) -> object:
        mismatch = self._reader.mismatch(error)
        if mismatch is None:
            return self._unreadable(error, content, media, max_depth)
        fault = AnswerFault(f"{self._subject} does not fit {self._name}: {mismatch.sentence}", mismatch.path)
        fault.__cause__ = error
        try:
            return self._misfit(fault, content)
        except (msgspec.MsgspecError, ValueError, RecursionError) as second:
            return self._unreadable(second, content, media, max_depth)

    def _unreadable(self, error: Exception, content: bytes, media: MediaType, max_depth: int) -> object:
        match error:
            case RecursionError():
                raise LimitFault("max_json_depth", max_depth)
            case msgspec.ValidationError():  # even with no type asked for: a number too large
                raise AnswerFault(f"{self._subject} cannot be read: {error}", path_in(error))
            case msgspec.DecodeError() | UnicodeDecodeError():
                if not content.strip():
                    return self._nothing()
                return self._no_json(
                    AnswerFault(f"expected JSON, found {why_not_json(content, error)}"), content, media
                )
            case _:
                raise error  # by the caller's own code

    def _nothing(self) -> None:
        if not self._accepts_none:
            raise AnswerFault(f"expected {self._name}, found an empty body")

    def _misfit(self, fault: AnswerFault, content: bytes) -> object:
        raise fault

    def _no_json(self, fault: AnswerFault, content: bytes, media: MediaType) -> object:
        raise fault


class _LooseJSON(_StrictJSON):
    """Makes do with what is not as it should be."""

    def _misfit(self, fault: AnswerFault, content: bytes) -> object:
        return self._reader.lenient(content)

    def _no_json(self, fault: AnswerFault, content: bytes, media: MediaType) -> object:
        if media.json:
            raise fault
        return content.decode(media.charset, "replace")
