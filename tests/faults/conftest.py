"""A stage for faults: a real server, a client of one of three kinds, and an audit at the end.

The client carries credentials in every place a credential can be, all of which hold the word
`MARK`. Whatever a failed call leaves behind (the error, its traceback, its pickle, the log) is
searched for it. At the end the next call must do, and no slot, task or descriptor may be missing
or left over.
"""

from __future__ import annotations

import logging
import os
import pickle
import ssl
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio
import trustme

from trioclient import APIError, AsyncAPIClient, AttemptRecord, RetryPolicy, SyncAPIClient, TrioTransport
from trioclient.testing import LoopbackServer, reply

MARK = "s3cr3t"
PATIENCE = 10.0  # seconds: against a hang, not a measure of anything

AT_ONCE = RetryPolicy(initial_delay=0.0, max_delay=0.0)


class _Credentials:
    @property
    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {MARK}-1", "X-Api-Key": f"{MARK}-2", "X-Unheard-Of": f"{MARK}-3"}


class _AsyncClient(_Credentials, AsyncAPIClient):
    pass


class _BlockingClient(_Credentials, SyncAPIClient):
    pass


@asynccontextmanager
async def _over_trio(tls: ssl.SSLContext, **arguments: Any) -> AsyncIterator[AsyncAPIClient]:
    transport = TrioTransport(ssl_context=tls, limits=arguments.get("limits"))
    async with _AsyncClient(transport=transport, **arguments) as client:
        yield client


@asynccontextmanager
async def _over_httpx(tls: ssl.SSLContext, **arguments: Any) -> AsyncIterator[AsyncAPIClient]:
    async with httpx.AsyncClient(verify=tls) as carrier:
        async with _AsyncClient(http_client=carrier, **arguments) as client:
            yield client


class _InThreads:
    """A blocking client's calls, awaited."""

    def __init__(self, client: SyncAPIClient) -> None:
        self._client = client
        self.statistics = client.statistics

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await trio.to_thread.run_sync(partial(self._client.request, *args, **kwargs), abandon_on_cancel=True)


@asynccontextmanager
async def _blocking(tls: ssl.SSLContext, **arguments: Any) -> AsyncIterator[_InThreads]:
    transport = TrioTransport(ssl_context=tls, limits=arguments.get("limits"))
    client = _BlockingClient(transport=transport, **arguments)
    try:
        yield _InThreads(client)
    finally:
        await trio.to_thread.run_sync(client.close)


_FACES = {"trio": _over_trio, "httpx": _over_httpx, "blocking": _blocking}


class Authority:
    """Issues the certificates of test servers, and is trusted by test clients."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.client = ssl.create_default_context()
        self._ca.configure_trust(self.client)
        self.roots = self._ca.cert_pem

    def server(self, *names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names, **options).configure_cert(context)
        return context


class Audit:
    """What there was before, to be there again: tasks of this trio run, descriptors of this process."""

    def __init__(self) -> None:
        self._before = self._reading()

    @staticmethod
    def _reading() -> dict[str, int]:
        # Elsewhere than on Linux nobody keeps a list.
        descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        return {"tasks": trio.lowlevel.current_statistics().tasks_living, "descriptors": descriptors}

    def check(self) -> None:
        assert self._reading() == self._before

    async def settle(self) -> None:
        """The same, but a name look-up that was left behind may end first: it has files open."""
        with trio.move_on_after(1.0):
            while self._reading() != self._before:  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.001)
        self.check()


class Stage:
    """A server and a client of it."""

    def __init__(
        self, server: LoopbackServer, client: Any, log: pytest.LogCaptureFixture, attempts: list[AttemptRecord]
    ) -> None:
        self.server = server
        self.client = client
        self._log = log
        self._attempts = attempts

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """What the client makes of it, within `PATIENCE`."""
        with trio.fail_after(PATIENCE):
            return await self.client.request(method, path, **arguments)

    async def fails(self, method: str, path: str, kind: type[APIError], **arguments: Any) -> Any:
        """The error of a call that must fail with this very class, and keep its secrets."""
        try:
            answer = await self.call(method, path, **arguments)
        except APIError as error:
            self.keeps_secrets(error)
            if type(error) is not kind:
                pytest.fail(f"{method} {path} failed otherwise: {error!r}")
            return error
        pytest.fail(f"{method} {path} was answered: {answer!r}")

    def keeps_secrets(self, error: APIError) -> None:
        pickled = pickle.dumps(error)
        again = pickle.loads(pickled)
        assert (type(again), str(again), again.attempts, again.sent) == (
            type(error),
            str(error),
            error.attempts,
            error.sent,
        )
        assert MARK.encode() not in pickled
        assert error.request is not None
        shown = [str(error), repr(error), repr(vars(error)), repr(error.request.headers.raw), str(error.request.url)]
        shown += map(repr, self._attempts)
        shown += traceback.format_exception(type(error), error, error.__traceback__)
        # httpx itself logs the URL of every request, query and all.
        shown += [record.getMessage() for record in self._log.records if record.name != "httpx"]
        assert not [text for text in shown if MARK in text]

    def route(self, name: str, *answers: Any) -> str:
        """The path under which these answers are given from now on; in it, what they are called."""
        path = "/" + name.replace(" ", "-")
        self.server.route("*", path, *answers)
        return path

    async def recovers(self) -> None:
        """The next call on the same client is fine, and its answer its own."""
        self.server.route("GET", "/next", reply(json={"next": True}))
        assert await self.call("GET", "/next", options={"deadline": PATIENCE, "timeout": PATIENCE}) == {"next": True}
        statistics = self.client.statistics()
        assert statistics.in_flight == statistics.connections.waiting == 0
        assert statistics.connections.open == (statistics.connections.idle or 0)


OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(params=list(_FACES))
def face(request: pytest.FixtureRequest) -> str:
    """Which client. A test for one alone says so by ``parametrize("face", ["trio"])``."""
    return request.param


@pytest.fixture
def audit() -> type[Audit]:
    return Audit


@pytest.fixture
def stage(face: str, authority: Authority, caplog: pytest.LogCaptureFixture) -> OpenStage:
    """Opens a `Stage`. `tls` is the server's context; the rest goes to the client."""
    caplog.set_level(logging.DEBUG)

    @asynccontextmanager
    async def stage(*, tls: ssl.SSLContext | None = None, **arguments: Any) -> AsyncIterator[Stage]:
        audit = Audit()
        async with LoopbackServer(ssl_context=tls) as server:
            attempts: list[AttemptRecord] = []
            defaults: dict[str, Any] = {
                "base_url": server.url,
                "custom_query": {"api_key": f"{MARK}-4"},
                "custom_headers": {"Cookie": f"session={MARK}-5"},
                "timeout": PATIENCE,
                "max_retries": 0,
                "retry": AT_ONCE,
                "hooks": [attempts.append],
            }
            async with _FACES[face](authority.client, **{**defaults, **arguments}) as client:
                stage = Stage(server, client, caplog, attempts)
                yield stage
                await stage.recovers()
            with trio.fail_after(PATIENCE):
                await server.wait_connections_closed()
        audit.check()

    return stage
