"""When an answer takes so long that a second copy of the request is worth sending.

The delay is fixed, or a percentile of how long the last answers took: with the 95th, one call in
twenty sends a second copy (Dean and Barroso, "The Tail at Scale", 2013).

What is learned from. The seconds from the start of the first copy to the answer that won: all of
it, or the head of a stream. Cancelled copies would be missing from any other account; here they do
no harm, because a second copy that wins was sent after the delay: its answer counts as later than
the delay, as the first copy's was.

How it is kept. A histogram of 16 classes to the octave, from a microsecond to four and a half
hours, in which an answer counts half as much after 128 more. So

- the delay is the percentile rounded up, by less than 4.5 %, so never below it;
- answers that take longer than before move the 95th percentile within some 20 answers; ones that
  take less time, which shows only when the old tail has faded, within some 600;
- the share of calls that outlast the delay is ``1 - percentile`` give or take 3 percentage points
  (at the 95th, nineteen times out of twenty), less what the rounding takes.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
from msgspec.structs import force_setattr

from .._types import checked_int, checked_seconds
from .share import checked_share

__all__ = ["Hedge", "HedgeDelay"]

_PER_OCTAVE: Final = 16
_LOWEST: Final = -20 * _PER_OCTAVE
"""The class that begins at 2**-20 seconds; the first one, which also holds what took less."""
_CLASSES: Final = 34 * _PER_OCTAVE
"""The last one ends at 2**14 seconds, and also holds what took more."""
_HALF_LIFE: Final = 128
"""Answers after which one counts half as much."""
_RESCALE_AFTER: Final = 32
"""Half-lives after which all counts are written down; until then the newer ones count more."""
_FRESH_FOR: Final = 8
"""Answers for which a delay that was looked up stays good."""


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """When a second copy of a request is sent. Raises TypeError or ValueError naming the field."""

    after: float | None = None
    """Seconds without an answer; None learns them from the answers before."""
    percentile: float = 0.95
    """If they are learned: the share of answers, between 0 and 1, that come sooner."""
    least: int = 20
    """If they are learned: from so many answers on. There is no second copy before."""
    at_most: float | None = None
    """If they are learned: never more than so many seconds. None sets no bound."""

    def __post_init__(self) -> None:
        for name in ("after", "at_most"):
            value = getattr(self, name)
            if value is not None:
                force_setattr(self, name, checked_seconds(value, f"hedge.{name}"))
        checked_share(self.percentile, "hedge.percentile")
        checked_int(self.least, "hedge.least", 1)


class HedgeDelay:
    """The delay for the calls that share a server, where it is learned."""

    __slots__ = ("_age", "_answers", "_counts", "_delay", "_fresh_until", "_hedge", "_total")

    _delay: float
    """As it was looked up last."""

    def __init__(self, hedge: Hedge) -> None:
        self._hedge = hedge
        self._answers = 0
        self._counts = [0.0] * _CLASSES
        self._total = 0.0
        self._age = 0
        """Answers since the counts were last written down."""
        self._fresh_until = 0
        """The number of answers from which on the delay is looked up again."""

    def record(self, seconds: float) -> None:
        """An answer has begun, so many seconds after the first copy was sent."""
        weight = 2.0 ** (self._age / _HALF_LIFE)
        self._counts[_class_of(seconds)] += weight
        self._total += weight
        self._answers += 1
        self._age += 1
        if self._age == _RESCALE_AFTER * _HALF_LIFE:
            self._age = 0
            scale = 2.0**-_RESCALE_AFTER
            self._counts = [count * scale for count in self._counts]
            self._total *= scale

    def delay(self) -> float | None:
        """Seconds; None while too few answers have been seen."""
        hedge = self._hedge
        if self._answers < hedge.least:
            return None
        if self._answers >= self._fresh_until:
            self._delay = min(self._percentile(), math.inf if hedge.at_most is None else hedge.at_most)
            self._fresh_until = self._answers + _FRESH_FOR
        return self._delay

    def _percentile(self) -> float:
        """The upper end of the class that it falls into."""
        # From above, where the way is short.
        later, most_later = 0.0, (1.0 - self._hedge.percentile) * self._total
        number = _CLASSES
        while later <= most_later and number > 0:
            number -= 1
            later += self._counts[number]
        return _end_of(number)


def _class_of(seconds: float) -> int:
    if seconds <= 0.0:
        return 0
    number = math.floor(math.log2(seconds) * _PER_OCTAVE) - _LOWEST
    return min(max(number, 0), _CLASSES - 1)


def _end_of(number: int) -> float:
    return 2.0 ** ((number + 1 + _LOWEST) / _PER_OCTAVE)
