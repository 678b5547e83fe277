"""The transport over connections made of memory: reuse, replacement, timeouts, cancellation."""

from __future__ import annotations

import gc
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing

from trioclient._codec.body import NO_BODY, content_body
from trioclient._faults import ClosedFault, ConnectFault, DisconnectFault, LimitFault, ProtocolFault
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._net.trio_transport import TrioTransport
from trioclient._types import Limits, Timeouts

Wire = Callable[..., WireRequest]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def fetch(transport: TrioTransport, request: WireRequest) -> tuple[int, bytes]:
    """One exchange as the engine makes it."""
    phases = PhaseScope("read", math.inf, trio.current_time())
    with phases.scope:
        response = await transport.send(request, phases)
        try:
            body = b""
            while piece := await response.receive():
                body += piece
            return response.status, body
        finally:
            await response.aclose()
    raise TimeoutError(phases.phase)


@pytest.fixture
async def transport(network: Any) -> AsyncIterator[TrioTransport]:
    transport = TrioTransport(connect=network.connect, limits=Limits(max_connections=2))
    yield transport
    await transport.aclose()
    assert network.open == 0


async def test_a_connection_is_used_again(transport: TrioTransport, network: Any, wire: Wire) -> None:
    for _ in range(3):
        assert await fetch(transport, wire()) == (200, b"ok")
    assert network.connects == 1
    assert transport.statistics()[:3] == (1, 1, 0)


async def test_the_bytes_of_a_request(transport: TrioTransport, network: Any, wire: Wire) -> None:
    seen: list[bytes] = []

    async def handler(stream: Any, number: int) -> None:
        while request := await network.read_request(stream):
            seen.append(request)
            await stream.send_all(OK)

    network.handler = handler
    await fetch(transport, wire(headers=[(b"X-A", b"1")]))
    await fetch(transport, wire("POST", body=content_body(b"abc")))
    await fetch(transport, wire("POST", body=content_body(iter([b"abc", b"", b"de"]))))
    await fetch(transport, wire("POST", body=content_body([b"abc", b"de"])))
    assert seen == [
        b"GET /x HTTP/1.1\r\nHost: api.test\r\nX-A: 1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nabcde",
    ]


async def test_a_request_that_says_close_is_its_connections_last(
    transport: TrioTransport, network: Any, wire: Wire
) -> None:
    for _ in range(2):
        assert await fetch(transport, wire(headers=[(b"Connection", b"Close")])) == (200, b"ok")
    assert network.connects == 2
    assert network.open == 0


async def test_an_answer_left_unread_costs_its_connection(transport: TrioTransport, network: Any, wire: Wire) -> None:
    async def handler(stream: Any, number: int) -> None:
        await network.read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\npart")
        await trio.sleep_forever()

    network.handler = handler
    response = await transport.send(wire(), PhaseScope("read", math.inf, trio.current_time()))
    assert await response.receive() == b"part"
    await response.aclose()
    await response.aclose()
    assert network.open == 0
    assert transport.statistics()[:3] == (0, 0, 0)
    with pytest.raises(ClosedFault):
        await response.receive()


async def test_an_answer_read_to_its_end_stays_ended(transport: TrioTransport, wire: Wire) -> None:
    response = await transport.send(wire(), PhaseScope("read", math.inf, trio.current_time()))
    assert [await response.receive() for _ in range(3)] == [b"ok", b"", b""]
    assert transport.statistics()[:3] == (1, 1, 0)
    await response.aclose()
    assert transport.statistics()[:3] == (1, 1, 0)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", DisconnectFault),
        (b"HTTP/1.1 200 OK\r\nContent-Le", DisconnectFault),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", DisconnectFault),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", DisconnectFault),
        (b"nonsense\r\n\r\n", ProtocolFault),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, LimitFault),
    ],
)
async def test_faults_close_the_connection_and_free_the_slot(
    transport: TrioTransport, network: Any, wire: Wire, answer: bytes, fault: type[Exception]
) -> None:
    async def handler(stream: Any, number: int) -> None:
        await network.read_request(stream)
        await stream.send_all(answer)

    network.handler = handler
    request = wire()
    with pytest.raises(fault):
        await fetch(transport, request)
    assert request.sent == ("yes" if answer else "maybe")
    assert transport.statistics()[:3] == (0, 0, 0)
    assert network.open == 0
    network.handler = network.always_ok
    assert await fetch(transport, wire()) == (200, b"ok")


async def test_a_surplus_answer_never_reaches_the_next_request(
    transport: TrioTransport, network: Any, wire: Wire
) -> None:
    async def handler(stream: Any, number: int) -> None:
        while await network.read_request(stream):
            await stream.send_all(OK + OK.replace(b"ok", b"no"))

    network.handler = handler
    for _ in range(3):
        assert await fetch(transport, wire()) == (200, b"ok")
    assert network.connects == 3


