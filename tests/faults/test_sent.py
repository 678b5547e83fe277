"""What `sent` says of a call that failed, against what the server has seen of it.

Each cause is played over plain TCP and TLS, by the transport of this package and by httpx's. Where an
error says "no", not a byte of the request may have come; where it says "yes", the request must have.
"maybe" is what can be said where the request went out and nothing came back.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from trioclient import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    AsyncAPIClient,
    AuthenticationError,
    DeadlineExceeded,
    InternalServerError,
    LimitExceeded,
    Limits,
    RequestTooLargeError,
    RetryPolicy,
    SyncAPIClient,
    TrioTransport,
    omit,
)
from trioclient._policy.stall import Stall
from trioclient.testing import reply

SHORT = 0.2
PATIENCE = 10.0
AT_ONCE = RetryPolicy(initial_delay=0.0, max_delay=0.0)
MARK = b"the-mark"
ONCE = RetryPolicy(initial_delay=0.0, max_delay=0.0, replay_unkeyed=False)
CHALLENGE = reply(401, json={}, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}).wire()
POST_BODY = {"mark": MARK.decode()}


class FarEnd:
    """A server that plays `play` on each connection; what it has read, undone of TLS, is in `received`."""

    def __init__(self, context: ssl.SSLContext | None, port: int) -> None:
        self._context = context
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{port}/"
        self.received = b""
        self.connections = 0
        self.stopped = trio.CancelScope()

    async def serve(self, play: Callable[[FarEnd, trio.abc.Stream], Awaitable[None]], tcp: trio.SocketStream) -> None:
        self.connections += 1
        stream: trio.abc.Stream = tcp
        try:
            async with tcp:
                if self._context is not None:
                    tls = trio.SSLStream(tcp, self._context, server_side=True)
                    await tls.do_handshake()
                    stream = tls
                await play(self, stream)
        except trio.BrokenResourceError:
            pass

    async def read_request(self, stream: trio.abc.Stream) -> bool:
        """One request, whole; False where there is none."""
        data = b""
        while (at := data.find(b"\r\n\r\n")) < 0 or len(data) < at + 4 + _length(data[:at]):
            piece = await stream.receive_some()
            if not piece:
                return False
            data += piece
            self.received += piece
        return True


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)


def answering(*answers: bytes | None) -> Callable[[FarEnd, trio.abc.Stream], Awaitable[None]]:
    """One of these to each request, then the end; None is a silence."""

    async def play(far: FarEnd, stream: trio.abc.Stream) -> None:
        for answer in answers:
            if not await far.read_request(stream):
                return
            if answer is None:
                await trio.sleep_forever()
            await stream.send_all(answer)

    return play


async def deaf(far: FarEnd, stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


def refused_port() -> int:
    """Where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class World:
    """Far ends, and clients of one kind of transport, for the length of a test."""

    def __init__(self, stack: AsyncExitStack, nursery: trio.Nursery, face: str, authority: Any, tls: bool) -> None:
        self._stack = stack
        self._nursery = nursery
        self.face = face
        self.tls = tls
        self._authority = authority
        self.scheme = "https" if tls else "http"

    async def far_end(self, play: Callable[[FarEnd, trio.abc.Stream], Awaitable[None]] = deaf) -> FarEnd:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        far = FarEnd(self._authority.server("127.0.0.1") if self.tls else None, port)

        async def run() -> None:
            with far.stopped:
                await trio.serve_listeners(partial(far.serve, play), listeners)

        self._nursery.start_soon(run)
        return far

    async def client(self, url: str, *, auth: httpx.Auth | None = None, **arguments: Any) -> AsyncAPIClient:
        class Client(AsyncAPIClient):
            @property
            def custom_auth(self) -> httpx.Auth | None:
                return auth

        carried: dict[str, Any]
        if self.face == "trio":
            carried = {"transport": TrioTransport(ssl_context=self._authority.client, limits=arguments.get("limits"))}
        else:
            carrier = httpx.AsyncClient(verify=self._authority.client, trust_env=False)
            carried = {"http_client": await self._stack.enter_async_context(carrier)}
        defaults: dict[str, Any] = {"base_url": url, "timeout": PATIENCE, "max_retries": 0, "retry": AT_ONCE}
        return await self._stack.enter_async_context(Client(**carried, **{**defaults, **arguments}))


