"""Whether an origin is worth asking at all: a circuit that opens where too much has failed.

    closed ──────────── so much has failed ──────────────► open ◄─────────────┐
       ▲                                                    │                  │
       │                                                open_for has passed    │
       │                                                    ▼                  │
       └───────── `probes` of them were good ────────── half-open ── one was bad

- closed: every attempt goes. Each bad verdict asks whether, of the attempts that ended within the
  last `window`, there are `of` at least and the share `failures` of them was bad; then it opens.
- open: no attempt goes.
- half-open: `probes` attempts may be under way, the others are refused. One that is bad opens the
  circuit for twice as long as before, up to `max_open_for`. As soon as `probes` were good, it closes,
  with nothing counted and the next opening `open_for` again.

Verdicts. Bad: no whole answer, a timeout, any 5xx. Good: any other answer, as a server that says
404 is well. None: 429, since it is kept by limits and not by refusing calls; a bound of ours that
was hit, a body that cannot be decoded, no connection of ours free in time; a cancelled attempt. It
counts for nothing, and a probe's place is free again.

The verdict on an attempt counts only where it began since the circuit last opened or closed: what
ends after that speaks of an earlier time. A probe that takes longer than the circuit was open makes
room for another, so that one that hangs keeps nobody out; its verdict counts all the same.

The states are those of resilience4j, Polly and failsafe. Theirs, too, is that the share counts only
from a least number on. A half-open circuit that waits for a lost probe for ever is a known trouble
of theirs. So is a window that remembers each call: here it is ten counts, so an attempt is forgotten
between nine tenths of `window` and `window` after its end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import force_setattr

from .._faults import ClosedFault, CodingFault, LimitFault, TimeoutFault
from .._types import checked_int, checked_seconds
from .share import checked_whole_share

if TYPE_CHECKING:
    from .._faults import Fault

__all__ = ["Circuit", "CircuitBreaker", "CircuitState", "Ticket", "Verdict", "verdict_of"]

CircuitState = Literal["closed", "open", "half-open"]

Verdict = Literal["good", "bad", "none"]

Ticket = int
"""What `Circuit.begin` gives and `Circuit.end` takes."""

_SLICES: Final = 10
_TOO_MANY_REQUESTS: Final = 429


class CircuitBreaker(msgspec.Struct, frozen=True, kw_only=True):
    """When an origin is given a rest, and for how long. Durations are seconds.

    A call that would go there meanwhile raises `CircuitOpenError` at once. Raises TypeError or
    ValueError naming the field.
    """

    failures: float = 0.5
    """Share of the attempts, more than 0 and up to 1, that must have failed: no whole answer, a timeout or 5xx."""
    of: int = 20
    """The least number of attempts from which a share is taken."""
    window: float = 30.0
    """Attempts that ended longer ago do not count."""
    open_for: float = 5.0
    """From the opening to the first probe; doubled each time a probe fails."""
    max_open_for: float = 60.0
    """It grows no further than this; not less than `open_for`."""
    probes: int = 1
    """Attempts at once that try whether the origin is back, and how many of them must have gone well."""

    def __post_init__(self) -> None:
        force_setattr(self, "failures", checked_whole_share(self.failures, "breaker.failures"))
        for name in ("of", "probes"):
            checked_int(getattr(self, name), f"breaker.{name}", at_least=1)
        for name in ("window", "open_for", "max_open_for"):
            force_setattr(self, name, _checked_duration(getattr(self, name), f"breaker.{name}"))
        if self.max_open_for < self.open_for:
            least = f"{self.open_for:g} seconds (open_for) or more"
            raise ValueError(f"breaker.max_open_for must be {least}, not {self.max_open_for!r}")


def _checked_duration(value: object, argument: str) -> float:
    seconds = checked_seconds(value, argument)
    if not 0 < seconds < math.inf:
        raise ValueError(f"{argument} must be more than 0 seconds and finite, not {value!r}")
    return seconds


def verdict_of(status: int | None, fault: Fault | None) -> Verdict:
    """On an attempt: the status of its answer, and what went wrong if there was no whole one."""
    if isinstance(fault, TimeoutFault):
        return "none" if fault.phase == "pool" else "bad"
    if isinstance(fault, (LimitFault, CodingFault, ClosedFault)):
        return "none"
    if fault is not None or status is None:
        return "bad"
    if status == _TOO_MANY_REQUESTS:
        return "none"
    return "bad" if status >= 500 else "good"


class Circuit:
    """Of one origin. Instants are seconds on one monotonic clock; they do not go back."""

    __slots__ = ("_breaker", "_due", "_era", "_good_probes", "_last", "_length", "_probes", "_verdicts")

    _due: float | None
    """When the first probe may begin; None while it is closed."""
    _length: float
    """For how long it was opened."""
    _probes: dict[Ticket, float]
    """When each one began, of those that hold a place."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        # Tickets are numbered. All attempts of a closed circuit have the number with which it
        # closed; each probe has one of its own, higher than that with which it opened.
        self._last = 0
        self._close()

    @property
    def at_rest(self) -> bool:
        """Closed, and no failure counted when it last counted."""
        return self._due is None and not self._verdicts.bad

    def state(self, now: float) -> CircuitState:
        """An open circuit is half-open from the instant on at which it is due."""
        if self._due is None:
            return "closed"
        return "open" if now < self._due else "half-open"

    def due(self, now: float) -> float | None:
        """None where an attempt may begin now, else an instant at which one may, at the latest.

        Unless others come first: for them it may then be too soon again.
        """
        if self._due is None:
            return None
        if now < self._due:
            return self._due
        if len(self._probes) < self._breaker.probes:
            return None
        free_at = next(iter(self._probes.values())) + self._length
        return free_at if free_at > now else None

    def begin(self, now: float) -> Ticket:
        """An attempt begins; only where nothing is `due`. Each ticket is handed to `end` once."""
        if self._due is None:
            return self._era
        if len(self._probes) == self._breaker.probes:
            del self._probes[next(iter(self._probes))]
        self._last += 1
        self._probes[self._last] = now
        return self._last

    def end(self, ticket: Ticket, verdict: Verdict, now: float) -> None:
        """The attempt with this ticket has ended."""
        if ticket < self._era:
            return
        if self._due is None:
            self._count(verdict, now)
            return
        self._probes.pop(ticket, None)
        if verdict == "bad":
            self._open(min(self._length * 2.0, self._breaker.max_open_for), now)
        elif verdict == "good":
            self._good_probes += 1
            if self._good_probes == self._breaker.probes:
                self._close()

    def _count(self, verdict: Verdict, now: float) -> None:
        if verdict == "none":
            return
        verdicts, breaker = self._verdicts, self._breaker
        verdicts.count(verdict == "bad", now)
        # Only a failure opens: after a success the origin is known to be there.
        if verdict == "bad" and verdicts.all >= breaker.of and verdicts.bad / verdicts.all >= breaker.failures:
            self._open(breaker.open_for, now)

    def _open(self, length: float, now: float) -> None:
        self._length = length
        self._due = now + length
        self._begin_era()

    def _close(self) -> None:
        self._due = None
        self._verdicts = _Window(self._breaker.window)
        self._begin_era()

    def _begin_era(self) -> None:
        self._last += 1
        self._era = self._last
        self._good_probes = 0
        self._probes = {}


class _Window:
    """How many attempts ended of late, and how many of them badly: a ring of counts, one for each slice of it."""

    __slots__ = ("_alls", "_bads", "_slice", "_width", "all", "bad")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLICES
        self._alls = [0] * _SLICES
        self._bads = [0] * _SLICES
        self._slice = -math.inf
        self.all = 0
        self.bad = 0

    def count(self, bad: bool, now: float) -> None:
        this = now // self._width
        if this > self._slice:
            self._forget(this)
        place = int(this) % _SLICES
        self.all += 1
        self._alls[place] += 1
        if bad:
            self.bad += 1
            self._bads[place] += 1

    def _forget(self, this: float) -> None:
        """The slices that have left the window since the last one: their places are needed again."""
        first = max(self._slice, this - _SLICES) + 1
        for number in range(int(first), int(this) + 1):
            place = number % _SLICES
            self.all -= self._alls[place]
            self.bad -= self._bads[place]
            self._alls[place] = self._bads[place] = 0
        self._slice = this
