"""An answer of the model's as the service sends it: in one body, or as events in small pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from trioclient.testing import RawReply, Reply, event_stream, stall, truncate

from .model import MODEL_FROM_THE_FUTURE, Answer, Json, Part
from .moods import Mood
from .refusals import error_body

__all__ = ["message_body", "stream_reply"]

_PING_EVERY = 16
_END_OF_BODY = len(b"0\r\n\r\n")

_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


def message_body(message_id: str, model: str, answer: Answer) -> Json:
    """The whole message."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_whole_block(part) for part in answer.parts],
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "usage": _usage(answer, answer.output_tokens),
    }


def stream_reply(message: Json, answer: Answer, mood: Mood, headers: dict[str, str], pace: float) -> Reply | RawReply:
    """The message as events; `headers` are those of the reply, `pace` the seconds between two pieces."""
    events = [_wire(event) for event in _events(message, answer)]
    pace = pace if mood.pace is None else mood.pace
    if mood.events is None:
        return _stream(events, headers, pace)
    sent, unsent = events[: mood.events], events[mood.events :]
    match mood.then:
        case "end":
            return _stream(sent, headers, pace)
        case "error":
            sent.append(_wire(error_body("overloaded_error", "Overloaded", headers["request-id"])))
            return _stream(sent, headers, pace)
        case "cut":
            half = unsent[0][: len(unsent[0]) // 2]
            return truncate(-_END_OF_BODY, of=_stream([*sent, half], headers, pace))
        case "silence":
            begun = _stream(sent, headers, pace)
            return stall(len(begun.wire()) - _END_OF_BODY, of=begun)


def _stream(events: Sequence[bytes], headers: dict[str, str], pace: float) -> Reply:
    # In pieces that do not end where events do.
    body, size = b"".join(events), 64
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return event_stream(*pieces, chunk_delay=pace, headers=headers)


def _wire(event: Json) -> bytes:
    return b"".join(event_stream((event["type"], event)).pieces)


def _events(message: Json, answer: Answer) -> Iterator[Json]:
    begun: Json = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(answer, 1)}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    if message["model"] == MODEL_FROM_THE_FUTURE:
        yield {"type": "weather_changed", "weather": "fair"}
    for index, part in enumerate(answer.parts):
        yield {"type": "content_block_start", "index": index, "content_block": _begun_block(part)}
        for number, delta in enumerate(_deltas(part), 1):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
            if number % _PING_EVERY == 0:
                yield {"type": "ping"}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": answer.stop_reason, "stop_sequence": answer.stop_sequence}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": answer.output_tokens}}
    yield {"type": "message_stop"}


def _usage(answer: Answer, output_tokens: int) -> Json:
    return {
        "input_tokens": answer.input_tokens,
        "output_tokens": output_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "service_tier": "standard",
    }


def _begun_block(part: Part) -> Json:
    return {**part.block, "signature": ""} if part.block["type"] == "thinking" else part.block


def _deltas(part: Part) -> Iterator[Json]:
    kind = part.block["type"]
    if kind in _DELTAS:
        delta_type, field = _DELTAS[kind]
        for piece in part.pieces:
            yield {"type": delta_type, field: piece}
    else:
        yield {"type": "colour_delta", "colour": "blue"}
    if kind == "thinking":
        yield {"type": "signature_delta", "signature": part.block["signature"]}


def _whole_block(part: Part) -> Json:
    match part.block["type"]:
        case "text" | "thinking" as kind:
            return {**part.block, kind: part.whole}
        case "tool_use":
            return {**part.block, "input": _read(part.whole)}
        case _:
            return part.block


def _read(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # cut off by max_tokens
        return {}
