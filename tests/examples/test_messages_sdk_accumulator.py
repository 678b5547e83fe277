"""What a message comes to, told by tables of events; nothing here waits or calls."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest

from messages_sdk import (
    CharLocation,
    ContentBlock,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    Message,
    MessageAccumulator,
    MessageStreamEvent,
    RedactedThinkingBlock,
    ServerToolUsage,
    ServerToolUseBlock,
    TextBlock,
    ThinkingBlock,
    ToolInputError,
    ToolUseBlock,
    Usage,
)
from trioclient import APIResponseValidationError, UnknownVariant

TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
SERVER_TOOL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
CITATION = {
    "type": "char_location",
    "cited_text": "so",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 3,
    "end_char_index": 5,
}
CITED = CharLocation(cited_text="so", document_index=0, document_title=None, start_char_index=3, end_char_index=5)


def event(sent: dict[str, Any]) -> MessageStreamEvent:
    return msgspec.convert(sent, MessageStreamEvent)


def begun(**fields: Any) -> MessageStreamEvent:
    message = {
        "type": "message",
        "id": "msg_1",
        "model": "m",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 7, "output_tokens": 1},
    }
    return event({"type": "message_start", "message": {**message, **fields}})


def block_begun(index: int, block: dict[str, Any]) -> MessageStreamEvent:
    return event({"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, kind: str, **fields: Any) -> MessageStreamEvent:
    return event({"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}})


def block_ended(index: int) -> MessageStreamEvent:
    return event({"type": "content_block_stop", "index": index})


def ended(stop_reason: str | None = "end_turn", **usage: Any) -> list[MessageStreamEvent]:
    end = {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 9, **usage}}
    return [event(end), event({"type": "message_stop"})]


def block(index: int, start: dict[str, Any], *deltas: tuple[str, dict[str, Any]]) -> list[MessageStreamEvent]:
    added = [delta(index, kind, **fields) for kind, fields in deltas]
    return [block_begun(index, start), *added, block_ended(index)]


def accumulated(*events: MessageStreamEvent) -> MessageAccumulator:
    accumulator = MessageAccumulator()
    for each in events:
        accumulator.feed(each)
    return accumulator


UNKNOWN = UnknownVariant(tag="hologram", data={"type": "hologram", "radius": 2})

BLOCKS: dict[str, tuple[list[MessageStreamEvent], ContentBlock]] = {
    "text": (
        block(0, TEXT, ("text_delta", {"text": "Hel"}), ("text_delta", {"text": "lo"})),
        TextBlock(text="Hello"),
    ),
    "text that has begun already": (
        block(0, {"type": "text", "text": "He"}, ("text_delta", {"text": "llo"})),
        TextBlock(text="Hello"),
    ),
    "text without text": (block(0, TEXT), TextBlock(text="")),
    "cited text": (
        block(0, TEXT, ("text_delta", {"text": "so"}), ("citations_delta", {"citation": CITATION})),
        TextBlock(text="so", citations=[CITED]),
    ),
    "text cited twice": (
        block(0, {**TEXT, "citations": [CITATION]}, ("citations_delta", {"citation": CITATION})),
        TextBlock(text="", citations=[CITED, CITED]),
    ),
    "thinking": (
        block(
            0,
            THINKING,
            ("thinking_delta", {"thinking": "Hm"}),
            ("thinking_delta", {"thinking": "m."}),
            ("signature_delta", {"signature": "s1"}),
        ),
        ThinkingBlock(thinking="Hmm.", signature="s1"),
    ),
    "redacted thinking": (
        block(0, {"type": "redacted_thinking", "data": "xyz"}),
        RedactedThinkingBlock(data="xyz"),
    ),
    "tool input in pieces": (
        block(
            0,
            TOOL,
            ("input_json_delta", {"partial_json": ""}),
            ("input_json_delta", {"partial_json": '{"city": "São P'}),
            ("input_json_delta", {"partial_json": 'aulo", "days": '}),
            ("input_json_delta", {"partial_json": "[1, 2]}"}),
        ),
        ToolUseBlock(id="toolu_1", name="weather", input={"city": "São Paulo", "days": [1, 2]}),
    ),
    "tool without input": (
        block(0, TOOL, ("input_json_delta", {"partial_json": ""})),
        ToolUseBlock(id="toolu_1", name="weather", input={}),
    ),
    "tool input that came at once": (
        block(0, {**TOOL, "input": {"city": "Lima"}}),
        ToolUseBlock(id="toolu_1", name="weather", input={"city": "Lima"}),
    ),
    "tool of the service": (
        block(0, SERVER_TOOL, ("input_json_delta", {"partial_json": '{"query":"trio"}'})),
        ServerToolUseBlock(id="srvtoolu_1", name="web_search", input={"query": "trio"}),
    ),
    "delta of another kind of block": (
        block(0, TEXT, ("text_delta", {"text": "a"}), ("input_json_delta", {"partial_json": "{"})),
        TextBlock(text="a"),
    ),
}


@pytest.mark.parametrize(("events", "made"), BLOCKS.values(), ids=BLOCKS.keys())
def test_a_block(events: list[MessageStreamEvent], made: ContentBlock) -> None:
    assert accumulated(begun(), *events, *ended()).final_message().content == [made]


def test_the_blocks_are_in_order_though_their_deltas_are_mixed() -> None:
    accumulator = accumulated(
        begun(),
        block_begun(0, THINKING),
        block_begun(1, TEXT),
        delta(1, "text_delta", text="b"),
        delta(0, "thinking_delta", thinking="a"),
        block_ended(1),
        block_ended(0),
        *ended(),
    )
    assert accumulator.final_message().content == [ThinkingBlock(thinking="a", signature=""), TextBlock(text="b")]


def test_what_is_newer_than_the_package_is_kept_or_let_be() -> None:
    start = ContentBlockStartEvent(index=0, content_block=UNKNOWN)
    colour = ContentBlockDeltaEvent(index=0, delta=UNKNOWN)
    accumulator = accumulated(begun(), UNKNOWN, start, colour, block_ended(0), *ended())
    assert accumulator.final_message().content == [UNKNOWN]


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        ({}, Usage(input_tokens=7, output_tokens=9)),
        ({"input_tokens": 8}, Usage(input_tokens=8, output_tokens=9)),
        (
            {"input_tokens": None, "cache_read_input_tokens": 5},
            Usage(input_tokens=7, output_tokens=9, cache_read_input_tokens=5),
        ),
        (
            {"cache_creation_input_tokens": 0, "server_tool_use": {"web_search_requests": 2}},
            Usage(
                input_tokens=7,
                output_tokens=9,
                cache_creation_input_tokens=0,
                server_tool_use=ServerToolUsage(web_search_requests=2),
            ),
        ),
    ],
)
def test_counts_of_the_end_replace_those_of_the_beginning(usage: dict[str, Any], total: Usage) -> None:
    assert accumulated(begun(), *ended(**usage)).final_message().usage == total


def test_the_reason_to_stop_comes_at_the_end() -> None:
    assert accumulated(begun()).snapshot.stop_reason is None
    assert accumulated(begun(), *ended("max_tokens")).final_message().stop_reason == "max_tokens"


def test_a_snapshot_stays_as_it_is() -> None:
    accumulator = accumulated(begun(), block_begun(0, TEXT), delta(0, "text_delta", text="a"))
    early = accumulator.snapshot
    accumulator.feed(delta(0, "text_delta", text="b"))
    assert (early.text, accumulator.snapshot.text) == ("a", "ab")


def test_the_input_of_a_tool_is_not_read_before_it_is_whole() -> None:
    accumulator = accumulated(begun(), block_begun(0, TOOL), delta(0, "input_json_delta", partial_json="{}"))
    assert accumulator.snapshot.content == [ToolUseBlock(id="toolu_1", name="weather", input={})]


@pytest.mark.parametrize("text", ['{"city": "Li', "nonsense", "[1]", "{} {}", '{"a":' * 100_000])
def test_the_input_of_a_tool_that_is_no_json_object(text: str) -> None:
    broken = block(1, TOOL, ("input_json_delta", {"partial_json": text}))
    accumulator = accumulated(begun(), *block(0, TEXT), *broken, *ended("max_tokens"))
    # Iteration went on to the end, and what came can be looked at ...
    assert accumulator.snapshot.stop_reason == "max_tokens"
    # ... but not be taken for a message whose tools may be run.
    with pytest.raises(ToolInputError, match="not whole JSON") as caught:
        accumulator.final_message()
    assert caught.value.path == "$.content[1].input"
    assert caught.value.body == text
    assert caught.value.final_message.stop_reason == "max_tokens"
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.final_message) == (str(caught.value), caught.value.final_message)


def test_a_message_that_is_not_whole_is_none() -> None:
    with pytest.raises(RuntimeError, match="has not begun"):
        _ = accumulated().snapshot
    accumulator = accumulated(begun(), *ended()[:1])
    assert not accumulator.whole
    with pytest.raises(RuntimeError, match="not whole"):
        accumulator.final_message()


@pytest.mark.parametrize("stray", [delta(0, "text_delta", text="a"), block_ended(0)])
def test_an_event_for_a_block_that_has_not_begun(stray: MessageStreamEvent) -> None:
    with pytest.raises(APIResponseValidationError, match="block 0, which has not begun"):
        accumulated(begun(), stray)


@pytest.mark.parametrize("stray", ended())
def test_an_event_for_a_message_that_has_not_begun(stray: MessageStreamEvent) -> None:
    with pytest.raises(APIResponseValidationError, match="the message, which has not begun"):
        accumulated(stray)


def test_a_text_of_many_pieces_takes_linear_time() -> None:
    # Half a million; adding each to the text so far would copy hundreds of gigabytes.
    pieces = [delta(0, "text_delta", text="word ")] * 500_000
    message = accumulated(begun(), block_begun(0, TEXT), *pieces, block_ended(0), *ended()).final_message()
    assert len(message.text) == 2_500_000


def test_a_message_goes_back_as_it_came() -> None:
    sent = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Lima"}},
        UNKNOWN.data,
    ]
    content = [*msgspec.convert(sent[:3], list[ContentBlock]), UNKNOWN]
    usage = Usage(input_tokens=1, output_tokens=1)
    message = Message(id="msg_1", model="m", role="assistant", content=content, stop_reason="end_turn", usage=usage)
    assert message.to_param() == {"role": "assistant", "content": sent}
    assert message.text == "Hello"
