"""Servers that take their time: no drip outlives the timeout of its phase, nothing the deadline.

Times are short for the sake of the suite. That they were kept to is asserted by the kind of the
error; the patience of the stage is there against a hang.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from trioclient import APIError, APITimeoutError, DeadlineExceeded, Limits
from trioclient.testing import drip, flood, reply, stall

SHORT = 0.4  # long enough for a process that stands still for a while, beside three others like it
LONG = 10.0
BETWEEN_BYTES = SHORT / 6

SILENCES = {
    "no answer": stall(),
    "half a head": stall(20),
    "a head that drips": drip(interval=BETWEEN_BYTES),
    "1xx answers without end": flood("informational", interval=BETWEEN_BYTES),
    "header lines without end": flood("headers", interval=BETWEEN_BYTES),
    "a header line without end": flood("header line", interval=BETWEEN_BYTES),
    "no body": stall(-4000, of=reply(content=b"x" * 4000)),
    "half a body": stall(-1, of=reply(content=b"x" * 4000)),
    "a body that drips": drip(reply(json=[0] * 2000), interval=BETWEEN_BYTES, head=False),
    "chunks that drip": flood("body", interval=BETWEEN_BYTES),
    "a compressed body that drips": drip(reply(json=[0] * 2000, encoding="gzip"), interval=BETWEEN_BYTES, head=False),
    "an error body that drips": drip(reply(500, json=[0] * 2000), interval=BETWEEN_BYTES, head=False),
}
UNHEARD = {"no answer"}
# httpx does not tell of an answer before its head is whole.
UNHEARD_BY_HTTPX = UNHEARD | {name for name in SILENCES if "head" in name or "1xx" in name}


async def all_at_once(scene: Any, kind: type[APIError], replies: dict[str, Any]) -> dict[str, APIError]:
    """Call every one of these servers side by side; each call must fail with this class."""
    errors: dict[str, APIError] = {}

    async def call(number: int, name: str) -> None:
        scene.server.route("GET", f"/{number}", replies[name])
        errors[name] = await scene.fails("GET", f"/{number}", kind)

    async with trio.open_nursery() as nursery:
        for number, name in enumerate(replies):
            nursery.start_soon(call, number, name)
    return errors


async def test_the_read_timeout(stage: Any, face: str) -> None:
    async with stage(timeout=httpx.Timeout(LONG, read=SHORT)) as scene:
        errors = await all_at_once(scene, APITimeoutError, SILENCES)
    unheard = UNHEARD_BY_HTTPX if face == "httpx" else UNHEARD
    sent = {name: error.sent for name, error in errors.items()}
    assert sent == {name: "maybe" if name in unheard else "yes" for name in SILENCES}
    for error in errors.values():
        assert "read" in str(error)
        assert error.attempts == 1


async def test_the_deadline(stage: Any) -> None:
    async with stage(deadline=SHORT) as scene:
        for error in (await all_at_once(scene, DeadlineExceeded, SILENCES)).values():
            assert "deadline" in str(error)
            assert error.attempts == 1


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_the_scope_of_the_caller(stage: Any) -> None:
    async with stage() as scene:
        scene.server.route("GET", "/slow", stall(20))
        with trio.move_on_after(SHORT / 3) as scope:
            await scene.client.get("/slow")
        assert scope.cancelled_caught


async def test_each_attempt_has_its_own_read_timeout(stage: Any) -> None:
    async with stage(timeout=httpx.Timeout(LONG, read=SHORT / 2), max_retries=1) as scene:
        scene.server.route("POST", "/slow", stall(20), reply(json="at last"))
        assert await scene.call("POST", "/slow", body=1) == "at last"
        assert len({request.header("Idempotency-Key") for request in scene.server.requests}) == 1
        scene.server.route("POST", "/slow", stall())
        error = await scene.fails("POST", "/slow", APITimeoutError, body=1)
        assert error.attempts == 2


async def test_the_deadline_is_over_all_attempts(stage: Any) -> None:
    async with stage(timeout=httpx.Timeout(LONG, read=SHORT / 4), max_retries=1000, deadline=SHORT) as scene:
        scene.server.route("GET", "/slow", stall())
        error = await scene.fails("GET", "/slow", DeadlineExceeded)
        assert error.attempts > 1


@asynccontextmanager
async def deaf_server(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Accepts, shakes hands, and then reads nothing. Its URL."""

    async def handle(stream: Any) -> None:
        if context is not None:
            await trio.SSLStream(stream, context, server_side=True).do_handshake()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{port}/"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_that_does_not_read(stage: Any, authority: Any, tls: bool) -> None:
    """The kernels take a part of the body between them, then nothing moves."""
    async with stage(timeout=httpx.Timeout(LONG, write=SHORT)) as scene:
        async with deaf_server(authority.server("127.0.0.1") if tls else None) as url:
            error = await scene.fails("POST", url, APITimeoutError, content=b"x" * 20_000_000)
            assert "write" in str(error)
            assert error.sent == "maybe"


async def test_a_tls_handshake_that_hangs(stage: Any, authority: Any) -> None:
    async with stage(tls=authority.server("127.0.0.1"), timeout=httpx.Timeout(LONG, connect=SHORT)) as scene:
        scene.server.greet(stall())
        error = await scene.fails("GET", "/", APITimeoutError)
        assert "connect" in str(error)
        assert error.sent == "no"


async def test_a_tls_handshake_and_the_deadline(stage: Any, authority: Any) -> None:
    async with stage(tls=authority.server("127.0.0.1"), deadline=SHORT) as scene:
        scene.server.greet(stall())
        error = await scene.fails("GET", "/", DeadlineExceeded)
        assert "connect" in str(error)
        assert error.sent == "no"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse where Linux is silent")
async def test_a_connection_that_is_never_accepted(stage: Any) -> None:
    callers = [socket.socket() for _ in range(4)]
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        async with stage(timeout=httpx.Timeout(LONG, connect=SHORT)) as scene:
            error = await scene.fails("GET", f"http://127.0.0.1:{full.getsockname()[1]}/", APITimeoutError)
            assert "connect" in str(error)
            assert error.sent == "no"
    for caller in callers:
        caller.close()


async def test_no_free_connection(stage: Any) -> None:
    async with stage(timeout=httpx.Timeout(LONG, pool=SHORT / 3), limits=Limits(max_connections=1)) as scene:
        scene.server.route("GET", "/slow", stall())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(scene.fails, "GET", "/slow", DeadlineExceeded, options={"deadline": SHORT}))
            await scene.server.wait_requests(1)
            error = await scene.fails("GET", "/slow", APITimeoutError)
            assert "pool" in str(error)
            assert error.sent == "no"
            assert scene.client.statistics().connections.waiting == 0
            assert scene.server.request_count == 1
