"""What the README says is so: its code runs, and its tables match the code.

Every block of Python is run, section by section, in the order of the page; the blocks of a
section share their names. A block that awaits at its top level is run in trio, with a `client`;
one that defines tests is run by pytest. ``https://api.example.com/v1`` is a loopback server.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import trio

import trioclient
from trioclient import AsyncAPIClient, Limits, RequestOptions, RetryPolicy, _errors
from trioclient.testing import BlockingLoopbackServer, LoopbackServer, RecordedRequest, Reply, event_stream, reply

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PACKAGE = Path(trioclient.__file__).parents[1]
API = "https://api.example.com/v1"

SECTIONS = {
    title: re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
}


# The code


def create_message(request: RecordedRequest) -> Reply:
    return reply(201, json={"id": "m-1", "text": request.json()["text"]})


def members(request: RecordedRequest) -> Reply:
    if "cursor=2" in request.target:
        return reply(json={"data": [{"name": "Bea"}]})
    return reply(json={"data": [{"name": "Ada"}], "next_cursor": "2"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockingLoopbackServer]:
    """The API that the README speaks of."""
    monkeypatch.setenv("no_proxy", "*")
    blocks = [{"type": "text", "text": "hi"}, {"type": "image", "url": "/i"}, {"type": "video", "length": 3}]
    with LoopbackServer.in_thread() as server:
        server.route("GET", "/v1/users/1", reply(json={"id": 1, "name": "Ada"}))
        server.route("POST", "/v1/notes", reply(201, json={"id": 5}))
        server.route("GET", "/v1/files/a%2Fb%20c/blocks", reply(json=blocks))
        server.route("GET", "/v1/search", reply(json=[]))
        server.route("GET", "/v1/slow", reply(json={}, delay=float("inf")))
        server.route("GET", "/v1/moody", reply(429, headers={"Retry-After": "0.05"}), reply(json={}))
        server.route("POST", "/v1/embed", reply(json=[0.5, 1.0]))
        server.route("POST", "/v1/charges", reply(422, json={"error": {"message": "amount must be positive"}}))
        server.route("POST", "/v1/messages", create_message)
        server.route("GET", "/v1/messages/m-1", reply(json={"id": "m-1", "text": "hi"}))
        words = ("start", {"id": "c-1"}), ("word", {"text": "hello"}), ("stop", "")
        server.route("POST", "/v1/chat", event_stream(*words))
        server.route("GET", "/v1/export", reply(content="a,b\n1,2\n"))
        server.route("POST", "/v1/files", reply(201, json={}))
        server.route("GET", "/v1/members", members)
        yield server


@pytest.mark.parametrize("title", [title for title, blocks in SECTIONS.items() if blocks])
def test_the_code_of_a_section_runs(
    title: str, server: BlockingLoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export.csv").write_text("a,b\n", encoding="utf-8")
    names: dict[str, Any] = {"__name__": "readme"}
    for number, block in enumerate(SECTIONS[title]):
        source = block.replace(API, f"{server.url}v1")
        if "def test_" in source:
            run_tests(source, tmp_path / f"test_readme_{number}.py")
        else:
            run_block(source, names, server.url)
    refused = [request.target for request in server.requests if request.status == 404]
    assert not refused


def run_block(source: str, names: dict[str, Any], url: str) -> None:
    code = compile(source, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        trio.run(run_awaiting, code, names, url)
    else:
        exec(code, names)


async def run_awaiting(code: CodeType, names: dict[str, Any], url: str) -> None:
    async with AsyncAPIClient(base_url=f"{url}v1") as client:
        names["client"] = client
        await eval(code, names)


def run_tests(source: str, path: Path) -> None:
    path.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "trio_mode=true", path],
        cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    tests = len(re.findall(r"^(?:async )?def test_", source, re.MULTILINE))
    assert re.search(rf"^{tests} passed", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_every_block_of_python_is_in_a_section() -> None:
    assert sum(map(len, SECTIONS.values())) == README.count("```python") > 10


# The tables


def rows(title: str) -> list[list[str]]:
    """The cells of all table rows in a section."""
    text = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def written(default: object) -> str:
    """A default as the README writes it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, int):
        return f"{default:,}"
    if isinstance(default, float):
        return f"{default:,g}"
    if isinstance(default, frozenset):
        return ", ".join(map(str, sorted(default)))
    return "none" if default is None else f"`{default!r}`".replace("'", '"')


