"""What an error keeps of a body, or of an event, that tells of one."""

from __future__ import annotations

from typing import Final

import msgspec

from .._faults import LimitFault
from .json_depth import check_depth

__all__ = ["error_body"]

# Nested deeper, an error could not be pickled or copied.
_MAX_DEPTH: Final = 64


def error_body(content: bytes) -> object:
    """JSON if it is, else text, else None; bytes that are not UTF-8 are replaced."""
    text = content.decode("utf-8", "replace")
    try:
        check_depth(content, _MAX_DEPTH)
        return msgspec.json.decode(text)
    except (LimitFault, msgspec.DecodeError, RecursionError):
        return text or None
