"""What is sent: requests and the parts they are made of, as plain dicts with typed keys.

Lists may be any sequence. What a request may hold besides, because it is newer than this package,
goes into ``options={"extra_json": {...}}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired

__all__ = [
    "BatchRequestParam",
    "CacheControlParam",
    "ContentBlockParam",
    "CountTokensParams",
    "DocumentBlockParam",
    "ImageBlockParam",
    "MessageParam",
    "MessageParams",
    "MetadataParam",
    "RedactedThinkingBlockParam",
    "TextBlockParam",
    "ThinkingBlockParam",
    "ThinkingParam",
    "ToolChoiceParam",
    "ToolParam",
    "ToolResultBlockParam",
    "ToolUseBlockParam",
]


class CacheControlParam(TypedDict):
    """Marks the end of what the service shall keep for the next request."""

    type: Literal["ephemeral"]
    ttl: NotRequired[Literal["5m", "1h"]]


# Blocks


class TextBlockParam(TypedDict):
    """Text."""

    type: Literal["text"]
    text: str
    cache_control: NotRequired[CacheControlParam]


class Base64ImageParam(TypedDict):
    """An image, in the request itself."""

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class Base64PDFParam(TypedDict):
    """A PDF, in the request itself."""

    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: str


class PlainTextParam(TypedDict):
    """A text document, in the request itself."""

    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class URLParam(TypedDict):
    """Something on the web."""

    type: Literal["url"]
    url: str


class FileParam(TypedDict):
    """A file that was uploaded."""

    type: Literal["file"]
    file_id: str


class CitationsParam(TypedDict):
    """Whether a document may be cited."""

    enabled: bool


class ImageBlockParam(TypedDict):
    """An image."""

    type: Literal["image"]
    source: Union[Base64ImageParam, URLParam, FileParam]
    cache_control: NotRequired[CacheControlParam]


class DocumentBlockParam(TypedDict):
    """A document."""

    type: Literal["document"]
    source: Union[Base64PDFParam, PlainTextParam, URLParam, FileParam]
    title: NotRequired[str]
    context: NotRequired[str]
    citations: NotRequired[CitationsParam]
    cache_control: NotRequired[CacheControlParam]


class ToolUseBlockParam(TypedDict):
    """A call of a tool, as the model made it."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: Mapping[str, object]
    cache_control: NotRequired[CacheControlParam]


class ToolResultBlockParam(TypedDict):
    """What came of a call of a tool."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: NotRequired[Union[str, Sequence[Union[TextBlockParam, ImageBlockParam, DocumentBlockParam]]]]
    is_error: NotRequired[bool]
    cache_control: NotRequired[CacheControlParam]


class ThinkingBlockParam(TypedDict):
    """A thought of the model's, as it came."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlockParam(TypedDict):
    """Another one, as it came."""

    type: Literal["redacted_thinking"]
    data: str


ContentBlockParam = Union[
    TextBlockParam,
    ImageBlockParam,
    DocumentBlockParam,
    ToolUseBlockParam,
    ToolResultBlockParam,
    ThinkingBlockParam,
    RedactedThinkingBlockParam,
]


# Requests


class MessageParam(TypedDict):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: Union[str, Sequence[ContentBlockParam]]


class ToolParam(TypedDict):
    """A tool that the model may call."""

    name: str
    description: NotRequired[str]
    input_schema: Mapping[str, object]
    """JSON Schema of an object."""
    cache_control: NotRequired[CacheControlParam]


class ToolChoiceAutoParam(TypedDict):
    """The model decides."""

    type: Literal["auto"]
    disable_parallel_tool_use: NotRequired[bool]


class ToolChoiceAnyParam(TypedDict):
    """Some tool must be called."""

    type: Literal["any"]
    disable_parallel_tool_use: NotRequired[bool]


class ToolChoiceToolParam(TypedDict):
    """This tool must be called."""

    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: NotRequired[bool]


class ToolChoiceNoneParam(TypedDict):
    """No tool may be called."""

    type: Literal["none"]


ToolChoiceParam = Union[ToolChoiceAutoParam, ToolChoiceAnyParam, ToolChoiceToolParam, ToolChoiceNoneParam]


class ThinkingEnabledParam(TypedDict):
    """Think first, for at most so many tokens."""

    type: Literal["enabled"]
    budget_tokens: int


class ThinkingAdaptiveParam(TypedDict):
    """Think as long as it takes."""

    type: Literal["adaptive"]


class ThinkingDisabledParam(TypedDict):
    """Do not think first."""

    type: Literal["disabled"]


ThinkingParam = Union[ThinkingEnabledParam, ThinkingAdaptiveParam, ThinkingDisabledParam]


class MetadataParam(TypedDict):
    """On whose behalf a request is made: an opaque name, none that says who it is."""

    user_id: NotRequired[str]


class CountTokensParams(TypedDict):
    """What decides how many tokens a request has."""

    model: str
    messages: Sequence[MessageParam]
    system: NotRequired[Union[str, Sequence[TextBlockParam]]]
    thinking: NotRequired[ThinkingParam]
    tool_choice: NotRequired[ToolChoiceParam]
    tools: NotRequired[Sequence[ToolParam]]


class MessageParams(CountTokensParams):
    """What asks for a message."""

    max_tokens: int
    metadata: NotRequired[MetadataParam]
    service_tier: NotRequired[Literal["auto", "standard_only"]]
    stop_sequences: NotRequired[Sequence[str]]


class BatchRequestParam(TypedDict):
    """One request of a batch, under a name of the caller's."""

    custom_id: str
    params: MessageParams
