"""Many calls at once, cancelled together or one by one, and a client closed under them."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from trioclient import APIConnectionError, AsyncAPIClient, Limits, TrioTransport
from trioclient.testing import LoopbackServer, reply, stall

if sys.platform != "win32":
    import resource

PATIENCE = 15.0


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: Any) -> Any:
    return authority.server("127.0.0.1") if request.param else None


@pytest.fixture(params=["trio", "httpx"])
def face(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def open_pair(face: str, authority: Any, audit: Any, tls: Any):
    """A server with ``/stall`` and ``/ok``, and a client of it; at the end nothing is left."""

    @asynccontextmanager
    async def open_pair(**options: Any) -> AsyncIterator[tuple[LoopbackServer, AsyncAPIClient]]:
        books = audit()
        async with LoopbackServer(ssl_context=tls, keep=0) as server:
            server.route("*", "/stall", stall())
            server.route("*", "/ok", reply(json="ok"))
            arguments: dict[str, Any] = {"base_url": server.url, "max_retries": 0, **options}
            if face == "httpx":
                async with httpx.AsyncClient(verify=authority.client, limits=httpx.Limits()) as carrier:
                    yield server, AsyncAPIClient(http_client=carrier, **arguments)
            else:
                transport = TrioTransport(ssl_context=authority.client, limits=options.get("limits"))
                async with AsyncAPIClient(transport=transport, **arguments) as client:
                    yield server, client
            with trio.fail_after(PATIENCE):
                await server.wait_connections_closed()
        books.check()

    return open_pair


def in_order(client: AsyncAPIClient) -> bool:
    """No call is going on, and no slot is held for one."""
    statistics = client.statistics()
    open_, idle, waiting = statistics.connections[:3]
    return statistics.in_flight == waiting == 0 and open_ == (idle or 0)


async def all_slots_work(client: AsyncAPIClient, slots: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(slots):
            nursery.start_soon(client.get, "/ok")


async def test_those_who_wait_are_cancelled(open_pair: Any) -> None:
    async with open_pair(limits=Limits(max_connections=2)) as (server, client):
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as holders:
                for _ in range(2):
                    holders.start_soon(client.get, "/stall")
                await server.wait_requests(2)
                async with trio.open_nursery() as waiters:
                    for _ in range(100):
                        waiters.start_soon(client.get, "/ok")
                    await trio.testing.wait_all_tasks_blocked()
                    assert client.statistics().connections.waiting == 100
                    waiters.cancel_scope.cancel()
                assert client.statistics().connections.waiting == 0
                assert client.statistics().in_flight == 2
                assert server.request_count == 2
                holders.cancel_scope.cancel()
            assert in_order(client)
            await all_slots_work(client, 4)


async def test_those_who_hold_are_cancelled(open_pair: Any) -> None:
    """Their slots go to those who wait, all of them."""
    async with open_pair(limits=Limits(max_connections=3)) as (server, client):
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as waiters:
                async with trio.open_nursery() as holders:
                    for _ in range(3):
                        holders.start_soon(client.get, "/stall")
                    await server.wait_requests(3)
                    for _ in range(50):
                        waiters.start_soon(client.get, "/ok")
                    await trio.testing.wait_all_tasks_blocked()
                    holders.cancel_scope.cancel()
            assert server.request_count == 53
            assert in_order(client)


async def test_in_any_order(open_pair: Any) -> None:
    """Holders and waiters are cancelled one after another, at random, until none is left."""
    rng = random.Random(11)
    async with open_pair(limits=Limits(max_connections=4)) as (server, client):
        scopes: list[trio.CancelScope] = []

        async def call(scope: trio.CancelScope) -> None:
            with scope:
                await client.get("/stall")

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for _ in range(60):
                    scopes.append(trio.CancelScope())
                    nursery.start_soon(call, scopes[-1])
                await server.wait_requests(4)
                rng.shuffle(scopes)
                for scope in scopes:
                    scope.cancel()
                    for _ in range(rng.randrange(4)):
                        await trio.lowlevel.checkpoint()
            assert all(scope.cancelled_caught for scope in scopes)
            assert in_order(client)
            await all_slots_work(client, 4)


async def test_a_thousand_in_flight(open_pair: Any, face: str, tls: Any) -> None:
    count = 90 if face == "httpx" else 1000 if tls is None else 200  # httpx has a hundred connections
    with room_for_descriptors(2 * count + 200):
        async with open_pair() as (server, client):
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    for _ in range(count):
                        nursery.start_soon(client.get, "/stall")
                    await server.wait_requests(count)
                    began = trio.current_time()
                    nursery.cancel_scope.cancel()
                elapsed = trio.current_time() - began
                print(f"{count} calls cancelled in {elapsed * 1000:.0f} ms")
                assert in_order(client)
                assert await client.get("/ok") == "ok"


class room_for_descriptors:
    """Raises the soft limit of this process for a while."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> None:
        if sys.platform != "win32":
            self._before = resource.getrlimit(resource.RLIMIT_NOFILE)
            soft, hard = self._before
            if soft < self._count:
                resource.setrlimit(resource.RLIMIT_NOFILE, (min(self._count, hard), hard))

    def __exit__(self, *exc: object) -> None:
        if sys.platform != "win32":
            resource.setrlimit(resource.RLIMIT_NOFILE, self._before)


