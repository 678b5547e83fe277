"""The contenders of `peers.py`, and one measured run of one of them in this process.

    python contenders.py NAME URL AT_ONCE SECONDS [REQUESTS]

prints one JSON object. Each contender posts the same small JSON and decodes the reply with
msgspec into the same type, so that what differs is the client. Each may open as many
connections as there are requests at once, whatever its default.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

import msgspec
import trio


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


QUESTION = {"model": "large", "prompt": "Say something.", "max_tokens": 345}
JSON_HEADERS = {"content-type": "application/json"}
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Reply).decode

Call = Callable[[], Awaitable[Reply]]
"""One POST, from the question as a dict to the reply as a `Reply`."""


@contextlib.asynccontextmanager
async def trioclient_calls(url: str, at_once: int) -> AsyncIterator[list[Call]]:
    from trioclient import AsyncAPIClient, Limits

    limits = Limits(max_connections=at_once, max_idle_connections=at_once)
    async with AsyncAPIClient(base_url=url, limits=limits) as client:
        yield [lambda: client.post("/items", body=QUESTION, cast_to=Reply)] * at_once


@contextlib.asynccontextmanager
async def httpx_calls(url: str, at_once: int, module: str = "httpx") -> AsyncIterator[list[Call]]:
    httpx: Any = __import__(module)

    async def call() -> Reply:
        response = await client.post(f"{url}/items", content=encode(QUESTION), headers=JSON_HEADERS)
        response.raise_for_status()
        return decode(response.content)

    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, timeout=600) as client:
        yield [call] * at_once


def httpx2_calls(url: str, at_once: int) -> contextlib.AbstractAsyncContextManager[list[Call]]:
    return httpx_calls(url, at_once, "httpx2")


@contextlib.asynccontextmanager
async def aiohttp_calls(url: str, at_once: int) -> AsyncIterator[list[Call]]:
    import aiohttp

    async def call() -> Reply:
        async with session.post(f"{url}/items", data=encode(QUESTION), headers=JSON_HEADERS) as response:
            response.raise_for_status()
            return decode(await response.read())

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
        yield [call] * at_once


class BareConnection:
    """The floor: a trio socket, a parser and a typed decode; no pool, timeout, retry or check."""

    def __init__(self, stream: trio.SocketStream, head: bytes) -> None:
        import httptools

        self.stream = stream
        self.head = head
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True

    async def call(self) -> Reply:
        self.body, self.complete = b"", False
        content = encode(QUESTION)
        await self.stream.send_all(self.head % len(content) + content)
        while not self.complete:
            self.parser.feed_data(await self.stream.receive_some(65536))
        return decode(self.body)


@contextlib.asynccontextmanager
async def bare_calls(url: str, at_once: int) -> AsyncIterator[list[Call]]:
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /items HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n".encode()
    async with contextlib.AsyncExitStack() as stack:
        calls: list[Call] = []
        for _ in range(at_once):
            stream = await stack.enter_async_context(await trio.open_tcp_stream(host, int(port)))
            calls.append(BareConnection(stream, head + b"Content-Length: %d\r\n\r\n").call)
        yield calls


def on_trio(measured: Callable[..., Awaitable[Any]], *args: object) -> Any:
    async def together(workers: Iterable[Callable[[], Awaitable[None]]]) -> None:
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(worker)

    return trio.run(measured, together, *args)


def on_asyncio(measured: Callable[..., Awaitable[Any]], *args: object, new_loop: Any = asyncio.new_event_loop) -> Any:
    async def together(workers: Iterable[Callable[[], Awaitable[None]]]) -> None:
        await asyncio.gather(*(worker() for worker in workers))

    with contextlib.closing(new_loop()) as loop:
        return loop.run_until_complete(measured(together, *args))


def on_uvloop(measured: Callable[..., Awaitable[Any]], *args: object) -> Any:
    import uvloop

    return on_asyncio(measured, *args, new_loop=uvloop.new_event_loop)


CONTENDERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "trioclient": (on_trio, trioclient_calls),
    "httpx-trio": (on_trio, httpx_calls),
    "httpx2-trio": (on_trio, httpx2_calls),
    "aiohttp-asyncio": (on_asyncio, aiohttp_calls),
    "aiohttp-uvloop": (on_uvloop, aiohttp_calls),
    "bare-trio": (on_trio, bare_calls),
}


def until(end: float) -> Iterator[None]:
    while time.perf_counter() < end:
        yield


async def measured(together: Any, open_calls: Any, url: str, at_once: int, seconds: float, requests: int) -> Any:
    """Warm up, then run `at_once` workers until `seconds` or `requests` are used up."""

    async def run(calls: list[Call], tickets: Iterator[Any]) -> list[float]:
        latencies: list[float] = []

        async def work(call: Call) -> None:
            for _ in tickets:
                start = time.perf_counter()
                reply = await call()
                latencies.append(time.perf_counter() - start)
                assert reply.usage.output == 345

        await together([lambda call=call: work(call) for call in calls])
        return latencies

    async with open_calls(url, at_once) as calls:
        # Each worker gets one ticket at least: every connection is open before the clock starts.
        await run(calls, itertools.chain(range(at_once), until(time.perf_counter() + seconds / 4)))
        cpu, start = cpu_seconds(), time.perf_counter()
        tickets = iter(range(requests)) if requests else itertools.chain(range(at_once), until(start + seconds))
        latencies = sorted(await run(calls, tickets))
        elapsed, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    return {
        "rate": len(latencies) / elapsed,
        "cpu": cpu / len(latencies) * 1e6,
        "p50": latencies[len(latencies) // 2] * 1e3,
        "p99": latencies[len(latencies) * 99 // 100] * 1e3,
    }


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    runner, opener = CONTENDERS[sys.argv[1]]
    numbers = [float(argument) for argument in sys.argv[3:]]
    wanted = int(numbers[2]) if len(numbers) > 2 else 0
    print(json.dumps(runner(measured, opener, sys.argv[2], int(numbers[0]), numbers[1], wanted)))
