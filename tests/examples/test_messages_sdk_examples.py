"""The examples of the worked SDK as a user starts them: their exit codes, and what they print."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import trioclient
from messages_sdk.fake_api import FAKE_KEY, FakeMessagesAPI, failing, silent_after
from trioclient.testing import BlockingLoopbackServer, LoopbackServer

ROOT = Path(__file__).parents[2]
PACKAGE = Path(trioclient.__file__).parents[1]


def command_of(example: str, *arguments: str, ignoring: Sequence[str] = ()) -> list[str]:
    filters = [part for rule in ("error", *ignoring) for part in ("-W", rule)]
    return [sys.executable, "-X", "dev", *filters, str(ROOT / "examples" / example), *arguments]


def environment(**changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    return {**inherited, "PYTHONPATH": str(PACKAGE), "PYTHONIOENCODING": "utf-8", "no_proxy": "*", **changes}


def run(example: str, *arguments: str, exit_code: int = 0, **changes: str) -> str:
    """What it prints. Whatever a run in development mode has to complain of is on stderr."""
    done = subprocess.run(
        command_of(example, *arguments),
        env=environment(**changes),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == exit_code, done.stdout
    return done.stdout


@pytest.fixture
def server() -> Iterator[BlockingLoopbackServer]:
    with LoopbackServer.in_thread() as made:
        yield made


@pytest.fixture
def fake(server: BlockingLoopbackServer) -> FakeMessagesAPI:
    made = FakeMessagesAPI()
    made.serve(server)
    return made


def pointed_at(server: BlockingLoopbackServer, key: str = FAKE_KEY) -> dict[str, str]:
    """The environment that leads to it."""
    return {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": key}


# chat.py


def test_the_chat_ends_by_itself() -> None:
    output = run("chat.py")
    assert re.findall(r"^> .*?(\w+)[.?]$", output, re.MULTILINE) == ["Bergen", "Lima", "Sunday"]
    assert re.search(r"\[attempt 1: status 529, again in \d\.\d s\]", output)
    assert re.search(r"\[attempt 2: status 429, again in 0\.[56] s\]", output)
    assert output.count("[broke off: overloaded_error; from the beginning:]") == 1
    assert len(re.findall(r"\[end_turn, \d+ tokens in, \d+ out\]", output)) == 3


def test_the_chat_goes_where_the_environment_says(server: BlockingLoopbackServer, fake: FakeMessagesAPI) -> None:
    output = run("chat.py", "--prompt", "One?", "--prompt", "Two?", "--max-tokens", "5", **pointed_at(server))
    assert output.count("[max_tokens, ") == 2
    first, second = [request.json() for request in server.requests]
    assert first["stream"] is True
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("example", ["chat.py", "compare_prompts.py"])
def test_the_real_service_asks_for_a_key(example: str) -> None:
    assert "failed: there is no API key" in run(example, "--prompt", "Hello?", exit_code=1)


def test_the_chat_with_a_wrong_key(server: BlockingLoopbackServer, fake: FakeMessagesAPI) -> None:
    output = run("chat.py", "--prompt", "Hello?", exit_code=1, **pointed_at(server, key="s3cr3t"))
    assert "401" in output
    assert "invalid x-api-key" in output
    assert "s3cr3t" not in output


@pytest.mark.skipif(sys.platform == "win32", reason="there is no way to send one child a Ctrl-C")
@pytest.mark.parametrize(("example", "events"), [("chat.py", 6), ("chat.py", 0), ("compare_prompts.py", 0)])
def test_ctrl_c_ends_it(example: str, events: int, server: BlockingLoopbackServer, fake: FakeMessagesAPI) -> None:
    if example == "chat.py":
        fake.next(silent_after(events))
    else:
        server.route("POST", "/v1/messages", trioclient.testing.reply(delay=float("inf")))
    # It may come between the call that opens a stream and the `with` that is to have it: the stream is
    # closed, and rightly said to have been dropped.
    command = command_of(example, "--prompt", "Hello?", ignoring=["ignore::ResourceWarning"])
    child = subprocess.Popen(
        command,
        env=environment(**pointed_at(server)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with child:
        server.wait_requests(1, timeout=30)
        child.send_signal(signal.SIGINT)
        output, complaints = child.communicate(timeout=30)
    server.wait_connections_closed()
    assert complaints == ""
    assert output.rstrip().endswith("interrupted")
    assert child.returncode == 130


# compare_prompts.py


def test_the_comparison_is_complete() -> None:
    output = run("compare_prompts.py")
    assert re.search(r"^30 of 30 answers in \d+\.\d s, 3 attempts repeated$", output, re.MULTILINE)
    table = re.findall(r"^(Answer .*?\.) +(\d+) +(\d+) +(\d+) +\d+\.\d\d$", output, re.MULTILINE)
    assert [(variant, int(answers)) for variant, answers, _, _ in table] == [
        ("Answer in one sentence.", 10),
        ("Answer as a poem.", 10),
        ("Answer in steps.", 10),
    ]
    sentence, _, steps = [int(words) for _, _, words, _ in table]
    assert sentence < steps
    assert "    Answer as a poem.           O Lima, who has counted you, " in output


def test_the_comparison_says_what_is_missing(server: BlockingLoopbackServer, fake: FakeMessagesAPI) -> None:
    fake.next(*[failing()] * 3)
    arguments = ("--prompt", "Hello?", "--variant", "Be brief.", "--max-at-once", "1")
    output = run("compare_prompts.py", *arguments, exit_code=1, **pointed_at(server))
    assert "[InternalServerError: POST" in output
    assert "0 of 1 answers" in output
