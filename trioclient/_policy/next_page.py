"""From one page of a list to the request for the next.

What a page says of its successor (`PageInfo`) is laid over the request that brought the page:

- ``params`` over its query, name by name, those in the path included; None or `omit` deletes;
- ``json`` over its JSON body, field by field; `omit` deletes, None is null;
- ``url`` takes the place of its path, and of the parameters that have a place in it. It is
  resolved against the URL that answered (RFC 3986, 5.1.3).

A URL comes from the server and is trusted no further than a redirect is: it may not lead from
https to http, and where it leads to another origin the call's own credentials and parameters
stay behind.

A server that names a page it has given already would be asked for ever. `Trail` knows all that
were asked for, a few bytes for each.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

import httpx
import msgspec

from .._codec.redact import REDACTED, is_secret_header, redact_url
from .._codec.url import Target, join_redirect
from .._request_options import RequestOptions
from .._types import omit

__all__ = ["ListRequest", "PageInfo", "Trail", "fingerprint", "next_request"]

_DIGEST_BYTES: Final = 12
_SHOWN_CHARACTERS: Final = 200
_SCALARS: Final = (str, int, float, type(None))


class PageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How the next page is asked for: exactly one of `params`, `url` and `json`.

    Raises TypeError.
    """

    params: Mapping[str, object] | None = None
    """Laid over the query, name by name; None or `omit` deletes a name."""
    url: str | httpx.URL | None = None
    """Asked for instead, absolute or relative to the URL the page came from."""
    json: Mapping[str, object] | None = None
    """Laid over the JSON body, field by field; `omit` deletes a field."""

    def __post_init__(self) -> None:
        given = [(name, getattr(self, name)) for name in self.__struct_fields__]
        given = [(name, value) for name, value in given if value is not None]
        if len(given) != 1:
            names = " and ".join(name for name, _ in given) or "none"
            raise TypeError(f"PageInfo takes exactly one of params, url and json, not {names}")
        name, value = given[0]
        if name == "url" and not isinstance(value, (str, httpx.URL)):
            raise TypeError(f"url must be a str or httpx.URL, not {type(value).__name__}")
        if name != "url" and not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a mapping, not {type(value).__name__}")

    def __repr__(self) -> str:
        """With what looks like a credential struck out, and no longer than fits a message."""
        if self.url is not None:
            return f"PageInfo(url={_cut(repr(redact_url(str(self.url))))})"
        name, values = ("params", self.params) if self.params is not None else ("json", self.json or {})
        shown = ", ".join(f"{key!r}: {_shown(key, value)}" for key, value in values.items())
        return f"PageInfo({name}={{{_cut(shown)}}})"


def _shown(name: str, value: object) -> str:
    if is_secret_header(name):
        return REDACTED
    return repr(value) if isinstance(value, _SCALARS) else "..."


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


class ListRequest(NamedTuple):
    """The request for one page, as a caller would make it."""

    method: str
    path: str
    """Relative to the base URL, or absolute."""
    body: object
    options: RequestOptions


def next_request(
    request: ListRequest,
    info: PageInfo,
    *,
    asked: Target,
    answered: Target,
    credentials: Collection[str] = frozenset(),
) -> ListRequest:
    """What brings the next page, `request` having brought this one.

    `asked` is where `request` went, `answered` where redirects led it; `credentials` holds names,
    lower-case, of headers that are some whatever they are called. Raises ValueError for a URL
    that cannot be followed.
    """
    options = request.options.copy()
    # It stands for one request: under the same key a server would answer with this page again.
    options.pop("idempotency_key", None)
    path = request.path
    if info.params is not None:
        path = _without_parameters(path, info.params)
        options["params"] = {**options.get("params", {}), **info.params}
    elif info.json is not None:
        options["extra_json"] = {**options.get("extra_json", {}), **info.json}
    else:
        target = _followed(str(info.url), asked, answered)
        path = str(target)
        if target.origin == asked.origin:
            # Not only left out: the client may have parameters of the same names.
            own = dict.fromkeys(_parameters(path), omit)
            options["params"] = {**options.get("params", {}), **own}
        else:
            options["headers"] = {
                name: value
                for name, value in options.get("headers", {}).items()
                if name.lower() not in credentials and not is_secret_header(name)
            }
            options.pop("params", None)
    return request._replace(path=path, options=options)


def _followed(url: str, asked: Target, answered: Target) -> Target:
    target = join_redirect(answered, url, "the next page's URL")
    if asked.origin.scheme == "https" and target.origin.scheme == "http":
        raise ValueError("the next page's URL leads from https to http")
    return target


def _parameters(path: str) -> list[str]:
    """The names in a path's query: of ``a[b]=c``, ``a``."""
    query = path.partition("?")[2]
    return [_parameter(pair) for pair in query.split("&") if pair]


def _parameter(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0]).partition("[")[0]


def _without_parameters(path: str, names: Collection[str]) -> str:
    path, mark, query = path.partition("?")
    kept = [pair for pair in query.split("&") if _parameter(pair) not in names]
    return f"{path}{mark}{'&'.join(kept)}" if any(kept) else path


def fingerprint(method: str, url: str, body: bytes) -> bytes:
    """Tells one request from another, in a few bytes."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in (method.encode(), url.encode()):
        digest.update(part + b"\n")  # which is in neither
    digest.update(body)
    return digest.digest()


class Trail:
    """The pages asked for on the way to a page, in order, as fingerprints.

    Pages that follow each other share one trail, of which page n knows the first n steps. Where
    somebody goes on anew from an earlier page, and to another one than before, the trail forks.
    """

    __slots__ = ("_steps",)

    def __init__(self, steps: Iterable[bytes]) -> None:
        self._steps = {step: number for number, step in enumerate(steps, 1)}

    def visited(self, step: bytes, length: int) -> bool:
        """Whether `step` is among the first `length`."""
        return self._steps.get(step, length + 1) <= length

    def extended(self, step: bytes, length: int) -> Trail:
        """The trail of the page that `step` has led to, from the one at `length`."""
        if self._steps.get(step) == length + 1:
            return self
        trail = self if len(self._steps) == length else Trail(itertools.islice(self._steps, length))
        trail._steps[step] = length + 1
        return trail
