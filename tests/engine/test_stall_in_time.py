"""Bodies that come or leave too slowly, on a virtual clock: the exact instants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio

from trioclient import APIConnectionError, APIStreamError, APITimeoutError, AsyncAPIClient, DeadlineExceeded
from trioclient._faults import StallFault
from trioclient._policy.retry import RetryPolicy
from trioclient._policy.stall import Stall
from trioclient.testing import ScriptedTransport, fault, reply

TEN_IN_TEN = Stall(at_least=10, within=10.0)
EVENTS = {"Content-Type": "text/event-stream"}


@pytest.fixture
def client_of() -> Callable[..., AsyncAPIClient]:
    def make(*script: Any, stall: Stall | None = TEN_IN_TEN, **options: Any) -> AsyncAPIClient:
        defaults: dict[str, Any] = {"timeout": None, "max_retries": 0}
        transport = ScriptedTransport(*script)
        return AsyncAPIClient(base_url="https://api.test", transport=transport, stall=stall, **{**defaults, **options})

    return make


def pieces(count: int, size: int, apart: float, **options: Any) -> Any:
    return reply(chunks=[b"x" * size] * count, chunk_delay=apart, **options)


async def fails(awaitable: Any, kind: type[APIConnectionError] = APITimeoutError) -> Any:
    with pytest.raises(kind) as caught:
        await awaitable
    assert type(caught.value) is kind
    return caught.value


class TestAnAnswer:
    async def test_too_little_in_the_span(self, client_of: Any, autojump_clock: Any) -> None:
        # The first piece comes at once, which begins another span.
        client = client_of(pieces(2, 10, math.inf))
        error = await fails(client.get("/"))
        assert "the answer's body stalled: fewer than 10 bytes came in 10 s" in str(error)
        assert "stall=" in str(error)
        assert (error.elapsed, error.sent, error.attempts) == (10.0, "yes", 1)
        assert client._transport.open_responses == 0

    @pytest.mark.parametrize(
        ("size", "apart", "fails_at"),
        [
            (10, 9.99, None),
            (10, 10.01, 10.0),
            (5, 4.99, None),  # the first piece is there at once, so is half of the first span
            (5, 6.0, 10.0 + 6.0),
            (1, 0.99, None),
            (1, 1.2, 10.0),
            (100, 9.9, None),
        ],
    )
    async def test_the_boundary(
        self, client_of: Any, autojump_clock: Any, size: int, apart: float, fails_at: float | None
    ) -> None:
        client = client_of(pieces(30, size, apart))
        if fails_at is None:
            assert len(await client.get("/", cast_to=bytes)) == 30 * size
        else:
            assert (await fails(client.get("/"))).elapsed == pytest.approx(fails_at)

    async def test_its_end_needs_no_minimum(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(reply(chunks=[b"x" * 10, b"x"], chunk_delay=9.0))
        assert len(await client.get("/", cast_to=bytes)) == 11
        client = client_of(reply(content=b"x"))
        assert await client.get("/", cast_to=bytes) == b"x"

    async def test_but_is_not_waited_for_any_longer(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(fault("disconnect", after=math.inf, of=reply(chunks=[b"x" * 3])))
        assert (await fails(client.get("/"))).elapsed == 10.0

    async def test_its_head_is_the_read_timeouts_business(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(reply(content=b"x", delay=1000.0))
        assert await client.get("/", cast_to=bytes) == b"x"
        client = client_of(reply(delay=math.inf), timeout=httpx.Timeout(None, read=50.0))
        assert "the read timeout" in str(await fails(client.get("/")))

    async def test_the_smaller_of_the_two_counts(self, client_of: Any, autojump_clock: Any) -> None:
        for read, words in ((9.0, "the read timeout"), (11.0, "stalled")):
            client = client_of(pieces(2, 10, math.inf), timeout=httpx.Timeout(None, read=read))
            error = await fails(client.get("/"))
            assert words in str(error)
            assert error.elapsed == min(read, 10.0)

    async def test_an_error_answer(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(pieces(30, 1, 5.0, status=500))
        assert "stalled" in str(await fails(client.get("/")))

    async def test_it_counts_what_crosses_the_wire(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(reply(chunks=["x" * 100_000] * 3, chunk_delay=5.0, encoding="gzip"), stall=Stall(within=9.0))
        assert "stalled" in str(await fails(client.get("/")))

    async def test_it_is_retried(self, client_of: Any, autojump_clock: Any) -> None:
        policy = RetryPolicy(initial_delay=1.0, jitter=0.0)
        client = client_of(pieces(2, 10, math.inf), reply(json=1), max_retries=1, retry=policy)
        assert await client.post("/", body=1) == 1
        requests = client._transport.requests
        assert [request.at - requests[0].at for request in requests] == [0.0, 11.0]

    async def test_past_the_deadline_it_is_that(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(pieces(2, 10, math.inf), deadline=10.0)
        assert (await fails(client.get("/"), DeadlineExceeded)).elapsed == 10.0

    async def test_without_it_nothing_stalls(self, client_of: Any, autojump_clock: Any) -> None:
        for client in (
            client_of(pieces(3, 1, 1000.0), stall=None),
            client_of(pieces(3, 1, 1000.0)).with_options(stall=None),
        ):
            assert await client.get("/", cast_to=bytes) == b"xxx"
        options: Any = {"stall": None}
        assert await client_of(pieces(3, 1, 1000.0)).get("/", cast_to=bytes, options=options) == b"xxx"


class TestAStream:
    async def test_it_breaks_off(self, client_of: Any, autojump_clock: Any) -> None:
        events = [b"data: 1\n\n"] * 2
        client = client_of(reply(chunks=events, chunk_delay=20.0, headers=EVENTS))
        seen = []
        async with await client.get("/", cast_to=int, stream=True) as stream:
            with pytest.raises(APIStreamError, match="stalled") as caught:
                async for event in stream:
                    seen.append(event)  # noqa: PERF401 -- what came before the error is wanted
        assert seen == [1]
        assert (caught.value.sent, caught.value.received, caught.value.events) == ("yes", 9, 1)
        assert isinstance(caught.value.__cause__, StallFault)
        assert client._transport.open_responses == 0

    async def test_it_is_resumed(self, client_of: Any, autojump_clock: Any) -> None:
        crawling = reply(chunks=[b"id: 7\ndata: 1\n\n", b"data: "], chunk_delay=20.0, headers=EVENTS)
        client = client_of(crawling, reply(content=b"data: 2\n\n", headers=EVENTS), reply(204), max_retries=1)
        options: Any = {"resume": True}
        async with await client.get("/", cast_to=int, stream=True, options=options) as stream:
            assert [event async for event in stream] == [1, 2]
        assert client._transport.requests[1].header("last-event-id") == "7"

    async def test_the_time_of_its_reader_does_not_count(self, client_of: Any, autojump_clock: Any) -> None:
        events = [b"data: 1\n\n"] * 5
        client = client_of(reply(chunks=events, chunk_delay=4.0, headers=EVENTS))
        seen = []
        async with await client.get("/", cast_to=int, stream=True) as stream:
            async for event in stream:
                seen.append(event)
                await trio.sleep(1000.0)
        assert seen == [1] * 5

    async def test_nor_does_that_between_the_pieces_of_a_download(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(pieces(6, 5, 4.0), stall=Stall(at_least=10, within=9.0))
        got = 0
        async with client.with_streaming_response.get("/") as response:
            async for piece in response.iter_bytes():
                got += len(piece)
                await trio.sleep(100.0)
        assert got == 30


class TestARequest:
    async def test_it_hangs(self, client_of: Any, autojump_clock: Any) -> None:
        client = client_of(fault("write", after=math.inf))
        error = await fails(client.post("/", body=1))
        assert "the request's body stalled: fewer than 10 bytes were taken in 10 s" in str(error)
        assert (error.elapsed, error.sent) == (10.0, "maybe")

    async def test_it_breaks_before(self, client_of: Any, autojump_clock: Any) -> None:
        error = await fails(client_of(fault("write", after=9.0)).post("/", body=1), APIConnectionError)
        assert error.elapsed == 9.0
