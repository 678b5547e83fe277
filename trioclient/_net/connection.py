"""One HTTP/1.1 connection: exchanges, one after another.

Sending. A small body leaves with its head in one write. A large, streamed or watched one is written by
a task of its own while this one already reads, so that an early answer (413 and the like) is
seen although the body is not through: an error answer or a redirect stops the writing, any other
waits for its end. Meanwhile some of such an answer is read and kept: a server that answers as it
reads may not go on reading before.

Reading. Bytes go to a `ResponseParser`; what it makes of them is kept until asked for. Who reads
to the end leaves the connection reusable, if the answer allows it; any other way of leaving closes it.

A dead reused connection shows itself by an error before the first byte of the answer:
`heard_back` is False then.
"""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING

import trio

from .._codec.body import NO_BODY
from .._faults import ClosedFault, DisconnectFault, StallFault
from .._http1.request import LAST_CHUNK, encode_chunk, encode_head
from .._http1.response import Head, ResponseParser
from .pieces import aiter_pieces
from .progress import Progress
from .single_nursery import open_single_nursery
from .watched_writing import WatchedWriting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._codec.body import RequestBody
    from .._codec.url import Origin
    from .connect import Link
    from .protocol import PhaseScope, WireRequest

__all__ = ["Connection"]

_RECEIVE_BYTES = 65_536
_ONE_WRITE_BYTES = 65_536
_READ_AHEAD_BYTES = 1_048_576


