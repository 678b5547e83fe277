"""What a client sends with every call belongs to its own origin. A path that is a URL of another
one gets no credential of the client's, nor a query value, nor anything an httpx client adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import httpx2
import pytest

from trioclient import AsyncAPIClient, BaseClient, SyncAPIClient
from trioclient._codec.url import BaseURL
from trioclient._engine.call import PreparedCall
from trioclient.testing import LoopbackServer, ScriptedTransport, reply

BASE = "https://api.test/v1"

SECRETS: Mapping[str, str] = {"Authorization": "s3cret", "X-Badge": "s3cret"}


class Mixin(BaseClient):
    @property
    def auth_headers(self) -> Mapping[str, str]:
        return SECRETS

    @property
    def default_headers(self) -> Mapping[str, str]:
        return {"Cookie": "s3cret", "X-Api-Version": "3"}

    @property
    def default_query(self) -> Mapping[str, object]:
        return {"key": "s3cret"}

    @property
    def custom_auth(self) -> httpx.Auth:
        return httpx.BasicAuth("me", "s3cret")


class Client(Mixin, AsyncAPIClient):
    pass


class BlockingClient(Mixin, SyncAPIClient):
    pass


CUSTOM: dict[str, Any] = {
    "custom_headers": {"X-Api-Key": "s3cret", "x-badge": "s3cret", "Host": "api.test", "X-Tenant": "7"},
    "custom_query": {"tenant": "s3cret"},
}


def headers_of(call: PreparedCall) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in call.headers}


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("https://api.test/v1", "/x"),
        ("https://api.test/v1", "https"),
        ("https://api.test/v1", "x?u=https://other.test"),
        ("https://api.test/v1", "https://api.test/elsewhere"),
        ("https://api.test/v1", "https://api.test:443"),
        ("https://api.test:443/v1", "https://api.test/x"),
        ("https://api.test/v1", "HTTPS://API.Test/x"),
        ("https://bücher.test", "https://xn--bcher-kva.test/x"),
        ("https://xn--bcher-kva.test", "https://BÜCHER.test/x"),
        ("http://[::1]:8000", "http://[0:0:0:0:0:0:0:1]:8000/x"),
    ],
)
def test_its_own_origin(base: str, path: str) -> None:
    base_url = BaseURL(base)
    assert base_url.join(path).origin == base_url.origin
    call = Mixin(base_url=base)._prepare("GET", path)
    assert not call.foreign
    assert headers_of(call)["authorization"] == "s3cret"
    assert call.auth is not None


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("https://api.test", "https://other.test/x"),
        ("https://api.test", "http://api.test/x"),
        ("https://api.test", "http://api.test:443/x"),
        ("https://api.test", "https://api.test:8443/x"),
        ("https://api.test", "https://sub.api.test/x"),
        ("https://api.test", "https://test/x"),
        ("https://api.test", "https://api.test./x"),
        ("https://api.test", "https://api.test.evil.test/x"),
        ("https://api.test", "https://evil.test/?https://api.test/"),
        ("https://bücher.test", "https://bucher.test/x"),
        ("http://127.0.0.1", "http://localhost/x"),
        ("http://[::1]:8000", "http://[::1]/x"),
    ],
)
def test_another_origin(base: str, path: str) -> None:
    base_url = BaseURL(base)
    assert base_url.join(path).origin != base_url.origin
    call = Mixin(base_url=base, **CUSTOM)._prepare("POST", path, options={"params": {"a": 1}})
    assert call.foreign
    assert call.auth is None
    assert not [line for line in call.headers if b"s3cret" in line[1]]
    headers = headers_of(call)
    assert "host" not in headers
    # What would follow a redirect there comes along, and the key that makes a retry safe.
    assert (headers["x-api-version"], headers["x-tenant"]) == ("3", "7")
    assert headers["idempotency-key"].startswith("trioclient-")
    assert call.target.path.partition("?")[2].endswith("a=1")
    assert "s3cret" not in call.target.path


@pytest.mark.parametrize("path", [None, 1, b"https://other.test", "//other.test/x", "https://u:s3cret@other.test/x"])
def test_what_is_no_path_is_refused_all_the_same(path: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="path must") as caught:
        Mixin(base_url=BASE)._prepare("GET", path)
    assert "s3cret" not in str(caught.value)


def test_what_the_call_itself_says_is_sent() -> None:
    mine = {"authorization": "mine", "Host": "virtual.test", "X-Badge": "mine"}
    options: Any = {"headers": mine, "params": {"key": "mine"}, "idempotency_key": "mine"}
    call = Mixin(base_url=BASE, **CUSTOM)._prepare("GET", "https://other.test/x", options=options)
    headers = headers_of(call)
    names = ("authorization", "host", "x-badge", "idempotency-key")
    assert [headers[name] for name in names] == ["mine", "virtual.test", "mine", "mine"]
    assert "x-api-key" not in headers
    assert call.target.path == "/x?key=mine"
    # It counts as a credential where the call is recorded, or redirected.
    assert dict(call.record().headers)["X-Badge"] == "[redacted]"


def test_the_next_call_home_has_everything() -> None:
    client = Mixin(base_url=BASE, **CUSTOM)
    client._prepare("GET", "https://other.test/x")
    call = client._prepare("GET", "/x")
    assert headers_of(call)["x-api-key"] == "s3cret"
    assert call.target.path == "/v1/x?key=s3cret&tenant=s3cret"


def test_a_copy_with_another_base_url_has_another_home() -> None:
    client = Mixin(base_url=BASE).with_options(base_url="https://other.test")
    assert client._prepare("GET", "https://api.test/x").foreign
    assert headers_of(client._prepare("GET", "https://other.test/x"))["authorization"] == "s3cret"


@pytest.mark.parametrize("how", [{"stream": True}, {"unread": True}, {"files": {"f": b"s"}}, {"content": b"s"}])
def test_however_the_call_is_made(how: dict[str, Any]) -> None:
    call = Mixin(base_url=BASE, **CUSTOM)._prepare("POST", "https://other.test/x", **how)
    assert not [line for line in call.headers if b"s3cret" in line[1]]


async def test_a_retry_and_a_redirect_home_bring_nothing_back(autojump_clock: object) -> None:
    transport = ScriptedTransport(reply(503), reply(307, headers={"Location": f"{BASE}/y"}), reply(json=1))
    async with Client(base_url=BASE, transport=transport, **CUSTOM) as client:
        assert await client.post("https://other.test/x", body={}) == 1
    assert [request.url for request in transport.requests] == [*["https://other.test/x"] * 2, f"{BASE}/y"]
    for request in transport.requests:
        assert not [value for _, value in request.headers if "s3cret" in value]


def test_nor_does_the_blocking_client_tell() -> None:
    transport = ScriptedTransport(reply(json=1), reply(json=1))
    with BlockingClient(base_url=BASE, transport=transport, **CUSTOM) as client:
        client.get("https://other.test/x")
        client.get("/x")
    told = [[value for _, value in request.headers if "s3cret" in value] for request in transport.requests]
    assert told[0] == []
    assert len(told[1]) >= 3


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_nor_what_an_httpx_client_adds(library: Any) -> None:
    secrets: dict[str, Any] = {
        "headers": {"X-Own": "s3cret"},
        "cookies": {"session": "s3cret"},
        "params": {"own": "s3cret"},
        "auth": ("me", "s3cret"),
    }
    async with LoopbackServer() as server, LoopbackServer() as other:
        for each in (server, other):
            each.route("GET", "/x", reply(json=1))
        async with (
            library.AsyncClient(**secrets) as http_client,
            AsyncAPIClient(base_url=server.url, http_client=http_client) as client,
        ):
            await client.get("/x")
            await client.get(f"{other.url}x")
    assert {"authorization", "cookie", "x-own"} <= {name.lower() for name, _ in server.requests[0].headers}
    assert server.requests[0].query == "own=s3cret"
    assert {"authorization", "cookie", "x-own"}.isdisjoint({name.lower() for name, _ in other.requests[0].headers})
    assert other.requests[0].query == ""
