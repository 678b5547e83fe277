from __future__ import annotations

import os
import ssl
import sys
from contextlib import AsyncExitStack

import httpx
import pytest
import trio
import trustme

from trioclient.testing import LoopbackServer, drip, drop, raw, reply, stall


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def client_context(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_session_with_httpx(server):
    server.route("POST", "/items", reply(503, headers={"Retry-After": "1"}), reply(json={"id": 1}, encoding="gzip"))
    async with httpx.AsyncClient(base_url=server.url) as client:
        answers = [await client.post("/items", json={"n": n}) for n in range(2)]
    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[0].headers["retry-after"] == "1"
    assert answers[1].json() == {"id": 1}
    assert [request.json() for request in server.requests] == [{"n": 0}, {"n": 1}]
    await server.wait_connections_closed()


def test_addresses_before_the_start():
    server = LoopbackServer()
    assert (server.host, server.port, server.url) == ("127.0.0.1", 0, "http://127.0.0.1/")


async def test_addresses(server):
    assert server.host == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}/"
    assert repr(server) == f"<LoopbackServer {server.url} requests=0 in_flight=0 connections=0 open=0>"


async def test_ipv6(dial):
    try:
        async with LoopbackServer(host="::1") as server:
            assert server.url == f"http://[::1]:{server.port}/"
            async with dial(server) as client:
                assert (await client.exchange()).status == 404
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


async def test_exit_leaves_no_task_and_no_socket(dial):
    tasks = trio.lowlevel.current_statistics().tasks_living
    descriptors = open_descriptors()
    async with AsyncExitStack() as clients:
        async with LoopbackServer() as server:
            server.route("GET", "/stall", stall(10))
            server.route("GET", "/slow", reply(delay=3600))
            server.route("GET", "/drip", drip(interval=3600))
            idle, stalled, slow, dripping = [await clients.enter_async_context(dial(server)) for _ in range(4)]
            await idle.exchange()
            for client, path in ((stalled, "/stall"), (slow, "/slow"), (dripping, "/drip")):
                await client.get(path)
            await server.wait_requests(4)
            assert server.open_connections == 4
            assert await dripping.read(1) == b"H"
        ends = [await client.read_to_end() for client in (idle, stalled, slow, dripping)]
    assert ends == [b"", b"HTTP/1.1 2", b"", b""]
    assert server.open_connections == server.in_flight == 0
    assert sorted(connection.ended for connection in server.connections) == ["stopped"] * 4
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert open_descriptors() == descriptors
    with pytest.raises(OSError):
        await trio.open_tcp_stream(server.host, server.port)


def open_descriptors() -> int:
    # Not there on Windows, where the count of tasks and of connections has to do.
    return len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0


async def test_body_exception_comes_out_as_itself():
    with pytest.raises(KeyError, match="mine"):
        async with LoopbackServer():
            raise KeyError("mine")


async def test_body_exception_is_not_lost_to_cancellation(dial):
    async with AsyncExitStack() as clients:
        with pytest.raises(KeyError, match="mine"), trio.CancelScope() as scope:
            async with LoopbackServer() as server:
                server.route("GET", "/", stall())
                client = await clients.enter_async_context(dial(server))
                await client.get()
                await server.wait_requests(1)
                scope.cancel()
                raise KeyError("mine")


async def test_cancelled_from_outside(dial):
    with trio.CancelScope() as scope:
        async with LoopbackServer() as server:
            server.route("GET", "/", stall())
            async with dial(server) as client:
                await client.get()
                await server.wait_requests(1)
                scope.cancel()
                await trio.sleep_forever()
    assert scope.cancelled_caught
    assert server.open_connections == 0


def failing(request):
    raise ZeroDivisionError


async def test_error_of_a_scripted_function_tells_why_the_body_failed(dial):
    with pytest.raises(ZeroDivisionError) as caught:
        async with LoopbackServer() as server:
            server.route("GET", "/", failing)
            async with dial(server) as client:
                assert (await client.exchange()).status == 200
    assert isinstance(caught.value.__context__, AssertionError)


class Quit(BaseException):
    pass


async def test_function_that_ends_the_server(dial):
    async def quits(request):
        raise Quit

    with pytest.raises(Quit):
        async with LoopbackServer() as server:
            server.route("GET", "/", quits)
            async with dial(server) as client:
                await client.get()
                await trio.sleep_forever()
    assert server.open_connections == 0


async def test_error_of_a_scripted_function_does_not_hide_cancellation(dial):
    with trio.CancelScope() as scope:
        async with LoopbackServer() as server:
            server.route("GET", "/", failing)
            async with dial(server) as client:
                await client.exchange()
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught


async def test_entered_once_only(server):
    with pytest.raises(RuntimeError, match="once only"):
        async with server:
            pass