def over(*kinds: tuple[str, bool]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("face", "tls"), kinds, ids=[face + (" tls" if tls else "") for face, tls in kinds])


TRIO, TRIO_TLS, HTTPX, HTTPX_TLS = ("trio", False), ("trio", True), ("httpx", False), ("httpx", True)
EVERYWHERE = over(TRIO, TRIO_TLS, HTTPX)


@pytest.fixture
def world(face: str, tls: bool, authority: Any) -> Callable[[], Any]:
    @asynccontextmanager
    async def world() -> AsyncIterator[World]:
        async with trio.open_nursery() as nursery:
            async with AsyncExitStack() as stack:
                yield World(stack, nursery, face, authority, tls)
            nursery.cancel_scope.cancel()

    return world


async def failure_of(call: Awaitable[Any], kind: type[APIError]) -> APIError:
    try:
        with trio.fail_after(PATIENCE):
            answer = await call
    except APIError as error:
        if type(error) is not kind:
            pytest.fail(f"failed otherwise: {error!r}")
        return error
    pytest.fail(f"was answered: {answer!r}")


def holds(error: APIError, far: FarEnd, sent: str) -> None:
    """The error says so, and it is true."""
    assert error.sent == sent
    if sent == "no":
        assert far.received == b""
    elif sent == "yes":
        assert MARK in far.received


