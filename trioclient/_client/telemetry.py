"""What a request says about the program that sends it."""

from __future__ import annotations

import functools
import math
import platform
from typing import TYPE_CHECKING, Final

from .._engine.call import READ_TIMEOUT, RETRY_COUNT

if TYPE_CHECKING:
    from .._codec.headers import MergedHeaders
    from .._types import Timeouts

__all__ = ["attempt_headers", "platform_headers"]

_ATTEMPT_HEADERS: Final = (RETRY_COUNT, READ_TIMEOUT)
_ATTEMPT_NAMES: Final = frozenset(map(str.lower, _ATTEMPT_HEADERS))


@functools.cache
def platform_headers() -> dict[str, str]:
    """Language, operating system, architecture and runtime; asked of the platform once."""
    return {
        "X-Trioclient-Lang": "python",
        "X-Trioclient-OS": platform.system() or "unknown",
        "X-Trioclient-Arch": platform.machine() or "unknown",
        "X-Trioclient-Runtime": platform.python_implementation(),
        "X-Trioclient-Runtime-Version": platform.python_version(),
        "X-Trioclient-Async": "trio",
    }


def attempt_headers(headers: MergedHeaders, timeouts: Timeouts) -> tuple[str, ...]:
    """What each attempt says of itself: those of the headers of which no layer speaks."""
    names = _ATTEMPT_HEADERS if timeouts.read != math.inf else _ATTEMPT_HEADERS[:1]
    if headers.mentions_none_of(_ATTEMPT_NAMES):
        return names
    return tuple([name for name in names if not headers.mentions(name)])
