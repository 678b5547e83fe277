"""What the methods that make calls take by name, for their signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .._request_options import RequestOptions
    from .request_body import Content, Files

__all__ = ["Asked", "Sent"]


class Asked(TypedDict, total=False):
    """What every call may be given."""

    options: RequestOptions


class Sent(Asked, total=False):
    """What a call with a body may be given."""

    body: object
    content: Content | None
    files: Files | None
