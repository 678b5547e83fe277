"""Names that are not known, and name servers that take their time.

What an unknown name looks like below the engine is in ``tests/net/test_connect.py``, and that look-ups
do not need trio's default threads.
"""

from __future__ import annotations

import collections
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import trio

from trioclient import APIConnectionError, APITimeoutError, DeadlineExceeded
from trioclient.testing import LoopbackServer, reply

PATIENCE = 10.0  # seconds: against a hang
LOOPBACK = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", "127.0.0.1")]


class NameServer:
    """In place of the system's: every name is this machine's, but for those it is told about."""

    def __init__(self) -> None:
        self.asked: collections.Counter[str] = collections.Counter()
        self._troubles: dict[str, list[Any]] = {}
        self._slow: dict[str, threading.Event] = {}

    def fails(self, name: str, *troubles: Any) -> None:
        """The next look-ups of `name` end in these, an exception or a list of nothing."""
        self._troubles[name] = list(troubles)

    def keeps_waiting(self, *names: str) -> threading.Event:
        """These are not answered until the event is set."""
        answered = threading.Event()
        self._slow |= dict.fromkeys(names, answered)
        return answered

    def __call__(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        self.asked[host] += 1
        if host in self._slow:
            assert self._slow[host].wait(PATIENCE)
        troubles = self._troubles.get(host)
        if troubles:
            trouble = troubles.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        return [(*entry, (address, port)) for *entry, address in LOOPBACK]

    def end(self) -> None:
        for answered in self._slow.values():
            answered.set()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    names = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.end()


@pytest.fixture
def named() -> Callable[[LoopbackServer, str], str]:
    """A URL of the server's under another name."""
    return lambda server, name: f"http://{name}.test:{server.port}/item"


OWN = pytest.mark.parametrize("face", ["trio", "blocking"])  # httpx looks names up itself

FAILURES = {
    "not known": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "no server answers": socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    "the server fails": socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"),
    "the system fails": socket.gaierror(socket.EAI_SYSTEM, "System error"),
    "no address": [],
}


@OWN
@pytest.mark.parametrize("trouble", FAILURES.values(), ids=FAILURES)
async def test_a_failure(stage: Any, names: NameServer, named: Any, trouble: Any) -> None:
    async with stage(max_retries=2) as scene:
        scene.route("item", reply(json="item"))
        url = named(scene.server, "odd")
        names.fails("odd.test", *[trouble] * 3)
        error = await scene.fails("POST", url, APIConnectionError, body=1)
        assert (error.sent, error.attempts, names.asked["odd.test"]) == ("no", 3, 3)
        assert f"could not connect to odd.test:{scene.server.port}: " in str(error)
        assert scene.server.connection_count == 0
        # Nothing is remembered of it, and it may pass.
        names.fails("odd.test", trouble)
        assert await scene.call("POST", url, body=1) == "item"
        assert names.asked["odd.test"] == 5


@OWN
@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"timeout": httpx.Timeout(PATIENCE, connect=0.05)}, APITimeoutError),
        ({"deadline": 0.05}, DeadlineExceeded),
    ],
    ids=["the connect timeout", "the deadline"],
)
async def test_a_slow_one_is_bounded_by(
    stage: Any, names: NameServer, named: Any, arguments: Any, kind: type[APITimeoutError]
) -> None:
    async with stage() as scene:
        scene.route("item", reply(json="item"))
        answered = names.keeps_waiting("slow.test")
        error = await scene.fails("POST", named(scene.server, "slow"), kind, body=1, options=arguments)
        assert error.sent == "no"
        assert "connect" in str(error)
        assert scene.client.statistics().connections.open == 0
        answered.set()


@pytest.mark.parametrize("face", ["trio"])
async def test_a_cancel_does_not_wait_for_a_slow_one(stage: Any, face: str, names: NameServer, named: Any) -> None:
    async with stage() as scene:
        answered = names.keeps_waiting("slow.test")
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(scene.client.get, named(scene.server, "slow"))
                await trio.testing.wait_all_tasks_blocked(0.01)
                assert not answered.is_set()
                nursery.cancel_scope.cancel()
        statistics = scene.client.statistics()
        assert (statistics.in_flight, statistics.connections.open) == (0, 0)


@pytest.mark.parametrize("face", ["trio"])
async def test_slow_ones_keep_nothing_else_waiting(stage: Any, face: str, names: NameServer, named: Any) -> None:
    async with stage() as scene:
        path = scene.route("item", reply(json="item"))
        url = named(scene.server, "known")
        assert await scene.call("GET", url) == "item"
        slow = [f"slow{number}" for number in range(50)]
        answered = names.keeps_waiting(*[f"{name}.test" for name in slow])
        async with trio.open_nursery() as nursery:
            for name in slow:
                nursery.start_soon(scene.client.get, named(scene.server, name))
            await trio.testing.wait_all_tasks_blocked(0.01)
            # A kept connection, an address, and other work of the program in threads.
            assert await scene.call("GET", url) == "item"
            assert await scene.call("GET", path) == "item"
            with trio.fail_after(PATIENCE):
                assert await trio.to_thread.run_sync(lambda: "done") == "done"
            answered.set()
        assert scene.client.statistics()[:4] == (53, 0, 53, 0)


@pytest.mark.parametrize("face", ["trio"])
async def test_a_crowd_waits_for_one_slow_name(stage: Any, face: str, names: NameServer, named: Any) -> None:
    async with stage() as scene:
        scene.route("item", reply(json="item"))
        answered = names.keeps_waiting("slow.test")
        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(scene.client.get, named(scene.server, "slow"))
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert scene.server.connection_count == 0
            assert scene.client.statistics().connections.open == 200
            # One thread waits for all of them, and others are free for other names.
            assert await scene.call("GET", named(scene.server, "known")) == "item"
            assert names.asked["slow.test"] == names.asked["known.test"] == 1
            answered.set()
        assert names.asked["slow.test"] == 1
        assert scene.server.request_count == 201


@pytest.mark.parametrize("face", ["trio"])
async def test_a_retry_waits_for_the_look_up_that_is_under_way(
    stage: Any, face: str, names: NameServer, named: Any
) -> None:
    async with stage(max_retries=3) as scene:
        scene.route("item", reply(json="item"))
        answered = names.keeps_waiting("slow.test")
        url = named(scene.server, "slow")
        timeout = httpx.Timeout(PATIENCE, connect=0.02)
        error = await scene.fails("GET", url, APITimeoutError, options={"timeout": timeout})
        assert (error.attempts, names.asked["slow.test"]) == (4, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.client.get, url)
            await trio.testing.wait_all_tasks_blocked(0.01)
            answered.set()
        assert names.asked["slow.test"] == 1
        assert scene.server.request_count == 1
