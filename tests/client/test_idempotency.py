from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest

from trioclient import AsyncAPIClient, BaseClient, omit
from trioclient._client.idempotency import keyed_block
from trioclient._codec.headers import MergedHeaders, header_lines
from trioclient._engine.call import PreparedCall
from trioclient.testing import ScriptedTransport, reply

BASE = "https://api.test/v1"


def prepared(client: BaseClient, method: str, options: Any = {}) -> PreparedCall:  # noqa: B006
    return client._prepare(method, "/x", options=options)


def headers_of(call: PreparedCall) -> dict[str, str]:
    """By lower-case name; no name may be there twice."""
    lines = [(name.decode().lower(), value.decode("latin-1")) for name, value in call.headers]
    assert len(dict(lines)) == len(lines)
    return dict(lines)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_a_new_one_for_each_call(method: str) -> None:
    client = BaseClient(base_url=BASE)
    keys = [headers_of(prepared(client, method))["idempotency-key"] for _ in range(3)]
    assert len(set(keys)) == 3
    assert all(re.fullmatch("trioclient-[0-9a-f]{32}", key) for key in keys)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_none_where_nothing_is_changed(method: str) -> None:
    call = prepared(BaseClient(base_url=BASE), method)
    assert "idempotency-key" not in headers_of(call)
    assert call.keyed


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_one_that_was_given_is_sent_whatever_the_method(method: str) -> None:
    call = prepared(BaseClient(base_url=BASE), method, {"idempotency_key": "mine"})
    assert headers_of(call)["idempotency-key"] == "mine"
    assert call.keyed


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"idempotency_key": "mine"}, "mine"),
        ({"headers": {"idempotency-key": "mine"}}, "mine"),
        ({"headers": {"Idempotency-Key": "header"}, "idempotency_key": "option"}, "option"),
        ({"headers": {"Idempotency-Key": omit}, "idempotency_key": "option"}, "option"),
    ],
)
def test_the_callers_own(options: Any, key: str) -> None:
    call = prepared(BaseClient(base_url=BASE), "POST", options)
    assert headers_of(call)["idempotency-key"] == key
    assert call.keyed


def test_omitted() -> None:
    call = prepared(BaseClient(base_url=BASE), "POST", {"headers": {"IDEMPOTENCY-KEY": omit}})
    assert "idempotency-key" not in headers_of(call)
    assert not call.keyed
    assert prepared(BaseClient(base_url=BASE), "PUT", {"headers": {"IDEMPOTENCY-KEY": omit}}).keyed


def test_omitted_by_the_client_and_given_by_the_call() -> None:
    client = BaseClient(base_url=BASE, custom_headers={"Idempotency-Key": omit})
    assert not prepared(client, "POST").keyed
    assert headers_of(prepared(client, "POST", {"idempotency_key": "k"}))["idempotency-key"] == "k"


def test_the_header_is_the_subclasss() -> None:
    class Acme(BaseClient):
        idempotency_header: ClassVar[str | None] = "X-Once"

    headers = headers_of(prepared(Acme(base_url=BASE), "POST", {"idempotency_key": "k"}))
    assert headers["x-once"] == "k"
    assert "idempotency-key" not in headers
    assert headers_of(prepared(Acme(base_url=BASE), "POST"))["x-once"].startswith("trioclient-")


@pytest.mark.parametrize(("method", "keyed"), [("POST", False), ("PATCH", False), ("PUT", True), ("DELETE", True)])
def test_none_at_all(method: str, keyed: bool) -> None:
    class Acme(BaseClient):
        idempotency_header: ClassVar[str | None] = None

    call = prepared(Acme(base_url=BASE), method)
    assert not [name for name in headers_of(call) if "key" in name]
    assert call.keyed is keyed
    # Silence would leave a caller who counts on it in the dark.
    with pytest.raises(ValueError, match=r"options\['idempotency_key'\] has no header to go in"):
        prepared(Acme(base_url=BASE), method, {"idempotency_key": "mine"})


def test_a_name_that_is_no_header_is_refused_when_the_client_is_made() -> None:
    class Acme(BaseClient):
        idempotency_header: ClassVar[str | None] = "Idempotency Key"

    with pytest.raises(ValueError, match="header name 'Idempotency Key'"):
        Acme(base_url=BASE)


def test_what_is_shared_is_not_written_to() -> None:
    block = MergedHeaders.of({"A": "1"})
    keyed, _ = keyed_block(block, "POST", "Idempotency-Key", None)
    assert [name for name, _ in header_lines(keyed)] == [b"A", b"Idempotency-Key"]
    assert block.lines == [(b"A", b"1")]


@pytest.mark.parametrize("options", [{}, {"idempotency_key": "mine"}])
async def test_all_attempts_carry_the_same(options: Any, autojump_clock: object) -> None:
    transport = ScriptedTransport(reply(503), reply(503), reply(json=1), reply(json=2))
    async with AsyncAPIClient(base_url=BASE, transport=transport) as client:
        await client.post("/x", options=options)
        await client.post("/x")
    keys = [request.header("idempotency-key") for request in transport.requests]
    assert len(set(keys[:3])) == 1
    assert keys[3] not in (None, keys[0])
