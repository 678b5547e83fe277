"""Proxies named by the environment, as urllib, curl and httpx read them.

``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, lower case over upper case; an
empty lower-case one takes the upper-case one back. Where ``REQUEST_METHOD`` is set this is a CGI
script, and upper-case ``HTTP_PROXY`` is a header of the request it serves (httpoxy): ignored.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

import httpx

__all__ = ["mount_patterns", "no_proxy_entries", "proxies_in"]

_NAMES: Final = ("http", "https", "all", "no")


def proxies_in(environ: Mapping[str, str]) -> dict[str, str]:
    """What `environ` says under ``http``, ``https``, ``all`` and ``no``, where it says anything."""
    upper = {name: value for name, value in environ.items() if name.upper().endswith("_PROXY")}
    found: dict[str, str] = {}
    for name in _NAMES:
        variable = f"{name}_proxy"
        if variable in upper:
            value = upper[variable]
        elif name == "http" and "REQUEST_METHOD" in environ:
            continue
        else:
            value = next((text for key, text in upper.items() if key.lower() == variable), "")
        if value.strip():
            found[name] = value.strip()
    return found


def no_proxy_entries(proxies: Mapping[str, str]) -> list[str]:
    """The entries of ``NO_PROXY``."""
    return [entry.strip() for entry in proxies.get("no", "").split(",") if entry.strip()]


def mount_patterns(proxies: Mapping[str, str]) -> dict[str, str | None]:
    """`proxies` as keys for httpx's ``mounts`` and the URL of each one's proxy, None for no proxy.

    An entry of ``NO_PROXY`` that httpx cannot read is left out.
    """
    entries = no_proxy_entries(proxies)
    if "*" in entries:
        return {}
    patterns: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        if scheme in proxies:
            url = proxies[scheme]
            patterns[f"{scheme}://"] = url if "://" in url else f"http://{url}"
    return patterns | {pattern: None for pattern in map(_exempt_pattern, entries) if _is_readable(pattern)}


def _exempt_pattern(entry: str) -> str:
    if "://" in entry:
        return entry
    if entry.lower() == "localhost":
        return "all://localhost"
    try:
        address = ipaddress.ip_address(entry.strip("[]"))
    except ValueError:
        # To httpx, "*example.com" is example.com and what is under it, "*.example.com" only that.
        return f"all://{entry}" if entry.startswith(("*", "[")) or _is_network(entry) else f"all://*{entry}"
    return f"all://[{address}]" if address.version == 6 else f"all://{address}"


def _is_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


def _is_readable(pattern: str) -> bool:
    try:
        httpx.URL(pattern)
    except httpx.InvalidURL:
        return False
    return True
