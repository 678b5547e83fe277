"""Proxies, and what an SDK's author names variables for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
import pytest

from trioclient import AsyncAPIClient, BaseClient, SyncAPIClient, omit
from trioclient._client.environment import base_url_of, headers_in, proxied_by_environment
from trioclient._codec.url import Target
from trioclient.testing import ScriptedTransport, reply

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, False, False),
        ({"HTTP_PROXY": PROXY}, True, False),
        ({"https_proxy": PROXY}, False, True),
        ({"ALL_PROXY": PROXY}, True, True),
        ({"ALL_PROXY": ""}, False, False),
        ({"NO_PROXY": "other.test"}, False, False),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, False, False),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, True, False),
    ],
)
def test_which_variable_is_for_which_scheme(environ: Mapping[str, str], http: bool, https: bool) -> None:
    assert proxied_by_environment("http://api.test/v1/", environ) is http
    assert proxied_by_environment("https://api.test/v1/", environ) is https


EXEMPTIONS = [
    ("*", "http://api.test/", True),
    ("other.test, *", "http://api.test/", True),
    ("api.test", "http://api.test/", True),
    ("API.test", "http://api.TEST/", True),
    (" other.test , api.test ", "http://api.test/", True),
    ("api.test", "http://v1.api.test/", True),
    ("api.test", "http://myapi.test/", False),
    ("api.test", "http://api.test.evil/", False),
    ("test", "http://api.test/", True),
    (".api.test", "http://v1.api.test/", True),
    (".api.test", "http://api.test/", False),
    ("api.test:8080", "http://api.test:8080/", True),
    ("api.test:8080", "http://api.test/", False),
    ("192.0.2.1", "http://192.0.2.1:8000/", True),
    ("10.0.0.1", "http://10.0.0.10/", False),
    ("0.0.1", "http://10.0.0.1/", True),
    ("2001:db8::1", "http://[2001:db8::1]/", True),
    ("http://api.test", "http://api.test/", True),
    ("http://api.test", "https://api.test/", False),
    ("http://api.test", "http://v1.api.test/", False),
    ("all://api.test:8080", "https://api.test:8080/", True),
    ("", "http://api.test/", False),
]


@pytest.mark.parametrize(("no_proxy", "url", "direct"), EXEMPTIONS)
def test_exemptions(no_proxy: str, url: str, direct: bool) -> None:
    assert proxied_by_environment(url, {"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}) is not direct


@pytest.mark.parametrize(("no_proxy", "url", "direct"), EXEMPTIONS)
def test_exemptions_are_those_of_httpx(no_proxy: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with httpx.Client() as client:
        assert (client._transport_for_url(httpx.URL(url)) is client._transport) is direct


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        # httpx knows a port only where it is not the scheme's own.
        ("api.test:443", "https://api.test/", True),
        ("api.test:443", "http://api.test/", False),
        # A star for a label, networks and brackets: from httpx2 on.
        ("*.api.test", "http://v1.api.test/", True),
        ("*.api.test", "http://api.test/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8", "http://api.test/", False),
        ("fe80::/10", "http://[fe80::1]/", True),
        ("[2001:db8::1]", "http://[2001:db8::1]/", True),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080/", True),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]/", False),
        # What nobody can read exempts nothing.
        ("api.test:port", "http://api.test/", False),
        ("api.test:", "http://api.test/", True),
    ],
)
def test_exemptions_httpx_reads_otherwise(no_proxy: str, url: str, direct: bool) -> None:
    assert proxied_by_environment(url, {"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}) is not direct


def test_a_target_or_a_url_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"HTTP_PROXY": PROXY}
    assert proxied_by_environment(Target.of("http://api.test/"), environ)
    assert proxied_by_environment(httpx.URL("http://api.test/"), environ)
    with pytest.raises(ValueError, match="url"):
        proxied_by_environment("api.test", environ)
    monkeypatch.setenv("http_proxy", PROXY)
    assert proxied_by_environment("http://api.test/")


@pytest.mark.parametrize("host", ["localhost", "api.localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_loopback_is_never_proxied(host: str) -> None:
    environ = {"ALL_PROXY": "http://proxy.test:3128"}
    assert not proxied_by_environment(f"http://{host}:8000/", environ)
    assert proxied_by_environment("http://localhost.test/", environ)


DEFAULT = "https://default.test"


@pytest.mark.parametrize(
    ("argument", "environ", "default", "url"),
    [
        ("https://argument.test", {"ACME_URL": "https://environ.test"}, DEFAULT, "https://argument.test/"),
        (httpx.URL("https://argument.test"), {}, None, "https://argument.test/"),
        (None, {"ACME_URL": "https://environ.test/v1"}, DEFAULT, "https://environ.test/v1/"),
        (None, {"ACME_URL": " https://environ.test\n"}, None, "https://environ.test/"),
        (None, {"ACME_URL": ""}, DEFAULT, "https://default.test/"),
        (None, {"ACME_URL": " "}, DEFAULT, "https://default.test/"),
        (None, {"OTHER_URL": "https://other.test"}, DEFAULT, "https://default.test/"),
    ],
)
def test_where_the_base_url_comes_from(argument: Any, environ: Mapping[str, str], default: Any, url: str) -> None:
    assert str(base_url_of(argument, "ACME_URL", default, environ).url) == url


@pytest.mark.parametrize(
    ("argument", "variable", "default", "error", "message"),
    [
        (None, None, None, TypeError, "base_url is missing: give it as an argument$"),
        (None, "UNSET", None, TypeError, "base_url is missing: .* or set the environment variable UNSET$"),
        ("", "ACME_URL", DEFAULT, ValueError, "base_url must be an absolute http:// or https:// URL$"),
        (1, "ACME_URL", DEFAULT, TypeError, "base_url must be a str or httpx.URL"),
        (
            None,
            "RELATIVE",
            DEFAULT,
            ValueError,
            r"base_url must be .* \(it is from the environment variable RELATIVE\)",
        ),
        (None, "SECRET", None, ValueError, r"base_url must not hold a user name .* the environment variable SECRET\)"),
        (None, None, "default", ValueError, "base_url must be an absolute"),
    ],
)
def test_where_none_comes_from(
    argument: Any, variable: str | None, default: Any, error: type[Exception], message: str
) -> None:
    environ = {"ACME_URL": "https://environ.test", "RELATIVE": "/v1", "SECRET": "https://me:s3cret@environ.test"}
    with pytest.raises(error, match=message) as caught:
        base_url_of(argument, variable, default, environ)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ("", {}),
        (" \n\r\n\t", {}),
        ("X-A: 1", {"X-A": "1"}),
        ("X-A:1\nX-B :  2 \n\n  x-c: 3:4\r\n", {"X-A": "1", "X-B": "2", "x-c": "3:4"}),
        ("X-A:", {"X-A": ""}),
        ("X-A: 1\nX-A: 2", {"X-A": "2"}),
        ("X-A: caf\u00e9", {"X-A": "caf\u00e9"}),
    ],
)
def test_headers(value: str, headers: dict[str, str]) -> None:
    assert headers_in("ACME_HEADERS", {"ACME_HEADERS": value}) == headers
    assert headers_in("OTHER_HEADERS", {"ACME_HEADERS": value}) == {}
    assert headers_in(None, {"ACME_HEADERS": value}) == {}


@pytest.mark.parametrize(
    "line",
    [
        "s3cret",
        "Bearer s3cret: x",
        ": s3cret",
        "X-A\x0bs3cret: 1",
        "X-A: s3cret\x00",
        "X-A: s3cret\rX-B: 2",
        "X-A: s3cret\u20ac",
        "X-A: s3cret\udcff",
        "Content-Length: 3",
    ],
)
def test_a_line_that_is_no_header_is_named_and_not_shown(line: str) -> None:
    with pytest.raises(
        ValueError, match=r"environment variable ACME_HEADERS must hold .* line 3 is no header"
    ) as caught:
        headers_in("ACME_HEADERS", {"ACME_HEADERS": f"X-Good: 1\n\n{line}\nX-Too: 2"})
    assert "s3cret" not in str(caught.value)
    # Nor is it in the traceback, by way of what was being handled.
    assert caught.value.__context__ is None


class Acme(BaseClient):
    default_base_url: ClassVar[str | None] = DEFAULT
    base_url_variable: ClassVar[str | None] = "ACME_URL"
    custom_headers_variable: ClassVar[str | None] = "ACME_HEADERS"


class AsyncAcme(Acme, AsyncAPIClient):
    pass


class BlockingAcme(Acme, SyncAPIClient):
    pass


def headers_of(client: BaseClient) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in client._prepare("GET", "/x").headers}


def test_a_client_without_any_of_it_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_URL", raising=False)
    monkeypatch.delenv("ACME_HEADERS", raising=False)
    client = Acme()
    assert str(client.base_url) == "https://default.test/"
    assert dict(client.custom_headers) == {}


def test_it_is_read_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_URL", "https://environ.test")
    monkeypatch.setenv("ACME_HEADERS", "X-A: environ\nX-B: environ")
    client = Acme(custom_headers={"x-b": "argument", "X-C": "argument"})
    monkeypatch.setenv("ACME_URL", "https://later.test")
    monkeypatch.setenv("ACME_HEADERS", "X-A: later")
    assert str(client.with_options(max_retries=0).base_url) == "https://environ.test/"
    headers = headers_of(client)
    assert (headers["X-A"], headers["x-b"], headers["X-C"]) == ("environ", "argument", "argument")
    assert "X-B" not in headers


def test_the_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_URL", "no URL")
    monkeypatch.setenv("ACME_HEADERS", "X-A: environ\nUser-Agent: environ")
    client = Acme(base_url="https://argument.test", custom_headers={"x-a": omit})
    assert str(client.base_url) == "https://argument.test/"
    headers = headers_of(client)
    assert headers["User-Agent"] == "environ"
    assert "X-A" not in headers
    assert client.with_options(set_custom_headers={}).custom_headers == {}


def test_credentials_among_them_stay_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_HEADERS", "Authorization: s3cret\nX-Api-Key: s3cret\nX-Team: 7")
    client = Acme()
    assert "s3cret" not in repr(client)
    call = client._prepare("GET", "https://other.test/x")
    assert [value for name, value in call.headers if name == b"X-Team"] == [b"7"]
    assert b"s3cret" not in [value for _, value in call.headers]
    assert "s3cret" not in repr(client._prepare("GET", "/x").record())


@pytest.mark.parametrize("bad", [{"ACME_URL": "environ"}, {"ACME_HEADERS": "environ"}])
@pytest.mark.parametrize("kind", [Acme, AsyncAcme, BlockingAcme])
def test_a_bad_one_is_refused_when_the_client_is_made(
    kind: type[Acme], bad: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"environment variable {next(iter(bad))}"):
        kind()


async def test_the_async_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_HEADERS", "X-A: environ")
    transport = ScriptedTransport(reply(json=1))
    async with AsyncAcme(transport=transport) as client:
        await client.get("/x")
    assert transport.requests[0].url == "https://default.test/x"
    assert transport.requests[0].header("x-a") == "environ"


def test_the_blocking_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_URL", "https://environ.test")
    monkeypatch.setenv("ACME_HEADERS", "X-A: environ")
    transport = ScriptedTransport(reply(json=1))
    with BlockingAcme(transport=transport) as client:
        client.get("/x")
    assert transport.requests[0].url == "https://environ.test/x"
    assert transport.requests[0].header("x-a") == "environ"


def test_a_client_that_works_for_the_blocking_one_gets_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker(AsyncAPIClient):
        pass

    class Face(BlockingAcme):
        def make_async_client(self, **arguments: Any) -> AsyncAPIClient:
            return Worker(**arguments)

    monkeypatch.setenv("ACME_URL", "https://environ.test")
    monkeypatch.setenv("ACME_HEADERS", "X-A: environ")
    transport = ScriptedTransport(reply(json=1))
    with Face(transport=transport, custom_headers={"X-B": "argument"}) as client:
        client.get("/x")
    assert transport.requests[0].url == "https://environ.test/x"
    assert (transport.requests[0].header("x-a"), transport.requests[0].header("x-b")) == ("environ", "argument")
