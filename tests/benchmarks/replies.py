"""What the far end answers: bytes, made without any of the contenders.

`REPLY` is one small JSON object of 868 bytes, `LARGE_REPLY` a nested one of about 100 KB, as an API
gives a page of messages. `event_blocks` and `one_event_blocks` are streams of server-sent events.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator

REPLY_BYTES = 868
LARGE_REPLY_BYTES = 100_000

USAGE = {"input": 12, "output": 345}
_PROSE = "The quick brown fox jumps over the lazy dog. "


def _small() -> bytes:
    reply = {
        "id": "item_01",
        "created": 1_700_000_000,
        "model": "large",
        "text": "",
        "scores": [0.5, 0.25, 0.125],
        "usage": USAGE,
        "done": True,
    }
    reply["text"] = (_PROSE * 20)[: REPLY_BYTES - len(json.dumps(reply))]
    return json.dumps(reply).encode("ascii")


def _message(number: int) -> dict[str, object]:
    """One message of the large reply; no two are alike."""
    text = (_PROSE * 9)[number % 7 : 200 + number * 37 % 180]
    return {
        "id": f"msg_{number:06}",
        "created": 1_700_000_000 + 61 * number,
        "author": {
            "id": f"user_{number % 13}",
            "name": "Ada Lovelace",
            "email": None if number % 3 else "ada@example.com",
        },
        "parent": f"msg_{number - 1:06}" if number else None,
        "tags": ["alpha", "beta", f"topic-{number % 5}"][: number % 4],
        "scores": [number / 7, number / 11, 0.125],
        "blocks": [
            {"type": "text", "text": text},
            {"type": "image", "url": f"https://images.example.com/{number}.png", "width": 640, "height": 480 + number},
            {"type": "tool_use", "id": f"call_{number}", "name": "search", "input": {"query": text[:40], "limit": 10}},
        ][: 1 + number % 3],
        "usage": {"input": 3 * number, "output": 5 * number},
    }


def _large() -> bytes:
    messages: list[dict[str, object]] = []
    length = 0
    while length < LARGE_REPLY_BYTES:
        messages.append(_message(len(messages)))
        length += len(json.dumps(messages[-1])) + 2
    page = {"id": "page_01", "model": "large", "messages": messages, "has_more": False, "usage": USAGE}
    return json.dumps(page).encode("ascii")


REPLY = _small()
LARGE_REPLY = _large()

LAST_EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def _event(kind: str, text: str) -> bytes:
    delta = {"type": kind, "index": 0, "delta": {"type": "text_delta", "text": text}}
    return f"event: {kind}\ndata: {json.dumps(delta, separators=(',', ':'))}\n\n".encode("ascii")


# Of a length that is no multiple of a usual chunk, so that the cuts fall everywhere.
EVENT = _event("content_block_delta", "Hello, there, friend.")


def events_per_block(chunk: int) -> int:
    """A stream comes in blocks of so many events, after which cuts and events meet again."""
    whole = chunk // math.gcd(len(EVENT), chunk)
    return whole * math.ceil(256 / whole)


def event_blocks(chunk: int, events: int) -> Iterator[bytes]:
    """`events` of them, a multiple of `events_per_block`, in HTTP chunks of `chunk` bytes; then the last one."""
    count = events_per_block(chunk)
    block = _in_chunks(EVENT * count, chunk)
    return itertools.chain(itertools.repeat(block, events // count), [_END])


def one_event_blocks(chunk: int, size: int) -> Iterator[bytes]:
    """One event with `size` bytes of text, in HTTP chunks of `chunk` bytes; then the last one."""
    framed = _in_chunks(_event("content_block_delta", (_PROSE * (size // len(_PROSE) + 1))[:size]), chunk)
    return iter([framed, _END])


def _in_chunks(data: bytes, size: int) -> bytes:
    """`data` as chunks of HTTP/1.1 (RFC 9112, section 7.1)."""
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


_END = _in_chunks(LAST_EVENT, len(LAST_EVENT)) + b"0\r\n\r\n"
