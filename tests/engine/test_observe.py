"""What hooks and the log are told of each attempt."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

import pytest
import trio

from trioclient import (
    APIConnectionError,
    APIStatusError,
    AsyncAPIClient,
    AttemptRecord,
    InternalServerError,
    RateLimitError,
)
from trioclient._engine.observe import Observer
from trioclient.testing import ScriptedTransport, fault, reply

OK = reply(json={"ok": True})


def client_of(*script: Any, **options: Any) -> AsyncAPIClient:
    client = AsyncAPIClient(base_url="https://api.test", transport=ScriptedTransport(*script), **options)
    client._engine.guards.draw = lambda: 0.0
    return client


class TestHooks:
    async def test_one_record_for_each_attempt(self, autojump_clock: Any) -> None:
        records: list[AttemptRecord] = []
        client = client_of(
            reply(503, delay=0.25),
            fault("disconnect", after=1.5),
            reply(429, headers={"Retry-After": "3"}),
            OK,
            hooks=[records.append],
            max_retries=5,
            custom_headers={"Authorization": "Bearer s3cret"},
        )
        await client.post("/x?token=s3cret", body={})
        assert [
            (record.attempt, record.status, type(record.error), record.elapsed, record.delay, record.reason)
            for record in records
        ] == [
            (1, 503, InternalServerError, 0.25, 0.5, "status 503"),
            (2, None, APIConnectionError, 1.5, 1.0, "no whole answer came"),
            (3, 429, RateLimitError, 0.0, 3.0, "status 429"),
            (4, 200, type(None), 0.0, None, "done"),
        ]
        for record in records:
            assert (record.request.method, record.request.url) == ("POST", "https://api.test/x?token=[redacted]")
            assert dict(record.request.headers)["Authorization"] == "[redacted]"
            assert "s3cret" not in repr(record)
            with pytest.raises(AttributeError):
                record.delay = 0.0  # type: ignore[misc]

    @pytest.mark.parametrize(
        ("answer", "options", "reason"),
        [
            (reply(404), {}, "status 404 is not retried"),
            (reply(503), {"max_retries": 0}, "retries are turned off"),
            (
                reply(429, headers={"Retry-After": "300"}),
                {},
                "the server asks for 300 s, more than max_retry_after (120 s)",
            ),
            (reply(503), {"deadline": 0.1}, "the next attempt, 0.50 s from now, would start after the deadline"),
            (reply(503, headers={"x-should-retry": "false"}), {}, "status 503, x-should-retry: false"),
        ],
    )
    async def test_the_last_one_says_why(
        self, autojump_clock: Any, answer: Any, options: dict[str, Any], reason: str
    ) -> None:
        records: list[AttemptRecord] = []
        client = client_of(answer, hooks=[records.append], **options)
        with pytest.raises(APIStatusError) as caught:
            await client.get("/x")
        assert [(record.delay, record.reason, record.error) for record in records] == [(None, reason, caught.value)]

    async def test_several_are_called_in_their_order(self) -> None:
        calls: list[str] = []
        client = client_of(OK, hooks=[lambda record: calls.append("one"), lambda record: calls.append("two")])
        await client.get("/x")
        assert calls == ["one", "two"]

    async def test_a_call_that_was_cancelled_has_no_verdict(self, autojump_clock: Any) -> None:
        records: list[AttemptRecord] = []
        client = client_of(reply(json=1, delay=9.0), hooks=[records.append])
        with trio.move_on_after(1):
            await client.get("/x")
        assert records == []

    async def test_copies_have_them_too(self) -> None:
        records: list[AttemptRecord] = []
        client = client_of(OK, hooks=[records.append])
        await client.with_options(max_retries=0).get("/x")
        assert len(records) == 1

    @pytest.mark.parametrize("hooks", [None, 3, print, [None], ["print"], "ab"])
    def test_what_cannot_be_called_is_refused(self, hooks: Any) -> None:
        with pytest.raises(TypeError, match="hooks must be"):
            Observer(hooks)

    def test_so_is_an_async_function_which_nobody_would_await(self) -> None:
        async def hook(record: AttemptRecord) -> None: ...

        with pytest.raises(TypeError, match="hooks must be sync functions"):
            Observer([hook])


class TestLog:
    async def test_retries_at_info_and_the_rest_at_debug(
        self, autojump_clock: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "trioclient")
        client = client_of(reply(503, delay=0.25), fault("disconnect"), reply(404))
        with pytest.raises(Exception, match="404"):
            await client.get("/x?api_key=s3cret", options={"headers": {"X-Api-Key": "s3cret"}})
        url = "https://api.test/x?api_key=[redacted]"
        assert caplog.record_tuples == [
            (
                "trioclient",
                logging.INFO,
                f"GET {url} attempt 1: 503 in 0.250 s, next attempt in 0.500 s (status 503)",
            ),
            (
                "trioclient",
                logging.INFO,
                f"GET {url} attempt 2: APIConnectionError in 0.000 s, next attempt in 1.000 s (no whole answer came)",
            ),
            ("trioclient", logging.DEBUG, f"GET {url} attempt 3: 404 in 0.000 s (status 404 is not retried)"),
        ]

    async def test_success_at_debug(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "trioclient")
        await client_of(OK).get("/x")
        assert caplog.records == []
        caplog.set_level(logging.DEBUG, "trioclient")
        await client_of(OK).get("/x")
        assert [record.levelname for record in caplog.records] == ["DEBUG"]

    async def test_nothing_is_made_where_nobody_looks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("trioclient._engine.observe.AttemptRecord", None)
        assert await client_of(OK).get("/x") == {"ok": True}


SCRIPT = """
import logging, sys, trio
{before}
import trioclient
from trioclient.testing import ScriptedTransport, reply

async def main():
    transport = ScriptedTransport(reply(503, headers={{"retry-after-ms": "1"}}), reply(json=1))
    client = trioclient.AsyncAPIClient(base_url="https://api.test", transport=transport)
    await client.get("/x?token=s3cret", options={{"headers": {{"Authorization": "s3cret"}}}})

{after}
trio.run(main)
"""


class TestTheEnvironmentsLevel:
    def run(self, level: str | None, before: str = "", after: str = "") -> list[str]:
        """Lines on stderr."""
        environ = {name: value for name, value in os.environ.items() if name != "TRIOCLIENT_LOG"}
        if level is not None:
            environ["TRIOCLIENT_LOG"] = level
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT.format(before=before, after=after)],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "s3cret" not in done.stderr
        assert done.stdout == ""
        return done.stderr.splitlines()

    @pytest.mark.parametrize(
        ("level", "lines"),
        [
            (None, []),
            ("", []),
            ("loud", []),
            ("warning", []),
            ("info", ["INFO"]),
            ("debug", ["INFO", "DEBUG"]),
            (" DEBUG ", ["INFO", "DEBUG"]),
        ],
    )
    def test_levels(self, level: str | None, lines: list[str]) -> None:
        logged = self.run(level)
        assert [line.split()[2] for line in logged] == lines
        assert all("trioclient: GET https://api.test/x?token=[redacted] attempt " in line for line in logged)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_program_that_logs_by_itself_gets_each_line_once(self, when: str) -> None:
        own = {when: "logging.basicConfig(format='own %(levelname)s %(message)s', level='WARNING')"}
        assert [line.split()[:2] for line in self.run("debug", **own)] == [["own", "INFO"], ["own", "DEBUG"]]
