from __future__ import annotations

import zlib

import h11
import pytest
import trio

from trioclient.testing import RawReply, drip, drop, flood, raw, reply, stall, truncate
from trioclient.testing._replies import Endless, HangUp, Pause, Send, Silence

ANSWER = reply(json={"ok": True})
WIRE = ANSWER.wire()
HEAD = len(WIRE) - len(b'{"ok":true}')


async def test_drop_before_the_answer(server, dial):
    server.route("POST", "/", drop())
    async with dial(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi")
        assert await client.read_to_end() == b""
    [request] = server.requests
    assert (request.body, request.status) == (b"hi", None)
    assert server.connections[0].ended == "server"


async def test_drop_before_the_body(server, dial):
    server.route("POST", "/", drop(before="body"))
    async with dial(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n")
        assert await client.read_to_end() == b""
    assert server.requests[0].body == b""


async def test_drop_after_an_answer(server, dial):
    server.route("GET", "/", drop(after=ANSWER))
    async with dial(server) as client:
        await client.get()
        assert await client.read_to_end() == WIRE
    assert server.requests[0].status == 200


async def test_drop_after_an_early_answer(server, dial):
    server.route("POST", "/", drop(after=reply(413, early=True)))
    async with dial(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n")
        assert await client.read_to_end() == reply(413).wire()


@pytest.mark.parametrize("misreply", [drop(reset=True), truncate(0, reset=True)])
async def test_reset(server, dial, misreply):
    server.route("GET", "/", misreply)
    async with dial(server) as client:
        await client.get()
        with pytest.raises(trio.BrokenResourceError):
            await client.read_to_end()


@pytest.mark.parametrize(
    ("n", "sent"),
    [
        (0, b""),
        (1, b"H"),
        (HEAD, WIRE[:HEAD]),
        (-1, WIRE[:-1]),
        (-len(WIRE), b""),
        (len(WIRE), WIRE),
        (10_000, WIRE),
    ],
)
async def test_truncate(server, dial, n, sent):
    server.route("GET", "/", truncate(n, of=ANSWER))
    async with dial(server) as client:
        await client.get()
        assert await client.read_to_end() == sent
    assert server.requests[0].status is None


def test_truncate_keeps_delays():
    slow = reply(chunks=["a", "b"], delay=2, chunk_delay=1)
    first = slow.to_raw().opening[1]
    assert truncate(5, of=slow).opening == (Pause(2), Send(b"HTTP/"))
    assert truncate(-1, of=slow).opening == (Pause(2), first, Pause(1), Send(b"1\r\nb\r\n0\r\n\r"))


@pytest.mark.parametrize(
    "make", [lambda of: truncate(5, of=of), lambda of: stall(5, of=of), lambda of: drip(of, interval=1)]
)
@pytest.mark.parametrize("early", [True, False])
def test_as_early_as_the_answer_they_are_made_of(make, early):
    assert make(reply(early=early)).early is early


@pytest.mark.parametrize(("n", "sent"), [(0, b""), (10, WIRE[:10]), (len(WIRE), WIRE)])
async def test_stall(server, dial, n, sent):
    server.route("GET", "/", stall(n, of=ANSWER))
    async with dial(server) as client:
        await client.get()
        assert await client.read(n) == sent
        await server.wait_requests(1)
        assert (server.in_flight, server.open_connections) == (1, 1)
    await server.wait_connections_closed(1)
    assert (server.in_flight, server.connections[0].ended) == (0, "broken")


def test_stall_is_for_ever():
    assert stall(4, of=ANSWER) == RawReply(opening=(Send(b"HTTP"), Silence()))


@pytest.mark.parametrize("head", [True, False])
async def test_drip_arrives_whole(server, dial, head):
    server.route("GET", "/", drip(ANSWER, interval=0, head=head))
    async with dial(server) as client:
        for _ in range(2):
            await client.get()
            assert await client.read(len(WIRE)) == WIRE
    assert [request.status for request in server.requests] == [200, 200]


def test_drip_is_byte_by_byte():
    steps = drip(reply(content="ab", headers={"Content-Type": "a/b"}), interval=2.0, head=False)
    start = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\n"
    assert [*steps.opening, *steps.ending] == [Send(start), Pause(2.0), Send(b"a"), Pause(2.0), Send(b"b")]
    steps = drip(interval=2.0)
    assert steps.opening[:3] == (Send(b"H"), Pause(2.0), Send(b"T"))
    assert len(steps.opening) == 2 * len(drip(interval=0, head=False).opening[0].data) + 2 * len("a plain answer\n") - 2


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\xff\x00 not at all",
        WIRE + WIRE,
    ],
)
async def test_raw(server, dial, data):
    server.route("GET", "/", raw(data))
    async with dial(server) as client:
        await client.get()
        assert await client.read_to_end() == data


async def test_raw_keeping_the_connection(server, dial):
    server.route("GET", "/", raw(WIRE + WIRE, close=False), raw(b"x", close=False))
    async with dial(server) as client:
        await client.get()
        assert await client.read(2 * len(WIRE)) == WIRE + WIRE
        await client.get()
        assert await client.read(1) == b"x"
    assert server.connection_count == 1


FLOODS = ["informational", "headers", "header line", "body", "gzip"]


@pytest.mark.parametrize("interval", [0.0, 0.0001])
@pytest.mark.parametrize("kind", FLOODS)
async def test_flood_goes_on_until_the_client_goes(server, dial, kind, interval):
    server.route("GET", "/", flood(kind, interval=interval))
    async with dial(server) as client:
        await client.get()
        await client.read(1_000 if interval else 5_000_000)
        assert server.in_flight == 1
    await server.wait_connections_closed(1)
    assert (server.in_flight, server.connections[0].ended) == (0, "broken")
    assert server.requests[0].status is None


@pytest.mark.parametrize("kind", FLOODS)
def test_slow_flood_sends_one_unit_at_a_time(kind):
    start, endless = flood(kind, interval=1.0).opening
    _, fast = flood(kind).opening
    assert isinstance(start, Send)
    assert endless == Endless(endless.data, 1.0)
    assert len(endless.data) < 1100
    assert fast.data == endless.data * (len(fast.data) // len(endless.data))
    assert len(fast.data) >= 65_536


def flooded(kind: str, times: int) -> bytes:
    start, endless = flood(kind).opening
    return start.data + endless.data * times


def asking() -> h11.Connection:
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=10_000_000)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "test")]))
    client.send(h11.EndOfMessage())
    return client


