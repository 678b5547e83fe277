"""What the server says about coming back: ``retry-after-ms``, ``retry-after``, ``x-should-retry``.

A delay is taken from the first source that gives a time to come: ``retry-after-ms`` in
milliseconds, ``retry-after`` in seconds (RFC 9110 10.2.3; fractions are taken too), then
``retry-after`` as an HTTP date. A date is measured against the answer's own ``Date``, so that a
client whose clock is wrong waits as long as the server meant; only where there is none against
the client's clock. Zero, negative, endless and unreadable values are passed over, never raised.

HTTP dates (RFC 9110 5.6.7) come in three forms, read here without the locale:

    Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate, the only one still to be sent
    Sunday, 06-Nov-94 08:49:37 GMT     RFC 850, its year the one within 50 years of now
    Sun Nov  6 08:49:37 1994           asctime
"""

from __future__ import annotations

import datetime
import math
import re
from typing import TYPE_CHECKING, Final

from .._codec.headers import find

if TYPE_CHECKING:
    from .._types import RawHeaders

__all__ = ["server_delay", "should_retry"]

_MAX_VALUE_BYTES: Final = 64
"""No honest value is longer; a longer one is not looked at."""

# Stricter than float(), which takes "nan", "inf", "1_000" and "+5" as well.
_NUMBER: Final = rb"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"

_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES: Final = (
    rb"[a-z]{3}, (?P<day>[0-9]{1,2}) (?P<month>[a-z]{3}) (?P<year>[0-9]{4}) " + _TIME + rb" GMT",
    rb"[a-z]{6,9}, (?P<day>[0-9]{2})-(?P<month>[a-z]{3})-(?P<year>[0-9]{2}) " + _TIME + rb" GMT",
    rb"[a-z]{3} (?P<month>[a-z]{3}) (?P<day>[ 0-9][0-9]) " + _TIME + rb" (?P<year>[0-9]{4})",
)
_MONTHS: Final = {
    name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
_SECONDS_PER_YEAR: Final = 31_556_952.0
_VERDICTS: Final = {b"true": True, b"false": False}


def server_delay(headers: RawHeaders, wall: float) -> float | None:
    """Seconds the server asks to wait, above 0 and finite; None where it names none.

    `headers` has lower-case names; `wall` is the client's clock, seconds since the epoch.
    """
    delay = _number(_value(headers, b"retry-after-ms")) / 1000.0
    if delay > 0.0:
        return delay
    asked = _value(headers, b"retry-after")
    delay = _number(asked)
    if delay > 0.0:
        return delay
    date = _http_date(asked, wall)
    if date is None:
        return None
    sent = _http_date(_value(headers, b"date"), wall)
    delay = date - (wall if sent is None else sent)
    return delay if delay > 0.0 else None


def should_retry(headers: RawHeaders) -> bool | None:
    """The server's own verdict, ``x-should-retry: true`` or ``false``; None where it gives none."""
    return _VERDICTS.get(_value(headers, b"x-should-retry").lower())


def _value(headers: RawHeaders, name: bytes) -> bytes:
    value = find(headers, name)
    return b"" if value is None or len(value) > _MAX_VALUE_BYTES else value.strip()


def _number(text: bytes) -> float:
    """`text` as a finite number of 0 or more, 0 where it is not one."""
    number = float(text) if re.fullmatch(_NUMBER, text) else 0.0
    return number if number < math.inf else 0.0


def _http_date(text: bytes, wall: float) -> float | None:
    """Seconds since the epoch, None where `text` is not an HTTP date."""
    match = next(filter(None, (re.fullmatch(form, text, re.IGNORECASE) for form in _DATES)), None)
    if match is None:
        return None
    month = _MONTHS.get(match["month"].lower())
    second = int(match["second"])
    if month is None or second > 60:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        oldest = 1970 + int(wall / _SECONDS_PER_YEAR) - 49
        year = oldest + (year - oldest) % 100
    try:
        minute = datetime.datetime(
            year, month, int(match["day"]), int(match["hour"]), int(match["minute"]), tzinfo=datetime.timezone.utc
        )
    except ValueError:
        return None
    # Added afterwards: datetime knows no leap second, HTTP does.
    return minute.timestamp() + second