async def test_tls(server_context, client_context):
    async with LoopbackServer(ssl_context=server_context) as server:
        server.route("GET", "/", reply(content="secret"), reply(content="to the end", framing="close"))
        assert server.url == f"https://127.0.0.1:{server.port}/"
        async with httpx.AsyncClient(verify=client_context) as client:
            for text in ("secret", "to the end"):
                assert (await client.get(server.url)).text == text
        await server.wait_connections_closed(1)
        assert (server.connection_count, server.connections[0].ended) == (1, "server")


async def test_tls_notices_the_client_going(server_context, client_context):
    async with LoopbackServer(ssl_context=server_context) as server:
        server.route("GET", "/", reply(delay=3600))
        tcp = await trio.open_tcp_stream(server.host, server.port)
        async with trio.SSLStream(tcp, client_context, server_hostname="127.0.0.1", https_compatible=True) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            await server.wait_requests(1)
        await server.wait_connections_closed(1)
        assert server.connections[0].ended == "broken"


async def test_tls_goodbye_or_none(server_context, client_context):
    """A proper close says goodbye, so that a body delimited by it is whole; a cut one does not."""
    # OpenSSL 3, as Python sets it up, takes a bare end for a goodbye.
    client_context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    async with LoopbackServer(ssl_context=server_context) as server:
        server.route("GET", "/proper", reply(content="x", framing="close"))
        server.route("GET", "/cut", drop(after=reply(content="x", framing="close")))
        answer = reply(content="x", framing="close").wire()
        for path, whole in (("/proper", True), ("/cut", False)):
            tcp = await trio.open_tcp_stream(server.host, server.port)
            async with trio.SSLStream(tcp, client_context, server_hostname="127.0.0.1") as stream:
                await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
                received = b""
                while len(received) < len(answer):
                    received += await stream.receive_some()
                assert received == answer
                if whole:
                    assert await stream.receive_some() == b""
                else:
                    with pytest.raises(trio.BrokenResourceError):
                        await stream.receive_some()


async def test_handshake_that_fails(server_context, dial):
    async with LoopbackServer(ssl_context=server_context) as server:
        async with dial(server) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            await client.read_to_end()
        await server.wait_connections_closed(1)
        assert (server.connections[0].ended, server.request_count) == ("handshake", 0)


@pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets in Python on Windows")
async def test_unix_socket(tmp_path):
    path = tmp_path / "socket"
    async with LoopbackServer(uds=path) as server:
        server.route("GET", "/", reply(content="local"))
        assert (server.url, server.port) == ("http://localhost/", 0)
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
            assert (await client.get(server.url)).text == "local"
    assert not path.exists()


async def test_greetings_in_place_of_http(server, dial):
    server.greet(drop(), drop(reset=True), raw(b"220 smtp here\r\n"))
    async with dial(server) as client:
        assert await client.read_to_end() == b""
    async with dial(server) as client:
        with pytest.raises(trio.BrokenResourceError):
            await client.read_to_end()
    async with dial(server) as client:
        assert await client.read_to_end() == b"220 smtp here\r\n"
    async with dial(server) as client:
        assert (await client.exchange()).status == 404


async def test_greeting_that_never_answers_a_handshake(server_context, client_context):
    async with LoopbackServer(ssl_context=server_context) as server:
        server.greet(stall())
        tcp = await trio.open_tcp_stream(server.host, server.port)
        stream = trio.SSLStream(tcp, client_context, server_hostname="127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.do_handshake)
            while not server.connection_count:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert server.open_connections == 1
        await trio.aclose_forcefully(stream)
        await server.wait_connections_closed(1)
        assert server.connections[0].ended != "handshake"


async def test_idle_connections_closed(server, dial):
    server.route("GET", "/slow", stall(4))
    async with dial(server) as idle, dial(server) as busy:
        await idle.exchange()
        await busy.get("/slow")
        await server.wait_requests(2)
        server.close_idle_connections()
        assert await idle.read_to_end() == b""
        await server.wait_connections_closed(1)
        assert await busy.read(4) == b"HTTP"
        assert server.open_connections == 1
    assert server.connections[0].ended == "server"


async def test_idle_means_that_the_answer_has_gone_out_whole(server, dial):
    answer = reply(content=bytes(20_000_000))
    server.route("GET", "/", answer)
    async with dial(server) as client:
        await client.get()
        await client.read(10)
        server.close_idle_connections()
        assert len(await client.read_to_end()) == len(answer.wire()) - 10


async def test_a_thousand_connections_at_once(server, dial, at_once):
    release = trio.Event()

    async def held(request):
        await release.wait()
        return reply()

    async def ask():
        async with dial(server) as client:
            assert (await client.exchange()).status == 200

    server.route("GET", "/", held)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(at_once, 1000, ask)
        await server.wait_requests(1000)
        assert server.max_in_flight == 1000
        release.set()
    await server.wait_connections_closed(1000)
