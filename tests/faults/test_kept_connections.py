"""Connections kept for the next request: dead ones, and ones with bytes in them nobody asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import trio

from trioclient import APIConnectionError, Limits
from trioclient.testing import drop, raw, reply
from trioclient.testing._replies import HangUp, Pause, RawReply, Send

READ_BYTES = 65_536
AT_ONCE = 12


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: Any) -> Any:
    return authority.server("127.0.0.1") if request.param else None


async def side_by_side(count: int, call: Any) -> list[Any]:
    """What so many calls return, in their order."""
    results: list[Any] = [None] * count

    async def one(number: int) -> None:
        results[number] = await call(number)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)
    return results


def padded(path: str) -> bytes:
    """An answer that says its path and fills one read of the client to the last byte."""
    bare = len(reply(json=path).wire())
    for padding in range(READ_BYTES - bare - 8, READ_BYTES):
        wire = reply(content=f'"{path}"' + " " * padding, headers={"Content-Type": "application/json"}).wire()
        if len(wire) == READ_BYTES:
            return wire
    raise AssertionError("no padding fits")


SURPLUS = reply(json="not yours").wire()
SURPLUSES = {
    "in the same read": lambda request: raw(reply(json=request.path).wire() + SURPLUS, close=False),
    "right behind the read": lambda request: raw(padded(request.path) + SURPLUS, close=False),
    "a little later": lambda request: RawReply(opening=(Send(reply(json=request.path).wire()), Send(SURPLUS))),
    "half of it": lambda request: raw(padded(request.path) + SURPLUS[:20], close=False),
    "while idle": lambda request: RawReply(opening=(Send(reply(json=request.path).wire()), Pause(0.01), Send(SURPLUS))),
}


# Not over httpx, which takes it for the answer to the next request.
@pytest.mark.parametrize("face", ["trio", "blocking"])
@pytest.mark.parametrize("when", SURPLUSES)
async def test_a_surplus_answer_is_nobodys(stage: Any, tls: Any, when: str) -> None:
    async with stage(tls=tls) as scene:
        scene.server.route("GET", "/own/*", SURPLUSES[when])
        for number in range(4):
            assert await scene.call("GET", f"/own/{number}") == f"/own/{number}"
            await scene.server.wait_idle()


@pytest.mark.parametrize("face", ["trio", "blocking"])
@pytest.mark.parametrize("when", ["in the same read", "right behind the read", "half of it"])
async def test_a_surplus_answer_is_not_handed_to_who_waits(stage: Any, tls: Any, when: str) -> None:
    async with stage(tls=tls, limits=Limits(max_connections=1)) as scene:
        scene.server.route("GET", "/own/*", SURPLUSES[when])
        answers = await side_by_side(AT_ONCE, lambda number: scene.call("GET", f"/own/{number}"))
        assert answers == [f"/own/{number}" for number in range(AT_ONCE)]


ENDINGS = {
    "closed": drop(after=reply(json=1)),
    "reset": drop(after=reply(json=1), reset=True),
    "closed, properly": reply(json=1, close=True),
    "timed out": RawReply(
        opening=(Send(reply(json=1).wire()), Pause(0.01), Send(reply(408, close=True).wire())), ending=(HangUp(),)
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_connection_that_died_while_idle_costs_nothing(stage: Any, tls: Any, ending: str) -> None:
    async with stage(tls=tls) as scene:
        scene.server.route("POST", "/", ENDINGS[ending])
        for number in range(1, 4):
            assert await scene.call("POST", "/") == 1
            await scene.server.wait_connections_closed()
            assert scene.server.connection_count == scene.server.request_count == number


async def test_all_idle_connections_die_at_once(stage: Any, tls: Any) -> None:
    async with stage(tls=tls) as scene:
        scene.server.route("POST", "/", reply(json=1, delay=0.02))
        for _ in range(2):
            assert await side_by_side(AT_ONCE, lambda number: scene.call("POST", "/", body=number)) == [1] * AT_ONCE
            scene.server.close_idle_connections()
            await scene.server.wait_connections_closed()
        assert scene.server.request_count == 2 * AT_ONCE


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_they_die_under_the_next_requests(stage: Any, tls: Any, face: str) -> None:
    """At whatever moment: before the request is sent, on its way, or arrived and not yet read."""
    # httpx replaces no connection; there it costs a retry.
    async with stage(tls=tls, max_retries=2 if face == "httpx" else 0) as scene:
        scene.server.route("POST", "/", reply(json=1))

        async def close_after(checkpoints: int) -> None:
            kept = list(scene.server._live)
            for _ in range(checkpoints):
                await trio.lowlevel.checkpoint()
            for connection in kept:
                connection.close_if_idle()

        for checkpoints in range(12):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(close_after, checkpoints)
                answers = await side_by_side(4, lambda number: scene.call("POST", "/", body=number))
            assert answers == [1] * 4
        assert not scene.server.duplicates()


@pytest.mark.parametrize("face", ["trio", "blocking"])
async def test_a_connection_that_dies_on_reuse_is_replaced(stage: Any, tls: Any) -> None:
    async with stage(tls=tls) as scene:
        scene.server.route("POST", "/", reply(json=1), drop(), reply(json=2), drop(reset=True), reply(json=3))
        assert [await scene.call("POST", "/", body="x") for _ in range(3)] == [1, 2, 3]
        assert scene.client.statistics().retries == 0
        assert len({request.header("Idempotency-Key") for request in scene.server.requests}) == 3


async def test_a_body_that_can_be_sent_once_is_not_sent_on_another_connection(stage: Any) -> None:
    taken: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            taken.append(number)
            yield b"piece"

    async with stage(max_retries=2) as scene:
        scene.server.route("POST", "/", reply(json=1), drop(), reply(json=2))
        assert await scene.call("POST", "/", body="x") == 1
        error = await scene.fails("POST", "/", APIConnectionError, content=pieces())
        assert (error.attempts, error.sent) == (1, "maybe")
        assert taken == [0, 1, 2]
        assert [request.body for request in scene.server.requests[1:]] == [b"piece" * 3]


async def test_what_dies_in_use_is_not_replaced_once_a_byte_came_back(stage: Any) -> None:
    async with stage() as scene:
        scene.server.route("GET", "/", reply(json=1), RawReply(ending=(Send(b"H"), HangUp())))
        assert await scene.call("GET", "/") == 1
        error = await scene.fails("GET", "/", APIConnectionError)
        assert error.attempts == 1


@pytest.mark.parametrize("face", ["trio"])
@pytest.mark.parametrize("idle", [0, 1, 3])
async def test_so_many_are_kept(stage: Any, idle: int) -> None:
    async with stage(limits=Limits(max_idle_connections=idle, idle_expiry=math.inf)) as scene:
        scene.server.route("GET", "/", reply(json=1, delay=0.02))
        await side_by_side(AT_ONCE, partial(_get, scene))
        await scene.server.wait_connections_closed(AT_ONCE - idle)
        assert scene.client.statistics().connections[:3] == (idle, idle, 0)
        assert scene.server.open_connections == idle


async def _get(scene: Any, number: int) -> Any:
    return await scene.call("GET", "/")
