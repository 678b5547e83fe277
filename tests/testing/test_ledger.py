from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trioclient.testing import LoopbackServer, drop, reply, truncate

KEY = "Idempotency-Key"


async def test_overlap(server, dial, at_once):
    release = trio.Event()

    async def held(request):
        await release.wait()
        return reply()

    async def ask():
        async with dial(server) as client:
            await client.exchange()

    server.route("GET", "/", held)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(at_once, 5, ask)
        await server.wait_requests(5)
        assert (server.in_flight, server.max_in_flight, server.open_connections) == (5, 5, 5)
        assert all(request.finished is None for request in server.requests)
        release.set()
        await server.wait_idle()
    await server.wait_connections_closed(5)
    assert (server.in_flight, server.max_in_flight, server.open_connections) == (0, 5, 0)
    assert (server.request_count, server.connection_count) == (5, 5)


async def test_overlap_is_never_more_than_the_client_had_open(server, dial):
    """A client that begins its next request the moment an answer ends is not counted twice."""
    server.route("GET", "/", reply(content="x"), drop(after=reply(content="x")))
    async with dial(server) as one, dial(server) as two:
        await one.exchange()
        await two.exchange()
    assert server.max_in_flight == 1


async def test_times_are_in_order(server, dial):
    async with dial(server) as client:
        before = trio.current_time()
        await client.exchange()
        await server.wait_idle()
    [request] = server.requests
    assert before <= request.started <= request.finished <= trio.current_time()


@pytest.mark.parametrize(("keep", "kept"), [(None, 5), (2, 2), (0, 0)])
async def test_keep_bounds_the_records_but_not_the_counts(dial, keep, kept):
    async with LoopbackServer(keep=keep) as server:
        for n in range(5):
            async with dial(server) as client:
                await client.exchange(target=f"/{n}")
        assert [request.path for request in server.requests] == [f"/{n}" for n in range(5 - kept, 5)]
        assert len(server.connections) == kept
        assert (server.request_count, server.connection_count) == (5, 5)
        await server.wait_connections_closed(5)
        assert server.open_connections == 0


@pytest.mark.parametrize("judge", [LoopbackServer.duplicates, LoopbackServer.unkeyed])
async def test_judgements_need_all_requests(dial, judge):
    async with LoopbackServer(keep=1) as server:
        async with dial(server) as client:
            await client.exchange()
            assert judge(server) == []
            await client.exchange()
        with pytest.raises(RuntimeError, match="only the last 1 of 2 requests were kept"):
            judge(server)


@pytest.mark.parametrize("keep", [-1, 1.5])
def test_keep_refused(keep):
    with pytest.raises((TypeError, ValueError), match="keep must be"):
        LoopbackServer(keep=keep)


async def test_duplicates_are_what_succeeded_twice(server, dial):
    done, failed, cut = reply(201), reply(503), truncate(-1, of=reply(200, json=1))
    script = {
        "once": [done],
        "retried": [failed, done],
        "cut-then-done": [cut, done],
        "twice": [done, done],
        "failed": [failed, failed],
        "twice-after-all": [drop(after=done), done],
    }
    for key, answers in script.items():
        server.route("POST", f"/{key}", *answers)
        for _ in answers:
            async with dial(server) as client:
                await client.send(f"POST /{key} HTTP/1.1\r\nHost: test\r\n{KEY}: {key}\r\n\r\n".encode())
                await client.stream.receive_some(1000)
    assert server.duplicates() == ["twice", "twice-after-all"]
    assert server.duplicates("Host") == ["test"]
    assert server.duplicates("X-Other") == []


async def test_unkeyed_are_writes_without_a_key(server, dial):
    async with dial(server) as client:
        for method in ("GET", "OPTIONS", "POST", "PUT", "DELETE"):
            await client.exchange(method, f"/{method}")
            await client.exchange(method, "/keyed", headers={KEY.lower(): "1"})
    assert [request.path for request in server.unkeyed()] == ["/POST", "/PUT", "/DELETE"]
    assert server.unkeyed("host") == []


async def test_answer_that_could_not_be_sent_is_no_success(server, dial):
    """The client goes while the last write of a large answer is blocked."""
    server.route("GET", "/", reply(content=bytes(20_000_000)))
    async with dial(server) as client:
        await client.get()
        await client.read(10)
    await server.wait_connections_closed(1)
    assert server.requests[0].status is None


async def test_waiting_ends_with_the_server():
    outcomes = []

    async def wait(server):
        with pytest.raises(RuntimeError, match="the server has stopped"):
            await server.wait_requests(1)
        outcomes.append("told")

    async with trio.open_nursery() as nursery:
        async with LoopbackServer() as server:
            nursery.start_soon(wait, server)
            await wait_all_tasks_blocked()
    assert outcomes == ["told"]
    await server.wait_connections_closed()
