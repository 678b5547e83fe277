"""How many attempts at once an overloaded server is sent: additive increase, multiplicative decrease.

Nothing is limited until the server says that it is overloaded: with one of `statuses`, or with an
attempt that timed out. Some of that is always to be expected, so it takes more than a few.

Overload. A spell begins with an overloaded attempt, and is over as soon as overloaded attempts
are no more than the tolerated share of all that have ended in it, or none came for `window`
seconds. It is overload once there are `least` more than tolerated:

    overloaded - least  >=  tolerance * (ended - least)

so `least` in a row are enough, and of many attempts the share has to stay above what is tolerated.
A share counted afresh per so many attempts would be above it by chance every now and then; here
chance has to add up. (This is Page's CUSUM test: with the defaults, failures that hit one attempt
in twenty at random pass for overload about once in ten million attempts.) And outside of a spell a
good answer changes nothing, so none need be told of.

Decrease. The limit becomes `decrease` times what was in flight: the limit, or less where that
was not used, or not set. Then as many attempts as were in flight end unheard: they were sent under
the old limit and say nothing of the new one. So there is one decrease per round trip at most, as in
TCP (RFC 5681), or per `window` where that is shorter: a cancelled attempt never ends.

Increase. A round is as many attempts as the limit allows at once, `least` or more. The limit is
raised after a round in which it was reached and overload stayed within what is tolerated. One
that is not reached proves nothing, and stays. By how much is measured, as in CUBIC (RFC 9438), from
where overload was seen last: by a quarter of the distance to it, or at least `increase`. So a
limit comes near that point in a few rounds, passes it in small steps, and then, where the server
can take far more than it could, grows by a quarter each round. At `ceiling` there is none any more.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec.structs import force_setattr

from .._faults import TimeoutFault
from .._types import checked_int, checked_seconds
from .share import checked_share

if TYPE_CHECKING:
    from .._faults import Fault

__all__ = ["AdaptiveConcurrency", "ConcurrencyLimit", "overloaded"]

_PART_OF_DISTANCE: Final = 4


class AdaptiveConcurrency(msgspec.Struct, frozen=True, kw_only=True):
    """How the number of attempts at once follows what the server can take.

    Raises TypeError or ValueError naming the field.
    """

    floor: int = 4
    """Attempts at once that are always allowed."""
    tolerance: float = 0.1
    """Share of attempts, between 0 and 1, that may meet overload without a consequence."""
    decrease: float = 0.7
    """Share of the limit, between 0 and 1, that is left when there is more overload than that."""
    increase: int = 1
    """By how much the limit grows per round, at least."""
    least: int = 10
    """So many attempts more than tolerated must meet overload before the limit is lowered."""
    window: float = 10.0
    """Seconds without overload after which earlier overload is forgotten, and seconds after a
    decrease from which on every attempt is heard again."""
    statuses: Collection[int] = frozenset({429, 503, 529})
    """Statuses, 400 to 599, by which the server says that it is overloaded."""

    def __post_init__(self) -> None:
        for name in ("floor", "increase", "least"):
            checked_int(getattr(self, name), f"concurrency.{name}", 1)
        for name in ("tolerance", "decrease"):
            checked_share(getattr(self, name), f"concurrency.{name}")
        force_setattr(self, "window", checked_seconds(self.window, "concurrency.window"))
        force_setattr(self, "statuses", _checked_statuses(self.statuses))


def _checked_statuses(statuses: object) -> frozenset[int]:
    if isinstance(statuses, (str, bytes)) or not isinstance(statuses, Collection):
        raise TypeError(f"concurrency.statuses must be a set of ints, not {statuses!r}")
    for status in cast("Collection[object]", statuses):
        if checked_int(status, "concurrency.statuses", 400) > 599:
            raise ValueError(f"concurrency.statuses must hold statuses from 400 to 599, not {status!r}")
    return frozenset(cast("Collection[int]", statuses))


def overloaded(options: AdaptiveConcurrency, status: int | None, fault: Fault | None) -> bool:
    """Whether an attempt that ended so says that the server has too much to do.

    A wait for a connection that took too long says it of the client.
    """
    if isinstance(fault, TimeoutFault):
        return fault.phase != "pool"
    return status in options.statuses


class ConcurrencyLimit:
    """The limit on attempts at once that share one server. Instants are seconds on one monotonic clock."""

    __slots__ = (
        "_ceiling",
        "_lowered_at",
        "_most",
        "_options",
        "_overload_at",
        "_overload_seen_at",
        "_round_ended",
        "_round_overloaded",
        "_spell_ended",
        "_spell_overloaded",
        "_unheard",
        "limit",
    )

    _lowered_at: float
    _overload_seen_at: int
    """How many were in flight when the limit was lowered last."""

    def __init__(self, options: AdaptiveConcurrency, ceiling: float) -> None:
        self._options = options
        self._ceiling = ceiling
        self.limit = math.inf
        """A whole number, or ``inf`` while nothing is limited."""
        self._unheard = 0
        """Attempts yet to end that were sent before the last decrease."""
        self._overload_at = -math.inf
        """The instant of the last overloaded attempt."""
        self._forget_spell()
        self._begin_round()

    @property
    def at_rest(self) -> bool:
        """Whether an attempt that meets no overload need not be told of: it would change nothing."""
        return self.limit == math.inf and not self._spell_ended

    def record(self, overloaded: bool, now: float, in_flight: int) -> None:
        """An attempt has ended. `in_flight` counts those under way, this one included.

        One that was cancelled is not told of.
        """
        window = self._options.window
        if self._unheard > 0 and now - self._lowered_at <= window:
            self._unheard -= 1
            return
        if now - self._overload_at > window:
            self._forget_spell()
        self._most = in_flight if self.at_rest else max(self._most, in_flight)
        if self._is_overload(overloaded, now):
            self._lower(now, in_flight)
        elif self.limit != math.inf:
            self._count_in_round(overloaded)

    def skip(self) -> None:
        """An attempt has ended that was sent before there was a limit, and says nothing of it."""
        self._unheard = max(0, self._unheard - 1)

    def _is_overload(self, overloaded: bool, now: float) -> bool:
        if overloaded:
            self._overload_at = now
            self._spell_overloaded += 1
        if not self._spell_overloaded:
            return False
        self._spell_ended += 1
        least, tolerance = self._options.least, self._options.tolerance
        if self._spell_overloaded <= tolerance * self._spell_ended:
            self._forget_spell()
            return False
        return self._spell_overloaded - least >= tolerance * (self._spell_ended - least)

    def _lower(self, now: float, in_flight: int) -> None:
        floor = self._options.floor
        used = min(self.limit, self._most)
        if self.limit != math.inf or used > floor:
            self.limit = float(max(floor, int(self._options.decrease * used)))
            self._overload_seen_at = int(used)
            self._unheard = in_flight - 1
            self._lowered_at = now
        self._forget_spell()
        self._begin_round()

    def _count_in_round(self, overloaded: bool) -> None:
        self._round_ended += 1
        self._round_overloaded += overloaded
        if self._round_ended < max(self.limit, self._options.least):
            return
        if self._most >= self.limit and self._round_overloaded <= self._options.tolerance * self._round_ended:
            self._raise()
        self._begin_round()

    def _raise(self) -> None:
        distance = abs(int(self.limit) - self._overload_seen_at)
        self.limit += max(self._options.increase, distance // _PART_OF_DISTANCE)
        if self.limit >= self._ceiling:
            self.limit = math.inf
            self._forget_spell()

    def _forget_spell(self) -> None:
        self._spell_overloaded = self._spell_ended = 0

    def _begin_round(self) -> None:
        self._most = 0
        self._round_ended = self._round_overloaded = 0
