"""What only a process of its own can show: Ctrl-C, fork and the interpreter's end.

Each test runs a short program against a server in this process. No time is asserted but through
`LIMIT`, beyond which a program counts as hanging.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import trioclient
from trioclient.testing import BlockingLoopbackServer, LoopbackServer, event_stream, reply, stall

ROOT = Path(trioclient.__file__).parent.parent
LIMIT = 20.0

PRELUDE = """
import atexit, gc, os, signal, sys, threading, time
from trioclient import SyncAPIClient

url = sys.argv[1]

def portals():
    return [thread for thread in threading.enumerate() if thread.name == "trioclient portal"]
"""


@pytest.fixture
def server() -> Iterator[BlockingLoopbackServer]:
    with LoopbackServer.in_thread() as server:
        server.route("GET", "/item", lambda request: reply(json=request.header("x-mark")))
        server.route("GET", "/never", stall())
        server.route("POST", "/never", stall())
        server.route("GET", "/numbers", event_stream(*range(50_000), chunk_delay=0.001))
        server.route("GET", "/quiet", stall(-1, of=event_stream(1)))
        server.route("GET", "/download", stall(-1, of=reply(content=bytes(5_000_000))))
        yield server


def start(server: BlockingLoopbackServer, program: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", *options, "-c", PRELUDE + textwrap.dedent(program), server.url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end; what it printed and what it complained of."""
    try:
        return process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        _, complaints = process.communicate()
        pytest.fail(f"it hangs; it had said: {complaints}")


def run(server: BlockingLoopbackServer, program: str, *options: str) -> tuple[int, list[str], str]:
    process = start(server, program, *options)
    output, complaints = finish(process)
    return process.returncode, output.split(), complaints


WAITING = {
    "a call that waits for its answer": """
        client = SyncAPIClient(base_url=url)
        print("ready")
        client.get("/never")
    """,
    "calls one after another": """
        client = SyncAPIClient(base_url=url)
        print("ready")
        while True:
            client.get("/item")
    """,
    "the first call": """
        print("ready")
        SyncAPIClient(base_url=url).get("/never")
    """,
    "a call in a `with`": """
        print("ready")
        with SyncAPIClient(base_url=url) as client:
            client.get("/never")
    """,
    "a back-off": """
        client = SyncAPIClient(base_url="http://127.0.0.1:1", max_retries=1000)
        print("ready")
        client.get("/")
    """,
    "a fan-out over a list": """
        print("ready")
        with SyncAPIClient(base_url=url) as client:
            with client.fan_out(lambda api, item: api.post("/never"), list(range(1000)), max_at_once=20) as run:
                list(run)
    """,
    "a fan-out over a generator": """
        print("ready")
        client = SyncAPIClient(base_url=url)
        with client.fan_out(lambda api, item: api.get("/item"), iter(int, 1), max_at_once=20) as run:
            for outcome in run:
                pass
    """,
    "a stream that is opened": """
        print("ready")
        SyncAPIClient(base_url=url).get("/never", stream=True)
    """,
    "a stream that is read": """
        print("ready")
        with SyncAPIClient(base_url=url) as client:
            with client.get("/numbers", stream=True) as stream:
                list(stream)
    """,
    "a stream that is silent, in no `with`": """
        print("ready")
        client = SyncAPIClient(base_url=url)
        for event in client.get("/quiet", stream=True):
            pass
    """,
    "streams one after another": """
        print("ready")
        with SyncAPIClient(base_url=url) as client:
            while True:
                with client.get("/numbers", stream=True) as stream:
                    for number in stream:
                        if number == 3:
                            break
    """,
    "a stream over httpx": """
        import httpx
        print("ready")
        with SyncAPIClient(base_url=url, http_client=httpx.Client()) as client:
            with client.get("/quiet", stream=True) as stream:
                list(stream)
    """,
    "a download": """
        import tempfile
        print("ready")
        with SyncAPIClient(base_url=url) as client:
            with client.with_streaming_response.get("/download") as response, tempfile.TemporaryDirectory() as folder:
                try:
                    response.stream_to_file(folder + "/file", progress=lambda received, total: None)
                finally:
                    assert os.listdir(folder) == []
    """,
}


@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT cannot be sent to another process")
@pytest.mark.parametrize("program", WAITING.values(), ids=WAITING)
def test_ctrl_c_at_any_moment_ends_the_program_with_a_keyboard_interrupt(
    server: BlockingLoopbackServer, program: str
) -> None:
    chance = random.Random(program)
    for moment in (chance.uniform(0, 0.005), chance.uniform(0, 0.05), chance.uniform(0.05, 0.2)):
        process = start(server, program)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        _, complaints = finish(process)
        assert process.returncode == -signal.SIGINT
        assert complaints.splitlines()[-1] == "KeyboardInterrupt"
        assert "Exception in thread" not in complaints
        assert "Exception ignored" not in complaints
        server.wait_connections_closed()