def fields(argument: str, kind: type[Any]) -> dict[str, object]:
    """The defaults of an option record, named as its own messages name them."""
    defaults = {name: kind.__struct_defaults__[number] for number, name in enumerate(kind.__struct_fields__)}
    return {f"{argument}.{name}": value for name, value in defaults.items()}


def test_the_table_of_limits_has_every_setting_and_its_default() -> None:
    defaults: dict[str, object] = {
        "max_retries": trioclient.DEFAULT_MAX_RETRIES,
        "deadline": inspect.signature(AsyncAPIClient).parameters["deadline"].default,
        **{f"timeout.{phase}": seconds for phase, seconds in trioclient.DEFAULT_TIMEOUT.as_dict().items()},
        "max_at_once": inspect.signature(AsyncAPIClient).parameters["max_at_once"].default,
        **fields("retry", RetryPolicy),
        **fields("budget", trioclient.RetryBudget),
        **fields("concurrency", trioclient.AdaptiveConcurrency),
        **fields("rate", trioclient.Rate),
        **fields("hedge", trioclient.Hedge),
        **fields("breaker", trioclient.CircuitBreaker),
        **fields("stall", trioclient.Stall),
        **fields("limits", Limits),
    }
    assert defaults.pop("retry.budget") == trioclient.RetryBudget()
    table = {row[0].strip("`"): row[1] for row in rows("Limits and defaults") if row[0].startswith("`")}
    assert table == {name: written(default) for name, default in defaults.items()}


def test_both_faces_have_the_same_defaults() -> None:
    # The table gives one default for both faces.
    for face in (AsyncAPIClient, trioclient.SyncAPIClient):
        parameters = inspect.signature(face).parameters
        assert parameters["max_retries"].default == trioclient.DEFAULT_MAX_RETRIES
        assert parameters["deadline"].default is None


def test_the_table_of_fan_out_has_every_argument_and_its_default() -> None:
    parameters = dict(inspect.signature(trioclient.fan_out).parameters)
    del parameters["call"], parameters["items"]
    defaults = {name: written(parameter.default) for name, parameter in parameters.items()}
    # No default, and one that is another argument.
    defaults |= {"max_at_once": "", "run_ahead": "`max_at_once`", "total": "length of `items`"}
    table = {row[0].strip("`"): row[1] for row in rows("Fan-out") if row[0].startswith("`")}
    assert table == defaults


def test_the_tree_of_errors_is_the_one_in_the_code() -> None:
    assert _errors.__doc__ is not None
    trees = [
        [line.strip().replace("`", "") for line in text.splitlines() if re.match(r"\s*([├└│]|APIError$)", line)]
        for text in (README, _errors.__doc__)
    ]
    assert trees[0] == trees[1]
    named = {word for line in trees[0] for word in re.findall(r"^[├└│─ ]*(\w+)", line)}
    assert named == {name for name in _errors.__all__ if name[0].isupper()}


def test_the_fields_of_errors_are_there() -> None:
    names = [name for row in rows("Errors") for name in re.findall(r"`(\w+)`", row[0])]
    error = trioclient.APIResponseValidationError("no")
    limit = trioclient.LimitExceeded("no")
    status = trioclient.APIStatusError("no")
    assert len(names) > 10
    assert not [name for name in names if not any(hasattr(each, name) for each in (error, limit, status))]


def test_every_option_is_mentioned() -> None:
    text = README.partition("\n## Calls and answers\n")[2].partition("\n## ")[0]
    assert not [name for name in RequestOptions.__annotations__ if not re.search(rf'["`]{name}["`]', text)]


def test_every_link_within_leads_somewhere() -> None:
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    assert set(re.findall(r"\]\(#(.*?)\)", README)) <= anchors
    files = re.findall(r"\]\((?!https?:|#)(.*?)\)", README)
    assert not [name for name in files if not (Path(__file__).parents[2] / name).exists()]


def test_the_names_of_the_testing_kit_exist() -> None:
    text = README.partition("\n## Testing your code\n")[2].partition("\n## ")[0]
    others = re.search(r"Other ways to misbehave: (.*)\.", text)
    assert others is not None
    assert all(hasattr(trioclient.testing, name) for name in re.findall(r"`(\w+)`", others[1]))