async def test_cancelled_siblings_raise_nothing(open_pair: Any) -> None:
    """The first answer cancels the others, whatever these are at: retrying, waiting, failing."""
    async with open_pair(limits=Limits(max_connections=3), max_retries=5) as (server, client):
        for _ in range(20):
            answers: list[str] = []

            async def call(nursery: trio.Nursery) -> None:
                answers.append(await client.get("/hedge"))  # noqa: B023 -- ends with this round
                nursery.cancel_scope.cancel()

            server.route("GET", "/hedge", reply(503), reply(503), reply(json="ok"), reply(503))
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    for _ in range(6):
                        nursery.start_soon(call, nursery)
            assert answers[0] == "ok"
            assert in_order(client)


@pytest.mark.parametrize("face", ["trio"])
@pytest.mark.parametrize("checkpoints", range(24))
async def test_closed_under_calls(open_pair: Any, checkpoints: int) -> None:
    """At whatever moment: the calls end well, or with an error of the tree."""
    large = "x" * 100_000  # many TLS records, of which all but the first are there at once
    async with open_pair(limits=Limits(max_connections=3)) as (server, client):
        server.route("POST", "/large", reply(json=large))

        async def call(content: Any) -> None:
            with contextlib.suppress(APIConnectionError):
                assert await client.post("/large", content=content) == large

        await all_slots_work(client, 3)
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(call, b"x" * (number % 2) * 200_000)
                for _ in range(checkpoints):
                    await trio.lowlevel.checkpoint()
                await client.aclose()
        assert client.statistics().connections[:3] == (0, 0, 0)


async def interrupted() -> AsyncIterator[bytes]:
    yield b"x"
    raise KeyboardInterrupt


def interrupted_and_blocking() -> Iterator[bytes]:
    yield b"x"
    raise KeyboardInterrupt


@pytest.mark.parametrize("upload", [interrupted, interrupted_and_blocking])
async def test_a_keyboard_interrupt_comes_out_bare(open_pair: Any, upload: Any) -> None:
    async with open_pair() as (_, client):
        with pytest.raises(KeyboardInterrupt) as caught:
            await client.post("/ok", content=upload())
        assert type(caught.value) is KeyboardInterrupt
        assert in_order(client)
        assert await client.get("/ok") == "ok"


async def test_a_hook_that_raises_leaves_nothing_behind(open_pair: Any) -> None:
    def hook(_: object) -> None:
        raise LookupError("mine")

    async with open_pair(hooks=[hook]) as (_, client):
        for _ in range(3):
            with pytest.raises(LookupError, match="mine"):
                await client.get("/ok")
        assert in_order(client)
