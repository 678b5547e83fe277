"""The guards of a client behind its blocking face: one for all threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from trioclient import (
    CircuitBreaker,
    CircuitOpenError,
    Hedge,
    InternalServerError,
    Rate,
    Stall,
    SyncAPIClient,
)
from trioclient.testing import BlockingLoopbackServer, LoopbackServer, reply


@pytest.fixture
def server() -> Iterator[BlockingLoopbackServer]:
    with LoopbackServer.in_thread() as server:
        yield server


def test_so_many_at_once_over_all_threads(server: BlockingLoopbackServer) -> None:
    arrived = threading.Semaphore(0)
    release = threading.Event()

    def hold(_: Any) -> Any:
        arrived.release()
        return reply(json=1, delay=0.0 if release.is_set() else 0.2)

    server.route("GET", "/x", hold)
    with SyncAPIClient(base_url=server.url, max_at_once=2) as client, ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(client.get, "/x") for _ in range(8)]
        arrived.acquire()
        arrived.acquire()
        (group,) = client.statistics().limit_groups
        assert (group.in_flight, group.limit) == (2, 2)
        release.set()
        assert [call.result() for call in calls] == [1] * 8
        assert client.statistics().connections.open == 2


def test_a_circuit_is_open_for_all_threads(server: BlockingLoopbackServer) -> None:
    server.route("GET", "/x", reply(500))
    breaker = CircuitBreaker(of=3, open_for=60.0)
    with SyncAPIClient(base_url=server.url, breaker=breaker, max_retries=0) as client:
        for _ in range(3):
            with pytest.raises(InternalServerError):
                client.get("/x")
        with ThreadPoolExecutor(1) as thread, pytest.raises(CircuitOpenError) as caught:
            thread.submit(client.get, "/x").result()
        assert caught.value.retry_at is not None
    assert len(server.requests) == 3


def test_the_rest_is_handed_on(server: BlockingLoopbackServer) -> None:
    server.route("GET", "/x", reply(json=1, delay=5.0), reply(json=2))
    server.route("POST", "/x", reply(json=3))
    rate = Rate(requests=1000, tokens=1000, per=1.0, cost=lambda body: 10, used=lambda value: value, burst=1.0)
    with SyncAPIClient(base_url=server.url, rate=rate, stall=Stall(), concurrency=None) as client:
        assert client.with_options(hedge=Hedge(after=0.01), limit_group="mine").get("/x") == 2
        assert client.post("/x", body={}) == 3
        assert client.statistics().hedges_won == 1
        assert sorted(group.name for group in client.statistics().limit_groups) == [server.url.rstrip("/"), "mine"]
