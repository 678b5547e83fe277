"""The front of the fake service: who may come in, where to go, and how fast."""

from __future__ import annotations

import datetime
import itertools
import re
import time
from collections import deque
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from trioclient.testing import (
    BlockingLoopbackServer,
    LoopbackServer,
    RawReply,
    RecordedRequest,
    Reply,
    json_lines,
    reply,
)

from .batches import BatchStore
from .files import FileStore
from .listing import page_by_id
from .model import MODEL_FROM_THE_FUTURE, Answer, Ask, Json, Prompt, answer, count_tokens
from .moods import Mood
from .playback import message_body, stream_reply
from .refusals import Refusal

__all__ = ["FAKE_KEY", "MODEL_ASLEEP", "FakeMessagesAPI"]

FAKE_KEY = "fake-key-0000"
"""What the service takes for a key."""

MODEL_ASLEEP = "fake-asleep"
"""In a batch it never gets done, so that the request expires."""

_VERSION = "2023-06-01"
_FILES_BETA = "files-api-2025-04-14"

_MODELS = {
    "claude-opus-4-5": "Claude Opus 4.5",
    "claude-sonnet-4-5": "Claude Sonnet 4.5",
    "claude-haiku-4-5": "Claude Haiku 4.5",
    MODEL_FROM_THE_FUTURE: "Fake from the future",
    MODEL_ASLEEP: "Fake asleep",
}

T = TypeVar("T")


class FakeMessagesAPI:
    """Answers requests; to be given to a `LoopbackServer`.

    `pace` is the time in seconds between two pieces of a stream.
    """

    def __init__(self, *, api_key: str = FAKE_KEY, requests_per_minute: int = 4000, pace: float = 0.0) -> None:
        self._api_key = api_key
        self._pace = pace
        self._turnstile = _Turnstile(requests_per_minute)
        self._numbers = itertools.count(1)
        self._moods: deque[Mood] = deque()
        self._files = FileStore()
        self._batches = BatchStore(self._batched_message)

    def serve(self, server: LoopbackServer | BlockingLoopbackServer) -> None:
        """Answer whatever comes to the server."""
        server.route("*", "/*", self)

    def next(self, *moods: Mood) -> None:
        """Deal so with the next requests for a message, one each."""
        self._moods.extend(moods)

    def __call__(self, request: RecordedRequest) -> Reply | RawReply:
        headers = {"request-id": f"req_fake_{next(self._numbers):06}"}
        try:
            self._let_in(request)
            headers |= self._turnstile.headers()
            self._turnstile.enter()
            return self._answer(request, headers)
        except Refusal as refusal:
            return refusal.reply(headers)
        except msgspec.ValidationError as error:
            return Refusal("invalid_request_error", str(error)).reply(headers)
        except (msgspec.DecodeError, ValueError) as error:
            return Refusal("invalid_request_error", f"The request cannot be read: {error}").reply(headers)

    def _let_in(self, request: RecordedRequest) -> None:
        key = request.header("x-api-key")
        if key is None:
            raise Refusal("authentication_error", "x-api-key header is required")
        if key != self._api_key:
            raise Refusal("authentication_error", "invalid x-api-key")
        version = request.header("anthropic-version")
        if version is None:
            raise Refusal("invalid_request_error", "anthropic-version: header is required")
        if version != _VERSION:
            raise Refusal("invalid_request_error", f'anthropic-version: "{version}" is not a valid version')

    def _answer(self, request: RecordedRequest, headers: dict[str, str]) -> Reply | RawReply:
        query = dict(parse_qsl(request.query))
        place = request.path.removeprefix("/v1/").split("/")
        if place[0] == "files" and _FILES_BETA not in (request.header("anthropic-beta") or ""):
            raise Refusal("not_found_error", "Not Found")
        match request.method, place:
            case "POST", ["messages"]:
                return self._message(_read(request, Ask), headers)
            case "POST", ["messages", "count_tokens"]:
                found = {"input_tokens": count_tokens(_read(request, Prompt))}
            case "POST", ["messages", "batches"]:
                found = self._batches.create(request.body)
            case "GET", ["messages", "batches"]:
                found = self._batches.page(query)
            case "GET", ["messages", "batches", batch_id]:
                found = self._batches.retrieve(batch_id, f"http://{request.header('host')}")
            case "POST", ["messages", "batches", batch_id, "cancel"]:
                found = self._batches.cancel(batch_id)
            case "DELETE", ["messages", "batches", batch_id]:
                found = self._batches.delete(batch_id)
            case "GET", ["messages", "batches", batch_id, "results"]:
                headers |= {"content-type": "application/x-jsonl"}
                return json_lines(*self._batches.results(batch_id), headers=headers)
            case "GET", ["models"]:
                found = page_by_id([_model(model_id) for model_id in _MODELS], query)
            case "GET", ["models", model_id]:
                found = _model(model_id)
            case "POST", ["files"]:
                found = self._files.upload(request)
            case "GET", ["files"]:
                found = self._files.page(query)
            case "GET", ["files", file_id]:
                found = self._files.retrieve(file_id)
            case "DELETE", ["files", file_id]:
                found = self._files.delete(file_id)
            case "GET", ["files", file_id, "content"]:
                return self._files.content(file_id, headers)
            case _:
                raise Refusal("not_found_error", "Not Found")
        return reply(json=found, headers=headers)

    def _message(self, ask: Ask, headers: dict[str, str]) -> Reply | RawReply:
        mood = self._moods.popleft() if self._moods else Mood()
        if mood.refusal is not None:
            raise mood.refusal
        answered, message = self._answered(ask)
        if ask.stream:
            return stream_reply(message, answered, mood, headers, self._pace)
        return reply(json=message, headers=headers)

    def _answered(self, ask: Ask) -> tuple[Answer, Json]:
        _model(ask.model)
        if ask.messages[0].role != "user":
            raise Refusal("invalid_request_error", 'messages: first message must use the "user" role')
        answered = answer(ask)
        return answered, message_body(f"msg_fake_{next(self._numbers):06}", ask.model, answered)

    def _batched_message(self, params: bytes) -> Json | None:
        try:
            ask = msgspec.json.decode(params, type=Ask)
        except msgspec.ValidationError as error:
            raise Refusal("invalid_request_error", str(error)) from error
        return None if ask.model == MODEL_ASLEEP else self._answered(ask)[1]


