"""Look-ups of names that block until the test says so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._net import look_up as module
from trioclient._net.look_up import Found, look_up

PATIENCE = 10.0  # seconds: against a hang


class NameServer:
    """Answers with the name itself, once it may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.trouble: Exception | None = None

    def __call__(self, host: str, port: int, *, type: int) -> Any:  # noqa: A002 -- its name
        assert type == socket.SOCK_STREAM
        self.asked.append(host)
        assert self.may_answer.wait(PATIENCE)
        if self.trouble is not None:
            raise self.trouble
        return [(host, port)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    names = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.may_answer.set()


class Wanted:
    """Tasks that want names, and what they got."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.found: list[Found] = []
        self.errors: list[Exception] = []

    async def start(self, *hosts: str) -> list[trio.CancelScope]:
        scopes = [trio.CancelScope() for _ in hosts]
        for host, scope in zip(hosts, scopes, strict=True):
            self._nursery.start_soon(self._look_up, host, scope)
            await trio.testing.wait_all_tasks_blocked()
        return scopes

    async def _look_up(self, host: str, scope: trio.CancelScope) -> None:
        with scope:
            try:
                self.found.append(await look_up(host, 80))
            except Exception as error:
                self.errors.append(error)


@pytest.fixture
def wanted(nursery: trio.Nursery) -> Wanted:
    return Wanted(nursery)


async def reached(condition: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 -- threads tell nobody
            await trio.sleep(0.001)


async def all_done(wanted: Wanted, count: int) -> None:
    await reached(lambda: len(wanted.found) + len(wanted.errors) == count)


async def test_one_for_all_who_want_the_name(names: NameServer, wanted: Wanted) -> None:
    await wanted.start("a", "a", "b", "a")
    names.may_answer.set()
    await all_done(wanted, 4)
    assert sorted(names.asked) == ["a", "b"]
    assert sorted(wanted.found) == [[("a", 80)]] * 3 + [[("b", 80)]]
    # Nothing is remembered.
    assert await look_up("a", 80) == [("a", 80)]
    assert names.asked.count("a") == 2


async def test_each_gets_an_error_of_its_own(names: NameServer, wanted: Wanted) -> None:
    names.trouble = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    await wanted.start("a", "a")
    names.may_answer.set()
    await all_done(wanted, 2)
    first, second = wanted.errors
    assert first is not second
    for error in wanted.errors:
        assert isinstance(error, socket.gaierror)
        assert error.args == names.trouble.args
        assert (error.errno, error.strerror) == (names.trouble.errno, names.trouble.strerror)


async def test_who_leaves_does_not_end_it(names: NameServer, wanted: Wanted) -> None:
    for scope in await wanted.start("a", "a"):
        scope.cancel()
    await wanted.start("a")
    names.may_answer.set()
    await all_done(wanted, 1)
    assert names.asked == ["a"]
    assert wanted.found == [[("a", 80)]]


async def test_so_many_at_once_and_the_others_in_line(
    names: NameServer, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_THREADS", 2)
    scopes = await wanted.start("a", "b", "c", "d", "d", "e")
    await reached(lambda: len(names.asked) == 2)
    # Of what waits in line nothing is left where nobody wants it any more.
    scopes[2].cancel()
    scopes[3].cancel()
    await trio.testing.wait_all_tasks_blocked()
    names.may_answer.set()
    await all_done(wanted, 4)
    assert sorted(names.asked) == ["a", "b", "d", "e"]
    assert sorted(wanted.found) == [[(host, 80)] for host in "abde"]
    await trio.testing.wait_all_tasks_blocked()
    look_ups = module._underway.get()
    assert look_ups._all == look_ups._in_line == {}


async def test_without_threads(names: NameServer, wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as no_threads:
        no_threads.setattr(trio.lowlevel, "start_thread_soon", fail)
        with pytest.raises(OSError, match="can't start new thread"):
            await look_up("a", 80)
    names.may_answer.set()
    assert await look_up("a", 80) == [("a", 80)]


def test_the_run_may_end_before_it(names: NameServer) -> None:
    async def main() -> None:
        with trio.move_on_after(0.01):
            await look_up("a", 80)

    trio.run(main)
    names.may_answer.set()

    async def again() -> Found:
        return await look_up("a", 80)

    assert trio.run(again) == [("a", 80)]
    assert names.asked == ["a", "a"]
