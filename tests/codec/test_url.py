from __future__ import annotations

import datetime
import enum
import pickle
import uuid
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.url import BaseURL, Target, join_redirect, path_template

BASE = "https://api.example.com/v1"


class Kind(enum.Enum):
    SMALL = "s m"


# Target


@pytest.mark.parametrize(
    ("url", "target", "host_header"),
    [
        ("http://h", ("http", "h", 80, "/"), "h"),
        ("https://h", ("https", "h", 443, "/"), "h"),
        ("HTTPS://EXAMPLE.com:443/A", ("https", "example.com", 443, "/A"), "example.com"),
        ("https://h:8443/a?b=c#d", ("https", "h", 8443, "/a?b=c"), "h:8443"),
        ("http://h:443/", ("http", "h", 443, "/"), "h:443"),
        ("http://h:/", ("http", "h", 80, "/"), "h"),
        ("http://[::1]/", ("http", "::1", 80, "/"), "[::1]"),
        ("http://[0:0:0:0:0:0:0:1]:8080/", ("http", "::1", 8080, "/"), "[::1]:8080"),
        ("http://[2001:DB8:0::1]/", ("http", "2001:db8::1", 80, "/"), "[2001:db8::1]"),
        ("http://127.0.0.1:5/", ("http", "127.0.0.1", 5, "/"), "127.0.0.1:5"),
        ("https://bücher.example/ü?x=ü y", ("https", "xn--bcher-kva.example", 443, "/%C3%BC?x=%C3%BC%20y"), None),
        ("http://my_host.local./", ("http", "my_host.local.", 80, "/"), "my_host.local."),
        ("http://h/a%2Fb//c", ("http", "h", 80, "/a%2Fb//c"), "h"),
        ("http://h?q=1", ("http", "h", 80, "/?q=1"), "h"),
        ("http://h:1", ("http", "h", 1, "/"), "h:1"),
        ("http://h:65535", ("http", "h", 65535, "/"), "h:65535"),
    ],
)
def test_absolute_urls(url: str, target: tuple[str, str, int, str], host_header: str | None) -> None:
    found = Target.of(url)
    assert (*found.origin, found.path) == target
    if host_header is not None:
        assert found.origin.authority == host_header
    assert found.origin == target[:3]
    assert Target.of(str(found)) == found
    assert Target.of(httpx.URL(url)) == found


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "absolute"),
        ("/a", "absolute"),
        ("h", "absolute"),
        ("//h/a", "absolute"),
        ("http:", "absolute"),
        ("http://", "absolute"),
        ("http:///a", "absolute"),
        ("ftp://h/", "absolute"),
        ("javascript:alert(1)", "absolute"),
        (" http://h/", "absolute"),
        ("http://h:0/", "port"),
        ("http://h:65536/", "port|valid"),
        ("http://h:x/", "valid"),
        ("http://[::1", "valid"),
        ("http://[::1%25eth0]/", "zone"),
        ("http://256.1.1.1/", "valid"),
        ("http://a b/", "host name"),
        ("http://a%2fb/", "host name"),
        ("http://h\\@evil/", "backslash"),
        ("http://h/\n", "control"),
        ("http://h/\ud800", "valid"),
    ],
)
def test_refused_urls(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^here .*({reason})"):
        Target.of(url, "here")


@pytest.mark.parametrize(
    "url", ["https://user:s3cret@h/", "https://s3cret@h/", "https://user:s3cret@/", "https://s3cret@h:x"]
)
def test_credentials_in_a_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        Target.of(url)
    assert "s3cret" not in str(caught.value)


def test_where_credentials_belong() -> None:
    with pytest.raises(ValueError) as caught:
        Target.of("https://user:s3cret@h/")
    assert str(caught.value) == (
        "url must not hold a user name or password, which would end up in logs:"
        " send them with custom_headers or auth_headers"
    )


@pytest.mark.parametrize(("url", "kind"), [(None, "NoneType"), (5, "int"), (b"http://h/", "bytes")])
def test_urls_of_another_type(url: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=rf"^base_url must be a str or httpx\.URL, not {kind}$"):
        BaseURL(url)


def test_repr_keeps_query_secrets() -> None:
    assert repr(Target.of("https://h/a?token=s3cret")) == "Target('https://h/a?token=[redacted]')"
    assert repr(BaseURL("https://h/a?key=s3cret")) == "BaseURL('https://h/a/?key=[redacted]')"


def test_a_target_pickles() -> None:
    target = Target.of("https://h/a?b=c")
    assert pickle.loads(pickle.dumps(target)) == target


# BaseURL


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://h", "https://h/"),
        ("https://h/v1", "https://h/v1/"),
        ("https://h/v1/", "https://h/v1/"),
        ("https://h/v1?a=b#c", "https://h/v1/?a=b"),
        ("https://h:443/a/../v1", "https://h/v1/"),
        ("http://[::1]:8080/ü", "http://[::1]:8080/%C3%BC/"),
    ],
)
def test_the_base_ends_with_a_slash(base: str, url: str) -> None:
    assert str(BaseURL(base).url) == url
    assert str(BaseURL(httpx.URL(base)).url) == url


