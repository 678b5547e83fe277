"""Clocks that jump: the one on the wall is set anew, the monotonic one leaps over a suspend.

What waits, waits by the monotonic clock alone. The wall's is read for two things: a date the server
names, where the answer has no `Date` of its own, and `retry_at`.
"""

from __future__ import annotations

import datetime
import email.utils
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import trioclient
from trioclient import (
    APIConnectionError,
    APITimeoutError,
    AsyncAPIClient,
    DeadlineExceeded,
    Limits,
    RateLimitError,
    RetryPolicy,
)
from trioclient.testing import (
    BlockingLoopbackServer,
    LoopbackServer,
    ScriptedTransport,
    drop,
    event_stream,
    fault,
    reply,
    stall,
)

PACKAGE = Path(trioclient.__file__).parent
UTC = datetime.timezone.utc
HOUR = 3600.0
WALL = 1_000_000_000.0
OK = reply(json={"ok": True})
PATIENCE = 10.0  # seconds: against a hang


def http_date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


# The clock on the wall.


class Wall:
    """Right at first, then set."""

    def __init__(self) -> None:
        self._start = trio.current_time()
        self._error = 0.0

    def __call__(self) -> float:
        return WALL + self.now + self._error

    @property
    def now(self) -> float:
        """Seconds since the beginning, by the monotonic clock."""
        return trio.current_time() - self._start

    async def jump(self, seconds: float, at: float) -> None:
        await trio.sleep_until(self._start + at)
        self._error += seconds


class World:
    """A client of a scripted server, without chance, and with that clock on its wall."""

    def __init__(self, script: Any, options: Any) -> None:
        self.wall = Wall()
        self.transport = ScriptedTransport(*script, repeat_last=True)
        self.client = AsyncAPIClient(base_url="https://api.test", transport=self.transport, **options)
        self.client._engine.guards.draw = lambda: 0.0
        self.client._engine.guards.wall = self.wall

    @property
    def instants(self) -> list[float]:
        return [request.at - self.wall._start for request in self.transport.requests]


@pytest.fixture
def world() -> Callable[..., World]:
    return lambda *script, **options: World(script, options)


JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["an hour ahead", "an hour back"])


def test_who_reads_it() -> None:
    """The rest of the package has the time handed in, or looks at the monotonic clock."""
    clock = re.compile(r"\btime\.time|\bimport time,|\btime import time\b|\.now\(|\.utcnow\(|\.today\(|\.localtime\(")
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if clock.search(path.read_text(encoding="utf-8"))
    }
    assert readers == {"_engine/loop.py", "_engine/rate_limiter.py"}


@JUMPS
@pytest.mark.parametrize(
    ("first", "at", "instant"),
    [
        (reply(503), 0.25, 0.5),
        (fault("disconnect", after=2.0), 1.0, 2.5),
        (fault("disconnect", after=2.0), 2.25, 2.5),
        (reply(429, headers={"Retry-After": "7"}), 3.0, 7.0),
        (reply(429, headers={"Retry-After": "7"}, delay=1.0), 0.5, 8.0),
        (reply(429, headers={"Date": http_date(0), "Retry-After": http_date(20)}, delay=1.0), 0.5, 21.0),
        (reply(429, headers={"Date": http_date(0), "Retry-After": http_date(20)}), 10.0, 20.0),
        (reply(429, headers={"Retry-After": http_date(WALL + 15)}), 5.0, 15.0),
    ],
    ids=[
        "in a back-off",
        "before a back-off",
        "in the back-off after it",
        "in a delay of seconds",
        "before a delay of seconds",
        "before a date with another date",
        "after a date with another date",
        "after a date alone",
    ],
)
async def test_no_delay_is_changed(
    autojump_clock: Any, world: Callable[..., World], first: Any, at: float, instant: float, jump: float
) -> None:
    scene = world(first, OK)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.wall.jump, jump, at)
        assert await scene.client.get("/x") == {"ok": True}
    assert scene.instants == [0.0, instant]


