"""What users meet before the code: metadata, the README's commands, the changelog."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import trioclient

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest needs it there, so it is installed

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def read_command(marker: str) -> str:
    """The one line of the code block under a marker comment, as `.ci/run` takes it."""
    block = re.search(rf"^<!-- {marker} -->\n```sh\n(.*?)```$", README, re.MULTILINE | re.DOTALL)
    assert block is not None, f"README.md has no code block under <!-- {marker} -->"
    return block[1].removesuffix("\n")


@pytest.mark.parametrize("marker", ["example", "tests"])
def test_a_readme_command_is_one_line_that_makes_its_own_environment(marker: str) -> None:
    command = read_command(marker)
    assert "\n" not in command
    venv, install, run = command.split(" && ")
    assert venv == "python3 -m venv .venv"
    extra = re.fullmatch(r"\.venv/bin/python -m pip install -q -e '\.\[(\w+)\]'", install)
    assert extra is not None
    assert extra[1] in PROJECT["optional-dependencies"]
    assert run.startswith(".venv/bin/python ")


def test_the_readme_names_only_examples_that_exist() -> None:
    named = set(re.findall(r"examples/\w+\.py", README))
    assert named
    assert not {name for name in named if not (ROOT / name).is_file()}


def test_the_changelog_knows_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(trioclient.__version__)}\b", changelog, re.MULTILINE)


def test_every_dependency_has_a_lower_bound_only() -> None:
    required = [line.partition(";")[0] for line in PROJECT["dependencies"]]
    names = [re.split(r"[^\w-]", line)[0] for line in required]
    assert names == ["trio", "httpx", "msgspec", "httptools", "outcome", "exceptiongroup"]
    assert not [line for line in required if not re.fullmatch(r"[\w-]+>=[\d.]+", line)]


def test_types_are_published() -> None:
    assert (Path(trioclient.__file__).parent / "py.typed").is_file()


def test_test_folders_are_no_packages() -> None:
    # Under importlib mode an __init__.py would give two test files of one name the same module.
    assert not list((ROOT / "tests").rglob("__init__.py"))
