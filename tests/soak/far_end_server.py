"""The far end's own server: answers well most of the time, and badly at random.

    python far_end_server.py PORT SEED

Says "ready" once it listens.
"""

from __future__ import annotations

import random
import sys

import trio

from trioclient.testing import (
    LoopbackServer,
    RawReply,
    Reply,
    drip,
    drop,
    event_stream,
    flood,
    json_lines,
    raw,
    reply,
    stall,
    truncate,
)

# Nobody lets it live so long: it ends by itself where whoever started it is gone.
LIFETIME = 120.0  # seconds

_OK = reply(json={"ok": True})
_EVENTS = event_stream(*range(40), chunk_delay=0.001)
_LINES = json_lines(*({"id": number} for number in range(200)))

_GOOD = [
    _OK,
    reply(json={"ok": True}, delay=0.005),
    reply(json={"ok": list(range(2000))}, encoding="gzip"),
    reply(chunks=[b'{"ok"', b": 1}"], headers={"Content-Type": "application/json"}, chunk_delay=0.002),
    reply(json={"ok": True}, close=True),
    reply(307, headers={"Location": "/good"}),
    drop(after=_OK),
]
_BAD = [
    reply(400, json={"error": {"message": "no"}}),
    reply(413, json="no", early=True),
    reply(429, headers={"Retry-After-Ms": "5"}),
    reply(500),
    reply(503, headers={"Retry-After-Ms": "3"}),
    reply(json={"ok": True}, headers={"Content-Encoding": "gzip"}),
    drop(),
    drop("body", reset=True),
    drop(reset=True),
    drip(_OK, interval=0.05),
    flood("body"),
    flood("gzip"),
    flood("headers"),
    flood("informational"),
    raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
    raw(_OK.wire() * 2, close=False),
    raw(b"\x16\x03\x01\x02\x00"),
    stall(),
    stall(-1, of=_OK),
    truncate(-1, of=_OK),
    truncate(10, of=_OK, reset=True),
]
_GOOD_STREAMS = [_EVENTS, _LINES, event_stream(*range(500))]
_BAD_STREAMS = [
    stall(-1, of=event_stream(1, 2)),
    truncate(-20, of=_EVENTS),
    truncate(-1, of=_LINES, reset=True),
    reply(503),
    drop(),
    event_stream(1, ("error", {"error": {"message": "no"}})),
]


class FixedPortServer(LoopbackServer):
    """On a given port, so that the next process can take its place."""

    def __init__(self, port: int) -> None:
        super().__init__(keep=0)
        self.port = port

    async def _listen(self) -> trio.SocketListener:
        (listener,) = await trio.open_tcp_listeners(self.port, host=self.host)
        return listener


async def serve(port: int, chance: random.Random) -> None:
    def one_of(good: list[Reply | RawReply], bad: list[Reply | RawReply]) -> Reply | RawReply:
        return chance.choice(bad if chance.random() < 0.15 else good)

    async with FixedPortServer(port) as server:
        server.route("*", "/good", _OK)
        server.route("*", "/mixed", lambda request: one_of(_GOOD, _BAD))
        server.route("GET", "/stream", lambda request: one_of(_GOOD_STREAMS, _BAD_STREAMS))
        print("ready", end="", flush=True)  # in one write: it is read but once
        await trio.sleep(LIFETIME)


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]), random.Random(sys.argv[2]))
