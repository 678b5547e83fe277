"""The types of `shapes`, as the Anthropic SDK wants them: models of its own, unions told apart by `type`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

import shapes
from anthropic import BaseModel
from anthropic._models import UnionDiscriminator


class Usage(BaseModel):
    input: int
    output: int


class Reply(BaseModel):
    id: str
    created: int
    model: str
    text: str
    scores: list[float]
    usage: Usage
    done: bool


class Author(BaseModel):
    id: str
    name: str
    email: str | None


class Text(BaseModel):
    type: Literal["text"]
    text: str


class Image(BaseModel):
    type: Literal["image"]
    url: str
    width: int
    height: int


class ToolUse(BaseModel):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


class Message(BaseModel):
    id: str
    created: int
    author: Author
    parent: str | None
    tags: list[str]
    scores: list[float]
    blocks: list[Annotated[Union[Text, Image, ToolUse], UnionDiscriminator("type")]]
    usage: Usage


class Page(BaseModel):
    id: str
    model: str
    messages: list[Message]
    has_more: bool
    usage: Usage


class TextDelta(BaseModel):
    type: Literal["text_delta"]
    text: str


class JsonDelta(BaseModel):
    type: Literal["input_json_delta"]
    partial_json: str


class Delta(BaseModel):
    type: Literal["content_block_delta"]
    index: int
    delta: Annotated[Union[TextDelta, JsonDelta], UnionDiscriminator("type")]


class Stop(BaseModel):
    type: Literal["message_stop"]


Event = Annotated[Union[Delta, Stop], UnionDiscriminator("type")]

MODELS: dict[Any, type[BaseModel]] = {shapes.Reply: Reply, shapes.Page: Page}
"""The model for each of the types that an answer is decoded to."""
