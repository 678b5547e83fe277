"""What is a share and what is not."""

from __future__ import annotations

import math

import pytest

from trioclient._policy.share import checked_share, checked_whole_share


@pytest.mark.parametrize("share", [5e-324, 0.5, 1 - 2**-53])
def test_between_0_and_1(share: float) -> None:
    assert checked_share(share, "some.field") == share


@pytest.mark.parametrize("number", [0, 0.0, 1, 1.0, -0.1, 1.1, math.inf, math.nan])
def test_other_numbers_are_refused(number: float) -> None:
    with pytest.raises(ValueError) as caught:
        checked_share(number, "some.field")
    assert str(caught.value) == f"some.field must lie between 0 and 1, not {number!r}"


@pytest.mark.parametrize("other", [None, True, False, "0.5", 0.5j])
def test_what_is_no_number_is_refused(other: object) -> None:
    with pytest.raises(TypeError) as caught:
        checked_share(other, "some.field")
    assert str(caught.value) == f"some.field must be a number between 0 and 1, not {other!r}"


@pytest.mark.parametrize("share", [5e-324, 0.5, 1, 1.0])
def test_all_of_it_may_be_meant(share: float) -> None:
    checked = checked_whole_share(share, "some.field")
    assert (checked, type(checked)) == (share, float)


@pytest.mark.parametrize("number", [0, 0.0, -0.1, 1 + 2**-52, 2, math.inf, math.nan])
def test_more_than_all_or_nothing_is_refused(number: float) -> None:
    with pytest.raises(ValueError) as caught:
        checked_whole_share(number, "some.field")
    assert str(caught.value) == f"some.field must be a share above 0, up to 1, not {number!r}"


@pytest.mark.parametrize("other", [None, True, False, "0.5", 0.5j])
def test_what_is_no_number_is_no_whole_share_either(other: object) -> None:
    with pytest.raises(TypeError) as caught:
        checked_whole_share(other, "some.field")
    assert str(caught.value) == f"some.field must be a number, not {other!r}"
