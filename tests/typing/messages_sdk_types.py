"""What a type checker makes of the worked SDK; read by pyright, never run.

`assert_type` tells ``Any`` from every other type, so each of these says that none comes out there.
A stale ``pyright: ignore`` is an error here, so that each of them says: this is found.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from messages_sdk import (
    AsyncCursorPage,
    AsyncIDPage,
    AsyncMessagesClient,
    AsyncMessageStream,
    BatchCanceled,
    BatchErrored,
    BatchExpired,
    BatchRequestParam,
    BatchResult,
    BatchSucceeded,
    BlockDelta,
    CharLocation,
    ContentBlock,
    ContentBlockDeltaEvent,
    ContentBlockLocation,
    ContentBlockStartEvent,
    ContentBlockStopEvent,
    DeletedFile,
    DeletedMessageBatch,
    FileMetadata,
    Message,
    MessageAccumulator,
    MessageBatch,
    MessageBatchIndividualResponse,
    MessageDeltaEvent,
    MessageParam,
    MessagesClient,
    MessageStartEvent,
    MessageStopEvent,
    MessageStream,
    MessageStreamEvent,
    MessageTokensCount,
    ModelInfo,
    PageLocation,
    RedactedThinkingBlock,
    SearchResultLocation,
    ServerToolUseBlock,
    SyncCursorPage,
    SyncIDPage,
    TextBlock,
    TextCitation,
    ThinkingBlock,
    ToolInputError,
    ToolParam,
    ToolUseBlock,
    Usage,
    WebSearchError,
    WebSearchResult,
    WebSearchResultBlock,
    WebSearchResultLocation,
    error_type,
)
from trioclient import APIError, AsyncPaginator, AsyncStream, Stream, UnknownVariant

if TYPE_CHECKING:
    from typing_extensions import assert_never, assert_type

TURNS: list[MessageParam] = [{"role": "user", "content": "Hello"}]


# The async client


async def messages(client: AsyncMessagesClient) -> None:
    whole = await client.messages.create(model="m", max_tokens=1, messages=TURNS)
    assert_type(whole, Message)
    assert_type(await client.messages.create(model="m", max_tokens=1, messages=TURNS, stream=False), Message)
    stream = await client.messages.create(model="m", max_tokens=1, messages=TURNS, stream=True)
    assert_type(stream, AsyncStream[MessageStreamEvent])
    async with stream as events:
        async for event in events:
            assert_type(event, MessageStreamEvent)
    assert_type(await client.messages.count_tokens(model="m", messages=TURNS), MessageTokensCount)


async def watched_messages(client: AsyncMessagesClient) -> None:
    async with client.messages.stream(model="m", max_tokens=1, messages=TURNS, system="Be brief.") as stream:
        assert_type(stream, AsyncMessageStream)
        assert_type(stream.text_stream, AsyncIterator[str])
        assert_type(stream.current_snapshot, Message)
        assert_type(stream.request_id, str | None)
        assert_type(await stream.get_final_message(), Message)
        assert_type(await stream.get_final_text(), str)
        async for event in stream:
            assert_type(event, MessageStreamEvent)


async def lists(client: AsyncMessagesClient) -> None:
    models = client.models.list(limit=2)
    assert_type(models, AsyncPaginator[ModelInfo, AsyncIDPage[ModelInfo]])
    async for model in models:
        assert_type(model, ModelInfo)
    page = await models
    assert_type(page, AsyncIDPage[ModelInfo])
    assert_type(page.data, list[ModelInfo])
    assert_type(await page.get_next_page(), AsyncIDPage[ModelInfo])
    async for each in models.iter_pages():
        assert_type(each, AsyncIDPage[ModelInfo])
    assert_type(await client.files.list(), AsyncCursorPage[FileMetadata])
    assert_type(await client.messages.batches.list(), AsyncIDPage[MessageBatch])
    assert_type(await client.models.retrieve("m"), ModelInfo)


async def files(client: AsyncMessagesClient, path: Path) -> None:
    assert_type(await client.files.upload(path), FileMetadata)
    assert_type(await client.files.upload(("a.txt", b"a", "text/plain"), expires_in_seconds=3600), FileMetadata)
    with path.open("rb") as file:
        assert_type(await client.files.upload(file), FileMetadata)
    assert_type(await client.files.retrieve_metadata("f"), FileMetadata)
    assert_type(await client.files.delete("f"), DeletedFile)
    assert_type(await client.files.download("f"), bytes)
    assert_type(await client.files.download_to("f", path), None)


async def batches(client: AsyncMessagesClient, requests: list[BatchRequestParam]) -> None:
    batch = await client.messages.batches.create(requests)
    assert_type(batch, MessageBatch)
    assert_type(batch.ended_at, datetime.datetime | None)
    assert_type(await client.messages.batches.retrieve("b"), MessageBatch)
    assert_type(await client.messages.batches.cancel("b"), MessageBatch)
    assert_type(await client.messages.batches.delete("b"), DeletedMessageBatch)
    async with await client.messages.batches.results("b") as results:
        async for each in results:
            assert_type(each, MessageBatchIndividualResponse)


async def a_client_stays_one(client: AsyncMessagesClient) -> None:
    assert_type(client.with_options(max_retries=0), AsyncMessagesClient)
    async with client as entered:
        assert_type(entered, AsyncMessagesClient)


# The blocking client


def blocking_messages(client: MessagesClient) -> None:
    assert_type(client.messages.create(model="m", max_tokens=1, messages=TURNS), Message)
    assert_type(client.messages.create(model="m", max_tokens=1, messages=TURNS, stream=False), Message)
    stream = client.messages.create(model="m", max_tokens=1, messages=TURNS, stream=True)
    assert_type(stream, Stream[MessageStreamEvent])
    with stream as events:
        for event in events:
            assert_type(event, MessageStreamEvent)
    assert_type(client.messages.count_tokens(model="m", messages=TURNS), MessageTokensCount)


def blocking_watched_messages(client: MessagesClient) -> None:
    with client.messages.stream(model="m", max_tokens=1, messages=TURNS) as stream:
        assert_type(stream, MessageStream)
        assert_type(stream.text_stream, Iterator[str])
        assert_type(stream.current_snapshot, Message)
        assert_type(stream.request_id, str | None)
        assert_type(stream.get_final_message(), Message)
        assert_type(stream.get_final_text(), str)
        for event in stream:
            assert_type(event, MessageStreamEvent)


def blocking_lists(client: MessagesClient) -> None:
    page = client.models.list(limit=2)
    assert_type(page, SyncIDPage[ModelInfo])
    for model in page:
        assert_type(model, ModelInfo)
    assert_type(page.data, list[ModelInfo])
    assert_type(page.get_next_page(), SyncIDPage[ModelInfo])
    assert_type(client.files.list(), SyncCursorPage[FileMetadata])
    assert_type(client.messages.batches.list(), SyncIDPage[MessageBatch])
    assert_type(client.models.retrieve("m"), ModelInfo)


def blocking_files(client: MessagesClient, path: Path) -> None:
    assert_type(client.files.upload(path), FileMetadata)
    assert_type(client.files.retrieve_metadata("f"), FileMetadata)
    assert_type(client.files.delete("f"), DeletedFile)
    assert_type(client.files.download("f"), bytes)
    assert_type(client.files.download_to("f", path), None)


def blocking_batches(client: MessagesClient, requests: list[BatchRequestParam]) -> None:
    assert_type(client.messages.batches.create(requests), MessageBatch)
    assert_type(client.messages.batches.retrieve("b"), MessageBatch)
    assert_type(client.messages.batches.cancel("b"), MessageBatch)
    assert_type(client.messages.batches.delete("b"), DeletedMessageBatch)
    with client.messages.batches.results("b") as results:
        for each in results:
            assert_type(each, MessageBatchIndividualResponse)


def a_blocking_client_stays_one(client: MessagesClient) -> None:
    assert_type(client.with_options(max_retries=0), MessagesClient)
    with client as entered:
        assert_type(entered, MessagesClient)


# Values. Each function is wrong as soon as a case is missing, or one too many.


def blocks(block: ContentBlock) -> str:
    match block:
        case TextBlock():
            return assert_type(block.text, str)
        case ThinkingBlock():
            return assert_type(block.thinking, str)
        case RedactedThinkingBlock():
            return assert_type(block.data, str)
        case ToolUseBlock() | ServerToolUseBlock():
            assert_type(block.input, dict[str, object])
            return assert_type(block.name, str)
        case WebSearchResultBlock():
            assert_type(block.content, list[WebSearchResult] | WebSearchError)
            return block.tool_use_id
        case UnknownVariant():
            assert_type(block.tag, str | int | None)
            return str(block.tag)
        case _:
            assert_never(block)


def events(event: MessageStreamEvent) -> None:
    match event:
        case MessageStartEvent():
            assert_type(event.message, Message)
        case ContentBlockStartEvent():
            assert_type(event.content_block, ContentBlock)
        case ContentBlockDeltaEvent():
            assert_type(event.delta, BlockDelta)
        case ContentBlockStopEvent():
            assert_type(event.index, int)
        case MessageDeltaEvent():
            assert_type(event.usage.output_tokens, int | None)
        case MessageStopEvent() | UnknownVariant():
            pass
        case _:
            assert_never(event)


def results(result: BatchResult) -> None:
    match result:
        case BatchSucceeded():
            assert_type(result.message, Message)
        case BatchErrored():
            assert_type(result.error.error.message, str)
        case BatchCanceled() | BatchExpired() | UnknownVariant():
            pass
        case _:
            assert_never(result)


def citations(citation: TextCitation) -> None:
    match citation:
        case CharLocation() | PageLocation() | ContentBlockLocation():
            assert_type(citation.document_title, str | None)
        case WebSearchResultLocation():
            assert_type(citation.url, str)
        case SearchResultLocation():
            assert_type(citation.source, str)
        case UnknownVariant():
            pass
        case _:
            assert_never(citation)


def a_message(message: Message, accumulator: MessageAccumulator, error: APIError) -> None:
    assert_type(message.content, list[ContentBlock])
    assert_type(message.role, Literal["assistant"])
    assert_type(message.usage, Usage)
    assert_type(message.text, str)
    assert_type(message.to_param(), MessageParam)
    assert_type(accumulator.snapshot, Message)
    assert_type(accumulator.final_message(), Message)
    assert_type(error_type(error), str | None)
    if isinstance(error, ToolInputError):
        assert_type(error.final_message, Message)


# What is sent


def what_fits(client: MessagesClient) -> None:
    tool: ToolParam = {"name": "weather", "input_schema": {"type": "object"}}
    client.messages.create(
        model="m",
        max_tokens=1,
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Look"}]},
            {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]},
        ],
        tools=[tool],
        tool_choice={"type": "tool", "name": "weather"},
        thinking={"type": "enabled", "budget_tokens": 1024},
        options={"timeout": 3, "extra_json": {"new": True}},
    )


def what_does_not_fit_is_found(client: MessagesClient) -> None:
    client.messages.create(model="m", messages=TURNS)  # pyright: ignore[reportCallIssue]
    client.messages.create(model="m", max_tokens="1", messages=TURNS)  # pyright: ignore[reportArgumentType]
    client.messages.create(model="m", max_tokens=1, messages=TURNS, colour=1)  # pyright: ignore[reportCallIssue]
    client.messages.count_tokens(model="m", max_tokens=1, messages=TURNS)  # pyright: ignore[reportCallIssue]
    client.messages.batches.create([{"custom_id": "a"}])  # pyright: ignore[reportArgumentType]
    client.files.upload("data.txt")  # pyright: ignore[reportArgumentType]
