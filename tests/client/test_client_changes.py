"""`with_options` and `copy`, of the client that both faces share and of both faces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from trioclient import NOT_GIVEN, AsyncAPIClient, BaseClient, SyncAPIClient, omit
from trioclient._client.client_changes import ClientChanges, said
from trioclient._engine.call import PreparedCall
from trioclient._types import Timeouts
from trioclient.testing import ScriptedTransport, reply

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

BASE = "https://api.test/v1"


def prepared(client: BaseClient) -> PreparedCall:
    return client._prepare("GET", "/x")


def headers_of(client: BaseClient) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in prepared(client).headers}


def test_nothing_changed() -> None:
    client = BaseClient(base_url=BASE, max_retries=5, timeout=3.0, deadline=9.0, custom_query={"a": 1})
    changes: Any = dict.fromkeys(ClientChanges.__annotations__, NOT_GIVEN)
    nothing: Any = dict.fromkeys(
        ["base_url", "custom_headers", "set_custom_headers", "custom_query", "set_custom_query"], None
    )
    for clone in (client.with_options(), client.copy(), client.with_options(**changes), client.with_options(**nothing)):
        assert clone is not client
        assert (clone.max_retries, clone.timeout, clone.deadline) == (5, 3.0, 9.0)
        assert prepared(clone) == prepared(client)


def test_each_can_be_changed() -> None:
    client = BaseClient(base_url=BASE, max_retries=5, timeout=3.0, deadline=9.0)
    clone = client.with_options(max_retries=0, timeout=None, deadline=None, base_url="http://other.test")
    assert (clone.max_retries, clone.timeout, clone.deadline) == (0, None, None)
    assert (client.max_retries, client.timeout, client.deadline) == (5, 3.0, 9.0)
    assert prepared(clone).settings.timeouts == Timeouts(*[math.inf] * 4)
    assert str(prepared(clone).target) == "http://other.test/x"
    assert (clone.base_url, client.base_url) == (httpx.URL("http://other.test/"), httpx.URL(f"{BASE}/"))


class TestHeaders:
    def test_the_merge_form_lays_them_over_those_there_are(self) -> None:
        client = BaseClient(base_url=BASE, custom_headers={"X-A": "1", "X-B": "1"})
        prepared(client)
        clone = client.with_options(custom_headers={"x-a": "2", "X-C": "2"})
        headers = headers_of(clone)
        assert [headers[name] for name in ("x-a", "x-b", "x-c")] == ["2", "1", "2"]
        assert dict(clone.custom_headers) == {"X-B": "1", "x-a": "2", "X-C": "2"}
        assert headers_of(client)["x-a"] == "1"

    def test_the_last_one_wins_whatever_the_case(self) -> None:
        client = BaseClient(base_url=BASE, custom_headers={"x-a": "1"})
        clone = client.with_options(custom_headers={"X-A": "2"}).with_options(custom_headers={"x-a": "3"})
        assert headers_of(clone)["x-a"] == "3"

    def test_the_replace_form_takes_their_place(self) -> None:
        client = BaseClient(base_url=BASE, custom_headers={"X-A": "1", "Accept": omit})
        clone = client.with_options(set_custom_headers={"X-B": "2"})
        assert dict(clone.custom_headers) == {"X-B": "2"}
        headers = headers_of(clone)
        assert "x-a" not in headers
        assert headers["accept"] == "application/json"
        assert not client.with_options(set_custom_headers={}).custom_headers

    def test_omit_deletes(self) -> None:
        client = BaseClient(base_url=BASE, custom_headers={"X-A": "1"})
        clone = client.with_options(custom_headers={"x-a": omit, "ACCEPT": omit})
        assert headers_of(clone).keys().isdisjoint({"x-a", "accept"})
        assert headers_of(clone.with_options(custom_headers={"X-A": "back"}))["x-a"] == "back"

    def test_what_was_given_may_change_later(self) -> None:
        given = {"X-A": "1"}
        clone = BaseClient(base_url=BASE).with_options(set_custom_headers=given)
        given["X-A"] = "2"
        assert headers_of(clone)["x-a"] == "1"


class TestQuery:
    def test_the_merge_form_lays_it_over_what_there_is(self) -> None:
        client = BaseClient(base_url=BASE, custom_query={"a": 1, "b": 1})
        clone = client.with_options(custom_query={"a": 2})
        assert prepared(clone).target.path == "/v1/x?a=2&b=1"
        assert clone.custom_query == {"a": 2, "b": 1}
        assert prepared(client).target.path == "/v1/x?a=1&b=1"
        assert prepared(client.with_options(custom_query={"a": omit})).target.path == "/v1/x?b=1"

    def test_the_replace_form_takes_its_place(self) -> None:
        client = BaseClient(base_url=BASE, custom_query={"a": 1, "b": 1})
        assert prepared(client.with_options(set_custom_query={"c": 3})).target.path == "/v1/x?c=3"
        assert prepared(client.with_options(set_custom_query={})).target.path == "/v1/x"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"max_retries": -1}, ValueError, "max_retries must be 0 or more"),
        ({"max_retries": None}, TypeError, "max_retries must be an int"),
        ({"timeout": -1}, ValueError, "timeout must be 0 seconds or more"),
        ({"deadline": math.nan}, ValueError, "deadline must be 0 seconds or more"),
        ({"base_url": "/v2"}, ValueError, "base_url must be an absolute"),
        ({"base_url": 1}, TypeError, "base_url must be a str or httpx.URL"),
        ({"custom_headers": {"a": "\n"}}, ValueError, "header 'a' must not hold CR"),
        ({"custom_headers": [1]}, TypeError, "custom_headers must be a mapping"),
        ({"set_custom_headers": {"a": 1}}, TypeError, "header 'a' must be a str"),
        ({"set_custom_headers": "a: b"}, TypeError, "set_custom_headers must be a mapping"),
        ({"custom_query": [1]}, TypeError, "custom_query must be a mapping"),
        ({"set_custom_query": [1]}, TypeError, "set_custom_query must be a mapping"),
        ({"set_custom_query": {"a": math.nan}}, ValueError, r"custom_query\['a'\] must be a finite"),
        ({"custom_headers": {}, "set_custom_headers": {}}, TypeError, "give custom_headers, .* or set_custom_headers"),
        ({"custom_query": {}, "set_custom_query": {}}, TypeError, "give custom_query, .* or set_custom_query"),
        ({"retries": 1}, TypeError, "unexpected keyword argument 'retries'"),
    ],
)
@pytest.mark.parametrize("name", ["with_options", "copy"])
def test_bad_ones_are_named(name: str, change: dict[str, Any], error: type[Exception], message: str) -> None:
    client = BaseClient(base_url=BASE, custom_headers={"A": "1"})
    with pytest.raises(error, match=message):
        getattr(client, name)(**change)
    assert dict(client.custom_headers) == {"A": "1"}


def test_what_says_nothing_is_left_out() -> None:
    assert said({"timeout": None, "max_retries": NOT_GIVEN, "custom_query": None}) == {"timeout": None}


def test_what_is_shown_cannot_be_written_to() -> None:
    client = BaseClient(base_url=BASE, custom_headers={"A": "1"}, custom_query={"a": 1})
    shown: Any
    for shown in (client.custom_headers, client.custom_query):
        with pytest.raises(TypeError):
            shown["b"] = "2"


class Keyed(BaseClient):
    """As an SDK does it that has an option more."""

    def __init__(self, key: str) -> None:
        super().__init__(base_url=BASE)
        self.key = key

    def with_options(self, *, key: str | None = None, **changes: Unpack[ClientChanges]) -> Self:
        clone = super().with_options(**changes)
        clone.key = key or self.key
        return clone

    @property
    def auth_headers(self) -> Mapping[str, str]:
        return {"X-Api-Key": self.key}


def test_a_copy_keeps_the_subclass_and_what_it_holds() -> None:
    clone = Keyed("k").with_options(max_retries=0)
    assert type(clone) is Keyed
    assert headers_of(clone)["x-api-key"] == "k"


def test_copy_is_the_subclasss_with_options() -> None:
    changes: Any = {"key": "other"}
    clone = Keyed("k").copy(max_retries=0, **changes)
    assert headers_of(clone)["x-api-key"] == "other"
    assert clone.max_retries == 0


async def test_an_async_copy_shares_the_connections_and_closes_nothing() -> None:
    transport = ScriptedTransport(reply(json=1), reply(json=2))
    async with AsyncAPIClient(base_url=BASE, transport=transport) as client:
        async with client.copy(set_custom_headers={"X-Mark": "copy"}, base_url="https://b.test") as clone:
            assert await clone.get("/x") == 1
        assert await client.get("/x") == 2
        assert client.statistics() == clone.statistics()
    assert [str(request.url) for request in transport.requests] == ["https://b.test/x", f"{BASE}/x"]
    assert [request.header("x-mark") for request in transport.requests] == ["copy", None]


def test_a_blocking_copy_shares_the_connections_and_closes_nothing() -> None:
    transport = ScriptedTransport(reply(json=1), reply(json=2))
    with SyncAPIClient(base_url=BASE, transport=transport, custom_headers={"X-Old": "1"}) as client:
        with client.copy(set_custom_headers={"X-Mark": "copy"}, base_url="https://b.test") as clone:
            assert clone.get("/x") == 1
        assert client.get("/x") == 2
    assert [str(request.url) for request in transport.requests] == ["https://b.test/x", f"{BASE}/x"]
    assert [request.header("x-mark") for request in transport.requests] == ["copy", None]
    assert [request.header("x-old") for request in transport.requests] == [None, "1"]


def test_a_client_of_the_subclasss_own_making_gets_the_changes_too() -> None:
    class Worker(AsyncAPIClient):
        pass

    class Face(SyncAPIClient):
        def make_async_client(self, **arguments: Any) -> AsyncAPIClient:
            return Worker(**arguments)

    transport = ScriptedTransport(reply(json=1))
    with Face(base_url=BASE, transport=transport, custom_headers={"X-Old": "1"}) as client:
        client.copy(custom_headers={"X-Mark": "copy"}, custom_query={"a": 1}).get("/x")
    assert transport.requests[0].header("x-mark") == "copy"
    assert transport.requests[0].header("x-old") == "1"
    assert transport.requests[0].target == "/v1/x?a=1"
