"""What the two httpx paths share: finding the library, building requests, naming faults.

A client may come from httpx or from a library with the same API, such as httpx2, whose classes
are not httpx's. Which one is found through the client's own class; nothing is imported for it.

What a caller hangs on their client applies as httpx applies it: cookies, query, headers (ours
win), auth, event hooks, mounts. httpx's own redirects do not: the engine follows them.

Faults. httpx's exceptions become ours where the network or the server is to blame. The rest is
the caller's business (a hook, an auth flow, a mount without a transport) and propagates.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Union

import httpx

from .._faults import ConnectFault, DisconnectFault, Fault, LimitFault, ProtocolFault, TimeoutFault

if TYPE_CHECKING:
    from types import ModuleType

    from .._types import Limits, RawHeaders, Timeouts
    from .protocol import WireRequest

__all__ = ["Head", "Library", "build_request", "head_of", "library_of", "pool_size"]

_UNKNOWN_POOL_SIZE: Final = 100  # httpx's own default

# The message is all that tells a lost connection from a broken protocol.
_LOST: Final = ("incomplete", "without sending", "peer closed connection", "ConnectionTerminated", "StreamReset")


class _Rule(NamedTuple):
    exception: str
    fault: Callable[[str], Fault] | None
    """From the exception's own words; None where it is not ours to name."""
    unsent: bool = False


def _remote_protocol(detail: str) -> Fault:
    if any(mark in detail for mark in _LOST):
        return DisconnectFault(f"the connection ended before the answer was whole{detail}")
    return ProtocolFault(f"the server broke the protocol{detail}")


# The first that fits; a class stands before its bases.
_RULES: Final = (
    _Rule("ConnectTimeout", lambda _: TimeoutFault("connect"), unsent=True),
    _Rule("PoolTimeout", lambda _: TimeoutFault("pool"), unsent=True),
    _Rule("WriteTimeout", lambda _: TimeoutFault("write")),
    _Rule("TimeoutException", lambda _: TimeoutFault("read")),
    _Rule("ProxyError", lambda detail: ConnectFault(f"the proxy refused{detail}"), unsent=True),
    _Rule("ConnectError", lambda detail: ConnectFault(f"could not connect{detail}"), unsent=True),
    _Rule("UnsupportedProtocol", None, unsent=True),
    _Rule("InvalidURL", None, unsent=True),
    _Rule("RemoteProtocolError", _remote_protocol),
    _Rule("ProtocolError", lambda detail: ProtocolFault(f"the exchange broke the protocol{detail}")),
    _Rule("DecodingError", lambda detail: ProtocolFault(f"the answer could not be decompressed{detail}")),
    _Rule("TransportError", lambda detail: DisconnectFault(f"the connection broke before the answer was whole{detail}")),
)


class Library:
    """The classes of one library with httpx's API."""

    def __init__(self, module: Any) -> None:
        self.Timeout: type[httpx.Timeout] = module.Timeout
        self.QueryParams: type[httpx.QueryParams] = module.QueryParams
        self.Response: type[httpx.Response] = module.Response
        self.ByteStream: type[httpx.ByteStream] = module.ByteStream
        self.AsyncByteStream: type[httpx.AsyncByteStream] = module.AsyncByteStream
        self.SyncByteStream: type[httpx.SyncByteStream] = module.SyncByteStream
        self.StreamConsumed: type[httpx.StreamConsumed] = module.StreamConsumed
        self.exceptions: dict[str, type[Exception]] = {rule.exception: getattr(module, rule.exception) for rule in _RULES}

    def timeout(self, timeouts: Timeouts) -> httpx.Timeout:
        """Ours as the library's; None is its word for no limit."""
        connect, read, write, pool = (None if seconds == math.inf else seconds for seconds in timeouts)
        return self.Timeout(connect=connect, read=read, write=write, pool=pool)

    def fault(self, error: Exception, request: WireRequest) -> Exception:
        """The fault to raise from `error`, or `error` itself. Notes on `request` if nothing was sent."""
        for rule in _RULES:
            if isinstance(error, self.exceptions[rule.exception]):
                if rule.unsent:
                    request.sent = "no"
                return error if rule.fault is None else rule.fault(_detail(error))
        return error


