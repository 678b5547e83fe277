from __future__ import annotations

import pytest

from trioclient.testing import RecordedRequest

REQUEST = RecordedRequest(
    method="POST",
    target="/a/b%20c?x=1&y=?",
    headers=[("Content-Type", "application/json"), ("X-Twice", "1"), ("x-twice", "2"), ("Authorization", "secret")],
    body=b'{"a": "secret"}',
    connection=3,
    started=1.0,
)


def test_target_in_parts():
    assert (REQUEST.path, REQUEST.query) == ("/a/b%20c", "x=1&y=?")


@pytest.mark.parametrize(("name", "value"), [("content-type", "application/json"), ("X-TWICE", "1"), ("x-none", None)])
def test_header_in_any_case(name, value):
    assert REQUEST.header(name) == value


def test_json():
    assert REQUEST.json() == {"a": "secret"}


def test_repr_keeps_secrets():
    assert "POST" in repr(REQUEST)
    assert "secret" not in repr(REQUEST)
