"""A connected socket as a trio stream, with two shortcuts that trio's own does not have.

`send_now` sends what goes without waiting, which for a request is all of it: no turn of the
event loop is spent on a socket that takes the bytes at once. And receiving does not begin with a
read, since after a request there is nothing to read yet. It waits until there is, or lets other
tasks have their turn and reads then: `Foresight` says which is likely to be cheaper. After a read
that filled its buffer more is likely to be there.

Apart from these it keeps trio's contract for streams.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import select
import socket
import struct
import sys
from collections.abc import Callable, Generator

import trio

__all__ = ["Foresight", "SocketStream"]

_RECEIVE_BYTES = 65_536
_CLOSED = "this stream was already closed"
_MOST_CONFIDENCE = 8
_TRIED_EVERY = 64
_SO_NWRITE = 0x1024  # macOS; Python has no name for it


class Foresight:
    """Guesses whether a turn of the event loop is long enough for an answer to come.

    It is where so many tasks take theirs; to ask the system for readiness then costs more than the
    turn. It learns from what came of its guesses, and where it has no confidence left it tries now
    and then. The streams of a transport share one.
    """

    __slots__ = ("_confidence", "_until_tried")

    def __init__(self) -> None:
        self._confidence = 0
        self._until_tried = _TRIED_EVERY

    def guess(self) -> bool:
        """Whether to try it now."""
        if self._confidence:
            return True
        self._until_tried -= 1
        return self._until_tried <= 0

    def learn(self, right: bool) -> None:
        """A guess that it is long enough was right or wrong."""
        self._confidence = min(self._confidence + 1, _MOST_CONFIDENCE) if right else max(self._confidence - 1, 0)
        self._until_tried = _TRIED_EVERY


class SocketStream(trio.abc.Stream):
    """Owns `sock`, which is connected and does not block."""

    def __init__(self, sock: socket.socket, foresight: Foresight | None = None) -> None:
        self.socket = sock
        self._foresight = Foresight() if foresight is None else foresight
        self.is_readable = _readiness(sock)
        """Whether `receive_some` would find something: bytes, an end or an error."""
        self._sending = False
        self._given = 0
        self._more_is_likely = False

    def taken(self) -> int:
        """Of the bytes given to `send_all`, those that the other side's system has, where this one tells;
        else those that this one has.
        """
        return self._given - _queued(self.socket)

    def send_now(self, data: bytes) -> int:
        """Send as much as goes without waiting; say how many bytes that was.

        Raises trio.BrokenResourceError or trio.ClosedResourceError.
        """
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _translated(error) from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See ``trio.abc.SendStream.send_all``."""
        with self._only_sender():
            await trio.lowlevel.checkpoint()
            with memoryview(data) as view:
                sent = 0
                while sent < len(view):
                    with view[sent:] as rest:
                        sent_now = self.send_now(rest)  # pyright: ignore[reportArgumentType] -- any buffer will do
                    if not sent_now:
                        await trio.lowlevel.wait_writable(self.socket)
                    sent += sent_now
                    self._given += sent_now

    async def wait_send_all_might_not_block(self) -> None:
        """See ``trio.abc.SendStream.wait_send_all_might_not_block``."""
        with self._only_sender():
            await trio.lowlevel.wait_writable(self.socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See ``trio.abc.ReceiveStream.receive_some``."""
        size = _RECEIVE_BYTES if max_bytes is None else max_bytes
        if size < 1:
            raise ValueError("max_bytes must be 1 or more")
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError(_CLOSED)
        data: bytes | None = None
        if self._more_is_likely:
            await trio.lowlevel.checkpoint()
            data = self._receive_now(size)
        elif self._foresight.guess():
            await trio.lowlevel.checkpoint()
            data = self._receive_now(size)
            self._foresight.learn(data is not None)
        while data is None:
            await trio.lowlevel.wait_readable(self.socket)
            data = self._receive_now(size)
        self._more_is_likely = len(data) == size
        return data

    def _receive_now(self, size: int) -> bytes | None:
        """What is there; None where nothing is."""
        try:
            return self.socket.recv(size)
        except BlockingIOError:
            return None
        except OSError as error:
            raise _translated(error) from error

    def close(self) -> None:
        """At once. What waits on the socket raises trio.ClosedResourceError."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    async def aclose(self) -> None:
        """See ``trio.abc.AsyncResource.aclose``."""
        self.close()
        await trio.lowlevel.checkpoint()

    @contextlib.contextmanager
    def _only_sender(self) -> Generator[None, None, None]:
        if self._sending:
            raise trio.BusyResourceError("another task is already sending")
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError(_CLOSED)
        self._sending = True
        try:
            yield
        finally:
            self._sending = False


def _readiness(sock: socket.socket) -> Callable[[], bool]:
    if sys.platform == "win32":  # has no poll()
        return functools.partial(_finds_something, sock)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    # Costs a third of the exception that a look into an empty socket raises.
    return lambda: bool(poll.poll(0))


def _queued(sock: socket.socket) -> int:
    """Bytes on their way that the other side has not said it has; 0 where the system does not tell."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return 0
    try:
        if sys.platform == "linux":
            import fcntl
            import termios

            return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
        if sys.platform == "darwin":
            return sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
    except (OSError, ValueError):  # closed, or not what it was tried with
        pass
    return 0


def _finds_something(sock: socket.socket) -> bool:
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _translated(error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
    if error.errno in (errno.EBADF, errno.ENOTSOCK):
        return trio.ClosedResourceError(_CLOSED)
    return trio.BrokenResourceError(f"socket connection broken: {error}")
