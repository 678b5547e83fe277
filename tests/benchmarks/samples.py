"""Figures of several rounds, put together: medians, spreads, and ratios of what ran in the same round."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable, Sequence

from runner import Measured
from workload import Case

BASE = "trioclient"
"""Whom the others are compared with."""

Samples = dict[int, float]
"""Values by round."""


def samples(measured: Measured, contender: str, case: Case, key: str) -> Samples:
    return {result.round: result.figures[key] for result in measured.of(contender, case) if key in result.figures}


def ratios(one: Samples, other: Samples) -> list[float]:
    return _paired(one, {number: value for number, value in other.items() if value}, operator.truediv)


def differences(one: Samples, other: Samples) -> list[float]:
    return _paired(one, other, operator.sub)


def _paired(one: Samples, other: Samples, combined: Callable[[float, float], float]) -> list[float]:
    """Round by round, so that a slow minute of the machine hurts both sides alike."""
    return [combined(value, other[number]) for number, value in one.items() if number in other]


def spread(values: Sequence[float], digits: int) -> str:
    """Median, and in brackets the extremes, where there are several."""
    if not values:
        return ""
    median = f"{statistics.median(values):,.{digits}f}"
    return median if len(values) == 1 else f"{median} ({min(values):,.{digits}f}..{max(values):,.{digits}f})"


def times(values: Sequence[float]) -> str:
    """The median of ratios, in three figures."""
    if not values:
        return ""
    median = statistics.median(values)
    return f"{median:,.0f}×" if median >= 100 else f"{median:.3g}×"
