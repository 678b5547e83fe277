"""Cancellation at every step of a call, on real sockets: nothing is left, and nothing is lost.

An instrument counts the steps of the calling task, and of the tasks the call starts, between two
checkpoints each. Every scenario is played again and again, and cancelled after its first step,
its second one, and so on until it comes through.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import httpx
import pytest
import trio
import trio.testing

from trioclient import AsyncAPIClient, Limits, RateLimitError, RequestTooLargeError, RetryPolicy, TrioTransport
from trioclient.testing import LoopbackServer, RecordedRequest, drop, reply

if sys.version_info < (3, 11):
    pass

PATIENCE = 10.0
MOST_STEPS = 500
LOOPBACK = "127.0.0.1"
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


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        await trio.sleep(0.001)
        yield b"x" * 1000


def pieces_of_a_thread() -> Iterator[bytes]:
    yield from (b"x" * 1000, b"y" * 1000)


def attempt_of(request: RecordedRequest) -> int:
    return int(request.header("X-Trioclient-Retry-Count") or 0)


def first(failure: Any) -> Callable[[RecordedRequest], Any]:
    """`failure` in answer to every first attempt."""
    return lambda request: reply(json="second") if attempt_of(request) else failure


class Scenario(NamedTuple):
    answer: Any
    method: str = "GET"
    content: Callable[[], Any] = lambda: None
    before: str = ""
    """A call made first: for a connection to use again, or to close the gate."""
    limits: Limits = Limits()
    others: int = 0
    """Calls that hold a connection each meanwhile."""


DELAY = RetryPolicy(initial_delay=0.002, max_delay=0.002)
IN_PARTS = reply(chunks=[b'"o', b"k", b'"'], headers={"Content-Type": "application/json"}, chunk_delay=0.002)
SCENARIOS = {
    "a first call": Scenario(reply(json="ok")),
    "a later call": Scenario(reply(json="ok"), before="/next"),
    "a body in parts": Scenario(IN_PARTS, before="/next"),
    "a compressed body": Scenario(reply(json=["ok"] * 10_000, encoding="gzip"), before="/next"),
    "a back-off": Scenario(first(reply(503))),
    "a broken connection": Scenario(first(drop())),
    "a server's delay": Scenario(first(reply(429, headers={"Retry-After-Ms": "3"}))),
    "a wait at the gate": Scenario(reply(json="ok"), before="/throttled"),
    "a redirect": Scenario(reply(307, headers={"Location": "/next"})),
    "a large body": Scenario(reply(json="ok"), "POST", lambda: b"x" * 400_000),
    "a streamed body": Scenario(reply(json="ok"), "POST", pieces),
    "a body from a thread": Scenario(reply(json="ok"), "POST", pieces_of_a_thread),
    "a refused body": Scenario(reply(413, content=b"too much", early=True), "POST", pieces),
    "a wait for a connection": Scenario(reply(json="ok", delay=0.002), limits=Limits(max_connections=2), others=2),
}


async def cancelled_call(client: AsyncAPIClient, scenario: Scenario, step: int) -> str:
    """``done``, ``failed`` or ``cancelled``: after `step` steps, or before the call for 0."""
    outcome = ""
    with trio.CancelScope() as scope:
        instrument = CancelAtStep(scope, step)
        if not step:
            scope.cancel()
        trio.lowlevel.add_instrument(instrument)
        token = WATCHED.set(True)
        try:
            await client.request(scenario.method, "/act", content=scenario.content())
            outcome = "done"
        except RequestTooLargeError:
            outcome = "failed"
        except BaseException as error:
            if type(error) is not trio.Cancelled:
                raise AssertionError("what came out is no bare Cancelled") from error
            outcome = "cancelled"
            raise
        finally:
            WATCHED.reset(token)
            trio.lowlevel.remove_instrument(instrument)
    return outcome


async def play(client: AsyncAPIClient, scenario: Scenario, step: int) -> str:
    if scenario.before:
        with contextlib.suppress(RateLimitError):
            await client.get(scenario.before, options={"max_retries": 0})
    async with trio.open_nursery() as nursery:
        for _ in range(scenario.others):
            nursery.start_soon(client.get, "/act")
        await trio.lowlevel.checkpoint()
        outcome = await cancelled_call(client, scenario, step)
    statistics = client.statistics()
    assert statistics.in_flight == statistics.connections.waiting == 0
    assert statistics.connections.open == (statistics.connections.idle or 0)
    assert await client.get("/next") == "next"
    return outcome


@pytest.fixture(params=["trio", "trio over TLS", "httpx over TLS"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def client_of(kind: str, authority: Any, **options: Any) -> AsyncIterator[AsyncAPIClient]:
    arguments: dict[str, Any] = {"retry": DELAY, **options}
    if kind.startswith("httpx"):
        async with httpx.AsyncClient(verify=authority.client) as carrier:
            yield AsyncAPIClient(http_client=carrier, **arguments)
    else:
        transport = TrioTransport(ssl_context=authority.client, limits=options.get("limits"))
        async with AsyncAPIClient(transport=transport, **arguments) as client:
            yield client


@asynccontextmanager
async def server_of(kind: str, authority: Any) -> AsyncIterator[LoopbackServer]:
    context = authority.server(LOOPBACK) if kind.endswith("TLS") else None
    async with LoopbackServer(ssl_context=context, keep=0) as server:
        server.route("*", "/next", reply(json="next"))
        server.route("*", "/throttled", reply(429, headers={"Retry-After-Ms": "4"}))
        yield server


async def sweep(kind: str, scenario: Scenario, authority: Any, audit: Any, host: str = LOOPBACK) -> list[str]:
    """The outcome of each step's cancellation, up to the first call that comes through."""
    # httpx connects in a nursery of trio's own, and out comes a group of what was cancelled there.
    outcomes: list[str] = []
    with trio.fail_after(PATIENCE):
        async with server_of(kind, authority) as server:
            server.route("*", "/act", scenario.answer)
            await trio.testing.wait_all_tasks_blocked()
            books = audit()
            url = server.url.replace(LOOPBACK, host)
            while (not outcomes or outcomes[-1] == "cancelled") and len(outcomes) < MOST_STEPS:
                async with client_of(kind, authority, base_url=url, limits=scenario.limits) as client:
                    outcomes.append(await play(client, scenario, len(outcomes)))
                await server.wait_connections_closed()
                await trio.testing.wait_all_tasks_blocked()
                if host == LOOPBACK:
                    books.check()
                else:
                    await books.settle()
    return outcomes


@pytest.mark.parametrize("name", SCENARIOS)
async def test_at_every_step(kind: str, name: str, authority: Any, audit: Any) -> None:
    outcomes = await sweep(kind, SCENARIOS[name], authority, audit)
    assert "cancelled" in outcomes[1:]
    assert outcomes[-1] == ("failed" if "refused" in name else "done")


@pytest.mark.parametrize("kind", ["trio", "httpx"])
async def test_at_every_step_of_a_look_up(kind: str, authority: Any, audit: Any) -> None:
    """And of the race between the addresses that come of it."""
    outcomes = await sweep(kind, SCENARIOS["a first call"], authority, audit, host="localhost")
    assert "cancelled" in outcomes[1:]
    assert outcomes[-1] == "done"
