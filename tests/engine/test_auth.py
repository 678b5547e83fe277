"""httpx auth flows around an attempt, against a real server where it matters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import Any

import httpx
import pytest

from trioclient import AsyncAPIClient, AuthenticationError, Limits, RetryPolicy
from trioclient._codec.body import NO_BODY, RequestBody, content_body
from trioclient._codec.headers import header_block
from trioclient._codec.url import Target
from trioclient._engine.auth import exchange_with_auth
from trioclient._engine.call import Answer
from trioclient._net.protocol import WireRequest
from trioclient._types import RawHeaders, Timeouts
from trioclient.testing import LoopbackServer, drop, reply

Flow = Generator[httpx.Request, httpx.Response, None]


def client_of(server: LoopbackServer, auth: httpx.Auth, **options: Any) -> AsyncAPIClient:
    class Client(AsyncAPIClient):
        @property
        def custom_auth(self) -> httpx.Auth:
            return auth

    return Client(base_url=server.url, **options)


class Exchange:
    """Stands for the network: keeps what would be sent, answers with one status after another."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.sent: list[tuple[str, str, RawHeaders, bytes | None]] = []

    async def __call__(self, wire: WireRequest, unread: bool) -> Answer:
        self.sent.append((wire.method, str(wire.target), wire.headers, wire.body.content))
        if wire.body.content is None:
            for _ in wire.body.pieces():  # type: ignore[union-attr]
                pass
        return Answer(self._statuses.pop(0), "HTTP/1.1", [(b"x-a", b"1")], b"{}", wire.method, wire.target)


def wire_of(headers: RawHeaders | None = None, body: RequestBody = NO_BODY) -> WireRequest:
    target = Target.of("https://api.test/x?a=1")
    return WireRequest(
        "POST", target, header_block(headers or []), body, Timeouts.of(None), Limits(), replayable=body.replayable
    )


