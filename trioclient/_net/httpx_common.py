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
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Union

import httpx

from .._faults import ConnectFault, DisconnectFault, Fault, LimitFault, ProtocolFault, StallFault, TimeoutFault

if TYPE_CHECKING:
    from types import ModuleType

    from .._types import Limits, RawHeaders, Timeouts
    from .protocol import WireRequest

__all__ = ["Head", "Library", "build_request", "head_of", "library_of", "send_options", "timeouts_of"]

# The message is all that tells a lost connection from a broken protocol.
_LOST: Final = ("closed connection", "disconnected", "ConnectionTerminated", "StreamReset")


class _Rule(NamedTuple):
    exception: str
    fault: type[Fault] | None
    """None where it is not ours to name."""
    words: str = ""
    """What happened, or the phase of a TimeoutFault."""
    unsent: bool = False


# The first that fits; a class stands before its bases.
_RULES: Final = (
    _Rule("ConnectTimeout", TimeoutFault, "connect", unsent=True),
    _Rule("PoolTimeout", TimeoutFault, "pool", unsent=True),
    _Rule("WriteTimeout", TimeoutFault, "write"),
    _Rule("TimeoutException", TimeoutFault, "read"),
    _Rule("ProxyError", ConnectFault, "the proxy refused", unsent=True),
    _Rule("ConnectError", ConnectFault, "could not connect", unsent=True),
    _Rule("UnsupportedProtocol", None, unsent=True),
    # Where we sent it was checked, so it is where the answer leads: httpx looks, told or not to follow.
    _Rule("InvalidURL", ProtocolFault, "the answer redirects to what is no URL"),
    _Rule("ProtocolError", ProtocolFault, "the exchange broke the protocol"),
    _Rule("DecodingError", ProtocolFault, "the answer could not be decompressed"),
    _Rule("TransportError", DisconnectFault, "the connection broke before the answer was whole"),
)


class Library:
    """The classes of one library with httpx's API."""

    def __init__(self, module: Any) -> None:
        self.Timeout: type[httpx.Timeout] = module.Timeout
        self.Request: type[httpx.Request] = module.Request
        self.Response: type[httpx.Response] = module.Response
        self.ByteStream: type[httpx.ByteStream] = module.ByteStream
        self.AsyncByteStream: type[httpx.AsyncByteStream] = module.AsyncByteStream
        self.SyncByteStream: type[httpx.SyncByteStream] = module.SyncByteStream
        self._module = module
        self._rules = [(self.exception(rule.exception), rule) for rule in _RULES]

    def exception(self, name: str) -> type[Exception]:
        """The library's exception of that name."""
        return getattr(self._module, name)

    def timeout(self, timeouts: Timeouts) -> httpx.Timeout:
        """Ours as the library's; None is its word for no limit."""
        connect, read, write, pool = (None if seconds == math.inf else seconds for seconds in timeouts)
        return self.Timeout(connect=connect, read=read, write=write, pool=pool)

    def fault(self, error: Exception, request: WireRequest) -> Exception:
        """The fault to raise from `error`, or `error` itself. Notes on `request` if nothing was sent."""
        rule = next((rule for kind, rule in self._rules if isinstance(error, kind)), None)
        if rule is None:
            return error
        if rule.unsent and request.sent != "yes":
            request.sent = "no"
        if rule.fault is None:
            return error
        if rule.fault is TimeoutFault:
            stall = request.stall
            if rule.words == "write" and stall is not None and stall.within < request.timeouts.write:
                return StallFault("request", stall.at_least, stall.within)
            return TimeoutFault(rule.words)
        if rule.fault is ProtocolFault and any(mark in str(error) for mark in _LOST):
            return DisconnectFault(f"the connection ended before the answer was whole{_detail(error)}")
        return rule.fault(f"{rule.words}{_detail(error)}")


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
    words = _first_words(error).rstrip(".")
    return "" if not words or "://" in words or "@" in words or len(words) > 200 else f": {words}"


def _first_words(error: BaseException | None) -> str:
    """The first words of an exception or what lies under it, as its cause or as what it was made from."""
    while error is not None:
        if words := str(error).strip():
            return words
        origin = error.args[0] if error.args else None
        error = error.__cause__ or (origin if isinstance(origin, BaseException) else None)
    return ""


def build_request(
    client: Union[httpx.AsyncClient, httpx.Client],
    library: Library,
    request: WireRequest,
    timeouts: Timeouts,
    upload: Any,
    extensions: dict[str, Any],
) -> httpx.Request:
    """`request` with the client's own defaults under it. `upload` is its body as httpx wants it.

    On another origin, where a redirect led, none of them: who knows which are credentials.
    """
    body = request.body
    headers = request.headers
    url = str(request.target)
    names = {name.lower() for name, _ in headers}
    if body.content is None and body.length is not None and b"content-length" not in names:
        headers = [*headers, (b"Content-Length", b"%d" % body.length)]
    content = upload if body.content is None else body.content
    extensions = {"timeout": library.timeout(timeouts).as_dict(), **extensions}
    if request.foreign:
        built = library.Request(request.method, url, headers=headers, content=content, extensions=extensions)
    else:
        # A client's own query would replace that of the URL, were it not handed over as well.
        query: list[tuple[str, Any]] | None = list(httpx.URL(url).params.multi_items()) if client.params else None
        built = client.build_request(
            request.method, url, headers=headers, params=query, content=content, extensions=extensions
        )
    built.stream = upload  # httpx has wrapped it in a generator
    if b"accept-encoding" not in names:
        # The caller said `omit`; what comes back is not for httpx to decode.
        built.headers.pop("accept-encoding", None)
    return built


def timeouts_of(request: WireRequest) -> Timeouts:
    """Those that httpx is given: no slice of a body may take longer than `Stall.within`."""
    timeouts, stall = request.timeouts, request.stall
    return timeouts if stall is None else timeouts._replace(write=min(timeouts.write, stall.within))


def send_options(request: WireRequest) -> dict[str, Any]:
    """How a client is to send what `build_request` built."""
    options: dict[str, Any] = {"stream": True, "follow_redirects": False}
    return {**options, "auth": None} if request.foreign else options


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
