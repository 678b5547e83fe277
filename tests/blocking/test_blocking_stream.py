"""The blocking stream over real sockets: what is its own beside the async one's, which is tested with it elsewhere."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
import trio

from trioclient import (
    APIError,
    APIStatusError,
    APIStreamError,
    AsyncAPIClient,
    AsyncStream,
    BlockingResource,
    NotFoundError,
    ServerSentEvent,
    Stream,
    SyncAPIClient,
    blocking,
)
from trioclient.testing import BlockingLoopbackServer, LoopbackServer, event_stream, reply, stall, truncate

NUMBERS = event_stream(*range(1000))
SLOW = event_stream(*range(100_000), chunk_delay=0.005)
ENDLESS = stall(of=event_stream(1, 2, close=True), after=-1)


class Delta(msgspec.Struct):
    text: str


@pytest.fixture
def server() -> Iterator[BlockingLoopbackServer]:
    with LoopbackServer.in_thread() as server:
        server.route("POST", "/numbers", NUMBERS)
        server.route("GET", "/slow", SLOW)
        server.route("GET", "/item", reply(json=1))
        yield server
    assert [thread for thread in threading.enumerate() if thread.name == "trioclient portal"] == []


CARRIERS: dict[str, Callable[[], dict[str, Any]]] = {
    "trio": dict,
    "httpx in threads": lambda: {"http_client": httpx.Client(trust_env=False)},
    "async httpx": lambda: {"http_client": httpx.AsyncClient(trust_env=False)},
}


@pytest.fixture(params=CARRIERS)
def client(request: pytest.FixtureRequest, server: BlockingLoopbackServer) -> Iterator[SyncAPIClient]:
    carrier = CARRIERS[request.param]()
    with SyncAPIClient(base_url=server.url, max_retries=0, **carrier) as client:
        yield client
        if isinstance(carrier.get("http_client"), httpx.AsyncClient):
            client._lease.call(carrier["http_client"].aclose)
    if isinstance(carrier.get("http_client"), httpx.Client):
        carrier["http_client"].close()
    server.wait_connections_closed()


@pytest.fixture
def trio_client(server: BlockingLoopbackServer) -> Iterator[SyncAPIClient]:
    with SyncAPIClient(base_url=server.url, max_retries=0) as client:
        yield client


def is_let_go(client: SyncAPIClient) -> bool:
    connections = client.statistics().connections
    return connections.open == (connections.idle or 0)


def wait_until(reached: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < give_up
        time.sleep(0.005)


# All the carriers.


def test_values_come_in_order_and_to_the_end(client: SyncAPIClient) -> None:
    with client.post("/numbers", cast_to=int, stream=True) as stream:
        assert type(stream) is Stream
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert list(stream) == list(range(1000))
        assert list(stream) == []
        assert stream.is_closed
    assert is_let_go(client)


def test_events_come_as_they_are(client: SyncAPIClient) -> None:
    with client.post("/numbers", stream=True) as stream:
        events = stream.events()
        assert next(events) == ServerSentEvent(data="0")
        assert stream.events() is events
        assert [event.json() for event in events] == list(range(1, 1000))


def test_an_error_comes_after_the_values_before_it(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    server.route("GET", "/cut", truncate(-3, of=event_stream(*range(50))))
    with client.get("/cut", cast_to=int, stream=True) as stream:
        assert [next(stream) for _ in range(50)] == list(range(50))
        with pytest.raises(APIStreamError) as caught:
            next(stream)
    assert caught.value.events == 50
    assert is_let_go(client)


def test_opening_raises_what_the_answer_says(client: SyncAPIClient) -> None:
    with pytest.raises(NotFoundError):
        client.get("/nothing", stream=True)
    with pytest.raises(APIError, match="event"):
        client.get("/item", cast_to=int, stream=True)
    wait_until(lambda: is_let_go(client))


def test_a_break_lets_go_of_the_connection(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    with client.get("/slow", cast_to=int, stream=True) as stream:
        for value in stream:
            if value == 3:
                break
    assert stream.is_closed
    wait_until(lambda: is_let_go(client))
    server.wait_connections_closed(1)
    assert client.get("/item") == 1


def test_an_exception_lets_go_of_it_and_so_does_one_that_is_not_for_catching(client: SyncAPIClient) -> None:
    for kind in (LookupError, KeyboardInterrupt):
        with pytest.raises(kind), client.get("/slow", cast_to=int, stream=True) as stream:
            assert next(stream) == 0
            raise kind
        wait_until(lambda: is_let_go(client))


def test_it_need_not_be_entered(client: SyncAPIClient) -> None:
    stream = client.get("/slow", cast_to=int, stream=True)
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()
    stream.close()
    assert list(stream) == []
    wait_until(lambda: is_let_go(client))
    assert sum(client.post("/numbers", cast_to=int, stream=True)) == 499_500
    client.post("/numbers", cast_to=int, stream=True).until_done()


def test_closing_before_the_first_event_lets_go(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    server.route("GET", "/quiet", stall(-1, of=event_stream(1)))
    with client.get("/quiet", cast_to=int, stream=True):
        pass
    wait_until(lambda: is_let_go(client))
    server.wait_connections_closed(1)


def test_another_thread_may_close_it(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    server.route("GET", "/stops", stall(-1, of=event_stream(1)))
    stream = client.get("/stops", cast_to=int, stream=True)

    def close() -> None:
        wait_until(lambda: "take" in (frame.f_code.co_name for frame in frames_of(reader)))
        stream.close()

    reader = threading.get_ident()
    closer = threading.Thread(target=close)
    assert next(stream) == 1
    closer.start()
    with pytest.raises(RuntimeError, match="closed"):
        next(stream)
    closer.join()
    assert list(stream) == []
    wait_until(lambda: is_let_go(client))


def test_many_at_once_in_as_many_threads(client: SyncAPIClient) -> None:
    sums: list[int] = []

    def read() -> None:
        with client.post("/numbers", cast_to=int, stream=True) as stream:
            sums.append(sum(stream))

    threads = [threading.Thread(target=read) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [499_500] * 5


def test_descriptors_and_garbage_are_back_where_they_were(client: SyncAPIClient) -> None:
    def use() -> None:
        with client.post("/numbers", cast_to=int, stream=True) as stream:
            assert next(stream) == 0
        with client.get("/slow", cast_to=int, stream=True) as stream:
            assert next(stream) == 0
        with client.post("/numbers", cast_to=int, stream=True) as stream:
            assert len(list(stream)) == 1000

    def settled() -> int:
        wait_until(lambda: is_let_go(client))
        gc.collect()
        return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0

    def tasks() -> int:
        return client._lease.call(count_tasks)

    use()
    before = settled(), tasks()
    for _ in range(5):
        use()
    assert settled() <= before[0]
    assert tasks() <= before[1]


def frames_of(thread: int) -> Iterator[Any]:
    frame: Any = sys._current_frames()[thread]
    while frame is not None:
        yield frame
        frame = frame.f_back


async def count_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


# Whatever the carrier.


def test_the_caller_ahead_of_which_nothing_is_read_holds_up_the_server(
    server: BlockingLoopbackServer, trio_client: SyncAPIClient
) -> None:
    """The server is to send 100,000 events of 1 KB, and cannot get rid of them."""
    sent = []

    def told(number: int) -> bytes:
        sent.append(number)
        return b"data: %d %s\n\n" % (number, b"x" * 1000)

    server.route("GET", "/flood", reply(chunks=[told(n) for n in range(100_000)], headers=EVENT_STREAM))
    with trio_client.get("/flood", cast_to=str, stream=True) as stream:
        assert next(stream).startswith("0 ")
        feed: Any = stream._feed
        queue = feed._feeder.queue
        wait_until(lambda: queue.qsize() >= 15)
        for _ in range(20):
            trio_client._lease.call(trio.testing.wait_all_tasks_blocked)
        assert queue.qsize() <= 16
        # What a batch holds came in one piece from a socket.
        assert sum(len(batch) for batch in _drained(queue)) * 1000 < 16 * 1_000_000


EVENT_STREAM = {"Content-Type": "text/event-stream"}


def _drained(queue: Any) -> Iterator[list[str]]:
    while queue.qsize():
        item = queue.get()
        if isinstance(item, list):
            yield item


def test_nothing_is_read_before_somebody_asks(trio_client: SyncAPIClient) -> None:
    with trio_client.get("/slow", cast_to=int, stream=True) as stream:
        trio_client._lease.call(trio.testing.wait_all_tasks_blocked)
        assert stream._feed is None
        assert stream._twin._source._body.received == 0


def test_a_client_that_is_closed_fails_its_streams(server: BlockingLoopbackServer) -> None:
    client = SyncAPIClient(base_url=server.url)
    with client.get("/slow", cast_to=int, stream=True) as stream:
        assert next(stream) == 0
        client.close()
        with pytest.raises(APIStreamError):
            list(stream)
    with SyncAPIClient(base_url=server.url) as client:
        stream = client.get("/slow", cast_to=int, stream=True)
    with pytest.raises(APIStreamError):
        list(stream)
    stream.close()


def test_one_that_is_dropped_says_so_and_lets_go(server: BlockingLoopbackServer, trio_client: SyncAPIClient) -> None:
    class Dropped(Stream[int]):
        pass

    for read in (0, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            stream = trio_client.get("/slow", stream=True, stream_cls=Dropped)
            for _ in range(read):
                next(stream)
            del stream
            gc.collect()
        assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == [
            "an open Dropped was dropped without close(); use it in a `with`"
        ]
        wait_until(lambda: is_let_go(trio_client))


def test_one_that_was_read_to_its_end_is_dropped_quietly(trio_client: SyncAPIClient) -> None:
    assert len(list(trio_client.post("/numbers", stream=True))) == 1000
    trio_client.post("/numbers", stream=True).close()
    gc.collect()


def test_on_a_thread_that_runs_trio_it_says_what_to_use(trio_client: SyncAPIClient) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="AsyncAPIClient"):
            trio_client.get("/slow", stream=True)
        with pytest.raises(RuntimeError, match="AsyncAPIClient"):
            next(stream)

    with trio_client.post("/numbers", stream=True) as stream:
        trio.run(main)
        assert next(stream) == 0


class Numbers(Stream[int]):
    def total(self) -> int:
        return sum(self)


def test_a_class_of_ones_own(trio_client: SyncAPIClient) -> None:
    with trio_client.post("/numbers", stream=True, stream_cls=Numbers) as stream:
        assert stream.total() == 499_500
    with trio_client.post("/numbers", cast_to=str, stream=True, stream_cls=Stream[int]) as stream:
        assert next(stream) == 0
    with pytest.raises(TypeError, match="stream_cls must be Stream"):
        trio_client.post("/numbers", stream=True, stream_cls=AsyncStream[int])  # type: ignore[type-var]


def test_one_that_cannot_be_made_is_closed(server: BlockingLoopbackServer, trio_client: SyncAPIClient) -> None:
    class Broken(Stream[int]):
        def __init__(self, hold: Any) -> None:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        trio_client.get("/slow", stream=True, stream_cls=Broken)
    wait_until(lambda: is_let_go(trio_client))


# What an SDK author writes once.


class AsyncMessages:
    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    async def create(self, *, stream: bool = False) -> Any:
        if stream:
            return await self._client.get("/deltas", cast_to=Delta, stream=True)
        return await self._client.get("/item", cast_to=int)

    async def first(self) -> Delta:
        async with await self._client.get("/deltas", cast_to=Delta, stream=True) as stream:
            async for delta in stream:
                return delta
        raise LookupError


class Messages(BlockingResource):
    async_class = AsyncMessages
    create = blocking(AsyncMessages.create)
    first = blocking(AsyncMessages.first)


def test_a_method_that_gives_a_stream_gives_a_blocking_one(
    server: BlockingLoopbackServer, trio_client: SyncAPIClient
) -> None:
    server.route("GET", "/deltas", event_stream({"text": "a"}, {"text": "b"}))
    messages = Messages(trio_client)
    assert messages.create() == 1
    with messages.create(stream=True) as stream:
        assert type(stream) is Stream
        assert list(stream) == [Delta("a"), Delta("b")]
    assert messages.first() == Delta("a")
    assert is_let_go(trio_client)


def test_an_error_of_the_server_in_mid_stream(server: BlockingLoopbackServer, trio_client: SyncAPIClient) -> None:
    server.route("GET", "/deltas", event_stream({"text": "a"}, ("error", {"error": {"type": "overloaded_error"}})))
    with Messages(trio_client).create(stream=True) as stream:
        assert next(stream) == Delta("a")
        with pytest.raises(APIStatusError):
            next(stream)
        assert list(stream) == []
        assert stream.is_closed
