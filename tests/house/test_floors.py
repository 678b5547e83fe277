"""The house: every module has a floor and imports only from its own floor or lower ones.

Imports are read from the source, those inside functions and under ``TYPE_CHECKING`` included.
A new module gets its floor by its package; a new package is added to `FLOORS`.
"""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import trioclient

ROOT = Path(trioclient.__file__).parent

FLOORS = {
    "trioclient._attempt_record": 0,
    "trioclient._errors": 0,
    "trioclient._faults": 0,
    "trioclient._records": 0,
    "trioclient._server_sent_event": 0,
    "trioclient._types": 0,
    "trioclient._version": 0,
    "trioclient._codec": 1,
    "trioclient._http1": 1,
    "trioclient._policy": 1,
    "trioclient._request_options": 1,
    "trioclient._feed": 2,
    "trioclient._hold": 2,
    "trioclient._net": 2,
    "trioclient._portal": 2,
    "trioclient._engine": 3,
    "trioclient._client": 4,
    "trioclient._blocking": 5,
    "trioclient._blocking_calls": 5,
    "trioclient._blocking_fan_out": 5,
    "trioclient._blocking_pages": 5,
    "trioclient._blocking_response": 5,
    "trioclient._blocking_stream": 5,
    "trioclient._sync_client": 5,
    "trioclient.testing": 5,
    "trioclient": 5,
}
"""By module or package; the longest name that fits counts, and `trioclient` fits only itself."""

EFFECTS = frozenset(
    {"trio", "socket", "ssl", "select", "selectors", "asyncio", "threading", "subprocess", "signal"}
    | {"time", "random", "secrets", "os"}
)
"""What a pure module leaves alone: I/O, clocks, chance, threads, the environment."""

FORBIDDEN = {
    "trioclient._codec": EFFECTS,
    "trioclient._http1": EFFECTS,
    "trioclient._policy": EFFECTS,
    "trioclient._feed": frozenset({"trioclient._policy"}),
    "trioclient._net": frozenset({"trioclient._policy"}),
    "trioclient._portal": frozenset({"trioclient._policy"}),
    "trioclient._engine": frozenset({"trioclient._http1"}),
}
"""What else a package may not import, be it on a lower floor."""

LONG_FILES: dict[str, str] = {}
"""Files of more than 350 lines, each with the reason why it is not two."""

POOR_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager)(_|$)|^_?process_|(Utils?|Helper|Manager)$|^_?Final[A-Z]")


class Import(NamedTuple):
    """One imported module, ours by its full name."""

    module: str
    line: int
    typing_only: bool


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}


def place(module: str) -> str | None:
    """The key of `FLOORS` that a module falls under."""
    if module == "trioclient":
        return module
    packages = [key for key in FLOORS if key != "trioclient" and f"{module}.".startswith(f"{key}.")]
    return max(packages, key=len, default=None)


def floor(module: str) -> int:
    key = place(module)
    if key is None:
        pytest.fail(f"{module} has no floor: move it into a package that has one, or name it in FLOORS in {__file__}")
    return FLOORS[key]


def imports(source: str, module: str, is_package: bool) -> list[Import]:
    """Every import of a module, wherever it stands."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    return list(_imports_below(ast.parse(source), package, False))


def _imports_below(node: ast.AST, package: list[str], typing_only: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, typing_only)
    elif isinstance(node, ast.ImportFrom):
        start = package[: len(package) + 1 - node.level] if node.level else []
        base = ".".join([*start, *filter(None, [node.module])])
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            yield Import(submodule if submodule in MODULES else base, node.lineno, typing_only)
    elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for child in node.body:
            yield from _imports_below(child, package, True)
        for child in node.orelse:
            yield from _imports_below(child, package, typing_only)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports_below(child, package, typing_only)


IMPORTS = {name: imports(SOURCES[name], name, path.name == "__init__.py") for name, path in MODULES.items()}


def test_the_reader_of_imports_sees_them_all() -> None:
    source = """
import ssl, os.path
from . import _types
from .._errors import APIError
if TYPE_CHECKING:
    from ._pool import Pool
else:
    import time
def late():
    from trioclient import _version
"""
    found = imports(source, "trioclient._net.somewhere", is_package=False)
    assert [(seen.module, seen.typing_only) for seen in found] == [
        ("ssl", False),
        ("os.path", False),
        ("trioclient._net", False),
        ("trioclient._errors", False),
        ("trioclient._net._pool", True),
        ("time", False),
        ("trioclient._version", False),
    ]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_or_stay(module: str) -> None:
    own = floor(module)
    upward = [
        f"line {seen.line}: {seen.module} is on floor {floor(seen.module)}"
        for seen in IMPORTS[module]
        if seen.module.split(".")[0] == "trioclient" and floor(seen.module) > own
    ]
    assert not upward, f"{module} is on floor {own}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_nothing_forbidden(module: str) -> None:
    forbidden = FORBIDDEN.get(place(module) or "", frozenset())
    found = [
        f"line {seen.line}: {seen.module}"
        for seen in IMPORTS[module]
        if any(f"{seen.module}.".startswith(f"{name}.") for name in forbidden)
    ]
    assert not found


def test_runtime_imports_have_no_cycle() -> None:
    graph = {
        module: {seen.module for seen in found if not seen.typing_only and seen.module in MODULES} - {module}
        for module, found in IMPORTS.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", [name for name in MODULES if FLOORS.get(place(name) or "") == 1])
def test_pure_modules_read_no_clock_and_draw_no_lot(module: str) -> None:
    # datetime and uuid may be imported for their types; these of their functions are effects.
    effects = ("now", "utcnow", "today", "uuid1", "uuid4")
    called = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(SOURCES[module]))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in effects
    ]
    assert not called


def test_long_files_have_a_reason() -> None:
    long = {name for name, source in SOURCES.items() if source.count("\n") > 350}
    assert long == set(LONG_FILES), "the modules over 350 lines, and those named in LONG_FILES"


@pytest.mark.parametrize("module", MODULES)
def test_names_say_something(module: str) -> None:
    defined = [
        node.name
        for node in ast.walk(ast.parse(SOURCES[module]))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    assert not [name for name in [*module.split("."), *defined] if POOR_NAMES.search(name)]


def imported_by(code: str) -> set[str]:
    """The top-level names of everything a fresh interpreter has imported after `code`."""
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    child = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    return set(json.loads(child.stdout))


DEPENDENCIES = "import trio, httpx, msgspec, httptools\n"


def test_importing_loads_nothing_optional() -> None:
    loaded = imported_by("import trioclient")
    assert not {name for name in loaded if name.startswith("trioclient.testing")}
    # What the four dependencies load by themselves (httpx loads brotli where it is installed) is theirs.
    others = {name.split(".")[0] for name in loaded - imported_by(DEPENDENCIES)}
    assert others - {"trioclient"} <= sys.stdlib_module_names | {"exceptiongroup"}


def test_importing_warns_of_nothing() -> None:
    imported_by(f"{DEPENDENCIES}import warnings; warnings.simplefilter('error')\nimport trioclient")
