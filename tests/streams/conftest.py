"""A stage for streams and for answers left unread: a real server, and a client of one of four kinds.

The kinds differ in who calls (async code, blocking code) and in what carries the call (the trio
transport, a client of httpx). A test is written once, as for the async client: `_InThread` lets a
blocking object be used as if it were the async one, each of its steps in a worker thread.

At the end the next call must do, and no slot, task, descriptor or garbage may be left over.
"""

from __future__ import annotations

import gc
import os
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any

import httpx
import pytest
import trio

import trioclient
from trioclient import APIError, AsyncAPIClient, AttemptRecord, Limits, RetryPolicy, SyncAPIClient
from trioclient.testing import LoopbackServer, reply

PATIENCE = 10.0  # seconds: against a hang, not a measure of anything
AT_ONCE = RetryPolicy(initial_delay=0.0, max_delay=0.0)
UNUSED = ssl.create_default_context()  # which costs httpx more to make than all the rest


# Blocking objects, awaited


class _InThread:
    """A blocking object with the face of its async twin."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __repr__(self) -> str:
        return repr(self._target)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, "close" if name == "aclose" else name)
        if not callable(value):
            return value
        if name in {"events", "iter_bytes", "iter_text", "iter_lines"}:
            return lambda *args, **kwargs: _Iterator(partial(value, *args, **kwargs))
        return partial(_in_thread, value)

    async def __aenter__(self) -> Any:
        return _awaitable(await _in_thread(type(self._target).__enter__, self._target))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            await _in_thread(type(self._target).__exit__, self._target, kind, error, traceback)

    def __aiter__(self) -> _Iterator:
        return _Iterator(partial(iter, self._target))


class _Iterator:
    """A blocking iterator, made when it is first used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._iterator: Any = None

    def __aiter__(self) -> _Iterator:
        return self

    async def __anext__(self) -> Any:
        item = await _in_thread(self._next)
        if item is self:
            raise StopAsyncIteration
        return item

    def _next(self) -> Any:
        if self._iterator is None:
            self._iterator = self._make()
        return next(self._iterator, self)


async def _in_thread(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await trio.to_thread.run_sync(partial(fn, *args, **kwargs), abandon_on_cancel=True)


def _awaitable(value: Any) -> Any:
    return _InThread(value) if hasattr(value, "close") and hasattr(value, "__enter__") else value


# Clients


class Client:
    """The calls that this suite is about, each like that of the async client."""

    def __init__(self, client: Any, *, blocking: bool) -> None:
        self._client = client
        self._blocking = blocking
        self.statistics = client.statistics
        self.closed = False
        self.stream_class: Any = trioclient.Stream if blocking else trioclient.AsyncStream

    async def request(self, method: str, path: str, **arguments: Any) -> Any:
        return await self._call(self._client.request, method, path, **arguments)

    async def stream(self, method: str, path: str, **arguments: Any) -> Any:
        return await self._call(self._client.request, method, path, stream=True, **arguments)

    async def raw(self, *args: Any, verb: str = "request", **arguments: Any) -> Any:
        return await self._call(getattr(self._client.with_raw_response, verb), *args, **arguments)

    def streaming(self, *args: Any, verb: str = "request", **arguments: Any) -> AbstractAsyncContextManager[Any]:
        manager = getattr(self._client.with_streaming_response, verb)(*args, **arguments)
        return _InThread(manager) if self._blocking else manager

    async def aclose(self) -> None:
        """Before its time."""
        self.closed = True
        await (_in_thread(self._client.close) if self._blocking else self._client.aclose())

    async def _call(self, call: Callable[..., Any], *args: Any, **arguments: Any) -> Any:
        with trio.fail_after(PATIENCE):
            if self._blocking:
                return _awaitable(await _in_thread(call, *args, **arguments))
            return await call(*args, **arguments)


@asynccontextmanager
async def _async_trio(cls: type[Any], **arguments: Any) -> AsyncIterator[Client]:
    async with cls(**arguments) as client:
        yield Client(client, blocking=False)


@asynccontextmanager
async def _async_httpx(cls: type[Any], **arguments: Any) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(verify=UNUSED) as carrier, cls(http_client=carrier, **arguments) as client:
        yield Client(client, blocking=False)


@asynccontextmanager
async def _blocking_trio(cls: type[Any], **arguments: Any) -> AsyncIterator[Client]:
    client = cls(**arguments)
    try:
        yield Client(client, blocking=True)
    finally:
        with trio.CancelScope(shield=True):
            await _in_thread(client.close)


@asynccontextmanager
async def _blocking_httpx(cls: type[Any], **arguments: Any) -> AsyncIterator[Client]:
    with httpx.Client(verify=UNUSED) as carrier:
        async with _blocking_trio(cls, http_client=carrier, **arguments) as client:
            yield client


_FACES = {
    "async, trio": _async_trio,
    "async, httpx": _async_httpx,
    "blocking, trio": _blocking_trio,
    "blocking, httpx": _blocking_httpx,
}


# The stage


class Audit:
    """What there was before, to be there again: tasks of this trio run, descriptors of this process."""

    def __init__(self) -> None:
        self._before = self._reading()

    @staticmethod
    def _reading() -> dict[str, int]:
        # Elsewhere than on Linux nobody keeps a list.
        descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        return {"tasks": trio.lowlevel.current_statistics().tasks_living, "descriptors": descriptors}

    def check(self) -> None:
        assert self._reading() == self._before

    async def settle(self) -> None:
        """The same, once the other threads have done what they were about to do."""
        with trio.move_on_after(PATIENCE):
            while self._reading() != self._before:  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.001)
        self.check()


