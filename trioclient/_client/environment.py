"""What a client takes from the environment: proxies, and what an SDK's author names variables for.

A URL for which the environment names a proxy goes through httpx, which knows proxies. A loopback
address is never proxied. ``NO_PROXY`` is read as httpx reads it, and where httpx does not, as its
author meant it:

    example.com           it and everything under it
    .example.com          only what is under it; so too *.example.com (httpx: from httpx2 on)
    example.com:8080      on that port only, be it the scheme's own
    localhost             the name, not the address
    10.1.2.3, ::1, [::1]  the address
    10.0.0.0/8, fe80::/10 every address in it (httpx: from httpx2 on)
    http://example.com    for that scheme and exactly that host
    *                     everything
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

from .._codec.headers import MergedHeaders
from .._codec.url import BaseURL, Target
from .._net.proxies import no_proxy_entries, proxies_in

if TYPE_CHECKING:
    import httpx

__all__ = ["base_url_of", "headers_in", "proxied_by_environment"]


def base_url_of(
    argument: str | httpx.URL | None,
    variable: str | None,
    default: str | None,
    environ: Mapping[str, str] = os.environ,
) -> BaseURL:
    """The argument, else what `variable` holds, else the default. An empty variable is unset.

    Raises TypeError or ValueError naming ``base_url``, and the variable where it is to blame.
    """
    if argument is not None:
        return BaseURL(argument)
    value = environ.get(variable, "").strip() if variable is not None else ""
    if value:
        try:
            return BaseURL(value)
        except ValueError as error:
            raise ValueError(f"{error} (it is from the environment variable {variable})") from None
    if default is not None:
        return BaseURL(default)
    hint = f", or set the environment variable {variable}" if variable is not None else ""
    raise TypeError(f"base_url is missing: give it as an argument{hint}")


def headers_in(variable: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The headers that `variable` holds, a ``Name: value`` on each line that is not blank.

    Raises ValueError naming the variable and the line, of which nothing is shown: it may well be
    a credential.
    """
    headers: dict[str, str] = {}
    lines = environ.get(variable, "").split("\n") if variable is not None else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        header = {name.strip(): value.strip()}
        try:
            MergedHeaders.of(header)
        except ValueError:
            colon = ""
        if not colon:
            raise ValueError(
                f"the environment variable {variable} must hold lines of 'Name: value':"
                f" line {number} is no header that can be sent"
            )
        headers.update(header)
    return headers


def proxied_by_environment(url: Union[Target, httpx.URL, str], environ: Mapping[str, str] = os.environ) -> bool:
    """Would a request to `url` go through a proxy that `environ` names?

    Raises TypeError or ValueError where `url` is no absolute http(s) URL.
    """
    target = url if isinstance(url, Target) else Target.of(url)
    if _is_loopback(target.origin.host):
        return False
    proxies = proxies_in(environ)
    if target.origin.scheme not in proxies and "all" not in proxies:
        return False
    return not any(_exempts(entry.lower(), target) for entry in no_proxy_entries(proxies))


def _is_loopback(host: str) -> bool:
    # No proxy elsewhere can reach it, and a test's server is no affair of a proxy.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _exempts(entry: str, target: Target) -> bool:
    scheme, _, place = entry.rpartition("://")
    host, port = _split(place)
    if scheme not in ("", "all", target.origin.scheme) or port not in ("", str(target.origin.port)):
        return False
    return _host_matches(host, target.origin.host, exact=bool(scheme) or host == "localhost")


def _split(place: str) -> tuple[str, str]:
    """Host without brackets, and port or ``""``."""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = place.partition(":")
    return (place, "") if ":" in port else (host, port)


def _host_matches(pattern: str, host: str, *, exact: bool) -> bool:
    if pattern in ("*", ""):
        return True
    try:
        network = ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        pass
    else:
        return _is_in(host, network)
    domain = pattern.lstrip("*").lstrip(".")
    if host == domain:
        return not pattern.startswith((".", "*."))
    return host.endswith(f".{domain}") and (not exact or pattern.startswith("*"))


def _is_in(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
