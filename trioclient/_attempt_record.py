"""What a hook is told of an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ._errors import APIError
    from ._records import RequestRecord

__all__ = ["AttemptRecord"]


class AttemptRecord(msgspec.Struct, frozen=True):
    """One attempt of a call, as hooks see it, after its outcome was judged."""

    request: RequestRecord
    attempt: int
    """1 for the first."""
    status: int | None
    """Of the answer; None where there was none."""
    error: APIError | None
    """None where the attempt succeeded."""
    elapsed: float
    """Seconds this attempt took."""
    delay: float | None
    """Seconds until the next attempt starts; None where there is none."""
    reason: str
    """Why it goes on, or ends, in a few words."""
