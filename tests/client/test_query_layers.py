from __future__ import annotations

import math
from typing import Any

import pytest

from trioclient import BaseClient, omit
from trioclient._client.query_layers import SharedQuery


@pytest.mark.parametrize(
    ("default", "custom", "params", "query"),
    [
        ({}, {}, None, ""),
        ({}, {}, {}, ""),
        ({"a": 1}, {}, None, "a=1"),
        ({"a": 1}, {"a": 2}, None, "a=2"),
        ({"a": 1}, {"a": 2}, {"a": 3}, "a=3"),
        ({"a": 1}, {"b": 2}, {"c": [3, 4]}, "a=1&b=2&c=3&c=4"),
        ({"a": 1, "b": 1}, {"a": omit}, {"b": None}, ""),
        ({"a": 1}, {"a": omit}, {"a": 3}, "a=3"),
        ({"a": {"b": 1, "c": 1}}, {}, {"a": {"b": 2}}, "a%5Bb%5D=2"),
    ],
)
def test_each_over_the_one_before(default: Any, custom: Any, params: Any, query: str) -> None:
    assert SharedQuery(custom, "repeat").encoded(default, params) == query


def test_the_default_is_looked_up_each_time_and_may_be_changed_in_place() -> None:
    shared = SharedQuery({"z": 0}, "comma")
    default: dict[str, Any] = {"a": [1]}
    assert shared.encoded(default, None) == "a=1&z=0"
    default["a"].append(2)
    assert shared.encoded(default, None) == "a=1,2&z=0"
    default["b"] = 3
    assert shared.encoded(default, None) == "a=1,2&b=3&z=0"
    assert shared.encoded({}, None) == "z=0"


@pytest.mark.parametrize(
    ("default", "error", "message"),
    [
        (None, TypeError, "default_query must be a mapping, not NoneType"),
        ([], TypeError, "default_query must be a mapping, not list"),
        ({"a": math.nan}, ValueError, r"default_query\['a'\] must be a finite number"),
        ({"a": object()}, TypeError, r"default_query\['a'\] must be a str"),
    ],
)
def test_an_override_that_cannot_be_sent_is_named(default: Any, error: type[Exception], message: str) -> None:
    client = type("Mine", (BaseClient,), {"default_query": property(lambda self: default)})(base_url="https://a.test")
    for _ in range(2):
        with pytest.raises(error, match=message):
            client._prepare("GET", "/x")


def test_a_custom_one_that_cannot_be_sent_is_named_at_once() -> None:
    with pytest.raises(TypeError, match=r"custom_query\['a'\]\['b'\] must be text"):
        SharedQuery({"a": {"b": b"c"}}, "repeat")
