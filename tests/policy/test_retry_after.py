"""Every source of a server delay, and everything that is none."""

from __future__ import annotations

import datetime
import email.utils
import math
import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trioclient._policy.retry_after import server_delay, should_retry

# Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 5.6.7.
RFC_DATE = 784_111_777.0
JUNK = [
    b"",
    b" ",
    b"soon",
    b"0",
    b"0.0",
    b"-5",
    b"+5",
    b"nan",
    b"NaN",
    b"inf",
    b"-inf",
    b"1e999",
    b"1_000",
    b"0x10",
    b"5 s",
    b"5, 10",
    b"5;q=1",
    b".",
    b"1.2.3",
    b"\xff\xfe",
    "５".encode(),
    b"9" * 65,
]


def headers(**values: bytes) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value) for name, value in values.items()]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"1", 1.0),
        (b"120", 120.0),
        (b"86400", 86_400.0),
        (b"1.5", 1.5),
        (b".25", 0.25),
        (b"3.", 3.0),
        (b"  7\t", 7.0),
        (b"007", 7.0),
        (b"1e2", 100.0),
        (b"2.5E-1", 0.25),
        (b"7".zfill(64), 7.0),
    ],
)
def test_seconds(value: bytes, seconds: float) -> None:
    assert server_delay(headers(retry_after=value), RFC_DATE) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"1500", 1.5), (b"1", 0.001), (b"0.5", 0.0005), (b" 20 ", 0.02), (b"7200000", 7200.0)]
)
def test_milliseconds(value: bytes, seconds: float) -> None:
    assert server_delay(headers(retry_after_ms=value), RFC_DATE) == seconds


def test_milliseconds_come_first() -> None:
    assert server_delay(headers(retry_after=b"30", retry_after_ms=b"250"), RFC_DATE) == 0.25


@pytest.mark.parametrize("junk", [*JUNK, b"Sun, 06 Nov 1994 08:49:47 GMT", b"5e-324"])
def test_unusable_milliseconds_fall_through(junk: bytes) -> None:
    assert server_delay(headers(retry_after_ms=junk, retry_after=b"30"), RFC_DATE) == 30.0
    assert server_delay(headers(retry_after_ms=junk), RFC_DATE) is None


@pytest.mark.parametrize("junk", JUNK)
def test_unusable_seconds_are_none(junk: bytes) -> None:
    assert server_delay(headers(retry_after=junk), RFC_DATE) is None


def test_no_header_is_none() -> None:
    assert server_delay([], RFC_DATE) is None
    assert server_delay(headers(date=b"Sun, 06 Nov 1994 08:49:37 GMT"), RFC_DATE) is None


@pytest.mark.parametrize(
    "date",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"sun, 6 nov 1994 08:49:37 gmt",
    ],
)
def test_the_three_forms_of_a_date(date: bytes) -> None:
    assert server_delay(headers(retry_after=date), RFC_DATE - 10.0) == 10.0
    assert server_delay(headers(retry_after=b"Sun, 06 Nov 1994 08:50:37 GMT", date=date), 0.0) == 60.0


@pytest.mark.parametrize("wall", [0.0, RFC_DATE - 5.0, RFC_DATE + 1e6, 4e9])
def test_a_date_is_measured_against_the_answers_own(wall: float) -> None:
    answer = headers(retry_after=b"Sun, 06 Nov 1994 08:49:37 GMT", date=b"Sun, 06 Nov 1994 08:49:07 GMT")
    assert server_delay(answer, wall) == 30.0


@pytest.mark.parametrize("date", [b"", b"yesterday", b"784111777", b"Sun, 06 Nov 99999 08:49:37 GMT"])
def test_without_a_usable_date_it_is_the_clients_clock(date: bytes) -> None:
    answer = headers(retry_after=b"Sun, 06 Nov 1994 08:49:37 GMT", date=date)
    assert server_delay(answer, RFC_DATE - 12.5) == 12.5


@pytest.mark.parametrize("wall", [RFC_DATE, RFC_DATE + 1.0, RFC_DATE + 1e9])
def test_a_date_that_is_past_is_none(wall: float) -> None:
    assert server_delay(headers(retry_after=b"Sun, 06 Nov 1994 08:49:37 GMT"), wall) is None


