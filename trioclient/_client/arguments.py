"""What a caller gave, checked where nobody further down does: TypeError or ValueError naming it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .._engine.rate_limiter import RateLimiter
from .._policy.rate import Rate
from .._request_options import RequestOptions
from .._types import checked_bool

if TYPE_CHECKING:
    import httpx

    from .._net.protocol import Transport

T = TypeVar("T")
MappingT = TypeVar("MappingT", bound=Mapping[str, Any])

__all__ = [
    "check_options",
    "checked_auth",
    "checked_kind",
    "checked_limit_group",
    "checked_mapping",
    "checked_method",
    "checked_or_none",
    "checked_rate",
    "checked_transport",
    "checked_version",
]

# A token (RFC 9110, 9.1). CONNECT asks a proxy for a tunnel, which is no call.
_COMMON_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_METHOD: Final = re.compile(r"(?!CONNECT\Z)[A-Z0-9!#$%&'*+\-.^_`|~]+")

_OPTION_NAMES: Final = frozenset(RequestOptions.__annotations__)
_UNREAD_OPTIONS: Final = frozenset({"idle_timeout", "resume", "terminal_event"})


def checked_method(method: object) -> str:
    """An HTTP method, which is case-sensitive: nothing is put in capitals that was not."""
    if type(method) is str and method in _COMMON_METHODS:
        return method
    if not isinstance(method, str):
        raise TypeError(f"method must be a str, not {type(method).__name__}")
    if not _METHOD.fullmatch(method):
        raise ValueError(f"method must be an HTTP method in capitals, and not CONNECT; it is {method!r}")
    return str.__str__(method)  # of an Enum, its value


def checked_version(version: object) -> str:
    """Text that can stand in a header."""
    if not isinstance(version, str):
        raise TypeError(f"version must be a str, not {type(version).__name__}")
    if not (version.isascii() and version.isprintable()):
        raise ValueError(f"version must be printable ASCII, not {version!r}")
    return version


def checked_kind(value: T, kind: type[T], argument: str) -> T:
    """An instance of `kind`."""
    if not isinstance(value, kind):
        raise TypeError(f"{argument} must be a {kind.__name__}, not {value!r}")
    return value


def checked_or_none(kind: type[T], value: T | None, argument: str) -> T | None:
    """An instance of `kind`, or None."""
    if value is not None and not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise TypeError(f"{argument} must be {article} {kind.__name__} or None, not {value!r}")
    return value


def checked_rate(rate: Rate | RateLimiter | None, argument: str = "rate") -> Rate | RateLimiter | None:
    """What paces calls, or None."""
    if rate is not None and not isinstance(rate, (Rate, RateLimiter)):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"{argument} must be a Rate, a RateLimiter or None, not {rate!r}")
    return rate


def checked_limit_group(name: object, argument: str) -> str | None:
    """A name that is not empty, or None."""
    if name is not None and not (isinstance(name, str) and name):
        raise TypeError(f"{argument} must be a str that is not empty, not {name!r}")
    return name


def checked_mapping(value: MappingT, argument: str) -> MappingT:
    """A mapping; what is in it is for others to check."""
    if not isinstance(value, (dict, Mapping)):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"{argument} must be a mapping, not {type(value).__name__}")
    return value


def checked_transport(transport: Transport) -> Transport:
    """Something with the methods of `Transport`."""
    if all(callable(getattr(transport, name, None)) for name in ("send", "aclose", "statistics")):
        return transport
    raise TypeError(
        f"transport must be a TrioTransport or one like it, not {transport!r}:"
        " give one of httpx's as http_client=httpx.AsyncClient(transport=...)"
    )


def checked_auth(auth: httpx.Auth | None) -> httpx.Auth | None:
    """An auth flow of httpx or httpx2, or None."""
    if auth is None or callable(getattr(auth, "async_auth_flow", None)):
        return auth
    raise TypeError(f"custom_auth must be an httpx.Auth, such as httpx.BasicAuth(...), not {type(auth).__name__}")


def check_options(options: RequestOptions, method: str = "GET", *, unread: bool = False, stream: bool = False) -> None:
    """The names, and the kinds of those values that nobody further down checks; and whether what
    is for streams is given to one, what is for answers left `unread` to one of those.
    """
    checked_mapping(options, "options")
    if not options.keys() <= _OPTION_NAMES:
        unknown = next(name for name in options if name not in _OPTION_NAMES)
        raise TypeError(f"options has no key {unknown!r}")
    headers, params, key = options.get("headers"), options.get("params"), options.get("idempotency_key")
    if headers is not None:
        checked_mapping(headers, "options['headers']")
    if params is not None:
        checked_mapping(params, "options['params']")
    if key is not None and not (isinstance(key, str) and key):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"options['idempotency_key'] must be a str that is not empty, not {key!r}")
    if not _UNREAD_OPTIONS.isdisjoint(options):
        _check_unread_options(options, method, unread, stream)


def _check_unread_options(options: RequestOptions, method: str, unread: bool, stream: bool) -> None:
    for name in ("terminal_event", "resume"):
        if name in options and not stream:
            raise TypeError(f"options[{name!r}] is for streams: it goes with stream=True")
    if "idle_timeout" in options and not (unread or stream):
        raise TypeError("options['idle_timeout'] is for streams and answers left unread; for others there is timeout")
    if "terminal_event" in options:
        _check_terminal_event(options["terminal_event"])
    if checked_bool(options.get("resume", False), "options['resume']") and method != "GET":
        raise ValueError(f"options['resume'] is for GET streams: a {method} might act twice")


def _check_terminal_event(event: object) -> None:
    if not (isinstance(event, str) and event) and (not callable(event) or inspect.iscoroutinefunction(event)):
        raise TypeError(f"options['terminal_event'] must be the name of an event, or a sync function, not {event!r}")