def chunked(*pieces: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


# What is answered to a whole request -> the error, and what it says over our transport and over httpx,
# which does not tell of an answer before its head is whole.
ANSWERED: dict[str, tuple[bytes | None, type[APIError], str, str]] = {
    "the end": (b"", APIConnectionError, "maybe", "maybe"),
    "silence": (None, APITimeoutError, "maybe", "maybe"),
    "half a head": (b"HTTP/1.1 200 OK\r\nConte", APIConnectionError, "yes", "maybe"),
    "a head, half a body": (reply(json="x" * 99).wire()[:-9], APIConnectionError, "yes", "yes"),
    "no HTTP": (b"nonsense\r\n\r\n", APIConnectionError, "yes", "maybe"),
    "an error": (reply(500, json={}).wire(), InternalServerError, "yes", "yes"),
    "no JSON": (
        reply(content="{", headers={"Content-Type": "application/json"}).wire(),
        APIResponseValidationError,
        "yes",
        "yes",
    ),
    "no gzip": (
        reply(content=b"no", headers={"Content-Encoding": "gzip"}).wire(),
        APIResponseValidationError,
        "yes",
        "yes",
    ),
    "too much": (reply(json="x" * 5000).wire(), LimitExceeded, "yes", "yes"),
}


@EVERYWHERE
@pytest.mark.parametrize("name", ANSWERED)
async def test_what_is_answered(world: Any, face: str, name: str) -> None:
    answer, kind, by_us, by_httpx = ANSWERED[name]
    async with world() as scene:
        far = await scene.far_end(answering(answer))
        timeout = httpx.Timeout(PATIENCE, read=SHORT if answer is None else PATIENCE)
        client = await scene.client(far.url, timeout=timeout, limits=Limits(max_body_bytes=1000))
        error = await failure_of(client.post("", body=POST_BODY), kind)
        holds(error, far, by_us if face == "trio" else by_httpx)
        assert MARK in far.received


class TestBeforeAnythingIsSent:
    @EVERYWHERE
    async def test_nobody_listens(self, world: Any) -> None:
        async with world() as scene:
            client = await scene.client(f"{scene.scheme}://127.0.0.1:{refused_port()}/")
            assert (await failure_of(client.post("", body=POST_BODY), APIConnectionError)).sent == "no"

    @EVERYWHERE
    async def test_no_such_name(self, world: Any) -> None:
        async with world() as scene:
            client = await scene.client(f"{scene.scheme}://nowhere.invalid/")
            assert (await failure_of(client.post("", body=POST_BODY), APIConnectionError)).sent == "no"

    @over(TRIO_TLS, HTTPX_TLS)
    async def test_a_certificate_that_is_not_trusted(self, world: Any) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(None))
            client = await scene.client(far.url.replace("127.0.0.1", "localhost"))
            holds(await failure_of(client.post("", body=POST_BODY), APIConnectionError), far, "no")

    @over(TRIO_TLS, HTTPX_TLS)
    @pytest.mark.parametrize("kind", [APITimeoutError, DeadlineExceeded])
    async def test_a_handshake_that_hangs(self, world: Any, kind: type[APIError]) -> None:
        async with world() as scene:
            far = await scene.far_end()
            far._context = None
            client = await scene.client(far.url, timeout=httpx.Timeout(PATIENCE, connect=SHORT))
            options = {"deadline": SHORT / 2} if kind is DeadlineExceeded else {}
            holds(await failure_of(client.post("", body=POST_BODY, options=options), kind), far, "no")

    @EVERYWHERE
    @pytest.mark.parametrize("kind", [APITimeoutError, DeadlineExceeded])
    async def test_no_free_connection(self, world: Any, kind: type[APIError]) -> None:
        async with world() as scene:
            busy = await scene.far_end(answering(None))
            far = await scene.far_end(answering(None))
            timeout = httpx.Timeout(PATIENCE, pool=SHORT)
            client = await scene.client(far.url, timeout=timeout, limits=Limits(max_connections=1))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.get, busy.url)
                while not busy.received:  # noqa: ASYNC110 -- no event tells of it
                    await trio.sleep(0.001)
                options = {"deadline": SHORT / 2} if kind is DeadlineExceeded else {}
                holds(await failure_of(client.post("", body=POST_BODY, options=options), kind), far, "no")
                nursery.cancel_scope.cancel()

    @EVERYWHERE
    async def test_a_client_that_is_closed(self, world: Any) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(None))
            client = await scene.client(far.url)
            await client.aclose()
            holds(await failure_of(client.post("", body=POST_BODY), APIConnectionError), far, "no")

    @EVERYWHERE
    async def test_a_deadline_of_nothing(self, world: Any, face: str) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(None))
            client = await scene.client(far.url)
            error = await failure_of(client.post("", body=POST_BODY, options={"deadline": 0}), DeadlineExceeded)
            holds(error, far, "no")

    @over(TRIO, TRIO_TLS)
    async def test_the_auth_flow_finds_no_token(self, world: Any) -> None:
        """What the flow itself asks for is not the call's request."""

        class Token(httpx.Auth):
            async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
                yield httpx.Request("GET", tokens.url)
                yield request

        async with world() as scene:
            far, tokens = await scene.far_end(answering(None)), await scene.far_end(answering(b""))
            client = await scene.client(far.url, auth=Token())
            holds(await failure_of(client.post("", body=POST_BODY), APIConnectionError), far, "no")
            assert tokens.received


