"""One quota kept: so many units in each `per` seconds, spread over them.

Two rules, with T = per / (quota * share) seconds to a unit; a demand of n units goes when both
let it.

The pace (GCRA, ITU-T I.371, the token bucket written down as one instant). `due` is when all
that went has been paid for at a unit per T. With tolerance = max(burst * per, n * T) a demand has

    due' = max(due, now - tolerance) + n * T

and goes when due' <= now. So units have accrued before they are spent, and an idle pace lets one
demand go at once, however large. Over any time d it lets fewer than d / T + max(burst * per / T, n)
units go, n being the first demand in it.

The window. That bound is above the quota where a demand is a large part of it: with a quota of
100, demands of 60 go 37 s apart, and a server that counts by the minute turns away the second.
So no more than the quota goes in any half-open window of per / share seconds, which in the long
run allows just what the pace does. A server that itself fills a token bucket would take them:
for it `burst` is set so high that share * (1 + burst) is over 1, and the pace is all there is.

A demand that turns out smaller than it was thought (`correct`) makes room under both rules. In
the pace the room is kept as `credit`, which is not lost as the time of an idle pace is: else
large estimates would leave most of a quota unused. It lasts for as long as the window.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

__all__ = ["Pace", "Slot", "SpentWindow"]

_SLOTS: Final = 256
"""Parts of a window that are told apart: what goes within one of them is counted as its last."""
_ROUNDING: Final = 1e-9
"""Share of a quota that sums of floats may be off."""


class Slot:
    """What went within one part of a window."""

    __slots__ = ("began", "last", "units")

    def __init__(self, now: float, units: float) -> None:
        self.began = now
        self.last = now
        self.units = units


class SpentWindow:
    """What went in the last `span` seconds, give or take one slot. Memory is bounded by the slots."""

    __slots__ = ("_grain", "_slots", "_total", "span")

    def __init__(self, span: float, at_least: float) -> None:
        self.resize(span, at_least)
        self._slots: deque[Slot] = deque()
        self._total = 0.0

    def total(self, now: float) -> float:
        slots, span = self._slots, self.span
        while slots and slots[0].last + span <= now:
            self._total -= slots.popleft().units
            if not slots:
                self._total = 0.0  # rounding ends here
        return self._total

    def add(self, now: float, units: float) -> Slot:
        self._total += units
        slots = self._slots
        if slots and now - slots[-1].began < self._grain:
            slot = slots[-1]
            slot.last = now
            slot.units += units
        else:
            slot = Slot(now, units)
            slots.append(slot)
        return slot

    def correct(self, now: float, slot: Slot, units: float) -> None:
        """Count `units` more (or fewer) where they went; no matter where that is forgotten."""
        if slot.last + self.span > now:
            slot.units += units
            self._total += units

    def since(self, instant: float) -> float:
        """What went at or after `instant`; slots count whole."""
        units = 0.0
        for slot in reversed(self._slots):
            if slot.last < instant:
                break
            units += slot.units
        return units

    def resize(self, span: float, at_least: float) -> None:
        """From now on so long a window; what is forgotten already stays so."""
        self._grain = span / _SLOTS
        self.span = max(at_least, span - self._grain)
        """Seconds after the last of a slot until all of it is forgotten."""

    def fits_at(self, now: float, units: float, quota: float) -> float:
        """The instant from which `units` more stay within the quota: `now`, or a later one."""
        excess = self.total(now) + units - quota
        if excess <= quota * _ROUNDING:
            return now
        for slot in self._slots:
            excess -= slot.units
            if excess <= quota * _ROUNDING:
                return slot.last + self.span
        return now  # more than the quota: nobody asks that


class Pace:
    """One quota. Instants are seconds on the monotonic clock of the caller."""

    __slots__ = (
        "_burst",
        "_credit",
        "_held_until",
        "_share",
        "_slow_seconds",
        "_slow_until",
        "_spent",
        "_strict",
        "_tolerance",
        "due",
        "per",
        "quota",
        "unit_seconds",
    )

    _slow_seconds: float
    """Between two units until `_slow_until`, if that is more."""

    def __init__(self, quota: float, *, per: float, burst: float, share: float) -> None:
        self._burst = burst
        self._share = share
        self._strict = share * (1.0 + burst) <= 1.0
        self._spent = SpentWindow(per / share, per)
        self.retune(quota, per)
        self.due = -math.inf
        """When all that went has been paid for."""
        self._credit = 0.0
        """Seconds of pay given back and not used yet."""
        self._held_until = -math.inf
        self._slow_until = -math.inf

    def retune(self, quota: float, per: float) -> None:
        """From now on so many units in `per` seconds; ``inf`` for no bound."""
        self.quota = quota
        self.per = per
        self.unit_seconds = per / (quota * self._share)
        """Between two units, as they are paid for."""
        self._tolerance = self._burst * per
        self._spent.resize(per / self._share, per)

    def ready_at(self, now: float, units: float, queued: float) -> float:
        """When a demand may go, with `queued` units ahead of it: `now`, or a later instant."""
        if queued:
            # An estimate by the pace alone: the window moves on with the queue.
            paid = max(self._held_until, self._paid_until(now, 0.0))
            return max(now, paid + (queued + units) * self.unit_seconds)
        ready = max(now, self._held_until, self.due + units * self.unit_seconds)
        if now < self._slow_until:
            ready = max(ready, min(self._slow_until, self.due + units * self._slow_seconds))
        return max(ready, self._spent.fits_at(now, units, self.quota)) if self._strict else ready

    def take(self, now: float, units: float) -> Slot:
        cost = units * (max(self.unit_seconds, self._slow_seconds) if now < self._slow_until else self.unit_seconds)
        if not self._spent.total(now):
            self._credit = 0.0
        if cost:
            self.due = self._paid_until(now, cost) + cost
            self._credit = max(0.0, min(self._credit, now - self._tolerance - self.due))
        return self._spent.add(now, units)

    def correct(self, now: float, slot: Slot, units: float) -> None:
        """What went in `slot` turns out to be `units` more (or fewer), as if that had been known."""
        cost = units * self.unit_seconds
        self.due += cost
        self._credit = max(0.0, self._credit - cost)
        self._spent.correct(now, slot, units)

    def since(self, instant: float) -> float:
        """Units that went at or after an instant, as far as they are remembered; slots count whole."""
        return self._spent.since(instant)

    # What a server has said.

    def hold(self, until: float) -> None:
        """Nothing goes before that."""
        self._held_until = max(self._held_until, until)

    def slow_down(self, unit_seconds: float, until: float) -> None:
        """Until then no more than one unit in so many seconds; what was said before counts no longer."""
        self._slow_seconds = unit_seconds
        self._slow_until = until

    def lower(self, now: float, units: float) -> None:
        """No more than this may go at once now."""
        self.due = max(self.due, now - units * self.unit_seconds)

    def left(self, now: float) -> float:
        """Of the quota, in the window that ends now; not below 0."""
        return max(0.0, self.quota - self._spent.total(now))

    def _paid_until(self, now: float, cost: float) -> float:
        """`due`, but for the idle time that nobody saves up."""
        return max(self.due, now - max(self._tolerance, cost) - self._credit)
