"""The socket stream keeps trio's contract, as trio's own checks see it, and its two shortcuts."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from trioclient._net.socket_stream import SocketStream


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
