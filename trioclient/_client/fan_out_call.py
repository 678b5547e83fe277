"""The call of one item: what it may return, and what of its failure is its own."""

from __future__ import annotations

import inspect
import sys
from types import CoroutineType

import trio

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

__all__ = ["NotAsync", "besides_cancellation", "can_be_awaited"]


class NotAsync(TypeError):
    """A bug in how the fan-out was called, so not an outcome."""


def can_be_awaited(answer: object) -> bool:
    # The first test is the usual answer, and the cheap one.
    return type(answer) is CoroutineType or inspect.isawaitable(answer)


def besides_cancellation(group: BaseExceptionGroup[BaseException]) -> Exception | None:
    """What went wrong while a call was being cancelled, if that is all the group holds.

    It is the call's outcome. The cancellation is not lost: the next checkpoint raises it again.
    """
    rest = group.split(trio.Cancelled)[1]
    return rest if isinstance(rest, Exception) else None
