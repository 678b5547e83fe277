"""A transport of ours in the place of httpx's: ``httpx.AsyncClient(transport=...)``.

The way round from ``httpx_async.py``. httpx's client does redirects, auth, cookies and
decompression; what is under it connects, sends and receives. Timeouts keep their meaning, save
that the read timeout holds for the whole head. Faults come out as the exceptions httpx's own
transport raises, and in the classes of the request's library: a client of httpx2 works too.
"""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import httpx
import trio

from .._codec.body import NO_BODY, AsyncPieces, Pieces, RequestBody
from .._codec.headers import header_block
from .._codec.url import Origin, Target
from .._faults import ClosedFault, ConnectFault, DisconnectFault, Fault, TimeoutFault
from .._types import IDEMPOTENT_METHODS, Limits, Timeouts
from .httpx_common import Library, library_of
from .protocol import PhaseScope, WireRequest

if TYPE_CHECKING:
    from .protocol import WireResponse

__all__ = ["HttpxFace"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_TIMEOUTS: Final = {
    "connect": "ConnectTimeout",
    "read": "ReadTimeout",
    "write": "WriteTimeout",
    "pool": "PoolTimeout",
}
_EXCEPTIONS: Final = (
    (ConnectFault, "ConnectError"),
    (DisconnectFault, "ReadError"),
    (ClosedFault, "ReadError"),
)


class HttpxFace(httpx.AsyncBaseTransport, abc.ABC):
    """Makes a `Transport` an ``httpx.AsyncBaseTransport``; a subclass gives `send` and ``aclose``."""

    limits: Limits = Limits()

    @abc.abstractmethod
    async def send(self, request: WireRequest, phases: PhaseScope) -> WireResponse:
        """See `Transport.send`."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx. Raises httpx's exceptions."""
        library = library_of(request, "Request", "request")
        timeouts = _timeouts(request)
        phases = PhaseScope("read", timeouts.read, trio.current_time())
        wire = _wire_request(request, library, timeouts, self.limits)
        response: WireResponse | None = None
        with phases.scope:
            try:
                response = await self.send(wire, phases)
            except Fault as fault:
                raise _named(fault, library, request) from fault
        if response is None:
            raise _named(TimeoutFault(phases.phase), library, request)
        return library.Response(
            response.status,
            headers=response.headers,
            stream=_answer_class(library)(response, wire.timeouts.read, library, request),
            extensions={"http_version": response.http_version.encode("ascii")},
        )


def _wire_request(request: httpx.Request, library: Library, timeouts: Timeouts, limits: Limits) -> WireRequest:
    target = _target(request, library)
    host = (b"host", target.origin.authority.encode("ascii"))
    # What frames the message is added where the bytes are made.
    block = header_block(
        (name, value)
        for name, value in request.headers.raw
        if name.lower() not in _FRAMING and (name.lower(), value) != host
    )
    body = _body(request, library)
    replayable = body.replayable and (request.method in IDEMPOTENT_METHODS or "idempotency-key" in request.headers)
    return WireRequest(request.method, target, block, body, timeouts, limits, replayable)


def _target(request: httpx.Request, library: Library) -> Target:
    # Not Target.of: what httpx's client took is not to be refused here, a user name for one.
    url = request.url
    if url.scheme not in _DEFAULT_PORTS or not url.raw_host:
        raise library.exception("UnsupportedProtocol")("only http:// and https:// URLs can be sent to")
    port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return Target(Origin(url.scheme, url.raw_host.decode("ascii"), port), url.raw_path.decode("ascii"))


def _timeouts(request: httpx.Request) -> Timeouts:
    given: dict[str, float | None] = request.extensions.get("timeout", {})
    return Timeouts(*(math.inf if (seconds := given.get(phase)) is None else seconds for phase in Timeouts._fields))


def _body(request: httpx.Request, library: Library) -> RequestBody:
    stream = request.stream
    if isinstance(stream, library.ByteStream):
        content = b"".join(stream)
        return RequestBody(content, None) if content else NO_BODY
    length = request.headers.get("content-length", "")
    return _StreamBody(stream, int(length) if length.isdigit() else None)


class _StreamBody(RequestBody):
    """A streamed body of httpx, whose Content-Type is among the headers already."""

    __slots__ = ("_stream",)

    def __init__(self, stream: httpx.AsyncByteStream | httpx.SyncByteStream, length: int | None) -> None:
        self.content = None
        self.content_type = None
        self.length = length
        self.replayable = False
        self._stream = stream

    def pieces(self) -> Pieces | AsyncPieces:
        stream = self._stream
        # A multipart body is both; httpx too takes it as the first.
        return AsyncPieces(aiter(stream)) if isinstance(stream, AsyncIterable) else Pieces(iter(stream))


class _Answer:
    """The body of an answer as httpx wants it. Not a generator, which `break` would leave open."""

    def __init__(self, response: WireResponse, read_timeout: float, library: Library, request: httpx.Request) -> None:
        self._response = response
        self._read_timeout = read_timeout
        self._library = library
        self._request = request

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with trio.move_on_after(self._read_timeout):
            try:
                piece = await self._response.receive()
            except Fault as fault:
                raise _named(fault, self._library, self._request) from fault
            if piece:
                return piece
            raise StopAsyncIteration
        raise _named(TimeoutFault("read"), self._library, self._request)

    async def aclose(self) -> None:
        await self._response.aclose()


@functools.cache
def _answer_class(library: Library) -> type[Any]:
    # httpx tells an async body from a blocking one by its own base class.
    return type("Answer", (_Answer, library.AsyncByteStream), {})


def _named(fault: Fault, library: Library, request: httpx.Request) -> Exception:
    """The library's exception for a fault."""
    if isinstance(fault, TimeoutFault):
        name = _TIMEOUTS.get(fault.phase, "ReadTimeout")
    else:
        name = next((name for kind, name in _EXCEPTIONS if isinstance(fault, kind)), "RemoteProtocolError")
    kind: Any = library.exception(name)
    return kind(str(fault), request=request)
