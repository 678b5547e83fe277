"""Connecting: order and timing on a virtual clock, the rest on real sockets."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from trioclient._codec.url import Target
from trioclient._faults import ConnectFault
from trioclient._net import connect as connect_module
from trioclient._net.connect import Connector, Link
from trioclient._net.socket_options import KEEPALIVE_OPTIONS
from trioclient._net.socket_stream import SocketStream

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("families", "order"),
    [
        ([V6, V6, V4, V4], [V6, V4, V6, V4]),
        ([V4, V6, V6, V6], [V4, V6, V6, V6]),
        ([V4, V4], [V4, V4]),
        ([], []),
    ],
)
def test_families_take_turns(families: list[int], order: list[int]) -> None:
    addresses = [(int(family), (f"host{number}", 80)) for number, family in enumerate(families)]
    assert [family for family, _ in connect_module._interleaved(addresses)] == order


class FakeSocket:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Addresses:
    """Addresses that answer, or fail, after a given time; notes when each was tried."""

    def __init__(self, *outcomes: tuple[float, bool]) -> None:
        self.outcomes = outcomes
        self.tried: list[tuple[int, float]] = []
        self.cancelled: list[int] = []
        self.sockets: list[FakeSocket] = []
        self.start = trio.current_time()

    async def connect(self, address: Any) -> Any:
        number = address[1]
        seconds, works = self.outcomes[number]
        self.tried.append((number, trio.current_time() - self.start))
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            self.cancelled.append(number)
            raise
        if not works:
            raise OSError(f"address {number} failed")
        sock = FakeSocket()
        self.sockets.append(sock)
        return sock

    async def race(self) -> Any:
        return await connect_module._race([(V4, number) for number in range(len(self.outcomes))], self.connect)  # type: ignore[arg-type, misc]


FOREVER = 1e9


@pytest.mark.parametrize(
    ("outcomes", "tried", "took"),
    [
        ([(1.0, True)], [(0, 0.0)], 1.0),
        ([(0.1, True), (0.0, True)], [(0, 0.0)], 0.1),
        ([(FOREVER, True), (0.1, True)], [(0, 0.0), (1, 0.25)], 0.35),
        ([(0.1, False), (0.1, True)], [(0, 0.0), (1, 0.1)], 0.2),
        ([(FOREVER, True), (FOREVER, True), (1.0, True)], [(0, 0.0), (1, 0.25), (2, 0.5)], 1.5),
        ([(0.6, True), (FOREVER, True), (FOREVER, True), (1.0, True)], [(0, 0.0), (1, 0.25), (2, 0.5)], 0.6),
    ],
)
async def test_attempts_start_when_they_should(
    autojump_clock: Any, outcomes: list[tuple[float, bool]], tried: list[tuple[int, float]], took: float
) -> None:
    addresses = Addresses(*outcomes)
    sock = await addresses.race()
    assert trio.current_time() - addresses.start == pytest.approx(took)
    assert [number for number, _ in addresses.tried] == [number for number, _ in tried]
    assert [at for _, at in addresses.tried] == pytest.approx([at for _, at in tried])
    assert [other for other in addresses.sockets if not other.closed] == [sock]


async def test_when_all_fail_the_last_error_is_raised(autojump_clock: Any) -> None:
    with pytest.raises(OSError, match="address 0 failed"):
        await Addresses((0.3, False), (0.0, False)).race()
    with pytest.raises(OSError, match="no address"):
        await connect_module._race([], Addresses().connect)


async def test_two_winners_at_one_instant_leave_one_socket(autojump_clock: Any) -> None:
    addresses = Addresses((0.25, True), (0.0, True))
    sock = await addresses.race()
    assert [other for other in addresses.sockets if not other.closed] == [sock]


async def test_a_cancelled_race_closes_what_it_won(autojump_clock: Any) -> None:
    addresses = Addresses((0.5, True), (FOREVER, True))
    with trio.move_on_after(0.5) as scope:
        await addresses.race()
    assert scope.cancelled_caught
    assert all(sock.closed for sock in addresses.sockets)


def connector(**options: Any) -> Connector:
    return Connector(**{"ssl_context": ssl.create_default_context, **options})


@asynccontextmanager
async def listening(handler: Any, host: str = "127.0.0.1") -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handler, 0, host=host))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def greet(stream: trio.SocketStream) -> None:
    await stream.send_all(b"hello")
    await stream.aclose()


async def read_greeting(link: Link) -> bytes:
    try:
        return bytes(await link.stream.receive_some())
    finally:
        link.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_tcp(host: str) -> None:
    async with listening(greet) as port:
        link = await connector()(Target.of(f"http://{host}:{port}/"))
        assert isinstance(link.stream, SocketStream)
        assert link.stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert link.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for level, option, value in KEEPALIVE_OPTIONS[1:]:
            assert link.stream.socket.getsockopt(level, option) == value
        assert await read_greeting(link) == b"hello"


async def test_a_link_is_stale_once_something_has_come() -> None:
    released = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        await released.wait()
        await stream.aclose()

    async with listening(handler) as port:
        link = await connector()(Target.of(f"http://127.0.0.1:{port}/"))
        assert not link.is_stale()
        released.set()
        assert isinstance(link.stream, SocketStream)
        await trio.lowlevel.wait_readable(link.stream.socket)
        assert link.is_stale()
        link.close()


async def test_abandoning_closes_the_descriptor_without_trio() -> None:
    closed = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        assert await stream.receive_some() == b""
        closed.set()

    async with listening(handler) as port:
        link = await connector()(Target.of(f"http://127.0.0.1:{port}/"))
        link.abandon()
        link.abandon()
        await closed.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets in trio")
async def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        await sock.bind(path)
        sock.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, greet, [trio.SocketListener(sock)])
            link = await connector(uds=path)(Target.of("http://anything.test/"))
            assert await read_greeting(link) == b"hello"
            nursery.cancel_scope.cancel()


async def test_refused_connections_and_unknown_names_are_connect_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        with pytest.raises(ConnectFault, match=f"could not connect to 127.0.0.1:{port}: Connection refused"):
            await connector()(Target.of(f"http://127.0.0.1:{port}/"))

    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectFault, match=r"could not connect to nowhere\.test: .*Name or service not known"):
        await connector()(Target.of("http://nowhere.test/"))


async def test_name_lookups_do_not_use_trios_default_threads() -> None:
    default = trio.to_thread.current_default_thread_limiter()
    default.total_tokens = 1
    async with listening(greet) as port, default:
        link = await connector()(Target.of(f"http://localhost:{port}/"))
        link.close()


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(
    authority: trustme.CA, name: str = "localhost", protocols: list[str] | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    context.set_alpn_protocols(protocols or ["http/1.1"])
    return context


def client_context(authority: trustme.CA, protocols: list[str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(protocols or ["http/1.1"])
    return context


async def greet_tls(context: ssl.SSLContext, stream: trio.SocketStream) -> None:
    server = trio.SSLStream(stream, context, server_side=True)
    with suppress(trio.BrokenResourceError):
        await server.send_all(b"hello")
    await trio.aclose_forcefully(server)


async def test_tls(authority: trustme.CA) -> None:
    async with listening(partial(greet_tls, server_context(authority))) as port:
        link = await connector(ssl_context=partial(client_context, authority))(Target.of(f"https://localhost:{port}/"))
        assert isinstance(link.stream, trio.SSLStream)
        assert link.stream.selected_alpn_protocol() == "http/1.1"
        assert await read_greeting(link) == b"hello"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other.test", "certificate verify failed: Hostname mismatch"),
        (None, "certificate verify failed: unable to get"),
    ],
)
async def test_certificates_are_verified(authority: trustme.CA, name: str | None, message: str) -> None:
    trusted = authority if name is not None else trustme.CA()
    server = server_context(authority, name or "localhost")
    async with listening(partial(greet_tls, server)) as port:
        with pytest.raises(ConnectFault, match=message):
            await connector(ssl_context=partial(client_context, trusted))(Target.of(f"https://localhost:{port}/"))


async def test_a_server_that_does_not_speak_tls() -> None:
    async with listening(greet) as port:
        with pytest.raises(ConnectFault, match=f"no TLS connection to localhost:{port}"):
            await connector()(Target.of(f"https://localhost:{port}/"))


async def test_a_server_that_hangs_up_in_the_handshake() -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await stream.aclose()

    async with listening(hang_up) as port:
        with pytest.raises(ConnectFault, match="no TLS connection"):
            await connector()(Target.of(f"https://localhost:{port}/"))


async def test_a_server_that_chooses_http2(authority: trustme.CA) -> None:
    async with listening(partial(greet_tls, server_context(authority, protocols=["h2"]))) as port:
        context = client_context(authority, ["h2", "http/1.1"])
        with pytest.raises(ConnectFault, match="'h2'"):
            await connector(ssl_context=lambda: context)(Target.of(f"https://localhost:{port}/"))


class HoldingStream(trio.abc.Stream):
    """Keeps what is sent back once told to, and lets it go in one write."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.held: bytearray | None = None

    async def send_all(self, data: Any) -> None:
        if self.held is not None:
            self.held += data
        else:
            await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


