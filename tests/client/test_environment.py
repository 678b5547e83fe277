"""Does the environment name a proxy for a URL?"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from trioclient._client.environment import proxied_by_environment
from trioclient._codec.url import Target

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
