"""When so many calls fail that a run is stopped."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._policy.failing import Failing, FailureWindow


def stops_at(failing: Failing, outcomes: list[bool]) -> int | None:
    """After so many outcomes, True being a failure."""
    window = FailureWindow(failing)
    for count, failed in enumerate(outcomes, 1):
        if window.record(failed):
            return count
    return None


@pytest.mark.parametrize(
    ("share", "of", "pattern", "expected"),
    [
        (0.5, 4, "XXXX", 4),
        (0.5, 4, "XXX", None),
        (0.5, 4, "X.X.", 4),  # the share was there before so many outcomes were
        (0.5, 4, "X...X...", None),
        (0.5, 4, ".....XX", 7),
        (0.5, 4, "X..X", 4),
        (0.5, 4, "X...X..X", 8),
        (0.5, 5, "XX...XX", None),
        (0.5, 5, "XX..X", 5),
        (1.0, 3, "XX.XX.XXX", 9),
        (1.0, 1, "..X", 3),
        (0.01, 3, "...X", 4),
    ],
)
def test_where_it_stops(share: float, of: int, pattern: str, expected: int | None) -> None:
    assert stops_at(Failing(share=share, of=of), [mark == "X" for mark in pattern]) == expected


@given(share=st.floats(0, 1, exclude_min=True), of=st.integers(1, 20), outcomes=st.lists(st.booleans(), max_size=80))
def test_it_counts_as_a_plain_list_would(share: float, of: int, outcomes: list[bool]) -> None:
    window = FailureWindow(Failing(share=share, of=of))
    for count, failed in enumerate(outcomes, 1):
        stop = window.record(failed)
        last = outcomes[max(0, count - of) : count]
        assert window.failures == sum(last)
        assert stop is (count >= of and sum(last) / of >= share)


@pytest.mark.parametrize(("hundredths", "of"), [(7, 100), (14, 50), (28, 25), (29, 100), (55, 20), (57, 100)])
def test_a_share_is_what_it_is_written_as(hundredths: int, of: int) -> None:
    # As floats 0.07 * 100 and the like are not the whole numbers they stand for.
    share, enough = hundredths / 100, int(Fraction(hundredths, 100) * of)
    assert stops_at(Failing(share=share, of=of), [False] * (of - enough) + [True] * enough) == of
    assert stops_at(Failing(share=share, of=of), [False] * (of - enough + 1) + [True] * (enough - 1)) is None


def test_a_server_that_dies_late_is_noticed_as_soon() -> None:
    outcomes = [False] * 100_000 + [True] * 50
    assert stops_at(Failing(), outcomes) == 100_025


def test_thirty_percent_by_chance_are_not_half() -> None:
    chance = random.Random(1)
    assert stops_at(Failing(of=200), [chance.random() < 0.3 for _ in range(200_000)]) is None


def test_the_defaults() -> None:
    assert msgspec.structs.asdict(Failing()) == {"share": 0.5, "of": 50, "kinds": (Exception,)}
    assert Failing(kinds=KeyError).kinds == (KeyError,)
    assert Failing(kinds=(KeyError, OSError)).kinds == (KeyError, OSError)
    assert Failing(share=1).share == 1


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"share": 0}, ValueError, "stop_when.share must be a share above 0, up to 1, not 0"),
        ({"share": 1.01}, ValueError, "stop_when.share must be a share above 0"),
        ({"share": float("nan")}, ValueError, "stop_when.share must be a share above 0"),
        ({"share": "half"}, TypeError, "stop_when.share must be a number, not 'half'"),
        ({"share": True}, TypeError, "stop_when.share must be a number"),
        ({"of": 0}, ValueError, "stop_when.of must be 1 or more, not 0"),
        ({"of": 2.0}, TypeError, "stop_when.of must be an int"),
        ({"kinds": ()}, ValueError, "stop_when.kinds must name at least one class"),
        ({"kinds": "KeyError"}, TypeError, "stop_when.kinds must be classes of exceptions, not 'KeyError'"),
        ({"kinds": (KeyError, int)}, TypeError, "stop_when.kinds must be classes of exceptions, not <class 'int'>"),
        ({"kinds": BaseException}, TypeError, "stop_when.kinds must be classes of exceptions"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=f"^{match}"):
        Failing(**settings)
