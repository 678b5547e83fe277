"""What a fan-out hands out: one `Outcome` per item, and the account of the whole run."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

__all__ = ["Account", "FanOutReport", "FanOutStatistics", "Outcome"]

Item = TypeVar("Item")
Value = TypeVar("Value")


# A Struct, because a million of these are made: a third of a NamedTuple's cost.
class Outcome(msgspec.Struct, Generic[Item, Value], frozen=True):
    """What came of one item. Cannot be changed."""

    index: int
    """The item's place in the input, from 0."""
    item: Item
    value: Value | None
    """What the call returned; None where it failed. See `unwrap`."""
    error: Exception | None
    """What the call raised; None where it succeeded."""
    attempts: int
    """Made by the client's calls for this item, or 1 where the call made none through a client."""
    elapsed: float
    """Seconds from the start of the call to its end."""

    @property
    def ok(self) -> bool:
        """True where there is a value."""
        return self.error is None

    def unwrap(self) -> Value:
        """The value; raises the error where there is one."""
        if self.error is not None:
            raise self.error
        # Not None by mistake: without an error `value` is whatever the call returned.
        return self.value  # type: ignore[return-value]


class FanOutReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account of a run. At its end ``done + failed + cancelled + not_started == seen``."""

    seen: int
    """Items pulled from the input."""
    done: int
    """Items whose call returned a value."""
    failed: int
    """Items whose call raised, or took longer than its own deadline."""
    cancelled: int
    """Items whose call was begun and cut off, by cancellation or what ended the run; they have no outcome."""
    not_started: int
    """Items pulled whose call was not begun; they have no outcome."""
    running: int
    """Items whose call is going on; 0 at the end."""
    delivered: int
    """Outcomes handed to the caller."""
    attempts: int
    """Of all items together."""
    retried: int
    """Items that took more than one attempt."""
    elapsed: float
    """Seconds from entering the ``async with`` to the end of the run, or until now."""


class FanOutStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A look into a run as it goes, for tuning and debugging."""

    running: int
    """Calls going on; never more than `max_at_once`."""
    waiting: int
    """Outcomes that the caller has yet to take."""
    workers: int
    """Worker tasks alive, at work or parked; never more than `max_at_once`."""
    room: int
    """Items that may be pulled before the caller must take an outcome."""


class Account:
    """The running account of a run. What was cancelled or not started is what is missing in it."""

    __slots__ = ("attempts", "began", "delivered", "done", "ended", "failed", "retried", "running", "started")

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.started = self.running = self.done = self.failed = self.delivered = 0
        self.attempts = self.retried = 0

    def report(self, *, seen: int, now: float) -> FanOutReport:
        """As it stands at the instant `now`."""
        return FanOutReport(
            seen=seen,
            done=self.done,
            failed=self.failed,
            cancelled=self.started - self.done - self.failed - self.running,
            not_started=seen - self.started,
            running=self.running,
            delivered=self.delivered,
            attempts=self.attempts,
            retried=self.retried,
            elapsed=now - self.began,
        )
