"""One connection of the loopback server: h11 reads the requests, the steps of replies write.

h11 is kept to reading, since it would refuse to send most of what a test wants sent. A new
`h11.Connection` is made for every request, beginning with the bytes the last one left over.
"""

from __future__ import annotations

import dataclasses
import math
import ssl
import struct
import sys
from collections import deque
from socket import SO_LINGER, SOL_SOCKET
from typing import Union

import h11
import trio

from ._ledger import Ledger
from ._replies import Endless, HangUp, Pause, RawReply, Reply, Send, Silence, Step, reply
from ._requests import Ended, RecordedRequest
from ._routes import Answer, Replier, Routes, answer_of

__all__ = ["Connection", "Site"]

_READ = 65_536
_MAX_HEAD = 1_048_576
_MAX_AHEAD = 1_048_576

# Closing with a linger of zero seconds sends an RST in place of a FIN.
_LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

Stream = Union[trio.SocketStream, "trio.SSLStream[trio.SocketStream]"]


class _Ended(Exception):
    """The connection is over, and why; raised from anywhere within."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(ended)
        self.ended: Ended = ended


@dataclasses.dataclass(slots=True)
class Site:
    """What all connections of one server share."""

    ssl_context: ssl.SSLContext | None
    routes: Routes
    ledger: Ledger
    greetings: deque[RawReply]
    """Played to the next new connections, one each, in place of HTTP."""


class Connection:
    """Serves requests one after another until either side has had enough."""

    def __init__(self, site: Site, socket_stream: trio.SocketStream) -> None:
        self._site = site
        self._ledger = site.ledger
        self._socket_stream = socket_stream
        self._stream: Stream = socket_stream
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._ahead = 0
        # Between requests: nothing of the next one has arrived.
        self._idle = True
        # The end of an answer is being sent: to the client this may be idle already.
        self._ending = False
        self._closing = False

    def close_if_idle(self) -> None:
        """Close without a goodbye unless a request is in flight."""
        if self._idle:
            self._socket_stream.socket.close()
        elif self._ending:
            self._closing = True

    async def run(self) -> None:
        """Serve until the end; raises nothing but `trio.Cancelled`."""
        self._record = self._ledger.connection_opened()
        ended: Ended = "stopped"
        try:
            await self._serve()
        except _Ended as end:
            ended = end.ended
        except trio.BrokenResourceError:
            ended = "broken"
        except trio.ClosedResourceError:
            ended = "server"
        finally:
            # Closed before it is counted, so that who waits for the count finds it closed.
            self._socket_stream.socket.close()
            self._ledger.connection_closed(self._record, ended)

    async def _serve(self) -> None:
        if self._site.greetings:
            await self._play(self._site.greetings.popleft())
            raise _Ended("server")
        if self._site.ssl_context is not None:
            await self._start_tls(self._site.ssl_context)
        while await self._serve_request():
            pass
        if isinstance(self._stream, trio.SSLStream):
            # Says goodbye, which ends a body that is delimited by the close.
            await self._stream.aclose()
        raise _Ended("server")

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        self._stream = trio.SSLStream(self._socket_stream, context, server_side=True)
        try:
            await self._stream.do_handshake()
        except trio.BrokenResourceError:
            raise _Ended("handshake") from None

    # Requests in

    async def _serve_request(self) -> bool:
        """One request and its answer. False where the connection is to be closed afterwards."""
        try:
            head = await self._receive_head()
            return await self._answer(head)
        except h11.RemoteProtocolError as error:
            await self._play(reply(error.error_status_hint, content=f"{error}\n", close=True).to_raw())
            raise _Ended("bad request") from None

    async def _receive_head(self) -> h11.Request:
        event = await self._next_event()
        assert isinstance(event, h11.Request)
        self._record.requests += 1
        return event

    async def _answer(self, head: h11.Request) -> bool:
        request = RecordedRequest(
            method=head.method.decode("ascii"),
            target=head.target.decode("ascii"),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items()],
            connection=self._record.number,
            started=trio.current_time(),
        )
        self._ledger.request_started()
        try:
            entry = self._site.routes.pick(request.method, request.path)
            early = isinstance(entry, (Reply, RawReply)) and entry.early
            if not early:
                request.body = await self._receive_body()
            self._ledger.request_received(request)
            raw = await self._raw_answer(entry, request)
            await self._play(raw, request)
        finally:
            if request.finished is None:
                self._ledger.request_finished(request, None)
        if early:
            request.body = await self._receive_body()
        if raw.close or self._closing or self._parser.their_state is h11.MUST_CLOSE:
            return False
        self._next_cycle()
        return True

    async def _raw_answer(self, entry: Answer | Replier, request: RecordedRequest) -> RawReply:
        try:
            answer = await answer_of(entry, request)
        except Exception as error:
            # The test's own bug: told to the client as a server's would be, raised at the exit.
            self._ledger.errors.append(error)
            answer = reply(500, json={"error": f"the scripted function raised {error!r}"})
        except trio.Cancelled:
            raise
        except BaseException as error:
            # A KeyboardInterrupt, a `pytest.fail()`: ends the server, and is told at the exit as well.
            self._ledger.errors.append(error)
            raise
        return answer if isinstance(answer, RawReply) else answer.to_raw(request.method)

    async def _receive_body(self) -> bytes:
        pieces: list[bytes] = []
        while isinstance(event := await self._next_event(), h11.Data):
            pieces.append(bytes(event.data))
        return b"".join(pieces)

    async def _next_event(self) -> object:
        while (event := self._parser.next_event()) is h11.NEED_DATA:
            await self._receive()
        return event

    async def _receive(self) -> int:
        """Take what the client sends next to the parser and return its size."""
        try:
            data = await self._stream.receive_some(_READ)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise _Ended("client" if self._idle else "broken")
        self._idle = False
        self._parser.receive_data(bytes(data))
        return len(data)

    def _next_cycle(self) -> None:
        left_over, _ = self._parser.trailing_data
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._ahead = 0
        self._idle = not left_over
        self._ending = False
        if left_over:
            self._parser.receive_data(left_over)

    # Answers out

    async def _play(self, raw: RawReply, request: RecordedRequest | None = None) -> None:
        for step in raw.opening:
            await self._perform(step)
        if request is not None:
            self._ledger.request_finished(request, raw.status)
        self._ending = True
        try:
            for step in raw.ending:
                await self._perform(step)
        except BaseException as error:
            # The end of the answer was not sent after all; HangUp is part of the script.
            if request is not None and not isinstance(error, _Ended):
                request.status = None
            raise

    async def _perform(self, step: Step) -> None:
        match step:
            case Send(data):
                if data:
                    await self._stream.send_all(data)
            case Pause(seconds):
                await self._pause(seconds)
            case Silence():
                await self._pause(math.inf)
            case Endless(data, interval):
                while True:
                    await self._stream.send_all(data)
                    if interval:
                        await self._pause(interval)
            case HangUp(reset):
                if reset:
                    self._socket_stream.setsockopt(SOL_SOCKET, SO_LINGER, _LINGER_ZERO)
                raise _Ended("server")

    async def _pause(self, seconds: float) -> None:
        """Sleep, but notice the client going; what it sends meanwhile is kept, up to a bound."""
        with trio.move_on_after(seconds):
            while self._ahead < _MAX_AHEAD:
                self._ahead += await self._receive()
            await trio.sleep_forever()
