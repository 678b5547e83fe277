"""Answers in the raw: in memory (``with_raw_response``), or unread (``with_streaming_response``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from trioclient import (
    APIConnectionError,
    APIResponseValidationError,
    APIStreamError,
    DeadlineExceeded,
    InternalServerError,
    LimitExceeded,
    Limits,
)
from trioclient.testing import Reply, drop, event_stream, reply, stall, truncate

Open = Callable[..., AbstractAsyncContextManager[Any]]

TEXT = "Grüße, 世界 🌍!\r\nsecond\rthird\n\nlast"
LINES = ["Grüße, 世界 🌍!", "second", "third", "", "last"]


class User(msgspec.Struct):
    name: str


@pytest.fixture(params=["raw", "streaming"])
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def opened(form: str) -> Open:
    """The response to a call, whichever way it is got."""

    @asynccontextmanager
    async def opened(scene: Any, *answers: Reply, method: str = "GET", **arguments: Any) -> AsyncIterator[Any]:
        scene.answer(*answers)
        if form == "raw":
            yield await scene.client.raw(method, "/", **arguments)
        else:
            async with scene.client.streaming(method, "/", **arguments) as response:
                yield response

    return opened


def text(charset: str, content_type: str = "text/plain", **keywords: Any) -> Reply:
    """`TEXT` in so many pieces that characters are cut."""
    content = TEXT.encode(charset)
    headers = {"Content-Type": f"{content_type}; charset={charset}"}
    return reply(chunks=[content[at : at + 3] for at in range(0, len(content), 3)], headers=headers, **keywords)


async def all_of(pieces: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in pieces]


class TestHead:
    async def test_everything(self, stage: Any, opened: Open, form: str) -> None:
        answer = reply(201, json=1, headers=[("X-Request-Id", "r-1"), ("X-Many", "a"), ("X-Many", "b")])
        async with stage() as scene:
            async with opened(scene, reply(503), answer, method="POST", options={"params": {"q": "1"}}) as response:
                assert response.status_code == 201
                assert isinstance(response.headers, httpx.Headers)
                assert response.headers.get_list("x-many") == ["a", "b"]
                assert response.http_version == "HTTP/1.1"
                assert response.method == "POST"
                assert response.url == httpx.URL(scene.server.url, params={"q": "1"})
                assert response.retries_taken == 1
                assert response.request_id == "r-1"
                assert 0 < response.elapsed < 60
                assert response.is_closed == (form == "raw")
                assert "201" in repr(response)
                response.headers["X-Many"] = "mine"
                assert response.headers.get_list("x-many") == ["a", "b"]
            assert response.is_closed
            assert response.status_code == 201

    async def test_request_id_of_either_name(self, stage: Any, opened: Open) -> None:
        async with stage() as scene:
            for headers, found in [({}, None), ({"Request-Id": "a", "X-Request-Id": "b"}, "a")]:
                async with opened(scene, reply(headers=headers)) as response:
                    assert response.request_id == found

    async def test_redirects_followed(self, stage: Any, opened: Open) -> None:
        async with stage() as scene:
            scene.answer(reply(json="there"), path="/there")
            async with opened(scene, reply(303, headers={"Location": "/there"}), method="POST") as response:
                assert (response.url.path, response.method) == ("/there", "GET")
                assert await response.json() == "there"

    async def test_no_secret_in_the_url(self, stage: Any, opened: Open) -> None:
        async with stage(custom_query={"api_key": "s3cr3t"}) as scene:
            async with opened(scene, reply(json=1)) as response:
                assert "s3cr3t" not in str(response.url) + repr(response)


class TestWhole:
    async def test_as_whatever_is_asked_for(self, stage: Any, opened: Open) -> None:
        async with stage() as scene:
            async with opened(scene, reply(json={"name": "Ada"}), cast_to=User) as response:
                for _ in range(2):
                    assert await response.parse() == User("Ada")
                    assert await response.parse(to=dict) == {"name": "Ada"}
                    assert await response.json() == {"name": "Ada"}
                    assert await response.read() == b'{"name":"Ada"}'
                    assert await response.text() == '{"name":"Ada"}'
                    assert await response.parse(to=bytes) == b'{"name":"Ada"}'
                    answer = await response.parse(to=httpx.Response)
                    assert (answer.status_code, answer.json()) == (200, {"name": "Ada"})
                    assert await all_of(response.iter_bytes(7)) == [b'{"name"', b':"Ada"}']
                assert response.is_closed

    async def test_httpx_response(self, stage: Any, opened: Open) -> None:
        answer = reply(json=[1], headers={"X-A": "1"}, encoding="gzip")
        async with stage() as scene:
            async with opened(scene, answer, cast_to=httpx.Response) as response:
                parsed = await response.parse()
                assert (parsed.json(), parsed.headers["x-a"], str(parsed.request.url)) == ([1], "1", scene.server.url)

    @pytest.mark.parametrize(
        ("answer", "method"),
        [(reply(), "GET"), (reply(204), "GET"), (reply(json="unseen"), "HEAD"), (reply(encoding="gzip"), "GET")],
        ids=["empty", "204", "HEAD", "compressed"],
    )
    async def test_nothing(self, stage: Any, opened: Open, answer: Reply, method: str) -> None:
        async with stage() as scene:
            async with opened(scene, answer, method=method) as response:
                assert await response.read() == b""
                assert await response.text() == ""
                assert await response.parse(to=bytes) == b""
                assert await response.parse(to=None) is None
            for iteration in ["iter_bytes", "iter_text", "iter_lines"]:
                async with opened(scene, answer, method=method) as response:
                    assert await all_of(getattr(response, iteration)()) == []
            await scene.recovers()
            assert scene.server.connection_count == 1

    @pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
    async def test_binary(self, stage: Any, opened: Open, encoding: Any) -> None:
        content = bytes(range(256)) * 1000
        async with stage() as scene:
            async with opened(scene, reply(content=content, encoding=encoding), cast_to=bytes) as response:
                assert await response.parse() == content
                assert b"".join(await all_of(response.iter_bytes())) == content

    @pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-32-le", "gb18030"])
    async def test_text(self, stage: Any, opened: Open, charset: str) -> None:
        async with stage() as scene:
            async with opened(scene, text(charset)) as response:
                assert await response.text() == TEXT
                assert await response.parse(to=str) == TEXT

    async def test_what_is_no_text(self, stage: Any, opened: Open) -> None:
        answer = reply(content=b"a\xff\xc3", headers={"Content-Type": "text/plain; charset=nonsense"})
        async with stage() as scene:
            async with opened(scene, answer) as response:
                assert await response.text() == "a\ufffd\ufffd"

    async def test_what_does_not_fit(self, stage: Any, opened: Open) -> None:
        async with stage(_strict_response_validation=True) as scene:
            async with opened(scene, reply(json={"name": 1}), cast_to=int) as response:
                for _ in range(2):
                    with pytest.raises(APIResponseValidationError) as caught:
                        await response.parse()
                    assert caught.value.body == {"name": 1}
                    assert caught.value.response.status_code == 200
                assert await response.json() == {"name": 1}
            async with opened(scene, reply(content="no JSON")) as response:
                with pytest.raises(APIResponseValidationError):
                    await response.json()
                assert await response.text() == "no JSON"

    async def test_what_can_be_no_type(self, stage: Any, opened: Open) -> None:
        async with stage() as scene:
            with pytest.raises(TypeError, match="cast_to"):
                async with opened(scene, reply(json=1), cast_to=object()):
                    pass
            assert scene.server.request_count == 0
            async with opened(scene, reply(json=1)) as response:
                with pytest.raises(TypeError):
                    await response.parse(to=object())
                assert await response.json() == 1


class TestPieces:
    @pytest.mark.parametrize("encoding", [None, "gzip"])
    async def test_bytes(self, stage: Any, opened: Open, encoding: Any) -> None:
        content = TEXT.encode()
        async with stage() as scene:
            for size in [1, 3, 7, 1000]:
                async with opened(scene, text("utf-8", encoding=encoding)) as response:
                    chunks = await all_of(response.iter_bytes(size))
                    assert chunks == [content[at : at + size] for at in range(0, len(content), size)]

    @pytest.mark.parametrize("charset", ["utf-8", "utf-16", "gb18030"])
    async def test_text(self, stage: Any, opened: Open, charset: str) -> None:
        async with stage() as scene:
            for size in [None, 1, 4, 1000]:
                async with opened(scene, text(charset, chunk_delay=0.0002)) as response:
                    chunks = await all_of(response.iter_text(size))
                    assert "".join(chunks) == TEXT
                    assert all(chunks)
                    if size is not None:
                        assert chunks == [TEXT[at : at + size] for at in range(0, len(TEXT), size)]

    @pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
    async def test_lines(self, stage: Any, opened: Open, charset: str) -> None:
        async with stage() as scene:
            async with opened(scene, text(charset, chunk_delay=0.0002)) as response:
                assert await all_of(response.iter_lines()) == LINES

    async def test_as_they_come(self, stage: Any) -> None:
        answer = reply(chunks=["one\n", "two\n"], chunk_delay=1000.0)
        async with stage() as scene:
            scene.answer(answer)
            for name, first in [("iter_bytes", b"one\n"), ("iter_text", "one\n"), ("iter_lines", "one")]:
                async with scene.client.streaming("GET", "/") as response:
                    assert await getattr(response, name)().__anext__() == first

    @pytest.mark.parametrize("first", ["iter_bytes", "iter_text", "iter_lines"])
    async def test_once(self, stage: Any, first: str) -> None:
        async with stage() as scene:
            scene.answer(reply(content="one two"))
            async with scene.client.streaming("GET", "/") as response:
                iterator = getattr(response, first)().__aiter__()
                assert await iterator.__anext__() in {"one two", b"one two"}
                with pytest.raises(RuntimeError, match="read already"):
                    await response.read()
                with pytest.raises(RuntimeError, match="read already"):
                    await response.iter_bytes().__anext__()
                with pytest.raises(RuntimeError, match="read already"):
                    await response.json()
                assert await all_of(iterator) == []

    async def test_in_memory_as_often_as_wanted(self, stage: Any) -> None:
        async with stage() as scene:
            scene.answer(reply(content="one\ntwo"))
            response = await scene.client.raw("GET", "/")
            for _ in range(2):
                assert await all_of(response.iter_lines()) == ["one", "two"]
                assert await all_of(response.iter_bytes(4)) == [b"one\n", b"two"]

    async def test_what_is_no_size(self, stage: Any, opened: Open) -> None:
        async with stage() as scene:
            async with opened(scene, reply(content="x")) as response:
                for size, kind in [(0, ValueError), (-1, ValueError), ("1", TypeError), (True, TypeError)]:
                    for iteration in [response.iter_bytes, response.iter_text]:
                        with pytest.raises(kind, match="chunk_size"):
                            await iteration(size).__anext__()
                assert await response.read() == b"x"


class TestLeftEarly:
    @pytest.mark.parametrize(("size", "connections"), [(100, 1), (1_000_000, 2)])
    async def test_unread(self, stage: Any, size: int, connections: int) -> None:
        async with stage() as scene:
            scene.answer(reply(content=b"x" * size))
            async with scene.client.streaming("GET", "/") as response:
                assert not response.is_closed
            assert response.is_closed
            with pytest.raises((APIStreamError, RuntimeError)):
                await response.read()
            await scene.recovers()
            assert scene.server.connection_count == connections

    async def test_by_break(self, stage: Any) -> None:
        async with stage() as scene:
            scene.answer(reply(content=b"x" * 1_000_000))
            async with scene.client.streaming("GET", "/") as response:
                async for _ in response.iter_bytes():
                    break

    async def test_closed_inside(self, stage: Any) -> None:
        async with stage() as scene:
            scene.answer(reply(chunks=["one", "two"], chunk_delay=1000.0))
            async with scene.client.streaming("GET", "/") as response:
                await response.aclose()
                assert response.is_closed
                await response.aclose()

    async def test_a_call_is_one_call(self, stage: Any) -> None:
        async with stage() as scene:
            scene.answer(reply(json=1))
            manager = scene.client.streaming("GET", "/")
            async with manager as response:
                assert await response.json() == 1
            with pytest.raises(RuntimeError, match="made already"):
                async with manager:
                    pass
            assert scene.server.request_count == 1


class TestFaults:
    async def test_before_the_body(self, stage: Any, opened: Open) -> None:
        async with stage(max_retries=1) as scene:
            with pytest.raises(InternalServerError) as caught:
                async with opened(scene, reply(500, json="no")):
                    pass
            assert (caught.value.attempts, caught.value.body) == (2, "no")

    async def test_in_the_body_it_was_a_failed_call(self, stage: Any) -> None:
        async with stage() as scene:
            whole = reply(content="abc")
            scene.answer(truncate(-1, of=whole), whole)
            assert await (await scene.client.raw("GET", "/")).text() == "abc"
            assert scene.server.request_count == 2

    @pytest.mark.parametrize("reading", ["read", "json", "iter_bytes", "iter_text", "iter_lines"])
    @pytest.mark.parametrize("encoding", [None, "gzip"])
    async def test_or_breaks_off(self, stage: Any, reading: str, encoding: Any) -> None:
        async with stage() as scene:
            answer = reply(chunks=["one\n", "two\n", "three\n"], headers={"X-A": "1"}, encoding=encoding)
            scene.answer(truncate(-4, of=answer))
            async with scene.client.streaming("GET", "/") as response:
                read = getattr(response, reading)
                with pytest.raises(APIStreamError) as caught:
                    await (all_of(read()) if reading.startswith("iter") else read())
                assert response.is_closed
            error = caught.value
            assert error.received >= 8
            assert error.response.headers["x-a"] == "1"
            assert scene.server.request_count == 1

    async def test_compression_cut_short_is_no_success(self, stage: Any) -> None:
        """The answer is whole, but what it holds is not."""
        whole = reply(content="x" * 1000, encoding="gzip")
        cut = reply(content=whole.pieces[0][:-3], headers={"Content-Encoding": "gzip"})
        async with stage() as scene:
            scene.answer(cut)
            async with scene.client.streaming("GET", "/") as response:
                with pytest.raises(APIStreamError):
                    await response.read()
            scene.answer(cut)
            with pytest.raises(APIConnectionError):
                await scene.client.raw("GET", "/", options={"max_retries": 0})

    async def test_time(self, stage: Any) -> None:
        async with stage(timeout=1.0) as scene:
            answer = reply(chunks=["one", "two"])
            scene.answer(stall(-8, of=answer))
            for options, kind in [
                ({"idle_timeout": 0.05}, APIStreamError),
                ({"timeout": 0.05}, APIStreamError),
                ({"deadline": 0.4}, DeadlineExceeded),
            ]:
                async with scene.client.streaming("GET", "/", options=options) as response:
                    with pytest.raises(kind) as caught:
                        await response.read()
                    assert type(caught.value) is kind

    @pytest.mark.parametrize("limit", ["max_body_bytes", "max_decoded_bytes"])
    async def test_too_much_to_keep(self, stage: Any, opened: Open, limit: str) -> None:
        async with stage(limits=Limits(**{limit: 999})) as scene:
            with pytest.raises(LimitExceeded) as caught:
                async with opened(scene, reply(content=b"x" * 1000)) as response:
                    await response.read()
            assert (caught.value.limit, caught.value.value) == (limit, 999)

    @pytest.mark.parametrize("limit", ["max_body_bytes", "max_decoded_bytes"])
    async def test_not_too_much_to_pass_on(self, stage: Any, limit: str) -> None:
        async with stage(limits=Limits(**{limit: 999})) as scene:
            scene.answer(reply(content=b"x" * 5000, encoding="gzip"))
            async with scene.client.streaming("GET", "/") as response:
                assert sum([len(piece) async for piece in response.iter_bytes()]) == 5000

    async def test_a_line_too_long(self, stage: Any, opened: Open) -> None:
        async with stage(limits=Limits(max_line_bytes=10)) as scene:
            with pytest.raises(LimitExceeded) as caught:
                async with opened(scene, reply(content="short\n" + "x" * 11)) as response:
                    await all_of(response.iter_lines())
            assert (caught.value.limit, caught.value.value) == ("max_line_bytes", 10)

    async def test_nothing_comes(self, stage: Any, opened: Open) -> None:
        async with stage(max_retries=0) as scene:
            with pytest.raises(APIConnectionError):
                async with opened(scene, drop()):
                    pass


async def test_every_verb(stage: Any, form: str) -> None:
    """Each is `request` with a method; only those that have a body take one."""
    async with stage() as scene:
        scene.answer(lambda request: reply(content=f"{request.method} {request.body.decode()}"))
        for verb in ["get", "post", "put", "patch", "delete"]:
            arguments: dict[str, Any] = {} if verb == "get" else {"content": b"x"}
            if form == "raw":
                text = await (await scene.client.raw("/", verb=verb, **arguments)).text()
            else:
                async with scene.client.streaming("/", verb=verb, **arguments) as response:
                    text = await response.text()
            assert text == f"{verb.upper()} {'' if verb == 'get' else 'x'}"


async def test_a_stream_left_to_the_caller(stage: Any) -> None:
    """Events need not be read as events."""
    async with stage() as scene:
        scene.answer(event_stream(1, 2))
        async with scene.client.streaming("GET", "/") as response:
            assert await all_of(response.iter_lines()) == ["data: 1", "", "data: 2", ""]
