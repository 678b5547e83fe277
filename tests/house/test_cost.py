"""What an exchange costs, in instructions, calls and task switches: no dearer than it was.

The figures are in `exchange_cost.json` beside this; `tests/benchmarks/exchange_cost.py` counts them,
stores them, and shows where they come from.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import trioclient

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "exchange_cost.py"
VERSION = "{}.{}".format(*sys.version_info)

Figures = dict[str, dict[str, float]]

SLOWER = """
import runpy, sys, trioclient

source = '''
async def post(self, *args, **kwargs):
    for _ in range(50):
        pass
    return await was(self, *args, **kwargs)
'''
made = dict(was=trioclient.AsyncAPIClient.post)
exec(compile(source, trioclient.__file__, "exec"), made)
trioclient.AsyncAPIClient.post = made["post"]
sys.argv.pop(0)
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Makes every POST slower, then runs another program."""


def cost(*arguments: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The program in a fresh process, with the package under test."""
    environment = os.environ | {"PYTHONPATH": str(Path(trioclient.__file__).parents[1]), "PYTHONHASHSEED": "0"}
    command = [sys.executable, *under, PROGRAM.as_posix(), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    """What GET and POST cost here and now."""
    file = tmp_path_factory.mktemp("cost") / "figures.json"
    recording = cost("get", "post", "--record", "--figures", str(file))
    assert recording.returncode == 0, recording.stderr
    return json.loads(file.read_text())[VERSION]


def write(folder: Path, figures: dict[str, Figures]) -> str:
    file = folder / "figures.json"
    file.write_text(json.dumps(figures))
    return str(file)


def test_no_exchange_has_become_dearer() -> None:
    checked = cost("--check")
    assert checked.returncode == 0, checked.stderr


def test_a_slowdown_is_seen(recorded: Figures, tmp_path: Path) -> None:
    file = write(tmp_path, {VERSION: recorded})
    same = cost("get", "post", "--check", "--figures", file)
    assert same.returncode == 0, same.stderr
    slower = cost("get", "post", "--check", "--figures", file, under=("-c", SLOWER))
    assert slower.returncode == 1
    first = slower.stderr.splitlines()[0]
    assert first.startswith(f"post is dearer on Python {VERSION}: ")
    assert f" instructions after {recorded['post']['instructions']:,} (+" in first
    assert "get is" not in slower.stderr
    assert "--against CHECKOUT" in slower.stderr
    assert f"--record python{VERSION}" in slower.stderr


@pytest.mark.parametrize(
    ("version", "stored", "complaint"),
    [
        (VERSION, 0.96, ""),
        (VERSION, 0.94, "get is dearer"),
        (VERSION, 1.08, ""),
        (VERSION, 1.13, "get is cheaper"),
        ("3.0", 0.80, ""),
        ("3.0", 0.75, "get is dearer"),
        ("3.0", 3.00, ""),
    ],
)
def test_how_far_a_figure_may_be_from_the_stored_one(
    recorded: Figures, tmp_path: Path, version: str, stored: float, complaint: str
) -> None:
    figures = recorded["get"] | {"instructions": recorded["get"]["instructions"] * stored}
    checked = cost("get", "--check", "--figures", write(tmp_path, {version: {"get": figures}}))
    assert checked.stderr.startswith(complaint)
    assert bool(checked.stderr) is bool(checked.returncode) is bool(complaint)


def test_the_newest_python_stands_in_for_one_not_stored(recorded: Figures, tmp_path: Path) -> None:
    old = {"get": recorded["get"] | {"calls": 1.0}}
    checked = cost("get", "--check", "--figures", write(tmp_path, {"3.2": recorded, "3.1": old}))
    assert checked.returncode == 0, checked.stderr


def test_an_exchange_without_figures_is_a_fault(recorded: Figures, tmp_path: Path) -> None:
    checked = cost("get", "--check", "--figures", write(tmp_path, {VERSION: {"post": recorded["post"]}}))
    assert checked.returncode == 1
    assert checked.stderr.startswith("get has no figures stored")
