"""What a caller gave, checked where nobody further down does: TypeError or ValueError naming it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .._types import RequestOptions

if TYPE_CHECKING:
    import httpx

    from .._net.protocol import Transport

T = TypeVar("T")
MappingT = TypeVar("MappingT", bound=Mapping[str, Any])

__all__ = [
    "check_options",
    "checked_auth",
    "checked_kind",
    "checked_mapping",
    "checked_method",
    "checked_transport",
    "checked_version",
]

# A token (RFC 9110, 9.1). CONNECT asks a proxy for a tunnel, which is no call.
_METHOD: Final = re.compile(r"(?!CONNECT\Z)[A-Z0-9!#$%&'*+\-.^_`|~]+")

_OPTION_NAMES: Final = frozenset(RequestOptions.__annotations__)


def checked_method(method: object) -> str:
    """An HTTP method, which is case-sensitive: nothing is put in capitals that was not."""
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


def checked_mapping(value: MappingT, argument: str) -> MappingT:
    """A mapping; what is in it is for others to check."""
    if not isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
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


def check_options(options: RequestOptions) -> None:
    """The names, and the kinds of those values that are laid over the client's."""
    for name in checked_mapping(options, "options"):
        if name not in _OPTION_NAMES:
            raise TypeError(f"options has no key {name!r}")
    for name, layer in (("headers", options.get("headers")), ("params", options.get("params"))):
        if layer is not None:
            checked_mapping(layer, f"options[{name!r}]")
    key = options.get("idempotency_key")
    if key is not None and not (isinstance(key, str) and key):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
        raise TypeError(f"options['idempotency_key'] must be a str that is not empty, not {key!r}")