def test_a_bad_base_is_named() -> None:
    with pytest.raises(ValueError, match=r"^base_url must be an absolute"):
        BaseURL("example.com/v1")


@pytest.mark.parametrize(
    ("path", "joined"),
    [
        ("", "/v1/"),
        ("/", "/v1/"),
        ("messages", "/v1/messages"),
        ("/messages", "/v1/messages"),
        ("/messages/", "/v1/messages/"),
        ("/a/b.json", "/v1/a/b.json"),
        ("/.well-known/x", "/v1/.well-known/x"),
        ("/a/...", "/v1/a/..."),
        ("/a..b", "/v1/a..b"),
        ("models/x:generate", "/v1/models/x:generate"),
        ("a//b", "/v1/a//b"),
        ("a b", "/v1/a%20b"),
        ("ü/☃", "/v1/%C3%BC/%E2%98%83"),
        ("a%2Fb%20c", "/v1/a%2Fb%20c"),
        ("100%", "/v1/100%25"),
        ("a%zz", "/v1/a%25zz"),
        ("a[0]{x}\"'<>", "/v1/a%5B0%5D%7Bx%7D%22'%3C%3E"),
        ("a;v=1,2", "/v1/a;v=1,2"),
        ("a?b=c d&e=%20", "/v1/a?b=c%20d&e=%20"),
        ("?b=c", "/v1/?b=c"),
        ("a?", "/v1/a"),
        ("a?u=/../x?y", "/v1/a?u=/../x?y"),
        ("http:/evil.example", "/v1/http:/evil.example"),
        ("x/https://evil.example/", "/v1/x/https://evil.example/"),
        ("user@evil.example", "/v1/user@evil.example"),
        (":80", "/v1/:80"),
    ],
)
def test_relative_paths(path: str, joined: str) -> None:
    assert BaseURL(BASE).join(path) == (("https", "api.example.com", 443), joined)


@pytest.mark.parametrize(
    ("base", "path", "query", "joined"),
    [
        ("https://h/v1", "a", "q=1", "/v1/a?q=1"),
        ("https://h/v1", "a?b=2", "q=1", "/v1/a?b=2&q=1"),
        ("https://h/v1?z=0", "a", "", "/v1/a?z=0"),
        ("https://h/v1?z=0", "a?b=2", "q=1", "/v1/a?z=0&b=2&q=1"),
        ("https://h/v1?z=0", "https://h/a?b=2", "q=1", "/a?b=2&q=1"),
        ("https://h/v1", "https://h/a", "q=1", "/a?q=1"),
    ],
)
def test_queries_are_merged(base: str, path: str, query: str, joined: str) -> None:
    assert BaseURL(base).join(path).with_query(query).path == joined


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("https://other.example/a", "https://other.example/a"),
        ("HTTP://other.example:81", "http://other.example:81/"),
        ("https://other.example/a?b=c#d", "https://other.example/a?b=c"),
    ],
)
def test_absolute_urls_are_taken_as_they_are(path: str, url: str) -> None:
    assert str(BaseURL(BASE).join(path)) == url


DOT_SEGMENTS = ["..", ".", "../x", "/../x", "a/..", "a/../b", "a/./b", "/.", "a/.", "..?x"]
ENCODED_DOT_SEGMENTS = ["%2e", "%2E%2e/x", ".%2e", "a/%2E./b", "a%2f..%2fb", "..%2Fx", "a%5c..%5cb", "%2e%2e%2fx"]
UNSAFE = ["a\\b", "\\\\evil\\x", "a\r\nb", "a\nb", "a\0", "\tx", "a\x7f", "a?b\nc", "\ud800", "a?\ud800"]
AMBIGUOUS = ["a#b", "#", "//evil.example/x", "//"]
BAD_URLS = ["ftp://h/", "file:///etc/passwd", "https://", "https://user:pw@h/", "https://h/\n"]


