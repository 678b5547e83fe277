"""The async clients that are compared, each as a way to make the same call.

`open_calls(url, at_once, cast_to, cafile)` is an async context manager that gives `at_once` calls:
each posts the same question and returns the answer as a `cast_to`. All decode with msgspec into the
same type, save the SDK, which has its own way. Each client may open as many connections as there
are calls at once, whatever its default, and has timeouts that none will meet.
"""

from __future__ import annotations

import contextlib
import importlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import trio
from load import AsyncCall
from loops import Asyncio, Loop, Trio, Uvloop
from shapes import JSON_HEADERS, QUESTION, TIMEOUT, encode

OpenCalls = Callable[[str, int, Any, "str | None"], AbstractAsyncContextManager["list[AsyncCall]"]]


class AsyncContender(NamedTuple):
    loop: Loop
    open_calls: OpenCalls


def tls(cafile: str | None) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=cafile) if cafile is not None else None


@asynccontextmanager
async def trioclient_calls(url: str, at_once: int, cast_to: Any, cafile: str | None) -> AsyncIterator[list[AsyncCall]]:
    from trioclient import AsyncAPIClient, Limits, TrioTransport

    limits = Limits(max_connections=at_once, max_idle_connections=at_once)
    transport = TrioTransport(ssl_context=tls(cafile))
    async with AsyncAPIClient(base_url=url, limits=limits, transport=transport) as client:
        yield [lambda: client.post("/items", body=QUESTION, cast_to=cast_to)] * at_once


def httpx_calls(module: str) -> OpenCalls:
    @asynccontextmanager
    async def open_calls(url: str, at_once: int, cast_to: Any, cafile: str | None) -> AsyncIterator[list[AsyncCall]]:
        httpx: Any = importlib.import_module(module)
        decode = msgspec.json.Decoder(cast_to).decode

        async def call() -> Any:
            response = await client.post(f"{url}/items", content=encode(QUESTION), headers=JSON_HEADERS)
            response.raise_for_status()
            return decode(response.content)

        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        async with httpx.AsyncClient(limits=limits, timeout=TIMEOUT, verify=tls(cafile) or True) as client:
            yield [call] * at_once

    return open_calls


@asynccontextmanager
async def anthropic_calls(url: str, at_once: int, cast_to: Any, cafile: str | None) -> AsyncIterator[list[AsyncCall]]:
    import anthropic
    import httpx2  # what this SDK is built on
    from sdk_shapes import MODELS

    model = MODELS[cast_to]
    limits = httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    http_client = anthropic.DefaultAsyncHttpxClient(limits=limits, verify=tls(cafile) or True)
    async with anthropic.AsyncAnthropic(
        api_key="none", base_url=url, http_client=http_client, timeout=TIMEOUT
    ) as client:
        yield [lambda: client.post("/items", body=QUESTION, cast_to=model)] * at_once


@asynccontextmanager
async def aiohttp_calls(url: str, at_once: int, cast_to: Any, cafile: str | None) -> AsyncIterator[list[AsyncCall]]:
    import aiohttp

    decode = msgspec.json.Decoder(cast_to).decode

    async def call() -> Any:
        async with session.post(f"{url}/items", data=encode(QUESTION), headers=JSON_HEADERS) as response:
            response.raise_for_status()
            return decode(await response.read())

    connector = aiohttp.TCPConnector(limit=at_once, ssl=tls(cafile) or True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(TIMEOUT)) as session:
        yield [call] * at_once


class BareConnection:
    """The floor: a trio stream, a parser and a typed decode; no pool, timeout, retry or check."""

    def __init__(self, stream: trio.abc.Stream, head: bytes, decode: Callable[[bytes], Any]) -> None:
        import httptools

        self.stream = stream
        self.head = head
        self.decode = decode
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True

    async def call(self) -> Any:
        self.body, self.complete = b"", False
        content = encode(QUESTION)
        await self.stream.send_all(self.head % len(content) + content)
        while not self.complete:
            self.parser.feed_data(await self.stream.receive_some(65536))
        return self.decode(self.body)


@asynccontextmanager
async def bare_calls(url: str, at_once: int, cast_to: Any, cafile: str | None) -> AsyncIterator[list[AsyncCall]]:
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    head = f"POST {where.path}/items HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n".encode()
    decode = msgspec.json.Decoder(cast_to).decode
    context = tls(cafile)
    async with contextlib.AsyncExitStack() as stack:
        calls: list[AsyncCall] = []
        for _ in range(at_once):
            stream: trio.abc.Stream
            if context is None:
                stream = await trio.open_tcp_stream(where.hostname, where.port)
            else:
                stream = await trio.open_ssl_over_tcp_stream(where.hostname, where.port, ssl_context=context)
            await stack.enter_async_context(stream)
            calls.append(BareConnection(stream, head + b"Content-Length: %d\r\n\r\n", decode).call)
        yield calls


ASYNC_CONTENDERS: dict[str, AsyncContender] = {
    "trioclient": AsyncContender(Trio(), trioclient_calls),
    "httpx-trio": AsyncContender(Trio(), httpx_calls("httpx")),
    "httpx2-trio": AsyncContender(Trio(), httpx_calls("httpx2")),
    "anthropic-trio": AsyncContender(Trio(), anthropic_calls),
    "aiohttp-asyncio": AsyncContender(Asyncio(), aiohttp_calls),
    "aiohttp-uvloop": AsyncContender(Uvloop(), aiohttp_calls),
    "bare-trio": AsyncContender(Trio(), bare_calls),
}
