from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.error_body import error_body


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'{"error": {"code": 1}}', {"error": {"code": 1}}),
        (b"[]", []),
        (b"null", None),
        (b'"quoted"', "quoted"),
        (b"Bad Gateway", "Bad Gateway"),
        (b'{"cut": ', '{"cut": '),
        (b"", None),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (b'{"message": "\xe9"}', {"message": "\N{REPLACEMENT CHARACTER}"}),
        (b"[" * 64 + b"]" * 64, eval("[" * 64 + "]" * 64)),
        (b"[" * 65 + b"]" * 65, "[" * 65 + "]" * 65),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_kept(content: bytes, body: object) -> None:
    assert error_body(content) == body


@given(st.binary())
def test_any_bytes_have_one(content: bytes) -> None:
    error_body(content)
