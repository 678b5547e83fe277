"""One exception in place of a group, and a nursery that fails that way.

A single call may use a nursery inside, but its caller must not notice: `Cancelled` and
`KeyboardInterrupt` come out bare.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator, Generator
from typing import cast

import trio

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

__all__ = ["open_single_nursery", "ungrouped"]


@contextlib.asynccontextmanager
async def open_single_nursery() -> AsyncGenerator[trio.Nursery, None]:
    """Like ``trio.open_nursery``, but of several exceptions the gravest is raised alone."""
    with ungrouped():
        async with trio.open_nursery() as nursery:
            yield nursery


@contextlib.contextmanager
def ungrouped() -> Generator[None, None, None]:
    """Of a group that leaves the block, raise the gravest exception alone."""
    try:
        yield
    except BaseExceptionGroup as group:
        gravest = min(_leaves(group), key=_gravity)
        # With its own cause, if it has one; the group around it is of no interest.
        raise gravest from gravest.__cause__


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            leaves += _leaves(cast("BaseExceptionGroup[BaseException]", error))
        else:
            leaves.append(error)
    return leaves


def _gravity(error: BaseException) -> int:
    if isinstance(error, trio.Cancelled):
        return 2
    return 1 if isinstance(error, Exception) else 0