@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT cannot be sent to another process")
def test_after_ctrl_c_the_request_is_gone_and_the_client_goes_on(server: BlockingLoopbackServer) -> None:
    process = start(
        server,
        """
        with SyncAPIClient(base_url=url) as client:
            print("ready")
            try:
                client.get("/never")
            except KeyboardInterrupt:
                print(client.statistics().in_flight, client.statistics().connections.open)
            print(client.get("/item"))
        print(len(portals()))
        """,
    )
    server.wait_requests(1)
    process.send_signal(signal.SIGINT)
    server.wait_connections_closed(1)
    output, complaints = finish(process)
    assert (output.split(), complaints) == (["ready", "0", "0", "None", "0"], "")


@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT cannot be sent to another process")
@pytest.mark.parametrize("carrier", ["None", "httpx.Client()", "httpx.AsyncClient()"])
def test_after_ctrl_c_the_stream_is_gone_and_the_client_goes_on(server: BlockingLoopbackServer, carrier: str) -> None:
    process = start(
        server,
        f"""
        import httpx

        with SyncAPIClient(base_url=url, http_client={carrier}) as client:
            try:
                for event in client.get("/quiet", stream=True):
                    pass
            except KeyboardInterrupt:
                connections = client.statistics().connections
                print(connections.open - (connections.idle or 0))
            print(client.get("/item"))
        print(len(portals()))
        """,
    )
    server.wait_requests(1)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    server.wait_connections_closed(1)
    output, complaints = finish(process)
    assert (output.split(), complaints) == (["0", "None", "0"], "")


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
# From 3.12 on Python warns of every fork in a process with threads.
QUIET = ("-X", "dev", "-W", "error", "-W", "ignore:.*multi-threaded:DeprecationWarning")

FORK = """
    with SyncAPIClient(base_url=url) as client:
        client.get("/item", options={"headers": {"X-Mark": "before"}})
        child = os.fork()
        for turn in range(3):
            client.get("/item", options={"headers": {"X-Mark": "parent" if child else "child"}})
        if not child:
            END_OF_CHILD
        _, status = os.waitpid(child, 0)
        print(client.get("/item", options={"headers": {"X-Mark": "after"}}), status)
        print(client.statistics().connections.open)
    print(len(portals()))
"""


@needs_fork
@pytest.mark.parametrize("end_of_child", ["os._exit(0)", "sys.exit(0)", "client.close(); sys.exit(0)"])
def test_after_a_fork_both_go_on_each_on_its_own_connection(server: BlockingLoopbackServer, end_of_child: str) -> None:
    code, output, complaints = run(server, FORK.replace("END_OF_CHILD", end_of_child), *QUIET)
    assert (code, output, complaints) == (0, ["after", "0", "1", "0"], "")
    used: dict[str | None, set[int]] = {}
    for request in server.requests:
        used.setdefault(request.header("x-mark"), set()).add(request.connection)
    assert used == {"before": {1}, "parent": {1}, "after": {1}, "child": {2}}


@needs_fork
def test_a_fork_in_the_midst_of_calls_runs_none_of_their_clean_up_in_the_child(
    server: BlockingLoopbackServer,
) -> None:
    code, output, complaints = run(
        server,
        """
        import trio
        from trioclient._portal import Lease

        lease = Lease()
        begun = threading.Event()

        async def wait():
            begun.set()
            try:
                await trio.sleep_forever()
            finally:
                os.write(2, b"cleaned up")

        threading.Thread(target=lease.call, args=(wait,), daemon=True).start()
        begun.wait()
        child = os.fork()
        if not child:
            del lease
            gc.collect()
            with SyncAPIClient(base_url=url) as client:
                client.get("/item")
            sys.exit(0)
        print(os.waitpid(child, 0)[1])
        """,
        *QUIET,
    )
    assert (code, output, complaints) == (0, ["0"], "")


@needs_fork
def test_a_fan_out_of_the_parent_cannot_be_iterated_in_the_child(server: BlockingLoopbackServer) -> None:
    code, output, complaints = run(
        server,
        """
        with SyncAPIClient(base_url=url) as client:
            with client.fan_out(lambda api, item: api.get("/item"), range(50), max_at_once=2) as run:
                next(run)
                child = os.fork()
                if not child:
                    try:
                        next(run)
                    except RuntimeError as error:
                        os._exit(7 if "fork" in str(error) else 8)
                print(sum(outcome.ok for outcome in run), os.WEXITSTATUS(os.waitpid(child, 0)[1]))
        """,
        *QUIET,
    )
    assert (code, output, complaints) == (0, ["49", "7"], "")


