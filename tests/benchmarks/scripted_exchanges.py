"""The exchanges that `exchange_cost.py` counts, with a far end in the same process.

The answer is there as soon as it is asked for, so that an exchange goes the same way every time.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, NamedTuple

import msgspec
import trio
from meter import Meter

from trioclient import AsyncAPIClient, SyncAPIClient, TrioTransport, fan_out
from trioclient._net.connect import Link
from trioclient._net.socket_stream import SocketStream

__all__ = ["EXCHANGES", "WARM_UP"]

WARM_UP = 30


class Usage(msgspec.Struct):
    input: int
    output: int


class Reply(msgspec.Struct):
    id: str
    text: str
    scores: list[float]
    usage: Usage


class Delta(msgspec.Struct):
    index: int
    text: str


QUESTION = {"model": "large", "prompt": "Say something.", "max_tokens": 345}
REPLY = msgspec.json.encode(Reply("item_01", "The quick brown fox. " * 30, [0.5, 0.25], Usage(12, 345)))
EVENTS_AT_ONCE = 20
EVENTS = b'event: delta\ndata: {"index": 7, "text": "jumps over"}\n\n' * EVENTS_AT_ONCE

HEAD = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 22:28:25 GMT\r\nConnection: keep-alive\r\n"
ANSWER = HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REPLY) + REPLY
STREAM_HEAD = HEAD + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Script(trio.abc.Stream):
    """The far end: takes everything, and gives the next answer whenever it is read."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        self._answers = answers

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return next(self._answers)

    async def aclose(self) -> None:
        pass


# The exchanges. Each opens what it needs, then gives what is done over and over.


def client_arguments(meter: Meter, *answers: bytes) -> dict[str, Any]:
    """For a client that gets those answers, the last of them for ever."""

    async def connect(target: object) -> Link:
        meter.watch_tasks()
        script = Script(itertools.chain(answers, itertools.repeat(answers[-1])))
        return Link(script, lambda: None, lambda: False, lambda: None, len)

    return {"base_url": "http://api.test/v1", "transport": TrioTransport(connect=connect)}


AsyncCall = Callable[[], Awaitable[object]]


@contextlib.asynccontextmanager
async def get(meter: Meter) -> AsyncIterator[AsyncCall]:
    async with AsyncAPIClient(**client_arguments(meter, ANSWER)) as client:
        yield lambda: client.get("/items/1", cast_to=Reply)


@contextlib.asynccontextmanager
async def post(meter: Meter) -> AsyncIterator[AsyncCall]:
    async with AsyncAPIClient(**client_arguments(meter, ANSWER)) as client:
        yield lambda: client.post("/items", body=QUESTION, cast_to=Reply)


@contextlib.asynccontextmanager
async def post_by_socket(meter: Meter) -> AsyncIterator[AsyncCall]:
    near, far = socket.socketpair()
    near.setblocking(False)
    stream = SocketStream(near)

    def send_now(data: bytes) -> int:
        far.send(ANSWER)
        return stream.send_now(data)

    async def connect(target: object) -> Link:
        meter.watch_tasks()
        return Link(stream, stream.close, stream.is_readable, near.close, send_now)

    with far:
        async with AsyncAPIClient(base_url="http://api.test/v1", transport=TrioTransport(connect=connect)) as client:

            async def call() -> None:
                await client.post("/items", body=QUESTION, cast_to=Reply)
                far.recv(65_536)

            yield call


@contextlib.asynccontextmanager
async def stream_event(meter: Meter) -> AsyncIterator[AsyncCall]:
    chunk = b"%x\r\n%b\r\n" % (len(EVENTS), EVENTS)
    async with AsyncAPIClient(**client_arguments(meter, STREAM_HEAD, chunk)) as client:
        async with await client.post("/chat", body=QUESTION, cast_to=Delta, stream=True) as stream:
            yield stream.__anext__


@contextlib.asynccontextmanager
async def fan_out_item(meter: Meter) -> AsyncIterator[AsyncCall]:
    async def call(item: int) -> int:
        await trio.lowlevel.checkpoint()
        return item

    meter.watch_tasks()
    async with fan_out(call, itertools.count(), max_at_once=4) as run:
        yield run.__anext__


@contextlib.contextmanager
def blocking_post(meter: Meter) -> Iterator[Callable[[], object]]:
    with SyncAPIClient(**client_arguments(meter, ANSWER)) as client:
        yield lambda: client.post("/items", body=QUESTION, cast_to=Reply)


class AsyncExchange(NamedTuple):
    open: Callable[[Meter], AbstractAsyncContextManager[AsyncCall]]
    times: int

    def run(self, meter: Meter, times: int) -> None:
        trio.run(self._run, meter, times)

    async def _run(self, meter: Meter, times: int) -> None:
        async with self.open(meter) as once:
            for turn in range(WARM_UP + times):
                meter.counting = turn >= WARM_UP
                await once()
            meter.counting = False


class BlockingExchange(NamedTuple):
    open: Callable[[Meter], AbstractContextManager[Callable[[], object]]]
    times: int

    def run(self, meter: Meter, times: int) -> None:
        with self.open(meter) as once:
            for turn in range(WARM_UP + times):
                meter.counting = turn >= WARM_UP
                once()
            meter.counting = False


EXCHANGES: dict[str, AsyncExchange | BlockingExchange] = {
    "get": AsyncExchange(get, 10),
    "post": AsyncExchange(post, 10),
    "post by socket": AsyncExchange(post_by_socket, 10),
    "stream event": AsyncExchange(stream_event, 5 * EVENTS_AT_ONCE),
    "fan-out item": AsyncExchange(fan_out_item, 2000),  # trio runs the tasks of a step in random order: an average
    "blocking post": BlockingExchange(blocking_post, 10),
}
"""By name, each with how often it is done under the meter."""
