"""What the async measurements need of an event loop, for trio and for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import trio

Worker = Callable[[], Awaitable[object]]


class Loop(Protocol):
    """One of the classes below."""

    def run(self, main: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        """`main(self, *args, **options)`, from start to end."""

    async def together(self, workers: Iterable[Worker]) -> None:
        """Run all; the first failure ends it."""

    async def cancelled(self, workers: Sequence[Worker], ready: Callable[[], bool]) -> float:
        """Start all, cancel all once they are `ready`; seconds from there until the last is back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let others run."""


class Trio:
    def run(self, main: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        async def entry() -> Any:
            return await main(self, *args, **options)

        return trio.run(entry)

    async def together(self, workers: Iterable[Worker]) -> None:
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(worker)

    async def cancelled(self, workers: Sequence[Worker], ready: Callable[[], bool]) -> float:
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(worker)
            while not ready():  # noqa: ASYNC110 - it is the far end that is asked
                await trio.sleep(0.02)
            start = time.perf_counter()
            nursery.cancel_scope.cancel()
        return time.perf_counter() - start

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class Asyncio:
    def run(self, main: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        with contextlib.closing(self.new_loop()) as loop:
            return loop.run_until_complete(main(self, *args, **options))

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    async def together(self, workers: Iterable[Worker]) -> None:
        await asyncio.gather(*(worker() for worker in workers))

    async def cancelled(self, workers: Sequence[Worker], ready: Callable[[], bool]) -> float:
        tasks = [asyncio.ensure_future(worker()) for worker in workers]
        while not ready():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
        start = time.perf_counter()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return time.perf_counter() - start

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Uvloop(Asyncio):
    def new_loop(self) -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()


class Thread:
    """No loop: async functions that never wait, for measurements that both kinds of client share."""

    def run(self, main: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        try:
            main(self, *args, **options).__await__().__next__()
        except StopIteration as finished:
            return finished.value
        raise RuntimeError("it waited, without a loop")
