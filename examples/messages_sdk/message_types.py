"""What comes back: a message, its blocks and its bill.

Every object says in its `type` field what it is, and becomes a class of its own here. One that is
newer than this package comes as `trioclient.UnknownVariant` and does not harm what is around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Union, cast

import msgspec

from trioclient import UnknownVariant

from .message_params import ContentBlockParam, MessageParam

__all__ = [
    "CharLocation",
    "ContentBlock",
    "ContentBlockLocation",
    "KnownBlock",
    "Message",
    "MessageTokensCount",
    "PageLocation",
    "RedactedThinkingBlock",
    "SearchResultLocation",
    "ServerToolUsage",
    "ServerToolUseBlock",
    "StopReason",
    "TextBlock",
    "TextCitation",
    "ThinkingBlock",
    "ToolUseBlock",
    "Usage",
    "WebSearchError",
    "WebSearchResult",
    "WebSearchResultBlock",
    "WebSearchResultLocation",
]


# Where a piece of text is taken from


class CharLocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="char_location"):
    """Characters of a text document, from 0; the end is not part of it."""

    cited_text: str
    document_index: int
    document_title: str | None = None
    start_char_index: int
    end_char_index: int


class PageLocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="page_location"):
    """Pages of a PDF, from 1; the end is not part of it."""

    cited_text: str
    document_index: int
    document_title: str | None = None
    start_page_number: int
    end_page_number: int


class ContentBlockLocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="content_block_location"):
    """Blocks of a document that was given in blocks, from 0; the end is not part of it."""

    cited_text: str
    document_index: int
    document_title: str | None = None
    start_block_index: int
    end_block_index: int


class WebSearchResultLocation(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="web_search_result_location"
):
    """A page of the web."""

    cited_text: str
    encrypted_index: str
    title: str | None = None
    url: str


class SearchResultLocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="search_result_location"):
    """Blocks of a search result that was part of the conversation, from 0; the end is not part of it."""

    cited_text: str
    search_result_index: int
    source: str
    title: str | None = None
    start_block_index: int
    end_block_index: int


# The blocks


class WebSearchResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="web_search_result"):
    """One page that a web search found."""

    title: str
    url: str
    encrypted_content: str
    page_age: str | None = None


class WebSearchError(msgspec.Struct, frozen=True, kw_only=True, tag="web_search_tool_result_error"):
    """A web search that failed."""

    error_code: str


_KnownCitation = Union[CharLocation, PageLocation, ContentBlockLocation, WebSearchResultLocation, SearchResultLocation]

# msgspec takes no untagged type beside tagged ones, so it is not told of UnknownVariant, which
# loose decoding puts there all the same; a type checker is.
if TYPE_CHECKING:
    TextCitation = Union[_KnownCitation, UnknownVariant]
else:
    TextCitation = _KnownCitation


class TextBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="text"):
    """Something said."""

    text: str
    citations: list[TextCitation] | None = None


class ThinkingBlock(msgspec.Struct, frozen=True, kw_only=True, tag="thinking"):
    """Something thought, with a signature by which the service knows its own thoughts again."""

    thinking: str
    signature: str


class RedactedThinkingBlock(msgspec.Struct, frozen=True, kw_only=True, tag="redacted_thinking"):
    """Something thought that is not for reading; to be sent back as it is."""

    data: str


class ToolUseBlock(msgspec.Struct, frozen=True, kw_only=True, tag="tool_use"):
    """A call of a tool of the caller's, who answers with a `tool_result` block."""

    id: str
    name: str
    input: dict[str, object]


class ServerToolUseBlock(msgspec.Struct, frozen=True, kw_only=True, tag="server_tool_use"):
    """A call of a tool of the service's own."""

    id: str
    name: str
    input: dict[str, object]


class WebSearchResultBlock(msgspec.Struct, frozen=True, kw_only=True, tag="web_search_tool_result"):
    """What a web search brought."""

    tool_use_id: str
    content: Union[list[WebSearchResult], WebSearchError]


KnownBlock = Union[
    TextBlock, ThinkingBlock, RedactedThinkingBlock, ToolUseBlock, ServerToolUseBlock, WebSearchResultBlock
]
"""The blocks that have a class here."""

if TYPE_CHECKING:
    ContentBlock = Union[KnownBlock, UnknownVariant]
else:
    ContentBlock = KnownBlock


# The message


class ServerToolUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of the service's own tools."""

    web_search_requests: int = 0
    web_fetch_requests: int = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What is paid for, in tokens."""

    input_tokens: int
    """Neither read from the cache nor written to it."""
    output_tokens: int
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    server_tool_use: ServerToolUsage | None = None
    service_tier: str | None = None


StopReason = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"
]
"""Why the model stopped; a reason newer than this package is a str like these."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """An answer."""

    id: str
    model: str
    role: Literal["assistant"]
    content: list[ContentBlock]
    stop_reason: StopReason | None
    """None only while a message is being streamed."""
    stop_sequence: str | None = None
    """The one of `stop_sequences` that ended it."""
    usage: Usage

    @property
    def text(self) -> str:
        """All that was said, without what was thought or done."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))

    def to_param(self) -> MessageParam:
        """The message as a turn of the conversation, for the next request. Unknown blocks go back as they came."""
        blocks = [
            block.data if isinstance(block, UnknownVariant) else msgspec.to_builtins(block) for block in self.content
        ]
        return {"role": "assistant", "content": cast("list[ContentBlockParam]", blocks)}


class MessageTokensCount(msgspec.Struct, frozen=True):
    """What a request would be billed."""

    input_tokens: int
