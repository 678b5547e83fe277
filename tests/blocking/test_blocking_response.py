"""Answers in blocking code: in memory or not yet read. What is their own beside the async ones, tested elsewhere."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from trioclient import (
    APIResponse,
    APIResponseValidationError,
    APIStreamError,
    AsyncAPIClient,
    AsyncAPIResponse,
    BlockingResource,
    LimitExceeded,
    Limits,
    NotFoundError,
    SyncAPIClient,
    blocking,
)
from trioclient.testing import BlockingLoopbackServer, LoopbackServer, reply, stall, truncate

TEXT = "first\nsecond\nGrüße"
CONTENT = TEXT.encode()
BIG = b"0123456789" * 200_000


class User(msgspec.Struct):
    name: str


@pytest.fixture
def server() -> Iterator[BlockingLoopbackServer]:
    with LoopbackServer.in_thread() as server:
        server.route(
            "GET", "/text", reply(content=CONTENT, headers={"Content-Type": "text/plain", "X-Request-Id": "7"})
        )
        server.route("POST", "/user", reply(json={"name": "a"}, status=201))
        server.route("GET", "/big", reply(content=BIG))
        server.route("GET", "/stops", stall(-1, of=reply(content=BIG)))
        server.route("GET", "/cut", truncate(-1, of=reply(content=BIG)))
        yield server
    assert [thread for thread in threading.enumerate() if thread.name == "trioclient portal"] == []


CARRIERS: dict[str, Callable[[], Any]] = {
    "trio": lambda: None,
    "httpx in threads": lambda: httpx.Client(trust_env=False),
}


@pytest.fixture(params=CARRIERS)
def client(request: pytest.FixtureRequest, server: BlockingLoopbackServer) -> Iterator[SyncAPIClient]:
    carrier = CARRIERS[request.param]()
    with SyncAPIClient(base_url=server.url, max_retries=0, http_client=carrier) as client:
        yield client
    if carrier is not None:
        carrier.close()
    server.wait_connections_closed()


def wait_let_go(client: SyncAPIClient) -> None:
    give_up = time.monotonic() + 10
    while (connections := client.statistics().connections).open != (connections.idle or 0):
        assert time.monotonic() < give_up
        time.sleep(0.005)


# In memory.


@pytest.fixture
def kept(server: BlockingLoopbackServer) -> APIResponse[str]:
    """An answer whose client is closed, and the portal gone."""
    with SyncAPIClient(base_url=server.url) as client:
        response = client.with_raw_response.get("/text", cast_to=str)
    assert [thread for thread in threading.enumerate() if thread.name == "trioclient portal"] == []
    return response


def test_the_head_outlives_the_client(kept: APIResponse[str]) -> None:
    assert type(kept) is APIResponse
    assert (kept.status_code, kept.method, kept.url.path, kept.http_version) == (200, "GET", "/text", "HTTP/1.1")
    assert (kept.headers["content-type"], kept.request_id, kept.retries_taken) == ("text/plain", "7", 0)
    assert kept.elapsed > 0
    assert kept.is_closed
    assert repr(kept).startswith("<APIResponse 200 GET http://127.0.0.1:")


def test_so_does_the_body_in_every_form(kept: APIResponse[str], tmp_path: Path) -> None:
    with kept:
        assert kept.read() == CONTENT
        assert kept.text() == kept.parse() == TEXT
        assert kept.parse(to=bytes) == CONTENT
        assert b"".join(kept.iter_bytes()) == CONTENT
        assert list(kept.iter_text(10)) == [TEXT[:10], TEXT[10:]]
        assert list(kept.iter_lines()) == TEXT.split("\n")
    kept.close()
    kept.write_to_file(tmp_path / "a")
    told: list[tuple[int, int | None]] = []
    kept.stream_to_file(tmp_path / "b", chunk_size=10, progress=lambda *step: told.append(step))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT
    assert told == [(10, 20), (20, 20)]
    with pytest.raises(ValueError, match="chunk_size"):
        kept.iter_bytes(0)
    assert [thread for thread in threading.enumerate() if thread.name == "trioclient portal"] == []


def test_it_is_read_on_a_thread_that_runs_trio_as_well(kept: APIResponse[str]) -> None:
    async def main() -> str:
        return kept.text()

    assert trio.run(main) == TEXT


def test_a_bound_that_is_hit_is_an_error_of_the_call(server: BlockingLoopbackServer) -> None:
    with SyncAPIClient(base_url=server.url, limits=Limits(max_line_bytes=3)) as client:
        response = client.with_raw_response.get("/text")
    with pytest.raises(LimitExceeded) as caught:
        list(response.iter_lines())
    assert 0 < caught.value.elapsed < 10


def test_what_is_no_json_is_an_error_of_the_call(server: BlockingLoopbackServer) -> None:
    server.route("GET", "/broken", reply(content=b"{", headers={"Content-Type": "application/json"}))
    with SyncAPIClient(base_url=server.url) as client:
        response = client.with_raw_response.get("/broken")
    with pytest.raises(APIResponseValidationError) as caught:
        response.json()
    assert 0 < caught.value.elapsed < 10


def test_a_file_that_progress_breaks_off_is_not_there(kept: APIResponse[str], tmp_path: Path) -> None:
    def fail(received: int, total: int | None) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        kept.stream_to_file(tmp_path / "a", progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_every_verb_has_its_raw_answer(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        server.route(method, "/echo", lambda request: reply(json=request.method))
    raw = client.with_raw_response
    responses = [
        raw.get("/echo"),
        raw.post("/echo", body=1),
        raw.put("/echo", body=1),
        raw.patch("/echo", body=1),
        raw.delete("/echo"),
        raw.request("OPTIONS", "/echo"),
    ]
    assert [response.parse() for response in responses] == ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    with pytest.raises(NotFoundError):
        raw.get("/nothing")


# Not read yet.


def test_every_verb_has_its_unread_answer(server: BlockingLoopbackServer, client: SyncAPIClient) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        server.route(method, "/echo", lambda request: reply(json=request.method))
    unread = client.with_streaming_response
    for call, method in [
        (unread.get("/echo"), "GET"),
        (unread.post("/echo", body=1), "POST"),
        (unread.put("/echo", body=1), "PUT"),
        (unread.patch("/echo", body=1), "PATCH"),
        (unread.delete("/echo"), "DELETE"),
        (unread.request("OPTIONS", "/echo"), "OPTIONS"),
    ]:
        with call as response:
            assert type(response) is APIResponse
            assert not response.is_closed
            assert response.parse() == method
            assert response.is_closed
        with pytest.raises(RuntimeError, match="each `"), call:
            pass
    with pytest.raises(NotFoundError), unread.get("/nothing"):
        pass


def test_once_read_it_is_kept(client: SyncAPIClient) -> None:
    with client.with_streaming_response.post("/user", cast_to=User) as response:
        assert response.status_code == 201
        assert response.read() == b'{"name":"a"}'
    assert response.parse() == User("a")
    assert response.json() == {"name": "a"}
    assert list(response.iter_bytes(5)) == [b'{"nam', b'e":"a', b'"}']


def test_it_comes_in_pieces(client: SyncAPIClient) -> None:
    with client.with_streaming_response.get("/big") as response:
        assert b"".join(response.iter_bytes()) == BIG
        assert response.is_closed
    with client.with_streaming_response.get("/big") as response:
        assert {len(chunk) for chunk in response.iter_bytes(1000)} == {1000}
    with client.with_streaming_response.get("/text") as response:
        assert list(response.iter_lines()) == TEXT.split("\n")
        with pytest.raises(RuntimeError, match="read already"):
            response.read()


def test_an_iterator_that_is_left_half_way_is_closed_with_the_answer(client: SyncAPIClient) -> None:
    with client.with_streaming_response.get("/stops") as response:
        pieces = response.iter_bytes(1000)
        assert next(pieces) == BIG[:1000]
    assert response.is_closed
    with pytest.raises(APIStreamError, match="closed"):
        for _ in pieces:
            pass
    wait_let_go(client)


def test_one_that_was_closed_unread_says_so(client: SyncAPIClient, tmp_path: Path) -> None:
    for read in (
        lambda response: response.read(),
        lambda response: list(response.iter_lines()),
        lambda response: response.stream_to_file(tmp_path / "a"),
        lambda response: response.stream_to_file(tmp_path / "a", progress=print),
    ):
        with client.with_streaming_response.get("/stops") as response:
            pass
        with pytest.raises(APIStreamError, match="closed"):
            read(response)
    assert list(tmp_path.iterdir()) == []
    wait_let_go(client)


def test_one_that_breaks_off_says_so(client: SyncAPIClient, tmp_path: Path) -> None:
    for read in (
        lambda response: response.read(),
        lambda response: list(response.iter_bytes()),
        lambda response: response.stream_to_file(tmp_path / "a"),
        lambda response: response.stream_to_file(tmp_path / "a", progress=lambda received, total: None),
    ):
        with client.with_streaming_response.get("/cut") as response, pytest.raises(APIStreamError):
            read(response)
        assert response.is_closed
    assert list(tmp_path.iterdir()) == []
    wait_let_go(client)


def test_a_download_tells_its_progress_in_the_callers_thread(client: SyncAPIClient, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    threads: set[int] = set()

    def progress(received: int, total: int | None) -> None:
        threads.add(threading.get_ident())
        told.append((received, total))

    with client.with_streaming_response.get("/big") as response:
        response.stream_to_file(tmp_path / "a", chunk_size=500_000, progress=progress)
    assert (tmp_path / "a").read_bytes() == BIG
    assert told == [(received, 2_000_000) for received in (500_000, 1_000_000, 1_500_000, 2_000_000)]
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("kind", [LookupError, KeyboardInterrupt])
def test_a_download_that_progress_breaks_off_leaves_nothing(
    client: SyncAPIClient, tmp_path: Path, kind: type[BaseException]
) -> None:
    def fail(received: int, total: int | None) -> None:
        raise kind

    with pytest.raises(kind), client.with_streaming_response.get("/stops") as response:
        response.stream_to_file(tmp_path / "a", chunk_size=1000, progress=fail)
    assert list(tmp_path.iterdir()) == []
    wait_let_go(client)


def test_a_small_rest_is_drained_and_the_connection_kept(server: BlockingLoopbackServer) -> None:
    with SyncAPIClient(base_url=server.url) as client:
        for _ in range(3):
            with client.with_streaming_response.get("/text") as response:
                assert response.status_code == 200
        assert len(server.connections) == 1


def test_one_that_is_dropped_says_so_and_lets_go(server: BlockingLoopbackServer) -> None:
    with SyncAPIClient(base_url=server.url) as client:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client.with_streaming_response.get("/stops").__enter__()
            gc.collect()
        assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == [
            "an open APIResponse was dropped without close(); use it in a `with`"
        ]
        wait_let_go(client)


class AsyncUsers:
    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    async def raw(self) -> AsyncAPIResponse[User]:
        return await self._client.with_raw_response.post("/user", cast_to=User)

    async def make(self) -> User:
        return await self._client.post("/user", cast_to=User)


class Users(BlockingResource):
    async_class = AsyncUsers
    raw = blocking(AsyncUsers.raw)
    make = blocking(AsyncUsers.make)


def test_a_method_that_gives_an_answer_gives_a_blocking_one(client: SyncAPIClient) -> None:
    response = Users(client).raw()
    assert type(response) is APIResponse
    assert response.parse() == User("a")


def test_a_resource_of_raw_calls_gives_answers(client: SyncAPIClient) -> None:
    response: Any = Users(client.with_raw_response).make()
    assert type(response) is APIResponse
    assert (response.status_code, response.parse()) == (201, User("a"))


async def test_so_does_an_async_one(server: BlockingLoopbackServer) -> None:
    async with AsyncAPIClient(base_url=server.url) as client:
        calls: Any = client.with_raw_response
        response: Any = await AsyncUsers(calls).make()
    assert type(response) is AsyncAPIResponse
    assert (response.status_code, await response.parse()) == (201, User("a"))
