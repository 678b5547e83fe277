"""A request to bytes (RFC 9112).

The header block arrives checked; this adds what belongs to the message itself: the request line,
Host first (RFC 9110 section 7.2) and the framing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._codec.url import Origin, Target

__all__ = ["LAST_CHUNK", "encode_chunk", "encode_head"]

LAST_CHUNK = b"0\r\n\r\n"

# Methods whose meaning expects a body say so even when it is empty (RFC 9110 section 8.6).
_EXPECTS_BODY = frozenset({"POST", "PUT", "PATCH"})


def encode_head(method: str, target: Target, header_block: bytes, body_length: int | None) -> bytes:
    """Everything up to the body. A `body_length` of None announces chunked framing."""
    start = f"{method} {target.path} HTTP/1.1\r\n".encode("ascii")
    has_host = header_block.startswith(b"Host: ") or b"\nHost: " in header_block
    host = b"" if has_host else _host_line(target.origin)
    if body_length is None:
        framing = b"Transfer-Encoding: chunked\r\n\r\n"
    elif body_length or method in _EXPECTS_BODY:
        framing = b"Content-Length: %d\r\n\r\n" % body_length
    else:
        framing = b"\r\n"
    return b"%b%b%b%b" % (start, host, header_block, framing)


@functools.lru_cache(maxsize=1024)
def _host_line(origin: Origin) -> bytes:
    return f"Host: {origin.authority}\r\n".encode("ascii")


def encode_chunk(data: bytes) -> bytes:
    """One chunk; `data` must not be empty, for an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
