"""What an import costs: modules loaded and calls made, which are the same in every run.

Time is measured by `tests/benchmarks/import_time.py`; ``--by-module`` tells where it goes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import trioclient

MOST_MODULES = 158
"""Of trioclient's own. 151 are loaded; each takes about 0.1 ms to find and to read."""

MOST_CALLS = 29_000
"""By Python or of C functions, those of the import system aside: 27,500 to 28,000 are made on each
version of Python. A dataclass is about 900 of them, a regular expression 300, a named tuple 200."""

STANDARD = {"importlib._abc", "importlib.util", "secrets"}
"""What is loaded of the standard library that trio, httpx, msgspec and httptools have not loaded."""

COUNTED = """
import gc, json, sys
import trio, httpx, msgspec, httptools
gc.disable()
known, calls = set(sys.modules), 0
def count(frame, event, arg):
    global calls
    # What the import system does depends on whether byte code is there.
    if event in ("call", "c_call") and not frame.f_code.co_filename.startswith("<frozen importlib"):
        calls += 1
sys.setprofile(count)
{code}
import trioclient
sys.setprofile(None)
print(json.dumps([calls, sorted(set(sys.modules) - known)]))
"""


class Imported(NamedTuple):
    calls: int
    own: set[str]
    standard: set[str]


def imported(code: str = "") -> Imported:
    """What the import brings in a fresh interpreter that has run `code`."""
    environment = os.environ | {"PYTHONPATH": str(Path(trioclient.__file__).parents[1]), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", COUNTED.format(code=code)]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    calls, modules = json.loads(child.stdout)
    own = {module for module in modules if module.partition(".")[0] == "trioclient"}
    return Imported(calls, own, set(modules) - own)


@pytest.fixture(scope="module")
def plain() -> Imported:
    return imported()


def test_no_more_modules_than_before(plain: Imported) -> None:
    assert len(plain.own) <= MOST_MODULES
    assert plain.standard <= STANDARD


def test_no_more_work_than_before(plain: Imported) -> None:
    assert plain.calls <= MOST_CALLS


def test_what_is_put_in_is_seen(plain: Imported) -> None:
    more = imported("import re, xmlrpc\nfor n in range(20): re.compile(f'(some|expression){n}')")
    assert more.calls > plain.calls + 20 * 200
    assert more.standard == plain.standard | {"xmlrpc"}
