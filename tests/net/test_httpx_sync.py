"""The transport over a blocking ``httpx.Client``: what differs from the async one."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import trio

from trioclient._codec.body import content_body
from trioclient._faults import (
    ClosedFault,
    ConnectFault,
    DisconnectFault,
    Fault,
    LimitFault,
    ProtocolFault,
    StallFault,
    TimeoutFault,
)
from trioclient._net.httpx_sync import HttpxThreadResponse, HttpxThreadTransport
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._policy.stall import Stall
from trioclient._types import Limits, Timeouts
from trioclient.testing import LoopbackServer, drop, raw, reply, stall, truncate

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
def client(library: ModuleType) -> Iterator[Any]:
    with library.Client(trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
def transport(client: Any) -> HttpxThreadTransport:
    return HttpxThreadTransport(client, limits=Limits())


def mock(library: ModuleType, handler: Callable[[Any], Any]) -> HttpxThreadTransport:
    return HttpxThreadTransport(library.Client(transport=library.MockTransport(handler)), limits=Limits())


async def read(response: HttpxThreadResponse) -> bytes:
    pieces = []
    while piece := await response.receive():
        pieces.append(piece)
    return b"".join(pieces)


async def send(transport: HttpxThreadTransport, request: WireRequest, ceiling: float = math.inf) -> Any:
    phases = PhaseScope("read", math.inf, trio.current_time(), ceiling)
    with phases.scope:
        return await transport.send(request, phases)
    raise TimeoutFault(phases.phase)


async def exchange(transport: HttpxThreadTransport, request: WireRequest) -> bytes:
    response = await send(transport, request)
    try:
        return await read(response)
    finally:
        await response.aclose()


def all_back(transport: HttpxThreadTransport) -> bool:
    statistics = transport.permits.statistics()
    return statistics.free == statistics.total and not statistics.waiting


async def wait_all_back(transport: HttpxThreadTransport) -> None:
    with trio.fail_after(10):
        while not all_back(transport):  # noqa: ASYNC110 -- a thread gives it back
            await trio.sleep(0.005)


async def test_an_exchange(transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire) -> None:
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
    assert (seen.target, seen.body, seen.header("x-own"), seen.header("accept-encoding")) == (
        "/x?a=b%20c",
        b"hello",
        "yes",
        None,
    )
    await exchange(transport, wire(url=f"{server.url}ok"))
    assert server.connection_count == 1


async def test_each_step_is_in_a_worker_thread(library: ModuleType, wire: Wire) -> None:
    threads: list[threading.Thread] = []

    class Stream(library.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            threads.append(threading.current_thread())
            yield b"x"

        def close(self) -> None:
            threads.append(threading.current_thread())

    def answer(_: Any) -> Any:
        threads.append(threading.current_thread())
        return library.Response(200, stream=Stream())

    assert await exchange(mock(library, answer), wire()) == b"x"
    assert len(threads) == 3
    assert threading.current_thread() not in threads


async def test_the_body_comes_as_it_crossed_the_wire(
    transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire
) -> None:
    server.route("GET", "/zip", ZIPPED)
    request = wire(url=f"{server.url}zip", headers=[(b"Accept-Encoding", b"gzip")])
    assert await exchange(transport, request) == b"".join(ZIPPED.pieces)


async def test_a_hook_that_reads_the_answer(library: ModuleType, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/zip", ZIPPED)
    hooks = {"response": [lambda response: response.read()]}
    with library.Client(event_hooks=hooks, trust_env=False, verify=False) as client:
        transport = HttpxThreadTransport(client, limits=Limits())
        response = await send(transport, wire(url=f"{server.url}zip", headers=[(b"Accept-Encoding", b"gzip")]))
        assert b"content-encoding" not in dict(response.headers)
        assert await read(response) == b"unzipped"
        assert all_back(transport)


async def test_a_redirect_to_another_origin_takes_nothing_of_the_clients_along(
    library: ModuleType, server: LoopbackServer, wire: Wire
) -> None:
    with library.Client(
        auth=("user", "secret"), headers={"X-Api-Key": "secret"}, trust_env=False, verify=False
    ) as client:
        request = wire(url=f"{server.url}ok")
        request.foreign = True
        await exchange(HttpxThreadTransport(client, limits=Limits()), request)
    assert server.requests[0].header("authorization") is None
    assert server.requests[0].header("x-api-key") is None


async def test_a_head_over_its_bound(transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/big", reply(headers={"X-Big": "x" * 2000}))
    with pytest.raises(LimitFault, match="max_header_bytes"):
        await send(transport, wire(url=f"{server.url}big", limits=Limits(max_header_bytes=1000)))
    assert all_back(transport)
    await server.wait_connections_closed()


# Bodies


@pytest.mark.parametrize(
    ("content", "framing"),
    [
        (lambda: iter([b"one ", b"", b"two"]), ("transfer-encoding", "chunked")),
        (lambda: [b"one ", b"two"], ("content-length", "7")),
        (lambda: b"one two", ("content-length", "7")),
    ],
    ids=["iterator", "list", "bytes"],
)
async def test_bodies(
    transport: HttpxThreadTransport,
    server: LoopbackServer,
    wire: Wire,
    content: Callable[[], Any],
    framing: tuple[str, str],
) -> None:
    await exchange(transport, wire("POST", f"{server.url}ok", body=content_body(content())))
    [request] = server.requests
    assert request.body == b"one two"
    lines = [(name.lower(), value) for name, value in request.headers]
    assert [line for line in lines if line[0] in ("content-length", "transfer-encoding")] == [framing]


async def test_an_async_body_is_refused_before_anything_is_sent(
    transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    request = wire("POST", f"{server.url}ok", body=content_body(pieces()))
    with pytest.raises(TypeError, match="must not be an async iterator"):
        await send(transport, request)
    assert request.sent == "no"
    assert all_back(transport)
    assert server.connection_count == 0


async def test_what_the_callers_iterator_raises_is_the_callers(
    transport: HttpxThreadTransport, library: ModuleType, server: LoopbackServer, wire: Wire
) -> None:
    bug = library.ReadError("elsewhere")

    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise bug

    with pytest.raises(library.ReadError) as caught:
        await send(transport, wire("POST", f"{server.url}ok", body=content_body(pieces())))
    assert caught.value is bug
    assert all_back(transport)


async def test_a_digest_challenge_to_a_one_shot_body_is_not_answered_with_an_empty_one(
    library: ModuleType, server: LoopbackServer, wire: Wire
) -> None:
    server.route("POST", "/digest", reply(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}))
    with library.Client(auth=library.DigestAuth("user", "secret"), trust_env=False, verify=False) as client:
        transport = HttpxThreadTransport(client, limits=Limits())
        with pytest.raises(RuntimeError, match="already sent"):
            await send(transport, wire("POST", f"{server.url}digest", body=content_body(iter([b"once"]))))
        assert all_back(transport)


# Faults


@pytest.mark.parametrize(
    ("exception", "fault", "sent"),
    [
        ("ConnectTimeout", TimeoutFault, "no"),
        ("ReadTimeout", TimeoutFault, "maybe"),
        ("ConnectError", ConnectFault, "no"),
        ("ReadError", DisconnectFault, "maybe"),
        ("LocalProtocolError", ProtocolFault, "maybe"),
    ],
)
async def test_exceptions_become_faults(
    library: ModuleType, wire: Wire, exception: str, fault: type[Fault], sent: str
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
    assert all_back(transport)


async def test_other_exceptions_propagate(library: ModuleType, wire: Wire) -> None:
    original = KeyError("bug")

    def fail(_: Any) -> Any:
        raise original

    transport = mock(library, fail)
    with pytest.raises(KeyError) as caught:
        await send(transport, wire())
    assert caught.value is original
    assert all_back(transport)


@pytest.mark.parametrize(
    ("misreply", "fault"),
    [
        (drop(), DisconnectFault),
        (truncate(-3, of=reply(content=b"0123456789")), DisconnectFault),
        (truncate(-3, of=reply(chunks=[b"01234", b"56789"])), DisconnectFault),
        (raw(b"SMTP ready\r\n\r\n"), ProtocolFault),
    ],
    ids=["drop", "short", "short chunks", "not http"],
)
async def test_faults_on_the_wire(
    transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire, misreply: Any, fault: type[Fault]
) -> None:
    server.route("GET", "/bad", misreply)
    with pytest.raises(fault):
        await exchange(transport, wire(url=f"{server.url}bad"))
    assert all_back(transport)
    await server.wait_connections_closed()


async def test_a_broken_or_closed_body_is_never_mistaken_for_a_whole_one(
    transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire
) -> None:
    server.route("GET", "/short", truncate(-3, of=reply(content=b"0123456789")))
    response = await send(transport, wire(url=f"{server.url}short"))
    with pytest.raises(DisconnectFault):
        await read(response)
    with pytest.raises(ClosedFault):
        await response.receive()
    response = await send(transport, wire(url=f"{server.url}ok"))
    await response.aclose()
    await response.aclose()
    with pytest.raises(ClosedFault):
        await response.receive()
    assert all_back(transport)


# Time and cancellation


async def test_no_timeout_is_longer_than_what_the_call_has_left(library: ModuleType, wire: Wire) -> None:
    given: dict[str, float | None] = {}

    def answer(request: Any) -> Any:
        given.update(request.extensions["timeout"])
        return library.Response(200)

    transport = mock(library, answer)
    timeouts = Timeouts(5, 600, float("inf"), 1)
    await send(transport, wire(timeouts=timeouts), trio.current_time() + 30)
    assert (given["connect"], given["pool"]) == (5, 1)
    assert 29 < given["read"] <= 30
    assert 29 < given["write"] <= 30
    await send(transport, wire(timeouts=timeouts))
    assert given == {"connect": 5, "read": 600, "write": None, "pool": 1}


@pytest.mark.parametrize("limited_by", ["timeout", "deadline"])
async def test_the_thread_ends_with_the_call(
    transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire, limited_by: str
) -> None:
    server.route("GET", "/stalls", stall())
    read_timeout = 0.1 if limited_by == "timeout" else 600
    ceiling = trio.current_time() + (600 if limited_by == "timeout" else 0.1)
    with pytest.raises(TimeoutFault):
        await send(transport, wire(url=f"{server.url}stalls", timeouts=Timeouts(5, read_timeout, 5, 5)), ceiling)
    await wait_all_back(transport)
    await server.wait_connections_closed()


async def test_a_permit_comes_back_when_the_thread_that_was_left_has_ended(library: ModuleType, wire: Wire) -> None:
    began, release = threading.Event(), threading.Event()
    closed: list[bool] = []

    class Stream(library.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"

        def close(self) -> None:
            closed.append(True)

    def answer(_: Any) -> Any:
        began.set()
        release.wait(10)
        return library.Response(200, stream=Stream())

    transport = mock(library, answer)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, transport, wire())
            await trio.to_thread.run_sync(began.wait)
            scope.cancel()
    assert scope.cancelled_caught
    assert transport.permits.statistics().free == transport.permits.statistics().total - 1
    release.set()
    await wait_all_back(transport)
    assert closed == [True]


async def test_a_body_left_half_way(transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire) -> None:
    server.route("GET", "/stalls", stall(-3, of=reply(content=b"0123456789")))
    response = await send(transport, wire(url=f"{server.url}stalls"))
    with trio.CancelScope() as scope:
        assert await response.receive() == b"0123456"
        scope.cancel()
        await response.aclose()
        assert all_back(transport)
    await server.wait_connections_closed()


async def test_a_body_left_while_a_thread_reads_it(
    transport: HttpxThreadTransport, server: LoopbackServer, wire: Wire
) -> None:
    server.route("GET", "/stalls", stall(-3, of=reply(content=b"0123456789")))
    response = await send(transport, wire(url=f"{server.url}stalls", timeouts=Timeouts(5, 600, 5, 5)))
    with trio.move_on_after(0.05) as scope:
        await read(response)
    assert scope.cancelled_caught
    assert all_back(transport)  # the thread is not waited out: its connection was shut down under it
    await server.wait_connections_closed()


async def test_a_storm_of_deadlines_loses_nothing(library: ModuleType, server: LoopbackServer, wire: Wire) -> None:
    dice = random.Random(7)
    server.route("GET", "/", reply(chunks=[b"a", b"b"], chunk_delay=0.001))
    server.route("GET", "/closes", reply(content=b"x", close=True))
    with library.Client(limits=library.Limits(max_connections=10), trust_env=False, verify=False) as client:
        transport = HttpxThreadTransport(client, limits=Limits())
        cancelled = 0

        async def storm() -> None:
            nonlocal cancelled
            for _ in range(30):
                path = dice.choice(["", "closes"])
                with trio.move_on_after(dice.random() * 0.02) as scope:
                    await exchange(transport, wire(url=f"{server.url}{path}", timeouts=Timeouts(1, 1, 1, 1)))
                cancelled += scope.cancelled_caught

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(storm)
        assert cancelled > 50
        await wait_all_back(transport)
        assert client._transport._pool._requests == []
        await exchange(transport, wire(url=server.url))


async def test_a_later_run_has_all_permits(library: ModuleType, wire: Wire) -> None:
    """What an earlier run of trio left in a thread does not count."""
    release = threading.Event()

    def answer(_: Any) -> Any:
        release.wait(10)
        return library.Response(200)

    transport = mock(library, answer)

    async def leave_one() -> None:
        with trio.move_on_after(0.05):
            await send(transport, wire())

    await trio.to_thread.run_sync(trio.run, leave_one)
    release.set()
    await exchange(transport, wire())
    assert all_back(transport)


# The transport itself


async def test_a_closed_transport_refuses(transport: HttpxThreadTransport, wire: Wire) -> None:
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(ClosedFault):
        await send(transport, wire())


@pytest.mark.parametrize("owns", [True, False])
async def test_the_client_is_closed_by_its_owner(library: ModuleType, owns: bool) -> None:
    with library.Client() as client:
        await HttpxThreadTransport(client, limits=Limits(), owns=owns).aclose()
        assert client.is_closed is owns


def test_other_things_are_refused(library: ModuleType) -> None:
    for wrong in (object(), library.AsyncClient()):
        with pytest.raises(TypeError, match=r"http_client must be an httpx.Client"):
            HttpxThreadTransport(wrong, limits=Limits())


async def test_what_was_left_while_it_connected_is_not_sent(
    library: ModuleType, server: LoopbackServer, wire: Wire
) -> None:
    """`sent` says "no" then, and it stays true: the thread goes on, but not with the request."""
    connecting, go_on = threading.Event(), threading.Event()

    class Slow(library.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            trace = request.extensions["trace"]

            def slow(event: str, info: Any) -> None:
                trace(event, info)
                if event == "connection.connect_tcp.started":
                    connecting.set()
                    assert go_on.wait(10)

            request.extensions["trace"] = slow
            return super().handle_request(request)

    with library.Client(transport=Slow()) as client:
        transport = HttpxThreadTransport(client, limits=Limits())
        request = wire("POST", f"{server.url}ok", body=content_body(b"x"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, transport, request)
            await trio.to_thread.run_sync(connecting.wait)
            nursery.cancel_scope.cancel()
        assert request.sent == "no"
        go_on.set()
        await wait_all_back(transport)
    await server.wait_connections_closed(1)
    assert server.request_count == 0


async def test_a_body_that_nobody_takes(transport: HttpxThreadTransport, wire: Wire) -> None:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, _deaf, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        for within, write, kind in ((0.1, 10.0, StallFault), (10.0, 0.1, TimeoutFault)):
            timeouts = Timeouts(10.0, 10.0, write, 10.0)
            request = wire("POST", url, body=content_body([b"x" * 5_000_000] * 5), timeouts=timeouts)
            request.stall = Stall(within=within)
            with pytest.raises(TimeoutFault) as caught:
                await send(transport, request)
            assert (type(caught.value), request.sent) == (kind, "maybe")
        nursery.cancel_scope.cancel()
    await wait_all_back(transport)


async def _deaf(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_slices_no_larger_than_a_stall_can_see(library: ModuleType, wire: Wire) -> None:
    sizes: list[int] = []

    def answer(request: Any) -> Any:
        sizes.extend(len(piece) for piece in request.stream)
        return library.Response(200)

    class Bare(library.BaseTransport):
        def handle_request(self, request: Any) -> Any:
            return answer(request)

    request = wire("POST", body=content_body([b"x" * 5000, b"y" * 10]))
    request.stall = Stall(at_least=2000)
    await exchange(HttpxThreadTransport(library.Client(transport=Bare()), limits=Limits()), request)
    assert sizes == [2000, 2000, 1000, 10]
