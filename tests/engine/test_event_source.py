"""Where events come from, in memory: one body, or several in a row. Resuming in time: tests/streams."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trioclient import APIResponseValidationError, APIStreamError, BaseClient, Limits, RetryPolicy
from trioclient._codec.decode import AnswerFault
from trioclient._engine.answer_body import AnswerBody
from trioclient._engine.event_source import EventSource, open_events
from trioclient._engine.guards import GuardOptions
from trioclient._engine.loop import Engine
from trioclient._engine.observe import Observer
from trioclient._errors import APIError
from trioclient._faults import DisconnectFault
from trioclient.testing import ScriptedTransport, event_stream, fault, json_lines, reply

AT_ONCE = RetryPolicy(initial_delay=0.0, max_delay=0.0)


class Source:
    """An `EventSource` of a scripted answer, and all that belongs to it."""

    def __init__(self, *script: Any, limits: Limits | None = None, **options: Any) -> None:
        self.transport = ScriptedTransport(*script)
        self._limits = limits or Limits()
        self.engine = Engine(self.transport, options=GuardOptions(AT_ONCE), limits=self._limits, observer=Observer(()))
        base = BaseClient(base_url="https://api.test")
        self._call = base._prepare("GET", "/", options=options, stream=True)  # type: ignore[arg-type]

    async def open(self, *, resume: bool = False, strict: bool = False) -> EventSource:
        answer, trace = await self.engine.run(self._call)
        assert answer.unread is not None
        body = AnswerBody(answer.unread, trace)
        engine = self.engine if resume else None
        return await open_events(answer, trace, body, limits=self._limits, strict=strict, resume=engine)


async def rest(source: EventSource) -> list[bytes]:
    data: list[bytes] = []
    while (events := await source.receive()) is not None:
        data += [event.data for event in events]
    return data


class TestOneBody:
    async def test_piece_by_piece(self) -> None:
        source = await Source(event_stream(b"data: 1\n\ndata: 2\n\n", b"data:", b" 3\n\n")).open()
        received: list[Any] = [await source.receive() for _ in range(4)]
        assert [events and [event.data for event in events] for events in received] == [[b"1", b"2"], [], [b"3"], None]
        assert await source.receive() is None
        assert source.is_closed

    async def test_a_last_line_of_json(self) -> None:
        assert await rest(await Source(json_lines(1, b"2")).open()) == [b"1", b"2"]

    async def test_no_content(self) -> None:
        source = await Source(reply(204)).open(strict=True)
        assert await source.receive() is None

    async def test_one_that_breaks_off(self) -> None:
        opened = Source(fault("disconnect", of=event_stream(b"id: a\ndata: 1\n\n", b"data: \xff")))
        source = await opened.open()
        assert [event.data for event in await source.receive() or []] == [b"1"]
        assert await source.receive() == []
        with pytest.raises(APIStreamError) as caught:
            await source.receive()
        error = caught.value
        assert (error.received, error.events, error.last_event_id, error.body) == (22, 1, "a", "data: \ufffd")
        assert type(error.__cause__) is DisconnectFault
        assert source.is_closed
        assert opened.transport.open_responses == 0

    async def test_what_is_kept_of_it_is_bounded(self) -> None:
        limits = Limits(max_error_body_bytes=10)
        source = await Source(fault("disconnect", of=event_stream(b"data: " + b"x" * 100)), limits=limits).open()
        with pytest.raises(APIStreamError) as caught:
            await rest(source)
        assert caught.value.body == "data: xxxx"

    async def test_left(self) -> None:
        opened = Source(event_stream(1, 2))
        source = await opened.open()
        await source.aclose()
        await source.aclose()
        assert source.is_closed
        assert opened.transport.open_responses == 0


class TestNoStream:
    @pytest.mark.parametrize("strict", [False, True])
    async def test_what_came_is_in_the_error(self, strict: bool) -> None:
        opened = Source(reply(json={"message": "no"}), limits=Limits(max_error_body_bytes=1000))
        with pytest.raises(APIResponseValidationError) as caught:
            await opened.open(strict=strict)
        assert caught.value.body == {"message": "no"}
        assert type(caught.value.__cause__) is AnswerFault
        assert opened.transport.open_responses == 0

    async def test_up_to_a_bound(self) -> None:
        pieces = [b"x" * 100] * 50
        opened = Source(
            reply(chunks=pieces, headers={"Content-Type": "text/html"}), limits=Limits(max_error_body_bytes=1000)
        )
        with pytest.raises(APIResponseValidationError) as caught:
            await opened.open()
        assert caught.value.body == "x" * 1000
        assert opened.transport.open_responses == 0

    @pytest.mark.parametrize("kind", ["disconnect", "protocol"])
    async def test_or_what_came_of_it(self, kind: Any) -> None:
        opened = Source(fault(kind, of=reply(chunks=["half an", "answer"], headers={"Content-Type": "text/html"})))
        with pytest.raises(APIResponseValidationError) as caught:
            await opened.open()
        assert caught.value.body == "half ananswer"

    async def test_not_for_longer_than_the_call_has(self, autojump_clock: Any) -> None:
        answer = reply(chunks=["half", "an answer"], headers={"Content-Type": "text/html"}, chunk_delay=60.0)
        opened = Source(answer, deadline=5.0)
        with pytest.raises(APIResponseValidationError) as caught:
            await opened.open()
        assert caught.value.body == "half"
        assert trio.current_time() == 5.0


class TestResumed:
    async def test_numbers_are_of_all_of_it(self) -> None:
        first = fault("disconnect", of=event_stream(b"id: a\ndata: 1\n\n", b"data: 2"))
        opened = Source(
            reply(503), first, reply(503), fault("disconnect", of=event_stream(3, b"dat")), *[fault("connect")] * 3
        )
        source = await opened.open(resume=True)
        with pytest.raises(APIStreamError) as caught:
            await rest(source)
        error = caught.value
        assert (error.received, error.events, error.last_event_id) == (22 + 12, 2, "a")
        assert error.attempts == len(opened.transport.requests) == 7
        assert error.body == "dat"

    async def test_the_answer_is_the_latest(self) -> None:
        opened = Source(
            fault("disconnect", of=event_stream(1, headers={"X-A": "1"})),
            event_stream(2, headers={"X-A": "2"}),
            reply(204),
        )
        source = await opened.open(resume=True)
        seen: list[Any] = []
        while (events := await source.receive()) is not None:
            seen += [(event.data, dict(source.answer.headers)[b"x-a"]) for event in events]
        assert seen == [(b"1", b"1"), (b"2", b"2")]
        assert source.answer.status == 204

    async def test_left_in_the_meantime_it_is_not(self) -> None:
        opened = Source(fault("disconnect", of=event_stream(1)))
        source = await opened.open(resume=True)
        await source.receive()
        await source.aclose()
        with pytest.raises(APIError):
            await source.receive()
        assert len(opened.transport.requests) == 1
