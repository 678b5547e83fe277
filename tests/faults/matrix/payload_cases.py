"""Whole bodies of the right kind that make no sense, or another one than was asked for."""

from __future__ import annotations

from functools import partial
from typing import Any

from case import Case, Expected, Fails, Gives
from far_ends import answers
from shapes import EVENTS, THING, Shape

from trioclient import (
    APIResponseValidationError,
    APIStatusError,
    APIStreamError,
    InternalServerError,
    LimitExceeded,
    Limits,
)
from trioclient.testing import Reply, event_stream, reply

__all__ = ["CASES"]

_case = partial(Case, kind="payload")
_WRONG = Fails(APIResponseValidationError)
_STRICT = {"_strict_response_validation": True}
_JSON = b'{"id":7,"name":"thing"}'
_NOT_JSON = {
    "not JSON": b"It works!",
    "JSON cut short": b'{"id": 7, "name": "th',
    "two values": _JSON + b" " + _JSON,
    "a comment": b"/* hello */" + _JSON,
    "a NUL": b"\0",
    "NaN": b'{"id": NaN, "name": "thing"}',
    "Infinity": b'{"id": -Infinity, "name": "thing"}',
    "a lone surrogate": rb'{"id": 7, "name": "\ud800"}',
    "UTF-16": _JSON.decode().encode("utf-16"),
}
_MISFITS = {
    "wrong type": b'{"id":"seven","name":"thing"}',
    "missing field": b'{"id":7}',
    "null for a field": b'{"id":7,"name":null}',
    "a list for an object": b"[7]",
    "a number of 5,000 digits": b'{"id":' + b"7" * 5000 + b',"name":"thing"}',
    "a number beyond all floats": b'{"id":1e999,"name":"thing"}',
}


def _says(name: str, payload: bytes, expected: Expected, stream: Expected | None = None, **arguments: Any) -> Case:
    return _case(
        name=name,
        far_end=answers(lambda shape: shape.saying(payload)),
        retries=2,
        expected=expected,
        stream=stream,
        **arguments,
    )


def _tells(name: str, told: Reply, stream: Expected, **arguments: Any) -> Case:
    """Something that only a stream can tell; the other calls get a good answer."""
    return _case(
        name=name,
        far_end=answers(lambda shape: told if shape.streams else shape.answer()),
        retries=2,
        expected=Gives(),
        stream=stream,
        **arguments,
    )


def _with_mark(shape: Shape) -> Reply:
    return shape.holding(b"\xef\xbb\xbf" + shape.content)


CASES = [
    *[_says(name, payload, _WRONG) for name, payload in _NOT_JSON.items()],
    *[_says(f"{name}, strict", payload, _WRONG, client=_STRICT) for name, payload in _MISFITS.items()],
    _says(
        "wrong type, loose",
        _MISFITS["wrong type"],
        Gives({"id": "seven", "name": "thing"}),
        Gives([{"id": "seven", "name": "thing"}]),
    ),
    # The standard has a stream decoded with replacement characters, come what may.
    _says("bad UTF-8", b'{"id": 7, "name": "\xff\xfe"}', _WRONG, Gives([{"id": 7, "name": "\ufffd" * 2}])),
    _says(
        "an encoded surrogate", b'{"id": 7, "name": "\xed\xa0\x80"}', _WRONG, Gives([{"id": 7, "name": "\ufffd" * 3}])
    ),
    _says(
        "a number of 400 digits",
        b'{"id":' + b"7" * 400 + b',"name":"thing"}',
        Gives({"id": int("7" * 400), "name": "thing"}),
        Gives([{"id": int("7" * 400), "name": "thing"}]),
    ),
    _says("duplicate keys", b'{"id":6,"id":7,"name":"thing"}', Gives(), Gives([THING])),
    _says("unknown field", b'{"id":7,"name":"thing","new":1}', Gives(), Gives([THING]), client=_STRICT),
    _says("JSON 200,000 deep", b"[" * 200_000, Fails(LimitExceeded, saying="max_json_depth"), bloats=True),
    _says(
        "JSON 200,000 deep within a field",
        b'{"id":7,"new":' + b"[" * 200_000,
        Fails(LimitExceeded, saying="max_json_depth"),
        bloats=True,
    ),
    _says("empty", b"", _WRONG, Gives([])),
    _case(name="byte order mark", far_end=answers(_with_mark), expected=Gives()),
    _tells(
        "stream without its terminal event",
        event_stream(("thing", THING)),
        Fails(APIStreamError, saying="terminal event"),
        options={"terminal_event": "end"},
    ),
    _tells("stream cut in an event", reply(content=b"data: " + _JSON, headers={"Content-Type": EVENTS}), Gives([])),
    _tells(
        "error in the stream",
        event_stream(THING, ("error", {"error": {"type": "overloaded_error"}})),
        Fails(InternalServerError, saying="529"),
    ),
    _tells(
        "unknown error in the stream",
        event_stream(THING, ("error", "out of paper")),
        Fails(APIStatusError, saying="out of paper"),
    ),
    _tells(
        "line too long",
        event_stream({"id": 7, "name": "x" * 1_000_000}),
        Fails(LimitExceeded, saying="max_line_bytes"),
        client={"limits": Limits(max_line_bytes=65_536)},
    ),
    _tells(
        "event too long",
        event_stream("\n".join(["x" * 1000] * 100)),
        Fails(LimitExceeded, saying="max_event_bytes"),
        client={"limits": Limits(max_event_bytes=65_536)},
    ),
    _tells("stream of another kind", reply(json=[THING]), _WRONG),
]