class _Turnstile:
    """Lets so many requests through in any minute, and says how many more it would."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._passed: deque[float] = deque()

    def headers(self) -> dict[str, str]:
        now = time.monotonic()
        while self._passed and self._passed[0] <= now - 60:
            self._passed.popleft()
        wait = 60 - (now - self._passed[0]) if self._passed else 0.0
        reset = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=wait)
        return {
            "anthropic-ratelimit-requests-limit": str(self._per_minute),
            "anthropic-ratelimit-requests-remaining": str(max(self._per_minute - len(self._passed) - 1, 0)),
            "anthropic-ratelimit-requests-reset": f"{reset:%Y-%m-%dT%H:%M:%SZ}",
        }

    def enter(self) -> None:
        now = time.monotonic()
        if len(self._passed) >= self._per_minute:
            headers = {"retry-after": f"{60 - (now - self._passed[0]):.0f}"}
            raise Refusal("rate_limit_error", "This request would exceed your rate limit.", headers)
        self._passed.append(now)


def _read(request: RecordedRequest, kind: type[T]) -> T:
    if not re.match(r"application/json\b", request.header("content-type") or ""):
        raise Refusal("invalid_request_error", "Content-Type: must be application/json")
    return msgspec.json.decode(request.body, type=kind)


def _model(model_id: str) -> Json:
    if model_id not in _MODELS:
        raise Refusal("not_found_error", f"model: {model_id}")
    return {
        "id": model_id,
        "type": "model",
        "display_name": _MODELS[model_id],
        "created_at": "2025-09-29T00:00:00Z",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }
