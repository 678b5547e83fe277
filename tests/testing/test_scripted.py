from __future__ import annotations

import math
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import trio

from trioclient._codec.body import content_body, json_body
from trioclient._codec.url import Target
from trioclient._faults import ClosedFault, ConnectFault, DisconnectFault, ProtocolFault, StallFault, TimeoutFault
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient._policy.stall import Stall
from trioclient._types import Limits, Timeouts
from trioclient.testing import ScriptedTransport, ScriptExhausted, drop, fault, reply

TIMEOUTS = Timeouts(connect=5.0, read=60.0, write=30.0, pool=math.inf)


def wire_request(
    method: str = "POST", url: str = "https://api.test/v1/items?limit=2", content: object = b"", timeouts=TIMEOUTS
) -> WireRequest:
    return WireRequest(
        method,
        Target.of(url),
        b"Accept: application/json\r\nX-Attempt: 1\r\n",
        content_body(content),
        timeouts,
        Limits(),
        replayable=True,
    )


async def exchange(transport: ScriptedTransport, request: WireRequest) -> tuple[int, bytes]:
    """One attempt, as the engine makes it."""
    phases = PhaseScope("read", math.inf, trio.current_time())
    with phases.scope:
        response = await transport.send(request, phases)
        try:
            pieces = []
            while piece := await response.receive():
                phases.enter("read", request.timeouts.read)
                pieces.append(piece)
        finally:
            await response.aclose()
        return response.status, b"".join(pieces)
    raise TimeoutFault(phases.phase)


async def test_in_order_at_exact_times(autojump_clock):
    transport = ScriptedTransport(
        reply(503, delay=2.0), fault("disconnect", after=1.0), fault("connect", after=4.0), reply(json={"ok": True})
    )
    assert await exchange(transport, wire_request()) == (503, b"")
    with pytest.raises(DisconnectFault):
        await exchange(transport, wire_request())
    with pytest.raises(ConnectFault):
        await exchange(transport, wire_request())
    assert await exchange(transport, wire_request()) == (200, b'{"ok":true}')
    assert [request.at for request in transport.requests] == [0.0, 2.0, 3.0, 7.0]
    assert trio.current_time() == 7.0
    assert transport.open_responses == 0


async def test_what_was_seen(autojump_clock):
    transport = ScriptedTransport(reply())
    request = wire_request()
    request.body = json_body({"a": [1]})
    await exchange(transport, request)
    [seen] = transport.requests
    assert (seen.method, seen.url) == ("POST", "https://api.test/v1/items?limit=2")
    assert (seen.target, seen.path, seen.query) == ("/v1/items?limit=2", "/v1/items", "limit=2")
    assert seen.headers == [("Accept", "application/json"), ("X-Attempt", "1")]
    assert (seen.header("x-attempt"), seen.header("Cookie")) == ("1", None)
    assert (seen.body, seen.json()) == (b'{"a":[1]}', {"a": [1]})


async def one_by_one(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        await trio.sleep(1)
        yield piece


@pytest.mark.parametrize("content", [iter([b"ab", b"c"]), one_by_one(b"ab", b"c"), [b"ab", b"c"]])
async def test_streamed_bodies(autojump_clock, content):
    transport = ScriptedTransport(reply())
    await exchange(transport, wire_request(content=content))
    assert transport.requests[0].body == b"abc"


@pytest.mark.parametrize("entry", [reply(), lambda seen: reply()])
async def test_streamed_body_that_is_too_slow(autojump_clock, entry):
    transport = ScriptedTransport(entry)
    with pytest.raises(TimeoutFault, match="the write timeout passed"):
        await exchange(transport, wire_request(content=one_by_one(*[b"x"] * 5), timeouts=TIMEOUTS._replace(write=3.5)))
    assert trio.current_time() == 3.5


async def test_streamed_body_is_closed_when_given_up(autojump_clock):
    closed = []

    async def asynchronous() -> AsyncIterator[object]:
        try:
            yield "not bytes"
        finally:
            closed.append("async")

    def synchronous():
        try:
            yield "not bytes"
        finally:
            closed.append("sync")

    # Held on to, so that it is not the garbage collector who closes them.
    bodies = [asynchronous(), synchronous()]
    for body in bodies:
        with pytest.raises(TypeError, match="content must be made of bytes"):
            await exchange(ScriptedTransport(reply()), wire_request(content=body))
    assert closed == ["async", "sync"]


async def test_streamed_body_that_fails(autojump_clock):
    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    request = wire_request(content=failing())
    with pytest.raises(ZeroDivisionError):
        await exchange(ScriptedTransport(reply()), request)
    assert request.sent == "maybe"


async def test_answer_as_a_transport_gives_it(autojump_clock):
    transport = ScriptedTransport(reply(201, json=[1], headers={"Retry-After": "2"}, encoding="gzip"))
    phases = PhaseScope("read", math.inf, trio.current_time())
    with phases.scope:
        response = await transport.send(wire_request(), phases)
        assert (response.status, response.http_version) == (201, "HTTP/1.1")
        body = await response.receive()
        assert response.headers == [
            (b"retry-after", b"2"),
            (b"content-type", b"application/json"),
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(body)).encode()),
        ]
        assert zlib.decompress(body, wbits=31) == b"[1]"
        assert await response.receive() == b""
        assert await response.receive() == b""


async def test_pieces_arrive_chunk_delay_apart(autojump_clock):
    transport = ScriptedTransport(reply(chunks=["a", "", "b", "c"], delay=1.0, chunk_delay=10.0))
    phases = PhaseScope("read", math.inf, trio.current_time())
    arrivals = []
    with phases.scope:
        response = await transport.send(wire_request(), phases)
        while piece := await response.receive():
            arrivals.append((trio.current_time(), piece))
    assert arrivals == [(1.0, b"a"), (11.0, b"b"), (21.0, b"c")]


async def test_head_has_no_body(autojump_clock):
    transport = ScriptedTransport(reply(json=[1]))
    assert await exchange(transport, wire_request("HEAD")) == (200, b"")


async def never(seen):
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("entry", "phase", "at", "sent"),
    [
        (fault("connect", after=math.inf), "connect", 5.0, "no"),
        (fault("write", after=math.inf), "write", 30.0, "maybe"),
        (fault("disconnect", after=math.inf), "read", 60.0, "maybe"),
        (fault("protocol", after=60.5), "read", 60.0, "maybe"),
        (reply(delay=61.0), "read", 60.0, "maybe"),
        (reply(chunks=["a", "b"], delay=10.0, chunk_delay=61.0), "read", 70.0, "yes"),
        (fault("disconnect", of=reply(chunks=["a"]), after=math.inf), "read", 60.0, "yes"),
        (never, "read", 60.0, "maybe"),
    ],
)
async def test_timeouts_strike_in_their_phase(autojump_clock, entry, phase, at, sent):
    transport = ScriptedTransport(entry)
    request = wire_request()
    with pytest.raises(TimeoutFault) as caught:
        await exchange(transport, request)
    assert (caught.value.phase, trio.current_time(), request.sent) == (phase, at, sent)
    assert transport.open_responses == 0


@pytest.mark.parametrize("entry", [reply(delay=59.9), fault("connect", after=4.9), fault("write", after=29.9)])
async def test_just_within_the_timeout(autojump_clock, entry):
    with suppress(ConnectFault, DisconnectFault):
        await exchange(ScriptedTransport(entry), wire_request())


@pytest.mark.parametrize("by_function", [False, True])
@pytest.mark.parametrize(
    ("entry", "error", "sent", "body"),
    [
        (fault("connect"), ConnectFault, "no", b""),
        (fault("write"), DisconnectFault, "maybe", b""),
        (fault("disconnect"), DisconnectFault, "maybe", b"body"),
        (fault("protocol"), ProtocolFault, "yes", b"body"),
        (fault("disconnect", of=reply(json=1)), DisconnectFault, "yes", b"body"),
    ],
)
async def test_faults(autojump_clock, entry, error, sent, body, by_function):
    transport = ScriptedTransport((lambda seen: entry) if by_function else entry)
    request = wire_request(content=b"body")
    with pytest.raises(error, match="scripted"):
        await exchange(transport, request)
    assert request.sent == sent
    assert transport.requests[0].body == (b"body" if by_function else body)
    assert transport.open_responses == 0


@pytest.mark.parametrize(("kind", "error"), [("disconnect", DisconnectFault), ("protocol", ProtocolFault)])
async def test_fault_in_the_middle_of_an_answer(autojump_clock, kind, error):
    transport = ScriptedTransport(fault(kind, after=3.0, of=reply(chunks=["a", "b"], delay=1.0, chunk_delay=1.0)))
    phases = PhaseScope("read", math.inf, trio.current_time())
    with phases.scope:
        response = await transport.send(wire_request(), phases)
        assert [await response.receive(), await response.receive()] == [b"a", b"b"]
        with pytest.raises(error):
            await response.receive()
        assert trio.current_time() == 5.0
        await response.aclose()
    assert transport.open_responses == 0


async def waiting(seen):
    await trio.sleep(7)
    return reply(content=seen.body)


@pytest.mark.parametrize(("function", "at"), [(waiting, 7.0), (lambda seen: reply(content=seen.body), 0.0)])
async def test_function_of_the_request(autojump_clock, function, at):
    transport = ScriptedTransport(function)
    assert await exchange(transport, wire_request(content=iter([b"echo"]))) == (200, b"echo")
    assert trio.current_time() == at