@needs_fork
@pytest.mark.parametrize("end_of_child", ["os._exit(7)", "del stream; gc.collect(); sys.exit(7)"])
def test_a_stream_of_the_parent_cannot_be_read_in_the_child(server: BlockingLoopbackServer, end_of_child: str) -> None:
    code, output, complaints = run(
        server,
        f"""
        with SyncAPIClient(base_url=url) as client:
            with client.get("/numbers", cast_to=int, stream=True) as stream:
                next(stream)
                child = os.fork()
                if not child:
                    refused = 0
                    try:
                        list(stream)
                    except RuntimeError as error:
                        refused = "fork" in str(error)
                    stream.close()
                    client.get("/item")
                    if refused:
                        {end_of_child}
                    os._exit(8)
                status = os.waitpid(child, 0)[1]
                print(next(stream) < next(stream), os.WEXITSTATUS(status))
        """,
        *QUIET,
    )
    assert (code, output, complaints) == (0, ["True", "7"], "")


@needs_fork
def test_a_pool_of_forked_processes_works(server: BlockingLoopbackServer) -> None:
    code, output, complaints = run(
        server,
        """
        import multiprocessing

        client = SyncAPIClient(base_url=url)

        def use(mark):
            return client.get("/item", options={"headers": {"X-Mark": mark}})

        use("parent")
        with multiprocessing.get_context("fork").Pool(3) as pool:
            print(*sorted(pool.map(use, "abcdef")))
        client.close()
        """,
        *QUIET,
    )
    assert (code, output, complaints) == (0, list("abcdef"), "")


def only_ours(complaints: str) -> list[str]:
    """The warnings in it, after it was checked that nothing else is."""
    warned = re.findall(r"^ResourceWarning: (.*)$", complaints, re.MULTILINE)
    for line in complaints.splitlines():
        # As `-W error` prints them: an exception that was ignored, or left an exit hook.
        assert re.match(r"Exception ignored in: <(function|finalize)|Traceback|  |ResourceWarning: ", line), complaints
    assert all("trioclient" in warning or "SyncAPIClient" in warning for warning in warned)
    return warned


def test_leaving_without_close_hangs_not_and_says_only_so(server: BlockingLoopbackServer) -> None:
    code, output, complaints = run(
        server,
        """
        client = SyncAPIClient(base_url=url)
        print(client.get("/item"))
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert (code, output) == (0, ["None"])
    assert len(only_ours(complaints)) <= 1


def test_leaving_without_close_says_nothing_unless_asked(server: BlockingLoopbackServer) -> None:
    code, output, complaints = run(server, "client = SyncAPIClient(base_url=url); print(client.get('/item'))")
    assert (code, output, complaints) == (0, ["None"], "")


def test_a_client_dropped_without_close_says_only_so(server: BlockingLoopbackServer) -> None:
    code, output, complaints = run(
        server,
        """
        def use():
            print(SyncAPIClient(base_url=url).get("/item"))

        use()
        gc.collect()
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert (code, output) == (0, ["None"])
    assert "a SyncAPIClient was dropped without close(); use it in a `with`" in only_ours(complaints)


def test_leaving_in_the_midst_of_another_threads_call_hangs_not(server: BlockingLoopbackServer) -> None:
    code, _, complaints = run(
        server,
        """
        client = SyncAPIClient(base_url=url)
        threading.Thread(target=client.get, args=("/never",), daemon=True).start()
        while not client.statistics().connections.open:
            time.sleep(0.001)
        """,
    )
    assert (code, complaints) == (0, "")


@pytest.mark.parametrize("last_word", ["", "os.kill(os.getpid(), signal.SIGINT)", "sys.exit()"])
def test_leaving_in_the_midst_of_a_stream_hangs_not(server: BlockingLoopbackServer, last_word: str) -> None:
    code, output, complaints = run(
        server,
        f"""
        signal.signal(signal.SIGINT, lambda number, frame: sys.exit())
        client = SyncAPIClient(base_url=url)
        stream = client.get("/numbers", stream=True)
        print(next(stream))
        {last_word}
        """,
    )
    assert (code, output, complaints) == (0, ["0"], "")


def test_exit_hooks_may_call_and_close(server: BlockingLoopbackServer) -> None:
    code, output, complaints = run(
        server,
        """
        client = SyncAPIClient(base_url=url)
        # Not the first call, for which some Pythons will not start the thread by then.
        print(client.get("/item"))
        atexit.register(client.close)
        atexit.register(lambda: print(client.get("/item")))
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert (code, output, complaints) == (0, ["None", "None"], "")


@pytest.mark.parametrize("used", [True, False])
def test_a_call_in_a_finalizer_at_the_very_end_is_refused(server: BlockingLoopbackServer, used: bool) -> None:
    code, output, complaints = run(
        server,
        f"""
        class Last:
            def __init__(self):
                self.client = SyncAPIClient(base_url=url)
                if {used}:
                    self.client.get("/item")

            def __del__(self):
                try:
                    self.client.get("/item")
                except RuntimeError as error:
                    print("refused" if "shuts down" in str(error) else error)
                self.client.close()
                print("closed")

        import builtins
        builtins.last = Last()
        """,
    )
    assert (code, output, complaints) == (0, ["refused", "closed"], "")
