"""The far end's own server: a bare asyncio protocol, on uvloop where that is installed.

    python far_end_server.py PORT [CERTIFICATE]

What it does with a request is said by its path, where nginx has only the first two:

    /items                      a small reply
    /large/items                a large one
    /delayed/items              the small one, 20 ms later
    /never/items                nothing
    /events/CHUNK/COUNT         so many server-sent events, in HTTP chunks of so many bytes
    /one-event/CHUNK/SIZE       a single event of so many bytes, likewise
    /waiting                    how many connections wait for what never comes

Checks nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Iterator
from typing import cast

from replies import LARGE_REPLY, REPLY, event_blocks, one_event_blocks

DELAY = 0.02  # seconds

_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_STREAMS = {b"events": event_blocks, b"one-event": one_event_blocks}


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


_SMALL, _LARGE = _answer(REPLY), _answer(LARGE_REPLY)


class Answerer(asyncio.Protocol):
    """One connection: whole requests with a Content-Length in, answers out."""

    waiting: set[Answerer] = set()

    def __init__(self) -> None:
        self.received = b""
        self.blocks: Iterator[bytes] = iter(())
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked for with isinstance: uvloop's is no subclass.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.blocks = iter(())
        self.waiting.discard(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end]
            _, _, rest = head.lower().partition(b"\r\ncontent-length:")
            whole = end + 4 + int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self.received) < whole:
                return
            self.received = self.received[whole:]
            self.answer(head.split(b" ", 2)[1])

    def answer(self, path: bytes) -> None:
        if path == b"/items":
            self.transport.write(_SMALL)
        elif path == b"/delayed/items":
            asyncio.get_running_loop().call_later(DELAY, self.transport.write, _SMALL)
        elif path == b"/large/items":
            self.transport.write(_LARGE)
        elif path == b"/never/items":
            self.waiting.add(self)
        elif path == b"/waiting":
            self.transport.write(_answer(b"%d" % len(self.waiting)))
        else:
            _, kind, chunk, amount = path.split(b"/")
            self.blocks = _STREAMS[kind](int(chunk), int(amount))
            self.transport.write(_STREAM_HEAD)
            self.resume_writing()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        while not self.paused and (block := next(self.blocks, None)) is not None:
            self.transport.write(block)


async def serve(port: int, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answerer, "127.0.0.1", port, backlog=4096, ssl=context)
    await server.serve_forever()


def main() -> None:
    context = None
    if len(sys.argv) > 2:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[2])
    # uvloop.install() is deprecated, and its run() is not there in older ones.
    new_loop = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        import uvloop

        new_loop = uvloop.new_event_loop
    with contextlib.closing(new_loop()) as loop, contextlib.suppress(KeyboardInterrupt):
        loop.run_until_complete(serve(int(sys.argv[1]), context))


if __name__ == "__main__":
    main()
