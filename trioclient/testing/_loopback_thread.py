"""The loopback server for blocking code: in a thread and a trio run of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType

import trio

from .._types import checked_seconds
from ._server import Server

__all__ = ["BlockingLoopbackServer"]


class BlockingLoopbackServer(Server):
    """A `LoopbackServer` in a thread of its own; made by `LoopbackServer.in_thread`.

        with LoopbackServer.in_thread() as server:
            server.route("GET", "/items", reply(json=[1, 2]))
            with SyncAPIClient(base_url=server.url) as client:
                assert client.get("/items", cast_to=list[int]) == [1, 2]

    Scripted functions run in the server's thread.
    """

    def __enter__(self) -> BlockingLoopbackServer:
        started: Future[trio.lowlevel.TrioToken] = Future()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(started,), name="loopback server", daemon=True)
        self._thread.start()
        self._token = started.result()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._scope.cancel)
        self._thread.join()
        if exc is None or isinstance(exc, Exception):
            self._raise_first_error()
            if self._failure is not None:
                raise self._failure

    def wait_requests(self, n: int, timeout: float = 10.0) -> None:
        """Until `n` requests were received in all, bodies included. Raises TimeoutError after `timeout` seconds."""
        self._wait(lambda: self._ledger.received >= n, timeout)

    def wait_idle(self, timeout: float = 10.0) -> None:
        """Until no request is in flight. Raises TimeoutError after `timeout` seconds."""
        self._wait(lambda: self._ledger.in_flight == 0, timeout)

    def wait_connections_closed(self, n: int | None = None, timeout: float = 10.0) -> None:
        """Until `n` connections were closed in all; by default, until none is open.

        Raises TimeoutError after `timeout` seconds.
        """
        self._wait(self._closed_reached(n), timeout)

    def close_idle_connections(self) -> None:
        """Close, as a server tired of waiting does, every connection on which no request is in flight."""
        trio.from_thread.run_sync(self._close_idle, trio_token=self._token)

    def _run(self, started: Future[trio.lowlevel.TrioToken]) -> None:
        try:
            trio.run(self._main, started)
        except BaseException as error:
            if started.done():
                self._failure = error
            else:
                started.set_exception(error)

    async def _main(self, started: Future[trio.lowlevel.TrioToken]) -> None:
        listener = await self._listen()
        with trio.CancelScope() as self._scope:
            async with trio.open_nursery() as nursery:
                started.set_result(trio.lowlevel.current_trio_token())
                await self._accept(listener, nursery)
        self._ledger.stop()

    def _wait(self, reached: Callable[[], bool], timeout: float) -> None:
        checked_seconds(timeout, "timeout")

        async def wait() -> bool:
            with trio.move_on_after(timeout):
                await self._ledger.wait(reached)
            return reached()

        if not reached() and not trio.from_thread.run(wait, trio_token=self._token):
            raise TimeoutError(f"not reached within {timeout} s: {self!r}")