@pytest.mark.parametrize("path", [*DOT_SEGMENTS, *ENCODED_DOT_SEGMENTS, *UNSAFE, *AMBIGUOUS, *BAD_URLS])
def test_refused_paths(path: str) -> None:
    with pytest.raises(ValueError, match=r"^path "):
        BaseURL(BASE).join(path)


def test_a_path_that_has_no_utf_8() -> None:
    with pytest.raises(ValueError, match=r"^path holds a lone surrogate, which has no UTF-8 form$"):
        BaseURL(BASE).join("\ud800")


@pytest.mark.parametrize(("path", "kind"), [(None, "NoneType"), (b"a", "bytes"), (5, "int")])
def test_paths_of_another_type(path: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"^path must be a str, not {kind}$"):
        BaseURL(BASE).join(path)


def test_the_targets_of_a_few_paths_are_kept() -> None:
    base = BaseURL(BASE)
    paths = [f"items/{number}" for number in range(256)]
    targets = [base.join(path) for path in paths]
    assert all(base.join(path) is target for path, target in zip(paths, targets, strict=True))
    assert base.join("items/256").path == "/v1/items/256"
    assert base.join(paths[0]) == targets[0]
    assert base.join(paths[0]) is not targets[0], "they were too many"


@pytest.mark.parametrize(("length", "kept"), [(256, True), (257, False)])
def test_the_target_of_a_long_path_is_not_kept(length: int, kept: bool) -> None:
    base, path = BaseURL(BASE), "x" * length
    assert (base.join(path) is base.join(path)) == kept


_AWKWARD = st.sampled_from(
    [*"/.?#%:@\\&=; aé", "..", "//", "%2e", "%2F", "%2f..", "%5c", "http://", "evil.example", "\t"]
)


def _resolved(path: str) -> list[str]:
    """The segments a careless server would see: decoded first, dot segments taken out after."""
    segments: list[str] = []
    for segment in unquote(path).replace("\\", "/").split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment != ".":
            segments.append(segment)
    return segments


@given(st.lists(_AWKWARD, max_size=10).map("".join) | st.text(max_size=20))
def test_a_relative_path_stays_under_its_base(path: str) -> None:
    try:
        target = BaseURL(BASE).join(path)
    except ValueError:
        return
    if path.startswith("http://"):
        return
    assert target.origin == ("https", "api.example.com", 443)
    assert target.path.startswith("/v1/")
    assert target.path.isascii()
    assert target.path.isprintable()
    assert not set(target.path) & set(" #\\")
    parsed = urlsplit(str(target))
    assert parsed.netloc == "api.example.com"
    assert _resolved(parsed.path)[:2] == ["", "v1"]
    assert BaseURL(BASE).join(target.path.removeprefix("/v1")) == target


# Redirects


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://other.example/x", "https://other.example/x"),
        ("http://api.example.com/x#frag", "http://api.example.com/x"),
        ("//other.example/x", "https://other.example/x"),
        ("/x?y=z", "https://api.example.com:8443/x?y=z"),
        ("c", "https://api.example.com:8443/a/c"),
        ("../c", "https://api.example.com:8443/c"),
        ("../../../c", "https://api.example.com:8443/c"),
        ("./", "https://api.example.com:8443/a/"),
        ("?r=1", "https://api.example.com:8443/a/b?r=1"),
        ("#x", "https://api.example.com:8443/a/b?q=1"),
        ("", "https://api.example.com:8443/a/b?q=1"),
        (" /x\t", "https://api.example.com:8443/x"),
        ("/a b", "https://api.example.com:8443/a%20b"),
        ("/ü", "https://api.example.com:8443/%C3%BC"),
        ("/a%2Fb", "https://api.example.com:8443/a%2Fb"),
        ("/x\xa0", "https://api.example.com:8443/x%C2%A0"),
        ("/X", "https://api.example.com:8443/X"),
        ("HTTPS://OTHER.example", "https://other.example/"),
    ],
)
def test_redirects(location: str, url: str) -> None:
    target = Target.of("https://api.example.com:8443/a/b?q=1")
    assert str(join_redirect(target, location)) == url
    assert str(join_redirect(target, location.encode())) == url


def test_a_location_that_is_not_utf_8_is_latin_1() -> None:
    assert join_redirect(Target.of("http://h/"), b"/\xe9").path == "/%C3%A9"


