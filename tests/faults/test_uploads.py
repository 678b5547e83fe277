"""Bodies that the server does not want to the end, and bodies that can be sent only once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import trio

from trioclient import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    RequestTooLargeError,
)
from trioclient.testing import drip, drop, raw, reply
from trioclient.testing._replies import HangUp, Pause, RawReply, Send

LARGE = b"x" * 20_000_000


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: Any) -> Any:
    return authority.server("127.0.0.1") if request.param else None


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 10_000


def endless_and_blocking() -> Iterator[bytes]:
    while True:
        yield b"x" * 10_000


async def never_going_on() -> AsyncIterator[bytes]:
    yield b"x"
    await trio.sleep_forever()


UPLOADS = {
    "bytes": lambda: LARGE,
    "an async generator without end": endless,
    "a generator without end": endless_and_blocking,
    "an async generator that stops": never_going_on,
}
NO = {"error": {"message": "too much"}}
REFUSALS = {
    "at once": reply(413, json=NO, early=True),
    "in two parts": reply(413, chunks=[b'{"error": {"mess', b'age": "too much"}}'], chunk_delay=0.02, early=True),
    "in two parts, closing": reply(
        413, chunks=[b'{"error": {"mess', b'age": "too much"}}'], chunk_delay=0.02, early=True, close=True
    ),
    "and nothing read": RawReply(opening=(Send(reply(413, json=NO).wire()), Pause(0.1)), early=True),
}


# httpx looks at the answer when the body is through, or cannot go on.
SEEN_EARLY = [(face, upload) for face in ("trio", "blocking") for upload in UPLOADS]


@pytest.mark.parametrize(("face", "upload"), [*SEEN_EARLY, ("httpx", "bytes")])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_refused_while_it_is_sent(stage: Any, tls: Any, upload: str, refusal: str) -> None:
    async with stage(tls=tls, max_retries=2) as scene:
        scene.server.route("POST", "/", REFUSALS[refusal])
        error = await scene.fails("POST", "/", RequestTooLargeError, content=UPLOADS[upload]())
        assert error.body == NO
        assert "too much" in str(error)
        assert (error.attempts, error.sent) == (1, "yes")


async def test_refused_and_hung_up_on(stage: Any, tls: Any) -> None:
    """What a reset leaves of the answer is luck; an error of the tree it is, and soon."""
    async with stage(tls=tls) as scene:
        answer = reply(413, json=NO).wire()
        for reset in (False, True):
            scene.server.route("POST", "/", RawReply(opening=(Send(answer),), ending=(HangUp(reset),), early=True))
            with pytest.raises((RequestTooLargeError, APIConnectionError)) as caught:
                await scene.call("POST", "/", content=LARGE)
            assert caught.value.sent in ("maybe", "yes")


@pytest.mark.parametrize("face", ["trio", "blocking"])
async def test_a_refusal_that_drips_is_not_kept_alive_by_the_sending(stage: Any, tls: Any) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            await trio.sleep(0.01)
            yield b"x"

    async with stage(tls=tls, timeout=httpx.Timeout(10.0, read=0.15)) as scene:
        refusal = drip(reply(413, json=[0] * 2000, early=True), interval=0.02, head=False)
        scene.server.route("POST", "/", refusal)
        error = await scene.fails("POST", "/", APITimeoutError, content=trickle())
        assert "read" in str(error)


@pytest.mark.parametrize("face", ["trio", "blocking"])
@pytest.mark.parametrize("status", [302, 307])
async def test_sent_elsewhere_while_it_is_sent(stage: Any, tls: Any, status: int) -> None:
    async with stage(tls=tls) as scene:
        scene.server.route("POST", "/", reply(status, headers={"Location": "/new"}, early=True))
        scene.server.route("*", "/new", reply(json="new"))
        assert await scene.call("POST", "/", content=LARGE) == "new"
        moved = scene.server.requests[-1]
        assert (moved.method, moved.body) == (("GET", b"") if status == 302 else ("POST", LARGE))
        if status == 307:
            await scene.fails("POST", "/", APIStatusError, content=endless())
        else:
            assert await scene.call("POST", "/", content=endless()) == "new"


async def test_an_early_success_waits_for_the_rest(stage: Any, tls: Any) -> None:
    async with stage(tls=tls) as scene:
        scene.server.route("POST", "/", reply(json="welcome", early=True))
        assert await scene.call("POST", "/", content=LARGE) == "welcome"
        await scene.recovers()  # over the same connection, so that the server has come so far
        assert scene.server.requests[0].body == LARGE
        assert scene.server.connection_count == 1


FAILURES = {
    "an error": (reply(503), InternalServerError),
    "no answer": (drop(), APIConnectionError),
    "a reset": (drop(reset=True), APIConnectionError),
    "half an answer": (raw(reply(json="x" * 99).wire()[:-9]), APIConnectionError),
    "no HTTP": (raw(b"nonsense\r\n\r\n"), APIConnectionError),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_generator_is_sent_once(stage: Any, name: str) -> None:
    """Not a second time, and least of all empty."""
    failure, kind = FAILURES[name]
    async with stage(max_retries=3) as scene:
        scene.server.route("POST", "/", failure, reply(json="second"))
        error = await scene.fails("POST", "/", kind, content=iter([b"one", b"two"]))
        assert error.attempts == 1
        assert [request.body for request in scene.server.requests] == [b"onetwo"]


@pytest.mark.parametrize("name", FAILURES)
async def test_bytes_and_lists_are_sent_again_exactly(stage: Any, name: str) -> None:
    failure, _ = FAILURES[name]
    for content in (b"onetwo", [b"one", b"two"], LARGE[:200_000]):
        async with stage(max_retries=3) as scene:
            scene.server.route("POST", "/", failure, failure, reply(json="third"))
            assert await scene.call("POST", "/", content=content) == "third"
            whole = content if isinstance(content, bytes) else b"".join(content)
            assert [request.body for request in scene.server.requests] == [whole] * 3
            assert len({request.header("Idempotency-Key") for request in scene.server.requests}) == 1


class OwnError(Exception):
    pass


async def broken() -> AsyncIterator[bytes]:
    yield b"one"
    raise OwnError


def broken_and_blocking() -> Iterator[bytes]:
    yield b"one"
    raise OwnError


@pytest.mark.parametrize("upload", [broken, broken_and_blocking])
async def test_the_callers_own_error_is_not_ours(stage: Any, tls: Any, upload: Any) -> None:
    async with stage(tls=tls, max_retries=3) as scene:
        scene.server.route("POST", "/", reply(json=1))
        with pytest.raises(OwnError):
            await scene.call("POST", "/", content=upload())
        with trio.fail_after(10):
            await scene.server.wait_connections_closed()
        assert scene.server.request_count == 0
