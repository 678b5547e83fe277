"""The blocking client against a real server: it is the async one, and comes and goes cleanly."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import inspect
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import trio

from trioclient._blocking import BlockingResource, blocking
from trioclient._client.async_client import AsyncAPIClient
from trioclient._client.base import BaseClient
from trioclient._errors import APIConnectionError, DeadlineExceeded, NotFoundError
from trioclient._sync_client import SyncAPIClient
from trioclient._types import Headers
from trioclient.testing import BlockingLoopbackServer, LoopbackServer, RecordedRequest, Reply, reply, stall


@dataclasses.dataclass
class Item:
    name: str


@pytest.fixture
def server() -> Iterator[BlockingLoopbackServer]:
    with LoopbackServer.in_thread() as server:
        server.route("GET", "/item", lambda request: reply(json={"name": "a"}))
        server.route("POST", "/item", lambda request: reply(json={"name": request.json()["name"]}))
        server.route("GET", "/never", stall())
        yield server
    assert [thread for thread in threading.enumerate() if thread.name == "trioclient portal"] == []


@pytest.fixture
def client(server: BlockingLoopbackServer) -> Iterator[SyncAPIClient]:
    with SyncAPIClient(base_url=server.url, max_retries=0) as client:
        yield client


def public_methods(client_class: type[BaseClient]) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(client_class) if not name.startswith("_")}


def test_it_has_all_the_methods_of_the_async_one_and_their_signatures() -> None:
    asynchronous = public_methods(AsyncAPIClient)
    asynchronous["close"] = asynchronous.pop("aclose")
    blocking_methods = public_methods(SyncAPIClient)
    assert asynchronous.keys() - blocking_methods.keys() == set()
    for name, method in asynchronous.items():
        if inspect.iscoroutinefunction(method):
            assert inspect.signature(method) == inspect.signature(blocking_methods[name])


@pytest.mark.parametrize("name", ["__init__", "with_options", "fan_out"])
def test_methods_written_twice_take_the_same_arguments(name: str) -> None:
    def arguments(client_class: type[BaseClient]) -> list[tuple[str, object]]:
        parameters = inspect.signature(getattr(client_class, name)).parameters
        return [(parameter.name, parameter.default) for parameter in parameters.values()]

    assert arguments(SyncAPIClient) == arguments(AsyncAPIClient)


def test_every_verb_is_there(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        server.route(method, "/echo", lambda request: reply(json=[request.method, request.body.decode()]))
    assert client.get("/echo", cast_to=list[Any]) == ["GET", ""]
    assert client.post("/echo", body=1) == ["POST", "1"]
    assert client.put("/echo", body=2) == ["PUT", "2"]
    assert client.patch("/echo", body=3) == ["PATCH", "3"]
    assert client.delete("/echo") == ["DELETE", ""]
    assert client.request("OPTIONS", "/echo") == ["OPTIONS", ""]


def test_answers_are_typed_and_errors_are_the_same(client: SyncAPIClient) -> None:
    assert client.get("/item", cast_to=Item) == Item("a")
    with pytest.raises(NotFoundError) as caught:
        client.get("/nothing")
    assert caught.value.attempts == 1
    with pytest.raises(DeadlineExceeded):
        client.get("/never", options={"deadline": 0.05})


def test_one_connection_serves_many_calls(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    for _ in range(3):
        client.get("/item")
    assert len(server.connections) == 1
    statistics = client.statistics()
    assert (statistics.calls, statistics.in_flight, statistics.attempts) == (3, 0, 3)


def test_threads_share_one_client(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    names = [str(number) for number in range(8)]
    answers: list[str] = []

    def use(name: str) -> None:
        answers.extend(client.post("/item", body={"name": name}, cast_to=Item).name for _ in range(5))

    threads = [threading.Thread(target=use, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(names * 5)
    assert len(server.connections) <= len(names)


def test_two_clients_share_the_thread_and_close_apart(server: BlockingLoopbackServer) -> None:
    with SyncAPIClient(base_url=server.url) as first:
        with SyncAPIClient(base_url=server.url) as second:
            assert first.get("/item") == second.get("/item")
            assert sum(thread.name == "trioclient portal" for thread in threading.enumerate()) == 1
        assert second.is_closed
        assert not first.is_closed
        assert first.get("/item", cast_to=Item) == Item("a")


def test_closing_closes_the_connections(server: BlockingLoopbackServer) -> None:
    client = SyncAPIClient(base_url=server.url)
    client.get("/item")
    client.close()
    client.close()
    server.wait_connections_closed()
    with pytest.raises(APIConnectionError, match="closed"):
        client.get("/item")


def test_closing_fails_a_call_in_another_thread(server: BlockingLoopbackServer) -> None:
    client = SyncAPIClient(base_url=server.url, max_retries=0)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            client.get("/never")
        except APIConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    server.wait_requests(1)
    client.close()
    thread.join()
    assert len(errors) == 1


def test_one_that_was_never_used_starts_nothing_until_it_is_closed(server: BlockingLoopbackServer) -> None:
    client = SyncAPIClient(base_url=server.url)
    assert [thread for thread in threading.enumerate() if thread.name == "trioclient portal"] == []
    client.close()


def test_a_dropped_one_says_so_and_leaves_no_connection(server: BlockingLoopbackServer) -> None:
    class Dropped(SyncAPIClient):
        pass

    client = Dropped(base_url=server.url)
    client.get("/item")
    lease, ref = client._lease, weakref.ref(client)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client
        gc.collect()
    assert ref() is None
    assert {warning.category for warning in caught} == {ResourceWarning}
    assert sum("a Dropped was dropped without close()" in str(warning.message) for warning in caught) == 1
    server.wait_connections_closed()
    lease.release()


def test_one_whose_construction_failed_is_dropped_quietly() -> None:
    with pytest.raises(ValueError, match="max_retries"):
        SyncAPIClient(base_url="http://localhost", max_retries=-1)
    gc.collect()


def test_a_copy_shares_the_connections_and_closes_nothing(
    server: BlockingLoopbackServer, client: SyncAPIClient
) -> None:
    server.route("GET", "/headers", lambda request: reply(json=request.header("x-mark")))
    copy = client.with_options(max_retries=5, custom_headers={"X-Mark": "copy"})
    assert copy.max_retries == 5
    assert client.max_retries == 0
    assert copy.get("/headers") == "copy"
    assert client.get("/headers") is None
    copy.close()
    assert not copy.is_closed
    assert copy.get("/item", cast_to=Item) == Item("a")
    assert len(server.connections) == 1
    client.close()
    assert copy.is_closed


class KeyAuth(BaseClient):
    """What an SDK author has both clients inherit."""

    idempotency_header = "X-Once"
    key = "first"

    @property
    def auth_headers(self) -> Headers:
        return {"X-Key": self.key}


class Sdk(KeyAuth, SyncAPIClient):
    pass


def test_what_a_subclass_overrides_counts(server: BlockingLoopbackServer) -> None:
    def seen(request: RecordedRequest) -> Reply:
        agent = request.header("user-agent") or ""
        return reply(json=[request.header("x-key"), request.header("x-once") is not None, agent.split("/")[0]])

    server.route("POST", "/seen", seen)
    with Sdk(base_url=server.url) as client:
        assert client.post("/seen") == ["first", True, "Sdk"]
        client.key = "second"
        assert client.post("/seen") == ["second", True, "Sdk"]
        copy = client.with_options(timeout=1)
        copy.key = "third"
        assert copy.post("/seen") == ["third", True, "Sdk"]
        assert client.post("/seen") == ["second", True, "Sdk"]


class AsyncUnwrapping(AsyncAPIClient):
    """An SDK whose async client does more than the verbs."""

    async def request(self, method: str, path: str, **arguments: Any) -> Any:
        return (await super().request(method, path, **arguments))["name"]


class Unwrapping(SyncAPIClient):
    def make_async_client(self, **arguments: Any) -> AsyncAPIClient:
        return AsyncUnwrapping(**arguments)


def test_an_async_client_of_ones_own_may_do_the_work(server: BlockingLoopbackServer) -> None:
    with Unwrapping(base_url=server.url) as client:
        assert client.get("/item") == "a"
        assert client.with_options(max_retries=1).get("/item") == "a"


class AsyncItems:
    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    async def add(self, *, name: str) -> Item:
        return await self._client.post("/item", body={"name": name}, cast_to=Item)


class Items(BlockingResource):
    async_class = AsyncItems
    add = blocking(AsyncItems.add)


def test_a_resource_written_once_for_async(client: SyncAPIClient) -> None:
    assert Items(client).add(name="b") == Item("b")


def mock_handler(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"name": request.headers["x-mark"], "thread": threading.get_ident()})


@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
def test_it_takes_a_httpx_client_of_either_kind_and_leaves_it_open(kind: Any) -> None:
    http_client = kind(transport=httpx.MockTransport(mock_handler), headers={"X-Mark": "mine"})
    with SyncAPIClient(base_url="http://example.com", http_client=http_client) as client:
        answer = client.get("/item")
    assert answer["name"] == "mine"
    assert answer["thread"] != threading.get_ident()
    assert not http_client.is_closed


@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
def test_a_httpx_client_and_a_transport_exclude_each_other(kind: Any) -> None:
    with pytest.raises(TypeError, match="http_client"):
        SyncAPIClient(base_url="http://localhost", http_client=kind(), transport=object())  # type: ignore[arg-type]


def test_what_is_no_httpx_client_is_refused() -> None:
    with pytest.raises(TypeError, match="http_client"):
        SyncAPIClient(base_url="http://localhost", http_client="requests")  # type: ignore[arg-type]


def test_inside_an_asyncio_loop_it_works(client: SyncAPIClient) -> None:
    async def main() -> Item:
        return client.get("/item", cast_to=Item)

    assert asyncio.run(main()) == Item("a")


def test_inside_trio_it_says_what_to_use(client: SyncAPIClient) -> None:
    async def main() -> None:
        client.get("/item")

    with pytest.raises(RuntimeError, match="AsyncAPIClient"):
        trio.run(main)
