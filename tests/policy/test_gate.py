"""When the gate closes, when it opens, and that waiting calls are spread."""

from __future__ import annotations

import random

import pytest

from trioclient._policy.gate import Gate


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_an_open_gate_lets_everything_through_at_once(draw: float) -> None:
    assert Gate().opens_at(10.0, draw) == 10.0


@pytest.mark.parametrize(("draw", "instant"), [(0.0, 14.0), (0.01, 14.1), (0.25, 14.5), (0.9801, 14.99)])
def test_a_held_gate_lets_calls_out_over_a_quarter_of_the_delay_on_a_ramp(draw: float, instant: float) -> None:
    gate = Gate()
    gate.hold(10.0, 4.0)
    assert gate.held_until == 14.0
    assert gate.opens_at(11.0, draw) == pytest.approx(instant, rel=1e-12)


@pytest.mark.parametrize(("now", "opens_at"), [(13.999, 14.5), (14.0, 14.0), (14.2, 14.2), (20.0, 20.0)])
def test_it_opens_by_itself(now: float, opens_at: float) -> None:
    gate = Gate()
    gate.hold(10.0, 4.0)
    assert gate.opens_at(now, 0.25) == opens_at


@pytest.mark.parametrize(
    ("second", "held_until", "opens_at"),
    [
        ((11.0, 1.0), 14.0, 14.5),
        ((11.0, 3.0), 14.0, 14.5),
        ((11.0, 8.0), 19.0, 20.0),
        ((13.0, 1.5), 14.5, 14.6875),
    ],
)
def test_it_is_held_longer_but_never_shorter(second: tuple[float, float], held_until: float, opens_at: float) -> None:
    gate = Gate()
    gate.hold(10.0, 4.0)
    gate.hold(*second)
    assert gate.held_until == held_until
    assert gate.opens_at(13.5, 0.25) == opens_at


def test_it_closes_again() -> None:
    gate = Gate()
    gate.hold(10.0, 4.0)
    gate.hold(100.0, 2.0)
    assert gate.opens_at(101.0, 0.0) == 102.0


@pytest.mark.parametrize(("jitter", "instant"), [(0.0, 14.0), (1.0, 16.0)])
def test_the_spread_is_the_policys(jitter: float, instant: float) -> None:
    gate = Gate(jitter)
    gate.hold(10.0, 4.0)
    assert gate.opens_at(10.0, 0.25) == instant


def test_a_thousand_waiting_calls_do_not_come_back_together() -> None:
    gate, chance = Gate(), random.Random(3)
    gate.hold(0.0, 10.0)
    instants = [gate.opens_at(1.0, chance.random()) for _ in range(1000)]
    assert min(instants) >= 10.0
    assert max(instants) < 12.5
    tenths = [sum(instant < 10.0 + 0.25 * tenth for instant in instants) for tenth in (1, 2, 5)]
    assert tenths == pytest.approx([10, 40, 250], abs=30)
    busiest = max(sum(start <= instant < start + 0.1 for instant in instants) for start in instants)
    assert busiest < 100
