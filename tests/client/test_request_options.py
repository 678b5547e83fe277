from __future__ import annotations

import math
from typing import Any

import pytest

from trioclient import NOT_GIVEN, BaseClient, Hedge, Stall, Timeout, omit
from trioclient._client.request_options import make_request_options
from trioclient._request_options import RequestOptions


def told(sent: int, total: int | None) -> None: ...


EVERYTHING: dict[str, Any] = {
    "extra_headers": {"X-A": "1"},
    "query": {"a": 1, "b": 1},
    "extra_query": {"b": 2},
    "extra_body": {"c": 3},
    "timeout": 3.0,
    "deadline": 4.0,
    "max_retries": 0,
    "idempotency_key": "key",
    "idle_timeout": 5.0,
    "terminal_event": "end",
    "resume": False,
    "follow_redirects": False,
    "upload_progress": told,
    "limit_group": "embeddings",
    "hedge": Hedge(after=1.0),
    "stall": Stall(within=6.0),
}


def test_only_what_was_given_is_set() -> None:
    assert make_request_options() == {}
    assert make_request_options(**dict.fromkeys(EVERYTHING, NOT_GIVEN) | {"query": None, "extra_query": None}) == {}


def test_everything() -> None:
    options = make_request_options(**EVERYTHING)
    assert options == {
        "headers": {"X-A": "1"},
        "params": {"a": 1, "b": 2},
        "extra_json": {"c": 3},
        "timeout": 3.0,
        "deadline": 4.0,
        "max_retries": 0,
        "idempotency_key": "key",
        "idle_timeout": 5.0,
        "terminal_event": "end",
        "resume": False,
        "follow_redirects": False,
        "upload_progress": told,
        "limit_group": "embeddings",
        "hedge": Hedge(after=1.0),
        "stall": Stall(within=6.0),
    }
    assert options.keys() == RequestOptions.__annotations__.keys()
    call = BaseClient(base_url="https://api.test")._prepare("GET", "/x", options=options, stream=True)
    assert (
        call.settings.deadline,
        call.settings.max_retries,
        call.settings.idle_timeout,
        call.settings.follow_redirects,
        call.settings.limit_group,
        call.settings.hedge,
        call.settings.stall,
    ) == (4.0, 0, 5.0, False, "embeddings", Hedge(after=1.0), Stall(within=6.0))
    assert call.target.path == "/x?a=1&b=2"


@pytest.mark.parametrize("name", EVERYTHING)
def test_none_is_no_limit_and_says_nothing_else(name: str) -> None:
    options = make_request_options(**{name: None})
    assert options == ({name: None} if name in ("timeout", "deadline", "idle_timeout", "hedge", "stall") else {})


@pytest.mark.parametrize(
    ("query", "extra", "params"),
    [
        (None, None, None),
        ({}, None, {}),
        ({"a": 1}, None, {"a": 1}),
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 1}, {"a": omit}, {"a": omit, "b": 1}),
    ],
)
def test_the_callers_query_lies_over_the_methods(query: Any, extra: Any, params: Any) -> None:
    assert make_request_options(query=query, extra_query=extra).get("params") == params


@pytest.mark.parametrize("name", ["query", "extra_query"])
@pytest.mark.parametrize("value", ["a=1", [], ()])
def test_queries_are_mappings(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a mapping, not {type(value).__name__}"):
        make_request_options(**{name: value})


def test_the_rest_is_checked_when_the_call_is_made() -> None:
    options = make_request_options(timeout=Timeout(1.0, read=-1.0))
    with pytest.raises(ValueError, match=r"options\['timeout'\] must be 0 seconds or more"):
        BaseClient(base_url="https://api.test")._prepare("GET", "/x", options=options)
    call = BaseClient(base_url="https://api.test", deadline=3)._prepare(
        "GET", "/x", options=make_request_options(deadline=None)
    )
    assert call.settings.deadline == math.inf
