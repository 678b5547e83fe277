from __future__ import annotations

import pytest

from trioclient._codec.media_type import UNDECLARED, UTF8_JSON, MediaType, media_type


@pytest.mark.parametrize(
    "header",
    [
        "application/json",
        "Application/JSON",
        " application/json ; charset=utf-8",
        "application/json;charset=UTF8",
        'application/json; charset="utf-8"; profile="a"',
        "application/json; charset=iso-8859-1",
        "application/json; charset=no-such",
        "application/json;",
        "application/problem+json",
        "application/vnd.api+JSON; version=1",
        "text/json",
    ],
)
def test_json(header: str) -> None:
    assert media_type(header) is UTF8_JSON


@pytest.mark.parametrize("header", [None, "", "  ", "; charset=utf-16"])
def test_nothing_declared(header: str | None) -> None:
    assert media_type(header) is UNDECLARED


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        ("application/json; charset=utf-16", "utf-16"),
        ("application/json; charset=UTF-16LE", "utf-16-le"),
        ("application/hal+json; a=b; Charset = 'utf-32'", "utf-32"),
    ],
)
def test_json_in_wide_characters(header: str, charset: str) -> None:
    assert media_type(header) == MediaType(json=True, charset=charset)


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        ("text/html", "utf-8"),
        ("text/plain; charset=latin-1", "iso8859-1"),
        ("text/plain; charset=Shift_JIS", "shift_jis"),
        ("text/plain; charset=", "utf-8"),
        ("text/plain; charset=a\0b", "utf-8"),
        ("text/plain; charset=utf-16", "utf-16"),
        ("text/plain; charset=koi8-r=", "koi8-r"),
        ("text/plain; charset='koi8-r'", "koi8-r"),
        ("text/plain; charset=\"'cp1252\"'", "cp1252"),
        ("text/plain; charset=XXkoi8-rXX", "utf-8"),
        ("application/jsonp", "utf-8"),
        ("application/json, text/html", "utf-8"),
        ("nonsense", "utf-8"),
    ],
)
def test_others(header: str, charset: str) -> None:
    assert media_type(header) == MediaType(json=False, charset=charset)


@pytest.mark.parametrize(
    "codec", ["hex", "zlib", "rot13", "undefined", "idna", "punycode", "unicode_escape", "raw_unicode_escape"]
)
def test_a_codec_that_is_no_charset_is_not_used(codec: str) -> None:
    assert media_type(f"text/plain; charset={codec}").charset == "utf-8"
