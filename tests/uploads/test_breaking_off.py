"""Uploads that end before their end: cancelled, out of time, or refused by the server."""

from __future__ import annotations

import gc
import io
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from trioclient import DeadlineExceeded, RequestTooLargeError
from trioclient.testing import reply
from trioclient.testing._replies import HangUp, Pause, RawReply, Send, Silence

LARGE = b"x" * 20_000_000  # more than the sockets between hold
NO = {"error": {"message": "too much"}}


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    return path


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 10_000


@pytest.mark.parametrize("face", ["trio", "httpx"])
@pytest.mark.parametrize("reading", [True, False], ids=["read", "not read"])
async def test_cancelled_on_the_way(stage: Any, path: pathlib.Path, reading: bool) -> None:
    """The stage counts descriptors at its end: the file is closed."""
    async with stage() as scene:
        scene.server.route("POST", "/", reply(json="never") if reading else RawReply(opening=(Silence(),), early=True))
        with trio.CancelScope() as scope:

            def cancel(sent: int, total: int | None) -> None:
                if sent > 300_000:
                    scope.cancel()

            await scene.call("POST", "/", files={"x": path}, options={"upload_progress": cancel})
        assert scope.cancelled_caught
        gc.collect()


async def test_out_of_time_on_the_way(stage: Any, path: pathlib.Path) -> None:
    async with stage() as scene:
        # Who reads nothing does not see the client go either.
        scene.server.route("POST", "/", RawReply(opening=(Pause(0.5),), ending=(HangUp(),), early=True))
        error = await scene.fails("POST", "/", DeadlineExceeded, files={"x": path}, options={"deadline": 0.2})
        assert error.sent == "maybe"


@pytest.mark.parametrize("face", ["blocking over blocking httpx"])
async def test_a_thread_left_behind_stops_sending(stage: Any, path: pathlib.Path) -> None:
    """It would go on for ever, and its call is long over."""
    async with stage() as scene:
        scene.server.route("POST", "/", reply(json="never"))
        error = await scene.fails("POST", "/", DeadlineExceeded, content=endless(), options={"deadline": 0.2})
        assert error.sent == "maybe"


@pytest.mark.parametrize(
    "make",
    [lambda path: {"files": {"x": path}}, lambda path: {"content": LARGE}, lambda path: {"content": io.BytesIO(LARGE)}],
    ids=["form", "content", "file"],
)
async def test_refused_by_a_server_that_hangs_up(stage: Any, path: pathlib.Path, make: Any) -> None:
    """It answers, waits a little for the client to see it, and closes with most of the body unread."""
    refusal = RawReply(
        opening=(Send(reply(413, json=NO, close=True).wire()), Pause(0.1)), ending=(HangUp(),), early=True
    )
    async with stage() as scene:
        scene.server.route("POST", "/", refusal)
        error = await scene.fails("POST", "/", RequestTooLargeError, **make(path))
        assert (error.body, error.attempts, error.sent) == (NO, 1, "yes")


async def test_refused_by_a_server_that_reads_on(stage: Any, path: pathlib.Path) -> None:
    async with stage() as scene:
        scene.server.route("POST", "/", reply(413, json=NO, early=True))
        error = await scene.fails("POST", "/", RequestTooLargeError, files={"x": path})
        assert (error.body, error.attempts, error.sent) == (NO, 1, "yes")


async def test_many_files_leave_none_open(stage: Any, tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / str(number) for number in range(50)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 70_000)
    async with stage() as scene:
        scene.server.route("POST", "/", reply(503), reply(json="second"))
        await scene.call("POST", "/", files=[("files[]", path) for path in paths])
        assert [part.content for part in scene.form()] == [path.read_bytes() for path in paths]
