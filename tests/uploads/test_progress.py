"""Telling how far an upload has come, and what the function told may not do."""

from __future__ import annotations

import io
import itertools
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from trioclient import InternalServerError
from trioclient.testing import reply

LARGE = bytes(range(256)) * 8_192  # 2 MiB

CONTENTS: dict[str, Any] = {
    "form": lambda: {"body": {"a": 1}, "files": {"x": io.BytesIO(LARGE)}},
    "small form": lambda: {"body": {"a": 1}, "files": {"x": b"x"}},
    "JSON": lambda: {"body": {"a": 1}},
    "large JSON": lambda: {"body": ["x" * 100] * 20_000},
    "content": lambda: {"content": LARGE},
    "small content": lambda: {"content": b"x"},
    "content list": lambda: {"content": [b"x" * 100_000] * 20},
}


class Told:
    """A progress function that keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int | None]] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, sent: int, total: int | None) -> None:
        self.calls.append((sent, total))
        self.threads.add(threading.current_thread())

    def sendings(self) -> list[list[tuple[int, int | None]]]:
        """What was told, cut where it begins anew."""
        sendings: list[list[tuple[int, int | None]]] = []
        for call in self.calls:
            if call[0] == 0:
                sendings.append([])
            sendings[-1].append(call)
        return sendings


@pytest.mark.parametrize("kind", CONTENTS)
async def test_progress_of_every_attempt(stage: Any, kind: str) -> None:
    told = Told()
    async with stage() as scene:
        scene.server.route("POST", "/", reply(503), reply(503), reply(json="third"))
        await scene.call("POST", "/", **CONTENTS[kind](), options={"upload_progress": told})
        sizes = [len(body) for body in scene.bodies()]
    assert len(sizes) == 3
    for sending, size in zip(told.sendings(), sizes, strict=True):
        assert sending[0] == (0, size)
        assert sending[-1] == (size, size)
        assert sending == sorted(set(sending))
        most = max(second[0] - first[0] for first, second in itertools.pairwise(sending))
        assert most <= 200_000


async def test_progress_where_nobody_knows_the_length(stage: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield from [b"ab", b"", b"c"]

    told = Told()
    async with stage() as scene:
        scene.server.route("POST", "/", reply(503))
        await scene.fails("POST", "/", InternalServerError, content=pieces(), options={"upload_progress": told})
    assert told.calls == [(0, None), (2, None), (3, None)]


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_it_is_told_where_trio_runs(stage: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "x").write_bytes(LARGE)
    told = Told()
    async with stage() as scene:
        scene.server.route("POST", "/", reply(json="ok"))
        await scene.call("POST", "/", files={"x": tmp_path / "x"}, options={"upload_progress": told})
    assert told.threads == {threading.current_thread()}


async def test_without_a_body_nothing_is_told(stage: Any) -> None:
    told = Told()
    async with stage() as scene:
        scene.server.route("*", "/", reply(json="ok"))
        await scene.call("GET", "/", options={"upload_progress": told})
        await scene.call("POST", "/", options={"upload_progress": told})
    assert told.calls == []


async def test_a_redirected_body_is_told_of_twice(stage: Any) -> None:
    told = Told()
    async with stage() as scene:
        scene.server.route("POST", "/", reply(307, headers={"Location": "/new"}))
        scene.server.route("POST", "/new", reply(json="new"))
        await scene.call("POST", "/", content=b"abc", options={"upload_progress": told})
    assert told.calls == [(0, 3), (3, 3)] * 2


class OwnError(Exception):
    pass


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("when", ["at the start", "on the way"])
async def test_what_it_raises_is_the_callers_own(stage: Any, kind: str, when: str) -> None:
    def fail(sent: int, total: int | None) -> None:
        if sent or when == "at the start":
            raise OwnError

    async with stage() as scene:
        scene.server.route("POST", "/", reply(json="first"), reply(json="second"))
        await scene.fails("POST", "/", OwnError, **CONTENTS[kind](), options={"upload_progress": fail})
        await scene.recovers()
        # Not sent again, and the connection is not used again.
        assert scene.server.request_count <= 2
        assert scene.server.connection_count == 2


@pytest.mark.parametrize("progress", [None, 5, "print"])
async def test_what_cannot_be_told(stage: Any, progress: Any) -> None:
    async def coroutine(sent: int, total: int | None) -> None:
        pass

    async with stage() as scene:
        for wrong in (progress, coroutine):
            error = await scene.fails("POST", "/", TypeError, body={}, options={"upload_progress": wrong})
            assert "options['upload_progress']" in str(error)
        assert scene.server.request_count == 0
