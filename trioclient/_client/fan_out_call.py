"""The call of one item: what it may return, and what of its failure is its own."""

from __future__ import annotations

import inspect
import sys
from types import CoroutineType
from typing import TYPE_CHECKING

import trio

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from .._engine.tally import AttemptTally
    from .._types import Sent

__all__ = ["NotAsync", "besides_cancellation", "can_be_awaited", "not_async", "sent_by_now"]


class NotAsync(TypeError):
    """A bug in how the fan-out was called, so not an outcome."""


def not_async(answer: object) -> NotAsync:
    return NotAsync(f"call must be an async function; call(item) returned {answer!r}")


def can_be_awaited(answer: object) -> bool:
    # The first test is the usual answer, and the cheap one.
    return type(answer) is CoroutineType or inspect.isawaitable(answer)


def besides_cancellation(group: BaseExceptionGroup[BaseException]) -> Exception | None:
    """What went wrong while a call was being cancelled, if that is all the group holds.

    It is the call's outcome. The cancellation is not lost: the next checkpoint raises it again.
    """
    rest = group.split(trio.Cancelled)[1]
    return rest if isinstance(rest, Exception) else None


def sent_by_now(tally: AttemptTally) -> Sent:
    """How far the calls of an item got. Where it made none through a client nobody knows."""
    return tally.sent if tally.calls else "maybe"
