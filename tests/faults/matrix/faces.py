"""The two clients, asked the same way.

Both carry credentials in every place a credential can be, all of which hold the word `MARK`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

import trio
from shapes import Shape

from trioclient import AsyncAPIClient, ClientStatistics, RetryPolicy, SyncAPIClient, TrioTransport

__all__ = ["FACES", "MARK", "Call", "Face", "Timed"]

MARK = "s3cr3t"

_THREADS = trio.CapacityLimiter(1000)  # a kind's cells may all wait at once

T = TypeVar("T")

_ARGUMENTS: dict[str, Any] = {
    "custom_query": {"api_key": f"{MARK}-4"},
    "custom_headers": {"Cookie": f"session={MARK}-5"},
    "retry": RetryPolicy(initial_delay=0.0, max_delay=0.0),
}


class Call(NamedTuple):
    """What is asked of a face: the arguments of ``request``."""

    shape: Shape
    url: str
    arguments: dict[str, Any]


class Timed(NamedTuple):
    """What came of a call."""

    value: Any
    error: Exception | None
    seconds: float


class Face:
    """A client."""

    def __init__(self, call: Callable[[Call], Any], statistics: Callable[[], ClientStatistics]) -> None:
        self.call = call
        self.statistics = statistics


class _Credentials:
    @property
    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {MARK}-1", "X-Api-Key": f"{MARK}-2", "X-Unheard-Of": f"{MARK}-3"}


class _AsyncClient(_Credentials, AsyncAPIClient):
    pass


class _BlockingClient(_Credentials, SyncAPIClient):
    pass


@asynccontextmanager
async def _async(transport: TrioTransport, **arguments: Any) -> AsyncIterator[Face]:
    async with _AsyncClient(transport=transport, **{**_ARGUMENTS, **arguments}) as client:
        yield Face(partial(_call_async, client), client.statistics)


async def _call_async(client: AsyncAPIClient, call: Call) -> Timed:
    value, error = None, None
    began = time.monotonic()
    try:
        answer: Any = await client.request(call.shape.method, call.url, stream=call.shape.streams, **call.arguments)
        if call.shape.streams:
            value = []
            async with answer as stream:
                async for event in stream:
                    value.append(event)
        else:
            value = answer
    except Exception as raised:
        error = raised
    return Timed(value, error, time.monotonic() - began)


@asynccontextmanager
async def _blocking(transport: TrioTransport, **arguments: Any) -> AsyncIterator[Face]:
    client = _BlockingClient(transport=transport, **{**_ARGUMENTS, **arguments})
    in_thread = partial(trio.to_thread.run_sync, abandon_on_cancel=True, limiter=_THREADS)
    try:
        yield Face(lambda call: in_thread(_call_blocking, client, call), client.statistics)
    finally:
        await in_thread(client.close)


def _call_blocking(client: SyncAPIClient, call: Call) -> Timed:
    value, error = None, None
    began = time.monotonic()
    try:
        answer: Any = client.request(call.shape.method, call.url, stream=call.shape.streams, **call.arguments)
        if call.shape.streams:
            value = []
            with answer as stream:
                for event in stream:
                    value.append(event)
        else:
            value = answer
    except Exception as raised:
        error = raised
    return Timed(value, error, time.monotonic() - began)


FACES: dict[str, Callable[..., AbstractAsyncContextManager[Face]]] = {"async": _async, "blocking": _blocking}
