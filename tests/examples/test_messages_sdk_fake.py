"""The service that the worked SDK is tried on: what it refuses, and that it is the same each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages_sdk.fake_api import FAKE_KEY, FakeMessagesAPI
from messages_sdk.fake_api.files import parts_of
from messages_sdk.fake_api.listing import page_by_cursor, page_by_id
from messages_sdk.fake_api.model import Ask, answer
from messages_sdk.fake_api.refusals import Refusal
from trioclient import APIStatusError, AsyncAPIClient
from trioclient.testing import LoopbackServer, RecordedRequest

ASK: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "How old is the moon?"}],
}
GOOD = {"x-api-key": FAKE_KEY, "anthropic-version": "2023-06-01"}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.fixture
async def client() -> AsyncIterator[AsyncAPIClient]:
    async with LoopbackServer() as server:
        FakeMessagesAPI().serve(server)
        async with AsyncAPIClient(base_url=server.url, max_retries=0) as made:
            yield made


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "error_type"),
    [
        ("POST", "/v1/messages", without("x-api-key"), ASK, 401, "authentication_error"),
        ("POST", "/v1/messages", {**GOOD, "x-api-key": "another"}, ASK, 401, "authentication_error"),
        ("POST", "/v1/messages", without("anthropic-version"), ASK, 400, "invalid_request_error"),
        ("POST", "/v1/messages", {**GOOD, "anthropic-version": "2001-01-01"}, ASK, 400, "invalid_request_error"),
        ("POST", "/v1/messages", {**GOOD, "content-type": "text/plain"}, ASK, 400, "invalid_request_error"),
        ("POST", "/v1/messages", GOOD, {**ASK, "max_tokens": "many"}, 400, "invalid_request_error"),
        ("POST", "/v1/messages", GOOD, {**ASK, "colour": "blue"}, 400, "invalid_request_error"),
        ("POST", "/v1/messages", GOOD, {**ASK, "model": "another"}, 404, "not_found_error"),
        ("POST", "/v1/messages", GOOD, None, 400, "invalid_request_error"),
        ("GET", "/v1/messages", GOOD, None, 404, "not_found_error"),
        ("GET", "/v1/models?limit=0", GOOD, None, 400, "invalid_request_error"),
        ("GET", "/v1/models?limit=many", GOOD, None, 400, "invalid_request_error"),
        ("GET", "/v1/models?after_id=another", GOOD, None, 400, "invalid_request_error"),
        ("GET", "/v1/files", GOOD, None, 404, "not_found_error"),
    ],
)
async def test_what_it_refuses(
    client: AsyncAPIClient, method: str, path: str, headers: dict[str, str], body: object, status: int, error_type: str
) -> None:
    with pytest.raises(APIStatusError) as caught:
        await client.request(method, path, body=body, options={"headers": headers})
    assert caught.value.status_code == status
    refused: Any = caught.value.body
    assert refused["error"]["type"] == error_type
    assert refused["request_id"] == caught.value.request_id == "req_fake_000001"


async def test_it_says_how_much_more_may_be_asked(client: AsyncAPIClient) -> None:
    remaining: list[str] = []
    for _ in range(2):
        response = await client.with_raw_response.post("/v1/messages", body=ASK, options={"headers": GOOD})
        assert response.headers["anthropic-ratelimit-requests-limit"] == "4000"
        remaining.append(response.headers["anthropic-ratelimit-requests-remaining"])
    assert remaining == ["3999", "3998"]


def test_it_says_the_same_each_time_and_something_else_to_another() -> None:
    def said(**changes: Any) -> str:
        return "".join(part.whole for part in answer(msgspec.convert({**ASK, **changes}, Ask)).parts)

    assert said() == said()
    others = [
        {"model": "claude-opus-4-5"},
        {"system": "Answer as a poem."},
        {"messages": [{"role": "user", "content": "?"}]},
    ]
    assert len({said(), *(said(**other) for other in others)}) == 4


ITEMS = [{"id": letter} for letter in "abcde"]


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ({}, "abcde", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "5"}, "abcde", False),
        ({"limit": "2", "after_id": "b"}, "cd", True),
        ({"limit": "2", "after_id": "c"}, "de", False),
        ({"limit": "2", "after_id": "e"}, "", False),
        ({"limit": "2", "before_id": "e"}, "cd", True),
        ({"limit": "2", "before_id": "c"}, "ab", False),
        ({"limit": "2", "before_id": "b"}, "a", False),
    ],
)
def test_pages_by_id(query: dict[str, str], ids: str, has_more: bool) -> None:
    page: Any = page_by_id(ITEMS, query)
    assert "".join(item["id"] for item in page["data"]) == ids
    assert page["has_more"] == has_more
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


def test_pages_by_cursor() -> None:
    query = {"limit": "2"}
    seen: list[object] = []
    while True:
        page: Any = page_by_cursor(ITEMS, query)
        seen += page["data"]
        if page["next_page"] is None:
            break
        query = {"limit": "2", "page": page["next_page"]}
    assert seen == ITEMS


def posted(content_type: str, body: bytes) -> RecordedRequest:
    headers = [("Content-Type", content_type)]
    return RecordedRequest(method="POST", target="/v1/files", headers=headers, body=body, connection=1, started=0.0)


@given(st.binary(), st.sampled_from(["cut", '"cut"']))
def test_a_file_is_taken_out_of_a_form_as_it_is(content: bytes, boundary: str) -> None:
    content = content.replace(b"\r\n--cut", b"")
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: x/y\r\n\r\n'
    field = b'--cut\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n'
    request = posted(f"multipart/form-data; boundary={boundary}", field + head + content + b"\r\n--cut--\r\n")
    assert [tuple(part) for part in parts_of(request)] == [
        ("n", None, "application/octet-stream", b"1"),
        ("file", "a.bin", "x/y", content),
    ]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--cut--"),
        ("multipart/form-data; boundary=cut", b"--cut\r\n\r\nhalf a part"),
        ("multipart/form-data; boundary=cut", b"before\r\n--cut\r\n\r\n\r\n--cut--"),
    ],
)
def test_a_form_that_is_none(content_type: str, body: bytes) -> None:
    with pytest.raises(Refusal):
        parts_of(posted(content_type, body))
