"""Attempts counted for whoever asked to know.

A caller that wants the number of attempts, also of calls that succeed, puts an `AttemptTally`
in its context; the attempt loop adds each call and its attempts to the one it finds. Tasks that
a call starts inherit the context and so add to the same tally.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["AttemptTally", "current_tally"]


class AttemptTally:
    """Running numbers; their owner sets them back as it sees fit."""

    __slots__ = ("attempts", "calls")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.calls = 0
        self.attempts = 0

    @property
    def attempts_made(self) -> int:
        """Attempts of the calls; what made no call that is counted here stands for one attempt."""
        return self.attempts if self.calls else 1


current_tally: ContextVar[AttemptTally | None] = ContextVar("current_tally", default=None)
