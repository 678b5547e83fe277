"""httpx clients with this package's defaults, over real sockets and real proxies."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
import trustme

from trioclient._net.defaults import DefaultAsyncHttpxClient, DefaultHttpxClient
from trioclient._net.socket_options import KEEPALIVE_OPTIONS
from trioclient.testing import LoopbackServer, reply

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as server:
        server.route("*", "*", reply(content=b"ok"))
        yield server


@pytest.fixture(params=[DefaultAsyncHttpxClient, DefaultHttpxClient])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


async def fetch(client: Any, url: str) -> tuple[str, list[int]]:
    """The answer, and how the socket it came over stands to our options."""
    if isinstance(client, httpx.Client):
        return await trio.to_thread.run_sync(fetch_blocking, client, url)
    async with client, client.stream("GET", url) as response:
        options = options_of(response)
        await response.aread()
    return response.text, options


def fetch_blocking(client: httpx.Client, url: str) -> tuple[str, list[int]]:
    with client, client.stream("GET", url) as response:
        options = options_of(response)
        response.read()
    return response.text, options


def options_of(response: httpx.Response) -> list[int]:
    sock = response.extensions["network_stream"].get_extra_info("socket")
    return [sock.getsockopt(level, name) for level, name, _ in KEEPALIVE_OPTIONS]


EXPECTED_OPTIONS = [value for _, _, value in KEEPALIVE_OPTIONS]


def test_the_options() -> None:
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in KEEPALIVE_OPTIONS
    values = {name: value for level, name, value in KEEPALIVE_OPTIONS if level == socket.IPPROTO_TCP}
    if hasattr(socket, "TCP_KEEPCNT"):
        assert values[socket.TCP_KEEPCNT] == 5
    assert set(values.values()) <= {60, 5}


async def test_a_connection_has_keep_alive(kind: Any, server: LoopbackServer) -> None:
    assert await fetch(kind(), f"{server.url}x") == ("ok", EXPECTED_OPTIONS)


def test_defaults_and_how_to_change_them(kind: Any) -> None:
    client = kind()
    assert client.timeout == httpx.Timeout(600, connect=5)
    assert client.follow_redirects
    pool = client._transport._pool
    assert (pool._max_connections, pool._max_keepalive_connections) == (1000, 100)
    client = kind(timeout=3, follow_redirects=False, limits=httpx.Limits(max_connections=7))
    assert client.timeout == httpx.Timeout(3)
    assert not client.follow_redirects
    assert client._transport._pool._max_connections == 7


async def test_verify(kind: Any) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with LoopbackServer(ssl_context=context) as server:
        server.route("GET", "/x", reply(content=b"ok"))
        assert await fetch(kind(verify=trusting), f"{server.url}x") == ("ok", EXPECTED_OPTIONS)
        assert await fetch(kind(verify=False), f"{server.url}x") == ("ok", EXPECTED_OPTIONS)
        with pytest.raises(httpx.ConnectError):
            await fetch(kind(), f"{server.url}x")


async def test_the_environments_proxy_is_used(
    kind: Any, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert (await fetch(kind(), "http://far.test/x"))[0] == "ok"
    assert server.requests[0].target == "http://far.test/x"


async def test_no_proxy_is_honoured(kind: Any, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert await fetch(kind(), f"{server.url}x") == ("ok", EXPECTED_OPTIONS)
    assert server.requests[0].target == "/x"


async def test_trust_env_off(kind: Any, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert await fetch(kind(trust_env=False), f"{server.url}x") == ("ok", EXPECTED_OPTIONS)


@pytest.mark.parametrize("form", [str, httpx.URL, httpx.Proxy])
async def test_a_proxy_of_the_callers_beats_the_environments(
    kind: Any, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "far.test")
    assert (await fetch(kind(proxy=form(server.url)), "http://far.test/x"))[0] == "ok"
    assert server.requests[0].target == "http://far.test/x"


async def test_the_callers_own_transport_is_left_alone(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="mocked"))
    client = kind(transport=transport)
    assert client._transport is transport
    assert client._mounts == {}
    assert client.timeout == httpx.Timeout(600, connect=5)


async def test_the_callers_mounts_lie_over_the_environments(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    mocked = httpx.MockTransport(lambda _: httpx.Response(200, text="mocked"))
    client = kind(mounts={"http://": mocked})
    assert list(client._mounts.values()) == [mocked]


def test_http2_needs_its_library(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)
    with pytest.raises(ImportError, match=r"httpx\[http2\]"):
        kind(http2=True)


@pytest.mark.parametrize("wrong", [{"nonsense": 1}, {"timeouts": 3}])
def test_unknown_arguments_are_refused(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(wrong))):
        kind(**wrong)