async def test_function_that_fails_propagates_as_itself(autojump_clock):
    with pytest.raises(ZeroDivisionError):
        await exchange(ScriptedTransport(lambda seen: 1 / 0), wire_request())


async def test_function_that_returns_something_else(autojump_clock):
    with pytest.raises(
        TypeError, match=r"scripted for POST https://api\.test/v1/items\?limit=2 returned 200, no reply"
    ):
        await exchange(ScriptedTransport(lambda seen: 200), wire_request())


async def test_out_of_script(autojump_clock):
    transport = ScriptedTransport(reply())
    await exchange(transport, wire_request())
    with pytest.raises(ScriptExhausted, match=r"request 2, GET https://api\.test/x, finds the script of 1 entries"):
        await exchange(transport, wire_request("GET", "https://api.test/x"))
    assert len(transport.requests) == 2
    assert issubclass(ScriptExhausted, AssertionError)


async def test_the_last_again(autojump_clock):
    transport = ScriptedTransport(reply(503), reply(204), repeat_last=True)
    statuses = [(await exchange(transport, wire_request()))[0] for _ in range(4)]
    assert statuses == [503, 204, 204, 204]


async def test_nothing_to_repeat(autojump_clock):
    with pytest.raises(ScriptExhausted):
        await exchange(ScriptedTransport(repeat_last=True), wire_request())


async def test_open_responses(autojump_clock):
    transport = ScriptedTransport(reply(), reply())
    phases = PhaseScope("read", math.inf, trio.current_time())
    with phases.scope:
        one, two = [await transport.send(wire_request(), phases) for _ in range(2)]
    assert transport.open_responses == 2
    await one.aclose()
    await one.aclose()
    assert transport.open_responses == 1
    with trio.CancelScope() as scope:
        scope.cancel()
        await two.aclose()
    assert transport.open_responses == 0
    with pytest.raises(trio.ClosedResourceError):
        await two.receive()


async def test_closed(autojump_clock):
    transport = ScriptedTransport(reply())
    assert not transport.closed
    await transport.aclose()
    await transport.aclose()
    assert transport.closed
    with pytest.raises(ClosedFault):
        await exchange(transport, wire_request())
    assert transport.requests == []


async def test_cancelled_at_every_checkpoint(autojump_clock):
    """Whichever checkpoint it lands on, no answer stays open."""

    async def attempt(after: int) -> bool:
        transport = ScriptedTransport(reply(chunks=["a", "b"]))
        finished = False
        with trio.CancelScope() as scope:
            ticks = 0

            def cancel_after(task: trio.lowlevel.Task) -> None:
                nonlocal ticks
                ticks += task is mine
                if ticks == after:
                    scope.cancel()

            class Ticks(trio.abc.Instrument):
                def before_task_step(self, task: trio.lowlevel.Task) -> None:
                    cancel_after(task)

            mine = trio.lowlevel.current_task()
            instrument = Ticks()
            trio.lowlevel.add_instrument(instrument)
            try:
                await exchange(transport, wire_request())
                finished = True
            finally:
                trio.lowlevel.remove_instrument(instrument)
        assert transport.open_responses == 0
        return finished

    landed = 1
    while not await attempt(landed):
        landed += 1
    assert landed > 5


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ScriptedTransport(503), TypeError, r"made by reply\(\) or fault\(\), or is a function, not 503"),
        (lambda: ScriptedTransport(reply(), drop()), TypeError, "is for LoopbackServer"),
        (lambda: fault("timeout"), ValueError, "kind must be one of connect, write, disconnect, protocol"),
        (lambda: fault("connect", after=-1), ValueError, "after must be 0 seconds or more"),
        (lambda: fault("connect", of=reply()), ValueError, "a connect fault has no answer before it"),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("by_function", [False, True])
@pytest.mark.parametrize("entry", [fault("connect"), fault("write"), fault("disconnect"), reply()])
async def test_how_far_it_got_before_is_never_taken_back(autojump_clock, entry, by_function):
    request = wire_request(content=b"body")
    request.sent = "yes"
    with suppress(ConnectFault, DisconnectFault):
        await exchange(ScriptedTransport((lambda seen: entry) if by_function else entry), request)
    assert request.sent == "yes"


@pytest.mark.parametrize(("after", "error", "at"), [(math.inf, StallFault, 7.0), (6.9, DisconnectFault, 6.9)])
async def test_a_body_that_stalls(autojump_clock, after, error, at):
    request = wire_request(content=b"body")
    request.stall = Stall(within=7.0)
    began = trio.current_time()
    with pytest.raises(error):
        await exchange(ScriptedTransport(fault("write", after=after)), request)
    assert trio.current_time() - began == at
    assert request.sent == "maybe"
