"""The fault matrix: every case of `tests/faults/matrix`, each six calls and an audit.

``python tests/faults/matrix`` shows the same as a table, with the time and the memory they took.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("matrix")))

import audit
from all_cases import CASES
from audit import PeakMemory
from case import KINDS, Case, Fails, Gives
from cells import MOST_MEMORY, Bench
from faces import MARK
from far_ends import FarEnd, Setting, answers, refuses
from table import row, summary, wrong_in

from trioclient import APIConnectionError, APITimeoutError, AuthenticationError
from trioclient.testing import reply

QUICK = [case for case in CASES if not case.waits]
WAITING = [case for case in CASES if case.waits]
SIDE_BY_SIDE = 6


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench.open() as bench:
        yield bench


@pytest.mark.parametrize("case", QUICK, ids=lambda case: f"{case.kind}: {case.name}")
async def test_case(bench: Bench, case: Case) -> None:
    result = await bench.run(case)
    assert not result.complaints
    if case.bloats:
        assert result.memory < MOST_MEMORY


@pytest.mark.parametrize("number", range(0, len(WAITING), SIDE_BY_SIDE))
async def test_cases_that_wait(bench: Bench, number: int) -> None:
    for result in await bench.run_all(WAITING[number : number + SIDE_BY_SIDE]):
        assert not result.wrong
        if result.complaints:
            # What should have been there in time may have had no chance beside the others.
            assert not (await bench.run(result.case)).complaints


def test_there_are_enough_of_every_kind() -> None:
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES) >= 60
    assert all(count >= 5 for count in Counter(case.kind for case in CASES).values())
    assert {case.kind for case in CASES} == set(KINDS)


WRONG = {
    "an error that was not expected": Case(name="x", far_end=refuses, expected=Gives()),
    "another class": Case(name="x", far_end=refuses, expected=Fails(APITimeoutError, "no")),
    "otherwise sent": Case(name="x", far_end=refuses, expected=Fails(APIConnectionError, "maybe")),
    "more attempts": Case(name="x", far_end=refuses, expected=Fails(APIConnectionError, "no", 2)),
    "in other words": Case(name="x", far_end=refuses, expected=Fails(APIConnectionError, "no", saying="bless you")),
    "an answer that was not expected": Case(
        name="x", far_end=answers(reply(json={})), expected=Fails(APIConnectionError)
    ),
    "a secret": Case(name="x", far_end=answers(reply(401, json=MARK)), expected=Fails(AuthenticationError)),
    "another value": Case(name="x", far_end=answers(reply(json=[])), expected=Gives()),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_told(bench: Bench, name: str) -> None:
    result = await bench.run(WRONG[name])
    assert all(cell.wrong for cell in result.cells)
    assert result.complaints == wrong_in(result)
    assert "WRONG" in row(result)
    assert summary([result]) == "1 cases, 6 cells, 1 wrong"


@pytest.mark.skipif(sys.platform != "linux", reason="nobody keeps a list of descriptors elsewhere")
async def test_what_is_left_over_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []

    @asynccontextmanager
    async def leaks(setting: Setting) -> AsyncIterator[FarEnd]:
        left.append(os.open(os.devnull, os.O_RDONLY))
        async with refuses(setting) as far_end:
            yield far_end

    monkeypatch.setattr(audit, "_SETTLED", 0.1)
    result = await bench.run(Case(name="x", far_end=leaks, expected=Fails(APIConnectionError, "no")))
    for descriptor in left:
        os.close(descriptor)
    assert not any(cell.wrong for cell in result.cells)
    assert "descriptors" in result.complaints[0]


@pytest.mark.skipif(sys.platform != "linux", reason="it cannot be measured elsewhere")
def test_memory_is_told() -> None:
    memory = PeakMemory()
    # Not from the heap, which may have as much to spare by now.
    with mmap.mmap(-1, MOST_MEMORY) as pages:
        pages.write(b"x" * MOST_MEMORY)
    assert memory.grown() > 0.9 * MOST_MEMORY
