"""The clients that read server-sent events, async and blocking, each as a way to read one stream.

`open_reader(url)` is an async context manager that gives `read(path)`, which posts to that path and
returns the number of events, each decoded to one of the types of `Event`. What a blocking client
does stands in async functions that never wait, so that both kinds are measured by the same lines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from loops import Thread, Trio
from shapes import Event, Stop

Read = Callable[[str], Awaitable[int]]
OpenReader = Callable[[str], AbstractAsyncContextManager[Read]]
TERMINAL = "message_stop"


class StreamContender(NamedTuple):
    loop: Trio | Thread
    open_reader: OpenReader


@asynccontextmanager
async def trioclient_reader(url: str) -> AsyncIterator[Read]:
    from trioclient import AsyncAPIClient

    async def read(path: str) -> int:
        last, count = None, 0
        async with await client.post(
            path, body={}, cast_to=Event, stream=True, options={"terminal_event": TERMINAL}
        ) as stream:
            async for event in stream:
                last, count = event, count + 1
        assert isinstance(last, Stop)
        return count

    async with AsyncAPIClient(base_url=url) as client:
        yield read


@asynccontextmanager
async def trioclient_blocking_reader(url: str) -> AsyncIterator[Read]:
    from trioclient import SyncAPIClient

    async def read(path: str) -> int:
        last, count = None, 0
        with client.post(path, body={}, cast_to=Event, stream=True, options={"terminal_event": TERMINAL}) as stream:
            for event in stream:
                last, count = event, count + 1
        assert isinstance(last, Stop)
        return count

    with SyncAPIClient(base_url=url) as client:
        yield read


@asynccontextmanager
async def anthropic_reader(url: str) -> AsyncIterator[Read]:
    import anthropic
    import sdk_shapes

    stream_class: Any = anthropic.AsyncStream[sdk_shapes.Event]

    async def read(path: str) -> int:
        last, count = None, 0
        async with await client.post(
            path, body={}, cast_to=sdk_shapes.Stop, stream=True, stream_cls=stream_class
        ) as stream:
            async for event in stream:
                last, count = event, count + 1
        assert isinstance(last, sdk_shapes.Stop)
        return count

    async with anthropic.AsyncAnthropic(api_key="none", base_url=url) as client:
        yield read


@asynccontextmanager
async def anthropic_blocking_reader(url: str) -> AsyncIterator[Read]:
    import anthropic
    import sdk_shapes

    stream_class: Any = anthropic.Stream[sdk_shapes.Event]

    async def read(path: str) -> int:
        last, count = None, 0
        with client.post(path, body={}, cast_to=sdk_shapes.Stop, stream=True, stream_cls=stream_class) as stream:
            for event in stream:
                last, count = event, count + 1
        assert isinstance(last, sdk_shapes.Stop)
        return count

    with anthropic.Anthropic(api_key="none", base_url=url) as client:
        yield read


@asynccontextmanager
async def httpx_sse_reader(url: str) -> AsyncIterator[Read]:
    import httpx
    from httpx_sse import aconnect_sse

    decode = msgspec.json.Decoder(Event).decode

    async def read(path: str) -> int:
        last, count = None, 0
        async with aconnect_sse(client, "POST", f"{url}{path}", json={}) as source:
            async for sent in source.aiter_sse():
                last, count = decode(sent.data), count + 1
        assert isinstance(last, Stop)
        return count

    async with httpx.AsyncClient() as client:
        yield read


@asynccontextmanager
async def httpx_sse_blocking_reader(url: str) -> AsyncIterator[Read]:
    import httpx
    from httpx_sse import connect_sse

    decode = msgspec.json.Decoder(Event).decode

    async def read(path: str) -> int:
        last, count = None, 0
        with connect_sse(client, "POST", f"{url}{path}", json={}) as source:
            for sent in source.iter_sse():
                last, count = decode(sent.data), count + 1
        assert isinstance(last, Stop)
        return count

    with httpx.Client() as client:
        yield read


STREAM_CONTENDERS: dict[str, StreamContender] = {
    "trioclient": StreamContender(Trio(), trioclient_reader),
    "trioclient-blocking": StreamContender(Thread(), trioclient_blocking_reader),
    "anthropic-trio": StreamContender(Trio(), anthropic_reader),
    "anthropic-blocking": StreamContender(Thread(), anthropic_blocking_reader),
    "httpx-sse-trio": StreamContender(Trio(), httpx_sse_reader),
    "httpx-sse-blocking": StreamContender(Thread(), httpx_sse_blocking_reader),
}