class TestBasic:
    async def test_the_header_is_sent_and_no_record_has_it(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", reply(401))
            async with client_of(server, httpx.BasicAuth("user", "p:w")) as client:
                with pytest.raises(AuthenticationError) as caught:
                    await client.get("/x")
        assert server.requests[0].header("authorization") == "Basic dXNlcjpwOnc="
        assert caught.value.request is not None
        assert "authorization" not in caught.value.request.headers

    async def test_on_every_attempt(self) -> None:
        async with LoopbackServer() as server:
            server.route("POST", "/x", reply(503), drop(), reply(json=1))
            retry = RetryPolicy(initial_delay=0.0)
            async with client_of(server, httpx.BasicAuth("u", "p"), retry=retry) as client:
                assert await client.post("/x", body={"a": 1}) == 1
        assert len({request.header("authorization") for request in server.requests}) == 1
        assert [request.body for request in server.requests] == [b'{"a":1}'] * 3


class DigestServer:
    """RFC 7616, as a route: a challenge, then checked answers to it."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.md5 if algorithm == "MD5" else hashlib.sha256

    def _h(self, text: str) -> str:
        return self._hash(text.encode()).hexdigest()

    def __call__(self, request: Any) -> Any:
        given = request.header("authorization")
        if given is None:
            challenge = f'Digest realm="r", nonce="n0nce", qop="auth", algorithm={self.algorithm}, opaque="o"'
            return reply(401, headers={"WWW-Authenticate": challenge}, json={"error": "who are you?"})
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', given.removeprefix("Digest ")))
        ha1, ha2 = self._h("user:r:pw"), self._h(f"{request.method}:{request.target}")
        expected = self._h(f"{ha1}:n0nce:{fields['nc']}:{fields['cnonce']}:auth:{ha2}")
        return reply(json={"nc": fields["nc"]}) if fields["response"] == expected else reply(403)


class TestDigest:
    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    async def test_a_challenge_is_answered(self, algorithm: str) -> None:
        async with LoopbackServer() as server:
            server.route("POST", "/x", DigestServer(algorithm))
            async with client_of(server, httpx.DigestAuth("user", "pw")) as client:
                assert await client.post("/x", body={"a": 1}, options={"params": {"q": "ä b"}}) == {"nc": "00000001"}
                # The flow remembers the challenge.
                assert await client.post("/x", body={"a": 2}, options={"params": {"q": "c"}}) == {"nc": "00000002"}
                assert client.statistics().attempts == 2
        assert [(request.status, request.body) for request in server.requests] == [
            (401, b'{"a":1}'),
            (200, b'{"a":1}'),
            (200, b'{"a":2}'),
        ]
        assert len({request.header("idempotency-key") for request in server.requests[:2]}) == 1
        assert server.connection_count == 1

    async def test_a_wrong_password(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", DigestServer("MD5"))
            async with client_of(server, httpx.DigestAuth("user", "wrong")) as client:
                with pytest.raises(Exception, match="403 Forbidden"):
                    await client.get("/x")
        assert [request.status for request in server.requests] == [401, 403]

    async def test_a_body_that_goes_once_is_not_sent_again_empty(self) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"once"

        async with LoopbackServer() as server:
            server.route("POST", "/x", DigestServer("MD5"))
            async with client_of(server, httpx.DigestAuth("user", "pw")) as client:
                with pytest.raises(AuthenticationError, match="who are you"):
                    await client.post("/x", content=pieces())
        assert [request.body for request in server.requests] == [b"once"]


class TokenFlow(httpx.Auth):
    """Fetches a token where it has none, and a new one when it is refused."""

    requires_response_body = True

    def __init__(self, token_url: str) -> None:
        self.token_url = token_url
        self.token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Flow:
        if self.token is None:
            yield from self._fetch()
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            yield from self._fetch()
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

    def _fetch(self) -> Flow:
        response = yield httpx.Request("POST", self.token_url, data={"grant": "x"}, headers={"X-Side": "1"})
        self.token = response.json()["token"]


class TestOwnFlow:
    async def test_a_token_is_fetched_from_another_server_and_renewed(self) -> None:
        async with LoopbackServer() as server, LoopbackServer() as issuer:
            issuer.route("POST", "/token", reply(json={"token": "one"}), reply(json={"token": "two"}))
            server.route("PUT", "/x", reply(json=1), reply(401), reply(json=2))
            client = client_of(server, TokenFlow(f"{issuer.url}token"), custom_headers={"X-Api-Key": "s3cret"})
            async with client:
                assert await client.put("/x", body={"a": 1}) == 1
                assert await client.put("/x", body={"a": 2}) == 2
        assert [request.body for request in issuer.requests] == [b"grant=x"] * 2
        for request in issuer.requests:
            assert (request.method, request.header("x-side")) == ("POST", "1")
            assert request.header("content-type") == "application/x-www-form-urlencoded"
            # Nothing of the call goes to the issuer.
            assert [request.header(name) for name in ("x-api-key", "idempotency-key", "authorization")] == [None] * 3
        assert [(request.method, request.header("authorization"), request.body) for request in server.requests] == [
            ("PUT", "Bearer one", b'{"a":1}'),
            ("PUT", "Bearer one", b'{"a":2}'),
            ("PUT", "Bearer two", b'{"a":2}'),
        ]
        assert client.statistics().attempts == 2

    async def test_an_async_flow(self) -> None:
        class Signed(httpx.Auth):
            async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
                request.url = request.url.copy_add_param("signature", str(len(request.content)))
                response = yield request
                assert response.status_code == 200
                assert response.request is request

        exchange = Exchange(200)
        answer = await exchange_with_auth(Signed(), wire_of(body=RequestBody(b"abc", None)), exchange)
        assert answer.status == 200
        assert exchange.sent == [("POST", "https://api.test/x?a=1&signature=3", [], b"abc")]

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ([(b"X-Case", b"1"), (b"x-case-2", b"\xe9")], [(b"X-Case", b"1"), (b"x-case-2", b"\xe9")]),
            ([(b"Host", b"mine.test")], [(b"Host", b"mine.test")]),
        ],
    )
    async def test_headers_pass_through_as_they_are(self, given: RawHeaders, sent: RawHeaders) -> None:
        exchange = Exchange(200)
        await exchange_with_auth(httpx.Auth(), wire_of(given, RequestBody(b"abc", None)), exchange)
        assert exchange.sent[0][2] == sent

    async def test_the_answer_may_be_read(self) -> None:
        seen: list[Any] = []

        class Reading(httpx.Auth):
            requires_response_body = True

            def auth_flow(self, request: httpx.Request) -> Flow:
                response = yield request
                seen.append((response.status_code, response.json(), response.headers["x-a"]))

        await exchange_with_auth(Reading(), wire_of(), Exchange(200))
        assert seen == [(200, {}, "1")]

    @pytest.mark.parametrize("where", ["before", "after"])
    async def test_what_it_raises_is_the_callers(self, where: str) -> None:
        class Broken(httpx.Auth):
            def auth_flow(self, request: httpx.Request) -> Flow:
                if where == "after":
                    yield request
                raise LookupError("mine")

        exchange = Exchange(200)
        with pytest.raises(LookupError, match="mine"):
            await exchange_with_auth(Broken(), wire_of(), exchange)
        assert len(exchange.sent) == (where == "after")

    async def test_it_is_closed_when_the_network_fails(self) -> None:
        closed: list[bool] = []

        class Careful(httpx.Auth):
            def auth_flow(self, request: httpx.Request) -> Flow:
                try:
                    yield request
                finally:
                    closed.append(True)

        async def fails(wire: WireRequest, unread: bool) -> Answer:
            raise OSError("down")

        with pytest.raises(OSError, match="down"):
            await exchange_with_auth(Careful(), wire_of(), fails)
        assert closed == [True]

    @pytest.mark.parametrize(
        ("content", "exchanges"), [(lambda: b"abc", 2), (lambda: [b"a", b"bc"], 2), (lambda: iter([b"abc"]), 1)]
    )
    async def test_the_body_is_replayed_or_the_answer_stands(self, content: Callable[[], Any], exchanges: int) -> None:
        class Twice(httpx.Auth):
            def auth_flow(self, request: httpx.Request) -> Flow:
                yield request
                yield request

        exchange = Exchange(401, 200)
        answer = await exchange_with_auth(Twice(), wire_of(body=content_body(content())), exchange)
        assert len(exchange.sent) == exchanges
        assert answer.status == (200 if exchanges == 2 else 401)
