"""One event of a stream to one value.

Data is decoded as the JSON of an answer would be, with two things more, for which no event
that fits has to pay: bytes that are not UTF-8 are replaced, as the HTML standard has it, and
the name of the event may stand in for a tag that is missing (`event_tags`).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, Protocol

from .._server_sent_event import ServerSentEvent
from .decode import AnswerDecoder, AnswerFault, answer_decoder
from .event_errors import takes_error
from .event_tags import EventTags, event_tags

if TYPE_CHECKING:
    from .event_stream import EventBytes

__all__ = ["EventDecoder", "event_decoder"]

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


class _Records:
    takes_anything = takes_blank = takes_error = True

    def decode(self, event: EventBytes, max_depth: int) -> ServerSentEvent:
        return event.record()


class _Bytes:
    takes_anything = False
    takes_blank = takes_error = True

    def decode(self, event: EventBytes, max_depth: int) -> bytes:
        return event.data


class _Texts:
    takes_anything = False
    takes_blank = takes_error = True

    def decode(self, event: EventBytes, max_depth: int) -> str:
        return _replaced(event.data)


# JSON


class _Values:
    """Values of any type that JSON is decoded to."""

    takes_anything = takes_blank = False

    def __init__(self, cast_to: object, strict: bool) -> None:
        self._exact = _json_decoder(cast_to, strict=True)
        self._last_resort = _json_decoder(cast_to, strict=strict)
        self.takes_error = takes_error(cast_to)

    def decode(self, event: EventBytes, max_depth: int) -> object:
        try:
            return self._exact.decode(event.data, _JSON, max_depth=max_depth)
        except AnswerFault:
            pass
        return self._mended(event, max_depth)

    def _mended(self, event: EventBytes, max_depth: int) -> object:
        name = _replaced(event.event)
        data = self._tagged(_replaced(event.data).encode(), name)
        try:
            return self._last_resort.decode(data, _JSON, max_depth=max_depth)
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
        self._by_name = {tag.encode(): _json_decoder(kind, strict=True) for tag, kind in tags.variants.items()}
        self._by_default: AnswerDecoder | None = self._exact
        if len(tags.variants) == 1:
            # ... and of one without a name, but not of one with another.
            self._by_name = {**dict.fromkeys((b"", b"message"), self._exact), **self._by_name}
            self._by_default = None

    def decode(self, event: EventBytes, max_depth: int) -> object:
        exact = self._by_name.get(event.event, self._by_default)
        if exact is not None:
            try:
                return exact.decode(event.data, _JSON, max_depth=max_depth)
            except AnswerFault:
                pass
        return self._mended(event, max_depth)


def _replaced(content: bytes) -> str:
    return content.decode("utf-8", "replace")
