"""Redirects to where credentials must not go, to where nobody can go, and without end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from trioclient import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncAPIClient,
    DeadlineExceeded,
    LimitExceeded,
    Limits,
)
from trioclient.testing import LoopbackServer, flood, reply, stall
from trioclient.testing._replies import RawReply, Send

MARK = "s3cr3t"
CREDENTIALS = {"authorization", "x-api-key", "x-unheard-of", "cookie", "x-acme-token"}


@asynccontextmanager
async def elsewhere(**options: Any) -> AsyncIterator[LoopbackServer]:
    """A server of another origin, which answers everything."""
    async with LoopbackServer(**options) as server:
        server.route("*", "/*", reply(json="elsewhere"))
        yield server


def to(url: str, status: int = 307, **options: Any) -> Any:
    return reply(status, headers={"Location": url}, **options)


def received(server: LoopbackServer) -> str:
    """Every byte of every request, save the bodies."""
    return repr([(request.target, request.headers) for request in server.requests]).lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_credentials_stay_at_home(stage: Any, status: int) -> None:
    async with stage() as scene:
        async with elsewhere() as thief:
            options = {"headers": {"X-Acme-Token": f"{MARK}-6", "X-Harmless": "kept"}}
            scene.server.route("POST", "/away", to(thief.url + "loot", status))
            assert await scene.call("POST", "/away", body=1, options=options) == "elsewhere"
            assert MARK not in received(thief)
            (request,) = thief.requests
            assert not CREDENTIALS & {name.lower() for name, _ in request.headers}
            assert request.header("X-Harmless") == "kept"
            assert request.header("Host") == f"127.0.0.1:{thief.port}"
            assert {name.lower() for name, _ in scene.server.requests[0].headers} >= CREDENTIALS
            assert scene.server.requests[0].query == f"api_key={MARK}-4"


async def test_they_do_not_come_back_on_the_way_home(stage: Any) -> None:
    """Who was elsewhere and is sent home again may have been sent to any address there."""
    async with stage() as scene:
        async with elsewhere() as thief:
            thief.route("GET", "/there", to(scene.server.url + "home"))
            scene.server.route("GET", "/away", to(thief.url + "there"))
            scene.server.route("GET", "/home", reply(json="home"))
            assert await scene.call("GET", "/away") == "home"
            away, home = scene.server.requests
            assert away.header("X-Unheard-Of") is not None
            assert not CREDENTIALS & {name.lower() for name, _ in home.headers}
            assert MARK not in received(thief)


async def test_they_go_along_on_the_same_origin(stage: Any) -> None:
    async with stage() as scene:
        scene.server.route("GET", "/old", to("/new"))
        scene.server.route("GET", "/new", reply(json="new"))
        assert await scene.call("GET", "/old") == "new"
        old, new = (dict(request.headers) for request in scene.server.requests)
        assert old == new


@pytest.mark.parametrize("face", ["httpx"])
async def test_nor_do_the_credentials_of_an_httpx_client(stage: Any) -> None:
    carrier = httpx.AsyncClient(
        headers={"X-Api-Key": f"{MARK}-7"}, auth=("user", f"{MARK}-8"), cookies={"c": f"{MARK}-9"}, params={"key": MARK}
    )
    async with stage() as scene, carrier, elsewhere() as thief:
        scene.server.route("GET", "/away", to(thief.url))
        async with AsyncAPIClient(base_url=scene.server.url, http_client=carrier) as client:
            with trio.fail_after(10):
                assert await client.get("/away") == "elsewhere"
        assert MARK not in received(thief)
        assert received(scene.server).count(MARK) == 3


UNFOLLOWABLE = {
    "another scheme": "ftp://127.0.0.1/file",
    "a file": "file:///etc/passwd",
    "a script": "javascript:alert(1)",
    "mail": "mailto:somebody@example.com",
    "a socket": "unix:///var/run/docker.sock",
    "a password": "http://user:hunter2@127.0.0.1/",
    "port 0": "http://127.0.0.1:0/",
    "port 65536": "http://127.0.0.1:65536/",
    "a port in words": "http://127.0.0.1:eighty/",
    "half an address": "http://[::1/",
    "a zone": "http://[fe80::1%25eth0]/",
    "a backslash": "http:\\\\127.0.0.1\\",
    "nothing": "",
}


# httpx looks at a Location by itself, and some of them make it fail in ways of its own.
REFUSED_BY_HTTPX = {"a script", "mail", "a port in words", "half an address", "a backslash"}


async def test_to_where_nobody_can_go(stage: Any, face: str) -> None:
    async with stage(max_retries=2) as scene:
        for name in UNFOLLOWABLE.keys() - (REFUSED_BY_HTTPX if face == "httpx" else ()):
            error = await scene.fails("GET", scene.route(name, to(UNFOLLOWABLE[name], 302)), APIStatusError)
            assert (error.status_code, error.attempts, error.sent) == (302, 1, "yes")
            assert "hunter2" not in str(error)


async def test_without_a_location(stage: Any) -> None:
    async with stage(max_retries=2) as scene:
        scene.server.route("GET", "/", reply(301, json={"message": "somewhere"}))
        error = await scene.fails("GET", "/", APIStatusError)
        assert (error.status_code, error.attempts, error.sent) == (301, 1, "yes")


# httpx lets through what the resolver raises for the first three.
@pytest.mark.parametrize("face", ["trio", "blocking"])
@pytest.mark.parametrize(
    "host", ["a..b", ".a", "x" * 70 + ".test", "x." * 130 + "test", "-.invalid", "no-such-name.invalid"]
)
async def test_to_a_host_that_is_none(stage: Any, host: str) -> None:
    """Whatever the resolver makes of it: an error of the tree."""
    async with stage() as scene:
        scene.server.route("GET", "/", to(f"http://{host}/", 302))
        with pytest.raises((APIConnectionError, APIStatusError)) as caught:
            await scene.call("GET", "/")
        scene.keeps_secrets(caught.value)
        assert caught.value.attempts == 1


async def test_to_a_port_where_nobody_listens(stage: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with stage(max_retries=1) as scene:
            scene.server.route("GET", "/", to(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
            error = await scene.fails("GET", "/", APIConnectionError)
            assert (error.attempts, scene.server.request_count) == (2, 2)


async def test_from_https_to_http(stage: Any, authority: Any) -> None:
    async with stage(tls=authority.server("127.0.0.1"), max_retries=2) as scene:
        async with elsewhere() as plain:
            scene.server.route("GET", "/", to(plain.url))
            error = await scene.fails("GET", "/", APIStatusError)
            assert (error.status_code, error.attempts, error.sent) == (307, 1, "yes")
            assert "https to http" in str(error)
            assert plain.connection_count == 0


async def test_from_http_to_https(stage: Any, authority: Any) -> None:
    async with stage() as scene:
        async with elsewhere(ssl_context=authority.server("127.0.0.1")) as safe:
            scene.server.route("GET", "/", to(safe.url))
            assert await scene.call("GET", "/") == "elsewhere"
            assert MARK not in received(safe)


@pytest.mark.parametrize("most", [0, 3, 20])
async def test_in_a_circle(stage: Any, most: int) -> None:
    async with stage(limits=Limits(max_redirects=most), max_retries=2) as scene:
        scene.server.route("GET", "/a", to("/b"))
        scene.server.route("GET", "/b", to("/a"))
        error = await scene.fails("GET", "/a", LimitExceeded)
        assert (error.limit, error.value, error.attempts) == ("max_redirects", most, 1)
        assert scene.server.request_count == most + 1


async def test_in_a_circle_of_servers(stage: Any) -> None:
    async with stage(limits=Limits(max_redirects=9)) as scene:
        async with elsewhere() as other:
            other.route("GET", "/", to(scene.server.url))
            scene.server.route("GET", "/", to(other.url))
            assert (await scene.fails("GET", "/", LimitExceeded)).limit == "max_redirects"
            assert scene.server.request_count == other.request_count == 5


async def test_the_deadline_is_over_all_hops(stage: Any) -> None:
    async with stage(deadline=0.2, limits=Limits(max_redirects=10_000)) as scene:
        scene.server.route("GET", "/", to("/", delay=0.01))
        await scene.fails("GET", "/", DeadlineExceeded)
        assert scene.server.request_count > 1


async def test_with_a_body_without_end(stage: Any) -> None:
    """Nobody asked for it: it is left, with its connection, and the redirect followed."""
    endless = flood("body")
    head, unit = endless.opening
    assert isinstance(head, Send)
    moved = Send(head.data.replace(b"200 OK\r\n", b"302 Found\r\nLocation: /new\r\n"))
    async with stage() as scene:
        scene.server.route("GET", "/old", RawReply(opening=(moved, unit)))
        scene.server.route("GET", "/new", reply(json="new"))
        assert await scene.call("GET", "/old") == "new"


async def test_with_a_body_that_never_comes(stage: Any) -> None:
    async with stage(timeout=httpx.Timeout(10.0, read=0.1)) as scene:
        scene.server.route("GET", "/old", stall(-1, of=to("/new", content=b"moved")))
        error = await scene.fails("GET", "/old", APITimeoutError)
        assert error.sent == "yes"


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("size", [10, 300_000])
async def test_a_body_goes_along_whole(stage: Any, status: int, size: int) -> None:
    async with stage() as scene:
        async with elsewhere() as other:
            scene.server.route("PUT", "/", to(other.url, status))
            assert await scene.call("PUT", "/", content=b"x" * size) == "elsewhere"
            assert [request.body for request in other.requests] == [b"x" * size]


@pytest.mark.parametrize("status", [307, 308])
async def test_a_body_that_can_be_sent_once_does_not(stage: Any, status: int) -> None:
    async with stage(max_retries=2) as scene:
        scene.server.route("PUT", "/", to("/new", status))
        error = await scene.fails("PUT", "/", APIStatusError, content=iter([b"one", b"two"]))
        assert (error.status_code, error.attempts) == (status, 1)
        assert [request.body for request in scene.server.requests] == [b"onetwo"]
