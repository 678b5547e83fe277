"""A request to bytes (RFC 9112).

Header names and values arrive checked; this adds what belongs to the message itself: the
request line, Host first (RFC 9110 section 7.2) and the framing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._codec.url import Target
    from .._types import RawHeaders

__all__ = ["LAST_CHUNK", "encode_chunk", "encode_head"]

LAST_CHUNK = b"0\r\n\r\n"

# Methods whose meaning expects a body say so even when it is empty (RFC 9110 section 8.6).
_EXPECTS_BODY = frozenset({"POST", "PUT", "PATCH"})


def encode_head(method: str, target: Target, headers: RawHeaders, body_length: int | None) -> bytes:
    """Everything up to the body. A `body_length` of None announces chunked framing."""
    lines = [f"{method} {target.path} HTTP/1.1".encode("ascii")]
    if b"host" not in [name.lower() for name, _ in headers]:
        lines.append(b"Host: " + target.host_header.encode("ascii"))
    lines += [b"%b: %b" % line for line in headers]
    if body_length is None:
        lines.append(b"Transfer-Encoding: chunked")
    elif body_length or method in _EXPECTS_BODY:
        lines.append(b"Content-Length: %d" % body_length)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def encode_chunk(data: bytes) -> bytes:
    """One chunk; `data` must not be empty, for an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
