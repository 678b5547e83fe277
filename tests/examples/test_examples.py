"""The examples as a user starts them: their exit codes, and what they print."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import trioclient
from trioclient.testing import LoopbackServer, RecordedRequest, Reply, reply

ROOT = Path(__file__).parents[2]
PACKAGE = Path(trioclient.__file__).parents[1]


def command_of(example: str, *arguments: str) -> list[str]:
    return [sys.executable, "-X", "dev", "-W", "error", str(ROOT / "examples" / example), *arguments]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONIOENCODING": "utf-8", "no_proxy": "*", **changes}


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


def figure(output: str, pattern: str) -> int:
    match = re.search(pattern, output, re.MULTILINE)
    assert match is not None, output
    return int(match[1])


def embed(request: RecordedRequest) -> Reply:
    return reply(json={"id": request.json()["id"], "values": [0.5]})


# fan_out.py


@pytest.fixture(scope="module")
def fan_out_output() -> str:
    return run("fan_out.py", "--requests", "300", "--max-at-once", "32")


def test_every_call_of_the_fan_out_is_done_in_spite_of_the_server(fan_out_output: str) -> None:
    assert figure(fan_out_output, r"^(\d+) calls in ") == 300
    assert figure(fan_out_output, r"^  done +(\d+)") == 300
    assert figure(fan_out_output, r"^  failed +(\d+)") == 0
    assert 0 < figure(fan_out_output, r"^  retried +(\d+)") <= 300
    assert "the books balance" in fan_out_output


def test_the_report_of_the_fan_out_adds_up(fan_out_output: str) -> None:
    attempts = figure(fan_out_output, r"(\d+) attempts in all")
    requests = figure(fan_out_output, r"received (\d+) requests")
    fates = re.findall(
        r"^  ([a-z][^0-9]*?(?:, \d+)?) +(\d+)$", fan_out_output.partition("the server received")[2], re.MULTILINE
    )
    numbers = {fate: int(number) for fate, number in fates}
    assert sum(numbers.values()) == requests
    assert numbers["answered"] + numbers["answered late"] == 300
    # What the pool sends again by itself, on a new connection, counts as no attempt.
    assert requests - numbers["hung up before the work"] - numbers["hung up after the work"] <= attempts <= requests
    assert figure(fan_out_output, r"embedded (\d+) texts") == 300
    assert figure(fan_out_output, r"(\d+) requests asked for one of them again") == numbers["hung up after the work"]
    assert figure(fan_out_output, r"at most (\d+) at once") <= 32


def test_the_latencies_of_the_fan_out_rise(fan_out_output: str) -> None:
    marks = [figure(fan_out_output, rf"{name} (\d+) ms") for name in ("p50", "p90", "p99", "max")]
    assert marks == sorted(marks)


def test_a_fan_out_cut_short_by_its_deadline_still_balances() -> None:
    output = run("fan_out.py", "--requests", "100000", "--max-at-once", "8", "--deadline", "0.5")
    seen = figure(output, r"^(\d+) calls in ")
    parts = [figure(output, rf"^  {name} +(\d+)") for name in ("done", "failed", "cancelled", "not started")]
    assert sum(parts) == seen < 100_000
    assert "cut short: the fan-out's deadline" in output
    assert "the books balance" in output


def test_a_fan_out_that_loses_calls_says_why() -> None:
    output = run("fan_out.py", "--requests", "200", "--max-retries", "0")
    failed = figure(output, r"^  failed +(\d+)")
    assert failed > 0
    assert figure(output, r"^  done +(\d+)") == 200 - failed
    kinds = re.findall(r"^    (\d+) x (\w+), such as: POST http://127", output, re.MULTILINE)
    assert sum(int(number) for number, _ in kinds) == failed
    assert "InternalServerError" in {kind for _, kind in kinds}


def test_a_server_that_does_the_work_twice_is_found_out() -> None:
    # The same program with a server that forgets what it has done.
    forgetful = (
        "import sys, fan_out\n"
        "def vector(self, text, key):\n"
        "    self.embedded[text.id] += 1\n"
        "    return fan_out.embedding(text)\n"
        "fan_out.EmbeddingService._vector = vector\n"
        "sys.exit(fan_out.main(['--requests', '200']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", forgetful],
        env=environment(PYTHONPATH=f"{PACKAGE}{os.pathsep}{ROOT / 'examples'}"),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert re.search(r"^done twice: \[\d+", done.stdout, re.MULTILINE)
    assert "the books balance" not in done.stdout


def test_the_fan_out_calls_a_server_of_the_users() -> None:
    with LoopbackServer.in_thread() as server:
        server.route("POST", "/v1/embed", embed)
        output = run("fan_out.py", "--base-url", f"{server.url}v1", "--requests", "20", "--max-at-once", "4")
        assert server.request_count == 20
        assert server.max_in_flight <= 4
    assert figure(output, r"^  done +(\d+)") == 20
    assert "the server received" not in output


@pytest.mark.skipif(sys.platform == "win32", reason="there is no way to send one child a Ctrl-C")
def test_ctrl_c_ends_the_fan_out_with_a_report() -> None:
    with LoopbackServer.in_thread() as server:
        server.route("POST", "/embed", *[embed] * 5, reply(delay=float("inf")))
        child = subprocess.Popen(
            command_of("fan_out.py", "--base-url", server.url, "--requests", "50", "--max-at-once", "8"),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        with child:
            server.wait_requests(13, timeout=30)
            child.send_signal(signal.SIGINT)
            output, complaints = child.communicate(timeout=30)
        server.wait_connections_closed()
    assert complaints == ""
    assert child.returncode == 130
    assert figure(output, r"^  cancelled +(\d+)") == 8
    assert "cut short: interrupted" in output


def test_the_fan_out_works_without_rich(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError")
    output = run("fan_out.py", "--requests", "20", PYTHONPATH=f"{tmp_path}{os.pathsep}{PACKAGE}")
    assert "20 of 20" in output


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_the_fan_out_draws_a_bar_on_a_terminal() -> None:
    import pty

    controller, terminal = pty.openpty()
    with LoopbackServer.in_thread() as server:
        server.route("POST", "/embed", embed)
        child = subprocess.Popen(
            command_of("fan_out.py", "--base-url", server.url, "--requests", "20"),
            env=environment(TERM="xterm", COLUMNS="80"),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        output = read_to_the_end(controller)
        assert child.wait(timeout=30) == 0, output
    assert "20/20" in output
    assert "20 of 20" not in output
    assert figure(output, r"^  done +(\d+)") == 20


def read_to_the_end(controller: int) -> str:
    data = b""
    with open(controller, "rb", buffering=0) as terminal:
        # When the other end is closed, Linux raises and others read nothing.
        with contextlib.suppress(OSError):
            while piece := terminal.read(65_536):
                data += piece
    return data.decode()


@pytest.mark.parametrize("arguments", [("--requests", "0"), ("--max-at-once", "-1"), ("--requests", "many")])
def test_the_fan_out_refuses_what_makes_no_sense(arguments: tuple[str, str]) -> None:
    done = subprocess.run(
        command_of("fan_out.py", *arguments), env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2
    assert f"argument {arguments[0]}" in done.stderr


# blocking_script.py


def test_the_blocking_script_says_what_it_does() -> None:
    lines = run("blocking_script.py").splitlines()
    assert lines[0] == "one call: 9.0 degrees in São Paulo"
    assert lines[1] == "not found: status 404, request id req-7, body {'error': 'no city named Atlantis'}"
    assert lines[2] == "wrong type: loose, so degrees is 'mild'"
    assert lines[3] == "wrong type: strict, so refused at $.degrees"
    assert re.fullmatch(r"  attempt 1: 503, again in 0\.\d\d s \(status 503\)", lines[4])
    assert re.fullmatch(r"  attempt 2: 429, again in 0\.3\d s \(status 429\)", lines[5])
    assert lines[6] == "retried: 19.0 degrees in Lima after all"
    assert re.fullmatch(r"deadline: gave up after \d+\.\d s, attempts: 1", lines[7])
    assert lines[8:] == [
        "  Bergen: 6.0",
        "  Dakar: 5.0",
        "  Lima: 4.0",
        "  Pune: 4.0",
        "  São Paulo: 9.0",
        "  Atlantis: NotFoundError",
        "many calls: 5 done, 1 failed",
    ]


def test_the_blocking_script_tells_of_a_server_that_is_not_there() -> None:
    with LoopbackServer.in_thread() as server:
        gone = server.url
    output = run("blocking_script.py", "--base-url", gone, exit_code=1)
    assert output.splitlines()[-1].startswith(f"failed: GET {gone}weather/S%C3%A3o%20Paulo: ")


# typed_sdk.py


def test_the_sdk_works_through_both_faces() -> None:
    lines = run("typed_sdk.py").splitlines()
    assert lines == [
        "async: wrote note-4",
        "async: Packing (2 items)",
        "async: Draft (16 characters)",
        "async: something new: drawing",
        "async: Groceries (11 characters)",
        "async: found TextNote(id='note-4', title='Groceries', text='milk, bread')",
        "async: and now None",
        "blocking: wrote note-5",
        "blocking: Packing (2 items)",
        "blocking: Draft (16 characters)",
        "blocking: something new: drawing",
        "blocking: Letters (6 characters)",
        "blocking: note note-2 is locked",
        "blocking: AuthenticationError 401",
        "blocking: wrote 20 more",
        "the server saw the queries workspace=home, workspace=home&tags=old,dull",
    ]