class Stage:
    """A server and a client of it."""

    def __init__(self, server: LoopbackServer, client: Client, attempts: list[AttemptRecord]) -> None:
        self.server = server
        self.client = client
        self.attempts = attempts
        """What the hook was told."""

    def answer(self, *answers: Any, method: str = "*", path: str = "/") -> None:
        """What the server answers from now on."""
        self.server.route(method, path, *answers)

    async def stream(self, *answers: Any, method: str = "GET", **arguments: Any) -> Any:
        """The stream that comes of these answers."""
        self.answer(*answers)
        return await self.client.stream(method, "/", **arguments)

    async def values(self, *answers: Any, method: str = "GET", **arguments: Any) -> list[Any]:
        """Every value of the stream that comes of these answers."""
        values, error = await self.outcome(*answers, method=method, **arguments)
        if error is not None:
            raise error
        return values

    async def outcome(self, *answers: Any, method: str = "GET", **arguments: Any) -> tuple[list[Any], APIError | None]:
        """The same, and the error it ended with, if any."""
        values: list[Any] = []
        with trio.fail_after(PATIENCE):
            try:
                async with await self.stream(*answers, method=method, **arguments) as stream:
                    async for value in stream:
                        values.append(value)  # noqa: PERF401 -- keeps what comes before a fault
            except APIError as error:
                return values, error
        return values, None

    async def fails(self, kind: type[APIError], *answers: Any, **arguments: Any) -> Any:
        """The error that a stream ends with, which must be of this very class."""
        values, error = await self.outcome(*answers, **arguments)
        assert error is not None, f"it came to its end: {values!r}"
        assert type(error) is kind, repr(error)
        return error

    async def recovers(self) -> None:
        """The next call on the same client is fine, and its answer its own."""
        self.server.route("GET", "/next", reply(json={"next": True}))
        options = {"deadline": PATIENCE, "timeout": PATIENCE}
        assert await self.client.request("GET", "/next", options=options) == {"next": True}
        statistics = self.client.statistics()
        assert statistics.in_flight == statistics.connections.waiting == 0
        assert statistics.connections.open == (statistics.connections.idle or 0)


OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture(params=list(_FACES))
def face(request: pytest.FixtureRequest) -> str:
    """Which client. A test for some alone says so by ``parametrize("face", ["async, trio"])``."""
    return request.param


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """What is there before a module's tests is not looked through after each of them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def patience() -> float:
    return PATIENCE


@pytest.fixture
def audit() -> type[Audit]:
    return Audit


@pytest.fixture
def stage(face: str) -> OpenStage:
    """Opens a `Stage`; the arguments go to the client, `cls` is a subclass of it."""

    @asynccontextmanager
    async def stage(
        *, mixin: type[Any] | None = None, keep: int | None = None, **arguments: Any
    ) -> AsyncIterator[Stage]:
        client_class: Any = SyncAPIClient if face.startswith("blocking") else AsyncAPIClient
        if mixin is not None:
            client_class = type("Client", (mixin, client_class), {})
        audit = Audit()
        async with LoopbackServer(keep=keep) as server:
            attempts: list[AttemptRecord] = []
            defaults: dict[str, Any] = {
                "base_url": server.url,
                "timeout": PATIENCE,
                "retry": AT_ONCE,
                "hooks": [attempts.append],
                "limits": Limits(max_connections=5),
            }
            async with _FACES[face](client_class, **{**defaults, **arguments}) as client:
                stage = Stage(server, client, attempts)
                yield stage
                if not client.closed:
                    await stage.recovers()
            with trio.fail_after(PATIENCE):
                await server.wait_connections_closed()
        gc.collect()
        await audit.settle() if face.startswith("blocking") else audit.check()

    return stage
