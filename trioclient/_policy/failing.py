"""When so many calls fail that going on makes no sense: a share of the last so many.

A fan-out over a million items whose key is dead, or whose server is gone, would burn a million
requests. `Failing` says from where on it is stopped; `FailureWindow` counts.

The window is the last `of` outcomes, and says nothing before there are so many: the first call
that fails is no reason to give up. Old outcomes leave it, so a server that dies in the middle of
a long run is noticed as soon as at the start, however many calls had gone well before.
"""

from __future__ import annotations

from typing import Union, cast

import msgspec
from msgspec.structs import force_setattr

from .._types import checked_int
from .share import checked_whole_share

__all__ = ["Failing", "FailureWindow"]

Kinds = Union[type[Exception], tuple[type[Exception], ...]]


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """Stop where `share` or more of the last `of` calls failed.

    Raises TypeError or ValueError naming the field.
    """

    share: float = 0.5
    """Of the last `of` outcomes, above 0 and at most 1."""
    of: int = 50
    """Outcomes that are looked at; with fewer than that nothing is stopped. A few are seen through soon,
    but chance gathers failures: where 30 % fail, half of 50 in a row do once in some thousand items, half
    of 200 in a row not in a million.
    """
    kinds: Kinds = (Exception,)
    """What counts as a failure: a class of exceptions, or several. An outcome with another error is
    one of the `of`, but no failure, as where a single item may well be refused:
    ``kinds=(AuthenticationError, APIConnectionError)``.
    """

    def __post_init__(self) -> None:
        checked_whole_share(self.share, "stop_when.share")
        checked_int(self.of, "stop_when.of", 1)
        force_setattr(self, "kinds", _checked_kinds(self.kinds))


def _checked_kinds(kinds: object) -> tuple[type[Exception], ...]:
    several = cast("tuple[object, ...]", kinds if isinstance(kinds, tuple) else (kinds,))
    if not several:
        raise ValueError("stop_when.kinds must name at least one class of exceptions")
    for kind in several:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(f"stop_when.kinds must be classes of exceptions, not {kind!r}")
    return cast("tuple[type[Exception], ...]", several)


class FailureWindow:
    """The last outcomes, a byte for each: as much work and memory however many there were."""

    __slots__ = ("_enough", "_failed", "_full", "_next", "failures")

    def __init__(self, failing: Failing) -> None:
        self._failed = bytearray(failing.of)
        self._next = 0
        self._full = False
        self._enough = _fewest(failing.share, failing.of)
        self.failures = 0
        """Among the last `of`."""

    def record(self, failed: bool) -> bool:
        """Add an outcome. True where it is time to stop."""
        place = self._next
        self.failures += failed - self._failed[place]
        self._failed[place] = failed
        self._next = place + 1
        if self._next == len(self._failed):
            self._next = 0
            self._full = True
        return self._full and self.failures >= self._enough


def _fewest(share: float, of: int) -> int:
    """The fewest failures that are the share, or more of it."""
    count = int(share * of)
    # Divided rather than multiplied: 7 / 100 is 0.07, but 0.07 * 100 is more than 7.
    return count if count / of >= share else count + 1
