"""What a server says of its quotas, and its 429s, put into a `RateMeter`.

What it says (`QuotaReading`), where it has several quotas of one kind of the tightest:

1. Its limit and window, or the longest time to a reset that was seen: that is the rate from now
   on, if it is below the one given.
2. What is left of the scarcest, less what went since that request was sent and may not be counted yet. Of a
   bucket: no more goes at once. Of a window: it is spread over the time to the reset, if that is
   slower than the rate; nothing goes until then where nothing is left.

A reading that was long under way says nothing of what is left now.

A 429 that comes without numbers stands for a rate somewhere below the last one. The first one after
a few requests says nothing of how many would have been too many, and only makes a pause. Else the
rate is set to what the server took of late, less a part; from there it climbs, as in TCP CUBIC,
steeply at first, flat near where the last 429 was, and on beyond that. A 429 that follows with
nothing taken in between lowers nothing: the window is used up, so there is a pause.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from .pace import SpentWindow

if TYPE_CHECKING:
    from .._codec.quota_headers import QuotaReading
    from .pace import Pace
    from .rate import Dimension, Rate, RateMeter

__all__ = ["LearnedRate"]

_LONGEST_WINDOW: Final = 3600.0
"""Seconds. A quota of the day is not spread over the day: only its end is waited for."""
_FRESH: Final = 0.05
"""Share of a window that a reading may be old."""
_DIMENSIONS: Final[dict[str, Dimension]] = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "tokens",
    "output_tokens": "tokens",
}
_TOO_MANY_REQUESTS: Final = 429
_FEW: Final = 10
"""So few taken in a window say nothing of how many would have been."""


class LearnedRate:
    """Of one meter, of a rate that learns. Instants are seconds on the monotonic clock of the caller."""

    def __init__(self, rate: Rate, meter: RateMeter) -> None:
        self._meter = meter
        self._given = {"requests": rate.requests, "tokens": rate.tokens}
        self._per = rate.per
        self._longest: dict[Dimension, float] = {}
        """Time to a reset that was seen."""
        requests = cast("Pace", meter.pace("requests"))  # a rate that learns has it in any case
        self._search = RateSearch(requests, rate.per, rate.requests or math.inf)

    def learn(self, now: float, sent_at: float, status: int, readings: Iterable[QuotaReading]) -> None:
        """An answer came `now` to a request that went at `sent_at`."""
        told = False
        said: dict[Dimension, list[QuotaReading]] = {}
        for reading in readings:
            said.setdefault(_DIMENSIONS[reading.counts], []).append(reading)
        for dimension, each in said.items():
            pace = self._meter.pace(dimension)
            if pace is not None:
                self._rate(pace, dimension, each)
                told |= self._left(pace, max(each, key=_scarcity), now, sent_at)
        if status != _TOO_MANY_REQUESTS:
            self._search.taken(now)
        elif not told:
            self._search.refused(now, sent_at)

    def _rate(self, pace: Pace, dimension: Dimension, readings: list[QuotaReading]) -> None:
        resets = [reading.reset for reading in readings if reading.window is None and not reading.refills]
        longest = max([self._longest.get(dimension, 1.0), *filter(None, resets)])
        if any(resets):
            self._longest[dimension] = longest
        quotas = [quota for reading in readings if (quota := _quota(reading, longest)) is not None]
        given = self._given[dimension]
        if not quotas:
            return
        if given is not None:
            quotas.insert(0, (given, self._per))
        limit, window = min(quotas, key=_per_second)
        if (limit, window) != (pace.quota, pace.per):
            pace.retune(limit, window)
            if dimension == "requests":
                self._search.most = limit * self._per / window

    def _left(self, pace: Pace, reading: QuotaReading, now: float, sent_at: float) -> bool:
        """Whether the reading says until when to wait."""
        remaining, reset = reading.remaining, reading.reset
        if remaining is None or reset is None:
            return False
        window = reading.window or max(reset, pace.per)
        if now - sent_at > _FRESH * window:
            return False
        left = remaining - pace.since(sent_at)
        if reading.refills:
            pace.lower(now, left)
        elif left < 1.0:
            pace.hold(now + reset)
        elif reset / left > pace.unit_seconds:
            pace.slow_down(reset / left, now + reset)
        return remaining < 1.0


def _quota(reading: QuotaReading, longest: float) -> tuple[float, float] | None:
    """So many in so many seconds; `longest` where the answer does not name a window, but a reset."""
    limit, window = reading.limit, reading.window
    if window is None and not reading.refills and reading.reset is not None:
        window = longest
    if limit is None or limit < 1.0 or window is None or window > _LONGEST_WINDOW:
        return None
    return limit, window


def _per_second(quota: tuple[float, float]) -> float:
    limit, window = quota
    return limit / window


def _scarcity(reading: QuotaReading) -> float:
    """Seconds to the reset for each unit that is left."""
    if reading.remaining is None or reading.reset is None:
        return -1.0
    return reading.reset / reading.remaining if reading.remaining > 0.0 else math.inf


class RateSearch:
    """The rate of a server that says nothing but 429."""

    _part: float
    """Of the ceiling that was taken off."""

    def __init__(self, pace: Pace, per: float, most: float) -> None:
        self._pace = pace
        self._per = per
        self.most = most
        """Units in `per` seconds that it climbs to, and no further."""
        self._taken = SpentWindow(per, per)
        self._ceiling = math.inf
        """Units in `per` seconds, where the last 429 was."""
        self._since = -math.inf
        self._taken_since = True

    def taken(self, now: float) -> None:
        self._taken.add(now, 1.0)
        self._taken_since = True
        if self._ceiling < math.inf:
            self._climb(now)

    def refused(self, now: float, sent_at: float) -> None:
        if sent_at <= self._since:
            return  # sent before the rate was lowered
        again = now - self._since < self._per
        self._since = now
        if not self._taken_since or (self._taken.total(now) < _FEW and not again):
            self._pace.hold(now + 0.05 * self._per)
            return
        self._taken_since = False
        ceiling = max(1.0, min(self._taken.total(now), self._pace.quota * self._per / self._pace.per))
        self._part = 0.1 if abs(ceiling - self._ceiling) < 0.1 * self._ceiling else 0.3
        self._ceiling = ceiling
        self._climb(now)

    def _climb(self, now: float) -> None:
        x = 1.0 - (now - self._since) / (5.0 * self._per)
        self._pace.retune(max(1.0, min(self.most, self._ceiling * (1.0 - self._part * x**3))), self._per)
