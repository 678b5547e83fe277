"""The short form of the soak; ``python tests/soak --minutes 10`` is the long one."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the soak reads /proc")


@pytest.fixture
def readings() -> Any:
    spec = importlib.util.spec_from_file_location("soak_readings", FOLDER / "readings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_few_seconds_of_it_are_flat() -> None:
    command = [sys.executable, "-W", "error", str(FOLDER), "--minutes", "0.075", "--seed", "5", "--quiet"]
    soak = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert soak.stderr == ""
    assert soak.stdout.startswith("seed 5,")
    assert soak.stdout.endswith("\nflat\n")
    restarts = re.search(r"the far end started (\d+) times", soak.stdout)
    assert restarts is not None
    assert int(restarts[1]) > 1


FLAT = {"memory": 50.0, "objects": 40_000, "descriptors": 40, "threads": 10, "tasks": 60, "connections": 30}


@pytest.mark.parametrize("figure", FLAT)
def test_what_grows_is_noticed(readings: Any, figure: str) -> None:
    flat = readings.Reading(**FLAT)
    slightly, thrice = (flat._replace(**{figure: FLAT[figure] * factor}) for factor in (1.04, 3))
    assert all(one.flat for one in readings.compared([flat] * 12 + [slightly] * 4))
    # Before the second quarter it may, and in a single reading.
    assert all(one.flat for one in readings.compared([flat] * 4 + [thrice] * 12))
    assert all(one.flat for one in readings.compared([flat] * 15 + [thrice]))
    comparisons = readings.compared([flat] * 13 + [thrice] * 3)
    assert [one.figure for one in comparisons if not one.flat] == [figure]
    assert readings.table(comparisons).count("GROWS") == 1


def test_too_few_readings_are_refused(readings: Any) -> None:
    with pytest.raises(ValueError, match="3 readings have no quarters"):
        readings.compared([readings.Reading(1.0, 1, 1, 1, 1, 1)] * 3)
