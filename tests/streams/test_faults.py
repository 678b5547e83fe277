"""A stream that breaks off, on real sockets: what was received, and an error that says so."""

from __future__ import annotations

import contextlib
import pickle
import ssl
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from trioclient import (
    APIConnectionError,
    APIResponseValidationError,
    APIStreamError,
    APITimeoutError,
    AsyncAPIClient,
    DeadlineExceeded,
    ServerSentEvent,
    TrioTransport,
)
from trioclient.testing import LoopbackServer, RawReply, Reply, drop, event_stream, json_lines, reply, stall, truncate
from trioclient.testing._replies import Pause, Send

ANSWER = event_stream(1, ServerSentEvent("message", "2", "id-2"), 3)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
SHORT = 0.05


def silent_after_two() -> Any:
    """Says two values, and nothing more."""
    return stall(ANSWER.wire().index(b"data: 3"), of=ANSWER)


class TestBrokenOff:
    @pytest.mark.parametrize("answer", [ANSWER, json_lines(1, 2, 3)], ids=["events", "lines"])
    async def test_by_the_server(self, stage: Any, answer: Reply) -> None:
        async with stage() as scene:
            values, error = await scene.outcome(truncate(-8, of=answer), cast_to=int, method="POST")
            assert values == [1, 2]
            assert type(error) is APIStreamError
            assert isinstance(error.__cause__, Exception)
            assert error.events == 2
            assert scene.server.request_count == 1

    async def test_the_error_tells_all(self, stage: Any) -> None:
        async with stage() as scene:
            wire = ANSWER.wire()
            size = wire.index(b"data: 3") + 7
            values, error = await scene.outcome(reply(503), truncate(size, of=ANSWER), cast_to=int)
            assert values == [1, 2]
            body = b"".join(ANSWER.pieces)
            assert error.received == body.index(b"data: 3") + 7
            assert (error.events, error.last_event_id, error.body) == (2, "id-2", "data: 3")
            assert (error.attempts, error.sent) == (2, "yes")
            assert error.response.status_code == 200
            assert error.response.headers["content-type"] == "text/event-stream"
            assert error.elapsed > 0
            assert f"after {error.received} bytes" in str(error)
            again = pickle.loads(pickle.dumps(error))
            assert (type(again), str(again), again.received, again.events, again.last_event_id) == (
                APIStreamError,
                str(error),
                error.received,
                2,
                "id-2",
            )

    async def test_what_is_kept_of_an_event_is_bounded(self, stage: Any) -> None:
        answer = event_stream(1, "x" * 500_000)
        async with stage() as scene:
            error = await scene.fails(APIStreamError, truncate(-1000, of=answer))
            assert len(error.body) == 65_536
            assert error.received > 490_000

    @pytest.mark.parametrize(
        ("headers", "body", "kind"),
        [
            pytest.param(b"Transfer-Encoding: chunked", b"9\r\ndata: 1\n\n\r\nzz\r\n", APIStreamError, id="chunk size"),
            pytest.param(b"Transfer-Encoding: chunked", b"9\r\ndata: 1\n\nxx5\r\n", APIStreamError, id="chunk end"),
            pytest.param(b"Content-Length: 100", b"data: 1\n\n", APIStreamError, id="short"),
            pytest.param(b"Content-Encoding: gzip", b"no gzip", APIResponseValidationError, id="corrupt compression"),
            pytest.param(b"Content-Encoding: magic", b"x", APIResponseValidationError, id="unknown compression"),
        ],
    )
    async def test_nonsense(self, stage: Any, headers: bytes, body: bytes, kind: Any) -> None:
        async with stage() as scene:
            # The head by itself: where all comes at once, the trio transport sees nonsense only.
            answer = RawReply(
                opening=(Send(HEAD + headers + b"\r\n\r\n"), Pause(0.01)), ending=(Send(body),), close=True
            )
            error = await scene.fails(kind, answer, cast_to=int)
            assert error.response.status_code == 200

    async def test_before_its_head(self, stage: Any) -> None:
        async with stage(max_retries=1) as scene:
            error = await scene.fails(APIConnectionError, drop())
            assert error.attempts == 2