async def test_a_date_alone_is_past_to_a_clock_ahead(autojump_clock: Any, world: Callable[..., World]) -> None:
    scene = world(reply(429, headers={"Retry-After": http_date(WALL + 15)}), OK)
    await scene.wall.jump(HOUR, 0.0)
    await scene.client.get("/x")
    assert scene.instants == [0.0, 0.5]  # an ordinary back-off


async def test_a_date_alone_is_far_off_to_a_clock_behind(autojump_clock: Any, world: Callable[..., World]) -> None:
    scene = world(reply(429, headers={"Retry-After": http_date(WALL + 15)}), OK)
    await scene.wall.jump(-HOUR, 0.0)
    with pytest.raises(RateLimitError) as caught:
        await scene.client.get("/x")
    # Not waited for, and no other call is held back by it.
    assert (scene.wall.now, caught.value.attempts) == (0.0, 1)
    assert caught.value.retry_at == datetime.datetime.fromtimestamp(WALL + 15, UTC)
    await scene.client.get("/x")
    assert scene.instants == [0.0, 0.0]


@JUMPS
async def test_retry_at_is_by_the_clock_as_it_stands(
    autojump_clock: Any, world: Callable[..., World], jump: float
) -> None:
    scene = world(reply(429, headers={"Retry-After": "300"}))
    await scene.wall.jump(jump, 5.0)
    with pytest.raises(RateLimitError) as caught:
        await scene.client.get("/x")
    assert caught.value.retry_at == datetime.datetime.fromtimestamp(WALL + 5.0 + jump + 300.0, UTC)


@JUMPS
async def test_the_gate_opens_when_it_would_have(autojump_clock: Any, world: Callable[..., World], jump: float) -> None:
    scene = world(reply(429, headers={"Retry-After": "10"}), OK)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.client.get, "/x")
        await scene.wall.jump(jump, 1.0)
        nursery.start_soon(scene.client.get, "/x")
        await scene.wall.jump(-2 * jump, 5.0)
        with pytest.raises(DeadlineExceeded) as caught:
            await scene.client.get("/x", options={"deadline": 2.0})
    assert scene.instants == [0.0, 10.0, 10.0]
    assert caught.value.retry_at == datetime.datetime.fromtimestamp(WALL + 10.0 - jump, UTC)


@JUMPS
async def test_a_deadline_passes_when_it_would_have(
    autojump_clock: Any, world: Callable[..., World], jump: float
) -> None:
    scene = world(fault("disconnect", after=1e9))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.wall.jump, jump, 10.0)
        with pytest.raises(DeadlineExceeded) as caught:
            await scene.client.get("/x", options={"deadline": 30.0})
    assert (scene.wall.now, caught.value.elapsed) == (30.0, 30.0)


@JUMPS
async def test_a_stream_goes_on(autojump_clock: Any, world: Callable[..., World], jump: float) -> None:
    scene = world(event_stream(*range(5), chunk_delay=2.0))
    async with trio.open_nursery() as nursery:
        for at in (1.0, 3.0, 5.0):
            nursery.start_soon(scene.wall.jump, jump, at)
        async with await scene.client.get("/x", stream=True, options={"idle_timeout": 3.0}) as stream:
            instants = [scene.wall.now async for _ in stream]
    assert instants == [0.0, 2.0, 4.0, 6.0, 8.0]


@JUMPS
async def test_a_fan_out_goes_on(autojump_clock: Any, world: Callable[..., World], jump: float) -> None:
    scene = world(reply(json="ok", delay=2.0))
    async with trio.open_nursery() as nursery:
        for at in (1.0, 3.0):
            nursery.start_soon(scene.wall.jump, jump, at)
        async with scene.client.fan_out(
            lambda api, item: api.get("/x"), range(4), max_at_once=2, deadline=5.0, item_deadline=3.0
        ) as run:
            elapsed = [outcome.elapsed async for outcome in run if outcome.ok]
    assert elapsed == [2.0] * 4
    assert scene.wall.now == 4.0


