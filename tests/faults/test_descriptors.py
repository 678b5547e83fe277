"""No descriptor left: calls fail as connection errors do, are retried, and do again once there is one.

Each in a process of its own, whose limit is low and whose descriptors a hoard takes up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trioclient.testing import BlockingLoopbackServer, LoopbackServer, reply

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")

PATIENCE = 30.0  # seconds: against a hang

PRELUDE = """
import errno, gc, os, resource, sys
import trio
from trioclient import APIConnectionError, APIError, AsyncAPIClient, RetryPolicy, SyncAPIClient

QUICK = RetryPolicy(initial_delay=0.01, max_delay=0.01)
url = sys.argv[1]

class Hoard:
    held = []

    def take_all_but(self, some):
        try:
            while True:
                self.held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE
        for _ in range(some):
            os.close(self.held.pop())

    def free(self, record=None):
        while self.held:
            os.close(self.held.pop())

    def free_at_third(self, record):
        if record.attempt == 3:
            self.free()

def descriptors():
    gc.collect()
    return sorted(os.listdir("/proc/self/fd"), key=int)[:-1]

def show(error):
    assert "Too many open files" in str(error), error
    return (type(error).__name__, error.sent, error.attempts)

hoard = Hoard()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""


@pytest.fixture
def server() -> Iterator[BlockingLoopbackServer]:
    with LoopbackServer.in_thread() as server:
        server.route("*", "/item", reply(json="item"))
        server.route("*", "/slow", reply(json="item", delay=0.01))
        yield server


def said(program: str, *arguments: str, **environment: str) -> list[Any]:
    """What the program printed, line by line."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **environment},
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.splitlines()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_calls_fail_and_later_ones_do_not(server: BlockingLoopbackServer, host: str) -> None:
    program = """
        async def main():
            before = descriptors()
            async with AsyncAPIClient(base_url=url, max_retries=1, retry=QUICK) as client:
                hoard.take_all_but(0)
                for call in (client.get("/item"), client.post("/item", body=1), client.get("/item", stream=True)):
                    try:
                        await call
                    except APIConnectionError as error:
                        print(show(error))
                assert client.statistics().connections[:3] == (0, 0, 0)
                hoard.free()
                print(await client.get("/item"))
            assert descriptors() == before

        trio.run(main)
    """
    url = server.url.replace("127.0.0.1", host)
    assert said(program, url) == [*["('APIConnectionError', 'no', 2)"] * 3, "item"]
    assert server.request_count == 1


def test_calls_are_retried_until_there_are_some(server: BlockingLoopbackServer) -> None:
    program = """
        async def main():
            before = descriptors()
            async with AsyncAPIClient(
                base_url=url, max_retries=9, retry=QUICK, hooks=[hoard.free_at_third]
            ) as client:
                hoard.take_all_but(0)
                print(await client.post("/item", body=1), client.statistics().attempts)
            assert descriptors() == before

        trio.run(main)
    """
    lines = said(program, server.url)
    assert lines == ["item 4"]
    assert server.request_count == 1


def test_a_crowd_shares_what_there_is(server: BlockingLoopbackServer) -> None:
    program = """
        async def main():
            before = descriptors()
            async with AsyncAPIClient(base_url=url, max_retries=50, retry=QUICK) as client:
                hoard.take_all_but(8)
                async with client.fan_out(lambda api, item: api.get("/slow"), range(20), max_at_once=20) as run:
                    values = [outcome.unwrap() async for outcome in run]
                print(len(values), client.statistics().retries > 0)
                hoard.free()
            assert descriptors() == before

        trio.run(main)
    """
    assert said(program, server.url) == ["20 True"]
    assert server.request_count == 20


def test_blocking_calls(server: BlockingLoopbackServer) -> None:
    program = """
        with SyncAPIClient(base_url=url, max_retries=0) as client:
            client.get("/item")
            before = descriptors()
            with SyncAPIClient(base_url=url, max_retries=0) as other:
                hoard.take_all_but(0)
                print(client.get("/item"))  # on its kept connection
                try:
                    other.get("/item")
                except APIConnectionError as error:
                    print(show(error))
                hoard.free()
                print(other.get("/item"))
            assert descriptors() == before
    """
    assert said(program, server.url) == ["item", "('APIConnectionError', 'no', 1)", "item"]


def test_the_background_thread_cannot_start(server: BlockingLoopbackServer) -> None:
    program = """
        import warnings

        # Of a run that it cannot start trio leaves some sockets to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        before = descriptors()
        for some in range(5):
            with SyncAPIClient(base_url=url, max_retries=0) as client:
                hoard.take_all_but(some)
                try:
                    client.get("/item")
                except APIConnectionError as error:
                    print(show(error))
                hoard.free()
                print(client.get("/item"))
            assert descriptors() == before
    """
    assert said(program, server.url) == ["('APIConnectionError', 'no', 0)", "item"] * 5


def test_the_roots_cannot_be_read(authority: Any, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    authority.roots.write_to_path(str(roots))
    program = """
        async def main():
            before = descriptors()
            for some in range(4):
                async with AsyncAPIClient(base_url=url, max_retries=0) as client:
                    hoard.take_all_but(some)
                    try:
                        print(await client.get("/item"))
                    except APIConnectionError as error:
                        print(show(error))
                    hoard.free()
                    assert await client.get("/item") == "item"
            assert descriptors() == before

        trio.run(main)
    """
    with LoopbackServer.in_thread(ssl_context=authority.server("127.0.0.1")) as server:
        server.route("*", "/item", reply(json="item"))
        lines = said(program, server.url, SSL_CERT_FILE=str(roots))
    assert lines == ["('APIConnectionError', 'no', 1)", *["item"] * 3]
