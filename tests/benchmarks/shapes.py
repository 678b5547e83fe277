"""The question that is posted, and the types of what comes back for all who decode with msgspec."""

from __future__ import annotations

from typing import Any, Union

import msgspec

QUESTION = {"model": "large", "prompt": "Say something.", "max_tokens": 345}
JSON_HEADERS = {"content-type": "application/json"}
TIMEOUT = 600
"""Seconds; none of the far ends is that slow."""
encode = msgspec.json.Encoder().encode


class Usage(msgspec.Struct):
    input: int
    output: int


class Reply(msgspec.Struct):
    id: str
    created: int
    model: str
    text: str
    scores: list[float]
    usage: Usage
    done: bool


class Author(msgspec.Struct):
    id: str
    name: str
    email: str | None


class Text(msgspec.Struct, tag="text"):
    text: str


class Image(msgspec.Struct, tag="image"):
    url: str
    width: int
    height: int


class ToolUse(msgspec.Struct, tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]


class Message(msgspec.Struct):
    id: str
    created: int
    author: Author
    parent: str | None
    tags: list[str]
    scores: list[float]
    blocks: list[Union[Text, Image, ToolUse]]
    usage: Usage


class Page(msgspec.Struct):
    id: str
    model: str
    messages: list[Message]
    has_more: bool
    usage: Usage


class TextDelta(msgspec.Struct, tag="text_delta"):
    text: str


class JsonDelta(msgspec.Struct, tag="input_json_delta"):
    partial_json: str


class Delta(msgspec.Struct, tag="content_block_delta"):
    index: int
    delta: Union[TextDelta, JsonDelta]


class Stop(msgspec.Struct, tag="message_stop"):
    pass


Event = Union[Delta, Stop]
