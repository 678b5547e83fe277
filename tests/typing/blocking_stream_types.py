"""What a type checker makes of streams and of answers in blocking code; read by pyright, never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from typing_extensions import assert_type

import msgspec

from trioclient import (
    APIResponse,
    AsyncAPIClient,
    AsyncAPIResponse,
    AsyncStream,
    BlockingResource,
    ServerSentEvent,
    Stream,
    SyncAPIClient,
    blocking,
)


class Delta(msgspec.Struct):
    text: str


class Deltas(Stream[Delta]):
    def text(self) -> str:
        return "".join(delta.text for delta in self)


def a_call_gives_a_value_or_a_stream(client: SyncAPIClient, either: bool) -> None:
    assert_type(client.get("/a", cast_to=Delta), Delta)
    assert_type(client.get("/a"), Any)
    assert_type(client.get("/a", cast_to=Delta, stream=False), Delta)
    assert_type(client.get("/a", cast_to=Delta, stream=True), Stream[Delta])
    assert_type(client.get("/a", stream=True), Stream[Any])
    assert_type(client.post("/a", body={}, cast_to=Delta, stream=True), Stream[Delta])
    assert_type(client.request("PUT", "/a", cast_to=Delta, stream=True), Stream[Delta])
    assert_type(client.get("/a", cast_to=Delta, stream=True, stream_cls=Deltas), Deltas)
    assert_type(client.post("/a", stream=True, stream_cls=Deltas).text(), str)
    assert_type(client.post("/a", cast_to=Delta, stream=either, stream_cls=Deltas), Delta | Deltas)
    client.get("/a", stream=True, stream_cls=AsyncStream[Delta])  # pyright: ignore[reportCallIssue, reportArgumentType]
    client.get("/a", body={}, stream=True)  # pyright: ignore[reportCallIssue]
    client.put("/a", stream=True)  # pyright: ignore[reportCallIssue]


def a_stream_gives_values_and_events(client: SyncAPIClient) -> None:
    with client.get("/a", cast_to=Delta, stream=True) as stream:
        assert_type(stream, Stream[Delta])
        for delta in stream:
            assert_type(delta, Delta)
        assert_type(next(stream), Delta)
        assert_type(stream.events(), Iterator[ServerSentEvent])
        assert_type(stream.response, APIResponse[Any])


def an_answer_knows_its_value(client: SyncAPIClient) -> None:
    raw = client.with_raw_response.post("/a", body={}, cast_to=Delta)
    assert_type(raw, APIResponse[Delta])
    assert_type(raw.parse(), Delta)
    assert_type(raw.parse(to=list[int]), list[int])
    assert_type(raw.read(), bytes)
    assert_type(raw.iter_lines(), Iterator[str])
    assert_type(client.with_raw_response.request("PUT", "/a").parse(), Any)
    with client.with_streaming_response.get("/a", cast_to=Delta) as unread:
        assert_type(unread, APIResponse[Delta])
        assert_type(unread.iter_bytes(), Iterator[bytes])
    with client.with_streaming_response.delete("/a", body=1) as untyped:
        assert_type(untyped, APIResponse[Any])
    client.with_raw_response.get("/a", body={})  # pyright: ignore[reportCallIssue]


class AsyncMessages:
    def __init__(self, client: AsyncAPIClient) -> None: ...

    async def stream(self, *, prompt: str) -> AsyncStream[Delta]: ...

    async def raw(self, *, prompt: str) -> AsyncAPIResponse[Delta]: ...

    async def whole(self, *, prompt: str) -> Delta: ...

    async def anything(self, *, prompt: str) -> Any: ...

    async def create(self, *, prompt: str, stream: bool = False) -> Any: ...


class Messages(BlockingResource):
    async_class = AsyncMessages
    stream = blocking(AsyncMessages.stream)
    raw = blocking(AsyncMessages.raw)
    whole = blocking(AsyncMessages.whole)
    anything = blocking(AsyncMessages.anything)
    _create = blocking(AsyncMessages.create)

    @overload
    def create(self, *, prompt: str, stream: Literal[False] = False) -> Delta: ...
    @overload
    def create(self, *, prompt: str, stream: Literal[True]) -> Stream[Delta]: ...
    def create(self, *, prompt: str, stream: bool = False) -> Any:
        return self._create(prompt=prompt, stream=stream)


def a_twin_gives_twins(messages: Messages) -> None:
    assert_type(messages.stream(prompt="a"), Stream[Delta])
    assert_type(messages.raw(prompt="a"), APIResponse[Delta])
    assert_type(messages.whole(prompt="a"), Delta)
    assert_type(messages.anything(prompt="a"), Any)
    assert_type(messages.create(prompt="a"), Delta)
    assert_type(messages.create(prompt="a", stream=True), Stream[Delta])
    messages.stream(prompt=1)  # pyright: ignore[reportArgumentType]
