"""Bodies that crawl, on real sockets: given up where they move too little, left alone where they do not.

The servers crawl on for as long as nobody gives up, so that a test that ends shows that somebody did.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from trioclient import APIStreamError, APITimeoutError, AsyncAPIClient, TrioTransport
from trioclient._net.connect import Connector
from trioclient._policy.stall import Stall
from trioclient.testing import drip, reply

SHORT = 0.4
PATIENCE = 10.0
CRAWL = Stall(at_least=1000, within=SHORT)
BETWEEN_BYTES = SHORT / 20
CRAWLING = {
    "a body": drip(reply(json=[0] * 2000), interval=BETWEEN_BYTES, head=False),
    "chunks": drip(reply(chunks=["[0", ", 0" * 2000, "]"]), interval=BETWEEN_BYTES, head=False),
    "a compressed body": drip(reply(json=list(range(2000)), encoding="gzip"), interval=BETWEEN_BYTES, head=False),
    "an error body": drip(reply(500, json=[0] * 2000), interval=BETWEEN_BYTES, head=False),
}
LARGE = b"x" * 20_000_000


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: Any) -> Any:
    return authority.server("127.0.0.1") if request.param else None


async def test_an_answer_that_crawls(stage: Any, tls: Any) -> None:
    async with stage(tls=tls, stall=CRAWL) as scene:
        async with trio.open_nursery() as nursery:
            for name, answer in CRAWLING.items():
                nursery.start_soon(_stalls, scene, scene.route(name, answer))


async def _stalls(scene: Any, path: str) -> None:
    error = await scene.fails("GET", path, APITimeoutError)
    assert "the answer's body stalled: fewer than 1,000 bytes came in 0.4 s" in str(error)
    assert (error.attempts, error.sent) == (1, "yes")


async def test_it_is_tried_again(stage: Any) -> None:
    async with stage(stall=CRAWL, max_retries=1) as scene:
        scene.server.route("GET", "/", CRAWLING["a body"], reply(json="at last"))
        assert await scene.call("GET", "/") == "at last"


@pytest.mark.parametrize("face", ["trio"])
async def test_an_answer_that_walks(stage: Any) -> None:
    """Longer in all than a span."""
    async with stage(stall=Stall(at_least=1000, within=2 * SHORT)) as scene:
        scene.server.route("GET", "/", reply(chunks=[b"x" * 1500] * 6, chunk_delay=SHORT / 2))
        assert len(await scene.call("GET", "/", cast_to=bytes)) == 9_000


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_a_stream_that_crawls(stage: Any, face: str) -> None:
    async with stage(stall=CRAWL) as scene:
        answer = drip(
            reply(content=b"data: 1\n\n" * 2000, headers={"Content-Type": "text/event-stream"}),
            interval=BETWEEN_BYTES,
            head=False,
        )
        scene.server.route("GET", "/", answer)
        with pytest.raises(APIStreamError, match="stalled") as caught, trio.fail_after(PATIENCE):
            async with await scene.client.get("/", cast_to=int, stream=True) as stream:
                async for event in stream:
                    assert event == 1
        assert caught.value.sent == "yes"


@asynccontextmanager
async def slow_reader(context: ssl.SSLContext | None, *, size: int, apart: float) -> AsyncIterator[str]:
    """Reads `size` bytes every so many seconds, and answers once the body is whole. Its URL."""

    async def handle(stream: Any) -> None:
        if context is not None:
            stream = trio.SSLStream(stream, context, server_side=True)
            await stream.do_handshake()
        received = b""
        whole = None
        try:
            while whole is None or len(received) < whole:
                await trio.sleep(apart)
                received += await stream.receive_some(size)
                head, end, _ = received.partition(b"\r\n\r\n")
                if end and whole is None:
                    whole = len(head) + 4 + int(head.lower().partition(b"content-length: ")[2].split()[0])
            await stream.send_all(reply(json="whole").wire())
        except trio.BrokenResourceError:
            return

    listener = trio.socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # handed down to what it accepts
    await listener.bind(("127.0.0.1", 0))
    listener.listen(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, handle, [trio.SocketListener(listener)]))
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{listener.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


async def test_a_server_that_stops_reading(stage: Any, tls: Any) -> None:
    async with stage(stall=CRAWL) as scene, slow_reader(tls, size=1, apart=100.0) as url:
        error = await scene.fails("POST", url, APITimeoutError, content=LARGE)
        assert "the request's body stalled: fewer than 1,000 bytes were taken in 0.4 s" in str(error)
        assert (error.attempts, error.sent) == (1, "maybe")


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="other systems do not tell what was taken")
async def test_a_server_that_reads_slowly() -> None:
    """The system lets no more in for longer than a span: it waits until a good part of what it holds is gone."""
    small_buffer = (socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)
    connector = Connector(ssl_context=ssl.create_default_context, socket_options=(small_buffer,))
    stall = Stall(at_least=1000, within=0.5)
    async with slow_reader(None, size=2000, apart=0.02) as url, TrioTransport(connect=connector) as transport:
        client = AsyncAPIClient(base_url=url, transport=transport, stall=stall, timeout=PATIENCE, max_retries=0)
        async with client:
            assert await client.post("", content=LARGE[:280_000]) == "whole"
