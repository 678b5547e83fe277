"""Idempotency keys: by its key a server can tell a call that is repeated from a second one.

A call that is neither GET nor HEAD carries one, the same for all its attempts: what the caller
gave as an option, else what a header layer says (`omit`: none), else a new one. A key given as an
option is sent with any method.
"""

from __future__ import annotations

import os

from .._codec.headers import MergedHeaders
from .._types import IDEMPOTENT_METHODS

__all__ = ["keyed_block"]

_KEY_BYTES = 16


def keyed_block(headers: MergedHeaders, method: str, name: str | None, key: str | None) -> tuple[bytes, bool]:
    """The header block to send, with the key under `name`, and whether a repetition does no harm.

    A `name` of None turns keys off. Raises ValueError for a `key` that cannot be sent.
    """
    if key is not None:
        if name is None:
            raise ValueError("options['idempotency_key'] has no header to go in: idempotency_header is None")
        return headers.over({name: key}).block, True
    if name is None or method in ("GET", "HEAD"):
        return headers.block, method in IDEMPOTENT_METHODS
    if headers.mentions(name):
        return headers.block, method in IDEMPOTENT_METHODS or headers.get(name) is not None
    line = f"{name}: trioclient-{os.urandom(_KEY_BYTES).hex()}\r\n"
    return headers.block + line.encode("ascii"), True
