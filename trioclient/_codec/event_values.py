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

Most events are such that only the last row applies. One that is by its name is read at once, and
goes through the table only if its data turns out to be no such value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .event_decoder import MISFITS, Read, event_decoder
from .event_errors import ErrorEvent, is_bare_error
from .json_depth import check_depth

if TYPE_CHECKING:
    from .._server_sent_event import ServerSentEvent
    from .event_stream import EventBytes

__all__ = ["EventValues", "Failure"]

_DONE: Final = b"[DONE]"
_SKIPPED: Final = object()


class Failure(NamedTuple):
    """What an event brought in the place of a value."""

    error: Exception
    data: bytes
    """The event's."""


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
        self._decoder = event_decoder(cast_to, strict=strict)
        self._max_depth = max_depth
        self._terminal_names: frozenset[bytes] = frozenset()
        self._is_terminal: Callable[[EventBytes], bool] | None = None
        if isinstance(terminal_event, str):
            self._terminal_names = _checked_names(terminal_event)
        elif terminal_event is not None:
            self._is_terminal = _checked_test(terminal_event)
        # What reads events that no row of the table but the last applies to; none before it is known
        # whether events have names.
        self._has_names: bool | None = None
        self._by_name: Mapping[bytes, Read | None] = {}
        self._by_default: Read | None = None
        self.over = False
        """The terminal event, ``[DONE]`` or an error was seen: nothing after it counts."""
        self.complete = terminal_event is None
        """Whether the stream may end here."""
        self.ready: Iterator[Any] = iter(())
        """The values of what was fed last, each made when it is taken. Raises nothing: see `failure`."""
        self.failure: Failure | None = None
        """What `ready` ended with, where that is neither its last event nor the end of the stream:
        `ErrorEvent` for an event that tells of an error, `AnswerFault` or `LimitFault` for data that
        cannot be decoded, or whatever a function given as terminal event raised."""

    def feed(self, events: Iterable[EventBytes]) -> None:
        """Make `ready` of these; what was is dropped. An event is taken from them only when it is its turn."""
        self.ready = self._values_of(events)

    def drop(self) -> None:
        """Nothing is ready, and nothing failed."""
        self.ready = iter(())
        self.failure = None

    def _values_of(self, events: Iterable[EventBytes]) -> Iterator[object]:
        by_name, by_default, is_terminal = self._by_name, self._by_default, self._is_terminal
        max_depth = self._max_depth
        flat = 2 * max_depth  # bytes that cannot nest deeper
        data = b""
        try:
            for event in events:
                if self.over:
                    return
                data = event.data
                if is_terminal is not None and is_terminal(event):
                    self.over = self.complete = True
                read = by_name.get(event.event, by_default)
                if read is None:
                    value = self._by_table(event)
                else:
                    if len(data) > flat:
                        check_depth(data, max_depth)
                    try:
                        value = read(data)
                    except MISFITS:
                        value = self._by_table(event)
                if value is not _SKIPPED:
                    yield value
        except Exception as error:
            self.over = self.over or isinstance(error, ErrorEvent)
            self.failure = Failure(error, data)

    def _by_table(self, event: EventBytes) -> object:
        """A value, or `_SKIPPED`."""
        decoder = self._decoder
        name = event.event
        data = event.data.strip()
        done = data == _DONE
        if name in self._terminal_names:
            self.over = self.complete = True
        if done:
            self.over = True
        if decoder.takes_anything:
            return decoder.decode(event, self._max_depth)
        if name == b"error":
            raise ErrorEvent(event.data)
        if done or name == b"ping" or not (event.data if decoder.takes_blank else data):
            return _SKIPPED
        if not name or name == b"message":
            if not decoder.takes_error:
                _refuse_bare_error(event.data)
            if not name and self._has_names:
                return _SKIPPED
        if self._has_names is None:
            self._settle(has_names=name != b"")
        return decoder.decode(event, self._max_depth)

    def _settle(self, *, has_names: bool) -> None:
        self._has_names = has_names
        decoder = self._decoder
        by_name = {**decoder.by_name}
        for name in (b"", b"message"):
            read = by_name.get(name, decoder.by_default)
            by_name[name] = read if read is None or decoder.takes_error else _unless_bare_error(read)
        special = [b"error", b"ping", *self._terminal_names, *([b""] if has_names else [])]
        self._by_name = {**by_name, **dict.fromkeys(special)}
        self._by_default = decoder.by_default


def _refuse_bare_error(data: bytes) -> None:
    if b'"error"' in data and is_bare_error(data):
        raise ErrorEvent(data)


def _unless_bare_error(read: Read) -> Read:
    def read_unless(data: bytes) -> object:
        _refuse_bare_error(data)
        return read(data)

    return read_unless


def _checked_test(terminal_event: object) -> Callable[[EventBytes], bool]:
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
