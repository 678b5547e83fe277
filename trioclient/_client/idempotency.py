"""Idempotency keys: by its key a server can tell a call that is repeated from a second one.

A call that is neither GET nor HEAD carries one, the same for all its attempts: what the caller
gave as an option, else what a header layer says (`omit`: none), else a new one. A key given as an
option is sent with any method.
"""

from __future__ import annotations

import secrets

from .._codec.headers import HeaderBlock
from .._types import IDEMPOTENT_METHODS, RawHeaders

__all__ = ["keyed_headers"]


def keyed_headers(block: HeaderBlock, method: str, name: str | None, key: str | None) -> tuple[RawHeaders, bool]:
    """The lines to send, with the key under `name`, and whether a repetition does no harm.

    A `name` of None turns keys off. Raises ValueError for a `key` that cannot be sent.
    """
    if key is not None:
        if name is None:
            raise ValueError("options['idempotency_key'] has no header to go in: idempotency_header is None")
        return block.over({name: key}).raw, True
    if name is None or method in ("GET", "HEAD"):
        return block.raw, method in IDEMPOTENT_METHODS
    if block.mentions(name):
        return block.raw, method in IDEMPOTENT_METHODS or block.get(name) is not None
    line = (name.encode("ascii"), f"trioclient-{secrets.token_hex(16)}".encode("ascii"))
    return [*block.raw, line], True
