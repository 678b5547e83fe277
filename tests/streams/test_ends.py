"""How a stream ends: whole, at its terminal event, with an error the server sent, or left early."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trioclient import (
    APIStatusError,
    APIStreamError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    Limits,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ServerSentEvent,
)
from trioclient.testing import Reply, event_stream, json_lines, raw, reply

CHUNKED = event_stream(("delta", 1), ServerSentEvent("delta", "2", "id-2"), ("stop", 3))


def is_stop(event: ServerSentEvent) -> bool:
    return event.event == "stop"


async def connections_of(scene: Any) -> int:
    """How many connections the server has seen once another call was made."""
    await scene.recovers()
    return scene.server.connection_count


class TestTerminalEvent:
    @pytest.mark.parametrize("terminal_event", ["stop", is_stop])
    @pytest.mark.parametrize("framing", ["chunked", "length", "close"])
    async def test_seen(self, stage: Any, terminal_event: Any, framing: Any) -> None:
        answer = event_stream(("delta", 1), ("stop", 2), ("delta", 3), framing=framing)
        async with stage() as scene:
            options = {"terminal_event": terminal_event}
            assert await scene.values(answer, cast_to=int, options=options) == [1, 2]

    @pytest.mark.parametrize("terminal_event", ["stop", is_stop])
    async def test_missing(self, stage: Any, terminal_event: Any) -> None:
        answer = event_stream(("delta", 1), ServerSentEvent("delta", "2", "id-2"), b"event: st")
        async with stage() as scene:
            values, error = await scene.outcome(answer, cast_to=int, options={"terminal_event": terminal_event})
            assert values == [1, 2]
            assert type(error) is APIStreamError
            assert "before its terminal event" in str(error)
            assert (error.received, error.events, error.last_event_id) == (sum(map(len, answer.pieces)), 2, "id-2")
            assert error.body == "event: st"
            assert error.response.status_code == 200
            assert (error.attempts, error.sent) == (1, "yes")
            assert error.request is not None

    async def test_missing_from_raw_events_too(self, stage: Any) -> None:
        async with stage() as scene:
            async with await scene.stream(event_stream(("a", 1)), options={"terminal_event": "stop"}) as stream:
                events = stream.events()
                assert (await events.__anext__()).event == "a"
                with pytest.raises(APIStreamError, match="terminal event"):
                    await events.__anext__()
                assert [event async for event in events] == []

    async def test_seen_among_raw_events(self, stage: Any) -> None:
        async with stage() as scene:
            async with await scene.stream(CHUNKED, options={"terminal_event": "stop"}) as stream:
                assert [event.event async for event in stream.events()] == ["delta", "delta", "stop"]

    @pytest.mark.parametrize("answer", [event_stream(("delta", 1), "[DONE]"), reply(204), event_stream()])
    async def test_no_other_end_will_do(self, stage: Any, answer: Reply) -> None:
        async with stage() as scene:
            await scene.fails(APIStreamError, answer, cast_to=int, options={"terminal_event": "stop"})

    async def test_in_json_lines(self, stage: Any) -> None:
        lines = json_lines({"n": 1}, {"n": 2, "last": True}, {"n": 3})
        async with stage() as scene:
            options = {"terminal_event": lambda event: "last" in event.json()}
            assert [value["n"] for value in await scene.values(lines, options=options)] == [1, 2]
            await scene.fails(APIStreamError, json_lines({"n": 1}), options=options)

    async def test_a_bug_in_the_predicate_is_the_callers(self, stage: Any) -> None:
        async with stage() as scene:
            async with await scene.stream(CHUNKED, options={"terminal_event": lambda event: event.nonsense}) as stream:
                with pytest.raises(AttributeError, match="nonsense"):
                    await stream.__aiter__().__anext__()

    @pytest.mark.parametrize("terminal_event", [7, "", b"stop"])
    async def test_what_is_none(self, stage: Any, terminal_event: Any) -> None:
        async with stage() as scene:
            with pytest.raises((TypeError, ValueError), match="terminal_event"):
                await scene.stream(CHUNKED, options={"terminal_event": terminal_event})
            assert scene.server.request_count == 0


class TestReuse:
    """The connection of a stream that is over carries the next call, if it can."""

    async def test_read_to_the_end(self, stage: Any) -> None:
        async with stage() as scene:
            await scene.values(CHUNKED, cast_to=int)
            assert await connections_of(scene) == 1

    async def test_at_the_terminal_event(self, stage: Any) -> None:
        async with stage() as scene:
            await scene.values(CHUNKED, cast_to=int, options={"terminal_event": "stop"})
            assert await connections_of(scene) == 1

    async def test_what_is_left_behind_it_is_waited_for_a_moment(self, stage: Any) -> None:
        answer = event_stream(("stop", 1), b": goodbye\n\n", chunk_delay=0.005)
        async with stage() as scene:
            assert await scene.values(answer, cast_to=int, options={"terminal_event": "stop"}) == [1]
            assert await connections_of(scene) == 1

    async def test_after_done(self, stage: Any) -> None:
        answer = event_stream(1, "[DONE]", b": goodbye\n\n", chunk_delay=0.005)
        async with stage() as scene:
            assert await scene.values(answer, cast_to=int) == [1]
            assert await connections_of(scene) == 1

    @pytest.mark.parametrize("error", [("error", "no"), {"error": {"message": "no"}}], ids=["named", "nameless"])
    async def test_after_an_error(self, stage: Any, error: Any) -> None:
        answer = event_stream(error, b": goodbye\n\n", chunk_delay=0.005)
        async with stage() as scene:
            with pytest.raises(APIStatusError, match="no"):
                await scene.values(answer)
            assert await connections_of(scene) == 1

    @pytest.mark.parametrize("face", ["async, trio", "async, httpx", "blocking, trio"])
    async def test_a_server_that_does_not_end_is_left(self, stage: Any) -> None:
        endless = event_stream(("stop", 1), ("delta", 2), chunk_delay=1000.0)
        async with stage() as scene:
            assert await scene.values(endless, cast_to=int, options={"terminal_event": "stop"}) == [1]
            assert await connections_of(scene) == 2

    async def test_much_behind_the_end_is_left(self, stage: Any) -> None:
        answer = event_stream(("stop", 1), "x" * 1_000_000)
        async with stage() as scene:
            assert await scene.values(answer, cast_to=int, options={"terminal_event": "stop"}) == [1]
            assert await connections_of(scene) == 2

    @pytest.mark.parametrize(("size", "connections"), [(10, 1), (30_000, 1), (1_000_000, 2)])
    async def test_left_early(self, stage: Any, face: str, size: int, connections: int) -> None:
        """Little enough to come is read to its end; much is not.

        Blocking code is read for ahead, and what is being read when it leaves is left as well. It
        must not have come to the end by then: what is much has not all been sent.
        """
        ahead = face.startswith("blocking") and connections == 2
        answer = event_stream("first", "x" * size, framing="length", chunk_delay=1000.0 if ahead else 0.0)
        async with stage() as scene:
            async with await scene.stream(answer, cast_to=str) as stream:
                async for value in stream:
                    assert value == "first"
                    break
            seen = await connections_of(scene)
            assert seen == connections or (seen == 2 and face.startswith("blocking"))

    async def test_left_without_a_look(self, stage: Any) -> None:
        async with stage() as scene:
            async with await scene.stream(event_stream(1, framing="length"), cast_to=int):
                pass
            assert await connections_of(scene) == 1
            async with await scene.stream(event_stream(1, 2, chunk_delay=1000.0), cast_to=int):
                pass
            assert await connections_of(scene) == 2

    async def test_left_with_an_exception(self, stage: Any) -> None:
        async with stage() as scene:
            with pytest.raises(KeyError, match="mine"):
                async with await scene.stream(event_stream(1, 2, chunk_delay=1000.0), cast_to=int) as stream:
                    async for _ in stream:
                        raise KeyError("mine")

    @pytest.mark.parametrize("end", ["aclose", "error"])
    async def test_over_is_over(self, stage: Any, end: str) -> None:
        """Whatever ended it: what comes next is the end, and closing it once more is no matter."""
        async with stage() as scene:
            answer = event_stream(1, ("error", {}), 3)
            stream = await scene.stream(answer, cast_to=int, options={"terminal_event": "stop"})
            assert await stream.__aiter__().__anext__() == 1
            if end == "error":
                with pytest.raises(APIStatusError):
                    await stream.__aiter__().__anext__()
            await stream.aclose()
            await stream.aclose()
            assert [value async for value in stream] == []


ERRORS = [
    (("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), 529),
    (("error", {"error": {"type": "invalid_request_error"}}), 400),
    (("error", {"type": "authentication_error"}), 401),
    (("error", {"error": {"type": "permission_error"}}), 403),
    (("error", {"error": {"type": "not_found_error"}}), 404),
    (("error", {"error": {"type": "request_too_large"}}), 413),
    (("error", {"error": {"type": "rate_limit_error"}}), 429),
    (("error", {"error": {"type": "api_error"}}), 500),
    (("error", {"status": 503}), 503),
    ({"error": {"message": "slow down", "code": 429}}, 429),
]
CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    429: RateLimitError,
    500: InternalServerError,
    503: InternalServerError,
    529: InternalServerError,
}


class TestErrorEvents:
    @pytest.mark.parametrize(("event", "status"), ERRORS, ids=lambda value: value if isinstance(value, int) else "")
    async def test_the_class_it_stands_for(self, stage: Any, event: Any, status: int) -> None:
        data = event[1] if isinstance(event, tuple) else event
        answer = event_stream({"n": 1}, event, {"n": 2}, headers={"Request-Id": "r-1"})
        async with stage() as scene:
            values, error = await scene.outcome(answer, method="POST")
            assert values == [{"n": 1}]
            assert type(error) is CLASSES[status]
            assert error.status_code == status
            assert error.body == data
            assert error.request_id == "r-1"
            assert error.response.status_code == 200
            assert error.attempts == 1
            assert scene.server.request_count == 1

    async def test_one_that_does_not_say(self, stage: Any) -> None:
        async with stage() as scene:
            error = await scene.fails(APIStatusError, event_stream(("error", "it went wrong")))
            assert (error.status_code, error.body) == (200, "it went wrong")
            assert "it went wrong" in str(error)

    async def test_in_json_lines(self, stage: Any) -> None:
        async with stage() as scene:
            values, error = await scene.outcome(
                json_lines({"n": 1}, {"error": {"type": "rate_limit_error", "message": "m"}})
            )
            assert values == [{"n": 1}]
            assert type(error) is RateLimitError


async def test_a_body_that_is_no_stream(stage: Any, patience: float) -> None:
    from trioclient import APIResponseValidationError

    async with stage() as scene:
        for answer, body in [
            (reply(json={"message": "not today"}), {"message": "not today"}),
            (reply(content="<html>", headers={"Content-Type": "text/html"}), "<html>"),
            (reply(json=["x" * 100] * 10_000), None),
        ]:
            error = await scene.fails(APIResponseValidationError, answer)
            assert "expected server-sent events or JSON lines" in str(error)
            assert error.response.status_code == 200
            if body is not None:
                assert error.body == body
            else:
                assert len(error.response.content) == Limits().max_error_body_bytes
        assert scene.server.request_count == 3


class TestBefore:
    """What happens before the first byte of a stream is a call's business as ever."""

    async def test_an_error_status_is_retried(self, stage: Any) -> None:
        async with stage() as scene:
            answers = [reply(503), reply(429, headers={"Retry-After-Ms": "1"}), event_stream(1)]
            assert await scene.values(*answers, method="POST", cast_to=int) == [1]
            assert [attempt.status for attempt in scene.attempts] == [503, 429, 200]
            assert [request.header("X-Trioclient-Retry-Count") for request in scene.server.requests] == ["0", "1", "2"]
            assert len({request.header("Idempotency-Key") for request in scene.server.requests}) == 1

    async def test_and_raised(self, stage: Any) -> None:
        async with stage(max_retries=1) as scene:
            error = await scene.fails(InternalServerError, reply(503, json={"message": "busy"}))
            assert (error.status_code, error.attempts, error.body) == (503, 2, {"message": "busy"})

    async def test_a_redirect_is_followed(self, stage: Any) -> None:
        async with stage() as scene:
            scene.answer(event_stream(1, 2), path="/there")
            async with await scene.stream(reply(307, headers={"Location": "/there"}), cast_to=int) as stream:
                assert [value async for value in stream] == [1, 2]
                assert stream.response.url.path == "/there"

    async def test_an_auth_flow(self, stage: Any) -> None:
        import httpx

        class Auth(httpx.Auth):
            def auth_flow(self, request: httpx.Request) -> Any:
                response = yield request
                if response.status_code == 401:
                    request.headers["Authorization"] = "again"
                    yield request

        class WithAuth:
            @property
            def custom_auth(self) -> httpx.Auth:
                return Auth()

        async with stage(mixin=WithAuth) as scene:
            assert await scene.values(reply(401), event_stream(1), cast_to=int) == [1]
            assert [request.header("Authorization") for request in scene.server.requests] == [None, "again"]

    async def test_an_auth_flow_that_wants_another_go_at_a_stream(self, stage: Any) -> None:
        """The stream it leaves is closed."""
        import httpx

        class Auth(httpx.Auth):
            def auth_flow(self, request: httpx.Request) -> Any:
                yield request
                yield request

        class WithAuth:
            @property
            def custom_auth(self) -> httpx.Auth:
                return Auth()

        async with stage(mixin=WithAuth) as scene:
            assert await scene.values(event_stream(1, 2, chunk_delay=1000.0), event_stream(3), cast_to=int) == [3]


