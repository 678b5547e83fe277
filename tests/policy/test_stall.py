"""What `Stall` takes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trioclient._policy.stall import Stall


def test_the_defaults() -> None:
    assert Stall() == Stall(at_least=1024, within=30.0)


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("at_least", 0, ValueError),
        ("at_least", -1, ValueError),
        ("at_least", 1.0, TypeError),
        ("at_least", True, TypeError),
        ("at_least", None, TypeError),
        ("within", 0, ValueError),
        ("within", -1.0, ValueError),
        ("within", math.inf, ValueError),
        ("within", math.nan, ValueError),
        ("within", None, ValueError),
        ("within", "1", TypeError),
        ("within", True, TypeError),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(field: str, value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=rf"^stall\.{field} must be"):
        Stall(**{field: value})


def test_the_least_that_goes() -> None:
    stall = Stall(at_least=1, within=1e-3)
    assert (stall.at_least, stall.within) == (1, 1e-3)


def test_seconds_become_a_float() -> None:
    assert type(Stall(within=3).within) is float
