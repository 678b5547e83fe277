"""What is not HTTP, or not quite: refused whole, never half understood."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from trioclient import (
    APIConnectionError,
    APIResponseValidationError,
    AuthenticationError,
    InternalServerError,
    RateLimitError,
)
from trioclient.testing import drop, raw, reply, truncate

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "both framings": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "both framings, the other way": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a list of lengths": OK + b"Content-Length: 2, 3\r\n\r\n{} ",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "a length with a sign": OK + b"Content-Length: +2\r\n\r\n{}",
    "a length of 80 bits": OK + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "a length in words": OK + b"Content-Length: two\r\n\r\n{}",
    "an unknown transfer coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a chunk size in words": CHUNKED + b"two\r\n{}\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk size with a prefix": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk size of 80 bits": CHUNKED + b"fffffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"2\r\n{}}}\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
    "a header without a name": OK + b": x\r\nContent-Length: 2\r\n\r\n{}",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\n{}",
    "a NUL in a header": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a status of 999": b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "HTTP/2 in the status line": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/2 frames": bytes.fromhex("00000604000000000000030000006400000004080000000000000f0001"),
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a TLS alert": bytes.fromhex("15030100020246"),
    "noise": bytes(range(256)) * 4,
}
# What h11 makes of them: with two framings it goes by the chunks, which is at least the safe one.
TAKEN_BY_HTTPX = {
    "both framings",
    "both framings, the other way",
    "a folded header",
    "HTTP/2 in the status line",
}


async def test_malformed(stage: Any, face: str) -> None:
    async with stage(max_retries=1) as scene:
        for name, data in MALFORMED.items():
            path = scene.route(name, raw(data))
            if face == "httpx" and name in TAKEN_BY_HTTPX:
                assert await scene.call("GET", path) == {}
                continue
            no_status = face == "httpx" and name == "a status of 999"
            error = await scene.fails("GET", path, InternalServerError if no_status else APIConnectionError)
            assert error.attempts == 2
            if face != "httpx":
                assert error.sent == "yes"
            await scene.recovers()


CUT_SHORT = {
    "nothing": raw(b""),
    "reset at once": drop(reset=True),
    "a reset before the request is read": drop(before="body", reset=True),
    "an empty line": raw(b"\r\n"),
    "half a status line": truncate(7),
    "half a head": truncate(20),
    "half a head, then a reset": truncate(20, reset=True),
    "half a body": truncate(-1, of=reply(json=[1, 2, 3])),
    "half a body, then a reset": truncate(-1, of=reply(json=[1, 2, 3]), reset=True),
    "no body at all": truncate(-7, of=reply(json=[1, 2, 3])),
    "no last chunk": raw(CHUNKED + b"2\r\n{}\r\n"),
    "half a last chunk": raw(CHUNKED + b"2\r\n{}\r\n0\r\n"),
    "half a chunk": raw(CHUNKED + b"8\r\n{}"),
    "half a trailer": raw(CHUNKED + b"2\r\n{}\r\n0\r\nX-Sum: 1"),
    "half a gzip body": raw(
        reply(content=gzip.compress(b"[1, 2]" * 99)[:-9], headers={"Content-Encoding": "gzip"}).wire()
    ),
    "gzip without its checksum": reply(content=gzip.compress(b"[]")[:-8], headers={"Content-Encoding": "gzip"}),
    "gzip without its length": reply(content=gzip.compress(b"[]")[:-4], headers={"Content-Encoding": "gzip"}),
    "gzip chunks that stop": reply(chunks=[gzip.compress(b"[1, 2]" * 99)[:30]], headers={"Content-Encoding": "gzip"}),
    "gzip up to the close": reply(
        content=gzip.compress(b"[1]")[:-1], headers={"Content-Encoding": "gzip"}, framing="close"
    ),
    "an error body": truncate(-1, of=reply(400, json=[1, 2, 3])),
}
UNHEARD = {"nothing", "reset at once", "a reset before the request is read"}
UNHEARD_BY_HTTPX = UNHEARD | {"an empty line", "half a status line", "half a head", "half a head, then a reset"}


async def test_cut_short(stage: Any, face: str) -> None:
    """Never a success, whatever was announced and however it ended."""
    unheard = UNHEARD_BY_HTTPX if face == "httpx" else UNHEARD
    async with stage(max_retries=1) as scene:
        for name, answer in CUT_SHORT.items():
            error = await scene.fails("GET", scene.route(name, answer), APIConnectionError)
            assert error.attempts == 2
            assert (name, error.sent) == (name, "maybe" if name in unheard else "yes")
            await scene.recovers()


async def test_cut_short_once(stage: Any) -> None:
    async with stage(max_retries=1) as scene:
        for name, answer in CUT_SHORT.items():
            assert await scene.call("GET", scene.route(name, answer, reply(json=name))) == name


CORRUPT = {
    "no gzip": reply(content=b"[1, 2, 3]", headers={"Content-Encoding": "gzip"}),
    "a wrong checksum": reply(content=gzip.compress(b"[]")[:-8] + bytes(8), headers={"Content-Encoding": "gzip"}),
    "no known coding": reply(content=b"[1, 2, 3]", headers={"Content-Encoding": "rot13"}),
    "too many codings": reply(content=b"[1, 2, 3]", headers={"Content-Encoding": "gzip, " * 50 + "gzip"}),
}


async def test_corrupt_compression_is_not_fetched_again(stage: Any) -> None:
    async with stage(max_retries=2) as scene:
        for name, answer in CORRUPT.items():
            error = await scene.fails("GET", scene.route(name, answer), APIResponseValidationError)
            assert (error.attempts, error.sent) == (1, "yes")
        assert scene.server.request_count == len(CORRUPT)


@pytest.mark.parametrize("coding", ["gzip", "rot13"])
async def test_corrupt_compression_does_not_hide_an_error_status(stage: Any, coding: str) -> None:
    async with stage(max_retries=1) as scene:
        headers = {"Content-Encoding": coding}
        scene.server.route("GET", "/", reply(401, content=b"no such key", headers=headers))
        error = await scene.fails("GET", "/", AuthenticationError)
        assert error.response.content == b""
        later = {**headers, "Retry-After": "86400"}
        scene.server.route("GET", "/", reply(429, content=b"later", headers=later))
        error = await scene.fails("GET", "/", RateLimitError)
        assert error.retry_at is not None


async def test_a_body_up_to_the_close_that_tls_does_not_confirm(stage: Any, authority: Any, face: str) -> None:
    """Whoever is on the way could have closed it: only a TLS goodbye makes such a body whole."""
    async with stage(tls=authority.server("127.0.0.1")) as scene:
        proper = reply(content=b"[1]", framing="close")
        scene.server.route("GET", "/", proper)
        assert await scene.call("GET", "/", cast_to=bytes) == b"[1]"
        scene.server.route("GET", "/", truncate(len(proper.wire()), of=proper))
        if face != "httpx":  # httpx cannot tell
            error = await scene.fails("GET", "/", APIConnectionError)
            assert error.sent == "yes"


async def test_the_answer_of_another_kind_of_server(stage: Any, authority: Any) -> None:
    """Plain HTTP where TLS is expected, and the other way round."""
    async with stage() as scene:
        url = scene.server.url.replace("http:", "https:")
        error = await scene.fails("GET", url, APIConnectionError)
        assert error.sent == "no"
    async with stage(tls=authority.server("127.0.0.1")) as scene:
        url = scene.server.url.replace("https:", "http:")
        error = await scene.fails("GET", url, APIConnectionError)
        assert error.sent == "maybe"