class TestBookkeeping:
    async def test_a_hook_sees_the_attempt_when_the_head_is_there(self, stage: Any) -> None:
        async with stage() as scene:
            async with await scene.stream(reply(503), event_stream(1, 2, chunk_delay=0.01), cast_to=int) as stream:
                assert [(attempt.status, attempt.reason) for attempt in scene.attempts][-1] == (200, "done")
                await stream.until_done()
            assert [attempt.status for attempt in scene.attempts] == [503, 200]

    async def test_a_hook_that_raises_leaves_nothing_open(self, stage: Any) -> None:
        def hook(attempt: Any) -> None:
            if attempt.status == 200 and attempt.request.url.endswith("/stream"):
                raise KeyError("mine")

        async with stage(hooks=[hook]) as scene:
            scene.answer(event_stream(1, 2, chunk_delay=1000.0), path="/stream")
            with pytest.raises(KeyError, match="mine"):
                await scene.client.stream("GET", "/stream")

    async def test_statistics(self, stage: Any) -> None:
        async with stage() as scene:
            async with await scene.stream(reply(503), event_stream(1, 2, chunk_delay=0.005), cast_to=int) as stream:
                statistics = scene.client.statistics()
                assert (statistics.calls, statistics.attempts, statistics.retries) == (1, 2, 1)
                assert statistics.connections.open == 1
                assert not statistics.connections.idle
                await stream.until_done()
                statistics = scene.client.statistics()
                assert statistics.connections.open == (statistics.connections.idle or 0)

    async def test_streams_hold_their_slots(self, stage: Any) -> None:
        """As many as there are connections; the next call waits for the first one to end."""
        async with stage(limits=Limits(max_connections=2)) as scene:
            scene.answer(reply(json="ok"), path="/short")
            slow = event_stream(1, 2, chunk_delay=1000.0)
            async with await scene.stream(slow), await scene.stream(slow) as second:
                with trio.move_on_after(0.05) as scope:
                    await scene.client.request("GET", "/short")
                assert scope.cancelled_caught
                await second.aclose()
                assert await scene.client.request("GET", "/short") == "ok"


@pytest.mark.parametrize("face", ["async, trio", "blocking, trio"])  # httpx takes it for the answer
async def test_surplus_behind_a_stream_is_nobodys(stage: Any) -> None:
    """Bytes that come with the end of the stream are not taken for the answer to the next call."""
    answer = raw(event_stream(1).wire() + reply(json="not yours").wire(), close=False)
    async with stage() as scene:
        assert await scene.values(answer, cast_to=int) == [1]
        await scene.recovers()