def test_redirects_from_ipv6() -> None:
    assert join_redirect(Target.of("http://[::1]:8080/a"), b"/b") == (("http", "::1", 8080), "/b")


OTHER_SCHEMES = ["ftp://h/", "javascript:alert(1)", "data:,x", "file:///x"]
BAD_LOCATIONS = ["http://", "http:///x", "http://[", "https://u:s3cret@h/", "http://h:x/", "http://a b/"]
UNSAFE_LOCATIONS = ["/a\r\nb", "/a\0", "\\\\evil\\x", "/\\evil.example"]


@pytest.mark.parametrize("location", [*OTHER_SCHEMES, *BAD_LOCATIONS, *UNSAFE_LOCATIONS])
def test_refused_redirects(location: str) -> None:
    with pytest.raises(ValueError, match=r"^the Location header ") as caught:
        join_redirect(Target.of("https://h/a"), location.encode())
    assert "s3cret" not in str(caught.value)


# Templates


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("abc", "abc"),
        ("a/b", "a%2Fb"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("%2F", "%252F"),
        ("ü", "%C3%BC"),
        ("...", "..."),
        ("a..b", "a..b"),
        (".a", ".a"),
        ("a\\b", "a%5Cb"),
        ("{x}", "%7Bx%7D"),
        (5, "5"),
        (True, "true"),
        (1.5, "1.5"),
        (Kind.SMALL, "s%20m"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_template_values(value: object, segment: str) -> None:
    assert path_template("/a/{id}/b", id=value) == f"/a/{segment}/b"
    assert BaseURL(BASE).join(path_template("/a/{id}/b", id=value)).path == f"/v1/a/{segment}/b"


def test_templates() -> None:
    assert path_template("/plain") == "/plain"
    assert path_template("/{a}/{b}/{a}.json?q={b}", a=1, b="x&y") == "/1/x%26y/1.json?q=x%26y"
    assert path_template("/{a}/{b}", a=1, b=2) == "/1/2"
    assert path_template("/{template}", template="x") == "/x"


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        ".%2e",
        "../x",
        "a/..",
        "a/../b",
        "a\\..\\b",
        "a%2f..%2fb",
        "a\nb",
        "a\0",
        "\r",
        "\ud800",
    ],
)
def test_refused_template_values(value: str) -> None:
    with pytest.raises(ValueError, match=r"^path value 'id' "):
        path_template("/a/{id}/b", id=value)


@pytest.mark.parametrize("value", [None, b"x", ["a"], {}, object()])
def test_template_values_of_another_type(value: object) -> None:
    with pytest.raises(TypeError, match=r"^path value 'id' "):
        path_template("/a/{id}", id=value)


@pytest.mark.parametrize(
    ("template", "values", "reason"),
    [
        ("/{a}/{b}", {"a": 1}, "no value for 'b'$"),
        ("/{a}/{b}/{c}", {"b": 1}, "no value for 'a', 'c'$"),
        ("/{a}", {"a": 1, "b": 2}, "the template has no 'b'$"),
        ("/{b}", {"c": 1, "b": 2, "a": 3}, "the template has no 'a', 'c'$"),
        ("/{}", {}, "braces"),
        ("/{0}", {}, "braces"),
        ("/{a!r}", {"a": 1}, "braces"),
        ("/{a", {"a": 1}, "braces"),
        ("/{{a}}", {"a": 1}, "braces"),
    ],
)
def test_refused_templates(template: str, values: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        path_template(template, **values)


@given(st.lists(_AWKWARD, max_size=8).map("".join) | st.text(max_size=20))
def test_a_template_value_stays_in_its_segment(value: str) -> None:
    try:
        path = path_template("/a/{id}/b", id=value)
    except ValueError:
        return
    segments = path.split("/")
    assert len(segments) == 4
    assert unquote(segments[2]) == value
    assert not set(path) & set("?#\\ ")
    assert BaseURL(BASE).join(path).path == f"/v1{path}"


@pytest.mark.parametrize("host", ["a..b", ".a", "x" * 64, f"a.{'x' * 64}.test", "a.test.."])
def test_labels_no_resolver_takes_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="must have a host name"):
        Target.of(f"http://{host}/")


@pytest.mark.parametrize("host", ["x" * 63, "a.test.", "_srv.a-b.test"])
def test_labels_at_their_bounds(host: str) -> None:
    assert Target.of(f"http://{host}/").origin.host == host