@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [(1, 2, "not yet valid"), (-2, -1, "expired")],
    ids=["to a clock an hour behind", "to a clock an hour ahead"],
)
async def test_a_certificate_whose_time_is_not_now(
    stage: Any, authority: Any, begins: int, ends: int, reason: str
) -> None:
    now, hour = datetime.datetime.now(UTC), datetime.timedelta(hours=1)
    context = authority.server("127.0.0.1", not_before=now + begins * hour, not_after=now + ends * hour)
    async with stage() as scene:
        async with LoopbackServer(ssl_context=context) as server:
            error = await scene.fails("POST", server.url, APIConnectionError, body=1)
            assert error.sent == "no"
            assert reason in str(error)


# Suspend: trio's clock leaps.


class LeapingClock(trio.abc.Clock):
    """The system's monotonic clock, of a system that sleeps now and then."""

    def __init__(self) -> None:
        self._slept = 0.0

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return time.perf_counter() + self._slept

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - self.current_time()

    def leap(self, seconds: float = HOUR) -> None:
        self._slept += seconds


@pytest.fixture
def clock() -> LeapingClock:
    """The one that this test's trio runs by."""
    return LeapingClock()


FOR_EVER = Limits(idle_expiry=1e9, max_lifetime=1e9)


@pytest.mark.parametrize("face", ["trio"])
async def test_an_idle_connection_does_not_outlive_it(stage: Any, face: str, clock: LeapingClock) -> None:
    async with stage() as scene:
        path = scene.route("item", OK)
        for opened in (1, 2):
            await scene.call("GET", path)
            await scene.call("GET", path)
            assert scene.server.connection_count == opened
            clock.leap()
        assert scene.client.statistics().connections.replaced == 0


@pytest.mark.parametrize("face", ["trio"])
async def test_a_connection_that_died_meanwhile_is_not_used(stage: Any, face: str, clock: LeapingClock) -> None:
    async with stage(limits=FOR_EVER) as scene:
        path = scene.route("item", OK, drop(), OK)
        await scene.call("GET", path)
        clock.leap()
        # Without notice: it breaks in the hands of the next request.
        assert await scene.call("GET", path) == {"ok": True}
        assert scene.client.statistics().connections.replaced == 1
        scene.server.close_idle_connections()
        await scene.server.wait_connections_closed()
        clock.leap()
        assert await scene.call("GET", path) == {"ok": True}
        assert scene.client.statistics().connections.replaced == 1
        assert scene.client.statistics()[:4] == (3, 0, 3, 0)


@pytest.mark.parametrize("face", ["trio", "httpx"])
@pytest.mark.parametrize("deadline", [60.0, None])
async def test_a_call_that_reads(stage: Any, face: str, clock: LeapingClock, deadline: float | None) -> None:
    async with stage(timeout=600.0) as scene:
        path = scene.route("silence", stall())
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await scene.server.wait_requests(1)
                clock.leap()

            # `Stage.fails` has a bound of its own, which would have passed, too.
            with pytest.raises(APITimeoutError) as caught:
                await scene.client.request("GET", path, options={"deadline": deadline})
        assert isinstance(caught.value, DeadlineExceeded) == (deadline is not None)
        assert caught.value.elapsed >= HOUR


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_a_call_in_its_back_off(stage: Any, face: str, clock: LeapingClock) -> None:
    policy = RetryPolicy(initial_delay=30.0, max_delay=30.0)
    async with stage(retry=policy, max_retries=5) as scene:
        path = scene.route("item", reply(503), OK)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await scene.server.wait_idle()
                await trio.testing.wait_all_tasks_blocked(0.01)
                clock.leap()

            assert await scene.client.request("GET", path) == {"ok": True}


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_a_back_off_from_which_it_wakes_too_late(stage: Any, face: str, clock: LeapingClock) -> None:
    policy = RetryPolicy(initial_delay=30.0, max_delay=30.0)
    async with stage(retry=policy, max_retries=5, limits=FOR_EVER) as scene:
        path = scene.route("item", reply(503), OK)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await scene.server.wait_requests(1)
                await trio.testing.wait_all_tasks_blocked(0.01)
                clock.leap()

            with pytest.raises(trioclient.APIError) as caught:
                await scene.client.request("POST", path, options={"deadline": 60.0})
        assert isinstance(caught.value, DeadlineExceeded)
        await scene.call("GET", path)
        assert [request.method for request in scene.server.requests] == ["POST", "GET"]