class TestOnTheWay:
    @EVERYWHERE
    async def test_a_server_that_does_not_read(self, world: Any) -> None:
        async with world() as scene:
            far = await scene.far_end()
            client = await scene.client(far.url, timeout=httpx.Timeout(PATIENCE, write=SHORT))
            holds(await failure_of(client.post("", content=MARK * 2_000_000), APITimeoutError), far, "maybe")

    @EVERYWHERE
    async def test_a_server_that_is_gone(self, world: Any) -> None:
        async def hang_up(far: FarEnd, stream: trio.abc.Stream) -> None:
            pass

        async with world() as scene:
            far = await scene.far_end(hang_up)
            client = await scene.client(far.url)
            error = await failure_of(client.post("", body=POST_BODY), APIConnectionError)
            # Whether the end was seen before the first byte left is luck.
            assert error.sent in ("no", "maybe")
            assert far.received == b""

    @EVERYWHERE
    async def test_an_early_no(self, world: Any) -> None:
        async def refuse(far: FarEnd, stream: trio.abc.Stream) -> None:
            far.received += await stream.receive_some(65_536)
            await stream.send_all(reply(413, json={}, close=True).wire())
            while await stream.receive_some(65_536):
                pass

        async with world() as scene:
            far = await scene.far_end(refuse)
            client = await scene.client(far.url)
            body, options = MARK * 500_000, {"headers": {"X-Mark": MARK.decode()}}
            holds(await failure_of(client.post("", content=body, options=options), RequestTooLargeError), far, "yes")

    @EVERYWHERE
    async def test_the_client_is_closed_meanwhile(self, world: Any, face: str) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(None))
            read = PATIENCE if face == "trio" else 2 * SHORT
            client = await scene.client(far.url, timeout=httpx.Timeout(PATIENCE, read=read))

            async def close() -> None:
                while MARK not in far.received:  # noqa: ASYNC110 -- no event tells of it
                    await trio.sleep(0.001)
                await client.aclose()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(close)
                # A client of httpx that is not its own is left alone, and the read timeout ends it.
                kind = APIConnectionError if face == "trio" else APITimeoutError
                holds(await failure_of(client.post("", body=POST_BODY), kind), far, "maybe")

    @EVERYWHERE
    async def test_a_kept_connection_dies_and_nobody_listens_any_more(self, world: Any, face: str) -> None:
        async def once(far: FarEnd, stream: trio.abc.Stream) -> None:
            await far.read_request(stream)
            await stream.send_all(reply(json=1).wire())
            far.received = b""
            await far.read_request(stream)
            far.stopped.cancel()

        async with world() as scene:
            far = await scene.far_end(once)
            client = await scene.client(far.url)
            assert await client.post("", body=1) == 1
            holds(await failure_of(client.post("", body=POST_BODY), APIConnectionError), far, "maybe")
            assert MARK in far.received

    @EVERYWHERE
    async def test_a_stream(self, world: Any) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(chunked(b"data: 1\n\n")))
            client = await scene.client(far.url)
            async with await client.post("", body=POST_BODY, cast_to=int, stream=True) as stream:
                holds(await failure_of(_read(stream), APIStreamError), far, "yes")

    @EVERYWHERE
    async def test_a_stall(self, world: Any) -> None:
        async with world() as scene:
            answer = chunked(b"[")

            async def crawl(far: FarEnd, stream: trio.abc.Stream) -> None:
                await far.read_request(stream)
                await stream.send_all(answer)
                await trio.sleep_forever()

            far = await scene.far_end(crawl)
            client = await scene.client(far.url, stall=Stall(within=SHORT))
            holds(await failure_of(client.post("", body=POST_BODY), APITimeoutError), far, "yes")


async def _read(stream: Any) -> None:
    async for _ in stream:
        pass


