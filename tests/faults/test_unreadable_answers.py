"""Whole answers with a body, or a header, that makes no sense."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest

from trioclient import (
    APIResponseValidationError,
    BadRequestError,
    InternalServerError,
    LimitExceeded,
    Limits,
    RateLimitError,
)
from trioclient.testing import reply

JSON = {"Content-Type": "application/json"}
UTC = datetime.timezone.utc

NOT_JSON = {
    "bad UTF-8": b'{"name": "\xff\xfe"}',
    "half a character": b'{"name": "\xc3"}',
    "an encoded surrogate": b'{"name": "\xed\xa0\x80"}',
    "a lone surrogate": rb'{"name": "\ud800"}',
    "NaN": b'{"number": NaN}',
    "Infinity": b"[Infinity, -Infinity]",
    "cut short": b'{"name": "x',
    "two values": b"{} {}",
    "HTML": b"<html>It works!</html>",
    "a NUL": b"\0",
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a comment": b"/* hello */ {}",
}


class Named(msgspec.Struct):
    name: str


@pytest.mark.parametrize("strict", [True, False])
async def test_no_json_under_a_json_content_type(stage: Any, strict: bool) -> None:
    async with stage(max_retries=2, _strict_response_validation=strict) as scene:
        for name, content in NOT_JSON.items():
            path = scene.route(name, reply(content=content, headers=JSON))
            error = await scene.fails("GET", path, APIResponseValidationError)
            assert (error.attempts, error.sent) == (1, "yes")
            assert error.response.content == content
            await scene.fails("GET", path, APIResponseValidationError, cast_to=Named)
        assert scene.server.request_count == 2 * len(NOT_JSON)


@pytest.mark.parametrize("content", [b"", b" \n "])
async def test_nothing_under_a_json_content_type(stage: Any, content: bytes) -> None:
    async with stage(max_retries=2) as scene:
        scene.server.route("GET", "/", reply(content=content, headers=JSON))
        assert await scene.call("GET", "/") is None
        assert (await scene.fails("GET", "/", APIResponseValidationError, cast_to=Named)).attempts == 1


@pytest.mark.parametrize("start", [b"[", b'{"a":', b'[{"a":'])
async def test_json_two_hundred_thousand_deep(stage: Any, start: bytes) -> None:
    bottomless = reply(content=start * 200_000, headers=JSON)
    async with stage(max_retries=2) as scene:
        scene.server.route("GET", "/", bottomless)
        for cast_to in (None, dict[str, Any], list[Any], Named):
            expected = {} if cast_to is None else {"cast_to": cast_to}
            error = await scene.fails("GET", "/", LimitExceeded, **expected)
            assert (error.limit, error.value, error.attempts) == ("max_json_depth", Limits().max_json_depth, 1)


async def test_deep_json_that_is_whole(stage: Any) -> None:
    depth = Limits().max_json_depth
    async with stage() as scene:
        scene.server.route("GET", "/fits", reply(content=b"[" * depth + b"]" * depth, headers=JSON))
        scene.server.route("GET", "/deeper", reply(content=b"[" * (depth + 1) + b"]" * (depth + 1), headers=JSON))
        assert isinstance(await scene.call("GET", "/fits"), list)
        await scene.fails("GET", "/deeper", LimitExceeded)


async def test_the_status_is_told_whatever_the_body(stage: Any) -> None:
    async with stage() as scene:
        for content in (*NOT_JSON.values(), b"[" * 200_000, b"[" * 30_000 + b"]" * 30_000):
            scene.server.route("GET", "/", reply(400, content=content, headers=JSON))
            error = await scene.fails("GET", "/", BadRequestError)
            assert len(str(error)) < 1000
            assert error.response.content == content[: Limits().max_error_body_bytes]


async def test_headers_of_any_bytes(stage: Any) -> None:
    async with stage() as scene:
        strange = {"X-Strange": "caf\xe9 \xff", "Request-Id": "\xe9", "Content-Type": "text/\xe9; charset=\xff"}
        scene.server.route("GET", "/", reply(400, content="no", headers=strange), reply(content="yes", headers=strange))
        error = await scene.fails("GET", "/", BadRequestError)
        assert "\xe9" in str(error)
        assert await scene.call("GET", "/", cast_to=str) == "yes"


async def test_an_unknown_charset(stage: Any) -> None:
    headers = {"Content-Type": "text/plain; charset=rot13"}
    async with stage() as scene:
        scene.server.route("GET", "/", reply(content=b"yes", headers=headers))
        assert await scene.call("GET", "/", cast_to=str) == "yes"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_a_day_is_not_waited_for(stage: Any, status: int) -> None:
    kind = RateLimitError if status == 429 else InternalServerError
    async with stage(max_retries=5) as scene:
        scene.server.route("GET", "/", reply(status, headers={"Retry-After": "86400"}))
        before = datetime.datetime.now(UTC)
        error = await scene.fails("GET", "/", kind)
        after = datetime.datetime.now(UTC)
        day = datetime.timedelta(days=1)
        slack = datetime.timedelta(seconds=1)
        assert before + day - slack <= error.retry_at <= after + day + slack
        assert (error.attempts, scene.server.request_count) == (1, 1)
        assert "retry at" in str(error)


JUNK = {
    "a date in year 99999": "Fri, 31 Dec 99999 23:59:59 GMT",
    "a date in year 0": "Fri, 31 Dec 0000 23:59:59 GMT",
    "a day that is none": "Mon, 32 Foo 2024 25:61:61 GMT",
    "a date without a zone": "Mon, 01 Jan 2024 00:00:00",
    "a date long past": "Mon, 01 Jan 1990 00:00:00 GMT",
    "a negative number": "-1",
    "NaN": "nan",
    "minus infinity": "-inf",
    "zero": "0",
    "words": "soon",
    "digits of another script": "\xb2",
    "hexadecimal": "0x10",
    "nothing": "",
}


async def test_a_senseless_retry_after_is_passed_over(stage: Any) -> None:
    async with stage(max_retries=1) as scene:
        for name, value in JUNK.items():
            path = scene.route(name, reply(429, headers={"Retry-After": value, "Retry-After-Ms": value}))
            error = await scene.fails("GET", path, RateLimitError)
            assert (name, error.attempts, error.retry_at) == (name, 2, None)


@pytest.mark.parametrize("value", ["9" * 5000, "1e400", "inf", "99999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_retry_after_beyond_all_measure(stage: Any, value: str) -> None:
    """Never a sleep, never another error than the server's own."""
    async with stage(max_retries=1) as scene:
        scene.server.route("GET", "/", reply(429, headers={"Retry-After": value}))
        await scene.fails("GET", "/", RateLimitError)


async def test_a_senseless_x_should_retry(stage: Any) -> None:
    async with stage(max_retries=1) as scene:
        scene.server.route("GET", "/", reply(503, headers={"X-Should-Retry": "perhaps"}))
        assert (await scene.fails("GET", "/", InternalServerError)).attempts == 2
        scene.server.route("GET", "/", reply(503, headers={"X-Should-Retry": "FALSE"}))
        assert (await scene.fails("GET", "/", InternalServerError)).attempts == 1
