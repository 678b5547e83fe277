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
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import trio

from .._codec.body import NO_BODY, AsyncPieces, Pieces, RequestBody
from .._codec.url import Target
from .._faults import ClosedFault, ConnectFault, DisconnectFault, Fault, TimeoutFault
from .._types import Limits, Timeouts
from .httpx_common import Library, library_of
from .protocol import PhaseScope, WireRequest

if TYPE_CHECKING:
    from .protocol import WireResponse

__all__ = ["HttpxFace"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})  # RFC 9110 section 9.2.2
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})

_TIMEOUTS: Final = {
    "connect": "ConnectTimeout",
    "read": "ReadTimeout",
    "write": "WriteTimeout",
    "pool": "PoolTimeout",
}


class HttpxFace(httpx.AsyncBaseTransport, abc.ABC):
    """Makes a `Transport` an ``httpx.AsyncBaseTransport``; a subclass gives `send` and ``aclose``."""

    limits: Limits = Limits()

    @abc.abstractmethod
    async def send(self, request: WireRequest, phases: PhaseScope) -> WireResponse:
        """See `Transport.send`."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx. Raises httpx's exceptions."""
        library = library_of(request, "Request", "request")
        wire = _wire_request(request, library, self.limits)
        phases = PhaseScope()
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
            stream=_stream_class(library)(response, wire.timeouts.read, library, request),
            extensions={"http_version": response.http_version.encode("ascii")},
        )


def _wire_request(request: httpx.Request, library: Library, limits: Limits) -> WireRequest:
    target = _target(request, library)
    length: int | None = None
    headers: list[tuple[bytes, bytes]] = []
    for name, value in request.headers.raw:
        lower = name.lower()
        if lower == b"content-length":
            length = int(value)
        elif lower not in _FRAMING and (lower, value) != (b"host", target.host_header.encode("ascii")):
            headers.append((name, value))
    body = _body(request, length)
    replayable = body.replayable and (request.method in _IDEMPOTENT or "idempotency-key" in request.headers)
    return WireRequest(request.method, target, headers, body, _timeouts(request), limits, replayable)


def _target(request: httpx.Request, library: Library) -> Target:
    # Not Target.of: what httpx's client took is not to be refused here, a user name for one.
    url = request.url
    if url.scheme not in _DEFAULT_PORTS or not url.raw_host:
        raise library.exception("UnsupportedProtocol")(f"{url.scheme or 'no'} scheme: only http:// and https:// are spoken")
    port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return Target(url.scheme, url.raw_host.decode("ascii"), port, url.raw_path.decode("ascii"))


def _timeouts(request: httpx.Request) -> Timeouts:
    given: dict[str, float | None] = request.extensions.get("timeout", {})
    connect, read, write, pool = (math.inf if given.get(name) is None else given[name] for name in Timeouts._fields)
    return Timeouts(connect, read, write, pool)
