"""The query values below a call's own: the subclass's `default_query`, and over it `custom_query`.

They are encoded with every call, since what is in them may change; they are checked when they
are first seen, so that an error names where they came from.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._codec.query import ArrayStyle, encode_query
from .arguments import checked_mapping

__all__ = ["SharedQuery", "query_laid_over"]


class SharedQuery:
    """What the calls of one client share."""

    __slots__ = ("_arrays", "_custom", "_default", "_merged")

    def __init__(self, custom: Mapping[str, object], arrays: ArrayStyle) -> None:
        """Raises TypeError or ValueError naming the key of `custom`."""
        encode_query(custom, arrays, "custom_query")
        self._arrays: ArrayStyle = arrays
        self._custom = custom
        self._default: Mapping[str, object] = {}
        self._merged = custom

    def encoded(self, default: Mapping[str, object], params: Mapping[str, object] | None) -> str:
        """All layers, those of the call on top. Raises TypeError or ValueError naming the key."""
        if default != self._default:
            encode_query(checked_mapping(default, "default_query"), self._arrays, "default_query")
            self._default = dict(default)
            self._merged = {**default, **self._custom}
        if not params:
            return encode_query(self._merged, self._arrays) if self._merged else ""
        return encode_query({**self._merged, **params} if self._merged else params, self._arrays)


def query_laid_over(lower: Mapping[str, object], upper: Mapping[str, object]) -> Mapping[str, object]:
    """One layer of two."""
    return {**lower, **upper}
