"""What the events of a stream come to: values of the type that was asked for."""

from __future__ import annotations

from typing import Any, Union

import msgspec
import pytest

from trioclient import APIResponseValidationError, ServerSentEvent, UnknownVariant
from trioclient.testing import Reply, event_stream, json_lines, reply


class Start(msgspec.Struct, tag="start"):
    id: int


class Text(msgspec.Struct, tag="text"):
    text: str


class Stop(msgspec.Struct, tag="stop"):
    reason: Union[str, None] = None


Event = Union[Start, Text, Stop]

SSE = "text/event-stream"


def sse(body: str, **keywords: Any) -> Reply:
    return reply(content=body.encode(), headers={"Content-Type": SSE}, framing="chunked", **keywords)


@pytest.mark.parametrize(
    ("answer", "cast_to", "values"),
    [
        pytest.param(event_stream({"a": 1}, [2], 3, "null"), Any, [{"a": 1}, [2], 3, None], id="plain JSON"),
        pytest.param(json_lines({"a": 1}, [2], 3, None), Any, [{"a": 1}, [2], 3, None], id="JSON lines"),
        pytest.param(json_lines(1, 2, b"3"), int, [1, 2, 3], id="a last line without an end"),
        pytest.param(json_lines(b"1\r\n\r\n  \n2\r\n"), int, [1, 2], id="blank lines"),
        pytest.param(
            event_stream(("start", {"id": 1}), ("text", {"text": "a"}), ("stop", {})),
            Event,
            [Start(1), Text("a"), Stop()],
            id="tagged by the event's name",
        ),
        pytest.param(
            event_stream({"type": "start", "id": 1}, {"type": "text", "text": "a"}, {"type": "stop"}),
            Event,
            [Start(1), Text("a"), Stop()],
            id="tagged in the data",
        ),
        pytest.param(
            json_lines({"type": "start", "id": 1}, {"type": "stop"}), Event, [Start(1), Stop()], id="tagged JSON lines"
        ),
        pytest.param(
            event_stream(("thought", {"about": "you"}), ("stop", {"type": "stop"})),
            Event,
            [UnknownVariant("thought", {"type": "thought", "about": "you"}), Stop()],
            id="an unknown kind",
        ),
        pytest.param(
            event_stream(("ping", {}), ("text", {"text": "a"}), ("ping", ""), ("text", {"text": "b"})),
            Event,
            [Text("a"), Text("b")],
            id="pings",
        ),
        pytest.param(
            event_stream(("text", {"text": "a"}), "keep-alive", ("text", {"text": "b"})),
            Event,
            [Text("a"), Text("b")],
            id="one without a name among named ones",
        ),
        pytest.param(event_stream(1, 2, "[DONE]", 3), int, [1, 2], id="[DONE]"),
        pytest.param(event_stream("[DONE]"), int, [], id="[DONE] at once"),
        pytest.param(event_stream(), int, [], id="an empty stream"),
        pytest.param(json_lines(), int, [], id="no lines"),
        pytest.param(reply(204), int, [], id="204"),
        pytest.param(event_stream("one", "two\nlines", " "), str, ["one", "two\nlines", " "], id="text"),
        pytest.param(event_stream("one", "two\nlines"), bytes, [b"one", b"two\nlines"], id="bytes"),
        pytest.param(
            event_stream(("a", "1"), ServerSentEvent("b", "2", "7", 30)),
            ServerSentEvent,
            [ServerSentEvent("a", "1"), ServerSentEvent("b", "2", "7", 30)],
            id="raw events as values",
        ),
        pytest.param(sse("\ufeffdata: 1\r\rdata: 2\r\n\r\ndata: 3\n\n"), int, [1, 2, 3], id="line ends of any kind"),
        pytest.param(sse(": hello\n\nretry: 5\n\ndata\n\ndata: 1\n\n"), int, [1], id="comments and blanks"),
        pytest.param(sse("data: 1\n\ndata: 2\n"), int, [1], id="a tail that is not whole"),
        pytest.param(event_stream(b'data: "\xff"\n\n'), str, ['"\ufffd"'], id="not UTF-8, as text"),
        pytest.param(event_stream(b'data: "\xff"\n\n'), Any, ["\ufffd"], id="not UTF-8, as JSON"),
        pytest.param(sse("".join(f"data: {n}\n\n" for n in range(1000))), int, list(range(1000)), id="many"),
        pytest.param(event_stream("x" * 1_000_000), str, ["x" * 1_000_000], id="a large one"),
        pytest.param(event_stream(1, 2, encoding="gzip"), int, [1, 2], id="gzip"),
        pytest.param(json_lines(1, 2, encoding="deflate"), int, [1, 2], id="deflate"),
        pytest.param(event_stream(1, 2, framing="length"), int, [1, 2], id="of a known length"),
        pytest.param(event_stream(1, 2, framing="close"), int, [1, 2], id="up to the end of the connection"),
        pytest.param(
            reply(content=b'{"a": 1}\n2\n', headers={"Content-Type": "text/plain"}),
            Any,
            [{"a": 1}, 2],
            id="JSON lines by their looks",
        ),
        pytest.param(reply(content=b"data: 1\n\n"), int, [1], id="events by their looks"),
    ],
)
async def test_values(stage: Any, answer: Reply, cast_to: Any, values: list[Any]) -> None:
    async with stage() as scene:
        assert await scene.values(answer, cast_to=cast_to) == values
        assert await scene.values(answer, method="POST", cast_to=cast_to) == values


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_each_as_it_comes(stage: Any, encoding: Any) -> None:
    """A value does not wait for the next one, be there a ping behind it or a compression around it."""
    ping = b"event: ping\ndata: {}\n\n"
    first = b"data: 1\n\n: comment\n\n" + ping
    endless = event_stream(first, b"data: 2\n\n" + ping, chunk_delay=1000.0, encoding=encoding)
    async with stage() as scene:
        async with await scene.stream(endless, cast_to=int) as stream:
            assert await stream.__aiter__().__anext__() == 1


