"""What a Content-Type header says about a body: whether it is JSON, and its charset.

JSON is ``application/json``, ``text/json`` and every ``+json`` suffix (RFC 6839), in any case
and with any parameters. Its text is UTF-8 (RFC 8259); a charset counts only where it names
UTF-16 or UTF-32, since others are often declared and seldom meant.
"""

from __future__ import annotations

import codecs
import functools
from typing import Final, NamedTuple

__all__ = ["UNDECLARED", "UTF8_JSON", "MediaType", "media_type"]


class MediaType(NamedTuple):
    """A Content-Type header, as far as it matters for decoding."""

    json: bool
    charset: str
    """The name of a Python text codec."""


UTF8_JSON: Final = MediaType(json=True, charset="utf-8")
UNDECLARED: Final = MediaType(json=False, charset="utf-8")
"""For an answer without the header."""

# Python's text codecs that are no charsets: slow or noisy on what a stranger sends.
_NOT_CHARSETS: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape"})


@functools.lru_cache(maxsize=256)
def media_type(content_type: str | None) -> MediaType:
    """Read a header. `UTF8_JSON` and `UNDECLARED` are always the same object: compare with ``is``."""
    essence, _, parameters = (content_type or "").partition(";")
    essence = essence.strip().lower()
    if not essence:
        return UNDECLARED
    charset = _charset(parameters)
    if essence not in ("application/json", "text/json") and not essence.endswith("+json"):
        return MediaType(json=False, charset=charset)
    return MediaType(json=True, charset=charset) if charset.startswith(("utf-16", "utf-32")) else UTF8_JSON


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return _codec_name(value.strip().strip("\"'"))
    return "utf-8"


def _codec_name(charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
        bytes(4).decode(name)  # refuses what is no text encoding, such as "hex"
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if name in _NOT_CHARSETS else name
