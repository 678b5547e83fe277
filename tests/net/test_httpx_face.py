"""A transport of ours in the place of httpx's: over a fake one, then over real sockets."""

from __future__ import annotations

import io
import math
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import trio
import trio.testing

from trioclient._faults import (
    ClosedFault,
    ConnectFault,
    DisconnectFault,
    Fault,
    LimitFault,
    ProtocolFault,
    TimeoutFault,
)
from trioclient._net.httpx_face import HttpxFace
from trioclient._net.pieces import aiter_pieces
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._net.trio_transport import TrioTransport
from trioclient._types import Timeouts
from trioclient.testing import LoopbackServer, drop, reply, stall, truncate


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


class Answer:
    status = 200
    http_version = "HTTP/1.1"

    def __init__(self, pieces: list[bytes | Fault], headers: list[tuple[bytes, bytes]], delay: float) -> None:
        self.headers = headers
        self.closed = False
        self._pieces = pieces
        self._delay = delay

    async def receive(self) -> bytes:
        await trio.sleep(self._delay)
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Fault):
            raise piece
        return piece

    async def aclose(self) -> None:
        self.closed = True


class Fake(HttpxFace):
    """Keeps what it was asked to send; answers with pieces, faults or a wait."""

    def __init__(self) -> None:
        self.requests: list[WireRequest] = []
        self.bodies: list[bytes] = []
        self.fault: Fault | None = None
        self.wait: tuple[str, float] | None = None
        self.pieces: list[bytes | Fault] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.delay = 0.0
        self.answers: list[Answer] = []

    async def send(self, request: WireRequest, phases: PhaseScope) -> Answer:
        self.requests.append(request)
        if self.wait is not None:
            phases.enter(*self.wait)
            await trio.sleep_forever()
        if self.fault is not None:
            raise self.fault
        pieces = aiter_pieces(request.body)
        self.bodies.append(b"".join([piece async for piece in pieces]))
        self.answers.append(Answer(list(self.pieces), self.headers, self.delay))
        return self.answers[-1]


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
async def client(library: ModuleType, fake: Fake) -> AsyncIterator[Any]:
    async with library.AsyncClient(transport=fake) as client:
        yield client


# Requests


async def test_a_request(client: Any, fake: Fake) -> None:
    fake.pieces = [b"he", b"llo"]
    fake.headers = [(b"content-type", b"text/plain")]
    response = await client.post(
        "http://api.test:8080/a%20b?c=d", content=b"body", headers={"X-Own": "1"}, timeout=httpx.Timeout(1, read=2).read
    )
    assert (response.status_code, response.text, response.http_version) == (200, "hello", "HTTP/1.1")
    assert response.headers["content-type"] == "text/plain"
    [request] = fake.requests
    assert request.target == (("http", "api.test", 8080), "/a%20b?c=d")
    assert (request.method, request.body.length, fake.bodies) == ("POST", 4, [b"body"])
    assert request.timeouts == Timeouts(2, 2, 2, 2)
    names = [name.lower() for name, _ in request.headers]
    assert b"x-own" in names
    assert not {b"host", b"content-length", b"transfer-encoding"} & set(names)
    assert fake.answers[0].closed


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://api.test", ("https", "api.test", 443, "/")),
        ("http://user:secret@api.test/x", ("http", "api.test", 80, "/x")),
        ("http://[::1]:8080/", ("http", "::1", 8080, "/")),
        ("http://bücher.test/ü", ("http", "xn--bcher-kva.test", 80, "/%C3%BC")),
    ],
)
async def test_targets(client: Any, fake: Fake, url: str, target: tuple[str, str, int, str]) -> None:
    await client.get(url)
    found = fake.requests[0].target
    assert (*found.origin, found.path) == target


async def test_a_host_of_the_callers_is_kept(client: Any, fake: Fake) -> None:
    await client.get("http://127.0.0.1/", headers={"Host": "api.test"})
    assert (b"Host", b"api.test") in fake.requests[0].headers


async def test_timeouts(client: Any, library: ModuleType, fake: Fake) -> None:
    await client.get("http://api.test/", timeout=library.Timeout(connect=1, read=2, write=3, pool=None))
    await client.get("http://api.test/", timeout=None)
    await fake.handle_async_request(library.Request("GET", "http://api.test/"))
    assert [request.timeouts for request in fake.requests] == [
        Timeouts(1, 2, 3, math.inf),
        Timeouts(math.inf, math.inf, math.inf, math.inf),
        Timeouts(math.inf, math.inf, math.inf, math.inf),
    ]


