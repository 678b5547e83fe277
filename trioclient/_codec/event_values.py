"""From the raw events of a stream to the values its caller sees.

For each event, the first of these that applies:

==================================  ==========================================================
named or picked as terminal event   the stream is over, and complete; below for its value
named ``error``                     `ErrorEvent`; the stream is over
data is ``[DONE]``                  no value; the stream is over
named ``ping``                      no value
no data (blank, where it is JSON)   no value
no name, and data is a bare error   the same, see `event_errors`
no name, in a stream of named ones  no value
any other                           its data decoded, see `event_decoder`
==================================  ==========================================================

- Where a terminal event is declared, only that completes the stream; else it may end anywhere.
- A stream is one of named events if the first event that gets to the last two lines has a name.
  There what has none is not meant for the caller; other APIs name no event at all.
- `ServerSentEvent` as the type asks for the events themselves: every one is a value, whatever it
  says. The stream is over after the terminal event, or ``[DONE]``, all the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .event_decoder import event_decoder
from .event_errors import ErrorEvent, is_bare_error

if TYPE_CHECKING:
    from .._server_sent_event import ServerSentEvent
    from .event_stream import EventBytes

__all__ = ["SKIPPED", "EventValues", "Skipped"]


class Skipped:
    """The type of `SKIPPED`: the event carries no value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SKIPPED"


SKIPPED: Final = Skipped()

_DONE: Final = b"[DONE]"


class EventValues:
    """What one stream's events come to.

    Raises TypeError or ValueError for a `cast_to` that events cannot be decoded to, or a
    `terminal_event` that is neither a name nor a function. `max_depth` bounds the nesting of JSON.
    """

    def __init__(
        self,
        cast_to: object,
        *,
        strict: bool,
        terminal_event: str | Callable[[ServerSentEvent], bool] | None = None,
        max_depth: int = 512,
    ) -> None:
        decoder = event_decoder(cast_to, strict=strict)
        self._decode = decoder.decode
        self._takes_anything = decoder.takes_anything
        self._takes_blank = decoder.takes_blank
        self._takes_error = decoder.takes_error
        self._max_depth = max_depth
        self._is_terminal = None if terminal_event is None else _terminal_test(terminal_event)
        self._has_names: bool | None = None
        self.over = False
        """The terminal event, ``[DONE]`` or an error was seen: nothing after it counts."""
        self.complete = terminal_event is None
        """Whether the stream may end here."""

    def value_of(self, event: EventBytes) -> object:
        """A value, or `SKIPPED`; always that once the stream is over.

        Raises `ErrorEvent` for an event that tells of an error, `AnswerFault` and `LimitFault`
        for data that cannot be decoded, and whatever a function given as terminal event raises.
        """
        if self.over:
            return SKIPPED
        if self._is_terminal is not None and self._is_terminal(event):
            self.over = self.complete = True
        name = event.event
        data = event.data.strip()
        done = data == _DONE
        if done:
            self.over = True
        if self._takes_anything:
            return self._decode(event, self._max_depth)
        if name == b"error":
            raise self._error(event)
        if done or name == b"ping" or not (event.data if self._takes_blank else data):
            return SKIPPED
        if not name or name == b"message":
            if not self._takes_error and b'"error"' in data and is_bare_error(data):
                raise self._error(event)
            if not name and self._has_names:
                return SKIPPED
        if self._has_names is None:
            self._has_names = name != b""
        return self._decode(event, self._max_depth)

    def _error(self, event: EventBytes) -> ErrorEvent:
        self.over = True
        return ErrorEvent(event.data)


def _terminal_test(terminal_event: object) -> Callable[[EventBytes], bool]:
    if isinstance(terminal_event, str):
        names = _checked_names(terminal_event)
        return lambda event: event.event in names
    if not callable(terminal_event) or any(
        map(inspect.iscoroutinefunction, (terminal_event, type(terminal_event).__call__))
    ):
        raise TypeError(
            "options['terminal_event'] must be the name of an event, or a function of a ServerSentEvent"
            f" that is not async; it is {terminal_event!r}"
        )
    return lambda event: bool(terminal_event(event.record()))


def _checked_names(name: str) -> frozenset[bytes]:
    """The `EventBytes.event` of events of this name."""
    if not name or "\n" in name or "\r" in name:
        raise ValueError(f"options['terminal_event'] must be the name of an event: one line, not empty; it is {name!r}")
    return frozenset({b"message", b""}) if name == "message" else frozenset({name.encode()})
