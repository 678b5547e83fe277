"""`AsyncAPIResponse` in memory: the head, times, and a body of which each byte is given once."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio

from trioclient import (
    APIResponseValidationError,
    APIStreamError,
    AsyncAPIClient,
    AsyncAPIResponse,
    DeadlineExceeded,
    LimitExceeded,
    Limits,
    RetryPolicy,
)
from trioclient.testing import ScriptedTransport, fault, reply


def client_of(*script: Any, **arguments: Any) -> AsyncAPIClient:
    policy = RetryPolicy(initial_delay=1.0, jitter=0.0)
    return AsyncAPIClient(
        base_url="https://api.test", transport=ScriptedTransport(*script), **{"retry": policy, **arguments}
    )


def open_responses(client: AsyncAPIClient) -> int:
    connections = client.statistics().connections
    assert connections.open is not None
    return connections.open


class TestHead:
    @pytest.mark.parametrize(("unread", "elapsed"), [(True, 4.0), (False, 9.0)])
    async def test_elapsed(self, autojump_clock: Any, unread: bool, elapsed: float) -> None:
        """To the head of an answer that is not read yet, to the end of one that is; retries included."""
        answer = reply(chunks=["a", "b"], delay=3.0, chunk_delay=5.0)
        async with client_of(reply(503), answer) as client:
            if unread:
                async with client.with_streaming_response.get("/") as response:
                    assert response.elapsed == elapsed
                    await response.read()
                    assert response.elapsed == elapsed
            else:
                assert (await client.with_raw_response.get("/")).elapsed == elapsed

    async def test_repr(self) -> None:
        async with client_of(reply(201)) as client:
            response = await client.with_raw_response.post("/a?b=1")
            assert repr(response) == "<AsyncAPIResponse 201 POST https://api.test/a?b=1>"

    async def test_headers_are_the_callers_to_change(self) -> None:
        async with client_of(reply(headers={"X-A": "1"})) as client:
            response = await client.with_raw_response.get("/")
            response.headers["x-a"] = "2"
            assert response.headers["x-a"] == "1"


class TestBody:
    async def test_one_in_memory_holds_nothing(self) -> None:
        async with client_of(reply(content="a")) as client:
            response = await client.with_raw_response.get("/")
            assert response.is_closed
            assert open_responses(client) == 0
            async with response:
                pass
            assert await response.read() == b"a"

    async def test_one_that_is_read_neither(self) -> None:
        async with client_of(reply(content="a")) as client:
            async with client.with_streaming_response.get("/") as response:
                assert open_responses(client) == 1
                assert await response.read() == b"a"
                assert open_responses(client) == 0
                assert response.is_closed
            assert await response.read() == b"a"

    async def test_reading_again_what_failed(self) -> None:
        async with client_of(fault("disconnect", of=reply(content="abc"))) as client:
            async with client.with_streaming_response.get("/") as response:
                with pytest.raises(APIStreamError) as caught:
                    await response.read()
                assert caught.value.received == 3
                with pytest.raises(RuntimeError, match="read already"):
                    await response.read()

    async def test_a_cancelled_reading(self, autojump_clock: Any) -> None:
        async with client_of(reply(chunks=["a", "b"], chunk_delay=5.0)) as client:
            async with client.with_streaming_response.get("/") as response:
                pieces = response.iter_bytes()
                with trio.move_on_after(1.0) as scope:
                    async for _ in pieces:
                        pass
                assert scope.cancelled_caught
                assert response.is_closed
                assert open_responses(client) == 0
                with pytest.raises(APIStreamError, match="closed before its end"):
                    await pieces.__anext__()

    async def test_an_iteration_that_failed_is_over(self) -> None:
        async with client_of(fault("disconnect", of=reply(content="abc"))) as client:
            async with client.with_streaming_response.get("/") as response:
                pieces = response.iter_bytes(2)
                assert await pieces.__anext__() == b"ab"
                with pytest.raises(APIStreamError):
                    await pieces.__anext__()
                with pytest.raises(StopAsyncIteration):
                    await pieces.__anext__()

    @pytest.mark.parametrize(
        ("limit", "encoding", "raised"),
        [
            ("max_body_bytes", None, True),
            ("max_decoded_bytes", None, True),
            ("max_body_bytes", "gzip", False),
            ("max_decoded_bytes", "gzip", True),
        ],
    )
    @pytest.mark.parametrize("unread", [False, True])
    async def test_bounds(self, limit: str, encoding: Any, raised: bool, unread: bool) -> None:
        """The same for both: what is kept is bounded on the wire and in memory."""
        answer = reply(chunks=[b"x" * 600] * 2, encoding=encoding)
        async with client_of(answer, limits=Limits(**{limit: 1199})) as client:

            async def read() -> int:
                if not unread:
                    return len(await (await client.with_raw_response.get("/")).read())
                async with client.with_streaming_response.get("/") as response:
                    return len(await response.read())

            if not raised:
                assert await read() == 1200
                return
            with pytest.raises(LimitExceeded) as caught:
                await read()
            assert (caught.value.limit, caught.value.value) == (limit, 1199)
            assert open_responses(client) == 0

    @pytest.mark.parametrize("content_type", [None, "text/plain", "text/html; charset=utf-16", "application/json"])
    @pytest.mark.parametrize("strict", [False, True])
    async def test_json_is_json_whatever_it_is_called(self, content_type: str | None, strict: bool) -> None:
        headers = {} if content_type is None else {"Content-Type": content_type}
        charset = "utf-16" if content_type and "utf-16" in content_type else "utf-8"
        for text, value in [('{"ä": 1}', {"ä": 1}), ("", None), ("ä", APIResponseValidationError)]:
            answer = reply(content=text.encode(charset) if text else b"", headers=headers)
            async with client_of(answer, _strict_response_validation=strict) as client:
                response = await client.with_raw_response.get("/")
                if value is APIResponseValidationError:
                    with pytest.raises(APIResponseValidationError):
                        await response.json()
                else:
                    assert await response.json() == value

    async def test_a_decoding_that_fails_is_no_fault_of_the_body(self) -> None:
        async with client_of(reply(content="[1", headers={"Content-Type": "application/json"})) as client:
            async with client.with_streaming_response.get("/") as response:
                with pytest.raises(APIResponseValidationError):
                    await response.json()
                assert await response.text() == "[1"

    async def test_what_is_wrong_with_the_arguments_takes_nothing(self) -> None:
        async with client_of(reply(content="abc")) as client:
            async with client.with_streaming_response.get("/") as response:
                for wrong in [response.iter_bytes, response.iter_text]:
                    with pytest.raises(ValueError, match="chunk_size"):
                        wrong(0)
                with pytest.raises(TypeError):
                    await response.parse(to=object())
                assert await response.read() == b"abc"


class TestTime:
    @pytest.mark.parametrize(
        ("options", "kind", "ended"),
        [
            ({"timeout": 3.0}, APIStreamError, 8.0),
            ({"idle_timeout": 2.0, "timeout": 9.0}, APIStreamError, 2.0),
            ({"deadline": 6.0}, DeadlineExceeded, 6.0),
            ({"deadline": 6.0, "timeout": 3.0}, DeadlineExceeded, 6.0),
        ],
    )
    async def test_to_the_instant(self, autojump_clock: Any, options: Any, kind: Any, ended: float) -> None:
        answer = fault("disconnect", after=math.inf, of=reply(chunks=["a", "b", "c"], chunk_delay=2.5))
        async with client_of(answer) as client:
            with pytest.raises(kind) as caught:
                async with client.with_streaming_response.get("/", options=options) as response:
                    await response.read()
            assert trio.current_time() == ended
            assert caught.value.elapsed == ended
            assert open_responses(client) == 0

    async def test_in_memory_no_deadline_counts_any_more(self, autojump_clock: Any) -> None:
        async with client_of(reply(content="no JSON")) as client:
            response = await client.with_raw_response.get("/", options={"deadline": 3.0})
            await trio.sleep(5.0)
            assert await response.text() == "no JSON"
            with pytest.raises(APIResponseValidationError) as caught:
                await response.json()
            assert caught.value.elapsed == 0.0


async def test_what_a_call_asks_for_is_told_of_before_it_is_sent() -> None:
    async with client_of() as client:
        with pytest.raises(TypeError, match="cast_to"):
            await client.with_raw_response.get("/", cast_to=object())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="cast_to"):
            async with client.with_streaming_response.get("/", cast_to=object()):  # type: ignore[arg-type]
                pass
        assert client.statistics().calls == 0


async def test_nothing_is_sent_before_it_is_entered() -> None:
    async with client_of() as client:
        client.with_streaming_response.get("/")
        assert client.statistics().calls == 0


async def test_its_class_is_public() -> None:
    async with client_of(reply(json=1)) as client:
        assert type(await client.with_raw_response.get("/", cast_to=int)) is AsyncAPIResponse