async def _agen() -> AsyncIterator[bytes]:
    yield b"one "
    yield b""
    yield b"two"


@pytest.mark.parametrize(
    ("given", "body", "length"),
    [
        ({}, b"", 0),
        ({"content": _agen}, b"one two", None),
        ({"content": _agen, "headers": {"Content-Length": "7"}}, b"one two", 7),
        ({"data": {"a": "b c"}}, b"a=b+c", 5),
        ({"json": {"a": 1}}, None, None),
    ],
    ids=["none", "chunked", "announced", "form", "json"],
)
async def test_bodies(client: Any, fake: Fake, given: dict[str, Any], body: bytes | None, length: int | None) -> None:
    given = {name: value() if callable(value) else value for name, value in given.items()}
    await client.post("http://api.test/", **given)
    if body is None:
        assert fake.bodies[0].replace(b" ", b"") == b'{"a":1}'
    else:
        assert fake.bodies == [body]
        assert fake.requests[0].body.length == length


async def test_a_multipart_body(client: Any, fake: Fake) -> None:
    await client.post("http://api.test/", files={"f": ("f.txt", io.BytesIO(b"x" * 100_000))}, data={"k": "v"})
    assert fake.requests[0].body.length == len(fake.bodies[0]) > 100_000
    assert b'name="k"' in fake.bodies[0]


async def test_a_blocking_stream_given_to_the_transport_itself(library: ModuleType, fake: Fake) -> None:
    response = await fake.handle_async_request(library.Request("POST", "http://api.test/", content=iter([b"a", b"b"])))
    await response.aread()
    assert fake.bodies == [b"ab"]


@pytest.mark.parametrize(
    ("method", "given", "replayable"),
    [
        ("GET", {}, True),
        ("PUT", {"content": b"x"}, True),
        ("PUT", {"content": _agen}, False),
        ("POST", {"content": b"x"}, False),
        ("POST", {"content": b"x", "headers": {"Idempotency-Key": "k"}}, True),
    ],
)
async def test_what_may_be_sent_again(
    client: Any, fake: Fake, method: str, given: dict[str, Any], replayable: bool
) -> None:
    given = {name: value() if callable(value) else value for name, value in given.items()}
    await client.request(method, "http://api.test/", **given)
    assert fake.requests[0].replayable is replayable


async def test_the_callers_exception_propagates(client: Any) -> None:
    bug = KeyError("bug")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        raise bug

    with pytest.raises(KeyError) as caught:
        await client.post("http://api.test/", content=pieces())
    assert caught.value is bug


@pytest.mark.parametrize("url", ["ftp://api.test/", "http:///nowhere"])
async def test_other_urls(library: ModuleType, fake: Fake, url: str) -> None:
    with pytest.raises(library.UnsupportedProtocol):
        await fake.handle_async_request(library.Request("GET", url))
    assert fake.requests == []


# Faults

FAULTS = [
    (ConnectFault("words"), "ConnectError"),
    (DisconnectFault("words"), "ReadError"),
    (ProtocolFault("words"), "RemoteProtocolError"),
    (LimitFault("max_header_bytes", 5), "RemoteProtocolError"),
    (ClosedFault(), "ReadError"),
    (TimeoutFault("connect"), "ConnectTimeout"),
    (TimeoutFault("write"), "WriteTimeout"),
]


@pytest.mark.parametrize(("fault", "name"), FAULTS)
async def test_faults_are_named_as_httpx_names_them(
    client: Any, library: ModuleType, fake: Fake, fault: Fault, name: str
) -> None:
    fake.fault = fault
    with pytest.raises(getattr(library, name)) as caught:
        await client.get("http://api.test/")
    assert type(caught.value).__name__ == name
    assert str(caught.value) == str(fault)
    assert caught.value.__cause__ is fault
    assert caught.value.request.url == "http://api.test/"


@pytest.mark.parametrize(("fault", "name"), FAULTS)
async def test_faults_of_a_body(client: Any, library: ModuleType, fake: Fake, fault: Fault, name: str) -> None:
    fake.pieces = [b"begun", fault]
    with pytest.raises(getattr(library, name)) as caught:
        await client.get("http://api.test/")
    assert caught.value.__cause__ is fault
    assert fake.answers[0].closed


