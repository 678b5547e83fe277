"""What an answer says of the server's quotas, in the header fields that are about.

    RateLimit: "default";r=50;t=30                      IETF draft-ietf-httpapi-ratelimit-headers
    RateLimit-Policy: "default";q=100;w=60
    RateLimit: limit=100, remaining=50, reset=30        the same, draft 7
    RateLimit-Policy: 100;w=60
    RateLimit-Limit: 100, 100;w=60                      the same, drafts 0 to 6
    RateLimit-Remaining: 50
    RateLimit-Reset: 30
    X-RateLimit-Limit, -Remaining, -Reset               as above; the reset may be a time since the
                                                        epoch (GitHub), in ms by some
    X-RateLimit-Limit-Minute                            Kong: the window in the name
    x-ratelimit-limit-tokens: 90000                     OpenAI and others; a reset is a duration,
    x-ratelimit-reset-tokens: 6m0s                      until the bucket is full
    anthropic-ratelimit-tokens-reset: 2026-01-01T00:00:00Z   RFC 3339, until the bucket is full

Nothing here raises: junk is passed over, and so is a quota of something that is not counted here.
A time of day is measured against the answer's own ``Date``, as everywhere.
"""

from __future__ import annotations

import datetime
import email.utils
import functools
import math
import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from .headers import find, find_all

if TYPE_CHECKING:
    from .._types import RawHeaders

__all__ = ["CountedUnit", "QuotaReading", "quota_readings"]

CountedUnit = Literal["requests", "tokens", "input_tokens", "output_tokens"]

_MAX_VALUE_BYTES: Final = 1024
"""No honest value is longer; a longer one is not looked at."""
_LONGEST: Final = 31_622_400.0
"""A year in seconds: no quota runs longer."""

_UNITS: Final[dict[bytes, CountedUnit]] = {
    b"": "requests",
    b"requests": "requests",
    b"tokens": "tokens",
    b"input-tokens": "input_tokens",
    b"output-tokens": "output_tokens",
}
_WINDOWS: Final = {b"second": 1.0, b"minute": 60.0, b"hour": 3600.0, b"day": 86_400.0}
_BUCKET_WINDOWS: Final = (60.0, 86_400.0)
"""By which the quotas are named that come with a duration: per minute, per day."""
_EPOCH_SECONDS: Final = 1e9
_EPOCH_MILLISECONDS: Final = 1e12
"""No honest number of seconds is as large: from here on a reset is a time of day."""

_NAME: Final = re.compile(
    rb"(?P<vendor>x-|anthropic-)?rate-?limit-"
    rb"(?:(?P<field>limit|remaining|reset)(?:-(?P<quota>[a-z-]+))?"
    rb"|(?P<quota_first>[a-z-]+)-(?P<field_last>limit|remaining|reset))"
)
# Stricter than float(), which takes "nan", "inf", "1_000" and "+5" as well.
_NUMBER: Final = re.compile(rb"[0-9]{1,18}(?:\.[0-9]{0,18})?")
_DURATION: Final = re.compile(
    rb"(?:([0-9.]{1,18})d)?(?:([0-9.]{1,18})h)?(?:([0-9.]{1,18})m)?(?:([0-9.]{1,18})s)?(?:([0-9.]{1,18})ms)?"
)
_DURATION_UNITS: Final = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
_RFC_3339: Final = re.compile(
    rb"(?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}):(?P<second>[0-9]{2}(?:\.[0-9]{1,9})?)"
    rb"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_ITEM: Final = re.compile(
    rb'\s*(?P<item>"[^"]*"|[A-Za-z0-9_*./:-]+)'
    rb'(?P<parameters>(?:\s*;\s*[a-z*][a-z0-9_*.-]*(?:=(?:"[^"]*"|[^\s;,"]*))?)*)\s*(?:,|$)'
)
_PARAMETER: Final = re.compile(rb';\s*([a-z*][a-z0-9_*.-]*)=("[^"]*"|[^\s;,"]*)')
_PAIR: Final = re.compile(rb"(?:^|,)\s*(limit|remaining|reset)\s*=\s*([0-9.]+)\s*(?=,|$)")


class QuotaReading(NamedTuple):
    """One quota, as far as the server says; None where it does not."""

    counts: CountedUnit
    limit: float | None
    remaining: float | None
    reset: float | None
    """Seconds from the answer until the quota is whole again: all at once, or bit by bit if it `refills`."""
    window: float | None
    """Seconds that `limit` is for."""
    refills: bool
    """Whether it comes back all the time, as a token bucket, and not at the end of a window."""


class _Quota(NamedTuple):
    """What the name of a field says it is about."""

    counts: CountedUnit
    window: float | None
    refills: bool


_REQUESTS: Final = _Quota("requests", None, False)


def quota_readings(headers: RawHeaders, wall: float) -> list[QuotaReading]:
    """Every quota the answer names. `headers` has lower-case names, `wall` is seconds since the epoch."""
    for name, _ in headers:
        if b"rate" in name and (b"ratelimit" in name or b"rate-limit" in name):
            return _readings(headers, wall)
    return []


def _readings(headers: RawHeaders, wall: float) -> list[QuotaReading]:
    policies = _items(headers, b"ratelimit-policy")
    services = _items(headers, b"ratelimit")
    named = [_named(name, policies, services) for name in {**policies, **services}]
    readings = [reading for reading in named if reading is not None]
    found: dict[_Quota, dict[bytes, bytes]] = {}
    if not readings:
        found[_REQUESTS] = dict(_PAIR.findall(_joined(headers, b"ratelimit")))
    for name, value in headers:
        meaning = _meaning(name)
        if meaning is not None and len(value) <= _MAX_VALUE_BYTES:
            field, quota = meaning
            found.setdefault(quota, {}).setdefault(field, value.strip())
    clock = _Clock(headers, wall)
    readings += [_reading(quota, fields, policies, clock) for quota, fields in found.items()]
    return [reading for reading in readings if (reading.limit, reading.remaining, reading.reset) != (None, None, None)]