class TestAfterAnotherAttempt:
    """`sent` is that of the attempt, or the hop, that got furthest."""

    @EVERYWHERE
    async def test_the_next_one_does_not_connect(self, world: Any) -> None:
        async def once(far: FarEnd, stream: trio.abc.Stream) -> None:
            await far.read_request(stream)
            await stream.send_all(reply(503, json={}, close=True).wire())
            far.stopped.cancel()

        async with world() as scene:
            far = await scene.far_end(once)
            client = await scene.client(far.url, max_retries=1)
            error = await failure_of(client.post("", body=POST_BODY), APIConnectionError)
            holds(error, far, "yes")
            assert error.attempts == 2

    @EVERYWHERE
    async def test_the_next_one_would_be_too_late(self, world: Any) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(reply(503, json={}).wire()))
            later = RetryPolicy(initial_delay=60.0, max_delay=60.0)
            client = await scene.client(far.url, max_retries=1, retry=later, deadline=PATIENCE)
            holds(await failure_of(client.post("", body=POST_BODY), InternalServerError), far, "yes")

    @EVERYWHERE
    async def test_the_next_one_finds_no_free_connection(self, world: Any) -> None:
        async with world() as scene:
            busy = await scene.far_end(answering(None))
            far = await scene.far_end(answering(reply(503, json={}, close=True).wire()))
            client = await scene.client(
                far.url, max_retries=1, limits=Limits(max_connections=1), retry=RetryPolicy(initial_delay=SHORT)
            )
            async with trio.open_nursery() as nursery:

                async def take_the_connection() -> None:
                    while MARK not in far.received:  # noqa: ASYNC110 -- no event tells of it
                        await trio.sleep(0.001)
                    await client.get(busy.url)

                nursery.start_soon(take_the_connection)
                call = client.post("", body=POST_BODY, options={"deadline": 4 * SHORT})
                holds(await failure_of(call, DeadlineExceeded), far, "yes")
                nursery.cancel_scope.cancel()

    @EVERYWHERE
    @pytest.mark.parametrize("status", [302, 307])
    @pytest.mark.parametrize("there", ["nobody", "silence"])
    async def test_a_redirect_leads_nowhere(self, world: Any, status: int, there: str) -> None:
        """A server has had the request, be it not the last one."""
        async with world() as scene:
            if there == "nobody":
                url, kind = f"{scene.scheme}://127.0.0.1:{refused_port()}/", APIConnectionError
            else:
                url, kind = (await scene.far_end(answering(None))).url, APITimeoutError
            far = await scene.far_end(answering(reply(status, headers={"Location": url}).wire()))
            client = await scene.client(far.url, timeout=httpx.Timeout(PATIENCE, read=2 * SHORT))
            holds(await failure_of(client.post("", body=POST_BODY), kind), far, "yes")

    @EVERYWHERE
    @pytest.mark.parametrize("then", [b"HTTP/1.1 2", None])
    async def test_the_answer_to_a_challenge_gets_none(self, world: Any, then: bytes | None) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(CHALLENGE, then))
            timeout = httpx.Timeout(PATIENCE, read=2 * SHORT)
            client = await scene.client(far.url, auth=httpx.DigestAuth("u", "p"), timeout=timeout)
            kind = APITimeoutError if then is None else APIConnectionError
            holds(await failure_of(client.post("", body=POST_BODY), kind), far, "yes")


# Where a request may not be repeated, it is delivered once at most. What comes of a server that has one:
BROKEN: dict[str, tuple[bytes | None, type[APIError]]] = {
    "the end": (b"", APIConnectionError),
    "silence": (None, APITimeoutError),
    "half an answer": (reply(json="x" * 99).wire()[:-9], APIConnectionError),
    "no HTTP": (b"nonsense\r\n\r\n", APIConnectionError),
    "an error": (reply(503, json={}).wire(), InternalServerError),
    "try again": (reply(503, json={}, headers={"x-should-retry": "true"}).wire(), InternalServerError),
    "a challenge": (CHALLENGE, AuthenticationError),
    "a redirect (307)": (reply(307, headers={"Location": "/again"}).wire(), APIStatusError),
    "a redirect (308)": (reply(308, headers={"Location": "/again"}).wire(), APIStatusError),
}


def unkeyed(client: AsyncAPIClient, **arguments: Any) -> Awaitable[Any]:
    return client.post("", body=POST_BODY, options={"headers": {"Idempotency-Key": omit}}, **arguments)


