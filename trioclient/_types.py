"""The words every floor shares: sentinels, options, limits, timeouts.

Plain data without behaviour beyond checking itself. Times are seconds, sizes are bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, Union

import httpx
import msgspec
from msgspec.structs import force_setattr

__all__ = [
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
    "IDEMPOTENT_METHODS",
    "NOT_GIVEN",
    "Headers",
    "Limits",
    "NotGiven",
    "Omit",
    "RawHeaders",
    "Sent",
    "Timeout",
    "Timeouts",
    "checked_amount",
    "checked_bool",
    "checked_int",
    "checked_seconds",
    "further_sent",
    "omit",
]

Timeout = httpx.Timeout
"""httpx's own class: ``connect``, ``read``, ``write`` and ``pool``, each per attempt."""

Sent = Literal["no", "maybe", "yes"]
"""Did the request reach the server? ``"yes"`` once a byte of its answer was seen."""


def further_sent(one: Sent, other: Sent) -> Sent:
    """The one that got further: what may be said of both together."""
    return one if one == "yes" or other == "no" else other


RawHeaders = list[tuple[bytes, bytes]]
"""Header lines as they cross the wire, in order; names of a response are lower-case."""


class NotGiven:
    """The type of `NOT_GIVEN`: "the caller said nothing", where ``None`` means something."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __reduce__(self) -> str:
        return "NOT_GIVEN"


class Omit:
    """The type of `omit`: deletes a header, query value or body field set by a lower layer."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "omit"

    def __reduce__(self) -> str:
        return "omit"


NOT_GIVEN: Final = NotGiven()
omit: Final = Omit()

Headers = Mapping[str, Union[str, Omit]]
"""What a caller may give as headers; an `omit` value deletes the name at any layer."""


class Timeouts(NamedTuple):
    """`Timeout` as four plain floats, ``inf`` for no limit: what the transports read."""

    connect: float
    read: float
    write: float
    pool: float

    @classmethod
    def of(cls, timeout: float | Timeout | None, argument: str = "timeout") -> Timeouts:
        """Check and flatten what a caller gave. Raises TypeError or ValueError."""
        if isinstance(timeout, httpx.Timeout):
            parts = (timeout.connect, timeout.read, timeout.write, timeout.pool)
        else:
            parts = (timeout,) * 4
        return cls(*(checked_seconds(part, argument) for part in parts))


def checked_seconds(value: object, argument: str) -> float:
    """A number of seconds, 0 or more; ``None`` is ``inf``. Raises TypeError or ValueError."""
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{argument} must be a number of seconds or None, not {value!r}")
    if not value >= 0:
        raise ValueError(f"{argument} must be 0 seconds or more, not {value!r}")
    return float(value)


def checked_amount(value: object, argument: str) -> float:
    """A number that is finite and 0 or more. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{argument} must be a number, not {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{argument} must be a finite number of 0 or more, not {value!r}")
    return float(value)


def checked_int(value: object, argument: str, at_least: int = 0) -> int:
    """An int not below a floor. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{argument} must be an int, not {value!r}")
    if value < at_least:
        raise ValueError(f"{argument} must be {at_least} or more, not {value!r}")
    return value


def checked_bool(value: object, argument: str) -> bool:
    """True or False itself. Raises TypeError."""
    if not isinstance(value, bool):
        raise TypeError(f"{argument} must be True or False, not {value!r}")
    return value


IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2: twice has the effect of once."""

DEFAULT_MAX_RETRIES: Final = 2
DEFAULT_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)


_AT_LEAST_ONE: Final = frozenset({"max_connections", "max_pages"})
_SECONDS: Final = frozenset({"idle_expiry", "max_lifetime"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound of a client, with its default. A bound that is hit raises `LimitExceeded`
    naming the field, save the connection bounds, which make a call wait.
    """

    max_connections: int = 1000
    """Open connections over all origins; a further call waits (the ``pool`` timeout)."""
    max_idle_connections: int = 100
    """Kept open between calls; the longest idle is closed first."""
    idle_expiry: float = 30.0
    """Seconds a connection may sit idle before it is closed rather than used again."""
    max_lifetime: float = 3600.0
    """Seconds after which a connection is closed rather than used again."""
    max_header_bytes: int = 65_536
    """Of one answer's head, 1xx answers and trailers included."""
    max_informational: int = 16
    """1xx answers before the final one."""
    max_body_bytes: int = 268_435_456
    """Of one buffered answer as it crosses the wire."""
    max_decoded_bytes: int = 268_435_456
    """Of one buffered answer after decompression."""
    max_json_depth: int = 512
    """Nested arrays and objects in one JSON body."""
    max_redirects: int = 20
    """Hops of one attempt."""
    max_error_body_bytes: int = 65_536
    """Of an error answer's body, kept in the exception; the rest is cut off."""
    max_line_bytes: int = 33_554_432
    """Of one line of an event stream or of JSON lines, or of text read by lines."""
    max_event_bytes: int = 67_108_864
    """Of the data of one server-sent event."""
    max_pages: int = 100_000
    """Of one list, from the page it was begun at."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name in _SECONDS:
                force_setattr(self, name, checked_seconds(value, f"limits.{name}"))
            else:
                checked_int(value, f"limits.{name}", 1 if name in _AT_LEAST_ONE else 0)
