"""What is shared, directly; how the layers meet in a call is in test_base."""

from __future__ import annotations

from typing import Any

import pytest

from trioclient import NOT_GIVEN, omit
from trioclient._client.header_layers import SharedHeaders, headers_laid_over, kept_abroad
from trioclient._codec.headers import MergedHeaders


def lines(block: MergedHeaders) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in block.lines}


def block(shared: SharedHeaders, default: Any = {}, auth: Any = {}, content_type: str | None = None) -> MergedHeaders:  # noqa: B006
    return shared.merged(lambda: {"User-Agent": "me"}, default, auth, content_type, False)


def test_a_block_is_merged_once_for_each_kind_of_call() -> None:
    shared = SharedHeaders({})
    plain, json = block(shared), block(shared, content_type="application/json")
    assert plain is block(shared)
    assert json is block(shared, content_type="application/json")
    assert json is not plain
    assert plain is not block(shared, default={"A": "1"})


def test_forms_leave_nothing_behind() -> None:
    # Each has a content type of its own: were they kept, memory would grow with every call.
    shared = SharedHeaders({})
    for number in range(100):
        content_type = f"multipart/form-data; boundary={number}"
        assert lines(block(shared, content_type=content_type))["Content-Type"] == content_type
    assert len(shared._merged) == 1


@pytest.mark.parametrize("layer", ["default", "auth", "custom"])
def test_a_form_is_a_form_whatever_the_client_says_of_its_bodies(layer: str) -> None:
    said = {"content-type": "application/json; charset=utf-8"}
    shared = SharedHeaders(said if layer == "custom" else {})
    layers: dict[str, Any] = {} if layer == "custom" else {layer: said}
    form = block(shared, content_type="multipart/form-data; boundary=b", **layers)
    assert lines(form)["Content-Type"] == "multipart/form-data; boundary=b"
    json = block(shared, content_type="application/json", **layers)
    assert lines(json)["content-type"] == "application/json; charset=utf-8"


def test_an_override_that_was_bad_once_spoils_nothing() -> None:
    shared = SharedHeaders({})
    block(shared, default={"A": "1"})
    with pytest.raises(TypeError, match="auth_headers must be a mapping, not NoneType"):
        block(shared, default={"A": "2"}, auth=None)
    assert lines(block(shared, default={"A": "2"}))["A"] == "2"


def test_what_stays_at_home() -> None:
    given = MergedHeaders.of(
        {"Accept": "*/*", "Authorization": "s", "X-API-KEY": "s", "Cookie": "s", "X-Badge": "s", "Host": "me.test"}
    )
    assert lines(kept_abroad(given, frozenset({"x-badge"}))) == {"Accept": "*/*"}
    assert lines(kept_abroad(given, frozenset())) == {"Accept": "*/*", "X-Badge": "s"}
    assert lines(kept_abroad(given, frozenset()).over({"host": "you.test"}))["Host"] == "you.test"


@pytest.mark.parametrize(
    ("lower", "upper", "together"),
    [
        ({}, {}, {}),
        ({"A": "1"}, {}, {"A": "1"}),
        ({"A": "1", "B": "1"}, {"a": "2"}, {"B": "1", "a": "2"}),
        ({"A": "1"}, {"a": omit}, {"a": omit}),
        ({"A": omit}, {"a": "2"}, {"a": "2"}),
        ({"A": "1"}, {"a": NOT_GIVEN}, {"A": "1"}),
        ({"a": "1"}, {"A": "2", "a": "3"}, {"A": "2", "a": "3"}),
    ],
)
def test_two_layers_as_one(lower: Any, upper: Any, together: dict[str, Any]) -> None:
    merged = headers_laid_over(lower, upper)
    assert merged == together
    assert sorted(MergedHeaders.of(merged).lines) == sorted(MergedHeaders.of(lower, upper).lines)


@pytest.mark.parametrize("bad", [{1: "a"}, {"a": None}, {"a b": "c"}, {"a": "b\n"}])
def test_a_header_that_cannot_be_sent_is_refused_in_either(bad: Any) -> None:
    for layers in ((bad, {"x": "y"}), ({"x": "y"}, bad)):
        with pytest.raises((TypeError, ValueError), match="header"):
            headers_laid_over(*layers)