class Connection:
    """Belongs to whoever took it from the pool until it is released or discarded."""

    __slots__ = (
        "_link",
        "_parser",
        "_refused",
        "_spoiled",
        "_stream",
        "created_at",
        "exchanges",
        "expires_at",
        "heard_back",
        "is_stale",
        "origin",
    )

    def __init__(self, link: Link, origin: Origin, now: float) -> None:
        self._link = link
        self._stream = link.stream
        self.is_stale = link.is_stale
        self.origin = origin
        self.created_at = now
        self.expires_at = math.inf
        """When it will have been idle, or have lived, for too long."""
        self.exchanges = 0
        """Begun so far, the current one included."""
        self.heard_back = False
        """Has a byte of the current answer come?"""
        # Has the server said no to the current request, be it whole or not?
        self._refused = False
        # Was the request left half sent, or did it say that it is the last?
        self._spoiled = False
        self._parser: ResponseParser | None = None

    @property
    def reusable(self) -> bool:
        """Is the current exchange over, and may there be another?"""
        return self._parser is not None and self._parser.reusable and not self._spoiled

    def close(self) -> None:
        """At once. What is waiting on the connection fails."""
        if self._parser is not None:
            self._parser.close()
        self._link.close()

    def abandon(self) -> None:
        """Close from outside the trio run."""
        if self._parser is not None:
            self._parser.close()
        self._link.abandon()

    async def exchange(self, request: WireRequest, phases: PhaseScope) -> Head:
        """Send a request and wait for the head of its answer. Raises a `Fault`."""
        self.exchanges += 1
        self.heard_back = False
        parser = self._parser
        following = ResponseParser if parser is None else parser.next
        self._parser = parser = following(request.method, request.limits)
        body = request.body
        content = body.content
        head = encode_head(request.method, request.target, request.header_block, body.length)
        # RFC 9112 section 9.6: who says close sends nothing after it.
        self._spoiled = b"\nConnection: close\r" in head
        await trio.lowlevel.checkpoint_if_cancelled()
        if content is None or len(content) > _ONE_WRITE_BYTES or body.progress is not None:
            return await self._exchange_large(head, body, request, phases, parser)
        unsent = self._send_now(head + content, request)
        if unsent:
            if request.stall is not None:
                return await self._exchange_large(unsent, NO_BODY, request, phases, parser)
            phases.enter("write", request.timeouts.write)
            await self._write(unsent)
        if phases.phase != "read":
            phases.enter("read", request.timeouts.read)
        while parser.head is None:
            await self._read(parser)
        return parser.head

    def take(self) -> tuple[bytes, bool]:
        """What has come of the body since the last time, and whether that is its end."""
        parser = self._parser
        assert parser is not None
        return parser.take(), parser.ended

    async def receive(self) -> tuple[bytes, bool]:
        """The same, when there is any of it. Raises a `Fault`."""
        parser = self._parser
        assert parser is not None
        while not (piece := parser.take()) and not parser.ended:
            await self._read(parser)
        return piece, parser.ended

    async def _exchange_large(
        self, head: bytes, body: RequestBody, request: WireRequest, phases: PhaseScope, parser: ResponseParser
    ) -> Head:
        self._refused = False
        trouble: Exception | None = None
        whole = False
        watched: WatchedWriting | None = None
        if request.stall is not None:
            watched = WatchedWriting(request.stall, self._write, self._link.taken)
        if request.sent == "no":
            request.sent = "maybe"

        async def write() -> None:
            nonlocal trouble, whole
            to_link = self._write if watched is None else watched.write
            try:
                whole = await self._write_streamed(head, body, to_link, request, phases)
            except Exception as error:  # the caller's own iterator may raise anything
                trouble = error
                nursery.cancel_scope.cancel()
            else:
                phases.enter("read", request.timeouts.read)
            finally:
                writing.cancel()
                if watched is not None:
                    watched.end()

        async def watch(watched: WatchedWriting) -> None:
            nonlocal trouble
            try:
                await watched.watch()
            except StallFault as fault:
                trouble = fault
                nursery.cancel_scope.cancel()

        # Cancelled when nothing is being written any more.
        writing = trio.CancelScope()
        answer: Head | None = None
        async with open_single_nursery() as nursery:
            nursery.start_soon(write)
            if watched is not None:
                nursery.start_soon(watch, watched)
            while parser.head is None:
                await self._read(parser)
            answer = parser.head
            if answer.status >= 300:
                # A TLS stream that is stopped in the middle of a write cannot be read any more.
                self._refused = True
                phases.enter("read", request.timeouts.read)
                progress: Progress | None = None
                if watched is not None:
                    watched.end()
                    progress = Progress(watched.stall)
                await self._read_ahead(parser, request.limits.max_error_body_bytes, progress)
                nursery.cancel_scope.cancel()
            else:
                with writing:
                    await self._read_ahead(parser, _READ_AHEAD_BYTES)
        if trouble is not None:
            raise trouble
        assert answer is not None
        if not whole:
            self._spoiled = True
        return answer

    async def _write_streamed(
        self,
        head: bytes,
        body: RequestBody,
        write: Callable[[bytes], Awaitable[bool]],
        request: WireRequest,
        phases: PhaseScope,
    ) -> bool:
        """Write head and body piece by piece. False where the server stopped reading."""
        chunked = body.length is None
        phases.enter("write", request.timeouts.write)
        if not await write(head):
            return False
        async with aclosing(aiter_pieces(body)) as pieces:
            async for piece in pieces:
                if self._refused:
                    return False
                phases.enter("write", request.timeouts.write)
                if not await write(encode_chunk(piece) if chunked else piece):
                    return False
        return not chunked or await write(LAST_CHUNK)

    def _send_now(self, data: bytes, request: WireRequest) -> bytes:
        """Send what goes without waiting; what did not. Notes on `request` that it may get there.

        Nothing of it can where the server has hung up already, perhaps after an answer: reading
        will tell.
        """
        try:
            sent = self._link.send_now(data)
        except trio.BrokenResourceError:
            return b""
        except trio.ClosedResourceError as error:
            raise ClosedFault from error
        if request.sent == "no":
            request.sent = "maybe"
        return data[sent:]

    async def _write(self, data: bytes) -> bool:
        """False where the server hung up, perhaps after an answer: reading will tell."""
        try:
            await self._link.stream.send_all(data)
        except trio.BrokenResourceError:
            return False
        except trio.ClosedResourceError as error:
            raise ClosedFault from error
        return True

    async def _read_ahead(self, parser: ResponseParser, most: int, progress: Progress | None = None) -> None:
        """Receive and keep the rest of the answer, or a little over `most` bytes of it."""
        while most >= 0 and not parser.ended:
            most -= await (self._read(parser) if progress is None else self._read_in_time(parser, progress))

    async def _read_in_time(self, parser: ResponseParser, progress: Progress) -> int:
        progress.wait(trio.current_time())
        with trio.CancelScope(deadline=progress.due):
            size = await self._read(parser)
            progress.move(size, trio.current_time())
            progress.rest(trio.current_time())
            return size
        raise StallFault("answer", progress.stall.at_least, progress.stall.within)

    async def _read(self, parser: ResponseParser) -> int:
        """Receive once; how many bytes. Raises the fault of what came before, if it has one."""
        if parser.fault is not None:
            raise parser.fault
        try:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
        except trio.BrokenResourceError as error:
            raise DisconnectFault("the connection broke before the answer was whole") from error
        except trio.ClosedResourceError as error:
            raise ClosedFault from error
        if data:
            self.heard_back = True
        parser.feed(bytes(data))
        return len(data)
