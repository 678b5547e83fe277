"""Attempts counted for whoever asked to know.

A caller that wants the number of attempts, also of calls that succeed, puts an `AttemptTally`
in its context; the attempt loop adds the attempts of each call to the one it finds. Tasks that
a call starts inherit the context and so add to the same tally.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["AttemptTally", "current_tally"]


class AttemptTally:
    """A running number of attempts; its owner sets it back to 0 as it sees fit."""

    __slots__ = ("attempts",)

    def __init__(self) -> None:
        self.attempts = 0


current_tally: ContextVar[AttemptTally | None] = ContextVar("current_tally", default=None)
