"""The worked SDK against the service it was written for, as the loopback server plays it.

Every test of a call is run with both clients: the blocking one is used as if it were async, each
of its calls being made in a worker thread.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest
import trio

import messages_sdk
from messages_sdk import (
    AsyncMessagesClient,
    BatchCanceled,
    BatchErrored,
    BatchExpired,
    BatchSucceeded,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    MessagesClient,
    MissingKeyError,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ToolInputError,
    ToolUseBlock,
    error_type,
)
from messages_sdk.fake_api import (
    FAKE_KEY,
    MODEL_ASLEEP,
    MODEL_FROM_THE_FUTURE,
    FakeMessagesAPI,
    Mood,
    cut_after,
    ended_after,
    failing,
    overloaded,
    overloaded_after,
    paced,
    silent_after,
    throttled,
)
from trioclient import (
    APIError,
    APIResponseValidationError,
    APIStreamError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    UnknownVariant,
)
from trioclient.testing import LoopbackServer

MODEL = "claude-sonnet-4-5"
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "What is the weather like in Paris today?"}],
}
WEATHER: dict[str, Any] = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}
PATIENCE = 10.0  # seconds: against a hang, not a measure of anything


class Awaited:
    """A blocking object that is used as if it were async."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return partial(_Call, value) if callable(value) else _awaited(value)

    def __aiter__(self) -> Awaited:
        return Awaited(iter(self._inner))

    async def __anext__(self) -> Any:
        end = object()
        value = await _in_thread(next, self._inner, end)
        if value is end:
            raise StopAsyncIteration
        return _awaited(value)

    async def __aenter__(self) -> Any:
        return _awaited(await _in_thread(self._inner.__enter__))

    async def __aexit__(self, *reason: Any) -> None:
        await _in_thread(self._inner.__exit__, *reason)


class _Call:
    """A blocking call, to be awaited, entered or iterated over."""

    def __init__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._call = partial(call, *args, **kwargs)

    def __await__(self) -> Any:
        return self._made().__await__()

    async def __aenter__(self) -> Any:
        self._entered = Awaited(await _in_thread(self._call))
        return await self._entered.__aenter__()

    async def __aexit__(self, *reason: Any) -> None:
        await self._entered.__aexit__(*reason)

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for value in await self._made():
            yield value

    async def _made(self) -> Any:
        return _awaited(await _in_thread(self._call))


def _awaited(value: Any) -> Any:
    """Answers are themselves; what can be asked for more is wrapped."""
    is_active = any(hasattr(value, name) for name in ("__enter__", "__next__", "iter_pages", "async_class"))
    return Awaited(value) if is_active else value


async def _in_thread(call: Callable[..., Any], *args: Any) -> Any:
    return await trio.to_thread.run_sync(partial(call, *args))


class Stage:
    """The service, and clients of one kind."""

    def __init__(self, face: str, server: LoopbackServer) -> None:
        self._face = face
        self.server = server
        self.client_name = "MessagesClient" if face == "blocking" else "AsyncMessagesClient"

    def play(self, **arguments: Any) -> FakeMessagesAPI:
        fake = FakeMessagesAPI(**arguments)
        fake.serve(self.server)
        return fake

    @asynccontextmanager
    async def client(self, **arguments: Any) -> AsyncIterator[Any]:
        arguments = {"api_key": FAKE_KEY, "base_url": self.server.url, **arguments}
        with trio.fail_after(PATIENCE):
            if self._face == "async":
                async with AsyncMessagesClient(**arguments) as client:
                    yield client
            elif self._face == "async over httpx":
                async with httpx.AsyncClient(trust_env=False, verify=False) as carrier:
                    async with AsyncMessagesClient(http_client=carrier, **arguments) as client:
                        yield client
            else:
                with MessagesClient(**arguments) as client:
                    try:
                        yield Awaited(client)
                    finally:
                        await _in_thread(client.close)


