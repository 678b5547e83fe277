"""How a body moves, on a clock of its own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._net.progress import Progress, slice_bytes
from trioclient._policy.stall import Stall


@pytest.mark.parametrize(
    ("at_least", "size"),
    [(1, 1024), (1023, 1024), (1024, 1024), (1025, 1025), (65_536, 65_536), (65_537, 65_536)],
)
def test_the_slices(at_least: int, size: int) -> None:
    assert slice_bytes(Stall(at_least=at_least)) == size


@pytest.fixture
def progress() -> Progress:
    return Progress(Stall(at_least=100, within=10.0))


def test_nothing_is_due_while_nothing_is_waited_for(progress: Progress) -> None:
    assert progress.due == math.inf
    progress.rest(3.0)
    progress.move(5, 4.0)
    assert progress.due == math.inf
    progress.wait(1000.0)
    assert progress.due == 1010.0


def test_enough_begins_another_span_and_less_does_not(progress: Progress) -> None:
    progress.wait(0.0)
    progress.move(99, 4.0)
    assert progress.due == 10.0
    progress.move(1, 9.0)
    assert progress.due == 19.0
    progress.move(99, 10.0)
    assert progress.due == 19.0
    progress.move(1000, 11.0)
    assert progress.due == 21.0
    progress.move(99, 12.0)  # what was too much does not count for the next one
    assert progress.due == 21.0


def test_rests_do_not_count(progress: Progress) -> None:
    progress.wait(0.0)
    progress.rest(4.0)
    progress.wait(104.0)
    assert progress.due == 110.0
    progress.move(50, 105.0)
    progress.rest(106.0)
    assert progress.due == math.inf
    progress.wait(200.0)
    assert progress.due == 204.0


def test_what_moves_in_a_rest_counts(progress: Progress) -> None:
    progress.wait(0.0)
    progress.rest(9.0)
    progress.move(100, 50.0)
    progress.wait(60.0)
    assert progress.due == 70.0


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.integers(0, 150)), max_size=40))
def test_against_a_plain_account(steps: list[tuple[float, float, int]]) -> None:
    """Waits, bytes at the end of each, rests: what is due is what is left of the time since the last span began."""
    progress, now = Progress(Stall(at_least=100, within=1000.0)), 0.0
    waited, moved = 0.0, 0
    for wait, rest, size in steps:
        progress.wait(now)
        assert progress.due - now == pytest.approx(1000.0 - waited)
        now += wait
        waited, moved = waited + wait, moved + size
        progress.move(size, now)
        if moved >= 100:
            waited, moved = 0.0, 0
        assert progress.due - now == pytest.approx(1000.0 - waited)
        progress.rest(now)
        now += rest
