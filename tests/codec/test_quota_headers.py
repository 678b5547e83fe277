"""Every form of saying what is left of a quota, and everything that says nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trioclient._codec.quota_headers import QuotaReading, quota_readings

# Sun, 06 Nov 1994 08:49:37 GMT.
WALL = 784_111_777.0
# Thu, 01 Jan 2026 00:00:00 GMT.
NEW_YEAR = 1_767_225_600.0


def answer(text: str) -> list[tuple[bytes, bytes]]:
    lines = [line.split(":", 1) for line in text.strip().splitlines()]
    return [(name.strip().lower().encode(), value.strip().encode()) for name, value in lines]


def reading(
    counts: str = "requests",
    limit: float | None = None,
    remaining: float | None = None,
    reset: float | None = None,
    window: float | None = None,
    *,
    refills: bool = False,
) -> QuotaReading:
    return QuotaReading(counts, limit, remaining, reset, window, refills)


CASES: dict[str, tuple[str, list[QuotaReading]]] = {
    "IETF, newest": (
        'RateLimit: "default";r=50;t=30\nRateLimit-Policy: "default";q=100;w=60',
        [reading("requests", 100, 50, 30, 60)],
    ),
    "IETF, two policies": (
        'RateLimit-Policy: "burst";q=100;w=60,"daily";q=1000;w=86400\nRateLimit: "burst";r=9;t=7, "daily";r=500;t=4000',
        [reading("requests", 100, 9, 7, 60), reading("requests", 1000, 500, 4000, 86_400)],
    ),
    "IETF, two policies in two lines, one of them in use": (
        'RateLimit-Policy: "a,b";q=100;w=60\nRateLimit-Policy: "daily" ; q=1000 ; w=86400 ; pk=:cHsdsRa894==:\n'
        'RateLimit: "daily";t=4000;r=500',
        [reading("requests", 100, None, None, 60), reading("requests", 1000, 500, 4000, 86_400)],
    ),
    "IETF, a token as the name": (
        "RateLimit-Policy: default;q=100;w=60\nRateLimit: default;r=50",
        [reading("requests", 100, 50, None, 60)],
    ),
    "IETF, other units": (
        'RateLimit-Policy: "a";q=10;qu="tokens";w=60,"b";q=5;qu="content-bytes";w=9,"c";q=7;qu="requests"\n'
        'RateLimit: "a";r=1;t=2,"b";r=3;t=4',
        [reading("tokens", 10, 1, 2, 60), reading("requests", 7)],
    ),
    "IETF, draft 7": (
        "RateLimit: limit=100, remaining=50, reset=5\nRateLimit-Policy: 100;w=60",
        [reading("requests", 100, 50, 5, 60)],
    ),
    "IETF, drafts 0 to 6": (
        "RateLimit-Limit: 100\nRateLimit-Remaining: 50\nRateLimit-Reset: 50",
        [reading("requests", 100, 50, 50)],
    ),
    "IETF, with a policy": (
        "RateLimit-Limit: 100\nRateLimit-Policy: 1000;w=86400, 100;w=10\nRateLimit-Remaining: 0",
        [reading("requests", 100, 0, None, 10)],
    ),
    "IETF, with the policies after the limit": (
        'RateLimit-Limit: 100, 100;w=10;comment="a, b", 1000;w=3600\nRateLimit-Remaining: 9',
        [reading("requests", 100, 9, None, 10)],
    ),
    "IETF, with a parameter to the limit": (
        'RateLimit-Limit: 100;comment="a", 100;w=10',
        [reading("requests", 100, None, None, 10)],
    ),
    "X-": (
        "X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 59\nX-RateLimit-Reset: 12.5",
        [reading("requests", 60, 59, 12.5)],
    ),
    "X-, spelt otherwise": (
        "X-Rate-Limit-Limit: 60\nX-Rate-Limit-Remaining: 59\nX-Rate-Limit-Reset: 12",
        [reading("requests", 60, 59, 12)],
    ),
    "GitHub": (
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\nX-RateLimit-Limit: 5000\nX-RateLimit-Remaining: 4999\n"
        "X-RateLimit-Used: 1\nX-RateLimit-Resource: core\nX-RateLimit-Reset: 1767226500",
        [reading("requests", 5000, 4999, 900)],
    ),
    "milliseconds since the epoch": (
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\nX-RateLimit-Remaining: 1\nX-RateLimit-Reset: 1767225601500",
        [reading("requests", None, 1, 1.5)],
    ),
    "a time of day that is past": (
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\nX-RateLimit-Reset: 1767225500",
        [reading("requests", None, None, 0)],
    ),
    "Kong": (
        "X-RateLimit-Limit-Minute: 20\nX-RateLimit-Remaining-Minute: 19\nX-RateLimit-Limit-Day: 900",
        [reading("requests", 20, 19, None, 60), reading("requests", 900, None, None, 86_400)],
    ),
    "OpenAI": (
        "x-ratelimit-limit-requests: 60\nx-ratelimit-limit-tokens: 150000\nx-ratelimit-remaining-requests: 59\n"
        "x-ratelimit-remaining-tokens: 149984\nx-ratelimit-reset-requests: 1s\nx-ratelimit-reset-tokens: 6ms",
        [
            reading("requests", 60, 59, 1, 60, refills=True),
            reading("tokens", 150_000, 149_984, 0.006, 60, refills=True),
        ],
    ),
    "OpenAI, by the day": (
        "x-ratelimit-limit-requests: 10000\nx-ratelimit-remaining-requests: 9999\nx-ratelimit-reset-requests: 8.64s",
        [reading("requests", 10_000, 9999, 8.64, 86_400, refills=True)],
    ),
    "OpenAI, nothing used": (
        "x-ratelimit-limit-requests: 10\nx-ratelimit-remaining-requests: 10\nx-ratelimit-reset-requests: 0s",
        [reading("requests", 10, 10, 0, 60, refills=True)],
    ),
    "OpenAI, more left than there can be": (
        "x-ratelimit-limit-requests: 10\nx-ratelimit-remaining-requests: 10\nx-ratelimit-reset-requests: 1s",
        [reading("requests", 10, 10, 1, 60, refills=True)],
    ),
    "OpenAI, not full and yet to be full at once": (
        "x-ratelimit-limit-requests: 10\nx-ratelimit-remaining-requests: 9\nx-ratelimit-reset-requests: 0s",
        [reading("requests", 10, 9, 0, 60, refills=True)],
    ),
    "OpenAI, without what is left": (
        "x-ratelimit-limit-requests: 10\nx-ratelimit-reset-requests: 1s",
        [reading("requests", 10, None, 1, 60, refills=True)],
    ),
    "OpenAI, without the limit": (
        "x-ratelimit-remaining-requests: 10\nx-ratelimit-reset-requests: 1s",
        [reading("requests", None, 10, 1, 60, refills=True)],
    ),
    "Anthropic": (
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\nanthropic-ratelimit-requests-limit: 50\n"
        "anthropic-ratelimit-requests-remaining: 49\nanthropic-ratelimit-requests-reset: 2026-01-01T00:00:01Z\n"
        "anthropic-ratelimit-input-tokens-limit: 30000\nanthropic-ratelimit-input-tokens-remaining: 0\n"
        "anthropic-ratelimit-input-tokens-reset: 2026-01-01T01:00:30.5+01:00\n"
        "anthropic-ratelimit-output-tokens-limit: 8000\nanthropic-ratelimit-tokens-limit: 38000",
        [
            reading("requests", 50, 49, 1, 60, refills=True),
            reading("input_tokens", 30_000, 0, 30.5, 60, refills=True),
            reading("output_tokens", 8000, None, None, 60, refills=True),
            reading("tokens", 38_000, None, None, 60, refills=True),
        ],
    ),
    "the first of several lines": (
        "X-RateLimit-Remaining: 5\nX-RateLimit-Remaining: 9",
        [reading("requests", None, 5)],
    ),
    "junk beside what can be read": (
        "X-RateLimit-Limit: lots\nX-RateLimit-Remaining: 5\nX-RateLimit-Reset: soon",
        [reading("requests", None, 5)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_form(name: str) -> None:
    text, readings = CASES[name]
    assert quota_readings(answer(text), WALL) == readings


@pytest.mark.parametrize(
    "text",
    [
        "Content-Type: application/json\nRetry-After: 7",
        "X-RateLimit-Limit-Images: 5",
        "X-RateLimit-Used: 5",
        "X-RateLimit-Remaining: -5",
        "X-RateLimit-Remaining: nan",
        "X-RateLimit-Remaining: 1e3",
        "X-RateLimit-Remaining: 1_000",
        "X-RateLimit-Remaining:",
        "X-RateLimit-Reset:",
        "X-RateLimit-Reset: 1.2.3s",
        "X-RateLimit-Reset: 2026-13-01T00:00:00Z",
        "X-RateLimit-Reset: 9999-12-31T00:00:00Z",
        "X-RateLimit-Reset: 999999999",
        "X-RateLimit-Reset: 31622401",
        "X-RateLimit-Reset: 366d1s",
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\nX-RateLimit-Reset: 2027-01-02T00:00:01Z",
        'RateLimit: "default"',
        'RateLimit-Policy: "default";w=60',
        'RateLimit: "' + "a" * 2000 + '";r=1',
        "X-RateLimit-Remaining: 5" + " " * 2000 + "5",
    ],
)
def test_what_says_nothing(text: str) -> None:
    assert quota_readings(answer(text), WALL) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("20ms", 0.02),
        ("6m0s", 360.0),
        ("1m30.5s", 90.5),
        ("1h0m0s", 3600.0),
        ("2d3h", 183_600.0),
        ("1m", 60.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert quota_readings(answer(f"x-ratelimit-reset-tokens: {text}"), WALL)[0].reset == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:30Z", 30.0),
        ("2026-01-01t00:00:30.25z", 30.25),
        ("2026-01-01 02:00:30+02:00", 30.0),
        ("2025-12-31T22:30:30-01:30", 30.0),
        ("2025-12-31T23:59:30Z", 0.0),
        ("2027-01-02T00:00:00Z", 31_622_400.0),
        ("31622400", 31_622_400.0),
        ("366d", 31_622_400.0),
    ],
)
def test_resets(text: str, seconds: float) -> None:
    assert [reading.reset for reading in quota_readings(answer(f"X-RateLimit-Reset: {text}"), NEW_YEAR)] == [seconds]


@pytest.mark.parametrize("reset", [b"1000000000", b"1000000000000"])
def test_from_when_on_a_reset_is_a_time_of_day(reset: bytes) -> None:
    assert quota_readings([(b"x-ratelimit-reset", reset)], 999_999_990.0)[0].reset == 10.0


@pytest.mark.parametrize(("length", "read"), [(1024, True), (1025, False)])
def test_how_long_a_value_may_be(length: int, read: bool) -> None:
    assert bool(quota_readings([(b"x-ratelimit-remaining", b"5".ljust(length))], WALL)) is read
    assert bool(quota_readings([(b"ratelimit", b"remaining=5".ljust(length))], WALL)) is read
    date = (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT".ljust(length))
    reset = (b"x-ratelimit-reset", b"2026-01-01T00:00:30Z")
    assert quota_readings([date, reset], NEW_YEAR - 60.0)[0].reset == (30.0 if read else 90.0)


def test_without_a_date_it_is_the_clients_clock() -> None:
    headers = answer(f"X-RateLimit-Reset: {NEW_YEAR + 30:.0f}")
    assert quota_readings(headers, NEW_YEAR)[0].reset == 30.0
    assert quota_readings([*headers, (b"date", b"yesterday")], NEW_YEAR)[0].reset == 30.0
    assert quota_readings([*headers, (b"date", b"\xff" * 5000)], NEW_YEAR)[0].reset == 30.0


_names = st.sampled_from(
    b"ratelimit ratelimit-policy ratelimit-limit ratelimit-remaining ratelimit-reset ratelimit- date"
    b" x-ratelimit-limit x-ratelimit-reset x-ratelimit-limit-tokens x-ratelimit-reset-requests"
    b" x-ratelimit-remaining-minute anthropic-ratelimit-tokens-reset anthropic-ratelimit-tokens-limit"
    b" x-rate-limit-reset".split()
)
_alphabet = st.sampled_from(list(b'0123456789 ,;=:-+."\\abdehilmnpqrstuwTZ\x00\xff'))
_pieces = st.sampled_from(
    b'"a"|;q=|;r=|;t=|;w=|;qu=|100|0|, |limit=|remaining=|2026-01-01T00:00:00Z|1m|5s|20ms|1767225600'
    b"|Thu, 01 Jan 2026 00:00:00 GMT|99999999999999999999999999".split(b"|")
)
_values = st.one_of(
    st.binary(max_size=60), st.lists(_alphabet, max_size=40).map(bytes), st.lists(_pieces, max_size=12).map(b"".join)
)


@given(st.lists(st.tuples(st.one_of(_names, st.binary(max_size=20)), _values), max_size=8), st.floats(0.0, 4e9))
@example([(b"x-ratelimit-reset", b"1"), (b"date", b"Mon, 01 Jan 0000 00:00:00 -9999")], 0.0)
@example([(b"ratelimit-policy", b'"' + b";q" * 500)], 0.0)
@example([(b"ratelimit-policy", b"a " + b" ;" * 500)], 0.0)
def test_nothing_raises_and_every_number_is_one(headers: list[tuple[bytes, bytes]], wall: float) -> None:
    for counts, *numbers, refills in quota_readings(headers, wall):
        assert counts in ("requests", "tokens", "input_tokens", "output_tokens")
        assert all(number is None or 0.0 <= number < math.inf for number in numbers)
        assert numbers[3] != 0.0
        assert isinstance(refills, bool)
