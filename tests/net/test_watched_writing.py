"""Uploads that get on too slowly, over connections made of memory and on a virtual clock."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._codec.body import content_body
from trioclient._faults import StallFault, TimeoutFault
from trioclient._net.connect import Link
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._net.trio_transport import TrioTransport
from trioclient._net.watched_writing import WatchedWriting
from trioclient._policy.stall import Stall
from trioclient._types import Timeouts

Wire = Callable[..., WireRequest]
KIB_IN_TEN = Stall(at_least=1024, within=10.0)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class FarEnd:
    """``connect`` of one link that holds nothing back: a byte is gone when the far end takes it.

    It takes `size` bytes every `apart` seconds, `in_all` of them, and answers when the request is whole.
    """

    def __init__(
        self, nursery: trio.Nursery, *, size: int, apart: float, in_all: float = math.inf, tells: bool
    ) -> None:
        self._nursery = nursery
        self._size = size
        self._apart = apart
        self._in_all = in_all
        self._tells = tells
        self.taken = 0

    async def __call__(self, target: Any) -> Link:
        near, self._stream = trio.testing.lockstep_stream_pair()
        self._nursery.start_soon(self._take)
        return Link(near, _nothing, lambda: False, _nothing, taken=(lambda: self.taken) if self._tells else None)

    async def _take(self) -> None:
        received = b""
        whole = math.inf
        while self.taken < min(whole, self._in_all):
            await trio.sleep(self._apart)
            received += await self._stream.receive_some(self._size)
            self.taken = len(received)
            head, end, _ = received.partition(b"\r\n\r\n")
            if end:
                whole = len(head) + 4 + int(head.partition(b"Content-Length: ")[2].split()[0])
        if self.taken >= whole:
            await self._stream.send_all(OK)


def _nothing() -> None:
    pass


async def outcome_of(transport: TrioTransport, request: WireRequest) -> tuple[float, BaseException | None]:
    """When an exchange ended, in seconds, and by what."""
    began = trio.current_time()
    phases = PhaseScope("read", math.inf, began)
    error: BaseException | None = None
    with phases.scope:
        try:
            response = await transport.send(request, phases)
            assert await response.receive() == b"ok"
            await response.aclose()
        except Exception as raised:
            error = raised
    if phases.scope.cancelled_caught:
        error = TimeoutFault(phases.phase)
    return trio.current_time() - began, error


@pytest.fixture(params=[False, True], ids=["a link that says nothing", "a link that tells"])
def tells(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def upload(wire: Wire, nursery: trio.Nursery, tells: bool) -> Callable[..., Awaitable[Any]]:
    async def upload(
        content: Any = b"x" * 20_000, stall: Stall | None = KIB_IN_TEN, timeouts: Timeouts | None = None, **far: Any
    ) -> Any:
        request = wire("POST", body=content_body(content), timeouts=timeouts)
        request.stall = stall
        transport = TrioTransport(connect=FarEnd(nursery, tells=tells, **far))
        try:
            return await outcome_of(transport, request)
        finally:
            assert request.sent in ("maybe", "yes")
            assert transport.statistics().open == transport.statistics().idle
            await transport.aclose()

    return upload


@pytest.mark.parametrize("size", [64, 512, 1024, 5000])
async def test_a_link_that_is_just_fast_enough(upload: Any, autojump_clock: Any, size: int) -> None:
    """Though 64 KiB at a time would take it many times as long as the stall allows."""
    took, error = await upload(size=size, apart=10.0 * min(size, 1024) / 1024 * 0.85)
    assert error is None
    assert took > 30


@pytest.mark.parametrize("size", [64, 512, 1024])
async def test_a_link_that_is_not(upload: Any, autojump_clock: Any, size: int) -> None:
    took, error = await upload(size=size, apart=10.0 * size / 1024 * 1.3)
    assert type(error) is StallFault
    assert str(error) == "the request's body stalled: fewer than 1,024 bytes were taken in 10 s"
    assert 10 <= took < 30


async def test_one_that_hangs_up_half_way(upload: Any, autojump_clock: Any) -> None:
    took, error = await upload(size=1024, apart=1.0, in_all=5 * 1024)
    assert type(error) is StallFault
    assert 15.0 <= took <= 15.0 + 10.0 / 8


async def test_the_body_in_one_write(upload: Any, autojump_clock: Any) -> None:
    took, error = await upload(b"x" * 3000, size=1, apart=math.inf)
    assert type(error) is StallFault
    assert took == 10.0
    assert (await upload(b"x" * 3000, size=500, apart=3.0))[1] is None


async def test_the_end_needs_no_minimum(upload: Any, autojump_clock: Any) -> None:
    assert (await upload(b"x" * 10, size=10, apart=0.5))[1] is None


async def test_the_write_timeout_still_counts(upload: Any, autojump_clock: Any) -> None:
    timeouts = Timeouts(math.inf, math.inf, 7.0, math.inf)
    took, error = await upload(size=1, apart=math.inf, timeouts=timeouts)
    assert (type(error), took) == (TimeoutFault, 7.0)


async def test_off_it_takes_as_long_as_it_takes(upload: Any, autojump_clock: Any) -> None:
    took, error = await upload(size=1024, apart=1000.0, stall=None)
    assert error is None
    assert took > 10_000


@pytest.mark.parametrize("pause", [9.0, 1000.0])
async def test_the_time_of_the_callers_iterator_does_not_count(
    wire: Wire, network: Any, autojump_clock: Any, pause: float
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(5):
            await trio.sleep(pause)
            yield b"x" * 10

    request = wire("POST", body=content_body(slow()))
    request.stall = KIB_IN_TEN
    transport = TrioTransport(connect=network.connect)
    assert await outcome_of(transport, request) == (5 * pause, None)
    await transport.aclose()


class Scripted:
    """A write function that takes so many seconds for each call."""

    def __init__(self, seconds: float, goes_well: bool = True) -> None:
        self._seconds = seconds
        self._goes_well = goes_well
        self.given: list[bytes] = []

    async def __call__(self, data: bytes) -> bool:
        await trio.sleep(self._seconds)
        self.given.append(data)
        return self._goes_well


async def test_slices_where_the_link_says_nothing(autojump_clock: Any) -> None:
    write = Scripted(1.0)
    watched = WatchedWriting(KIB_IN_TEN, write, None)
    assert await watched.write(b"x" * 2500)
    assert [len(piece) for piece in write.given] == [1024, 1024, 452]
    write.given.clear()
    assert await WatchedWriting(KIB_IN_TEN, write, lambda: 0).write(b"x" * 2500)
    assert [len(piece) for piece in write.given] == [2500]
    assert await watched.write(b"")


async def test_it_says_where_the_server_hung_up(autojump_clock: Any) -> None:
    write = Scripted(1.0, goes_well=False)
    assert not await WatchedWriting(KIB_IN_TEN, write, None).write(b"x" * 2500)
    assert len(write.given) == 1


async def test_watching_ends_when_it_is_told_to(autojump_clock: Any) -> None:
    began = trio.current_time()
    for ended_before in (True, False):
        watched = WatchedWriting(KIB_IN_TEN, Scripted(1.0), None)
        if ended_before:
            watched.end()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched.watch)
            await trio.sleep(3.0)
            watched.end()
    assert trio.current_time() == began + 6.0
