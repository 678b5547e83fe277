"""The transport over an ``httpx.AsyncClient``, on real sockets where the wire matters."""

from __future__ import annotations

import contextlib
import gc
import io
import math
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import trio
import trustme

from trioclient import AsyncAPIClient
from trioclient._codec.body import RequestBody, content_body
from trioclient._faults import (
    ClosedFault,
    ConnectFault,
    DisconnectFault,
    Fault,
    LimitFault,
    ProtocolFault,
    TimeoutFault,
)
from trioclient._net.httpx_async import HttpxResponse, HttpxTransport
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._types import Limits, Timeouts
from trioclient.testing import LoopbackServer, drip, drop, flood, raw, reply, stall, truncate

Wire = Callable[..., WireRequest]

ZIPPED = reply(content=b"unzipped", encoding="gzip")


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as server:
        server.route("*", "/ok", reply(json={"ok": True}))
        yield server


@pytest.fixture
async def client(library: ModuleType) -> AsyncIterator[Any]:
    async with library.AsyncClient(trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
def transport(client: Any) -> HttpxTransport:
    return HttpxTransport(client, limits=Limits())


def mock(library: ModuleType, handler: Callable[[Any], Any], **kwargs: Any) -> HttpxTransport:
    client = library.AsyncClient(transport=library.MockTransport(handler), **kwargs)
    return HttpxTransport(client, limits=Limits())


async def read(response: HttpxResponse) -> bytes:
    pieces = []
    while piece := await response.receive():
        pieces.append(piece)
    return b"".join(pieces)


async def send(transport: HttpxTransport, request: WireRequest) -> HttpxResponse:
    phases = PhaseScope("read", math.inf, trio.current_time())
    with phases.scope:
        return await transport.send(request, phases)
    raise TimeoutFault(phases.phase)


async def exchange(transport: HttpxTransport, request: WireRequest) -> bytes:
    response = await send(transport, request)
    try:
        return await read(response)
    finally:
        await response.aclose()


def all_back(transport: HttpxTransport) -> bool:
    statistics = transport.permits.statistics()
    return statistics.free == statistics.total and not statistics.waiting


# An answer


async def test_an_exchange(transport: HttpxTransport, server: LoopbackServer, wire: Wire) -> None:
    server.route("POST", "/x", reply(201, json=[1], headers={"X-Mixed-Case": "1"}))
    request = wire("POST", f"{server.url}x?a=b%20c", body=content_body(b"hello"), headers=[(b"X-Own", b"yes")])
    response = await send(transport, request)
    assert (response.status, response.http_version, request.sent) == (201, "HTTP/1.1", "yes")
    assert (b"x-mixed-case", b"1") in response.headers
    assert transport.permits.statistics().free == transport.permits.statistics().total - 1
    assert await read(response) == b"[1]"
    assert await response.receive() == b""
    assert all_back(transport)
    [seen] = server.requests
    assert (seen.target, seen.body, seen.header("x-own"), seen.header("content-length")) == (
        "/x?a=b%20c",
        b"hello",
        "yes",
        "5",
    )


async def test_connections_are_kept(transport: HttpxTransport, server: LoopbackServer, wire: Wire) -> None:
    for _ in range(3):
        await exchange(transport, wire(url=f"{server.url}ok"))
    assert server.connection_count == 1


async def test_redirects_are_left_to_the_engine(library: ModuleType, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/away", reply(302, headers={"Location": "/ok"}))
    async with library.AsyncClient(follow_redirects=True, trust_env=False, verify=False) as client:
        response = await send(HttpxTransport(client, limits=Limits()), wire(url=f"{server.url}away"))
        await response.aclose()
    assert response.status == 302
    assert server.request_count == 1


async def test_the_body_comes_as_it_crossed_the_wire(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire
) -> None:
    server.route("GET", "/zip", ZIPPED)
    response = await send(transport, wire(url=f"{server.url}zip", headers=[(b"Accept-Encoding", b"gzip")]))
    assert (b"content-encoding", b"gzip") in response.headers
    assert await read(response) == b"".join(ZIPPED.pieces)
    assert server.requests[0].header("accept-encoding") == "gzip"


async def test_omitted_accept_encoding_stays_omitted(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire
) -> None:
    await exchange(transport, wire(url=f"{server.url}ok"))
    assert server.requests[0].header("accept-encoding") is None


async def test_a_head_over_its_bound(transport: HttpxTransport, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/big", reply(headers={"X-Big": "x" * 2000}))
    with pytest.raises(LimitFault, match="max_header_bytes"):
        await send(transport, wire(url=f"{server.url}big", limits=Limits(max_header_bytes=1000)))
    assert all_back(transport)
    await server.wait_connections_closed()


# What the caller hung on their client


async def test_the_clients_defaults_lie_under_the_request(
    library: ModuleType, server: LoopbackServer, wire: Wire
) -> None:
    seen: list[str] = []

    async def hook(request: Any) -> None:
        seen.append(request.method)

    async with library.AsyncClient(
        headers={"X-Client": "1", "X-Both": "theirs"},
        cookies={"c": "1"},
        params={"p": "theirs", "q": "theirs"},
        auth=("user", "secret"),
        event_hooks={"request": [hook]},
        trust_env=False,
    ) as client:
        transport = HttpxTransport(client, limits=Limits())
        await exchange(transport, wire(url=f"{server.url}ok?q=ours&q=too", headers=[(b"x-both", b"ours")]))
    [request] = server.requests
    assert sorted(request.query.split("&")) == ["p=theirs", "q=ours", "q=too"]
    assert [request.header(name) for name in ("x-client", "x-both", "cookie")] == ["1", "ours", "c=1"]
    assert request.header("authorization") == "Basic dXNlcjpzZWNyZXQ="
    assert seen == ["GET"]


async def test_a_redirect_to_another_origin_takes_nothing_of_the_clients_along(
    library: ModuleType, server: LoopbackServer
) -> None:
    server.route("GET", "/near", reply(302, headers={"Location": "/ok"}))
    async with (
        LoopbackServer() as other,
        library.AsyncClient(
            headers={"Authorization": "Bearer secret", "X-Api-Key": "secret"},
            cookies={"session": "secret"},
            params={"key": "secret"},
            trust_env=False,
        ) as http_client,
        library.AsyncClient(auth=("user", "secret"), trust_env=False, verify=False) as with_auth,
    ):
        other.route("GET", "/ok", reply(json=1))
        server.route("GET", "/away", reply(302, headers={"Location": f"{other.url}ok"}))
        for given in (http_client, with_auth):
            async with AsyncAPIClient(base_url=server.url, http_client=given) as api:
                await api.get("/near")
                assert server.requests[-1].header("authorization") is not None
                await api.get("/away")
    assert other.request_count == 2
    for request in other.requests:
        assert "secret" not in str(request.headers) + request.target
        assert request.header("authorization") is None


async def test_a_hook_that_reads_the_answer(library: ModuleType, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/zip", ZIPPED)

    async def hook(response: Any) -> None:
        await response.aread()

    async with library.AsyncClient(event_hooks={"response": [hook]}, trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        response = await send(transport, wire(url=f"{server.url}zip", headers=[(b"Accept-Encoding", b"gzip")]))
        assert b"content-encoding" not in dict(response.headers)
        assert await read(response) == b"unzipped"
        assert all_back(transport)


@pytest.mark.parametrize("when", ["request", "response"])
async def test_a_bug_in_a_hook_is_the_callers(
    library: ModuleType, server: LoopbackServer, wire: Wire, when: str
) -> None:
    bug = KeyError("bug")

    async def hook(_: Any) -> None:
        raise bug

    async with library.AsyncClient(event_hooks={when: [hook]}, trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        with pytest.raises(KeyError) as caught:
            await send(transport, wire(url=f"{server.url}ok"))
    assert caught.value is bug
    assert all_back(transport)


async def test_a_digest_challenge_sends_a_replayable_body_again(
    library: ModuleType, server: LoopbackServer, wire: Wire
) -> None:
    challenge = reply(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})
    server.route("POST", "/digest", challenge, reply(content=b"in"))
    async with library.AsyncClient(auth=library.DigestAuth("user", "secret"), trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        body = content_body([b"one ", b"two"])
        assert await exchange(transport, wire("POST", f"{server.url}digest", body=body)) == b"in"
    assert [request.body for request in server.requests] == [b"one two", b"one two"]
    assert server.requests[1].header("authorization").startswith("Digest")


async def test_a_digest_challenge_to_a_one_shot_body_is_not_answered_with_an_empty_one(
    library: ModuleType, server: LoopbackServer, wire: Wire
) -> None:
    challenge = reply(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})
    server.route("POST", "/digest", challenge)
    async with library.AsyncClient(auth=library.DigestAuth("user", "secret"), trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        with pytest.raises(RuntimeError, match="already sent"):
            await send(transport, wire("POST", f"{server.url}digest", body=content_body(iter([b"once"]))))
    assert all_back(transport)
    assert [request.body for request in server.requests] == [b"once"]


async def test_mounts_and_mocks_take_part(library: ModuleType, wire: Wire) -> None:
    def answer(request: Any) -> Any:
        return library.Response(200, json={"host": request.url.host, "body": request.content.decode()})

    client = library.AsyncClient(
        mounts={"all://mounted.test": library.MockTransport(answer)}, trust_env=False, verify=False
    )
    transport = HttpxTransport(client, limits=Limits())
    body = content_body(iter([b"str", b"eamed"]))
    answered = await exchange(transport, wire("POST", "http://mounted.test/x", body=body))
    assert answered.replace(b" ", b"") == b'{"host":"mounted.test","body":"streamed"}'
    assert all_back(transport)


async def test_an_asgi_application(library: ModuleType, wire: Wire) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Path", scope["raw_path"])]})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"!", "more_body": False})

    client = library.AsyncClient(transport=library.ASGITransport(app=app))
    transport = HttpxTransport(client, limits=Limits())
    response = await send(transport, wire("POST", "http://app.test/a%20b", body=content_body(b"hi")))
    assert (b"x-path", b"/a%20b") in response.headers
    assert await read(response) == b"hi!"


# Streamed requests


async def _agen(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("make", "framing"),
    [
        (lambda: content_body(_agen(b"one ", b"two")), ("transfer-encoding", "chunked")),
        (lambda: content_body(iter([b"one ", b"", b"two"])), ("transfer-encoding", "chunked")),
        (lambda: content_body([b"one ", b"two"]), ("content-length", "7")),
        (lambda: content_body(io.BytesIO(b"one two")), ("content-length", "7")),
    ],
    ids=["async generator", "iterator", "list", "file"],
)
async def test_streamed_bodies(
    transport: HttpxTransport,
    server: LoopbackServer,
    wire: Wire,
    make: Callable[[], RequestBody],
    framing: tuple[str, str],
) -> None:
    await exchange(transport, wire("POST", f"{server.url}ok", body=make()))
    [request] = server.requests
    assert request.body == b"one two"
    lines = [(name.lower(), value) for name, value in request.headers]
    assert [line for line in lines if line[0] in ("content-length", "transfer-encoding")] == [framing]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_the_callers_iterator_raises_is_the_callers(
    transport: HttpxTransport, library: ModuleType, server: LoopbackServer, wire: Wire, kind: str
) -> None:
    # A caller who passes on what they read from elsewhere may well raise httpx's own exceptions.
    bug = library.ReadError("elsewhere")

    def pieces() -> Any:
        yield b"one"
        raise bug

    async def apieces() -> Any:
        yield b"one"
        raise bug

    body = content_body(pieces() if kind == "sync" else apieces())
    with pytest.raises(library.ReadError) as caught:
        await send(transport, wire("POST", f"{server.url}ok", body=body))
    assert caught.value is bug
    assert all_back(transport)


async def test_an_upload_left_half_way_closes_the_callers_generator(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire
) -> None:
    closed = False

    async def endless() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            while True:
                yield bytes(65_536)
        finally:
            closed = True

    server.route("POST", "/full", drop("body"))
    with pytest.raises(DisconnectFault):
        await send(transport, wire("POST", f"{server.url}full", body=content_body(endless())))
    assert closed
    assert all_back(transport)


# Faults


@pytest.mark.parametrize(
    ("exception", "fault", "phase", "sent"),
    [
        ("ConnectTimeout", TimeoutFault, "connect", "no"),
        ("PoolTimeout", TimeoutFault, "pool", "no"),
        ("ReadTimeout", TimeoutFault, "read", "maybe"),
        ("WriteTimeout", TimeoutFault, "write", "maybe"),
        ("ConnectError", ConnectFault, None, "no"),
        ("ProxyError", ConnectFault, None, "no"),
        ("ReadError", DisconnectFault, None, "maybe"),
        ("WriteError", DisconnectFault, None, "maybe"),
        ("CloseError", DisconnectFault, None, "maybe"),
        ("RemoteProtocolError", ProtocolFault, None, "maybe"),
        ("LocalProtocolError", ProtocolFault, None, "maybe"),
        ("DecodingError", ProtocolFault, None, "maybe"),
    ],
)
async def test_exceptions_become_faults(
    library: ModuleType, wire: Wire, exception: str, fault: type[Fault], phase: str | None, sent: str
) -> None:
    original = getattr(library, exception)("some words")

    def fail(_: Any) -> Any:
        raise original

    transport = mock(library, fail)
    request = wire()
    with pytest.raises(fault) as caught:
        await send(transport, request)
    assert caught.value.__cause__ is original
    assert request.sent == sent
    assert getattr(caught.value, "phase", None) == phase
    assert all_back(transport)


@pytest.mark.parametrize("location", ["javascript:alert(1)", "mailto:a@b.test", "http:\\\\c.test"])
async def test_a_location_that_httpx_cannot_read_is_the_servers_fault(
    server: LoopbackServer, wire: Wire, location: str
) -> None:
    server.route("GET", "/x", reply(302, headers={"Location": location}))
    async with httpx.AsyncClient() as client:  # httpx2 does not look before it is asked to follow
        transport = HttpxTransport(client, limits=Limits())
        with pytest.raises(ProtocolFault, match="redirects to what is no URL"):
            await exchange(transport, wire("GET", f"{server.url}x"))
        assert all_back(transport)


@pytest.mark.parametrize("exception", ["UnsupportedProtocol", "StreamConsumed"])
async def test_other_exceptions_propagate(library: ModuleType, wire: Wire, exception: str) -> None:
    kind = getattr(library, exception)
    original = kind() if exception == "StreamConsumed" else kind("some words")

    def fail(_: Any) -> Any:
        raise original

    with pytest.raises(kind) as caught:
        await send(mock(library, fail), wire())
    assert caught.value is original


@pytest.mark.parametrize("words", ["no route to http://user:secret@proxy.test", "secret@host", "secret" * 100])
async def test_fault_messages_hold_no_credentials(library: ModuleType, wire: Wire, words: str) -> None:
    def fail(_: Any) -> Any:
        raise library.ConnectError(words)

    with pytest.raises(ConnectFault) as caught:
        await send(mock(library, fail), wire())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("misreply", "fault"),
    [
        (drop(), DisconnectFault),
        (drop(reset=True), DisconnectFault),
        (truncate(-3, of=reply(content=b"0123456789")), DisconnectFault),
        (truncate(-3, of=reply(chunks=[b"01234", b"56789"])), DisconnectFault),
        (raw(b"SMTP ready\r\n\r\n"), ProtocolFault),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"), ProtocolFault),
    ],
    ids=["drop", "reset", "short", "short chunks", "not http", "two lengths"],
)
async def test_faults_on_the_wire(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire, misreply: Any, fault: type[Fault]
) -> None:
    server.route("GET", "/bad", misreply)
    with pytest.raises(fault):
        await exchange(transport, wire(url=f"{server.url}bad"))
    assert all_back(transport)
    await server.wait_connections_closed()


async def test_an_unknown_certificate(library: ModuleType, wire: Wire) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with LoopbackServer(ssl_context=context) as server, library.AsyncClient(trust_env=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        request = wire(url=server.url)
        with pytest.raises(ConnectFault, match="certificate verify failed"):
            await send(transport, request)
    assert request.sent == "no"
    assert all_back(transport)


async def test_nobody_there(transport: HttpxTransport, wire: Wire) -> None:
    with socket_of_nobody() as port:
        request = wire(url=f"http://127.0.0.1:{port}/")
        with pytest.raises(ConnectFault):
            await send(transport, request)
    assert request.sent == "no"


@contextlib.contextmanager
def socket_of_nobody() -> Any:
    """A port that is taken, so that nobody else listens on it, but not listened on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


async def test_a_broken_body_is_never_mistaken_for_a_whole_one(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire
) -> None:
    server.route("GET", "/short", truncate(-3, of=reply(content=b"0123456789")))
    response = await send(transport, wire(url=f"{server.url}short"))
    with pytest.raises(DisconnectFault):
        await read(response)
    with pytest.raises(ClosedFault):
        await response.receive()


async def test_a_closed_answer_is_never_mistaken_for_a_whole_one(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire
) -> None:
    response = await send(transport, wire(url=f"{server.url}ok"))
    await response.aclose()
    await response.aclose()
    with pytest.raises(ClosedFault):
        await response.receive()
    assert all_back(transport)


# Time


@pytest.mark.parametrize(
    "misreply",
    [drip(reply(headers={"X": "y" * 2000}), interval=0.01), flood("informational", interval=0.01), stall()],
    ids=["drip", "1xx", "stall"],
)
async def test_the_read_timeout_holds_for_the_whole_head(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire, misreply: Any
) -> None:
    server.route("GET", "/slow", misreply)
    request = wire(url=f"{server.url}slow", timeouts=Timeouts(5, 0.2, 5, 5))
    with pytest.raises(TimeoutFault) as caught:
        await send(transport, request)
    assert caught.value.phase == "read"
    assert request.sent == "maybe"
    assert all_back(transport)
    await server.wait_connections_closed()


async def test_a_slow_hook_is_not_the_servers_fault(library: ModuleType, wire: Wire, server: LoopbackServer) -> None:
    async def hook(_: Any) -> None:
        await trio.sleep(0.3)

    async with library.AsyncClient(event_hooks={"response": [hook]}, trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        request = wire(url=f"{server.url}ok", timeouts=Timeouts(5, 0.2, 5, 5))
        assert await exchange(transport, request) == b'{"ok":true}'


async def test_the_body_is_read_in_the_read_phase(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire
) -> None:
    phases = PhaseScope("read", math.inf, trio.current_time())
    with phases.scope:
        response = await transport.send(wire(url=f"{server.url}ok", timeouts=Timeouts(5, 7, 5, 5)), phases)
        assert phases.phase == "read"
        assert 6 < phases.scope.deadline - trio.current_time() <= 7
        await response.aclose()


async def test_waiting_for_a_permit_is_the_pool_phase(
    library: ModuleType, wire: Wire, autojump_clock: trio.testing.MockClock
) -> None:
    transport = mock(library, lambda _: library.Response(200, content=b"x"))
    transport.permits.total = 1
    first = await send(transport, wire())
    started = trio.current_time()
    with pytest.raises(TimeoutFault) as caught:
        await send(transport, wire(timeouts=Timeouts(1, 2, 3, 4)))
    assert caught.value.phase == "pool"
    assert trio.current_time() - started == 4
    await first.aclose()
    await (await send(transport, wire())).aclose()


# Permits


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [((10, None), 1000, 10), ((10, 5), 1000, 5), ((None, None), 1000, 1000), ((50, None), 20, 20)],
)
async def test_no_more_permits_than_connections(
    library: ModuleType, sizes: tuple[int | None, int | None], limit: int, expected: int
) -> None:
    own, mounted = (library.Limits(max_connections=size) for size in sizes)
    mounts = {"all://mounted.test": library.AsyncHTTPTransport(limits=mounted)}
    async with library.AsyncClient(limits=own, mounts=mounts, trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits(max_connections=limit))
        assert transport.permits.statistics().total == expected


async def test_permits_of_an_unknown_transport(library: ModuleType) -> None:
    client = library.AsyncClient(transport=library.MockTransport(lambda _: None))
    assert HttpxTransport(client, limits=Limits()).permits.statistics().total == 100
    assert HttpxTransport(client, limits=Limits(max_connections=3)).permits.statistics().total == 3


async def test_the_pool_behind_never_queues(library: ModuleType, server: LoopbackServer, wire: Wire) -> None:
    async with library.AsyncClient(limits=library.Limits(max_connections=3), trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        # A pool timeout of nothing: whoever queues in httpx's pool fails.
        request = Timeouts(5, 5, 5, 5)
        client._transport._pool.handle_async_request = _without_waiting(client._transport._pool)
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(exchange, transport, wire(url=f"{server.url}ok", timeouts=request))
    assert server.request_count == 30
    assert server.max_in_flight <= 3


def _without_waiting(pool: Any) -> Any:
    handle = pool.handle_async_request

    async def checked(request: Any) -> Any:
        assert len(pool._requests) < 3
        return await handle(request)

    return checked


# Cancellation


async def test_leaving_a_stream_half_way(transport: HttpxTransport, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/endless", flood("body"))
    response = await send(transport, wire(url=f"{server.url}endless"))
    assert await response.receive()
    await response.aclose()
    assert all_back(transport)
    await server.wait_connections_closed()
    del response
    gc.collect()  # a generator left to it would warn


async def test_leaving_a_stream_half_way_under_cancellation(
    transport: HttpxTransport, server: LoopbackServer, wire: Wire
) -> None:
    server.route("GET", "/stalls", stall(-3, of=reply(content=b"0123456789")))
    response = await send(transport, wire(url=f"{server.url}stalls"))
    with trio.CancelScope() as scope:
        assert await response.receive() == b"0123456"
        scope.cancel()
        await response.aclose()
        assert all_back(transport)
    await server.wait_connections_closed()
    gc.collect()


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_leaving_a_stream_that_does_not_notice(library: ModuleType, wire: Wire) -> None:
    class Endless(library.AsyncByteStream):
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> bytes:
            return b"x"

    transport = mock(library, lambda _: library.Response(200, stream=Endless()))
    response = await send(transport, wire())
    assert await response.receive() == b"x"
    await response.aclose()
    assert all_back(transport)


async def test_cancelled_while_reading(transport: HttpxTransport, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/stalls", stall(-3, of=reply(content=b"0123456789")))
    response = await send(transport, wire(url=f"{server.url}stalls"))
    with trio.move_on_after(0.1) as scope:
        await read(response)
    assert scope.cancelled_caught
    assert all_back(transport)
    await server.wait_connections_closed()
    gc.collect()


async def test_cancelled_in_the_tls_handshake(library: ModuleType, wire: Wire) -> None:
    async with LoopbackServer() as server, library.AsyncClient(trust_env=False, verify=False) as client:
        server.greet(stall())
        transport = HttpxTransport(client, limits=Limits())
        phases = PhaseScope("read", math.inf, trio.current_time())
        request = wire(url=f"https://127.0.0.1:{server.port}/")
        with trio.move_on_after(0.1) as scope, phases.scope:
            await transport.send(request, phases)
        assert scope.cancelled_caught
        assert (phases.phase, request.sent) == ("connect", "no")
        assert client._transport._pool.connections == [] or client._transport._pool.connections[0].is_closed()
        await server.wait_connections_closed()
        gc.collect()


async def test_cancelled_in_the_tls_handshake_through_a_proxy(
    library: ModuleType, wire: Wire, server: LoopbackServer
) -> None:
    server.route("CONNECT", "*", stall(-1, of=reply(content=b"x")))
    async with library.AsyncClient(proxy=server.url, trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        with trio.move_on_after(0.1) as scope:
            await send(transport, wire(url="https://far.test/"))
        assert scope.cancelled_caught
        [proxied] = client._mounts.values()
        assert proxied._pool.connections == []
        await server.wait_connections_closed()
        gc.collect()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_storm_of_deadlines_loses_nothing(library: ModuleType, wire: Wire, tls: bool) -> None:
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    dice = random.Random(7)

    async with (
        LoopbackServer(ssl_context=server_context if tls else None, keep=0) as server,
        library.AsyncClient(
            limits=library.Limits(max_connections=10), verify=client_context, trust_env=False
        ) as client,
    ):
        server.route("GET", "/", reply(chunks=[b"a" * 100, b"b"], chunk_delay=0.001), repeat_last=True)
        server.route("GET", "/closes", reply(content=b"x", close=True))
        transport = HttpxTransport(client, limits=Limits())
        cancelled = 0

        async def storm() -> None:
            nonlocal cancelled
            for _ in range(60):
                path = dice.choice(["", "closes"])
                with trio.move_on_after(dice.random() * (0.05 if tls else 0.01)) as scope:
                    await exchange(transport, wire(url=f"{server.url}{path}"))
                cancelled += scope.cancelled_caught

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(storm)
        assert cancelled > 100
        assert all_back(transport)
        pool = client._transport._pool
        assert pool._requests == []
        assert [c for c in pool.connections if not c.is_idle() and not c.is_closed()] == []
        # All ten places are there.
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(exchange, transport, wire(url=server.url, timeouts=Timeouts(5, 5, 5, 1)))
        gc.collect()


# The transport itself


async def test_a_closed_transport_refuses(transport: HttpxTransport, wire: Wire) -> None:
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(ClosedFault):
        await send(transport, wire())


@pytest.mark.parametrize("owns", [True, False])
async def test_the_client_is_closed_by_its_owner(library: ModuleType, owns: bool) -> None:
    async with library.AsyncClient() as client:
        await HttpxTransport(client, limits=Limits(), owns=owns).aclose()
        assert client.is_closed is owns


@pytest.mark.parametrize("wrong", [object(), httpx.AsyncClient, "client"])
def test_other_things_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"http_client must be an httpx.AsyncClient"):
        HttpxTransport(wrong, limits=Limits())


def test_a_blocking_client_is_refused(library: ModuleType) -> None:
    with library.Client() as client, pytest.raises(TypeError, match=r"http_client must be an httpx.AsyncClient"):
        HttpxTransport(client, limits=Limits())


async def test_a_subclass_of_a_client(library: ModuleType, server: LoopbackServer, wire: Wire) -> None:
    # One of the same name, in a module of its own, as SDKs have them.
    kind = type("AsyncClient", (library.AsyncClient,), {"__module__": __name__})
    async with kind(trust_env=False, verify=False) as client:
        transport = HttpxTransport(client, limits=Limits())
        assert await exchange(transport, wire(url=f"{server.url}ok")) == b'{"ok":true}'
