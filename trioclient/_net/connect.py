"""From an origin to a connected stream: name look-up, happy eyeballs, TLS.

Addresses are tried in the order RFC 8305 gives them: the families in turn, a new attempt
whenever the last one failed or 250 ms have passed, the first to connect wins. This is done here
and not by ``trio.open_tcp_stream`` because that looks names up in trio's default thread limiter,
which every other thread job of the program shares (see `look_up`), and cannot set socket options
before the connection is made.

Whatever is interrupted closes its socket before the exception leaves.
"""

from __future__ import annotations

import errno
import functools
import ipaddress
import itertools
import math
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import trio

from .._faults import ConnectFault
from .look_up import look_up
from .single_nursery import open_single_nursery
from .socket_options import KEEPALIVE_OPTIONS
from .socket_stream import Foresight, SocketStream

if TYPE_CHECKING:
    from .._codec.url import Target

__all__ = ["Connect", "Connector", "Link"]

_HAPPY_EYEBALLS_DELAY = 0.25  # seconds, RFC 8305 section 5
# A request is written at once, and nothing is gained by holding its last packet back.
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

_SockAddr = Union[tuple[Any, ...], str]
_Address = tuple[int, _SockAddr]  # family, address


def _send_nothing(data: bytes) -> int:
    return 0


class Link(NamedTuple):
    """A connected stream and what can be done with it without waiting."""

    stream: trio.abc.Stream
    close: Callable[[], None]
    """At once, without a TLS goodbye."""
    is_stale: Callable[[], bool]
    """Asked while idle: is there anything to read? Be it a goodbye or bytes nobody asked for."""
    abandon: Callable[[], None]
    """Close from outside the trio run it belongs to: after that run, or in a forked child."""
    send_now: Callable[[bytes], int] = _send_nothing
    """Send what goes without waiting; how many bytes that was. Raises as the stream does."""
    taken: Callable[[], int] | None = None
    """How many of the bytes that the stream was given the other side has; None where nobody knows."""


Connect = Callable[["Target"], Awaitable[Link]]


class Connector:
    """Makes links. `ssl_context` is asked for only when the first https origin is met."""

    def __init__(
        self,
        *,
        ssl_context: Callable[[], ssl.SSLContext],
        uds: str | None = None,
        socket_options: tuple[tuple[int, int, int], ...] = KEEPALIVE_OPTIONS,
    ) -> None:
        self._ssl_context = ssl_context
        self._uds = uds
        self._foresight = Foresight()
        self._socket_options = socket_options

    async def __call__(self, target: Target) -> Link:
        """Connect. Raises ConnectFault."""
        context = self._context(target) if target.origin.scheme == "https" else None
        try:
            sock = await self._open_socket(target)
        except (OSError, UnicodeError) as error:  # the latter for a name with an empty or endless label
            raise ConnectFault(f"could not connect to {target.origin.authority}: {_reason(error)}") from error
        if context is not None:
            return await self._start_tls(target, context, _UnderTLS(sock, self._foresight))
        stream = SocketStream(sock, self._foresight)
        return Link(stream, stream.close, stream.is_readable, sock.close, stream.send_now, stream.taken)

    def _context(self, target: Target) -> ssl.SSLContext:
        try:
            return self._ssl_context()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise  # a mistake of the caller's, such as a file that is not there
            raise ConnectFault(f"could not connect to {target.origin.authority}: {_reason(error)}") from error

    async def _open_socket(self, target: Target) -> socket.socket:
        if self._uds is not None:
            return await self._connect_one((socket.AF_UNIX, self._uds))
        return await _race(await _addresses(target.origin.host, target.origin.port), self._connect_one)

    async def _connect_one(self, address: _Address) -> socket.socket:
        family, sockaddr = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if family != getattr(socket, "AF_UNIX", None):
                for option in (_NO_DELAY, *self._socket_options):
                    sock.setsockopt(*option)
            await trio.socket.from_stdlib_socket(sock).connect(sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _start_tls(self, target: Target, context: ssl.SSLContext, tcp: _UnderTLS) -> Link:
        try:
            stream = trio.SSLStream(tcp, context, server_hostname=target.origin.host)
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            tcp.close()
            cause = error.__cause__
            reason = _reason(cause) if isinstance(cause, OSError) else "the connection broke"
            raise ConnectFault(f"no TLS connection to {target.origin.authority}: {reason}") from error
        except BaseException:
            tcp.close()
            raise
        if stream.selected_alpn_protocol() not in (None, "http/1.1"):
            tcp.close()
            raise ConnectFault(f"{target.origin.authority} chose {stream.selected_alpn_protocol()!r} over http/1.1")
        is_stale = functools.partial(_is_tls_stale, stream)
        return Link(stream, tcp.close, is_stale, tcp.socket.close, taken=tcp.taken)


def _reason(error: OSError | UnicodeError) -> str:
    """The system's words without the address, which the caller puts first."""
    if isinstance(error, UnicodeError):
        return "not a host name"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


class _UnderTLS(SocketStream):
    """A socket whose bare end is a break: with TLS, who hangs up says goodbye first.

    An answer that ends only where the connection ends could otherwise be cut short by anyone on
    the way. Told here, because OpenSSL 3 as Python sets it up takes a bare end for a goodbye.
    """

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = await super().receive_some(max_bytes)
        if not data:
            raise trio.BrokenResourceError("the connection ended without a TLS goodbye")
        return data


def _is_tls_stale(stream: trio.SSLStream[_UnderTLS]) -> bool:
    # A second record that came with the last one sits in the stream's own buffer, unseen by
    # the socket: bytes nobody asked for, as good as a reason to hang up.
    pending = stream._incoming.pending  # pyright: ignore[reportPrivateUsage] -- no public way
    return pending > 0 or stream.transport_stream.is_readable()


async def _addresses(host: str, port: int) -> list[_Address]:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        pass
    else:
        return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]
    return _interleaved([(family, sockaddr) for family, _, _, _, sockaddr in await look_up(host, port)])


def _interleaved(addresses: list[_Address]) -> list[_Address]:
    """The families in turn, the first family first (RFC 8305 section 4)."""
    families: dict[int, list[_Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    rounds = itertools.zip_longest(*families.values())
    return [address for turn in rounds for address in turn if address is not None]


async def _race(addresses: list[_Address], connect: Callable[[_Address], Awaitable[socket.socket]]) -> socket.socket:
    """The first socket to connect; the last error if none does."""
    if len(addresses) == 1:
        return await connect(addresses[0])
    winner: socket.socket | None = None
    errors: list[OSError] = []

    async def attempt(address: _Address, failed: trio.Event) -> None:
        nonlocal winner
        try:
            sock = await connect(address)
        except OSError as error:
            errors.append(error)
            failed.set()
            return
        if winner is None:
            winner = sock
            nursery.cancel_scope.cancel()
        else:
            sock.close()

    try:
        async with open_single_nursery() as nursery:
            for address in addresses:
                failed = trio.Event()
                nursery.start_soon(attempt, address, failed)
                is_last = address is addresses[-1]
                with trio.move_on_after(math.inf if is_last else _HAPPY_EYEBALLS_DELAY):
                    await failed.wait()
    except BaseException:
        if winner is not None:
            winner.close()
        raise
    if winner is None:
        raise errors[-1] if errors else OSError("no address was found")
    return winner