async def test_a_stale_connection_is_not_taken(transport: TrioTransport, network: Any, wire: Wire) -> None:
    await fetch(transport, wire())
    network.stale.add(0)
    assert await fetch(transport, wire()) == (200, b"ok")
    assert network.connects == 2
    assert network.open == 1


class TestDeadOnReuse:
    """A kept connection that dies under the next request."""

    @pytest.fixture
    def once(self, network: Any) -> None:
        """Every first connection answers once and hangs up on the second request."""

        async def handler(stream: Any, number: int) -> None:
            await network.read_request(stream)
            await stream.send_all(OK)
            if number == 0:
                await network.read_request(stream)
            else:
                await network.always_ok(stream, number)

        network.handler = handler

    async def test_it_is_replaced(self, once: None, transport: TrioTransport, network: Any, wire: Wire) -> None:
        await fetch(transport, wire())
        request = wire("POST", body=content_body(b"body"))
        assert await fetch(transport, request) == (200, b"ok")
        assert network.connects == 2
        assert network.open == 1
        assert transport.statistics() == (1, 1, 0, 1)

    async def test_not_if_the_request_cannot_go_again(
        self, once: None, transport: TrioTransport, network: Any, wire: Wire
    ) -> None:
        await fetch(transport, wire())
        request = wire("POST", replayable=False)
        with pytest.raises(DisconnectFault):
            await fetch(transport, request)
        assert request.sent == "maybe"
        assert network.connects == 1
        assert transport.statistics()[:3] == (0, 0, 0)

    async def test_not_if_a_byte_came_back(self, transport: TrioTransport, network: Any, wire: Wire) -> None:
        async def handler(stream: Any, number: int) -> None:
            await network.read_request(stream)
            await stream.send_all(OK)
            await network.read_request(stream)
            await stream.send_all(b"H")

        network.handler = handler
        await fetch(transport, wire())
        with pytest.raises(DisconnectFault):
            await fetch(transport, wire())
        assert network.connects == 1

    async def test_a_new_connection_is_not_replaced(self, transport: TrioTransport, network: Any, wire: Wire) -> None:
        async def handler(stream: Any, number: int) -> None:
            await network.read_request(stream)

        network.handler = handler
        with pytest.raises(DisconnectFault):
            await fetch(transport, wire())
        assert network.connects == 1

    async def test_the_slot_is_kept_meanwhile(self, once: None, network: Any, wire: Wire, autojump_clock: Any) -> None:
        transport = TrioTransport(connect=network.connect, limits=Limits(max_connections=1))
        await fetch(transport, wire())
        network.connect_delay = 1.0
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(fetch, transport, wire())
            await trio.sleep(0.5)
            assert transport.statistics()[:3] == (1, 0, 2)
        assert network.connects == 2
        await transport.aclose()


