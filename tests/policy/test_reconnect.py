"""The wait before a stream connects anew, as a table."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient import RetryPolicy
from trioclient._policy.reconnect import reconnection_delay

POLICY = RetryPolicy(initial_delay=0.5, max_delay=8.0, jitter=0.25)


@pytest.mark.parametrize(
    ("named", "fruitless", "draw", "delay"),
    [
        (None, 0, 0.0, 0.5),
        (None, 1, 0.0, 1.0),
        (None, 3, 0.0, 4.0),
        (None, 4, 0.0, 8.0),
        (None, 5, 0.0, 8.0),
        (None, 10**9, 0.0, 8.0),
        (None, 0, 0.5, 0.4375),
        (None, 4, 1.0, 6.0),
        (0, 0, 0.0, 0.5),
        (499, 0, 0.0, 0.5),
        (2500, 0, 0.0, 2.5),
        (2500, 0, 0.999, 2.5),
        (2500, 3, 0.0, 4.0),
        (60_000, 9, 0.0, 60.0),
        (10**18, 0, 0.0, 1e15),
    ],
)
def test_a_table(named: int | None, fruitless: int, draw: float, delay: float) -> None:
    assert reconnection_delay(POLICY, named=named, fruitless=fruitless, draw=draw) == delay


def test_a_policy_that_does_not_wait() -> None:
    at_once = RetryPolicy(initial_delay=0.0, max_delay=0.0)
    assert reconnection_delay(at_once, named=None, fruitless=7, draw=0.5) == 0.0
    assert reconnection_delay(at_once, named=20, fruitless=7, draw=0.5) == 0.02


@given(
    st.none() | st.integers(0, 10**18),
    st.integers(0, 10**6),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 100),
    st.floats(0, 1000),
    st.floats(0, 1),
)
def test_its_bounds(
    named: int | None, fruitless: int, draw: float, initial_delay: float, max_delay: float, jitter: float
) -> None:
    policy = RetryPolicy(initial_delay=min(initial_delay, max_delay), max_delay=max_delay, jitter=jitter)
    delay = reconnection_delay(policy, named=named, fruitless=fruitless, draw=draw)
    least = (named or 0) / 1000
    assert least <= delay <= max(least, max_delay)
    assert math.isfinite(delay)
    assert delay <= reconnection_delay(policy, named=named, fruitless=fruitless + 1, draw=draw)
