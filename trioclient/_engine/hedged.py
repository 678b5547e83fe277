"""Two copies of one request: the first good answer counts, and nothing of the other is left.

    copy 0 ────────────────┬───────────────────► good: copy 1 is cancelled and awaited
                         delay
                           └─ allowed? copy 1 ─► good: copy 0 is cancelled and awaited

- A first copy that ends within the delay is the only one.
- One that ends badly while the other runs says nothing yet: the other may do better. If both end
  badly, it is the first copy's result that counts.
- Every result is returned or discarded: a loser may end with one all the same, in the same tick or
  while it is being cancelled.
- What a copy raises, a bug or `Cancelled` from outside, comes out bare, when both copies are over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec
import trio

from .._net.single_nursery import open_single_nursery

__all__ = ["Race", "race"]

R = TypeVar("R")

_DISCARD_WITHIN: Final = 1.0
"""Seconds, cancelled or not."""


class Race(msgspec.Struct, Generic[R], frozen=True):
    """What came of it."""

    result: R
    winner: int
    """The copy whose result it is, 0 or 1."""
    copies: int
    """How many were begun, 1 or 2."""


async def race(
    copy: Callable[[int], Awaitable[R]],
    *,
    delay: float,
    allow: Callable[[], bool],
    good: Callable[[R], bool],
    discard: Callable[[R], Awaitable[object]],
) -> Race[R]:
    """Run ``copy(0)``, in this task, and ``copy(1)`` beside it if that takes longer than `delay` seconds.

    `allow` is asked once, when the second copy is about to begin, and may spend what it costs.
    `discard` gets a result that nobody will see. It is shielded from cancellation, for a second.
    """
    results: dict[int, R] = {}
    winner = 0
    copies = 1

    async def run(number: int) -> None:
        nonlocal winner
        result = results[number] = await copy(number)
        if nursery.cancel_scope.cancel_called:
            return  # too late
        if good(result):
            winner = number
        elif len(results) < copies:
            return
        nursery.cancel_scope.cancel()

    async def run_second() -> None:
        nonlocal copies
        await trio.sleep(delay)
        if not results and allow():
            copies = 2
            await run(1)

    try:
        async with open_single_nursery() as nursery:
            nursery.start_soon(run_second)
            await run(0)
        loser = 1 - winner
        if loser in results:
            await _discard(discard, results.pop(loser))
    except BaseException:
        for result in results.values():
            await _discard(discard, result)
        raise
    return Race(results[winner], winner, copies)


async def _discard(discard: Callable[[R], Awaitable[object]], result: R) -> None:
    with trio.CancelScope(deadline=trio.current_time() + _DISCARD_WITHIN, shield=True):
        await discard(result)
