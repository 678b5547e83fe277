"""One event of a stream to one value.

Data is decoded as the JSON of an answer would be, with two things more: bytes that are not UTF-8
are replaced, as the HTML standard has it, and the name of the event may stand in for a tag that is
missing (`event_tags`). The usual event needs none of this and is read at once, see
`EventDecoder.by_name`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from .._server_sent_event import ServerSentEvent
from .decode import AnswerFault, answer_decoder, json_reader
from .event_errors import takes_error
from .event_tags import EventTags, event_tags

if TYPE_CHECKING:
    from .event_stream import EventBytes

__all__ = ["MISFITS", "EventDecoder", "Read", "event_decoder"]

Read = Callable[[bytes], object]

MISFITS: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""What a `Read` raises for data that is not what it takes."""

_JSON: Final = "application/json"
_json_decoder = functools.partial(answer_decoder, subject="the data")


class EventDecoder(Protocol):
    """Makes values of one type; of no state, and fit for any thread."""

    @property
    def takes_anything(self) -> bool:
        """Whether every event has a value, whatever it says."""
        ...

    @property
    def takes_blank(self) -> bool:
        """Whether white space is a value; in JSON it is none."""
        ...

    @property
    def takes_error(self) -> bool:
        """Whether a bare error (see `event_errors`) is a value."""
        ...

    @property
    def by_name(self) -> Mapping[bytes, Read | None]:
        """What reads the data of the usual event of a name; else that is `by_default`.

        None where there is no such thing. For data it raises one of `MISFITS` for, and where there
        is none, `decode` is to be asked. Nor does it look how deeply JSON is nested.
        """
        ...

    @property
    def by_default(self) -> Read | None:
        """See `by_name`."""
        ...

    def decode(self, event: EventBytes, max_depth: int) -> object:
        """Raises `AnswerFault`, or `LimitFault` where JSON is nested deeper than `max_depth`."""
        ...


def event_decoder(cast_to: object, *, strict: bool) -> EventDecoder:
    """The decoder for a type, made once. Raises TypeError for a type that events cannot be decoded to."""
    try:
        hash(cast_to)
    except TypeError:  # Annotated with a dict, say
        return _new_decoder(cast_to, strict)
    return _cached_decoder(cast_to, strict)


def _new_decoder(cast_to: object, strict: bool) -> EventDecoder:
    if cast_to is None or cast_to is type(None):
        raise TypeError("cast_to=None cannot be decoded to: the events of a stream have values")
    if cast_to is ServerSentEvent:
        return _Records()
    if cast_to is bytes:
        return _Bytes()
    if cast_to is str:
        return _Texts()
    _json_decoder(cast_to, strict=True)  # raises TypeError, before anybody looks into the type
    tags = event_tags(cast_to)
    return _Values(cast_to, strict) if tags is None else _TaggedValues(cast_to, strict, tags)


_cached_decoder = functools.lru_cache(maxsize=1024)(_new_decoder)


# As it came


class _Whatever:
    """Leaves it all to `decode`."""

    takes_anything = False
    takes_blank = takes_error = True
    by_name: Mapping[bytes, Read | None] = MappingProxyType({})
    by_default: Read | None = None


class _Records(_Whatever):
    takes_anything = True

    def decode(self, event: EventBytes, max_depth: int) -> ServerSentEvent:
        return event.record()


class _Bytes(_Whatever):
    def decode(self, event: EventBytes, max_depth: int) -> bytes:
        return event.data


class _Texts(_Whatever):
    def decode(self, event: EventBytes, max_depth: int) -> str:
        return _replaced(event.data)


# JSON


class _Values:
    """Values of any type that JSON is decoded to."""

    takes_anything = takes_blank = False

    def __init__(self, cast_to: object, strict: bool) -> None:
        self._decoder = _json_decoder(cast_to, strict=strict)
        self.takes_error = takes_error(cast_to)
        self.by_name: Mapping[bytes, Read | None] = {}
        self.by_default: Read | None = json_reader(cast_to).decode

    def decode(self, event: EventBytes, max_depth: int) -> object:
        name = _replaced(event.event)
        data = self._tagged(_replaced(event.data).encode(), name)
        try:
            return self._decoder.decode(data, _JSON, max_depth=max_depth)
        except AnswerFault as fault:
            if not name:
                raise
            raise AnswerFault(f"event {name!r:.100}: {fault}", fault.path) from fault

    def _tagged(self, data: bytes, name: str) -> bytes:
        return data


class _TaggedValues(_Values):
    """Values of a tagged Struct, or of a union of them."""

    def __init__(self, cast_to: object, strict: bool, tags: EventTags) -> None:
        super().__init__(cast_to, strict)
        self._tagged = tags.tagged
        # Of a lone Struct msgspec makes one even where the tag is missing. That is just what is
        # wanted of an event that is named like the tag ...
        self.by_name = {tag.encode(): json_reader(kind).decode for tag, kind in tags.variants.items()}
        if len(tags.variants) == 1:
            # ... and of one without a name, but not of one with another.
            self.by_name = {**dict.fromkeys((b"", b"message"), self.by_default), **self.by_name}
            self.by_default = None


def _replaced(content: bytes) -> str:
    return content.decode("utf-8", "replace")