@pytest.mark.parametrize(
    ("phase", "name"),
    [
        ("connect", "ConnectTimeout"),
        ("read", "ReadTimeout"),
        ("write", "WriteTimeout"),
        ("pool", "PoolTimeout"),
        ("other", "ReadTimeout"),
    ],
)
async def test_a_phase_that_takes_too_long(
    client: Any, library: ModuleType, fake: Fake, phase: str, name: str, autojump_clock: trio.testing.MockClock
) -> None:
    fake.wait = (phase, 7.0)
    started = trio.current_time()
    with pytest.raises(getattr(library, name)):
        await client.get("http://api.test/")
    assert trio.current_time() - started == 7


async def test_each_piece_of_a_body_has_the_read_timeout(
    client: Any, library: ModuleType, fake: Fake, autojump_clock: trio.testing.MockClock
) -> None:
    fake.pieces = [b"a", b"b", b"c"]
    fake.delay = 4.0
    started = trio.current_time()
    assert (await client.get("http://api.test/", timeout=5)).text == "abc"
    assert trio.current_time() - started == 16  # the end is waited for as well
    fake.delay = 6.0
    started = trio.current_time()
    with pytest.raises(library.ReadTimeout):
        await client.get("http://api.test/", timeout=5)
    assert trio.current_time() - started == 5
    assert fake.answers[1].closed


async def test_the_callers_cancellation_is_the_callers(
    client: Any, fake: Fake, autojump_clock: trio.testing.MockClock
) -> None:
    fake.wait = ("read", 7.0)
    with trio.move_on_after(3) as scope:
        await client.get("http://api.test/")
    assert scope.cancelled_caught


# Over TrioTransport, on real sockets


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as server:
        server.route("*", "/echo", lambda request: reply(content=request.body, encoding="gzip"))
        yield server


@pytest.fixture
async def real(library: ModuleType) -> AsyncIterator[Any]:
    async with library.AsyncClient(transport=TrioTransport()) as client:
        yield client


async def test_real_exchanges(real: Any, server: LoopbackServer) -> None:
    for _ in range(3):
        response = await real.post(f"{server.url}echo", content=b"hello", headers={"Accept-Encoding": "gzip"})
        assert response.content == b"hello"
    response = await real.post(f"{server.url}echo", content=_agen())
    assert response.content == b"one two"
    response = await real.post(f"{server.url}echo", files={"f": io.BytesIO(b"x" * 100_000)})
    assert response.content == server.requests[-1].body
    assert server.connection_count == 1
    assert [request.header("host") for request in server.requests] == [f"127.0.0.1:{server.port}"] * 5


async def test_real_redirects_and_cookies_are_httpxs(real: Any, server: LoopbackServer) -> None:
    server.route("GET", "/away", reply(302, headers={"Location": "/echo", "Set-Cookie": "c=1"}))
    response = await real.get(f"{server.url}away", follow_redirects=True)
    assert response.url.path == "/echo"
    assert server.requests[-1].header("cookie") == "c=1"


@pytest.mark.parametrize(
    ("misreply", "name"),
    [
        (drop(), "ReadError"),
        (truncate(-3, of=reply(content=b"0123456789")), "ReadError"),
        (stall(), "ReadTimeout"),
        (stall(-3, of=reply(content=b"0123456789")), "ReadTimeout"),
    ],
    ids=["drop", "short", "stall", "stall in the body"],
)
async def test_real_faults(real: Any, library: ModuleType, server: LoopbackServer, misreply: Any, name: str) -> None:
    server.route("GET", "/bad", misreply)
    with pytest.raises(getattr(library, name)):
        await real.get(f"{server.url}bad", timeout=0.2)
    await server.wait_connections_closed()


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # httpx's own, around our stream
async def test_a_real_stream_left_half_way(real: Any, server: LoopbackServer) -> None:
    server.route("GET", "/slow", stall(-3, of=reply(content=b"0123456789")))
    async with real.stream("GET", f"{server.url}slow") as response:
        async for piece in response.aiter_raw():
            assert piece == b"0123456"
            await response.aclose()
            break
    await server.wait_connections_closed()
