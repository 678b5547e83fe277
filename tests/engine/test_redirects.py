"""Redirects on real sockets: what goes where, and what stays behind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import trustme

from trioclient import (
    APIConnectionError,
    APIStatusError,
    AsyncAPIClient,
    LimitExceeded,
    Limits,
    NotFoundError,
    RetryPolicy,
    TrioTransport,
)
from trioclient.testing import LoopbackServer, ScriptedTransport, drop, reply

OK = reply(json={"ok": True})


def to(location: str, status: int = 307) -> Any:
    return reply(status, headers={"Location": location})


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as server:
        yield server


@pytest.fixture
async def elsewhere() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as elsewhere:
        elsewhere.route("*", "*", OK)
        yield elsewhere


@pytest.fixture
async def client(server: LoopbackServer) -> AsyncIterator[AsyncAPIClient]:
    async with AsyncAPIClient(base_url=f"{server.url}v1", retry=RetryPolicy(initial_delay=0.0)) as client:
        yield client


class TestMethods:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def test_rewritten_as_browsers_do(
        self, server: LoopbackServer, client: AsyncAPIClient, method: str, status: int
    ) -> None:
        server.route(method, "/v1/x", to("/y", status))
        server.route("*", "/y", OK)
        body = None if method == "GET" else {"a": 1}
        assert await client.request(method, "/x", body=body) == {"ok": True}
        second = server.requests[1]
        dropped = status == 303 or (status in (301, 302) and method == "POST")
        assert second.method == ("GET" if dropped else method)
        if dropped or body is None:
            assert second.body == b""
            assert second.header("content-type") is None
            assert second.header("content-length") is None
        else:
            assert second.body == b'{"a":1}'
            assert second.header("content-type") == "application/json"
        first = server.requests[0]
        assert second.header("idempotency-key") == first.header("idempotency-key")
        assert server.connection_count == 1
        assert client.statistics().attempts == 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_head_stays_head(self, server: LoopbackServer, client: AsyncAPIClient, status: int) -> None:
        server.route("HEAD", "/v1/x", to("/y", status))
        server.route("HEAD", "/y", reply(headers={"X-A": "1"}))
        response = await client.request("HEAD", "/x", cast_to=httpx.Response)
        assert response.headers["x-a"] == "1"
        assert [request.method for request in server.requests] == ["HEAD", "HEAD"]

    @pytest.mark.parametrize("status", [300, 304, 305, 306])
    async def test_other_3xx_are_answers(self, server: LoopbackServer, client: AsyncAPIClient, status: int) -> None:
        server.route("GET", "/v1/x", to("/y", status))
        with pytest.raises(APIStatusError) as caught:
            await client.get("/x")
        assert caught.value.status_code == status
        assert len(server.requests) == 1


class TestBodies:
    @pytest.mark.parametrize("content", [b"bytes", "text", [b"by", b"tes"]])
    async def test_replayed(self, server: LoopbackServer, client: AsyncAPIClient, content: Any) -> None:
        server.route("POST", "/v1/x", to("/y"))
        server.route("POST", "/y", OK)
        await client.post("/x", content=content)
        assert server.requests[0].body == server.requests[1].body != b""

    async def test_one_that_goes_once_is_refused(self, server: LoopbackServer, client: AsyncAPIClient) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"once"

        server.route("POST", "/v1/x", to("/y", 308))
        with pytest.raises(APIStatusError) as caught:
            await client.post("/x", content=pieces())
        assert caught.value.status_code == 308
        assert str(caught.value).startswith(
            f"POST {server.url}v1/x: 308 Permanent Redirect: "
            "the redirect (308) wants the body again, and it can be sent only once (1 attempt in "
        )
        assert [request.body for request in server.requests] == [b"once"]

    async def test_or_left_behind_where_it_is_not_wanted(self, server: LoopbackServer, client: AsyncAPIClient) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"once"

        server.route("POST", "/v1/x", to("/y", 303))
        server.route("GET", "/y", OK)
        assert await client.post("/x", content=pieces()) == {"ok": True}
        assert [request.body for request in server.requests] == [b"once", b""]


SECRETS = {
    "Authorization": "Bearer s3cret",
    "X-Api-Key": "s3cret",
    "Cookie": "id=s3cret",
    "X-Badge": "s3cret",
    "Proxy-Authorization": "s3cret",
}


class WithBadge(AsyncAPIClient):
    """Its credential has a name that tells nothing."""

    @property
    def auth_headers(self) -> dict[str, str]:
        return {"X-Badge": "s3cret", "Authorization": "Bearer s3cret"}


class TestCredentials:
    @pytest.mark.parametrize("status", [302, 307])
    async def test_stay_behind_when_it_leads_elsewhere(
        self, server: LoopbackServer, elsewhere: LoopbackServer, status: int
    ) -> None:
        server.route("POST", "/x", to(f"{elsewhere.url}y?a=1", status))
        custom = {name: value for name, value in SECRETS.items() if name != "X-Badge"}
        async with WithBadge(base_url=server.url, custom_headers={**custom, "X-Plain": "1"}) as client:
            assert await client.post("/x", body={}, options={"headers": {"X-Session-Token": "s3cret"}}) == {"ok": True}
        first, second = server.requests[0], elsewhere.requests[0]
        assert all(first.header(name) for name in [*SECRETS, "X-Session-Token"])
        assert [name for name, value in second.headers if "s3cret" in value] == []
        assert second.header("x-plain") == "1"
        assert second.header("host") == f"127.0.0.1:{elsewhere.port}"
        assert (second.method, second.target) == ("POST" if status == 307 else "GET", "/y?a=1")

    async def test_go_along_within_the_origin(self, server: LoopbackServer) -> None:
        server.route("GET", "/x", to("/y"))
        server.route("GET", "/y", OK)
        async with WithBadge(base_url=server.url, custom_headers=SECRETS) as client:
            await client.get("/x")
        assert all(server.requests[1].header(name) for name in SECRETS)

    async def test_are_not_given_back_on_the_way_home(self, server: LoopbackServer, elsewhere: LoopbackServer) -> None:
        server.route("GET", "/x", to(f"{elsewhere.url}y"))
        elsewhere.route("GET", "/y", to(f"{server.url}z"))
        server.route("GET", "/z", OK)
        async with WithBadge(base_url=server.url) as client:
            await client.get("/x")
        assert server.requests[1].header("x-badge") is None

    async def test_each_attempt_starts_with_them_again(self, server: LoopbackServer, elsewhere: LoopbackServer) -> None:
        server.route("GET", "/x", to(f"{elsewhere.url}y"))
        elsewhere.route("GET", "/y", drop(), OK)
        async with WithBadge(base_url=server.url, retry=RetryPolicy(initial_delay=0.0)) as client:
            assert await client.get("/x") == {"ok": True}
        assert [request.header("x-badge") for request in server.requests] == ["s3cret", "s3cret"]
        assert [request.header("x-badge") for request in elsewhere.requests] == [None, None]

    async def test_a_host_of_the_callers_own_stays_behind_too(
        self, server: LoopbackServer, elsewhere: LoopbackServer, client: AsyncAPIClient
    ) -> None:
        server.route("GET", "/v1/x", to("/y"))
        server.route("GET", "/y", to(f"{elsewhere.url}z"))
        await client.get("/x", options={"headers": {"Host": "api.test"}})
        assert [request.header("host") for request in server.requests] == ["api.test", "api.test"]
        assert elsewhere.requests[0].header("host") == f"127.0.0.1:{elsewhere.port}"


class TestWhere:
    @pytest.mark.parametrize(
        ("location", "target"),
        [
            ("/y", "/y"),
            ("y", "/v1/y"),
            ("../y?b=2#part", "/y?b=2"),
            ("?b=2", "/v1/x?b=2"),
            ("/a b/\u00e9", "/a%20b/%C3%A9"),
            ("//127.0.0.1:{port}/y", "/y"),
        ],
    )
    async def test_relative_locations(
        self, server: LoopbackServer, client: AsyncAPIClient, location: str, target: str
    ) -> None:
        server.route("GET", "/v1/x", to(location.format(port=server.port)), OK)
        server.route("GET", "/*", OK)
        assert await client.get("/x", options={"params": {"a": 1}}) == {"ok": True}
        assert server.requests[1].target == target

    async def test_the_answer_says_where_it_came_from(self, server: LoopbackServer, client: AsyncAPIClient) -> None:
        server.route("GET", "/v1/x", to("/y?token=s3cret&b=2"))
        server.route("GET", "/y", OK)
        response = await client.get("/x", cast_to=httpx.Response)
        assert str(response.url) == f"{server.url}y?token=[redacted]&b=2"

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            ({}, "the answer (302) has no Location to go to"),
            ({"Location": " "}, "the answer (302) has no Location to go to"),
            ({"Location": "ftp://example.com/"}, "the Location header must be an absolute http:// or https:// URL"),
            ({"Location": "http://u:s3cret@127.0.0.1/"}, "the Location header must not hold a user name or password"),
            ({"Location": "http://[/"}, "the Location header is not a"),
        ],
    )
    async def test_bad_locations(
        self, server: LoopbackServer, client: AsyncAPIClient, headers: dict[str, str], reason: str
    ) -> None:
        server.route("GET", "/v1/x", reply(302, headers=headers, content="sorry"))
        with pytest.raises(APIStatusError) as caught:
            await client.get("/x")
        assert caught.value.message.startswith(f"302 Found: {reason}")
        assert "s3cret" not in str(caught.value)
        assert (caught.value.status_code, caught.value.body, caught.value.attempts) == (302, "sorry", 1)

    async def test_an_error_at_the_end_is_the_calls(self, server: LoopbackServer, client: AsyncAPIClient) -> None:
        server.route("GET", "/v1/x", to("/y"))
        with pytest.raises(NotFoundError) as caught:
            await client.get("/x")
        assert f"GET {server.url}v1/x: 404 Not Found" in str(caught.value)


class TestHowMany:
    @pytest.mark.parametrize("hops", [1, 3, 20])
    async def test_up_to_the_limit(self, server: LoopbackServer, client: AsyncAPIClient, hops: int) -> None:
        server.route("GET", "/v1/x", *[to("x")] * hops, OK)
        assert await client.get("/x") == {"ok": True}
        assert len(server.requests) == hops + 1

    @pytest.mark.parametrize("most", [0, 1, 5])
    async def test_beyond_it(self, server: LoopbackServer, most: int) -> None:
        server.route("GET", "/x", to("x"))
        async with AsyncAPIClient(base_url=server.url, limits=Limits(max_redirects=most)) as client:
            with pytest.raises(LimitExceeded) as caught:
                await client.get("/x")
        assert (caught.value.limit, caught.value.value, caught.value.attempts) == ("max_redirects", most, 1)
        assert caught.value.message == f"max_redirects ({most}) was exceeded"
        assert len(server.requests) == most + 1

    async def test_none_at_all(self, server: LoopbackServer, client: AsyncAPIClient) -> None:
        server.route("GET", "/v1/x", to("/y", 302))
        with pytest.raises(APIStatusError) as caught:
            await client.get("/x", options={"follow_redirects": False})
        assert type(caught.value) is APIStatusError
        assert caught.value.message == "302 Found"
        assert caught.value.response is not None
        assert caught.value.response.headers["location"] == "/y"
        assert len(server.requests) == 1

    async def test_they_count_as_one_attempt_with_one_deadline(self, autojump_clock: Any) -> None:
        slow = reply(307, headers={"Location": "/x"}, delay=2.0)
        transport = ScriptedTransport(slow, repeat_last=True)
        client = AsyncAPIClient(base_url="https://api.test", transport=transport, deadline=5.0)
        with pytest.raises(APIConnectionError, match="the deadline of 5 s passed") as caught:
            await client.get("/x")
        assert (caught.value.attempts, caught.value.elapsed) == (1, 5.0)
        assert len(transport.requests) == 3


class TestSchemes:
    @pytest.fixture
    def tls(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """For the server, for the client."""
        authority = trustme.CA()
        of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(of_server)
        of_client = ssl.create_default_context()
        authority.configure_trust(of_client)
        return of_server, of_client

    async def test_from_https_to_http_is_refused(
        self, elsewhere: LoopbackServer, tls: tuple[ssl.SSLContext, ssl.SSLContext]
    ) -> None:
        async with LoopbackServer(ssl_context=tls[0]) as server:
            server.route("GET", "/x", to(f"{elsewhere.url}y"))
            transport = TrioTransport(ssl_context=tls[1])
            async with AsyncAPIClient(base_url=server.url, transport=transport) as client:
                with pytest.raises(APIStatusError) as caught:
                    await client.get("/x")
        assert caught.value.message == "307 Temporary Redirect: the redirect leads from https to http"
        assert elsewhere.requests == []

    async def test_from_http_to_https_is_another_origin(
        self, server: LoopbackServer, tls: tuple[ssl.SSLContext, ssl.SSLContext]
    ) -> None:
        async with LoopbackServer(ssl_context=tls[0]) as secure:
            server.route("GET", "/x", to(f"{secure.url}y"))
            secure.route("GET", "/y", OK)
            transport = TrioTransport(ssl_context=tls[1])
            async with WithBadge(base_url=server.url, transport=transport) as client:
                assert await client.get("/x") == {"ok": True}
        assert secure.requests[0].header("x-badge") is None