@pytest.mark.parametrize(
    "date",
    [
        b"Fri, 31 Dec 99999 23:59:59 GMT",
        b"Fri, 31 Dec 0000 23:59:59 GMT",
        b"Sun, 31 Feb 2094 08:49:37 GMT",
        b"Sun, 00 Nov 2094 08:49:37 GMT",
        b"Sun, 06 Xyz 2094 08:49:37 GMT",
        b"Sun, 06 Nov 2094 24:00:00 GMT",
        b"Sun, 06 Nov 2094 08:60:37 GMT",
        b"Sun, 06 Nov 2094 08:49:61 GMT",
        b"Sun, 06 Nov 2094 08:49:37",
        b"Sun, 06 Nov 2094 08:49:37 CET",
        b"Sun, 06 Nov 2094 08:49:37 +0100",
        b"Sun, 06 Nov 2094 08:49:37 GMT junk",
        b"06 Nov 2094 08:49:37 GMT",
        b"2094-11-06T08:49:37Z",
        b"Sun Nov 6 08:49:37 2094",
    ],
)
def test_what_is_no_http_date_is_none(date: bytes) -> None:
    assert server_delay(headers(retry_after=date), RFC_DATE) is None


def test_the_last_second_of_the_calendar() -> None:
    delay = server_delay(headers(retry_after=b"Fri, 31 Dec 9999 23:59:60 GMT"), RFC_DATE)
    assert delay == 253_402_300_800.0 - RFC_DATE


def test_a_leap_second() -> None:
    answer = headers(retry_after=b"Sat, 31 Dec 2016 23:59:60 GMT", date=b"Sat, 31 Dec 2016 23:59:50 GMT")
    assert server_delay(answer, 0.0) == 10.0


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "AAA+7:30")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="on Windows a process cannot change its time zone")
@pytest.mark.usefixtures("far_from_greenwich")
def test_the_clients_time_zone_is_no_matter() -> None:
    assert server_delay(headers(retry_after=b"Sun, 06 Nov 1994 08:49:37 GMT"), RFC_DATE - 12.5) == 12.5


@pytest.mark.parametrize(
    ("now_year", "two_digits", "year"),
    [(1994, 94, 1994), (1994, 44, 2044), (1994, 45, 1945), (2026, 76, 2076), (2026, 77, 1977), (2060, 5, 2105)],
)
def test_a_two_digit_year_is_the_one_within_fifty_years(now_year: int, two_digits: int, year: int) -> None:
    # Measured from a Date in the same century, so that one in the past shows too.
    wall = datetime.datetime(now_year, 7, 1, tzinfo=datetime.timezone.utc).timestamp()
    asked = f"Sunday, 02-Jan-{two_digits:02} 00:00:00 GMT".encode()
    answer = headers(retry_after=asked, date=f"Mon, 01 Jan {year} 00:00:00 GMT".encode())
    assert server_delay(answer, wall) == 86_400.0


def test_the_first_of_several_lines_counts() -> None:
    assert server_delay([(b"retry-after", b"2"), (b"retry-after", b"9")], RFC_DATE) == 2.0


@given(st.integers(0, 253_402_300_799), st.floats(0.001, 1e9))
def test_dates_as_others_write_them(stamp: int, ahead: float) -> None:
    date = email.utils.formatdate(stamp, usegmt=True).encode()
    assert server_delay(headers(retry_after=date), stamp - ahead) == stamp - (stamp - ahead)


_alphabet = st.sampled_from(list(b"0123456789 ,:-+.eEGMTSunNovaifx\x00\xff"))


@given(
    st.one_of(st.binary(max_size=80), st.lists(_alphabet, max_size=40).map(bytes)),
    st.one_of(st.binary(max_size=80), st.lists(_alphabet, max_size=40).map(bytes)),
    st.floats(-1e12, 1e12),
)
@example(b"9" * 5000, b"Sun, 06 Nov 1994 08:49:37 GMT", 0.0)
@example(b"Sunday, 29-Feb-00 00:00:00 GMT", b"", -1e12)
@example(b"Sunday, 29-Feb-00 00:00:00 GMT", b"", 1e12)
def test_nothing_raises_and_every_delay_is_a_time_to_come(value: bytes, date: bytes, wall: float) -> None:
    answer = [(b"retry-after-ms", value), (b"retry-after", value), (b"date", date), (b"x-should-retry", value)]
    delay = server_delay(answer, wall)
    assert delay is None or 0.0 < delay < math.inf
    assert should_retry(answer) in (None, True, False)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (b"true", True),
        (b"TRUE", True),
        (b"True", True),
        (b" true\t", True),
        (b"false", False),
        (b"FALSE ", False),
        (b"1", None),
        (b"yes", None),
        (b"", None),
        (b"true, false", None),
        (b"\xff", None),
    ],
)
def test_should_retry(value: bytes, verdict: bool | None) -> None:
    assert should_retry(headers(x_should_retry=value)) is verdict


def test_should_retry_without_the_header() -> None:
    assert should_retry(headers(retry_after=b"1")) is None