# The whole process stands still.

PROGRAMS = {
    "blocking": """
        import sys
        from trioclient import APIError, SyncAPIClient

        def call(path, **options):
            print("calls", flush=True)
            try:
                print(client.get(path, options=options), flush=True)
            except APIError as error:
                print(type(error).__name__, flush=True)
            sys.stdin.readline()

        with SyncAPIClient(base_url=sys.argv[1], max_retries=0) as client:
            call("/item")
            call("/item")
            call("/slow")
            call("/never", deadline=0.2)
            call("/item")
            print(client.statistics().connections.open, flush=True)
    """,
    "async": """
        import sys
        import trio
        from trioclient import APIError, AsyncAPIClient

        async def call(path, **options):
            print("calls", flush=True)
            try:
                print(await client.get(path, options=options), flush=True)
            except APIError as error:
                print(type(error).__name__, flush=True)
            sys.stdin.readline()

        async def main():
            global client
            async with AsyncAPIClient(base_url=sys.argv[1], max_retries=0) as client:
                await call("/item")
                await call("/item")
                await call("/slow")
                await call("/never", deadline=0.2)
                await call("/item")
                print(client.statistics().connections.open, flush=True)

        trio.run(main)
    """,
}


class Program:
    """A client in a process of its own, that is stopped and continued."""

    def __init__(self, source: str, url: str) -> None:
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source), url]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def answered() -> threading.Event:
    """Whether the slow answer is to be given."""
    return threading.Event()


@pytest.fixture
def server(answered: threading.Event) -> Iterator[BlockingLoopbackServer]:
    async def answer(request: Any) -> Any:
        while not answered.is_set():  # noqa: ASYNC110 -- of another thread
            await trio.sleep(0.005)
        return reply(json="late")

    with LoopbackServer.in_thread() as server:
        server.route("GET", "/item", reply(json="item"))
        server.route("GET", "/never", stall())
        server.route("GET", "/slow", answer)
        yield server


@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot be stopped")
@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_process_that_is_stopped_and_continued(
    kind: str, server: BlockingLoopbackServer, answered: threading.Event
) -> None:
    program = Program(PROGRAMS[kind], server.url)
    try:
        assert (program.says(), program.says()) == ("calls", "item")
        # Between two calls, while the server hangs up.
        program.stop()
        server.close_idle_connections()
        server.wait_connections_closed()
        program.wake()
        program.go_on()
        assert (program.says(), program.says()) == ("calls", "item")
        program.go_on()
        # In a call, while its answer comes.
        server.wait_requests(3)
        program.stop()
        answered.set()
        server.wait_idle()
        program.wake()
        assert (program.says(), program.says()) == ("calls", "late")
        program.go_on()
        # In a call whose deadline passes meanwhile.
        server.wait_requests(4)
        program.stop()
        time.sleep(0.3)
        program.wake()
        assert (program.says(), program.says()) == ("calls", "DeadlineExceeded")
        program.go_on()
        assert (program.says(), program.says()) == ("calls", "item")
        program.go_on()
        assert program.says() == "1"
        assert program.process.wait(PATIENCE) == 0
    finally:
        program.wake()
        program.process.kill()
        program.process.communicate()
