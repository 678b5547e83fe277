"""Items per second, of late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._client.fan_out_throughput import Throughput

BEGAN = 64.0


def counted(finishes: list[float], now: float) -> tuple[int, float]:
    """The reading at `now`, of a run that began at `BEGAN`."""
    throughput = Throughput(BEGAN)
    for before, instant in enumerate(finishes):
        if instant >= throughput.turn:
            throughput.turn_over(instant, before)
    return throughput.reading(now, len(finishes))


@pytest.mark.parametrize(
    ("finishes", "now", "expected"),
    [
        ([], 0.0, (0, 0.0)),
        ([], 0.5, (0, 0.5)),
        ([0.25], 0.5, (1, 0.5)),
        ([0.25, 1.0], 1.5, (2, 1.5)),
        ([0.25, 1.0], 10.5, (2, 10.5)),
        ([0.25, 1.0], 11.0, (1, 10.0)),  # the first second is forgotten
        ([0.25, 1.0], 11.5, (1, 10.5)),
        ([0.25, 1.0], 12.0, (0, 10.0)),
        ([0.25, 1.0], 1000.75, (0, 10.75)),
        ([0.25, 500.0], 500.75, (1, 10.75)),  # after a long pause
    ],
)
def test_what_is_counted(finishes: list[float], now: float, expected: tuple[int, float]) -> None:
    assert counted([BEGAN + finish for finish in finishes], BEGAN + now) == expected


quarters = st.integers(0, 4 * 40).map(lambda quarter: quarter / 4)


@given(finishes=st.lists(quarters, max_size=60).map(sorted), later=quarters)
def test_it_is_the_last_ten_whole_seconds_and_the_current_one(finishes: list[float], later: float) -> None:
    now = (finishes[-1] if finishes else 0.0) + later
    began = max(0, int(now) - 10)
    expected = sum(finish >= began for finish in finishes), now - began
    assert counted([BEGAN + finish for finish in finishes], BEGAN + now) == expected


def test_reading_changes_nothing() -> None:
    throughput = Throughput(0.0)
    for second in range(30):
        assert throughput.reading(second + 0.5, second) == throughput.reading(second + 0.5, second)
        assert throughput.reading(second + 0.5, second)[0] == min(second, 10)
