"""What a fan-out hands out: one `Outcome` per item, and of the whole run its account and progress."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import msgspec

__all__ = ["ClientReading", "FanOutProgress", "FanOutReport", "FanOutStatistics", "Outcome"]

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
    """Seconds from the start of the call to its end; waiting for a rate of the fan-out comes before."""

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


class FanOutProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is, how fast, and what slows it; `str()` says it in one line."""

    seen: int
    """Items pulled from the input."""
    done: int
    """Items whose call returned a value."""
    failed: int
    """Items whose call raised, or took longer than its own deadline."""
    running: int
    """Items whose call is going on, back-offs of a client included; not one that waits for the
    fan-out's own rate.
    """
    total: int | None
    """Items there will be: ``total=``, or the length of the input where it has one. At least `seen`."""
    rate: float
    """Items finished per second: the mean of the last ten seconds and the current one, or since the start."""
    eta: float | None
    """Seconds until all have finished, at `rate`, or at the mean since the start where fewer than ten
    have finished of late. 0 at the end; None where the total or the rate is not known.
    """
    throttled: int
    """Answers 429 to calls that have ended, those included whose retry went well."""
    retries: int
    """Attempts of ended calls beyond the first of each."""
    budget_left: float | None
    """Of the client's retry budget; None without one, or without a client."""
    limit: float | None
    """Attempts at once that the client allows now; None while it does not limit them."""
    held_for: float
    """Seconds until the server lets calls in again; 0 where it has not asked the client to wait."""
    waiting_for_rate: bool
    """Whether the next item has been pulled and waits for the fan-out's own rate."""

    def __str__(self) -> str:
        finished = f"{self.done + self.failed:,}" + ("" if self.total is None else f" of {self.total:,}")
        parts = (
            f"{finished} finished",
            f"{self.failed:,} failed" if self.failed else "",
            f"{self.running:,} running" if self.running else "",
            f"{self.rate:,.1f} per second",
            f"{_hours(self.eta)} left" if self.eta else "",
            f"{self.throttled:,} throttled" if self.throttled else "",
            f"{self.retries:,} retries" if self.retries else "",
            f"held for {self.held_for:.1f} s" if self.held_for else "",
            "waiting for the rate" if self.waiting_for_rate else "",
        )
        return ", ".join(filter(None, parts))


def _hours(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"


class ClientReading(NamedTuple):
    """What a client has to tell about a run's progress."""

    budget_left: float | None = None
    limit: float | None = None
    held_for: float = 0.0
