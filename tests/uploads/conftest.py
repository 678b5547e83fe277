"""A stage for uploads: a real server and a client of one of five kinds.

At the end of each the next call must do, and no slot, connection or descriptor may be missing or
left over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest
import trio

from trioclient import AsyncAPIClient, RetryPolicy, SyncAPIClient
from trioclient.testing import LoopbackServer, reply

PATIENCE = 10.0  # seconds: against a hang, not a measure of anything


@asynccontextmanager
async def _over_trio(**arguments: Any) -> AsyncIterator[AsyncAPIClient]:
    async with AsyncAPIClient(**arguments) as client:
        yield client


@asynccontextmanager
async def _over_httpx(**arguments: Any) -> AsyncIterator[AsyncAPIClient]:
    async with httpx.AsyncClient(verify=False) as carrier, AsyncAPIClient(http_client=carrier, **arguments) as client:
        yield client


class _InThreads:
    """A blocking client's calls, awaited."""

    def __init__(self, client: SyncAPIClient) -> None:
        self._client = client
        self.statistics = client.statistics

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await trio.to_thread.run_sync(partial(self._client.request, *args, **kwargs), abandon_on_cancel=True)


@asynccontextmanager
async def _blocking(**arguments: Any) -> AsyncIterator[_InThreads]:
    client = SyncAPIClient(**arguments)
    try:
        yield _InThreads(client)
    finally:
        await trio.to_thread.run_sync(client.close)


@asynccontextmanager
async def _blocking_over_httpx(**arguments: Any) -> AsyncIterator[_InThreads]:
    async with httpx.AsyncClient(verify=False) as carrier, _blocking(http_client=carrier, **arguments) as client:
        yield client


@asynccontextmanager
async def _blocking_over_blocking_httpx(**arguments: Any) -> AsyncIterator[_InThreads]:
    with httpx.Client(verify=False) as carrier:
        async with _blocking(http_client=carrier, **arguments) as client:
            yield client


_FACES: dict[str, Callable[..., AbstractAsyncContextManager[Any]]] = {
    "trio": _over_trio,
    "httpx": _over_httpx,
    "blocking": _blocking,
    "blocking over httpx": _blocking_over_httpx,
    "blocking over blocking httpx": _blocking_over_blocking_httpx,
}


class Part(NamedTuple):
    headers: dict[str, str]
    content: bytes


class Stage:
    """A server and a client of it."""

    def __init__(self, server: LoopbackServer, client: Any) -> None:
        self.server = server
        self.client = client

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """What the client makes of it, within `PATIENCE`."""
        with trio.fail_after(PATIENCE):
            return await self.client.request(method, path, **arguments)

    async def fails(self, method: str, path: str, kind: type[Exception], **arguments: Any) -> Any:
        """The error of a call that must fail with this very class."""
        try:
            answer = await self.call(method, path, **arguments)
        except Exception as error:
            if type(error) is not kind:
                raise
            return error
        pytest.fail(f"{method} {path} was answered: {answer!r}")

    def bodies(self) -> list[bytes]:
        """The bodies of the requests that arrived whole."""
        return [request.body for request in self.server.requests]

    def form(self, number: int = -1) -> list[Part]:
        """One request's body taken apart, by the letter of RFC 2046."""
        request = self.server.requests[number]
        kind, _, boundary = (request.header("Content-Type") or "").partition("; boundary=")
        assert kind == "multipart/form-data"
        before, *sections, after = (b"\r\n" + request.body).split(b"\r\n--" + boundary.encode())
        assert (before, after) == (b"", b"--\r\n")
        return [_part(section) for section in sections]

    async def recovers(self) -> None:
        """The next call on the same client is fine, and its answer its own."""
        self.server.route("GET", "/next", reply(json={"next": True}))
        assert await self.call("GET", "/next") == {"next": True}
        with trio.fail_after(PATIENCE):
            # A thread of a blocking httpx.Client may be at its last step still.
            while self._unsettled():  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.001)

    def _unsettled(self) -> bool:
        statistics = self.client.statistics()
        return bool(statistics.in_flight or statistics.connections.waiting)


def _part(section: bytes) -> Part:
    head, _, content = section.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    return Part({name: value for name, _, value in lines}, content)


OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


def open_files() -> int:
    """Descriptors of this process. Elsewhere than on Linux nobody keeps a list."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


@pytest.fixture(params=list(_FACES))
def face(request: pytest.FixtureRequest) -> str:
    """Which client. A test for some alone says so by ``parametrize("face", ["trio"])``."""
    return request.param


@pytest.fixture
def stage(face: str) -> OpenStage:
    """Opens a `Stage`. Its arguments go to the client."""

    @asynccontextmanager
    async def stage(**arguments: Any) -> AsyncIterator[Stage]:
        before = open_files()
        async with LoopbackServer() as server:
            defaults: Mapping[str, Any] = {
                "base_url": server.url,
                "timeout": PATIENCE,
                "max_retries": 2,
                "retry": RetryPolicy(initial_delay=0.0, max_delay=0.0),
            }
            async with _FACES[face](**{**defaults, **arguments}) as client:
                stage = Stage(server, client)
                yield stage
                await stage.recovers()
            with trio.fail_after(PATIENCE):
                await server.wait_connections_closed()
        with trio.fail_after(PATIENCE):
            while open_files() != before:  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.001)

    return stage