async def test_surplus_tls_records_make_a_link_stale(authority: trustme.CA) -> None:
    async def two_records(stream: trio.SocketStream) -> None:
        holding = HoldingStream(stream)
        server = trio.SSLStream(holding, server_context(authority), server_side=True)
        await server.do_handshake()
        # Both records leave in one segment, so that the client's one read takes both off the socket.
        holding.held = bytearray()
        await server.send_all(b"first")
        await server.send_all(b"second")
        await stream.send_all(holding.held)
        await trio.sleep_forever()

    async with listening(two_records) as port:
        link = await connector(ssl_context=partial(client_context, authority))(Target.of(f"https://localhost:{port}/"))
        try:
            assert await link.stream.receive_some() == b"first"
            assert link.is_stale()
        finally:
            link.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancelled_at_any_moment_nothing_stays_open(authority: trustme.CA, scheme: str) -> None:
    handler = partial(greet_tls, server_context(authority)) if scheme == "https" else greet
    async with listening(handler) as port:
        connect = connector(ssl_context=partial(client_context, authority))
        target = Target.of(f"{scheme}://localhost:{port}/")
        (await connect(target)).close()
        await trio.testing.wait_all_tasks_blocked(0.01)
        before = open_descriptors()
        finished = cancelled = 0
        for checkpoints in range(60):
            link = None
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    @nursery.start_soon
                    async def _(scope: trio.CancelScope = scope, checkpoints: int = checkpoints) -> None:
                        for _ in range(checkpoints):
                            await trio.lowlevel.checkpoint()
                        scope.cancel()

                    link = await connect(target)
                    nursery.cancel_scope.cancel()
            if link is not None:
                link.close()
                finished += 1
            else:
                cancelled += 1
            del link
        assert cancelled
        # The other end needs a moment to see its connections closed.
        with trio.fail_after(5):
            while open_descriptors() > before:  # noqa: ASYNC110 -- descriptors tell nobody
                await trio.sleep(0.01)
