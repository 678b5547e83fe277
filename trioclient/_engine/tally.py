"""What the calls of a task came to, counted for whoever asked to know.

A caller that wants to know this also of calls that succeed, or that it cuts off, puts an
`AttemptTally` in its context; the attempt loop adds each call to the one it finds when the call
ends, however it ends. Tasks that a call starts inherit the context and so add to the same tally.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from .._types import further_sent

if TYPE_CHECKING:
    from .._types import Sent

__all__ = ["AttemptTally", "current_tally"]


class AttemptTally:
    """Running numbers; their owner sets them back as it sees fit."""

    __slots__ = ("attempts", "calls", "retries", "sent", "throttled")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.calls = 0
        self.attempts = 0
        self.retries = 0
        self.throttled = 0
        """Answers 429."""
        self.sent: Sent = "no"
        """Of the attempt that got furthest."""

    def add(self, *, attempts: int, retries: int, throttled: int, sent: Sent) -> None:
        """One more call has ended."""
        self.calls += 1
        self.attempts += attempts
        self.retries += retries
        self.throttled += throttled
        self.sent = further_sent(self.sent, sent)

    @property
    def attempts_made(self) -> int:
        """Attempts of the calls; what made no call that is counted here stands for one attempt."""
        return self.attempts if self.calls else 1


current_tally: ContextVar[AttemptTally | None] = ContextVar("current_tally", default=None)
