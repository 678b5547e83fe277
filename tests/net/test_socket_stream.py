"""The socket stream keeps trio's contract, as trio's own checks see it, and its two shortcuts."""

from __future__ import annotations

import socket
import sys

import pytest
import trio
import trio.testing

from trioclient._net.socket_stream import Foresight, SocketStream


def stream_pair() -> tuple[SocketStream, SocketStream]:
    left, right = socket.socketpair()
    for sock in (left, right):
        sock.setblocking(False)
    return SocketStream(left), SocketStream(right)


async def make_pair() -> tuple[SocketStream, SocketStream]:
    return stream_pair()


async def make_clogged_pair() -> tuple[SocketStream, SocketStream]:
    left, right = stream_pair()
    for stream in (left, right):
        while stream.send_now(bytes(65536)):
            pass
    return left, right


async def test_trios_own_checks() -> None:
    await trio.testing.check_two_way_stream(make_pair, make_clogged_pair)


async def test_sending_now_takes_what_goes_and_says_how_much() -> None:
    left, right = stream_pair()
    async with left, right:
        assert left.send_now(b"hello") == 5
        assert await right.receive_some() == b"hello"
        sent = 0
        while sent_now := left.send_now(bytes(65536)):
            sent += sent_now
        received = 0
        while received < sent:
            received += len(await right.receive_some())
        assert left.send_now(b"again") == 5
        assert await right.receive_some() == b"again"


async def test_sending_now_on_a_broken_or_closed_stream() -> None:
    left, right = stream_pair()
    await right.aclose()
    with pytest.raises(trio.BrokenResourceError):
        left.send_now(b"x")
    await left.aclose()
    with pytest.raises(trio.ClosedResourceError):
        left.send_now(b"x")


async def test_readable_once_something_came() -> None:
    left, right = stream_pair()
    async with left, right:
        assert not left.is_readable()
        right.send_now(b"x")
        await trio.lowlevel.wait_readable(left.socket)
        assert left.is_readable()
        assert await left.receive_some() == b"x"
        assert not left.is_readable()
        await right.aclose()
        await trio.lowlevel.wait_readable(left.socket)
        assert left.is_readable()
        assert await left.receive_some() == b""


async def test_what_fills_the_buffer_is_followed_by_a_look_for_more() -> None:
    left, right = stream_pair()
    async with left, right:
        right.send_now(b"abcdef")
        assert await left.receive_some(3) == b"abc"
        assert await left.receive_some(3) == b"def"
        with trio.move_on_after(0) as scope:
            await left.receive_some(3)
        assert scope.cancelled_caught


async def test_an_empty_read_is_refused() -> None:
    left, right = stream_pair()
    async with left, right:
        with pytest.raises(ValueError, match="max_bytes"):
            await left.receive_some(0)


async def test_what_comes_during_a_turn_is_read_without_a_wait_once_that_is_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = 0
    wait_readable = trio.lowlevel.wait_readable

    async def counting(sock: socket.socket) -> None:
        nonlocal waits
        waits += 1
        await wait_readable(sock)

    monkeypatch.setattr(trio.lowlevel, "wait_readable", counting)
    left, right = stream_pair()
    async with left, right:
        for _ in range(200):
            left.send_now(b"x")
            assert await right.receive_some() == b"x"
        assert waits < 70


def test_foresight_is_lost_guess_by_guess_and_tried_now_and_then() -> None:
    foresight = Foresight()
    for right in (False, True, False, False):
        assert [foresight.guess() for _ in range(64)] == [False] * 63 + [True]  # tried
        foresight.learn(right)
        if right:
            assert all(foresight.guess() for _ in range(1000))
            foresight.learn(False)


async def test_a_wrong_guess_costs_a_turn_and_no_more() -> None:
    left, right = stream_pair()
    foresight = right._foresight
    async with left, right, trio.open_nursery() as nursery:
        for _ in range(3):
            foresight.learn(right=True)
            nursery.start_soon(trio.testing.wait_all_tasks_blocked)
            with trio.move_on_after(0.01) as scope:
                await right.receive_some()
            assert scope.cancelled_caught
            left.send_now(b"later")
            assert await right.receive_some() == b"later"


async def test_what_was_taken() -> None:
    """Over TCP the other side's system says what it has, which is all of it here in a moment."""
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    sock = socket.create_connection(listener.getsockname())
    accepted, _ = await listener.accept()
    listener.close()
    sock.setblocking(False)
    async with SocketStream(sock) as stream, trio.SocketStream(accepted) as other:
        assert stream.taken() == 0
        await stream.send_all(b"x" * 1000)
        with trio.fail_after(5):
            while stream.taken() < 1000:  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.001)
        assert stream.taken() == 1000
        with trio.move_on_after(0.1):
            await stream.send_all(bytes(50_000_000))
        if sys.platform in ("linux", "darwin"):
            assert stream.taken() < stream._given
        await other.aclose()
    assert stream.taken() == stream._given


async def test_what_was_taken_where_the_system_does_not_tell() -> None:
    left, right = stream_pair()
    async with left, right:
        await left.send_all(b"x" * 1000)
        assert left.taken() == 1000
