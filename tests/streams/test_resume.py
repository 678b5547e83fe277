"""Streams that are resumed where they broke off, on a virtual clock: when, with what, and until when."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio

from trioclient import (
    APIResponseValidationError,
    APIStreamError,
    AsyncAPIClient,
    DeadlineExceeded,
    InternalServerError,
    LimitExceeded,
    Limits,
    RetryPolicy,
    ServerSentEvent,
)
from trioclient.testing import ScriptedTransport, event_stream, fault, json_lines, reply

POLICY = RetryPolicy(initial_delay=1.0, max_delay=8.0, jitter=0.0)
GONE = reply(204)


def broken(*events: Any, **keywords: Any) -> Any:
    """A stream that breaks off behind these events."""
    return fault("disconnect", of=event_stream(*events, **keywords))


def event(data: Any, event_id: str = "", retry: int | None = None) -> ServerSentEvent:
    return ServerSentEvent("message", str(data), event_id, retry)


class Run:
    """One stream, read to its end; times are seconds from its start."""

    def __init__(self, *script: Any, **arguments: Any) -> None:
        self.transport = ScriptedTransport(*script)
        self.values: list[Any] = []
        self.error: Any = None
        self.ended = 0.0
        self._arguments = {"retry": POLICY, **arguments}

    async def read(self, **options: Any) -> Run:
        started = trio.current_time()
        async with AsyncAPIClient(base_url="https://api.test", transport=self.transport, **self._arguments) as client:
            try:
                options = {"resume": True, **options}
                async with await client.get("/", stream=True, options=options) as stream:  # type: ignore[call-overload]
                    async for value in stream:
                        self.values.append(value)
            except Exception as error:
                self.error = error
            statistics = client.statistics()
        self.ended = trio.current_time() - started
        self.at = [request.at - started for request in self.transport.requests]
        self.last_ids = [request.header("Last-Event-ID") for request in self.transport.requests]
        assert self.transport.open_responses == 0
        assert statistics.in_flight == 0
        return self

    def raised(self, kind: type[Exception]) -> Any:
        assert type(self.error) is kind, repr(self.error)
        return self.error


@pytest.mark.parametrize(
    ("script", "values", "at"),
    [
        pytest.param([broken(1, 2), event_stream(3), GONE], [1, 2, 3], [0, 1, 2], id="broken off"),
        pytest.param([event_stream(1), event_stream(2), GONE], [1, 2], [0, 1, 2], id="ended"),
        pytest.param([event_stream(1, "[DONE]")], [1], [0], id="done"),
        pytest.param([event_stream(b"data: 1\n\ndata: 2\n"), GONE], [1], [0, 1], id="a tail is forgotten"),
        pytest.param([broken(1, event(2, retry=2500)), GONE], [1, 2], [0, 2.5], id="the time it named"),
        pytest.param([broken(event(1, retry=1), event(2, retry=30_000)), GONE], [1, 2], [0, 30], id="the last one"),
        pytest.param([broken(event(1, retry=3000)), broken(2), GONE], [1, 2], [0, 3, 6], id="it lasts"),
        pytest.param([broken(event(1, retry=10)), GONE], [1], [0, 1], id="but no sooner than the back-off"),
        pytest.param([broken(1), broken(), broken(2), GONE], [1, 2], [0, 1, 3, 4], id="fruitless ones take longer"),
        pytest.param([broken(1), reply(503), event_stream(2), GONE], [1, 2], [0, 1, 2, 3], id="retried in between"),
        pytest.param([broken(1), fault("connect"), GONE], [1], [0, 1, 2], id="no connection in between"),
        pytest.param([reply(503), broken(1), GONE], [1], [0, 1, 2], id="a retry before it"),
        pytest.param([GONE], [], [0], id="nothing at all"),
        pytest.param([broken(1, chunk_delay=5.0), GONE], [1], [0, 1], id="from when it broke off"),
    ],
)
async def test_when(autojump_clock: Any, script: list[Any], values: list[Any], at: list[float]) -> None:
    run = await Run(*script).read()
    assert run.error is None, repr(run.error)
    assert run.values == values
    assert run.at == pytest.approx(at)


async def test_after_an_idle_while(autojump_clock: Any) -> None:
    silent = event_stream(1, 2, chunk_delay=math.inf)
    run = await Run(silent, silent, GONE).read(idle_timeout=10.0)
    assert run.values == [1, 1]
    assert run.at == pytest.approx([0, 11, 22])


class TestLastEventID:
    async def test_it_is_that_of_the_last_event(self, autojump_clock: Any) -> None:
        script = [broken(event(1, "a"), event(2, "b"), 3, b"id: c\n"), broken(4), broken(event(5, "e")), GONE]
        run = await Run(*script).read()
        assert run.last_ids == [None, "b", "b", "e"]
        assert run.values == [1, 2, 3, 4, 5]

    async def test_an_empty_one_takes_it_back(self, autojump_clock: Any) -> None:
        run = await Run(broken(event(1, "a")), broken(b"id\ndata: 2\n\n"), GONE).read()
        assert run.last_ids == [None, "a", None]

    async def test_an_id_without_data_counts(self, autojump_clock: Any) -> None:
        run = await Run(broken(1, b"id: x\n\n"), GONE).read()
        assert run.last_ids == [None, "x"]

    async def test_the_callers_own(self, autojump_clock: Any) -> None:
        """Who goes on from an event of an earlier run goes on from it until there is another."""
        run = await Run(broken(), broken(1), broken(event(2, "b")), GONE).read(headers={"last-event-id": "mine"})
        assert run.last_ids == ["mine", "mine", "mine", "b"]

    @pytest.mark.parametrize(("sent", "header"), [(b"\xc3\xbc", "\xc3\xbc"), (b"a\x01b", None), (b"\x7f", None)])
    async def test_what_no_header_can_hold_is_not_sent(
        self, autojump_clock: Any, sent: bytes, header: str | None
    ) -> None:
        run = await Run(broken(b"id: " + sent + b"\ndata: 1\n\n"), GONE).read()
        assert run.last_ids == [None, header]

    async def test_the_rest_of_the_call_is_the_same(self, autojump_clock: Any) -> None:
        run = await Run(broken(event(1, "a")), GONE).read(headers={"X-Mine": "1"}, params={"q": "2"})
        first, second = run.transport.requests
        assert first.url == second.url
        assert [line for line in second.headers if line[0] != "Last-Event-ID"] == first.headers


class TestGivingUp:
    async def test_connections_that_bring_nothing(self, autojump_clock: Any) -> None:
        """As many in a row as the call has retries."""
        run = await Run(broken(event(1, "a")), *[event_stream()] * 9, max_retries=3).read()
        error = run.raised(APIStreamError)
        assert run.at == pytest.approx([0, 1, 3, 7])
        assert run.ended == pytest.approx(7)
        assert (error.attempts, error.events, error.last_event_id) == (4, 1, "a")
        assert "the stream ended" in str(error)

    async def test_the_first_one_too(self, autojump_clock: Any) -> None:
        run = await Run(*[broken()] * 9, max_retries=1).read()
        run.raised(APIStreamError)
        assert run.at == pytest.approx([0, 1])

    async def test_not_those_that_bring_something(self, autojump_clock: Any) -> None:
        script = [broken(1), broken(), broken()] * 5
        run = await Run(*script, GONE, max_retries=3).read()
        assert run.error is None
        assert run.values == [1] * 5

    async def test_without_retries_not_at_all(self, autojump_clock: Any) -> None:
        run = await Run(broken(1), GONE, max_retries=0).read()
        run.raised(APIStreamError)
        assert len(run.at) == 1

    async def test_the_next_attempt_fails(self, autojump_clock: Any) -> None:
        run = await Run(broken(event(1, "a")), reply(500), reply(500), reply(500, json={"message": "no"})).read()
        error = run.raised(APIStreamError)
        assert type(error.__cause__) is InternalServerError
        assert "could not be resumed" in str(error)
        assert "500" in str(error)
        assert (error.attempts, error.last_event_id) == (4, "a")
        assert error.elapsed == pytest.approx(run.ended)
        assert run.ended == pytest.approx(1 + 1 + 2)

    async def test_the_next_answer_is_no_stream(self, autojump_clock: Any) -> None:
        run = await Run(broken(1), reply(json={"message": "no"})).read()
        error = run.raised(APIResponseValidationError)
        assert error.attempts == 2
        assert len(run.at) == 2

    @pytest.mark.parametrize("deadline", [10.0, 10.4])
    async def test_not_towards_a_deadline_that_would_be_missed(self, autojump_clock: Any, deadline: float) -> None:
        run = await Run(event_stream(1, event(2, retry=500), chunk_delay=10.0), GONE).read(deadline=deadline)
        assert run.ended == 10.0
        run.raised(DeadlineExceeded if deadline == 10.0 else APIStreamError)

    async def test_nor_one_of_the_callers(self, autojump_clock: Any) -> None:
        run = Run(broken(1), GONE)
        with trio.move_on_after(0.9) as scope:
            await run.read()
        assert not scope.cancelled_caught
        assert run.ended == 0.0
        run.raised(APIStreamError)

    @pytest.mark.parametrize("entry", [reply(json=1, delay=math.inf), fault("connect", after=math.inf)])
    async def test_the_deadline_in_the_next_attempt(self, autojump_clock: Any, entry: Any) -> None:
        run = await Run(broken(event(1, "a")), entry).read(deadline=3.0, timeout=100.0)
        error = run.raised(DeadlineExceeded)
        assert run.ended == 3.0
        assert error.elapsed == 3.0
        assert "deadline of 3 s" in str(error)

    async def test_the_deadline_in_the_next_stream(self, autojump_clock: Any) -> None:
        run = await Run(broken(1), event_stream(2, 3, chunk_delay=math.inf)).read(deadline=3.0)
        error = run.raised(DeadlineExceeded)
        assert run.ended == 3.0
        assert (error.elapsed, error.attempts) == (3.0, 2)
        assert "deadline of 3 s" in str(error)

    async def test_a_limit(self, autojump_clock: Any) -> None:
        run = await Run(event_stream(1, "x" * 100), GONE, limits=Limits(max_line_bytes=50)).read()
        assert run.raised(LimitExceeded).limit == "max_line_bytes"
        assert len(run.at) == 1

    async def test_a_protocol_fault(self, autojump_clock: Any) -> None:
        run = await Run(fault("protocol", of=event_stream(1)), GONE).read()
        run.raised(APIStreamError)
        assert len(run.at) == 1

    async def test_an_error_event(self, autojump_clock: Any) -> None:
        run = await Run(event_stream(1, ("error", {"type": "api_error"})), GONE).read()
        run.raised(InternalServerError)
        assert len(run.at) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            fault("disconnect", of=json_lines(1, 2)),
            fault("disconnect", of=reply(content=b"1\n2\n")),
        ],
    )
    async def test_json_lines_have_no_place_to_go_on_from(self, autojump_clock: Any, answer: Any) -> None:
        run = await Run(answer, GONE).read()
        run.raised(APIStreamError)
        assert run.values == [1, 2]
        assert len(run.at) == 1

    async def test_json_lines_that_end(self, autojump_clock: Any) -> None:
        run = await Run(json_lines(1, 2), GONE).read()
        assert (run.values, run.error, len(run.at)) == ([1, 2], None, 1)


class TestTerminalEvent:
    async def test_it_is_waited_for(self, autojump_clock: Any) -> None:
        run = await Run(event_stream(1), broken(2), event_stream(("end", 3), 4)).read(terminal_event="end")
        assert (run.values, run.error) == ([1, 2, 3], None)

    async def test_no_content_before_it(self, autojump_clock: Any) -> None:
        run = await Run(event_stream(1), GONE).read(terminal_event="end")
        run.raised(APIStreamError)
        assert run.values == [1]


async def cancel_after(seconds: float, scope: trio.CancelScope) -> None:
    await trio.sleep(seconds)
    scope.cancel()


class TestCancelled:
    """Not a stream that is over: asked again it goes on where it was."""

    @pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
    async def test_at_any_time(self, autojump_clock: Any, after: float) -> None:
        script = [broken(event(1, "a")), event_stream(2, delay=1.0), event_stream(2, 3), GONE]
        transport = ScriptedTransport(*script)
        async with AsyncAPIClient(base_url="https://api.test", transport=transport, retry=POLICY) as client:
            async with await client.get("/", stream=True, options={"resume": True}) as stream:
                values = [await stream.__anext__()]
                async with trio.open_nursery() as nursery:
                    # A deadline would be seen coming.
                    nursery.start_soon(cancel_after, after, nursery.cancel_scope)
                    await stream.__anext__()
                    await trio.sleep_forever()
                assert transport.open_responses <= 1
                values += [value async for value in stream]
                assert (values[0], values[-2:]) == (1, [2, 3])
        assert transport.open_responses == 0


async def test_not_unless_asked_for(autojump_clock: Any) -> None:
    run = await Run(broken(1), GONE).read(resume=False)
    run.raised(APIStreamError)
    assert len(run.at) == 1


@pytest.mark.parametrize(("resume", "method", "kind"), [("yes", "GET", TypeError), (True, "POST", ValueError)])
async def test_where_it_cannot_be(resume: Any, method: str, kind: Any) -> None:
    async with AsyncAPIClient(base_url="https://api.test", transport=ScriptedTransport()) as client:
        with pytest.raises(kind, match="resume"):
            await client.request(method, "/", stream=True, options={"resume": resume})


async def test_a_stream_closed_by_another_task_is_not_resumed(autojump_clock: Any) -> None:
    transport = ScriptedTransport(event_stream(1, 2, chunk_delay=5.0), GONE)
    async with AsyncAPIClient(base_url="https://api.test", transport=transport, retry=POLICY) as client:
        stream = await client.get("/", stream=True, options={"resume": True})

        async def close() -> None:
            await trio.sleep(1.0)
            await stream.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(close)
            values = [value async for value in stream]
        assert values[:1] == [1]
    assert len(transport.requests) == 1
