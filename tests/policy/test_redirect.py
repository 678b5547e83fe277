"""Every redirect status with every method, and every Location that is refused."""

from __future__ import annotations

import pytest

from trioclient._codec.url import Origin, Target
from trioclient._policy.redirect import BODY_HEADERS, Follow, Refuse, plan_redirect

HERE = Target(Origin("https", "api.example.com", 443), "/v1/items?page=2")
THERE = Target(Origin("https", "api.example.com", 443), "/v2")


def plan(
    method: str = "GET",
    status: int = 302,
    location: bytes | None = b"/v2",
    *,
    target: Target = HERE,
    has_body: bool = False,
    body_replayable: bool = True,
) -> Follow | Refuse | None:
    return plan_redirect(method, status, target, location, has_body=has_body, body_replayable=body_replayable)


@pytest.mark.parametrize(
    ("status", "method", "new_method", "drop_body"),
    [
        (301, "GET", "GET", False),
        (301, "HEAD", "HEAD", False),
        (301, "POST", "GET", True),
        (301, "PUT", "PUT", False),
        (301, "PATCH", "PATCH", False),
        (301, "DELETE", "DELETE", False),
        (302, "GET", "GET", False),
        (302, "HEAD", "HEAD", False),
        (302, "POST", "GET", True),
        (302, "PUT", "PUT", False),
        (302, "PATCH", "PATCH", False),
        (302, "DELETE", "DELETE", False),
        (303, "GET", "GET", True),
        (303, "HEAD", "HEAD", True),
        (303, "POST", "GET", True),
        (303, "PUT", "GET", True),
        (303, "PATCH", "GET", True),
        (303, "DELETE", "GET", True),
        (307, "GET", "GET", False),
        (307, "HEAD", "HEAD", False),
        (307, "POST", "POST", False),
        (307, "PUT", "PUT", False),
        (307, "DELETE", "DELETE", False),
        (308, "GET", "GET", False),
        (308, "HEAD", "HEAD", False),
        (308, "POST", "POST", False),
        (308, "PATCH", "PATCH", False),
    ],
)
def test_methods_and_bodies(status: int, method: str, new_method: str, drop_body: bool) -> None:
    assert plan(method, status, has_body=True) == Follow(new_method, THERE, drop_body, same_origin=True)


@pytest.mark.parametrize("status", [200, 201, 204, 300, 304, 305, 306, 309, 399, 400, 404, 500])
def test_what_is_no_redirect(status: int) -> None:
    assert plan("GET", status) is None
    assert plan("GET", status, None) is None


@pytest.mark.parametrize(
    ("status", "method", "followed"),
    [
        (301, "POST", True),
        (302, "POST", True),
        (303, "POST", True),
        (303, "PUT", True),
        (301, "PUT", False),
        (302, "PATCH", False),
        (307, "POST", False),
        (308, "PUT", False),
    ],
)
def test_a_one_shot_body_is_left_behind_or_refused(status: int, method: str, followed: bool) -> None:
    result = plan(method, status, has_body=True, body_replayable=False)
    if followed:
        assert isinstance(result, Follow)
    else:
        assert result == Refuse(f"the redirect ({status}) wants the body again, and it can be sent only once")


def test_no_body_needs_no_replay() -> None:
    assert isinstance(plan("DELETE", 307, has_body=False, body_replayable=False), Follow)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/v2", THERE),
        (b"/v2#part", THERE),
        (b"  /v2 ", THERE),
        (b"other?x=1", Target(Origin("https", "api.example.com", 443), "/v1/other?x=1")),
        (b"?page=3", Target(Origin("https", "api.example.com", 443), "/v1/items?page=3")),
        (b"../v2", THERE),
        (b"//cdn.example.com/a", Target(Origin("https", "cdn.example.com", 443), "/a")),
        (b"https://API.example.com:443/v2", THERE),
        (b"https://api.example.com:8443/v2", Target(Origin("https", "api.example.com", 8443), "/v2")),
        (b"https://other.example/", Target(Origin("https", "other.example", 443), "/")),
    ],
)
def test_where_it_leads(location: bytes, target: Target) -> None:
    assert plan(location=location) == Follow("GET", target, False, same_origin=target.origin == HERE.origin)


@pytest.mark.parametrize(
    ("start", "location", "same_origin"),
    [
        ("https://a.example/", b"https://a.example/x", True),
        ("https://a.example/", b"https://b.example/x", False),
        ("https://a.example/", b"https://sub.a.example/x", False),
        ("https://a.example/", b"https://a.example:444/x", False),
        ("http://a.example/", b"http://a.example:80/x", True),
        ("http://a.example/", b"https://a.example/x", False),
        ("http://a.example:8000/", b"http://a.example/x", False),
    ],
)
def test_origins(start: str, location: bytes, same_origin: bool) -> None:
    result = plan(location=location, target=Target.of(start))
    assert isinstance(result, Follow)
    assert result.same_origin is same_origin


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [b"http://api.example.com/v2", b"http://other.example/", b"HTTP://x.example"])
def test_https_never_becomes_http(status: int, location: bytes) -> None:
    assert plan("GET", status, location) == Refuse("the redirect leads from https to http")


@pytest.mark.parametrize("location", [None, b"", b"  \t"])
def test_nowhere_to_go(location: bytes | None) -> None:
    assert plan("GET", 301, location) == Refuse("the answer (301) has no Location to go to")


@pytest.mark.parametrize(
    "location",
    [
        b"ftp://files.example/a",
        b"file:///etc/passwd",
        b"javascript:alert(1)",
        b"data:text/plain,x",
        b"https://[::1",
        b"https://a.example:99999/",
        b"https://a.example:port/",
        b"https://user:hunter2@a.example/",
        b"https://a b.example/",
        b"/x\r\nset-cookie: a=b",
        b"/x\x00y",
        b"/\\evil.example",
    ],
)
def test_a_location_that_cannot_be_followed(location: bytes) -> None:
    result = plan(location=location)
    assert isinstance(result, Refuse)
    assert "Location" in result.reason
    assert "hunter2" not in result.reason


def test_headers_that_go_with_the_body() -> None:
    assert all(name == name.lower() for name in BODY_HEADERS)
    assert b"content-type" in BODY_HEADERS
    assert b"authorization" not in BODY_HEADERS
