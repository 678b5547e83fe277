"""What is wrong with a text that msgspec did not take for JSON, in words a person can use.

msgspec calls NaN an invalid character and half a surrogate pair at the end of a text a
truncation. This says what stands there, and where, without repeating more of the body.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

__all__ = ["why_not_json"]

_OFFSET: Final = r" \(byte (\d+)\)$"
# Without a low half right after it, and so near the end that msgspec missed that half first.
_HALF_PAIR_AT_END: Final = rb"(?s)\\u[dD][89aAbB][0-9a-fA-F]{2}(?!\\).{0,5}\Z"
_NO_NUMBERS: Final = (b"NaN", b"Infinity")


def why_not_json(content: bytes, error: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """A phrase to follow "found". `error` is what decoding `content` raised."""
    if isinstance(error, UnicodeDecodeError):
        return _bad_utf8(content)
    reason = str(error)
    offset = re.search(_OFFSET, reason)
    if offset is None:
        half_pair = re.search(_HALF_PAIR_AT_END, content[-12:])
        return "half a surrogate pair in its last string" if half_pair else "text that ends before its value does"
    if "surrogate" in reason:
        return f"half a surrogate pair before byte {offset[1]}"
    for word in _NO_NUMBERS:
        if content.startswith(word, int(offset[1])):
            return f"{word.decode()} at byte {offset[1]}, which JSON does not have"
    return f"malformed text: {reason.removeprefix('JSON is malformed: ')}"


def _bad_utf8(content: bytes) -> str:
    # msgspec's own offset counts from the start of one string.
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return f"byte {content[error.start]:#04x} at byte {error.start}, which is not UTF-8"
    return "a string that is not UTF-8"
