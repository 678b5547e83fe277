"""Light, frozen, picklable accounts of a request and an answer.

Errors and hooks carry these. httpx objects are built from them only when somebody looks.
A `RequestRecord` is made with credentials already struck out.
"""

from __future__ import annotations

from collections.abc import Iterable

import httpx
import msgspec

__all__ = ["RequestRecord", "ResponseRecord"]


_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_MOST_OF_A_URL = 65_536
"""Characters; httpx refuses to hold a longer one."""


class RequestRecord(msgspec.Struct, frozen=True):
    """One request, without its body and without credentials."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()

    def to_httpx(self) -> httpx.Request:
        return httpx.Request(self.method, self.url[:_MOST_OF_A_URL], headers=_encoded(self.headers))


class ResponseRecord(msgspec.Struct, frozen=True):
    """One answer; `content` is decompressed and, on an error, capped."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    http_version: str = "HTTP/1.1"

    def __repr__(self) -> str:
        # Without headers and content: they may hold secrets, a cookie say.
        return f"ResponseRecord(status={self.status!r}, http_version={self.http_version!r})"

    def header(self, name: str) -> str | None:
        """The first value under a lower-case name, or None."""
        return next((value for key, value in self.headers if key == name), None)

    def to_httpx(self, request: RequestRecord | None) -> httpx.Response:
        # The content is already decompressed, so the headers that say otherwise are left out.
        # Where there is none they may speak of another: that of GET, in an answer to HEAD.
        headers = [pair for pair in self.headers if not self.content or pair[0].lower() not in _FRAMING]
        return httpx.Response(
            self.status,
            headers=_encoded(headers),
            content=self.content,
            request=request.to_httpx() if request is not None else None,
            extensions={"http_version": self.http_version.encode("ascii")},
        )


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    # Back to what crossed the wire; given text, httpx takes ASCII only.
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
