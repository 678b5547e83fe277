"""httpx clients with this package's defaults, for whoever brings one for a proxy or HTTP/2.

httpx takes socket options only through a transport of the caller's, and a client with one reads
no proxies from the environment. So the transports for those are built here too, as mounts. (To
connections through a proxy httpcore 1.0 does not apply the options.)
"""

from __future__ import annotations

import functools
from typing import Any, Final
from urllib.request import getproxies

import httpx

from .._types import DEFAULT_TIMEOUT, Limits
from .proxies import mount_patterns
from .socket_options import KEEPALIVE_OPTIONS

__all__ = ["DefaultAsyncHttpxClient", "DefaultHttpxClient"]

_LIMITS: Final = Limits()
_DEFAULTS: Final[dict[str, Any]] = {
    "timeout": DEFAULT_TIMEOUT,
    "limits": httpx.Limits(
        max_connections=_LIMITS.max_connections,
        max_keepalive_connections=_LIMITS.max_idle_connections,
        keepalive_expiry=_LIMITS.idle_expiry,
    ),
    "follow_redirects": True,
}


class DefaultAsyncHttpxClient(httpx.AsyncClient):
    """An ``httpx.AsyncClient`` with the defaults of `AsyncAPIClient`, to be given as ``http_client``.

    Timeouts of 600 s (connect 5 s), 1000 connections of which 100 may idle, redirects, TCP
    keep-alive. Proxies come from ``proxy=`` or the environment. Takes what ``httpx.AsyncClient``
    takes; a ``transport=`` is used as it is.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_completed(kwargs, httpx.AsyncHTTPTransport))


class DefaultHttpxClient(httpx.Client):
    """An ``httpx.Client`` with the defaults of `SyncAPIClient`, to be given as ``http_client``.

    As `DefaultAsyncHttpxClient`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_completed(kwargs, httpx.HTTPTransport))


def _completed(
    kwargs: dict[str, Any], transport_class: type[httpx.AsyncHTTPTransport] | type[httpx.HTTPTransport]
) -> dict[str, Any]:
    """`kwargs` of a client with the defaults under them and the transports made."""
    kwargs = {**_DEFAULTS, **kwargs}
    if kwargs.get("transport") is not None:
        return kwargs
    trust_env = kwargs.get("trust_env", True)
    make = functools.partial(
        transport_class,
        # One context for all transports: loading the roots takes longer than a request.
        verify=httpx.create_ssl_context(
            verify=kwargs.pop("verify", True), cert=kwargs.pop("cert", None), trust_env=trust_env
        ),
        http1=kwargs.get("http1", True),
        http2=kwargs.get("http2", False),
        limits=kwargs["limits"],
        socket_options=KEEPALIVE_OPTIONS,
    )
    proxy = kwargs.pop("proxy", None)
    if proxy is not None:
        proxies: dict[str, Any] = {"all://": proxy}
    else:
        # Of the system too, as httpx does on macOS and Windows.
        proxies = dict(mount_patterns(getproxies())) if trust_env else {}
    mounts = {pattern: None if url is None else make(proxy=url) for pattern, url in proxies.items()}
    return {**kwargs, "transport": make(), "mounts": {**mounts, **(kwargs.get("mounts") or {})}}