def library_of(instance: object, name: Literal["AsyncClient", "Client", "Request"], argument: str) -> Library:
    """The library whose `name` class `instance` is made from. Raises TypeError naming `argument`."""
    library = _library_of(type(instance), name)
    if library is None:
        raise TypeError(f"{argument} must be an httpx.{name} or one of httpx2, not {type(instance).__name__}")
    return library


@functools.cache
def _library_of(kind: type, name: str) -> Library | None:
    for cls in kind.__mro__:
        module = sys.modules.get(cls.__module__.partition(".")[0])
        if module is not None and getattr(module, name, None) is cls and hasattr(module, "TransportError"):
            return _library(module)
    return None


@functools.cache
def _library(module: ModuleType) -> Library:
    return Library(module)


def _detail(error: Exception) -> str:
    """What the library adds, unless it might hold an address with a password in it."""
    words = str(error).strip().rstrip(".")
    return "" if not words or "://" in words or "@" in words or len(words) > 200 else f": {words}"


def pool_size(client: object, limits: Limits) -> int:
    """How many exchanges a client can carry at once without queueing in its pool."""
    transports: list[object] = [getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()]
    sizes = [getattr(getattr(transport, "_pool", None), "_max_connections", None) for transport in transports]
    known = [size for size in sizes if isinstance(size, int) and size > 0]
    return min(limits.max_connections, *(known or [_UNKNOWN_POOL_SIZE]))


def build_request(
    client: Union[httpx.AsyncClient, httpx.Client],
    library: Library,
    request: WireRequest,
    timeouts: Timeouts,
    stream: Union[httpx.AsyncByteStream, httpx.SyncByteStream, None],
    extensions: dict[str, Any],
) -> httpx.Request:
    """`request` with the client's own defaults under it. `stream` is its body if that is no bytes."""
    headers = request.headers
    names = {name.lower() for name, _ in headers}
    if stream is not None and request.body.length is not None and b"content-length" not in names:
        headers = [*headers, (b"Content-Length", b"%d" % request.body.length)]
    url = str(request.target)
    built = client.build_request(
        request.method,
        url,
        headers=headers,
        # A client's own query would replace that of the URL, were it not handed over as well.
        params=httpx.URL(url).params.multi_items() if client.params else None,
        content=request.body.content if stream is None else stream,  # pyright: ignore[reportArgumentType] -- iterable
        timeout=library.timeout(timeouts),
        extensions=extensions,
    )
    if stream is not None:
        # httpx has wrapped it in a generator, which leaks when left half-way.
        built.stream = stream
    if b"accept-encoding" not in names:
        # The caller said `omit`; what comes back is not for httpx to decode.
        built.headers.pop("accept-encoding", None)
    return built


class Head(NamedTuple):
    """The head of an answer, and its body if a hook has read that already."""

    status: int
    http_version: str
    headers: RawHeaders
    content: bytes | None


def head_of(response: httpx.Response, limits: Limits) -> Head:
    """Raises LimitFault where the head is too large."""
    headers = [(name.lower(), value) for name, value in response.headers.raw]
    if sum(len(name) + len(value) + 4 for name, value in headers) > limits.max_header_bytes:
        raise LimitFault("max_header_bytes", limits.max_header_bytes)
    content: bytes | None = None
    if response.is_stream_consumed:
        # By a hook, or by a mock that never had a stream; httpx has decompressed it.
        content = response.content
        headers = [line for line in headers if line[0] not in (b"content-encoding", b"content-length")]
    return Head(response.status_code, response.http_version, headers, content)
