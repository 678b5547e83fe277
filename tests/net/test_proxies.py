"""Proxies named by the environment."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from trioclient._net.proxies import mount_patterns, no_proxy_entries, proxies_in


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "http://p"}, {"http": "http://p"}),
        ({"http_proxy": "http://p"}, {"http": "http://p"}),
        ({"http_proxy": "http://lower", "HTTP_PROXY": "http://upper"}, {"http": "http://lower"}),
        ({"http_proxy": "", "HTTP_PROXY": "http://upper"}, {}),
        ({"HTTPS_PROXY": " p:1 ", "ALL_PROXY": "socks5://q"}, {"https": "p:1", "all": "socks5://q"}),
        ({"NO_PROXY": "a,b", "FTP_PROXY": "http://p", "PROXY": "x"}, {"no": "a,b"}),
        ({"HTTP_PROXY": "http://evil", "REQUEST_METHOD": "GET"}, {}),
        ({"http_proxy": "http://p", "REQUEST_METHOD": "GET"}, {"http": "http://p"}),
        ({"HTTPS_PROXY": "http://p", "REQUEST_METHOD": "GET"}, {"https": "http://p"}),
    ],
)
def test_what_the_environment_says(environ: Mapping[str, str], expected: Mapping[str, str]) -> None:
    assert proxies_in(environ) == expected


def test_no_proxy_entries() -> None:
    assert no_proxy_entries({"no": " a, ,b ,"}) == ["a", "b"]
    assert no_proxy_entries({}) == []


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        ({}, {}),
        ({"http": "p:8080", "https": "https://p"}, {"http://": "http://p:8080", "https://": "https://p"}),
        ({"all": "http://p", "no": "*"}, {}),
        (
            {"all": "http://p", "no": "a.test,.b.test,*.c.test,localhost,10.0.0.1,::1,[::2],d.test:8080,http://e.test"},
            {
                "all://": "http://p",
                "all://*a.test": None,
                "all://*.b.test": None,
                "all://*.c.test": None,
                "all://localhost": None,
                "all://10.0.0.1": None,
                "all://[::1]": None,
                "all://[::2]": None,
                "all://*d.test:8080": None,
                "http://e.test": None,
            },
        ),
        ({"all": "http://p", "no": "a.test:port,fe80::/10,a.test"}, {"all://": "http://p", "all://*a.test": None}),
    ],
)
def test_mount_patterns(proxies: Mapping[str, str], expected: Mapping[str, str | None]) -> None:
    assert mount_patterns(proxies) == expected


def test_mount_patterns_are_those_of_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {
        "HTTPS_PROXY": "http://p:1",
        "ALL_PROXY": "p:2",
        "NO_PROXY": "a.test, .b.test,10.0.0.1,::1,localhost,c.test:8080,http://d.test",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with httpx.Client() as client:
        theirs = {pattern.pattern: transport is not None for pattern, transport in client._mounts.items()}
    ours = {pattern: url is not None for pattern, url in mount_patterns(proxies_in(environ)).items()}
    assert ours == theirs
