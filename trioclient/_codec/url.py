"""Where a request goes: base URL, paths joined under it, redirects (RFC 3986).

A relative path can never leave its base: not the origin, not the base path. Dot segments are
refused rather than resolved, encoded ones too, because servers decode before they resolve.
httpx parses absolute URLs; joining, which every request does, is string work.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import quote, urljoin

import httpx

from .query import scalar_text
from .redact import redact_url

__all__ = ["BaseURL", "Origin", "Target", "join_redirect", "path_template"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
# RFC 1035 section 2.3.4: labels of 1 to 63 characters; a dot at the end says that it is whole.
_HOST_NAME: Final = re.compile(r"[a-z0-9_\-]{1,63}(?:\.[a-z0-9_\-]{1,63})*\.?")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\]")

# Needs neither encoding nor a closer look: single dots and slashes between other characters.
_PLAIN_PATH: Final = re.compile(r"/?[A-Za-z0-9_~:@,=+\-]+(?:[/.][A-Za-z0-9_~:@,=+\-]+)*/?")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~"
_QUERY_SAFE: Final = _PATH_SAFE + "?"
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_DOT: Final = re.compile(r"%2e", re.IGNORECASE)
_ENCODED_SLASH: Final = re.compile(r"%2f|%5c|\\", re.IGNORECASE)
_DOT_SEGMENT: Final = re.compile(r"(?:^|/)\.\.?(?:/|$)")

_MOST_TARGETS: Final = 256
_MOST_OF_A_KEPT_PATH: Final = 256

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Origin(NamedTuple):
    """What connections and credentials belong to (RFC 6454)."""

    scheme: str
    """``"http"`` or ``"https"``."""
    host: str
    """Lower-case ASCII, an international name in its IDNA form, IPv6 without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """The Host header's value; the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Target(NamedTuple):
    """Where one request goes, in the forms the wire wants."""

    origin: Origin
    path: str
    """Path and query as the request line has them, never empty."""

    @classmethod
    def of(cls, url: str | httpx.URL, argument: str = "url") -> Target:
        """Parse an absolute http(s) URL; its fragment is dropped.

        Raises TypeError or ValueError naming `argument`.
        """
        parsed = _parsed(url, argument)
        if parsed.scheme not in _DEFAULT_PORTS or not parsed.raw_host:
            raise ValueError(f"{argument} must be an absolute http:// or https:// URL")
        if parsed.userinfo:
            raise ValueError(
                f"{argument} must not hold a user name or password, which would end up in logs:"
                " send them with custom_headers or auth_headers"
            )
        port = _DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
        if not 0 < port < 65536:
            raise ValueError(f"{argument} must have a port between 1 and 65535")
        origin = Origin(parsed.scheme, _checked_host(parsed, argument), port)
        return cls(origin, parsed.raw_path.decode("ascii"))

    def with_query(self, query: str) -> Target:
        """The same, with more query, already encoded, behind what it has."""
        return Target(self.origin, _with_query(self.path, query))

    def __str__(self) -> str:
        return f"{self.origin.scheme}://{self.origin.authority}{self.path}"

    def __repr__(self) -> str:
        return f"Target({redact_url(str(self))!r})"


class BaseURL:
    """What relative paths are joined under. Its path always ends with a slash."""

    __slots__ = ("_prefix", "_query", "_targets", "origin", "url")

    url: httpx.URL
    """The base itself, with its trailing slash and its query if it has one."""

    def __init__(self, url: str | httpx.URL) -> None:
        """Raises TypeError or ValueError naming ``base_url``."""
        target = Target.of(url, "base_url")
        self.origin = target.origin
        path, _, self._query = target.path.partition("?")
        self._prefix = path if path.endswith("/") else f"{path}/"
        self.url = httpx.URL(str(Target(self.origin, self._prefix).with_query(self._query)))
        # Of the paths joined last: many calls of an API go to few.
        self._targets: dict[str, Target] = {}

    def join(self, path: str) -> Target:
        """The target of a path, with or without a leading slash, under this base.

        An absolute http(s) URL is taken as it is, whatever its origin. What `path` itself has after
        a ``?`` is kept, and so is the base's query for a relative one.
        Raises TypeError or ValueError naming ``path``.
        """
        if not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
            raise TypeError(f"path must be a str, not {type(path).__name__}")
        target = self._targets.get(path)
        if target is None:
            target = self._joined(path)
            if len(path) <= _MOST_OF_A_KEPT_PATH:
                if len(self._targets) >= _MOST_TARGETS:
                    self._targets.clear()
                self._targets[path] = target
        return target

    def _joined(self, path: str) -> Target:
        if _PLAIN_PATH.fullmatch(path):
            relative, own_query = path, ""
        elif _ABSOLUTE.match(path):
            return Target.of(path, "path")
        else:
            relative, own_query = _checked_relative(path)
        target = Target(self.origin, self._prefix + relative.removeprefix("/"))
        for query in (self._query, own_query):
            target = target.with_query(query)
        return target

    def __repr__(self) -> str:
        return f"BaseURL({redact_url(str(self.url))!r})"


def join_redirect(target: Target, location: bytes | str, name: str = "the Location header") -> Target:
    """Resolve a Location header, or the like, against the request it answered; fragments are dropped.

    Raises ValueError, which calls it `name`, where it is malformed or leads elsewhere than to http(s).
    """
    text = _decoded_location(location).strip(" \t")
    _refuse_unsafe(text, name)
    try:
        absolute = urljoin(str(target), text)
    except ValueError:
        raise ValueError(f"{name} is not a URL") from None
    return Target.of(absolute, name)


def path_template(template: str, /, **values: object) -> str:
    """Fill ``{name}`` places of a path, each value percent-encoded so as to stay in its segment.

        path_template("/files/{name}/versions/{number}", name="a/b c", number=3)
        # "/files/a%2Fb%20c/versions/3"

    Values are str, int, float, bool, UUID, date or Enum. Raises ValueError naming the value if
    it is empty or a dot segment (``.``, ``..``, encoded or between slashes too), and for a
    missing or surplus name; TypeError for any other kind of value.
    """
    parts = _template_parts(template)
    missing = [name for name in parts[1::2] if name not in values]
    if missing:
        raise ValueError(f"path_template: no value for {', '.join(map(repr, missing))}")
    if surplus := values.keys() - parts[1::2]:
        raise ValueError(f"path_template: the template has no {', '.join(map(repr, sorted(surplus)))}")
    return "".join(_filled(parts, values))


@functools.lru_cache(maxsize=512)
def _template_parts(template: str) -> tuple[str, ...]:
    """Literal text at even places, names at odd ones."""
    parts = tuple(_PLACEHOLDER.split(template))
    if any("{" in literal or "}" in literal for literal in parts[::2]):
        raise ValueError("path_template: braces may only enclose a name, as in {user_id}")
    return parts


def _filled(parts: tuple[str, ...], values: dict[str, object]) -> Iterator[str]:
    for index, part in enumerate(parts):
        yield _segment(part, values[part]) if index % 2 else part


def _segment(name: str, value: object) -> str:
    argument = f"path value {name!r}"
    text = scalar_text(value, (argument,))
    if not text:
        raise ValueError(f"{argument} must not be empty")
    _refuse_unsafe(text.replace("\\", "/"), argument)
    if _has_dot_segment(text):
        raise ValueError(f"{argument} must not be or hold a '.' or '..' segment")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{argument} holds a lone surrogate, which has no UTF-8 form") from None


def _checked_relative(path: str) -> tuple[str, str]:
    """Path and query, encoded where needed; what is encoded already stays."""
    _refuse_unsafe(path, "path")
    if "#" in path:
        # Dropping the rest would ask for another resource than the one named.
        raise ValueError("path must not hold '#': write %23, or use path_template")
    if path.startswith("//"):
        raise ValueError("path must not begin with '//', which names another host elsewhere")
    relative, _, query = path.partition("?")
    if _has_dot_segment(relative):
        raise ValueError("path must not hold '.' or '..' segments, encoded or not")
    try:
        return _encoded(relative, _PATH_SAFE), _encoded(query, _QUERY_SAFE)
    except UnicodeEncodeError:
        raise ValueError("path holds a lone surrogate, which has no UTF-8 form") from None


def _encoded(text: str, safe: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)


def _has_dot_segment(text: str) -> bool:
    if "." not in text and "%" not in text:
        return False
    return _DOT_SEGMENT.search(_ENCODED_SLASH.sub("/", _ENCODED_DOT.sub(".", text))) is not None


def _refuse_unsafe(text: str, argument: str) -> None:
    if _UNSAFE.search(text):
        raise ValueError(f"{argument} must not hold control characters or backslashes")


def _with_query(path: str, query: str) -> str:
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{query}"


def _parsed(url: str | httpx.URL, argument: str) -> httpx.URL:
    if isinstance(url, httpx.URL):
        return url
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"{argument} must be a str or httpx.URL, not {type(url).__name__}")
    _refuse_unsafe(url, argument)
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        # What httpx says may quote a password.
        raise ValueError(f"{argument} is not a valid URL") from None


def _checked_host(parsed: httpx.URL, argument: str) -> str:
    host = parsed.raw_host.decode("ascii")
    if _HOST_NAME.fullmatch(host):
        return host
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError(f"{argument} must have a host name or IP address, not {host!r}") from None
    if address.scope_id is not None:
        raise ValueError(f"{argument} must not hold an IPv6 zone")
    return address.compressed


def _decoded_location(location: bytes | str) -> str:
    if isinstance(location, str):
        return location
    # RFC 9110 asks for ASCII; servers that send more send UTF-8, or else Latin-1.
    try:
        return location.decode("utf-8")
    except UnicodeDecodeError:
        return location.decode("latin-1")
