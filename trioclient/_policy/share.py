"""Shares: numbers between 0 and 1."""

from __future__ import annotations

__all__ = ["checked_share", "checked_whole_share"]


def checked_share(value: object, argument: str) -> float:
    """A number above 0 and below 1. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{argument} must be a number between 0 and 1, not {value!r}")
    if not 0 < value < 1:
        raise ValueError(f"{argument} must lie between 0 and 1, not {value!r}")
    return value


def checked_whole_share(value: object, argument: str) -> float:
    """A number above 0, which may be 1. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{argument} must be a number, not {value!r}")
    if not 0 < value <= 1:
        raise ValueError(f"{argument} must be a share above 0, up to 1, not {value!r}")
    return float(value)