class TestDeliveredOnce:
    @over(TRIO, HTTPX)
    @pytest.mark.parametrize("kept", [False, True])
    @pytest.mark.parametrize("name", BROKEN)
    async def test_whatever_comes_of_it(self, world: Any, name: str, kept: bool) -> None:
        answer, kind = BROKEN[name]
        before = [reply(json=1).wire()] * kept
        async with world() as scene:
            far = await scene.far_end(answering(*before, answer))
            timeout = httpx.Timeout(PATIENCE, read=SHORT if answer is None else PATIENCE)
            auth = httpx.DigestAuth("u", "p")
            client = await scene.client(far.url, auth=auth, timeout=timeout, max_retries=3, retry=ONCE)
            if kept:
                assert await client.get("") == 1
            error = await failure_of(unkeyed(client), kind)
            assert error.attempts == 1
            assert error.sent in ("maybe", "yes")
            assert far.received.count(b"POST ") == far.received.count(MARK) == 1

    @over(TRIO, HTTPX)
    async def test_a_redirect_that_asks_for_it_is_told(self, world: Any) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(BROKEN["a redirect (307)"][0]))
            client = await scene.client(far.url, retry=ONCE)
            assert "no idempotency key" in str(await failure_of(unkeyed(client), APIStatusError))

    @over(TRIO, HTTPX)
    @pytest.mark.parametrize("status", [302, 303])
    async def test_a_redirect_that_asks_for_something_else_is_followed(self, world: Any, status: int) -> None:
        async with world() as scene:
            moved = reply(status, headers={"Location": "/there"}).wire()
            again = reply(307, headers={"Location": "/here"}).wire()
            far = await scene.far_end(answering(moved, again, reply(json=1).wire()))
            client = await scene.client(far.url, retry=ONCE)
            assert await unkeyed(client) == 1
            assert (far.received.count(b"POST "), far.received.count(b"GET ")) == (1, 2)

    @over(TRIO, HTTPX)
    async def test_a_stream_that_breaks_off(self, world: Any) -> None:
        async with world() as scene:
            far = await scene.far_end(answering(chunked(b"data: 1\n\n")))
            client = await scene.client(far.url, max_retries=3, retry=ONCE)
            async with await unkeyed(client, cast_to=int, stream=True) as stream:
                await failure_of(_read(stream), APIStreamError)
            assert far.received.count(b"POST ") == 1

    @over(HTTPX)
    async def test_the_auth_of_their_own_client(self, world: Any) -> None:
        """It would answer a challenge by itself."""
        auth = httpx.DigestAuth("u", "p")
        async with world() as scene, httpx.AsyncClient(auth=auth, trust_env=False) as carrier:
            far = await scene.far_end(answering(CHALLENGE, reply(json=1).wire()))
            async with AsyncAPIClient(base_url=far.url, http_client=carrier, retry=ONCE) as client:
                error = await failure_of(unkeyed(client), APIConnectionError)
                assert (error.attempts, error.sent) == (1, "yes")
                assert far.received.count(b"POST ") == 1
                far.received = b""
                assert await client.post("", body=POST_BODY) == 1  # with a key it may
                assert far.received.count(b"POST ") == 2

    @over(TRIO)
    @pytest.mark.parametrize("over", ["our own", "httpx"])
    @pytest.mark.parametrize("name", ["the end", "a challenge", "try again"])
    async def test_blocking(self, world: Any, over: str, name: str) -> None:
        answer, kind = BROKEN[name]
        async with world() as scene:
            far = await scene.far_end(answering(answer))

            def call() -> APIError:
                carried: dict[str, Any] = {}
                if over == "httpx":
                    carried["http_client"] = httpx.Client(auth=httpx.DigestAuth("u", "p"), trust_env=False)
                with SyncAPIClient(base_url=far.url, max_retries=3, retry=ONCE, timeout=PATIENCE, **carried) as client:
                    with pytest.raises(APIError) as caught:
                        client.post("", body=POST_BODY, options={"headers": {"Idempotency-Key": omit}})
                    if carried:
                        carried["http_client"].close()
                    return caught.value

            error = await trio.to_thread.run_sync(call, abandon_on_cancel=True)
            assert type(error) is (APIConnectionError if (name, over) == ("a challenge", "httpx") else kind)
            assert error.attempts == 1
            assert far.received.count(b"POST ") == 1

    @over(TRIO, HTTPX)
    async def test_but_what_did_not_leave_is_tried_again(self, world: Any) -> None:
        async with world() as scene:
            url = f"http://127.0.0.1:{refused_port()}/"
            client = await scene.client(url, max_retries=2, retry=ONCE)
            error = await failure_of(unkeyed(client), APIConnectionError)
            assert (error.attempts, error.sent) == (3, "no")
