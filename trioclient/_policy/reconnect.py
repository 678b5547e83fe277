"""How long a stream that broke off waits before it connects anew.

The HTML standard, section 9.2.3: the reconnection time that the stream named, in milliseconds, or
one of the client's own; and more after a connection that failed as well. So, with ``n`` the
connections in a row that brought no event, and ``draw`` one random number in [0, 1):

    max(named, min(initial_delay * 2**n, max_delay) * (1 - jitter * draw))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .retry import RetryPolicy

__all__ = ["reconnection_delay"]

_MOST_DOUBLINGS: Final = 1000


def reconnection_delay(policy: RetryPolicy, *, named: int | None, fruitless: int, draw: float) -> float:
    """Seconds. `named` is the stream's own reconnection time in milliseconds."""
    grown = policy.initial_delay * 2.0 ** min(fruitless, _MOST_DOUBLINGS)
    backoff = min(grown, policy.max_delay) * (1.0 - policy.jitter * draw)
    return max((named or 0) / 1000.0, backoff)
