"""Scripted streams: answers that come event by event, or line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

import msgspec

from .._server_sent_event import ServerSentEvent
from .._types import checked_int
from ._replies import Encoding, Framing, HeaderPairs, Reply, reply

__all__ = ["event_stream", "json_lines"]

_LINE_END: Final = re.compile("\r\n|\n|\r")


def event_stream(
    *events: object,
    status: int = 200,
    headers: HeaderPairs = (),
    delay: float = 0.0,
    chunk_delay: float = 0.0,
    framing: Framing | None = None,
    encoding: Encoding | None = None,
    early: bool = False,
    close: bool = False,
) -> Reply:
    r"""An answer of server-sent events.

        event_stream(("start", {"id": 7}), ("delta", {"text": "Hello"}), "[DONE]", chunk_delay=0.1)
        truncate(-20, of=event_stream(("start", {}), ("stop", {})))

    Each event is sent by itself, `chunk_delay` seconds after the one before. An event is

    ===================  ====================================================================
    ``(name, data)``     of that name
    `ServerSentEvent`    with an ``id`` and a ``retry`` as well, where it has them
    bytes                these as they are: a comment, ``b": still here\n\n"``, half an event
    anything else        the data of an event without a name
    ===================  ====================================================================

    Data that is no str is encoded as JSON, by msgspec; a str is sent as it is, each line of it as
    a field. The keywords are those of `reply`.

    Raises TypeError or ValueError.
    """
    return reply(
        status,
        chunks=[_event(event) for event in events],
        headers=_with_type(headers, "text/event-stream"),
        delay=delay,
        chunk_delay=chunk_delay,
        framing=framing,
        encoding=encoding,
        early=early,
        close=close,
    )


def json_lines(
    *values: object,
    status: int = 200,
    headers: HeaderPairs = (),
    delay: float = 0.0,
    chunk_delay: float = 0.0,
    framing: Framing | None = None,
    encoding: Encoding | None = None,
    early: bool = False,
    close: bool = False,
) -> Reply:
    r"""An answer of JSON lines, ``application/jsonl``.

        json_lines({"id": 1}, {"id": 2}, chunk_delay=0.1)

    Each value is sent by itself as a line, `chunk_delay` seconds after the one before, encoded as
    JSON by msgspec; bytes are sent as they are, so ``b'{"id": 3'`` is a line cut short. The
    keywords are those of `reply`.

    Raises TypeError or ValueError.
    """
    return reply(
        status,
        chunks=[_line(value) for value in values],
        headers=_with_type(headers, "application/jsonl"),
        delay=delay,
        chunk_delay=chunk_delay,
        framing=framing,
        encoding=encoding,
        early=early,
        close=close,
    )


def _with_type(headers: HeaderPairs, content_type: str) -> list[tuple[str, str]]:
    pairs = list(cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers)
    if any(name.lower() == "content-type" for name, _ in pairs):
        return pairs
    return [("Content-Type", content_type), *pairs]


def _line(value: object) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else msgspec.json.encode(value) + b"\n"


def _event(event: object) -> bytes:
    if isinstance(event, (bytes, bytearray)):
        return bytes(event)
    lines = [f"{name}: {line}\n" for name, value in _fields(event) for line in _LINE_END.split(value)]
    return "".join([*lines, "\n"]).encode()


def _fields(event: object) -> Iterator[tuple[str, str]]:
    """The names and values of an event's fields; only the data may have several lines."""
    if isinstance(event, ServerSentEvent):
        if event.id:
            yield "id", _one_line(event.id, "the id")
        if event.event != "message":
            yield "event", _one_line(event.event, "the name")
        yield "data", _data(event.data)
        if event.retry is not None:
            yield "retry", str(checked_int(event.retry, "the retry", 0))
    elif isinstance(event, tuple):
        pair = cast("tuple[object, ...]", event)
        if len(pair) != 2:
            raise TypeError(f"an event is (name, data), a ServerSentEvent, bytes or its data, not {pair!r}")
        yield "event", _one_line(pair[0], "the name")
        yield "data", _data(pair[1])
    else:
        yield "data", _data(event)


def _data(data: object) -> str:
    return data if isinstance(data, str) else msgspec.json.encode(data).decode()


def _one_line(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} of an event must be a str, not {value!r}")
    if set(value) & set("\r\n\0"):
        raise ValueError(f"{what} of an event has a line break or NUL: {value!r}; bytes are sent as they are")
    return value
