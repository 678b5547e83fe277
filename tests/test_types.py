from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import httpx
import msgspec
import pytest

from trioclient._types import (
    DEFAULT_TIMEOUT,
    IDEMPOTENT_METHODS,
    NOT_GIVEN,
    Limits,
    NotGiven,
    Omit,
    Timeouts,
    checked_amount,
    checked_bool,
    checked_int,
    checked_seconds,
    omit,
)


@pytest.mark.parametrize(("sentinel", "kind", "name"), [(NOT_GIVEN, NotGiven, "NOT_GIVEN"), (omit, Omit, "omit")])
def test_sentinels(sentinel: Any, kind: type, name: str) -> None:
    assert isinstance(sentinel, kind)
    assert not sentinel
    assert repr(sentinel) == name
    # The same object also in another process: it is compared by isinstance and by `is`.
    assert pickle.loads(pickle.dumps(sentinel)) is sentinel
    assert copy.copy(sentinel) is copy.deepcopy(sentinel) is sentinel


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, math.inf), (0, 0.0), (3, 3.0), (0.25, 0.25), (math.inf, math.inf)]
)
def test_seconds(value: object, seconds: float) -> None:
    checked = checked_seconds(value, "deadline")
    assert checked == seconds
    assert type(checked) is float


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, TypeError, "deadline must be a number of seconds or None, not True"),
        ("3", TypeError, "deadline must be a number of seconds or None, not '3'"),
        (NOT_GIVEN, TypeError, "deadline must be a number of seconds or None, not NOT_GIVEN"),
        (-0.001, ValueError, "deadline must be 0 seconds or more, not -0.001"),
        (-math.inf, ValueError, "deadline must be 0 seconds or more, not -inf"),
        (math.nan, ValueError, "deadline must be 0 seconds or more, not nan"),
    ],
)
def test_no_seconds(value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        checked_seconds(value, "deadline")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, TypeError, "n must be an int, not True"),
        (1.0, TypeError, "n must be an int, not 1.0"),
        (None, TypeError, "n must be an int, not None"),
        (1, ValueError, "n must be 2 or more, not 1"),
    ],
)
def test_no_int(value: object, error: type[Exception], message: str) -> None:
    assert checked_int(2, "n", 2) == 2
    assert checked_int(0, "n") == 0
    with pytest.raises(error) as caught:
        checked_int(value, "n", 2)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [0, 1, None, "yes", NOT_GIVEN])
def test_no_bool(value: object) -> None:
    assert checked_bool(True, "flag") is True
    assert checked_bool(False, "flag") is False
    with pytest.raises(TypeError, match="flag must be True or False, not"):
        checked_bool(value, "flag")


@pytest.mark.parametrize(
    ("timeout", "flat"),
    [
        (None, (math.inf,) * 4),
        (3, (3.0,) * 4),
        (httpx.Timeout(None), (math.inf,) * 4),
        (httpx.Timeout(1.0, read=2.0, pool=None), (1.0, 2.0, 1.0, math.inf)),
        (httpx.Timeout(connect=1, read=2, write=3, pool=4), (1.0, 2.0, 3.0, 4.0)),
        (DEFAULT_TIMEOUT, (5.0, 600.0, 600.0, 600.0)),
    ],
)
def test_timeouts(timeout: Any, flat: tuple[float, ...]) -> None:
    assert Timeouts.of(timeout) == flat
    assert Timeouts.of(timeout)._fields == ("connect", "read", "write", "pool")


@pytest.mark.parametrize("timeout", ["3", (1.0, 2.0), True, -1, math.nan, httpx.Timeout(1.0, write=-1.0)])
def test_no_timeouts(timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="here must be"):
        Timeouts.of(timeout, "here")


class TestLimits:
    def test_defaults(self) -> None:
        assert msgspec.structs.asdict(Limits()) == {
            "max_connections": 1000,
            "max_idle_connections": 100,
            "idle_expiry": 30.0,
            "max_lifetime": 3600.0,
            "max_header_bytes": 64 * 1024,
            "max_informational": 16,
            "max_body_bytes": 256 * 1024**2,
            "max_decoded_bytes": 256 * 1024**2,
            "max_json_depth": 512,
            "max_redirects": 20,
            "max_error_body_bytes": 64 * 1024,
            "max_line_bytes": 32 * 1024**2,
            "max_event_bytes": 64 * 1024**2,
            "max_pages": 100_000,
        }

    @pytest.mark.parametrize("field", Limits.__struct_fields__)
    @pytest.mark.parametrize("value", [-1, "5", True, math.nan])
    def test_each_is_checked_and_named(self, field: str, value: Any) -> None:
        with pytest.raises((TypeError, ValueError), match=rf"limits\.{field} must be"):
            Limits(**{field: value})

    @pytest.mark.parametrize("field", sorted({*Limits.__struct_fields__} - {"idle_expiry", "max_lifetime"}))
    def test_counts_are_whole(self, field: str) -> None:
        with pytest.raises(TypeError, match=rf"limits\.{field} must be an int, not 1\.5"):
            Limits(**{field: 1.5})

    @pytest.mark.parametrize("field", ["max_connections", "max_pages"])
    def test_at_least_one(self, field: str) -> None:
        assert getattr(Limits(**{field: 1}), field) == 1  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=rf"limits\.{field} must be 1 or more"):
            Limits(**{field: 0})  # type: ignore[arg-type]

    def test_none_at_all(self) -> None:
        assert Limits(max_idle_connections=0).max_idle_connections == 0

    def test_no_limit_on_times(self) -> None:
        limits = Limits(idle_expiry=None, max_lifetime=math.inf)  # type: ignore[arg-type]
        assert limits.idle_expiry == limits.max_lifetime == math.inf

    def test_frozen(self) -> None:
        with pytest.raises(AttributeError):
            Limits().max_redirects = 3  # type: ignore[misc]
        with pytest.raises(TypeError):
            Limits(10)  # type: ignore[call-arg]


def test_methods_whose_repetition_does_no_harm() -> None:
    assert {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"} == IDEMPOTENT_METHODS


@pytest.mark.parametrize("amount", [0, 0.0, 5e-324, 3, 1e308])
def test_an_amount(amount: float) -> None:
    checked = checked_amount(amount, "n")
    assert (checked, type(checked)) == (amount, float)


@pytest.mark.parametrize("value", [-5e-324, -1, math.inf, math.nan])
def test_amounts_out_of_bounds(value: float) -> None:
    with pytest.raises(ValueError, match=f"^n must be a finite number of 0 or more, not {value!r}$"):
        checked_amount(value, "n")


@pytest.mark.parametrize("value", [None, True, "1", 1j])
def test_what_is_no_amount(value: object) -> None:
    with pytest.raises(TypeError) as caught:
        checked_amount(value, "n")
    assert str(caught.value) == f"n must be a number, not {value!r}"
