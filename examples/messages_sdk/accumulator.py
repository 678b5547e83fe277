"""A message out of its events: a pure thing, without a client, a network or time.

- ``message_start`` brings the message without content, ``content_block_start`` one more block.
- ``content_block_delta`` adds to a block what that kind of block can hold: text and citations to
  a text, thought and signature to a thought, JSON text to the input of a tool. Any other pair of
  block and delta is newer than this package, and adds nothing.
- ``content_block_stop`` ends a block. Only then is the input of a tool read as JSON.
- ``message_delta`` brings `stop_reason`, `stop_sequence` and `usage`, ``message_stop`` nothing but
  the certainty that the message is whole.
- An event that is not known changes nothing.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from trioclient import APIResponseValidationError, UnknownVariant

from .errors import ToolInputError
from .events import (
    BlockDelta,
    CitationsDelta,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    ContentBlockStopEvent,
    DeltaUsage,
    InputJSONDelta,
    MessageDeltaEvent,
    MessageStartEvent,
    MessageStopEvent,
    MessageStreamEvent,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from .message_types import ContentBlock, Message, ServerToolUseBlock, TextBlock, ThinkingBlock, ToolUseBlock, Usage

__all__ = ["MessageAccumulator"]

T = TypeVar("T")

_read_input = msgspec.json.Decoder(dict[str, object]).decode


class MessageAccumulator:
    """Is fed the events of one stream, and has the message as far as it has come."""

    def __init__(self) -> None:
        self._message: Message | None = None
        self._blocks: dict[int, _Block] = {}
        self.whole = False
        """Whether the last event has come."""

    @property
    def snapshot(self) -> Message:
        """The message so far; it stays as it is when more comes. Raises RuntimeError before it has begun."""
        if self._message is None:
            raise RuntimeError("the message has not begun: no message_start has come")
        content = [block.snapshot() for block in self._blocks.values()]
        return msgspec.structs.replace(self._message, content=content)

    def final_message(self) -> Message:
        """The whole message. Raises ToolInputError, and RuntimeError before it is whole."""
        message = self.snapshot
        if not self.whole:
            raise RuntimeError("the message is not whole: no message_stop has come")
        for position, block in enumerate(self._blocks.values()):
            if block.unreadable:
                raise ToolInputError(message, position, block.added)
        return message

    def feed(self, event: MessageStreamEvent) -> None:
        """Take one event in. Raises APIResponseValidationError for one that makes no sense here."""
        match event:
            case MessageStartEvent(message=message):
                self._message = message
                self._blocks = {index: _Block(block) for index, block in enumerate(message.content)}
            case ContentBlockStartEvent(index=index, content_block=block):
                self._blocks[index] = _Block(block)
            case ContentBlockDeltaEvent(index=index, delta=delta):
                self._begun(self._blocks.get(index), f"block {index}").add(delta)
            case ContentBlockStopEvent(index=index):
                self._begun(self._blocks.get(index), f"block {index}").close()
            case MessageDeltaEvent(delta=delta, usage=usage):
                message = self._begun(self._message, "the message")
                self._message = msgspec.structs.replace(
                    message,
                    stop_reason=delta.stop_reason,
                    stop_sequence=delta.stop_sequence,
                    usage=_changed(message.usage, usage),
                )
            case MessageStopEvent():
                self._begun(self._message, "the message")
                self.whole = True
            case UnknownVariant():
                pass

    @staticmethod
    def _begun(what: T | None, name: str) -> T:
        if what is None:
            raise APIResponseValidationError(f"an event for {name}, which has not begun")
        return what


class _Block:
    """One block on the way."""

    def __init__(self, begun: ContentBlock) -> None:
        self._block = begun
        self._pieces: list[str] = []
        self.unreadable = False
        """Whether it is a tool's input, and was no JSON when it ended."""

    @property
    def added(self) -> str:
        """All text that has come since it began. Joined when asked for: a text may come in a million pieces."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def add(self, delta: BlockDelta) -> None:
        match self._block, delta:
            case (TextBlock(), TextDelta(text=piece)):
                self._pieces.append(piece)
            case (ThinkingBlock(), ThinkingDelta(thinking=piece)):
                self._pieces.append(piece)
            case (ToolUseBlock() | ServerToolUseBlock(), InputJSONDelta(partial_json=piece)):
                self._pieces.append(piece)
            case (TextBlock() as block, CitationsDelta(citation=citation)):
                self._block = msgspec.structs.replace(block, citations=[*(block.citations or ()), citation])
            case (ThinkingBlock() as block, SignatureDelta(signature=signature)):
                self._block = msgspec.structs.replace(block, signature=signature)
            case _:
                pass

    def close(self) -> None:
        block = self._block
        if isinstance(block, (ToolUseBlock, ServerToolUseBlock)) and self.added:
            try:
                self._block = msgspec.structs.replace(block, input=_read_input(self.added))
            except (msgspec.DecodeError, RecursionError):
                self.unreadable = True

    def snapshot(self) -> ContentBlock:
        match self._block:
            case TextBlock(text=begun) as block:
                return msgspec.structs.replace(block, text=begun + self.added)
            case ThinkingBlock(thinking=begun) as block:
                return msgspec.structs.replace(block, thinking=begun + self.added)
            case block:
                return block


def _changed(usage: Usage, delta: DeltaUsage) -> Usage:
    """Counts are of the whole message, so they replace those that were there."""
    return msgspec.structs.replace(
        usage, **{name: count for name, count in msgspec.structs.asdict(delta).items() if count is not None}
    )
