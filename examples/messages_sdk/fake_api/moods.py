"""What the service may do instead of answering as it should."""

from __future__ import annotations

import dataclasses
from typing import Literal

from .refusals import Refusal

__all__ = [
    "Mood",
    "cut_after",
    "ended_after",
    "failing",
    "overloaded",
    "overloaded_after",
    "paced",
    "silent_after",
    "throttled",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mood:
    """How one request for a message is dealt with; made by the functions below."""

    refusal: Refusal | None = None
    """Given instead of an answer."""
    events: int | None = None
    """So many events of a stream are sent as they should be."""
    then: Literal["error", "cut", "end", "silence"] = "end"
    """And this comes after them."""
    pace: float | None = None
    """Seconds between two pieces of a stream."""


def throttled(retry_after: float) -> Mood:
    """A 429 that asks for so many seconds of patience."""
    headers = {"retry-after": f"{retry_after:g}"}
    return Mood(refusal=Refusal("rate_limit_error", "This request would exceed your rate limit.", headers))


def overloaded() -> Mood:
    """A 529."""
    return Mood(refusal=Refusal("overloaded_error", "Overloaded"))


def failing() -> Mood:
    """A 500."""
    return Mood(refusal=Refusal("api_error", "Internal server error"))


def overloaded_after(events: int) -> Mood:
    """An answer that begins well, and then an error event."""
    return Mood(events=events, then="error")


def cut_after(events: int) -> Mood:
    """A connection that breaks in the middle of the next event."""
    return Mood(events=events, then="cut")


def ended_after(events: int) -> Mood:
    """An answer that ends as HTTP would have it, but not as a message does."""
    return Mood(events=events, then="end")


def silent_after(events: int) -> Mood:
    """Nothing more, for as long as the client waits."""
    return Mood(events=events, then="silence")


def paced(seconds: float) -> Mood:
    """A slow stream."""
    return Mood(pace=seconds)