@functools.lru_cache(maxsize=256)
def _meaning(name: bytes) -> tuple[bytes, _Quota] | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    quota: bytes = match["quota"] or match["quota_first"] or b""
    if quota in _WINDOWS:
        about = _Quota("requests", _WINDOWS[quota], False)
    elif quota in _UNITS:
        minutely = match["vendor"] == b"anthropic-"
        about = _Quota(_UNITS[quota], 60.0 if minutely else None, minutely)
    else:
        return None
    return match["field"] or match["field_last"], about


def _reading(
    quota: _Quota, fields: dict[bytes, bytes], policies: dict[bytes, dict[bytes, bytes]], clock: _Clock
) -> QuotaReading:
    counts, window, refills = quota
    # Before the later drafts: "100, 100;w=60" names the policies after the limit.
    given = fields.get(b"limit", b"")
    number = given.split(b",")[0].split(b";")[0].strip()
    limit, remaining = _number(number), _number(fields.get(b"remaining"))
    if window is None:
        policy = policies.get(number) or _parsed_items(given.partition(b",")[2]).get(number) or {}
        window = _positive(policy.get(b"w"))
    reset = _number(fields.get(b"reset"))
    if reset is not None:
        reset = clock.until(reset)
    elif (value := fields.get(b"reset")) is not None:
        duration = _duration(value)
        refills = refills or duration is not None
        reset = clock.until_date(value) if duration is None else duration
    if refills and window is None:
        window = _bucket_window(limit, remaining, reset)
    return QuotaReading(counts, limit, remaining, reset, window, refills)


def _named(
    name: bytes, policies: dict[bytes, dict[bytes, bytes]], services: dict[bytes, dict[bytes, bytes]]
) -> QuotaReading | None:
    """One policy of the later drafts and what is left of it."""
    policy, service = policies.get(name, {}), services.get(name, {})
    counts = _UNITS.get(policy.get(b"qu", b"").strip(b'"'))
    if counts is None:
        return None
    limit, remaining = _number(policy.get(b"q")), _number(service.get(b"r"))
    if limit is None and remaining is None:
        return None
    return QuotaReading(counts, limit, remaining, _number(service.get(b"t")), _positive(policy.get(b"w")), False)


def _bucket_window(limit: float | None, remaining: float | None, reset: float | None) -> float:
    """From how long the bucket takes to fill: the nearest by which such quotas are named."""
    if not limit or not reset or remaining is None or remaining >= limit:
        return _BUCKET_WINDOWS[0]
    estimate = reset * limit / (limit - remaining)
    return min(_BUCKET_WINDOWS, key=lambda window: abs(math.log(estimate / window)))


class _Clock:
    """Times of day against the answer's own ``Date``, or the client's clock where it has none."""

    def __init__(self, headers: RawHeaders, wall: float) -> None:
        self._headers = headers
        self._wall = wall

    def until(self, number: float) -> float | None:
        """A number that is seconds from now, or since the epoch, or milliseconds since it."""
        if number >= _EPOCH_MILLISECONDS:
            number /= 1000.0
        seconds = number - self._now() if number >= _EPOCH_SECONDS else number
        return max(0.0, seconds) if seconds <= _LONGEST else None

    def until_date(self, value: bytes) -> float | None:
        """An RFC 3339 date and time."""
        match = _RFC_3339.fullmatch(value)
        if match is None:
            return None
        text = (match["minute"] + b":00" + match["zone"]).decode().upper()
        try:
            date = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))  # 3.10 knows no Z
        except ValueError:
            return None
        seconds = date.timestamp() + float(match["second"]) - self._now()
        return max(0.0, seconds) if seconds <= _LONGEST else None

    def _now(self) -> float:
        date = find(self._headers, b"date")
        if date is None or len(date) > _MAX_VALUE_BYTES:
            return self._wall
        try:
            return email.utils.parsedate_to_datetime(date.decode("latin-1")).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            return self._wall


def _number(text: bytes | None) -> float | None:
    return float(text) if text is not None and _NUMBER.fullmatch(text) else None


def _positive(text: bytes | None) -> float | None:
    return _number(text) or None


def _duration(text: bytes) -> float | None:
    match = _DURATION.fullmatch(text) if text else None
    if match is None:
        return None
    try:
        seconds = sum(float(part) * unit for part, unit in zip(match.groups(b"0"), _DURATION_UNITS, strict=True))
    except ValueError:
        return None
    return seconds if seconds <= _LONGEST else None


def _items(headers: RawHeaders, name: bytes) -> dict[bytes, dict[bytes, bytes]]:
    return _parsed_items(_joined(headers, name))


def _joined(headers: RawHeaders, name: bytes) -> bytes:
    value = b", ".join(find_all(headers, name))
    return value if len(value) <= _MAX_VALUE_BYTES else b""


def _parsed_items(value: bytes) -> dict[bytes, dict[bytes, bytes]]:
    """A list of RFC 9651 as far as it is needed here: each item and its parameters, as text."""
    return {match["item"]: dict(_PARAMETER.findall(match["parameters"])) for match in _ITEM.finditer(value)}