class TestTimeouts:
    @pytest.mark.parametrize("phase", ["connect", "read", "write", "pool"])
    async def test_each_phase(
        self, transport: TrioTransport, network: Any, wire: Wire, autojump_clock: Any, phase: str
    ) -> None:
        async def silent(stream: Any, number: int) -> None:
            await trio.sleep_forever()

        network.handler = silent
        start = trio.current_time()
        timeouts = Timeouts.of(None)._replace(**{phase: 3.0})
        async with trio.open_nursery() as nursery:
            if phase == "connect":
                network.connect_delay = 10.0
            if phase == "pool":
                for _ in range(2):
                    nursery.start_soon(fetch, transport, wire())
                await trio.testing.wait_all_tasks_blocked()
            body = NO_BODY
            if phase == "write":
                body = content_body(never_ending())
            with pytest.raises(TimeoutError, match=phase):
                await fetch(transport, wire("POST", timeouts=timeouts, body=body))
            nursery.cancel_scope.cancel()
        assert trio.current_time() - start == 3.0
        assert transport.statistics()[:3] == (0, 0, 0)
        assert network.open == 0

    @pytest.mark.parametrize(
        ("start", "drop"), [(b"HTTP/1.1 200 OK\r\nX: ", b"a"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")]
    )
    async def test_a_head_that_drips_does_not_outlive_the_read_timeout(
        self, transport: TrioTransport, network: Any, wire: Wire, autojump_clock: Any, start: bytes, drop: bytes
    ) -> None:
        async def drip(stream: Any, number: int) -> None:
            await network.read_request(stream)
            await stream.send_all(start)
            while True:
                await stream.send_all(drop)
                await trio.sleep(0.9)

        network.handler = drip
        began = trio.current_time()
        with pytest.raises(TimeoutError, match="read"):
            await fetch(transport, wire(timeouts=Timeouts.of(None)._replace(read=2.0)))
        assert trio.current_time() - began == 2.0

    async def test_the_write_timeout_starts_anew_with_each_piece(
        self, transport: TrioTransport, network: Any, wire: Wire, autojump_clock: Any
    ) -> None:
        async def slow() -> AsyncIterator[bytes]:
            for _ in range(5):
                await trio.sleep(2.0)
                yield b"piece"

        body = content_body(slow())
        request = wire("POST", body=body, timeouts=Timeouts.of(None)._replace(write=3.0, read=1.0))
        assert await fetch(transport, request) == (200, b"ok")


async def never_ending() -> AsyncIterator[bytes]:
    yield b"start"
    await trio.sleep_forever()


class TestStreamedBodies:
    async def test_an_early_error_answer_stops_the_sending(
        self, transport: TrioTransport, network: Any, wire: Wire
    ) -> None:
        async def refuse(stream: Any, number: int) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await trio.sleep_forever()

        network.handler = refuse
        assert await fetch(transport, wire("POST", body=content_body(never_ending()))) == (413, b"")
        assert network.open == 0

    async def test_an_answer_before_a_broken_pipe_is_reported(
        self, transport: TrioTransport, network: Any, wire: Wire
    ) -> None:
        async def refuse_and_close(stream: Any, number: int) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

        network.handler = refuse_and_close

        def large() -> Iterator[bytes]:
            for _ in range(100):
                yield b"x" * 1000

        for body in (content_body(large()), content_body(b"x" * 1_000_000)):
            assert await fetch(transport, wire("POST", body=body)) == (413, b"")

    async def test_an_early_success_waits_for_the_body(
        self, transport: TrioTransport, network: Any, wire: Wire
    ) -> None:
        received: list[bytes] = []

        async def eager(stream: Any, number: int) -> None:
            received.append(bytes(await stream.receive_some()))
            await stream.send_all(OK)
            while not received[-1].endswith(b"0\r\n\r\n"):
                received.append(bytes(await stream.receive_some()))
            await trio.sleep_forever()

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(3):
                await trio.testing.wait_all_tasks_blocked()
                yield b"piece"

        network.handler = eager
        assert await fetch(transport, wire("POST", body=content_body(pieces()))) == (200, b"ok")
        assert b"".join(received).count(b"piece") == 3
        assert transport.statistics()[:3] == (1, 1, 0)

    async def test_the_callers_own_exception_propagates_as_itself(
        self, transport: TrioTransport, network: Any, wire: Wire
    ) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"start"
            raise LookupError("mine")

        with pytest.raises(LookupError, match="mine") as caught:
            await fetch(transport, wire("POST", body=content_body(broken())))
        assert caught.value.__cause__ is None
        assert network.open == 0
        assert transport.statistics()[:3] == (0, 0, 0)


class TestCancellation:
    @pytest.mark.parametrize("streamed", [False, True])
    async def test_at_every_moment_of_an_exchange(
        self, network: Any, wire: Wire, autojump_clock: Any, streamed: bool
    ) -> None:
        """A slow exchange cancelled after every tenth of a second: nothing is left behind."""

        async def slow(stream: Any, number: int) -> None:
            while await network.read_request(stream):
                for piece in (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 2\r\n\r\n", b"o", b"k"):
                    await trio.sleep(0.5)
                    await stream.send_all(piece)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(3):
                await trio.sleep(0.3)
                yield b"piece"

        network.handler = slow
        network.connect_delay = 0.5
        transport = TrioTransport(connect=network.connect, limits=Limits(max_connections=1))
        finished = 0
        for tenths in range(40):
            with trio.move_on_after(tenths / 10) as scope:
                body = content_body(pieces()) if streamed else NO_BODY
                await fetch(transport, wire("POST", body=body))
                finished += 1
            state = transport.statistics()
            assert (state.open, state.idle, state.waiting) == ((1, 1, 0) if not scope.cancelled_caught else (0, 0, 0))
            assert network.open == state.open
        assert 0 < finished < 40
        await transport.aclose()

    async def test_a_storm_of_deadlines_loses_no_slot(self, network: Any, wire: Wire, autojump_clock: Any) -> None:
        import random

        rng = random.Random(7)

        async def slow(stream: Any, number: int) -> None:
            while await network.read_request(stream):
                await trio.sleep(rng.random())
                await stream.send_all(OK)

        network.handler = slow
        network.connect_delay = 0.2
        transport = TrioTransport(connect=network.connect, limits=Limits(max_connections=10))
        outcomes = {"done": 0, "cancelled": 0}

        async def caller() -> None:
            for _ in range(50):
                with trio.move_on_after(rng.random() * 3) as scope:
                    await fetch(transport, wire())
                outcomes["cancelled" if scope.cancelled_caught else "done"] += 1

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(caller)
        assert min(outcomes.values()) > 200
        state = transport.statistics()
        assert state.waiting == 0
        assert state.open == state.idle == network.open <= 10
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(fetch, transport, wire())
        await transport.aclose()
        assert network.open == 0


class TestClosing:
    async def test_calls_in_flight_and_in_the_queue_fail(
        self, transport: TrioTransport, network: Any, wire: Wire
    ) -> None:
        async def silent(stream: Any, number: int) -> None:
            await trio.sleep_forever()

        network.handler = silent
        failures = 0

        async def call() -> None:
            nonlocal failures
            with pytest.raises(ClosedFault):
                await fetch(transport, wire())
            failures += 1

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(call)
            await trio.testing.wait_all_tasks_blocked()
            await transport.aclose()
        assert failures == 4
        assert network.open == 0
        with pytest.raises(ClosedFault):
            await fetch(transport, wire())

    async def test_connect_faults_give_the_slot_back(self, wire: Wire) -> None:
        async def refuse(target: object) -> Any:
            raise ConnectFault("no")

        transport = TrioTransport(connect=refuse)
        request = wire()
        with pytest.raises(ConnectFault):
            await fetch(transport, request)
        assert request.sent == "no"
        assert transport.statistics()[:3] == (0, 0, 0)

    async def test_dropped_without_aclose_it_warns_and_closes(self, network: Any, wire: Wire) -> None:
        transport = TrioTransport(connect=network.connect)
        await fetch(transport, wire())
        assert network.open == 1
        with pytest.warns(ResourceWarning, match="dropped without aclose"):  # noqa: PT031
            del transport
            gc.collect()
        assert network.open == 0


def test_a_second_run_starts_afresh(wire: Wire, network_kind: Any) -> None:
    closed: list[str] = []

    async def run(transport: TrioTransport) -> None:
        client, server = trio.testing.memory_stream_pair()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(network_kind.always_ok, server, 0)

            async def connect(target: object) -> Any:
                from trioclient._net.connect import Link

                return Link(client, client.send_stream.close, lambda: False, lambda: closed.append("abandoned"))

            transport._connect = connect
            assert await fetch(transport, wire()) == (200, b"ok")
            assert transport.statistics()[:3] == (1, 1, 0)
            nursery.cancel_scope.cancel()

    transport = TrioTransport()
    trio.run(run, transport)
    assert closed == []
    trio.run(run, transport)
    assert closed == ["abandoned"]
    trio.run(transport.aclose)


async def test_what_never_left_goes_again_whatever_it_is(network: Any, wire: Wire) -> None:
    """The other side had hung up before the first byte: nobody can act twice."""

    async def connect(target: Any) -> Any:
        link = await network.connect(target)
        sends = 0

        def send_now(data: bytes) -> int:
            nonlocal sends
            sends += 1
            if sends == 2:
                link.stream.receive_stream.put_eof()
                raise trio.BrokenResourceError
            return 0

        return link._replace(send_now=send_now)

    transport = TrioTransport(connect=connect)
    assert await fetch(transport, wire()) == (200, b"ok")
    request = wire("POST", body=content_body(b"abc"), replayable=False)
    assert await fetch(transport, request) == (200, b"ok")
    assert request.sent == "yes"
    assert network.connects == 2
    assert transport.statistics().replaced == 1
    await transport.aclose()


async def test_of_what_never_left_it_is_said(network: Any, wire: Wire) -> None:
    """On a connection that is new there is no other try here; that is for the engine to decide."""

    async def connect(target: Any) -> Any:
        link = await network.connect(target)

        def send_now(data: bytes) -> int:
            link.stream.receive_stream.put_eof()
            raise trio.BrokenResourceError

        return link._replace(send_now=send_now)

    transport = TrioTransport(connect=connect)
    for before in ("no", "maybe", "yes"):
        request = wire("POST", body=content_body(b"abc"))
        request.sent = before
        with pytest.raises(DisconnectFault):
            await fetch(transport, request)
        assert request.sent == before
    await transport.aclose()


async def test_how_far_it_got_is_never_taken_back(transport: TrioTransport, network: Any, wire: Wire) -> None:
    """The request may have been answered before, by a redirect or a challenge."""

    async def handler(stream: Any, number: int) -> None:
        await network.read_request(stream)

    network.handler = handler
    for body in (b"abc", b"x" * 100_000):
        request = wire("POST", body=content_body(body))
        request.sent = "yes"
        with pytest.raises(DisconnectFault):
            await fetch(transport, request)
        assert request.sent == "yes"