@pytest.fixture(params=["async", "blocking", "async over httpx"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with LoopbackServer() as server:
        yield Stage(request.param, server)


@pytest.fixture
async def fake(stage: Stage) -> FakeMessagesAPI:
    return stage.play()


# Messages


async def test_a_message(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        message = await client.messages.create(**ASK)
    assert isinstance(message.content[0], TextBlock)
    assert "Paris" in message.text
    assert (message.role, message.model, message.stop_reason) == ("assistant", MODEL, "end_turn")
    assert message.usage.input_tokens > 10 < message.usage.output_tokens
    [request] = stage.server.requests
    assert (request.method, request.target, request.json()) == ("POST", "/v1/messages", ASK)
    sent = {name: request.header(name) for name in ("x-api-key", "anthropic-version", "user-agent")}
    assert sent == {
        "x-api-key": FAKE_KEY,
        "anthropic-version": "2023-06-01",
        "user-agent": f"{stage.client_name}/Python 0.1.0",
    }


async def test_the_same_message_as_a_stream(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        message = await client.messages.create(**ASK)
        async with await client.messages.create(**ASK, stream=True) as stream:
            events = [event async for event in stream]
    kinds = [type(event).__name__.removesuffix("Event") for event in events]
    assert kinds[:2] == ["MessageStart", "ContentBlockStart"]
    assert kinds[-3:] == ["ContentBlockStop", "MessageDelta", "MessageStop"]
    assert set(kinds[2:-3]) == {"ContentBlockDelta"}
    assert "".join(event.delta.text for event in events[2:-3]) == message.text
    assert stage.server.requests[-1].json() == {**ASK, "stream": True}


async def test_a_message_that_is_watched(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        whole = await client.messages.create(**ASK)
        async with client.messages.stream(**ASK) as stream:
            texts = [text async for text in stream.text_stream]
            message = await stream.get_final_message()
            assert await stream.get_final_text() == whole.text == "".join(texts)
            assert stream.request_id == "req_fake_000003"
    assert len(texts) > 10
    assert message.id != whole.id
    assert msgspec.structs.replace(message, id=whole.id) == whole


async def test_the_snapshot_grows_with_the_iteration(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        async with client.messages.stream(**ASK) as stream:
            texts = [""]
            async for event in stream:
                if isinstance(event, ContentBlockDeltaEvent) and isinstance(event.delta, TextDelta):
                    texts.append(texts[-1] + event.delta.text)
                    assert stream.current_snapshot.text == texts[-1]
            assert stream.current_snapshot == await stream.get_final_message()


async def test_the_final_message_without_any_iteration(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        async with client.messages.stream(**ASK) as stream:
            assert "Paris" in await stream.get_final_text()


async def test_thoughts_and_tools(stage: Stage, fake: FakeMessagesAPI) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    ask = {**ASK, "thinking": thinking, "tools": [WEATHER], "tool_choice": {"type": "tool", "name": "weather"}}
    async with stage.client() as client:
        whole = await client.messages.create(**ask)
        async with client.messages.stream(**ask) as stream:
            message = await stream.get_final_message()
        assert message.content == whole.content
        thought, text, use = message.content
        assert isinstance(thought, ThinkingBlock)
        assert thought.signature
        assert isinstance(text, TextBlock)
        assert isinstance(use, ToolUseBlock)
        assert (use.name, use.input) == ("weather", {"city": "Paris", "days": 8})
        assert message.stop_reason == "tool_use"
        # The conversation goes on with what the tool said.
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "fair and dry"}
        turns = [*ASK["messages"], message.to_param(), {"role": "user", "content": [result]}]
        answer = await client.messages.create(**{**ask, "messages": turns})
    assert "fair and dry" in answer.text
    assert stage.server.requests[-1].json()["messages"][1]["content"] == [
        {"type": "thinking", "thinking": thought.thinking, "signature": thought.signature},
        {"type": "text", "text": text.text},
        {"type": "tool_use", "id": use.id, "name": "weather", "input": use.input},
    ]


async def test_the_input_of_a_tool_that_was_cut_off(stage: Stage, fake: FakeMessagesAPI) -> None:
    ask = {**ASK, "tools": [WEATHER], "max_tokens": 12}
    async with stage.client() as client:
        async with client.messages.stream(**ask) as stream:
            with pytest.raises(ToolInputError) as caught:
                await stream.get_final_message()
    assert caught.value.final_message.stop_reason == "max_tokens"
    assert str(caught.value.body).startswith('{"city"')


async def test_what_ends_a_message(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        short = await client.messages.create(**{**ASK, "max_tokens": 3})
        stopped = await client.messages.create(**ASK, stop_sequences=["never", "Paris"])
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 3)
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "Paris")
    assert "Paris" not in stopped.text


async def test_what_is_newer_than_the_package(stage: Stage, fake: FakeMessagesAPI) -> None:
    ask = {**ASK, "model": MODEL_FROM_THE_FUTURE}
    hologram = UnknownVariant(tag="hologram", data={"type": "hologram", "shape": "sphere", "radius": 1.5})
    async with stage.client() as client:
        message = await client.messages.create(**ask)
        assert message.content[0] == hologram
        async with client.messages.stream(**ask) as stream:
            events = [event async for event in stream]
            assert (await stream.get_final_message()).content == message.content
        # It is part of the conversation all the same.
        turns = [*ASK["messages"], message.to_param(), {"role": "user", "content": "And tomorrow?"}]
        await client.messages.create(**{**ask, "messages": turns})
    assert events[1] == UnknownVariant(tag="weather_changed", data={"type": "weather_changed", "weather": "fair"})
    assert isinstance(events[2], ContentBlockStartEvent)
    assert events[2].content_block == hologram
    assert isinstance(events[3], ContentBlockDeltaEvent)
    assert events[3].delta == UnknownVariant(tag="colour_delta", data={"type": "colour_delta", "colour": "blue"})
    assert stage.server.requests[-1].json()["messages"][1]["content"][0] == hologram.data


async def test_what_the_package_does_not_know_can_be_sent(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        with pytest.raises(BadRequestError, match="unknown field `colour`"):
            await client.messages.create(**ASK, options={"extra_json": {"colour": "blue"}})


async def test_tokens_are_counted(stage: Stage, fake: FakeMessagesAPI) -> None:
    counted = {name: value for name, value in ASK.items() if name != "max_tokens"}
    async with stage.client() as client:
        count = await client.messages.count_tokens(**counted, system="Be brief.")
        message = await client.messages.create(**ASK, system="Be brief.")
    assert count.input_tokens == message.usage.input_tokens


# Streams that go wrong


async def test_an_overload_in_mid_stream(stage: Stage, fake: FakeMessagesAPI) -> None:
    fake.next(overloaded_after(6))
    async with stage.client() as client:
        async with client.messages.stream(**ASK) as stream:
            with pytest.raises(InternalServerError) as caught:
                await stream.get_final_message()
            # What came before is there, and not taken for a message.
            assert stream.current_snapshot.text
            assert stream.current_snapshot.stop_reason is None
        assert (caught.value.status_code, error_type(caught.value)) == (529, "overloaded_error")
        assert caught.value.request_id == "req_fake_000001"
        # It is not begun anew by itself: part of it was seen already.
        assert stage.server.request_count == 1
        await client.messages.create(**ASK)


@pytest.mark.parametrize("mood", [cut_after(0), cut_after(1), cut_after(6), ended_after(1), ended_after(6)])
async def test_a_stream_that_is_cut_short_is_no_message(stage: Stage, fake: FakeMessagesAPI, mood: Mood) -> None:
    fake.next(mood)
    async with stage.client() as client:
        async with client.messages.stream(**ASK) as stream:
            with pytest.raises(APIStreamError):
                await stream.get_final_message()
        await client.messages.create(**ASK)


async def test_a_stream_that_falls_silent(stage: Stage, fake: FakeMessagesAPI) -> None:
    fake.next(silent_after(5))
    async with stage.client() as client:
        async with client.messages.stream(**ASK, options={"idle_timeout": 0.05}) as stream:
            with pytest.raises(APIStreamError):
                await stream.get_final_message()
            assert stream.current_snapshot.text
        await client.messages.create(**ASK)
    await stage.server.wait_idle()


async def test_a_slow_stream_is_no_silent_one(stage: Stage, fake: FakeMessagesAPI) -> None:
    fake.next(paced(0.001))
    async with stage.client() as client:
        async with client.messages.stream(**ASK, options={"idle_timeout": 5}) as stream:
            assert "Paris" in await stream.get_final_text()


async def test_a_stream_that_is_left(stage: Stage, fake: FakeMessagesAPI) -> None:
    fake.next(silent_after(8))
    async with stage.client() as client:
        async with client.messages.stream(**ASK) as stream:
            async for _ in stream.text_stream:
                break
        await stage.server.wait_idle()
        await client.messages.create(**ASK)


# Errors


@pytest.mark.parametrize(
    ("ask", "kind", "named"),
    [
        ({"max_tokens": 0}, BadRequestError, "invalid_request_error"),
        ({"messages": []}, BadRequestError, "invalid_request_error"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, BadRequestError, "invalid_request_error"),
        ({"model": "gpt"}, NotFoundError, "not_found_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_requests_that_are_refused(
    stage: Stage, fake: FakeMessagesAPI, ask: dict[str, Any], kind: type[APIError], named: str, stream: bool
) -> None:
    async with stage.client() as client:
        with pytest.raises(kind) as caught:
            await client.messages.create(**{**ASK, **ask}, stream=stream)
    assert error_type(caught.value) == named
    assert caught.value.request_id == "req_fake_000001"


@pytest.mark.parametrize(
    ("mood", "kind", "status", "named"),
    [
        (throttled(100.0), RateLimitError, 429, "rate_limit_error"),
        (overloaded(), InternalServerError, 529, "overloaded_error"),
        (failing(), InternalServerError, 500, "api_error"),
    ],
)
async def test_a_service_out_of_order(
    stage: Stage, fake: FakeMessagesAPI, mood: Mood, kind: type[APIError], status: int, named: str
) -> None:
    fake.next(mood)
    async with stage.client(max_retries=0) as client:
        with pytest.raises(kind) as caught:
            await client.messages.create(**ASK)
    assert isinstance(caught.value, (RateLimitError, InternalServerError))
    assert (caught.value.status_code, error_type(caught.value)) == (status, named)
    assert (caught.value.retry_at is not None) == (status == 429)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_moody_service_is_asked_again(stage: Stage, fake: FakeMessagesAPI, stream: bool) -> None:
    fake.next(throttled(0.01), overloaded())
    async with stage.client() as client:
        if stream:
            async with client.messages.stream(**ASK) as growing:
                text = await growing.get_final_text()
        else:
            text = (await client.messages.create(**ASK)).text
    assert "Paris" in text
    assert [request.status for request in stage.server.requests] == [429, 529, 200]
    assert len({request.header("idempotency-key") for request in stage.server.requests}) == 1


async def test_who_asks_too_often_is_told_when_to_come_back(stage: Stage) -> None:
    stage.play(requests_per_minute=1)
    async with stage.client(max_retries=0) as client:
        await client.messages.create(**ASK)
        with pytest.raises(RateLimitError) as caught:
            await client.messages.create(**ASK)
    response = caught.value.response
    assert response is not None
    assert caught.value.retry_at is not None
    assert response.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert response.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_an_error_of_another_origin_has_no_type() -> None:
    assert error_type(APIError("no")) is None
    assert error_type(APIError("no", body={"error": "no"})) is None
    assert error_type(APIError("no", body={"error": {"type": 3}})) is None


# Models


async def test_models_in_pages(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        every = [model.id async for model in client.models.list()]
        assert MODEL in every
        assert [model.id async for model in client.models.list(limit=2)] == every
        first = await client.models.list(limit=2)
        second = await first.get_next_page()
        assert [first.has_more, second.first_id, second.data[0].id] == [True, every[2], every[2]]
        assert [model.id async for model in client.models.list(after_id=every[0], limit=1)] == every[1:]
    asked = [dict(parse_qsl(request.query)) for request in stage.server.requests]
    limit = {"limit": "2"}
    assert asked[:4] == [{}, limit, {**limit, "after_id": every[1]}, {**limit, "after_id": every[3]}]


async def test_models_backwards(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        every = [model.id async for model in client.models.list()]
        pages = [page.data async for page in (await client.models.list(before_id=every[-1], limit=2)).iter_pages()]
    assert [[model.id for model in page] for page in pages] == [every[2:4], every[0:2]]


async def test_one_model(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        model = await client.models.retrieve(MODEL)
        assert (model.id, model.display_name, model.created_at.year) == (MODEL, "Claude Sonnet 4.5", 2025)
        with pytest.raises(NotFoundError):
            await client.models.retrieve("a/b")
    assert stage.server.requests[-1].path == "/v1/models/a%2Fb"


# Files

CONTENT = bytes(range(256)) * 1000 + b"\r\n--\r\n\r\n"


def _as_bytes(path: Path) -> Any:
    return ("data.bin", path.read_bytes())


def _as_path(path: Path) -> Any:
    return path


def _as_open_file(path: Path) -> Any:
    return ("data.bin", io.BytesIO(path.read_bytes()), "application/octet-stream")


@pytest.mark.parametrize("form", [_as_bytes, _as_path, _as_open_file])
async def test_a_file_comes_back_byte_for_byte(
    stage: Stage, fake: FakeMessagesAPI, tmp_path: Path, form: Callable[[Path], Any]
) -> None:
    source, target = tmp_path / "data.bin", tmp_path / "copy.bin"
    source.write_bytes(CONTENT)
    sent: list[tuple[int, int | None]] = []
    written: list[tuple[int, int | None]] = []
    async with stage.client() as client:
        file = await client.files.upload(
            form(source), options={"upload_progress": lambda done, total: sent.append((done, total))}
        )
        assert (file.filename, file.size_bytes) == ("data.bin", len(CONTENT))
        assert file.mime_type == "application/octet-stream"
        assert await client.files.retrieve_metadata(file.id) == file
        assert await client.files.download(file.id) == CONTENT
        await client.files.download_to(file.id, target, progress=lambda done, total: written.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert sent[-1][0] == sent[-1][1] > len(CONTENT)
    assert written[-1][0] == len(CONTENT)
    assert {request.header("anthropic-beta") for request in stage.server.requests} == {"files-api-2025-04-14"}


async def test_the_files_there_are(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        names = [f"{number}.txt" for number in range(5)]
        for name in names:
            await client.files.upload((name, name.encode(), "text/plain"), expires_in_seconds=3600)
        files = [file async for file in client.files.list(limit=2)]
        assert [file.filename for file in files] == names
        assert {file.mime_type for file in files} == {"text/plain"}
        assert {(file.expires_at - file.created_at).total_seconds() for file in files} == {3600}
        assert (await client.files.delete(files[0].id)).id == files[0].id
        assert len([file async for file in client.files.list()]) == 4
        with pytest.raises(NotFoundError):
            await client.files.download(files[0].id)


async def test_a_download_that_fails_leaves_nothing(stage: Stage, fake: FakeMessagesAPI, tmp_path: Path) -> None:
    async with stage.client() as client:
        with pytest.raises(NotFoundError) as caught:
            await client.files.download_to("file_nowhere", tmp_path / "copy.bin")
    assert error_type(caught.value) == "not_found_error"
    assert os.listdir(tmp_path) == []


# Batches

BATCH: list[dict[str, Any]] = [
    {"custom_id": "good", "params": ASK},
    {"custom_id": "bad", "params": {**ASK, "max_tokens": 0}},
    {"custom_id": "asleep", "params": {**ASK, "model": MODEL_ASLEEP}},
]


async def ended(client: Any, batch_id: str) -> Any:
    while (batch := await client.messages.batches.retrieve(batch_id)).processing_status != "ended":
        pass
    return batch


async def test_a_batch(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        batch = await client.messages.batches.create(BATCH)
        assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 3)
        with pytest.raises(BadRequestError):
            await client.messages.batches.results(batch.id)
        batch = await ended(client, batch.id)
        assert (batch.request_counts.succeeded, batch.request_counts.errored, batch.request_counts.expired) == (1, 1, 1)
        async with await client.messages.batches.results(batch.id) as stream:
            results = {each.custom_id: each.result async for each in stream}
        assert set(results) == {"good", "bad", "asleep"}
        assert isinstance(results["good"], BatchSucceeded)
        assert "Paris" in results["good"].message.text
        assert isinstance(results["bad"], BatchErrored)
        assert results["bad"].error.error.type == "invalid_request_error"
        assert isinstance(results["asleep"], BatchExpired)
        assert (await client.messages.batches.delete(batch.id)).id == batch.id
        with pytest.raises(NotFoundError):
            await client.messages.batches.retrieve(batch.id)


async def test_a_batch_that_is_cancelled(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        batch = await client.messages.batches.create(BATCH)
        assert (await client.messages.batches.cancel(batch.id)).processing_status == "canceling"
        await ended(client, batch.id)
        async with await client.messages.batches.results(batch.id) as stream:
            results = [each.result async for each in stream]
    assert [type(result) for result in results] == [BatchCanceled, BatchCanceled, BatchSucceeded]


async def test_the_batches_there_are(stage: Stage, fake: FakeMessagesAPI) -> None:
    async with stage.client() as client:
        ids = [(await client.messages.batches.create(BATCH[:1])).id for _ in range(5)]
        assert [batch.id async for batch in client.messages.batches.list(limit=2)] == ids[::-1]


# The client


async def test_the_key_and_the_place_come_from_the_environment(
    stage: Stage, fake: FakeMessagesAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", FAKE_KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", stage.server.url)
    async with stage.client(api_key=None, base_url=None) as client:
        await client.models.retrieve(MODEL)
    # An argument goes before.
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/")
    async with stage.client() as client:
        await client.models.retrieve(MODEL)


@pytest.mark.parametrize("make", [AsyncMessagesClient, MessagesClient])
@pytest.mark.parametrize("held", [None, "", "  "])
def test_without_a_key_there_is_no_client(
    make: Callable[[], object], held: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    if held is not None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", held)
    with pytest.raises(MissingKeyError, match=r"api_key.*ANTHROPIC_API_KEY"):
        make()


async def test_the_real_service_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    async with AsyncMessagesClient(api_key="k") as client:
        assert client.base_url == "https://api.anthropic.com/"


async def test_a_wrong_key_is_refused_and_nowhere_to_be_read(
    stage: Stage, fake: FakeMessagesAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with stage.client(api_key="s3cr3t-key") as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.messages.create(**ASK)
        shown = [repr(client._inner if isinstance(client, Awaited) else client)]
    assert error_type(caught.value) == "authentication_error"
    error = caught.value
    assert error.request is not None
    shown += [str(error), repr(error), repr(error.request.headers), *traceback.format_exception(error)]
    shown += [caplog.text, pickle.dumps(error).decode("latin-1")]
    assert not [text for text in shown if "s3cr3t" in text]


async def test_the_types_fit_what_comes(stage: Stage, fake: FakeMessagesAPI) -> None:
    ask = {**ASK, "thinking": {"type": "adaptive"}, "tools": [WEATHER]}
    async with stage.client(_strict_response_validation=True) as client:
        message = await client.messages.create(**ask)
        async with client.messages.stream(**ask) as stream:
            assert (await stream.get_final_message()).content == message.content
        assert await client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
        assert [model async for model in client.models.list(limit=2)]
        file = await client.files.upload(("a.txt", b"a", "text/plain"))
        assert [each async for each in client.files.list()] == [file]
        batch = await client.messages.batches.create(BATCH)
        await ended(client, batch.id)
        async with await client.messages.batches.results(batch.id) as results:
            assert len([each async for each in results]) == 3
        # And nothing else does.
        with pytest.raises(APIResponseValidationError):
            await client.messages.create(**{**ASK, "model": MODEL_FROM_THE_FUTURE})


async def test_options_of_a_copy_are_its_own(stage: Stage, fake: FakeMessagesAPI) -> None:
    fake.next(failing(), failing())
    async with stage.client() as client:
        hasty = client.with_options(max_retries=0)
        hasty = await hasty if isinstance(client, Awaited) else hasty
        with pytest.raises(InternalServerError):
            await hasty.messages.create(**ASK)
        await client.messages.create(**ASK)
    assert stage.server.request_count == 3


async def test_resources_go_with_a_fan_out(fake: FakeMessagesAPI, stage: Stage) -> None:
    prompts = [f"Tell me of the number {number}." for number in range(20)]
    async with AsyncMessagesClient(api_key=FAKE_KEY, base_url=stage.server.url) as client:

        async def ask(api: AsyncMessagesClient, prompt: str) -> str:
            turns: Any = [{"role": "user", "content": prompt}]
            return (await api.messages.create(model=MODEL, max_tokens=50, messages=turns)).text

        async with client.fan_out(ask, prompts, max_at_once=5, ordered=True) as run:
            texts = [outcome.unwrap() async for outcome in run]
    assert len(set(texts)) > 10
    assert stage.server.max_in_flight <= 5


def test_every_public_name_is_there() -> None:
    assert not [name for name in messages_sdk.__all__ if not hasattr(messages_sdk, name)]
    assert sorted(messages_sdk.__all__) == messages_sdk.__all__