def test_flood_of_informational_answers():
    client = asking()
    client.receive_data(flooded("informational", 2))
    count = 0
    while (event := client.next_event()) is not h11.NEED_DATA:
        assert (type(event), event.status_code) == (h11.InformationalResponse, 103)
        count += 1
    assert count > 1000


@pytest.mark.parametrize(("kind", "lines"), [("headers", 2000), ("header line", 2)])
def test_flood_of_headers_is_a_head_without_an_end(kind, lines):
    client = asking()
    wire = flooded(kind, 1)
    client.receive_data(wire)
    assert client.next_event() is h11.NEED_DATA
    client.receive_data(b"\r\n\r\n" if kind == "header line" else b"\r\n")
    assert isinstance(client.next_event(), h11.Response)
    assert wire.count(b"\r\n") >= lines


def body_of(wire: bytes) -> bytes:
    client = asking()
    client.receive_data(wire)
    assert isinstance(client.next_event(), h11.Response)
    pieces = []
    while (event := client.next_event()) is not h11.NEED_DATA:
        pieces.append(bytes(event.data))
    return b"".join(pieces)


def test_flood_of_body_is_one_endless_body():
    assert len(body_of(flooded("body", 10))) > 500_000


def test_flood_of_gzip_inflates_a_thousandfold():
    packed = body_of(flooded("gzip", 1))
    plain = zlib.decompressobj(wbits=31).decompress(packed)
    assert len(plain) > 500 * len(packed)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: drop("head"), ValueError, "before must be 'body' or 'answer'"),
        (lambda: truncate(-1000, of=ANSWER), ValueError, "number of bytes must be"),
        (lambda: truncate(1.5), TypeError, "number of bytes must be an int"),
        (lambda: stall(True), TypeError, "number of bytes must be an int"),
        (lambda: drip(interval=-1), ValueError, "interval must be 0 seconds or more"),
        (lambda: flood("trailers"), ValueError, "kind must be one of informational, headers"),
        (lambda: flood("body", interval="1"), TypeError, "interval must be a number"),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_drop_is_nothing_but_hanging_up():
    assert drop(reset=True) == RawReply(ending=(HangUp(reset=True),))
