"""Where a redirect leads and what goes there (RFC 9110 15.4, methods as browsers rewrite them).

The Fetch standard ("HTTP-redirect fetch", steps 12 to 14) fixes what RFC 9110 leaves open:

    301, 302   POST becomes GET without its body; every other method stays, with its body
    303        HEAD stays; every other method becomes GET; no body
    307, 308   method and body stay

300 and 304 are answers of their own, and 305 and 306 are obsolete: none of them is followed.
A body that goes along must be one that can be sent again. A redirect never leads from https to
http, and one without a usable Location is an error rather than an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from .._codec.url import join_redirect

if TYPE_CHECKING:
    from .._codec.url import Target

__all__ = ["BODY_HEADERS", "Follow", "Refuse", "plan_redirect"]

BODY_HEADERS: Final = frozenset(
    {b"content-encoding", b"content-language", b"content-length", b"content-location", b"content-type"}
)
"""Names, lower-case, that speak of a body and are dropped with it (Fetch: request-body-header)."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Follow(msgspec.Struct, frozen=True):
    """Send this next."""

    method: str
    target: Target
    drop_body: bool
    """Without its body, and without `BODY_HEADERS`."""
    same_origin: bool
    """If not, credentials stay behind."""


class Refuse(msgspec.Struct, frozen=True):
    """The redirect cannot be followed; `reason` is a sentence without the URL."""

    reason: str


def plan_redirect(
    method: str,
    status: int,
    target: Target,
    location: bytes | None,
    *,
    has_body: bool,
    body_replayable: bool,
) -> Follow | Refuse | None:
    """What to do about an answer to `method` on `target`; None where it is not a redirect.

    `method` is upper-case, `location` the header as it came. How many redirects were followed
    already is for the caller to count.
    """
    if status not in _REDIRECTS:
        return None
    if location is None or not location.strip():
        return Refuse(f"the answer ({status}) has no Location to go to")
    try:
        new_target = join_redirect(target, location)
    except ValueError as error:
        return Refuse(str(error))
    if target.origin.scheme == "https" and new_target.origin.scheme == "http":
        return Refuse("the redirect leads from https to http")
    new_method, drop_body = _rewritten(method, status)
    if has_body and not drop_body and not body_replayable:
        return Refuse(f"the redirect ({status}) wants the body again, and it can be sent only once")
    return Follow(new_method, new_target, drop_body, new_target.origin == target.origin)


def _rewritten(method: str, status: int) -> tuple[str, bool]:
    """The next method, and whether the body is left out."""
    if status == 303:
        return ("HEAD" if method == "HEAD" else "GET"), True
    if status in (301, 302) and method == "POST":
        return "GET", True
    return method, False
