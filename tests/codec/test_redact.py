from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.redact import (
    credential_headers,
    drop_credentials,
    is_secret_header,
    redact_headers,
    redact_url,
)
from trioclient._types import omit


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "PROXY-AUTHORIZATION",
        "X-Forwarded-Authorization",
        "cookie",
        "Set-Cookie",
        "x-api-key",
        "api-key",
        "Api_Key",
        "apikey",
        "X-Goog-Api-Key",
        "Ocp-Apim-Subscription-Key",
        "X-Functions-Key",
        "X-Amz-Security-Token",
        "X-Auth",
        "X-Auth-Tokens",
        "x-client-secret",
        "X-Password",
        "X-Credential-Id",
        "X-Hub-Signature-256",
        "OK-ACCESS-SIGN",
        "Mcp-Session-Id",
        "X-Ratelimit-Token",
        "x-jwt-assertion",
    ],
)
def test_names_of_credentials(name: str) -> None:
    assert is_secret_header(name)


@pytest.mark.parametrize(
    "name",
    [
        "Accept",
        "Author",
        "Content-Type",
        "Date",
        "Design",
        "ETag",
        "Host",
        "Idempotency-Key",
        "X-Idempotency-Key",
        "Surrogate-Key",
        "Keep-Alive",
        "X-Keyword",
        "X-Request-Id",
        "X-RateLimit-Remaining-Tokens",
        "anthropic-ratelimit-input-tokens-limit",
        "User-Agent",
        "WWW-Authenticate",
    ],
)
def test_names_of_other_headers(name: str) -> None:
    assert not is_secret_header(name)


def test_redacted_headers_keep_names_and_order() -> None:
    pairs = [
        ("Accept", "*/*"),
        ("X-API-Key", "s3cret"),
        ("X-Acme", "s3cret"),
        ("Location", "/a?token=s3cret&b=1"),
        ("X-Note", "what of ?token=a"),
    ]
    assert redact_headers(pairs, also=frozenset({"x-acme"})) == (
        ("Accept", "*/*"),
        ("X-API-Key", "[redacted]"),
        ("X-Acme", "[redacted]"),
        ("Location", "/a?token=[redacted]&b=1"),
        ("X-Note", "what of ?token=a"),
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a?b=c", "https://h/a?b=c"),
        ("https://user:s3cret@h/a", "https://h/a"),
        ("https://s3cret@h:8080", "https://h:8080"),
        ("https://a@s3cret@h/", "https://h/"),
        ("//user:s3cret@h/", "//h/"),
        ("https://h/users/a@b.c", "https://h/users/a@b.c"),
        ("https://h/?key=s3cret", "https://h/?key=[redacted]"),
        ("https://h/?a=1&API_KEY=s3cret&b=2", "https://h/?a=1&API_KEY=[redacted]&b=2"),
        ("https://h/?apiKey=s3cret", "https://h/?apiKey=[redacted]"),
        ("https://h/?access%5Ftoken=s3cret", "https://h/?access%5Ftoken=[redacted]"),
        ("https://h/?auth%5Bpassword%5D=s3cret", "https://h/?auth%5Bpassword%5D=[redacted]"),
        ("https://h/?token=s3=cret", "https://h/?token=[redacted]"),
        ("https://h/?token=s3?cret", "https://h/?token=[redacted]"),
        ("https://h/?a=1;sig=s3cret;b=2", "https://h/?a=1;sig=[redacted];b=2"),
        ("https://h/cb?code=s3cret&state=x", "https://h/cb?code=[redacted]&state=x"),
        ("https://h/?X-Amz-Signature=s3cret&X-Amz-Date=1", "https://h/?X-Amz-Signature=[redacted]&X-Amz-Date=1"),
        ("https://h/cb#access_token=s3cret&x=1", "https://h/cb#access_token=[redacted]&x=1"),
        ("https://h/?max_tokens=5&keyword=x&postcode=1", "https://h/?max_tokens=5&keyword=x&postcode=1"),
        ("not a url ?token=s3cret", "not a url ?token=[redacted]"),
        ("", ""),
    ],
)
def test_redacted_urls(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert "s3cret" not in shown


_PART = st.text(st.characters(codec="utf-8", exclude_characters="&;#?=/@"), max_size=8)


@given(_PART, _PART, st.sampled_from(["token", "Key", "sig", "client_secret", "password"]))
def test_no_secret_survives_its_neighbours(before: str, after: str, name: str) -> None:
    url = f"https://u:s3cret@h/{before}?{before}={after}&{name}=s3cret&{after}"
    assert "s3cret" not in redact_url(url)


@pytest.mark.parametrize("unit", ["?", "&", "=", "@", "//", "a@", "?token", "&token=", "%"])
def test_a_long_url_is_no_trouble(unit: str) -> None:
    assert redact_url("https://h/" + unit * 200_000)


@given(st.text())
def test_redacting_never_raises_and_settles(url: str) -> None:
    once = redact_url(url)
    assert redact_url(once) == redact_url(redact_url(once))


def test_credentials_stay_behind() -> None:
    also = credential_headers({"X-Acme": "s3cret", "X-Gone": omit})
    assert also == {"x-acme", "x-gone"}
    assert credential_headers(None) == frozenset()
    raw = [(b"Accept", b"*/*"), (b"X-ACME", b"s3cret"), (b"authorization", b"s3cret"), (b"Idempotency-Key", b"1")]
    assert drop_credentials(raw, also) == [(b"Accept", b"*/*"), (b"Idempotency-Key", b"1")]
    assert drop_credentials(raw) == [(b"Accept", b"*/*"), (b"X-ACME", b"s3cret"), (b"Idempotency-Key", b"1")]
    assert len(raw) == 4