async def test_raw_events(stage: Any) -> None:
    answer = event_stream(
        b": comment\n\n",
        ("ping", {}),
        ServerSentEvent("text", "one\ntwo", "7", 250),
        "no name",
        ("error", {"message": "no matter"}),
        b"data\n\n",
    )
    async with stage() as scene:
        async with await scene.stream(answer) as stream:
            assert [event async for event in stream.events()] == [
                ServerSentEvent("ping", "{}"),
                ServerSentEvent("text", "one\ntwo", "7", 250),
                ServerSentEvent("message", "no name", "7", 250),
                ServerSentEvent("error", '{"message":"no matter"}', "7", 250),
                ServerSentEvent("message", "", "7", 250),
            ]


async def test_raw_lines(stage: Any) -> None:
    async with stage() as scene:
        async with await scene.stream(json_lines({"a": 1}, 2)) as stream:
            events = [event async for event in stream.events()]
        assert [event.json() for event in events] == [{"a": 1}, 2]


async def test_values_or_events_not_both(stage: Any) -> None:
    async with stage() as scene:
        async with await scene.stream(event_stream(1, 2, 3), cast_to=int) as stream:
            assert await stream.__aiter__().__anext__() == 1
            with pytest.raises(RuntimeError, match="not as both"):
                await stream.events().__anext__()
            assert [value async for value in stream] == [2, 3]


@pytest.mark.parametrize("strict", [False, True])
async def test_data_that_does_not_fit(stage: Any, strict: bool) -> None:
    answer = event_stream(("text", {"text": "a"}), ("text", {"text": 1}))
    async with stage(_strict_response_validation=strict) as scene:
        if not strict:
            assert await scene.values(answer, cast_to=Event) == [Text("a"), Text(1)]  # pyright: ignore
            return
        values, error = await scene.outcome(answer, cast_to=Event)
        assert values == [Text("a")]
        assert type(error) is APIResponseValidationError
        assert "$.text" in str(error)
        assert error.status_code if hasattr(error, "status_code") else error.response.status_code == 200


async def test_data_that_is_no_json(stage: Any) -> None:
    async with stage() as scene:
        values, error = await scene.outcome(event_stream(1, "{", 3), cast_to=int)
        assert values == [1]
        assert type(error) is APIResponseValidationError
        assert error.response.status_code == 200
        assert error.body == "{"


async def test_a_class_of_ones_own(stage: Any) -> None:
    """``stream_cls`` may be a subclass, name the type of the events, or both."""
    async with stage() as scene:
        base = scene.client.stream_class

        class Mine(base):  # type: ignore
            def shout(self) -> str:
                return "mine"

        class Texts(base[Text]):  # type: ignore
            pass

        answer = event_stream(("text", {"text": "a"}))
        for stream_cls, cast_to, made, kind in [
            (base, Text, base, Text),
            (base[Text], dict, base, Text),
            (Mine, Text, Mine, Text),
            (Texts, dict, Texts, Text),
            (None, Text, base, Text),
        ]:
            async with await scene.stream(answer, cast_to=cast_to, stream_cls=stream_cls) as stream:
                assert [type(value) for value in [value async for value in stream]] == [kind]
                assert type(getattr(stream, "_target", stream)) is made
        with pytest.raises(TypeError, match="stream_cls"):
            await scene.stream(answer, stream_cls=list)
        with pytest.raises(TypeError, match="cast_to"):
            await scene.stream(answer, cast_to=None)
        assert len(scene.server.requests) == 5


async def test_until_done(stage: Any) -> None:
    async with stage() as scene:
        async with await scene.stream(event_stream(1, 2, 3), cast_to=int) as stream:
            assert await stream.__aiter__().__anext__() == 1
            await stream.until_done()
            assert [value async for value in stream] == []
        await scene.recovers()
        assert len(scene.server.connections) == 1


async def test_the_head(stage: Any) -> None:
    answer = event_stream(1, headers={"Request-Id": "r-1", "X-Kind": "slow"})
    async with stage() as scene:
        async with await scene.stream(reply(503), answer, cast_to=int) as stream:
            response = stream.response
            assert (response.status_code, response.request_id, response.retries_taken) == (200, "r-1", 1)
            assert (response.method, response.headers["x-kind"], response.http_version) == ("GET", "slow", "HTTP/1.1")
            assert str(response.url) == scene.server.url
            assert not response.is_closed
            assert response.elapsed > 0
            await stream.until_done()
            assert response.is_closed


async def test_what_is_asked_for(stage: Any) -> None:
    async with stage() as scene:
        await scene.values(event_stream(1), cast_to=int)
        request = scene.server.requests[0]
        assert request.header("Accept").startswith("text/event-stream")
        assert request.header("Cache-Control") == "no-cache"
        await scene.values(event_stream(1), cast_to=int, options={"headers": {"Accept": SSE}})
        assert scene.server.requests[1].header("Accept") == SSE