class TestTime:
    async def test_idle(self, stage: Any) -> None:
        async with stage(timeout=1.0) as scene:
            values, error = await scene.outcome(silent_after_two(), cast_to=int, options={"idle_timeout": SHORT})
            assert values == [1, 2]
            assert type(error) is APIStreamError
            assert "idle" in str(error)
            assert error.last_event_id == "id-2"
            assert scene.server.request_count == 1

    async def test_read_timeout(self, stage: Any) -> None:
        async with stage() as scene:
            values, error = await scene.outcome(silent_after_two(), cast_to=int, options={"timeout": SHORT})
            assert values == [1, 2]
            assert type(error) is APIStreamError
            assert "read" in str(error)

    async def test_deadline(self, stage: Any) -> None:
        async with stage(timeout=1.0) as scene:
            values, error = await scene.outcome(silent_after_two(), cast_to=int, options={"deadline": 0.4})
            assert values == [1, 2]
            assert type(error) is DeadlineExceeded
            assert "0.4 s" in str(error)

    async def test_deadline_of_a_stream_that_goes_on(self, stage: Any) -> None:
        answer = event_stream(*range(1000), chunk_delay=0.01)
        async with stage() as scene:
            values, error = await scene.outcome(answer, cast_to=int, options={"deadline": 0.4})
            assert values == list(range(len(values)))
            assert type(error) is DeadlineExceeded

    async def test_the_head_has_its_own_time(self, stage: Any) -> None:
        """The idle timeout is of the body."""
        async with stage(max_retries=0, timeout=1.0) as scene:
            options: Any = {"idle_timeout": SHORT}
            answer = event_stream(1, delay=SHORT * 2)
            assert await scene.values(answer, cast_to=int, options=options) == [1]
            await scene.fails(APITimeoutError, stall(), options={**options, "timeout": SHORT})

    @pytest.mark.parametrize("name", ["idle_timeout"])
    @pytest.mark.parametrize(("value", "kind"), [("soon", TypeError), (-1, ValueError), (True, TypeError)])
    async def test_what_is_no_timeout(self, stage: Any, name: str, value: Any, kind: Any) -> None:
        async with stage() as scene:
            with pytest.raises(kind, match=name):
                await scene.stream(ANSWER, options={name: value})
            assert scene.server.request_count == 0


@pytest.mark.parametrize("face", ["async, trio", "blocking, trio"])  # over httpx it is the caller's to close
async def test_the_client_closed_in_the_middle(stage: Any, face: str) -> None:
    async with stage() as scene:
        stream = await scene.stream(silent_after_two(), cast_to=int)
        values = stream.__aiter__()
        assert [await values.__anext__(), await values.__anext__()] == [1, 2]
        await scene.client.aclose()
        with pytest.raises((APIStreamError, RuntimeError), match="closed"):
            await values.__anext__()
        await stream.aclose()


@pytest.mark.parametrize("goodbye", [True, False])
async def test_tls_tells_an_end_from_a_cut(goodbye: bool) -> None:
    """Where the body ends with the connection, nothing else does."""
    authority = trustme.CA()
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    answer = event_stream(1, 2, framing="close")
    async with LoopbackServer(ssl_context=server_side) as server:
        server.route("GET", "/", answer if goodbye else truncate(len(answer.wire()), of=answer))
        async with AsyncAPIClient(base_url=server.url, transport=TrioTransport(ssl_context=client_side)) as client:
            values: list[int] = []
            async with await client.get("/", cast_to=int, stream=True) as stream:
                with contextlib.nullcontext() if goodbye else pytest.raises(APIStreamError):
                    async for value in stream:
                        values.append(value)  # noqa: PERF401 -- keeps what comes before a fault
    assert values == [1, 2]


@pytest.mark.parametrize("face", ["async, trio", "async, httpx"])
async def test_closed_by_another_task(stage: Any) -> None:
    async with stage() as scene:
        stream = await scene.stream(silent_after_two(), cast_to=int)
        values: list[int] = []

        async def iterate() -> None:
            with pytest.raises(APIStreamError, match="closed"):
                async for value in stream:
                    values.append(value)  # noqa: PERF401 -- keeps what comes before a fault

        async with trio.open_nursery() as nursery:
            nursery.start_soon(iterate)
            while len(values) < 2:  # noqa: ASYNC110 -- no event tells of it
                await trio.sleep(0.001)
            await trio.testing.wait_all_tasks_blocked()
            await stream.aclose()
        assert values == [1, 2]
