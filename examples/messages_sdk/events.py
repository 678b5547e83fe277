"""The events of a message that is streamed.

``message_start``, then for each block ``content_block_start``, any number of
``content_block_delta`` and ``content_block_stop``, then ``message_delta`` and ``message_stop``,
which ends the stream. Every event says in its `type` what it is. A ``ping`` never gets this far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

import msgspec

from trioclient import UnknownVariant

from .message_types import ContentBlock, Message, ServerToolUsage, StopReason, TextCitation

__all__ = [
    "TERMINAL_EVENT",
    "BlockDelta",
    "CitationsDelta",
    "ContentBlockDeltaEvent",
    "ContentBlockStartEvent",
    "ContentBlockStopEvent",
    "DeltaUsage",
    "InputJSONDelta",
    "MessageDelta",
    "MessageDeltaEvent",
    "MessageStartEvent",
    "MessageStopEvent",
    "MessageStreamEvent",
    "SignatureDelta",
    "TextDelta",
    "ThinkingDelta",
]

TERMINAL_EVENT = "message_stop"
"""A stream that ends before this event was cut short."""


# What is added to a block


class TextDelta(msgspec.Struct, frozen=True, tag="text_delta"):
    """To be added to the text."""

    text: str


class InputJSONDelta(msgspec.Struct, frozen=True, tag="input_json_delta"):
    """A piece of the JSON text of a tool's input, which is JSON only when it is whole."""

    partial_json: str


class ThinkingDelta(msgspec.Struct, frozen=True, tag="thinking_delta"):
    """To be added to the thought."""

    thinking: str


class SignatureDelta(msgspec.Struct, frozen=True, tag="signature_delta"):
    """The signature of the thought, which ends with it."""

    signature: str


class CitationsDelta(msgspec.Struct, frozen=True, tag="citations_delta"):
    """One more citation."""

    citation: TextCitation


_KnownDelta = Union[TextDelta, InputJSONDelta, ThinkingDelta, SignatureDelta, CitationsDelta]

# See message_types.py on why msgspec is not told of UnknownVariant.
if TYPE_CHECKING:
    BlockDelta = Union[_KnownDelta, UnknownVariant]
else:
    BlockDelta = _KnownDelta


# The events


class MessageStartEvent(msgspec.Struct, frozen=True, tag="message_start"):
    """The message, as yet without content."""

    message: Message


class ContentBlockStartEvent(msgspec.Struct, frozen=True, tag="content_block_start"):
    """A block, as yet without content."""

    index: int
    content_block: ContentBlock


class ContentBlockDeltaEvent(msgspec.Struct, frozen=True, tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: BlockDelta


class ContentBlockStopEvent(msgspec.Struct, frozen=True, tag="content_block_stop"):
    """The block is whole."""

    index: int


class MessageDelta(msgspec.Struct, frozen=True):
    """How the message ended."""

    stop_reason: StopReason | None = None
    stop_sequence: str | None = None


class DeltaUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of the whole message so far; what is None has not changed."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    server_tool_use: ServerToolUsage | None = None


class MessageDeltaEvent(msgspec.Struct, frozen=True, tag="message_delta"):
    """The content is whole; there is more to say of the message."""

    delta: MessageDelta
    usage: DeltaUsage


class MessageStopEvent(msgspec.Struct, frozen=True, tag="message_stop"):
    """The message is whole."""


_KnownEvent = Union[
    MessageStartEvent,
    ContentBlockStartEvent,
    ContentBlockDeltaEvent,
    ContentBlockStopEvent,
    MessageDeltaEvent,
    MessageStopEvent,
]

if TYPE_CHECKING:
    MessageStreamEvent = Union[_KnownEvent, UnknownVariant]
else:
    MessageStreamEvent = _KnownEvent
