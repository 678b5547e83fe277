"""Cancellation at every step of a stream's life, on real sockets: nothing is left, and nothing is lost.

An instrument counts the steps of the calling task, and of the tasks the call starts, between two
checkpoints each. Every scenario is played again and again, and cancelled after its first step,
its second one, and so on until it comes through.
"""

from __future__ import annotations

import gc
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import trio
import trio.testing
import trustme

from trioclient import (
    APIResponseValidationError,
    AsyncAPIClient,
    InternalServerError,
    Limits,
    RetryPolicy,
    ServerSentEvent,
    TrioTransport,
)
from trioclient.testing import LoopbackServer, event_stream, reply, truncate

PATIENCE = 15.0
MOST_STEPS = 500
WATCHED: ContextVar[bool] = ContextVar("WATCHED", default=False)


class CancelAtStep(trio.abc.Instrument):
    """Cancels `scope` as soon as the watched tasks have made so many steps."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._scope = scope
        self._left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if WATCHED in task.context:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


# What is played


async def read_all(client: AsyncAPIClient, folder: Path, **options: Any) -> None:
    async with await client.get("/act", cast_to=int, stream=True, options=options) as stream:  # type: ignore[call-overload]
        async for _ in stream:
            pass


async def leave_early(client: AsyncAPIClient, folder: Path) -> None:
    async with await client.get("/act", cast_to=int, stream=True) as stream:
        async for _ in stream:
            break


async def no_stream(client: AsyncAPIClient, folder: Path) -> None:
    with pytest.raises(APIResponseValidationError):
        await read_all(client, folder)


async def error_event(client: AsyncAPIClient, folder: Path) -> None:
    with pytest.raises(InternalServerError):
        await read_all(client, folder)


async def read_raw(client: AsyncAPIClient, folder: Path) -> None:
    response = await client.with_raw_response.get("/act")
    assert await response.read()


async def read_pieces(client: AsyncAPIClient, folder: Path) -> None:
    async with client.with_streaming_response.get("/act") as response:
        async for _ in response.iter_lines():
            pass


async def leave_unread(client: AsyncAPIClient, folder: Path) -> None:
    async with client.with_streaming_response.get("/act"):
        pass


async def to_file(client: AsyncAPIClient, folder: Path) -> None:
    async with client.with_streaming_response.get("/act") as response:
        await response.stream_to_file(folder / "file")


async def without_a_with(client: AsyncAPIClient, folder: Path) -> None:
    """Until it has ended somebody has to close it."""
    stream = await client.get("/act", cast_to=int, stream=True)
    try:
        async for _ in stream:
            pass
    finally:
        await stream.aclose()


class Scenario(NamedTuple):
    play: Callable[[AsyncAPIClient, Path], Awaitable[None]]
    answers: tuple[Any, ...]
    """Each time anew."""


SLOW = event_stream(1, 2, 3, chunk_delay=0.001)
NAMED = event_stream(("a", 1), ("end", 2), b": and more\n\n", chunk_delay=0.001)
FAILED = event_stream(1, ("error", {"type": "overloaded_error"}), 2)
WITH_IDS = event_stream(ServerSentEvent("message", "1", "a"), 2)
SCENARIOS = {
    "to its end": Scenario(read_all, (SLOW,)),
    "compressed": Scenario(read_all, (event_stream(1, 2, encoding="gzip", chunk_delay=0.001),)),
    "with a retry": Scenario(read_all, (reply(503), SLOW)),
    "to its terminal event": Scenario(partial(read_all, terminal_event="end"), (NAMED,)),
    "left early": Scenario(leave_early, (event_stream(1, 2, 3, framing="length", chunk_delay=0.001),)),
    "left early for good": Scenario(leave_early, (event_stream(1, 2, chunk_delay=1000.0),)),
    "without a with": Scenario(without_a_with, (SLOW,)),
    "an error event": Scenario(error_event, (FAILED,)),
    "no stream": Scenario(
        no_stream, (reply(chunks=['"no', 'stream"'], headers={"Content-Type": "text/html"}, chunk_delay=0.001),)
    ),
    "resumed": Scenario(partial(read_all, resume=True), (truncate(-5, of=WITH_IDS), reply(503), SLOW, reply(204))),
    "raw": Scenario(read_raw, (reply(chunks=["a\n", "b\n"], chunk_delay=0.001),)),
    "by lines": Scenario(read_pieces, (reply(chunks=["a\n", "b\n"], chunk_delay=0.001),)),
    "unread": Scenario(leave_unread, (reply(content="abc"),)),
    "to a file": Scenario(to_file, (reply(chunks=["a" * 1_100_000, "b"], chunk_delay=0.001),)),
}


async def cancelled(play: Callable[[], Awaitable[None]], step: int) -> str:
    """``done`` or ``cancelled``: after `step` steps, or before the call for 0."""
    outcome = ""
    with trio.CancelScope() as scope:
        instrument = CancelAtStep(scope, step)
        if not step:
            scope.cancel()
        trio.lowlevel.add_instrument(instrument)
        token = WATCHED.set(True)
        try:
            await play()
            outcome = "done"
        except BaseException as error:
            if type(error) is not trio.Cancelled:
                raise AssertionError("what came out is no bare Cancelled") from error
            outcome = "cancelled"
            raise
        finally:
            WATCHED.reset(token)
            trio.lowlevel.remove_instrument(instrument)
    return outcome


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["trio", "trio over TLS", "httpx"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def scene_of(kind: str, authority: trustme.CA) -> AsyncIterator[tuple[LoopbackServer, AsyncAPIClient]]:
    tls = None
    trusting = ssl.create_default_context()
    if kind.endswith("TLS"):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        authority.configure_trust(trusting)
    async with LoopbackServer(ssl_context=tls, keep=0) as server:
        arguments: dict[str, Any] = {
            "base_url": server.url,
            "retry": RetryPolicy(initial_delay=0.002, max_delay=0.002),
            "limits": Limits(max_connections=1),
        }
        if kind == "httpx":
            async with (
                httpx.AsyncClient(verify=False) as carrier,
                AsyncAPIClient(http_client=carrier, **arguments) as client,
            ):
                yield server, client
        else:
            transport = TrioTransport(ssl_context=trusting, limits=arguments["limits"])
            async with AsyncAPIClient(transport=transport, **arguments) as client:
                yield server, client
        await server.wait_connections_closed()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_at_every_step(kind: str, name: str, authority: trustme.CA, audit: Any, tmp_path: Path) -> None:
    play, answers = SCENARIOS[name]
    outcomes: list[str] = []
    books = audit()
    with trio.fail_after(PATIENCE):
        async with scene_of(kind, authority) as (server, client):
            server.route("GET", "/next", reply(json="next"))
            await trio.testing.wait_all_tasks_blocked()
            while (not outcomes or outcomes[-1] == "cancelled") and len(outcomes) < MOST_STEPS:
                server.route("GET", "/act", *answers)
                outcomes.append(await cancelled(partial(play, client, tmp_path), len(outcomes)))
                statistics = client.statistics()
                assert statistics.in_flight == statistics.connections.waiting == 0
                assert statistics.connections.open == (statistics.connections.idle or 0)
                assert os.listdir(tmp_path) == (["file"] if "file" in name and outcomes[-1] == "done" else [])
                assert await client.get("/next") == "next"
    gc.collect()
    books.check()
    assert "cancelled" in outcomes[1:]
    assert outcomes[-1] == "done"
