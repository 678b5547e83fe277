"""Would a test notice? Mutants of the policy and the codec floor, by mutmut.

    pip install -e '.[mutation]' && python tests/mutation          # all of both floors
    python tests/mutation retry _codec/url.py --jobs 2             # some modules

A mutant is a module with one small change: another operator, a number one higher, an argument
gone, another text. It is killed if one of the module's own tests (`tests/codec/test_url*.py` for
`trioclient/_codec/url.py`) fails with it, or never ends. One that survives is a line that nobody
checks, or that nobody needs. They are printed, and a table; below 95 % the command fails. All of
it takes an hour of one core, which CI has not.

Not counted is what cannot be tested: the type told to `typing.cast`, ``strict=`` of a `zip`, and the
case of a codec's name. And mutmut changes nothing outside functions, in annotations, in functions
that are decorated (properties, caches, overloads) and in texts of three quotes. It does not run on
Windows. Nothing is written but to a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"trioclient/_policy": "tests/policy", "trioclient/_codec": "tests/codec"}
GOAL = 95.0
SPINNER = tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
"""What lines begin with by which mutmut says that it is busy."""

# A worker is forked from a process that has collected the tests and run none of them. On a busy
# machine they may take twenty times as long as they need.
CONFIGURATION = """\
[mutmut]
source_paths = trioclient
only_mutate = {module}
process_isolation = forkserver
pytest_add_cli_args_test_selection =
    {tests}
pytest_add_cli_args =
    -p
    fresh_tests
    -p
    no:cacheprovider
    --hypothesis-profile=glance
timeout_constant = 1
timeout_multiplier = 20
use_git_change_detection = false
"""


def main() -> None:
    options = parsed_options()
    if find_spec("mutmut") is None:
        sys.exit("mutmut is not installed: pip install -e '.[mutation]'")
    modules = chosen(options.modules)
    made: dict[str, list[Mutant]] = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for module, mutants in zip(modules, pool.map(tested, modules), strict=True):
            made[module] = mutants
            for mutant in mutants:
                if mutant.fate == "survived":
                    print(f"{module}: {mutant.name}\n{mutant.diff}\n", flush=True)
    sys.exit(0 if table(made) >= GOAL else 1)


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/mutation", description="Mutation testing of the pure floors.")
    parser.add_argument("modules", nargs="*", help="their names or paths; all of both floors if there is none")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many modules are tested at once")
    return parser.parse_args()


def chosen(wanted: list[str]) -> list[str]:
    """The modules wanted, as paths from the root."""
    every = [path.relative_to(ROOT).as_posix() for floor in FLOORS for path in sorted((ROOT / floor).glob("[!_]*.py"))]
    names = [name.removesuffix(".py") for name in wanted]
    for name in names:
        if not any(f"/{module}".endswith(f"/{name}.py") for module in every):
            sys.exit(f"no module of {' or '.join(FLOORS)} is called {name}")
    return [module for module in every if not names or any(f"/{module}".endswith(f"/{name}.py") for name in names)]


def own_tests(folder: Path, name: str) -> list[Path]:
    """The tests that are called after a module, or where there are none, after the beginning of its name."""
    found = [path.relative_to(ROOT) for path in sorted(folder.glob(f"test_{name}*.py"))]
    beginning = name.rpartition("_")[0]
    return found if found or not beginning else own_tests(folder, beginning)


def tested(module: str) -> list[Mutant]:
    """The mutants of a module, each tested in a copy of what that takes."""
    tests = own_tests(ROOT / FLOORS[str(Path(module).parent)], Path(module).stem)
    if not tests:
        sys.exit(f"{module} has no tests that are called after it")
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "trioclient", folder / "trioclient", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (Path("pyproject.toml"), Path("tests/conftest.py"), *tests):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path)
        configuration = CONFIGURATION.format(module=module, tests="\n    ".join(map(str, tests)))
        (folder / "setup.cfg").write_text(configuration, encoding="utf-8")
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = [line for line in f"{done.stdout}{done.stderr}".splitlines() if line[:1] not in SPINNER]
            sys.exit("\n".join([f"{module}: mutmut ended with {done.returncode}", *said[-50:]]))
        return list(mutants_of(folder / "mutants" / module))


def table(made: dict[str, list[Mutant]]) -> float:
    """Printed; returns the percentage killed."""
    width = max(map(len, made))
    print(f"{'module':{width}}  mutants  killed  timeouts  survived")
    rows = {module: Counter(mutant.fate for mutant in mutants) for module, mutants in made.items()}
    rows["all"] = sum(rows.values(), Counter())
    share = 100.0
    for name, fates in rows.items():
        killed, timeouts, survived = fates["killed"], fates["timeout"], fates["survived"]
        counted = killed + timeouts + survived
        share = 100 * (killed + timeouts) / counted if counted else 100.0
        print(f"{name:{width}}  {counted:7}  {killed:6}  {timeouts:8}  {survived:8}  {share:5.1f} %")
    return share


main()
