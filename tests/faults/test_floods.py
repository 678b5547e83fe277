"""Servers that never stop, and bodies that swell: every bound holds, in bytes and in memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import brotli
import httpx
import pytest
import zstandard

from trioclient import APIConnectionError, APITimeoutError, InternalServerError, LimitExceeded, Limits
from trioclient.testing import flood, raw, reply

MIB = 1_048_576
LIMITS = Limits(max_body_bytes=MIB, max_decoded_bytes=16 * MIB, max_error_body_bytes=10_000)
MOST_MEMORY = 64 * MIB  # of client and server together


@contextmanager
def bounded_memory(most: int = MOST_MEMORY) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


@cache
def bomb() -> bytes:
    """A few hundred kB of gzip that stand for 320 MiB."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(MIB)
    return b"".join(compressor.compress(block) for _ in range(320)) + compressor.flush()


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("informational", "max_informational"),
        ("headers", "max_header_bytes"),
        ("header line", "max_header_bytes"),
        ("body", "max_body_bytes"),
        ("gzip", "max_decoded_bytes"),
    ],
)
async def test_a_flood(stage: Any, face: str, kind: Any, limit: str) -> None:
    async with stage(limits=LIMITS, max_retries=2, timeout=httpx.Timeout(10.0, read=0.15)) as scene:
        scene.server.route("GET", "/flood", flood(kind))
        with bounded_memory():
            if face == "httpx" and kind == "informational":
                # httpx counts them not; the time for the head ends it.
                await scene.fails("GET", "/flood", APITimeoutError)
            elif face == "httpx" and limit == "max_header_bytes":
                # httpx has a bound of its own, and its own name for what exceeds it.
                await scene.fails("GET", "/flood", APIConnectionError)
            else:
                error = await scene.fails("GET", "/flood", LimitExceeded)
                assert error.limit == limit
                assert error.value == getattr(LIMITS, limit)
                assert limit in str(error)
                assert (error.attempts, error.sent) == (1, "yes")


@pytest.mark.parametrize("kind", ["body", "gzip"])
async def test_a_flood_under_an_error_status(stage: Any, kind: Any) -> None:
    """The status is the answer; so much of the body is kept, and no more is read."""
    endless = flood(kind)
    head, unit = endless.opening
    refused = type(endless)(opening=(type(head)(head.data.replace(b"200 OK", b"500 No")), unit))
    async with stage(limits=LIMITS, max_retries=1) as scene:
        scene.server.route("GET", "/flood", refused)
        with bounded_memory():
            error = await scene.fails("GET", "/flood", InternalServerError)
        assert error.attempts == 2
        assert len(error.response.content) == LIMITS.max_error_body_bytes
        assert len(str(error)) < 1000


@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_a_huge_error_body_is_cut(stage: Any, coding: Any) -> None:
    async with stage(limits=LIMITS) as scene:
        scene.server.route("GET", "/", reply(500, json={"error": "x" * 5_000_000}, encoding=coding))
        error = await scene.fails("GET", "/", InternalServerError)
        assert error.response.content == b'{"error":"' + b"x" * (LIMITS.max_error_body_bytes - 10)
        assert error.body == error.response.content.decode()
        assert len(str(error)) < 1000


async def test_a_bomb(stage: Any) -> None:
    assert len(bomb()) < 400_000
    async with stage(limits=LIMITS, max_retries=2) as scene:
        scene.server.route("GET", "/", reply(content=bomb(), headers={"Content-Encoding": "gzip"}))
        with bounded_memory():
            error = await scene.fails("GET", "/", LimitExceeded)
        assert (error.limit, error.attempts) == ("max_decoded_bytes", 1)


async def test_a_bomb_inside_a_bomb(stage: Any) -> None:
    nested = reply(content=zlib.compress(bomb()), headers={"Content-Encoding": "gzip, deflate"})
    async with stage(limits=LIMITS) as scene:
        scene.server.route("GET", "/", nested)
        with bounded_memory():
            error = await scene.fails("GET", "/", LimitExceeded)
        assert error.limit == "max_decoded_bytes"


@pytest.mark.parametrize("face", ["trio"])
@pytest.mark.parametrize("coding", ["br", "zstd"])
async def test_a_bomb_of_an_optional_coding(stage: Any, coding: str) -> None:
    compress = {"br": partial(brotli.compress, quality=1), "zstd": zstandard.compress}[coding]
    content = compress(bytes(64 * MIB))
    assert len(content) < 20_000
    async with stage(limits=LIMITS) as scene:
        scene.server.route("GET", "/", reply(content=content, headers={"Content-Encoding": coding}))
        with bounded_memory():
            error = await scene.fails("GET", "/", LimitExceeded)
        assert error.limit == "max_decoded_bytes"


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_a_body_in_tiny_chunks_weighs_what_its_bytes_do(stage: Any) -> None:
    """As an object of Python's, two bytes are fifty."""
    chunks = 25_000
    answer = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\nab\r\n" * chunks + b"0\r\n\r\n")
    async with stage() as scene:
        scene.server.route("GET", "/", answer)
        with bounded_memory(2 * MIB):
            assert await scene.call("GET", "/", cast_to=bytes) == b"ab" * chunks


async def test_a_long_chunk_extension(stage: Any, face: str) -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x="
    async with stage(limits=LIMITS) as scene:
        scene.server.route("GET", "/", raw(start + b"y" * 1_000_000 + b"\r\nab\r\n0\r\n\r\n"))
        if face == "httpx":
            await scene.fails("GET", "/", APIConnectionError)
        else:
            assert (await scene.fails("GET", "/", LimitExceeded)).limit == "max_header_bytes"


async def test_a_body_of_just_the_bound_passes(stage: Any) -> None:
    async with stage(limits=Limits(max_body_bytes=1000, max_decoded_bytes=1000)) as scene:
        scene.server.route("GET", "/", reply(content=b"x" * 1000), reply(content=b"x" * 1001))
        assert await scene.call("GET", "/", cast_to=bytes) == b"x" * 1000
        await scene.fails("GET", "/", LimitExceeded)


RESIDENT = """
    import resource
    import trio, zlib
    from trioclient import AsyncAPIClient, LimitExceeded, Limits
    from trioclient.testing import LoopbackServer, flood, reply

    def resident():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if {darwin} else 1024)

    async def main():
        limits = Limits(max_body_bytes=4 << 20, max_decoded_bytes=16 << 20)
        async with LoopbackServer() as server, AsyncAPIClient(base_url=server.url, limits=limits) as client:
            server.route("GET", "/ok", reply(json=1))
            await client.get("/ok")
            before = resident()
            for kind in ("body", "gzip"):
                server.route("GET", "/" + kind, flood(kind))
                for _ in range(5):
                    try:
                        await client.get("/" + kind)
                    except LimitExceeded:
                        pass
            print(resident() - before)

    trio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such measure")
def test_resident_memory(tmp_path: Any) -> None:
    """What libraries in C take is not seen from within Python."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(RESIDENT).format(darwin=sys.platform == "darwin"))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < MOST_MEMORY
