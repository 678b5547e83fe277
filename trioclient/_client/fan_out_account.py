"""The running account of a fan-out, and what it comes to: report and progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._types import further_sent
from .fan_out_call import sent_by_now
from .fan_out_report import ClientReading, FanOutProgress, FanOutReport
from .fan_out_throughput import Throughput

if TYPE_CHECKING:
    from collections.abc import Collection

    from .._engine.tally import AttemptTally
    from .._types import Sent

__all__ = ["Account"]

_ENOUGH: Final = 10


class Account:
    """The running account of a run. What was cancelled or not started is what is missing in it."""

    __slots__ = (
        "attempts",
        "began",
        "delivered",
        "done",
        "ended",
        "failed",
        "over",
        "retried",
        "retries",
        "running",
        "sent",
        "started",
        "throttled",
        "throughput",
    )

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.started = self.running = self.done = self.failed = self.delivered = 0
        self.attempts = self.retried = self.retries = self.throttled = 0
        self.sent: Sent = "no"
        """How far the calls got that were cut off."""
        self.throughput = Throughput(0.0)
        self.over = False

    def begin(self, now: float) -> None:
        self.began = now
        self.throughput = Throughput(now)

    def end(self, now: float) -> None:
        self.ended = now
        self.over = True

    def add_retries(self, tally: AttemptTally) -> None:
        """Of an item with other than one attempt, or with one that was throttled."""
        self.retried += tally.attempts > 1
        self.retries += tally.retries
        self.throttled += tally.throttled

    def cut_off(self, tally: AttemptTally) -> None:
        """An item's call was."""
        self.sent = further_sent(self.sent, sent_by_now(tally))

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

    def progress(
        self,
        *,
        now: float,
        seen: int,
        total: int | None,
        tallies: Collection[AttemptTally],
        client: ClientReading,
        waiting_for_rate: bool,
    ) -> FanOutProgress:
        """As it stands at the instant `now`; `tallies` are those of the items that run."""
        recent, seconds = self.throughput.reading(now, self.done + self.failed)
        total = None if total is None else max(total, seen)
        return FanOutProgress(
            seen=seen,
            done=self.done,
            failed=self.failed,
            running=self.running,
            total=total,
            rate=_per_second(recent, seconds),
            eta=self._eta(now, total, recent, seconds),
            throttled=self.throttled + sum(tally.throttled for tally in tallies),
            retries=self.retries + sum(tally.retries for tally in tallies),
            budget_left=client.budget_left,
            limit=client.limit,
            held_for=client.held_for,
            waiting_for_rate=waiting_for_rate,
        )

    def _eta(self, now: float, total: int | None, recent: int, seconds: float) -> float | None:
        if self.over:
            return 0.0
        if total is None:
            return None
        finished = self.done + self.failed
        # Of slow calls so few finish in ten seconds that they say little.
        rate = _per_second(recent, seconds) if recent >= _ENOUGH else _per_second(finished, now - self.began)
        return (total - finished) / rate if rate else None


def _per_second(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0.0 else 0.0
