from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trioclient.testing import LoopbackServer, reply


async def test_keep_alive(server, dial):
    server.route("GET", "/*", lambda request: reply(content=request.path))
    async with dial(server) as client:
        for path in ("/a", "/b", "/c"):
            assert (await client.exchange(target=path)).body == path.encode()
    await server.wait_connections_closed()
    [connection] = server.connections
    assert (connection.requests, connection.ended) == (3, "client")
    assert connection.opened <= connection.closed
    assert [request.connection for request in server.requests] == [1, 1, 1]


async def test_pipelined_requests_are_answered_in_order(server, dial):
    server.route("POST", "/*", lambda request: reply(content=request.path + request.body.decode(), delay=0.001))
    async with dial(server) as client:
        one = b"POST /%d HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nx%d"
        await client.send(b"".join(one % (n, n) for n in range(5)))
        for n in range(5):
            answer = reply(content=f"/{n}x{n}").wire()
            assert await client.read(len(answer)) == answer
    assert server.max_in_flight == 1


async def test_pipelined_last_words_before_the_end(server, dial):
    """A client that closes its sending half after two requests gets both answers."""
    async with dial(server) as client:
        await client.get("/a")
        await client.get("/b")
        await client.stream.send_eof()
        assert (await client.read_to_end()).count(b"404 Not Found") == 2


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n", b"hello"),
        (b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"Content-Length: 0\r\n\r\n", b""),
        (b"\r\n", b""),
    ],
    ids=["length", "chunked", "expect", "zero", "none"],
)
@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_request_bodies_in_any_cuts(server, dial, lines, body, cut):
    server.route("POST", "/x", lambda request: reply(content=request.body))
    wire = b"POST /x?y=1 HTTP/1.1\r\nHost: test\r\nX-Name: v\xe4lue\r\n" + lines
    async with dial(server) as client:
        for start in range(0, len(wire), cut):
            await client.send(wire[start : start + cut])
        answer = reply(content=body).wire()
        assert await client.read(len(answer)) == answer
    [request] = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/x?y=1", body)
    assert request.header("x-name") == "v\u00e4lue"
    assert ("Host", "test") in request.headers
    assert request.status == 200


async def test_head_has_no_body(server, dial):
    server.route("HEAD", "/x", reply(json=[1, 2, 3]))
    async with dial(server) as client:
        for _ in range(2):
            answer = await client.exchange("HEAD", "/x")
            assert (answer.headers["content-length"], answer.body) == ("7", b"")


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"],
    ids=["asked for", "HTTP/1.0"],
)
async def test_client_wants_no_more_after_this_one(server, dial, request_bytes):
    server.route("GET", "/", reply(content="x"))
    async with dial(server) as client:
        await client.send(request_bytes)
        assert await client.read_to_end() == reply(content="x").wire()
    assert server.connections[0].ended == "server"


@pytest.mark.parametrize("answer", [reply(content="x", close=True), reply(content="x", framing="close")])
async def test_server_wants_no_more(server, dial, answer):
    server.route("GET", "/", answer)
    async with dial(server) as client:
        await client.get()
        assert await client.read_to_end() == answer.wire()
    await server.wait_connections_closed(1)
    assert server.connections[0].ended == "server"


async def test_early_answer(server, dial):
    server.route("POST", "/", reply(413, early=True), reply(content="next"))
    async with dial(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n")
        answer = reply(413).wire()
        assert await client.read(len(answer)) == answer
        [request] = server.requests
        assert request.body == b""
        await client.send(b"hello")
        assert (await client.exchange("POST", "/")).body == b"next"
        assert request.body == b"hello"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"nonsense\r\n\r\n", b"illegal request line"),
        (b"GET / HTTP/1.1\r\n\r\n", b"Host"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"illegal chunk header"),
    ],
)
async def test_what_is_not_http(server, dial, data, reason):
    async with dial(server) as client:
        await client.send(data)
        answer = await client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert reason in answer
    await server.wait_connections_closed(1)
    assert server.connections[0].ended == "bad request"
    assert server.in_flight == 0
    assert server.requests == []


@pytest.mark.parametrize(
    "sent",
    [b"GET / HT", b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel"],
    ids=["head", "body"],
)
@pytest.mark.parametrize("before", [0, 1], ids=["first", "pipelined"])
async def test_client_gone_in_the_middle_of_its_request(server, dial, sent, before):
    async with dial(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n" * before + sent)
        await client.stream.send_eof()
        await client.read_to_end()
    await server.wait_connections_closed(1)
    assert server.connections[0].ended == "broken"
    assert (server.in_flight, server.request_count) == (0, before)


@pytest.mark.parametrize("answer", [reply(delay=3600), reply(chunks=["a", "b"], chunk_delay=3600)])
async def test_client_gone_during_a_delay_is_noticed(server, dial, answer):
    server.route("GET", "/", answer)
    async with dial(server) as client:
        await client.get()
        await server.wait_requests(1)
        assert server.in_flight == 1
    await server.wait_connections_closed(1)
    assert (server.in_flight, server.connections[0].ended) == (0, "broken")
    assert server.requests[0].status is None
    assert server.requests[0].finished is not None


async def test_what_comes_during_a_delay_is_not_lost(server, dial):
    server.route("GET", "/first", reply(delay=0.05))
    server.route("GET", "/second", reply(content="second"))
    async with dial(server) as client:
        await client.get("/first")
        await server.wait_requests(1)
        await client.get("/second")
        expected = reply().wire() + reply(content="second").wire()
        assert await client.read(len(expected)) == expected


async def test_long_delay_does_not_swallow_an_endless_body(server, dial):
    """What comes early is kept up to a bound, then the client is made to wait."""
    server.route("POST", "/", reply(early=True, delay=3600))
    sent = []

    async def upload(client):
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 200000000\r\n\r\n")
        await client.send(bytes(200_000_000))
        sent.append("all")

    async with dial(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(upload, client)
        await server.wait_requests(1)
        await wait_all_tasks_blocked(0.05)
        assert sent == []
        nursery.cancel_scope.cancel()


async def test_large_body_both_ways(server, dial):
    server.route("POST", "/", lambda request: reply(content=request.body))
    body = bytes(range(256)) * 40_000
    async with dial(server) as client:
        assert (await client.exchange("POST", "/", body=body)).body == body


async def test_scripted_function_that_fails_is_a_500(dial):
    def broken(request):
        raise ValueError("no such luck")

    with pytest.raises(ValueError, match="no such luck"):
        async with LoopbackServer() as server:
            server.route("GET", "/", broken)
            async with dial(server) as client:
                answer = await client.exchange()
                assert answer.status == 500
                assert b"no such luck" in answer.body
                assert (await client.exchange(target="/other")).status == 404
            assert [str(error) for error in server.errors] == ["no such luck"]
