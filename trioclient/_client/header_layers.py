"""The header layers below a call's own.

Each over the one before: telemetry, the client's own (Accept, User-Agent), what the body is, the
subclass's (`default_headers`, then `auth_headers`), `custom_headers`. An `omit` value deletes a
name at any layer.

Every call needs them merged, and they hardly ever change: what comes of it is kept for each
content type until the subclass's headers are others than last time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .._codec.headers import MergedHeaders
from .._codec.redact import credential_headers, drop_credentials
from .._types import Headers, NotGiven, omit
from .arguments import checked_mapping

__all__ = ["SharedHeaders", "headers_laid_over", "kept_abroad"]

# JSON and nothing else: a server that has other forms too, and chooses by this header, then does
# not choose HTML. What downloads another form says so itself.
_WHOLE: Final[Headers] = {"Accept": "application/json"}
# Each form a stream can have; JSON is what errors are in, and what some servers want to see. The
# second is what EventSource sends: an old stream out of a cache on the way is no stream.
_STREAM: Final[Headers] = {
    "Accept": "text/event-stream, application/jsonl;q=0.9, application/x-ndjson;q=0.9, application/json;q=0.8",
    "Cache-Control": "no-cache",
}
_FORM: Final = "multipart/"


class SharedHeaders:
    """What the calls of one client share."""

    __slots__ = ("_auth", "_custom", "_default", "_merged", "credentials")

    credentials: frozenset[str]
    """Names, lower-case, of the headers that came from ``auth_headers``."""

    def __init__(self, custom: Headers) -> None:
        self._custom = custom
        self._auth: Headers = {}
        self._default: Headers = {}
        self._merged: dict[tuple[str | None, bool], MergedHeaders] = {}
        self.credentials = frozenset()

    def merged(
        self, own: Callable[[], Headers], default: Headers, auth: Headers, content_type: str | None, stream: bool
    ) -> MergedHeaders:
        """All layers merged; `own` makes the lowest, when it is needed.

        Raises TypeError or ValueError naming the header.
        """
        if default != self._default or auth != self._auth:
            checked_mapping(auth, "auth_headers")
            self._default = dict(checked_mapping(default, "default_headers"))
            self._auth = dict(auth)
            self._merged.clear()
            self.credentials = credential_headers(auth)
        merged = self._merged.get((content_type, stream))
        if merged is not None:
            return merged
        if content_type is not None and content_type.startswith(_FORM):
            # Like no other, so not to be kept; and whatever the layers say of bodies, they do not
            # mean this one.
            plain = self.merged(own, default, auth, None, stream)
            return plain.over({"Content-Type": content_type})
        merged = self._merged[content_type, stream] = MergedHeaders.of(
            own(),
            _STREAM if stream else _WHOLE,
            {"Content-Type": content_type} if content_type is not None else None,
            default,
            auth,
            self._custom,
        )
        return merged


def kept_abroad(headers: MergedHeaders, credentials: frozenset[str]) -> MergedHeaders:
    """What of them may go to another origin: that which would follow a redirect there."""
    lines = headers.lines
    kept = drop_credentials(lines, credentials)
    dropped = [line[0].decode("ascii") for line in lines if line not in kept]
    return headers.over(dict.fromkeys([*dropped, "Host"], omit))


def headers_laid_over(lower: Headers, upper: Headers) -> Headers:
    """One layer of two, without the names of `lower` that `upper` gives in whatever case.

    Raises TypeError or ValueError naming the header.
    """
    MergedHeaders.of(lower, upper)
    said = {name: value for name, value in upper.items() if not isinstance(value, NotGiven)}
    names = {name.lower() for name in said}
    return {**{name: value for name, value in lower.items() if name.lower() not in names}, **said}
