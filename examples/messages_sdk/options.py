"""What a method adds to the options its caller gave it, who has the last word."""

from __future__ import annotations

from collections.abc import Mapping

from trioclient import RequestOptions

__all__ = ["NO_OPTIONS", "with_headers", "with_params"]

NO_OPTIONS: RequestOptions = {}


def with_params(options: RequestOptions, params: Mapping[str, object]) -> RequestOptions:
    """The options with query values; one that is None is not sent."""
    return {**options, "params": {**params, **options.get("params", {})}}


def with_headers(options: RequestOptions, headers: Mapping[str, str]) -> RequestOptions:
    """The options with headers."""
    return {**options, "headers": {**headers, **options.get("headers", {})}}
