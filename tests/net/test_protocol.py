"""The scope of an attempt, moved from phase to phase."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio

from trioclient._net.protocol import PhaseScope


async def test_it_begins_in_its_phase(autojump_clock: Any) -> None:
    phases = PhaseScope("read", 5.0, trio.current_time())
    began = trio.current_time()
    with phases.scope:
        await trio.sleep_forever()
    assert trio.current_time() == began + 5.0
    assert phases.phase == "read"


async def test_a_phase_counts_from_its_own_beginning(autojump_clock: Any) -> None:
    phases = PhaseScope("read", 5.0, trio.current_time())
    began = trio.current_time()
    with phases.scope:
        await trio.sleep(4)
        phases.enter("write", 3.0)
        assert phases.since == began + 4.0
        await trio.sleep_forever()
    assert trio.current_time() == began + 7.0
    assert phases.phase == "write"


@pytest.mark.parametrize("ceiling", [2.0, math.inf])
async def test_no_phase_outlives_the_call(autojump_clock: Any, ceiling: float) -> None:
    began = trio.current_time()
    phases = PhaseScope("read", 3.0, began, began + ceiling)
    assert phases.scope.deadline == began + min(3.0, ceiling)
    phases.enter("pool", math.inf)
    assert phases.scope.deadline == began + ceiling


@pytest.mark.parametrize(
    ("passed", "seconds", "until"),
    [
        (0.0, 10.0, 10.0),
        (0.09, 10.0, 10.0),  # right to a hundredth
        (0.11, 10.0, 10.11),
        (5.0, 10.0, 15.0),
        (0.0, 10.05, 10.0),
        (0.0, 9.99, 9.99),  # never later than asked for
        (0.0, 1.0, 1.0),
        (0.0, math.inf, math.inf),
    ],
)
async def test_a_deadline_that_is_right_to_a_hundredth_stays(
    autojump_clock: Any, passed: float, seconds: float, until: float
) -> None:
    began = trio.current_time()
    phases = PhaseScope("read", 10.0, began)
    with phases.scope:
        await trio.sleep(passed)
        phases.enter("write", seconds)
        assert phases.phase == "write"
        assert phases.scope.deadline == pytest.approx(began + until)
