"""The body of an answer that its owner reads piece by piece, such as a stream.

It outlives the attempt that brought it, and with it that attempt's scope: each piece is waited
for under a scope of its own, bounded by the read or idle timeout and by the deadline of the whole
call. Between two pieces nothing is held but the connection, so that the pieces may be asked for
in any task.

A compressed body is undone a little at a time, and no further than it is read: a few bytes may
stand for gigabytes, none of which is in memory before its turn. Nor is time lost over it: a step
that gives nothing counts as waiting, too.
"""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from typing import TYPE_CHECKING, Final

import trio

from .._codec.headers import find
from .._faults import ClosedFault, DisconnectFault, Fault, TimeoutFault
from .body import decoder_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._codec.content import ContentDecoder
    from .._net.protocol import WireResponse
    from .call import CallTrace

__all__ = ["AnswerBody"]

_STEPS_PER_TURN: Final = 64  # of a decoder, which may be tiny
_DRAIN_BYTES: Final = 65_536
_DRAIN_SECONDS: Final = 0.1
_CLOSED: Final = "the answer was closed before its end"


class AnswerBody:
    """Owns the connection until it is read to its end or closed."""

    def __init__(self, response: WireResponse, trace: CallTrace) -> None:
        settings = trace.call.settings
        self._closed = False
        self._response = response
        self._deadline = trace.deadline
        read = settings.timeouts.read
        self._phase, self._seconds = ("idle", settings.idle_timeout) if settings.idle_timeout < read else ("read", read)
        self._decoder: ContentDecoder | None = None
        self._steps: Iterator[bytes] = iter(())
        self._begun = False
        self._length = _content_length(response)
        self._receiving = False
        self._ended = False
        self.carried = 0
        """Bytes that came over the wire so far."""
        self.received = 0
        """Bytes given so far, after decompression."""

    def __del__(self) -> None:
        # Only says so: to close is to wait, and this may be any thread at any time.
        if not self._closed and not sys.is_finalizing():
            message = "an answer was dropped unread and unclosed; use it in an `async with`"
            warnings.warn(message, ResourceWarning, source=self, stacklevel=2)

    @property
    def closed(self) -> bool:
        """Read to its end, broken off, or closed."""
        return self._closed

    @property
    def size(self) -> int | None:
        """Bytes in all, where that is known: announced, and not compressed."""
        coded = find(self._response.headers, b"content-encoding") is not None
        return None if coded else self._length

    async def receive(self) -> bytes:
        """The next piece, decompressed; ``b""`` at the end.

        Raises a `Fault` where the body breaks off, is corrupt, or does not come in time; it is
        closed then. For one task at a time.
        """
        if self._ended:
            return b""
        if self._closed:
            raise DisconnectFault(_CLOSED)
        if self._receiving:
            raise trio.BusyResourceError("another task is reading this answer already")
        self._receiving = True
        try:
            piece = await self._next_piece()
        except BaseException as error:
            if self._closed and isinstance(error, ClosedFault):
                raise DisconnectFault(_CLOSED) from error
            await self._close()
            raise
        finally:
            self._receiving = False
        self.received += len(piece)
        if not piece:
            self._ended = True
            await self._close()
        return piece

    async def aclose(self, *, near_end: bool = False) -> None:
        """Let go of the connection. May be called twice.

        What is there already, or little enough to be waited for a moment, is read so that the
        connection can be used again; else it is closed. `near_end` says that nothing but the
        end should be to come.
        """
        if self._closed:
            return
        try:
            if not self._receiving:
                await self._drain(near_end)
        finally:
            await self._close()

    async def _next_piece(self) -> bytes:
        if not self._begun:
            self._begun = True
            self._decoder = decoder_of(self._response, sys.maxsize)
        with trio.CancelScope(deadline=min(self._deadline, trio.current_time() + self._seconds)):
            return await (self._receive() if self._decoder is None else self._decode(self._decoder))
        raise TimeoutFault(self._phase)

    async def _decode(self, decoder: ContentDecoder) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            for step, piece in enumerate(self._steps, 1):
                if piece:
                    return piece
                if step % _STEPS_PER_TURN == 0:
                    await trio.lowlevel.checkpoint()
            data = await self._receive()
            if not data:
                return decoder.finish()
            self._steps = decoder.steps(data)

    async def _receive(self) -> bytes:
        data = await self._response.receive()
        self.carried += len(data)
        return data

    async def _drain(self, near_end: bool) -> None:
        short = self._length is not None and self._length - self.carried <= _DRAIN_BYTES
        if self._length is not None and not short:
            return
        if trio.current_effective_deadline() == -math.inf:
            return
        patience = _DRAIN_SECONDS if short or near_end else -math.inf
        until = min(trio.current_time() + patience, self._deadline)
        with trio.CancelScope(deadline=until), contextlib.suppress(Fault):
            room = _DRAIN_BYTES
            while room >= 0 and (data := await self._response.receive()):
                room -= len(data)

    async def _close(self) -> None:
        self._closed = True
        await self._response.aclose()


def _content_length(response: WireResponse) -> int | None:
    if find(response.headers, b"transfer-encoding") is not None:
        return None
    value = find(response.headers, b"content-length")
    return int(value) if value is not None and value.isdigit() else None
