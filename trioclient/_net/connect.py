"""From an origin to a connected stream: name look-up, happy eyeballs, TLS.

Addresses are tried in the order RFC 8305 gives them: the families in turn, a new attempt
whenever the last one failed or 250 ms have passed, the first to connect wins. This is done here
and not by ``trio.open_tcp_stream`` because that looks names up in trio's default thread limiter,
which every other thread job of the program shares, and cannot set socket options before the
connection is made.

Whatever is interrupted closes its socket before the exception leaves.
"""

from __future__ import annotations

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
from .single_nursery import open_single_nursery
from .socket_options import KEEPALIVE_OPTIONS

if TYPE_CHECKING:
    from .._codec.url import Target

__all__ = ["Connect", "Connector", "Link"]

_HAPPY_EYEBALLS_DELAY = 0.25  # seconds, RFC 8305 section 5
_LOOKUP_THREADS = 16

_SockAddr = Union[tuple[Any, ...], str]
_Address = tuple[int, _SockAddr]  # family, address


class Link(NamedTuple):
    """A connected stream and what can be done with it without waiting."""

    stream: trio.abc.Stream
    close: Callable[[], None]
    """At once, without a TLS goodbye."""
    is_stale: Callable[[], bool]
    """Asked while idle: is there anything to read? Be it a goodbye or bytes nobody asked for."""
    abandon: Callable[[], None]
    """Close from outside the trio run it belongs to: after that run, or in a forked child."""


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
        self._socket_options = socket_options

    async def __call__(self, target: Target) -> Link:
        """Connect. Raises ConnectFault."""
        try:
            sock = await self._open_socket(target)
        except (OSError, UnicodeError) as error:  # the latter for a name with an empty or endless label
            raise ConnectFault(f"could not connect to {target.host_header}: {_reason(error)}") from error
        tcp = trio.SocketStream(sock)
        if target.scheme == "http":
            return Link(tcp, sock.close, sock.is_readable, functools.partial(_abandon, sock))
        return await self._start_tls(target, tcp)

    async def _open_socket(self, target: Target) -> trio.socket.SocketType:
        if self._uds is not None:
            return await self._connect_one((socket.AF_UNIX, self._uds))
        return await _race(await _look_up(target.host, target.port), self._connect_one)

    async def _connect_one(self, address: _Address) -> trio.socket.SocketType:
        family, sockaddr = address
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            if family != getattr(socket, "AF_UNIX", None):
                for option in self._socket_options:
                    sock.setsockopt(*option)
            await sock.connect(sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _start_tls(self, target: Target, tcp: trio.SocketStream) -> Link:
        sock = tcp.socket
        try:
            # Strict about the goodbye (not https_compatible): an answer that ends only where
            # the connection ends could otherwise be cut short by anyone on the way.
            stream = trio.SSLStream(tcp, self._ssl_context(), server_hostname=target.host)
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            sock.close()
            cause = error.__cause__
            reason = _reason(cause) if isinstance(cause, OSError) else "the connection broke"
            raise ConnectFault(f"no TLS connection to {target.host_header}: {reason}") from error
        except BaseException:
            sock.close()
            raise
        if stream.selected_alpn_protocol() not in (None, "http/1.1"):
            sock.close()
            raise ConnectFault(f"{target.host_header} chose {stream.selected_alpn_protocol()!r} over http/1.1")
        is_stale = functools.partial(_is_tls_stale, stream, sock)
        return Link(stream, sock.close, is_stale, functools.partial(_abandon, sock))


def _reason(error: OSError | UnicodeError) -> str:
    """The system's words without the address, which the caller puts first."""
    if isinstance(error, UnicodeError):
        return "not a host name"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _is_tls_stale(stream: trio.SSLStream[trio.SocketStream], sock: trio.socket.SocketType) -> bool:
    # A second record that came with the last one sits in the stream's own buffer, unseen by
    # the socket: bytes nobody asked for, as good as a reason to hang up.
    return sock.is_readable() or stream._incoming.pending > 0  # pyright: ignore[reportPrivateUsage] -- no public way


def _abandon(sock: trio.socket.SocketType) -> None:
    # Not sock.close(): it would tell the event loop, which is gone, or is the parent's.
    fileno = sock.detach()
    if fileno >= 0:
        os.close(fileno) if os.name == "posix" else socket.close(fileno)


async def _look_up(host: str, port: int) -> list[_Address]:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        pass
    else:
        return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]
    found = await trio.to_thread.run_sync(
        functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM),
        abandon_on_cancel=True,
        limiter=_lookup_limiter(),
    )
    return _interleaved([(family, sockaddr) for family, _, _, _, sockaddr in found])


_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("trioclient_lookup_limiter")


def _lookup_limiter() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(_LOOKUP_THREADS)
        _limiter.set(limiter)
        return limiter


def _interleaved(addresses: list[_Address]) -> list[_Address]:
    """The families in turn, the first family first (RFC 8305 section 4)."""
    families: dict[int, list[_Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    rounds = itertools.zip_longest(*families.values())
    return [address for turn in rounds for address in turn if address is not None]


async def _race(
    addresses: list[_Address], connect: Callable[[_Address], Awaitable[trio.socket.SocketType]]
) -> trio.socket.SocketType:
    """The first socket to connect; the last error if none does."""
    if len(addresses) == 1:
        return await connect(addresses[0])
    winner: trio.socket.SocketType | None = None
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
