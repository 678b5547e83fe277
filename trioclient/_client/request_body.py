"""Which form the body of a call takes: JSON, a form with files, or the caller's own bytes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from .._codec.body import NO_BODY, Content, RequestBody, content_body, json_body, watched
from .._codec.headers import MergedHeaders
from .._codec.multipart import Files, multipart_body
from .._codec.query import ArrayStyle
from .._request_options import RequestOptions

__all__ = ["Content", "Files", "request_body"]


_FORM: Final = re.compile(r"multipart/form-data\s*;", re.IGNORECASE)
_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)


def request_body(
    body: object,
    content: Content | None,
    files: Files | None,
    options: RequestOptions,
    *,
    default: Callable[[object], object] | None,
    form_array_style: ArrayStyle,
) -> RequestBody:
    """The body of a call, or `NO_BODY`. Raises TypeError or ValueError naming the argument."""
    extra_json = options.get("extra_json")
    if files is not None:
        if content is not None:
            raise TypeError("content goes without files: it is sent as it is")
        made = multipart_body(
            body,
            files,
            boundary=_boundary(MergedHeaders.of(options.get("headers"))),
            array_style=form_array_style,
            extra_json=extra_json,
            default=default,
        )
    elif content is not None:
        if body is not None or extra_json is not None:
            raise TypeError("content goes without body and extra_json: it is sent as it is")
        made = content_body(content)
    elif body is not None or extra_json is not None:
        made = json_body(body, extra_json, default=default)
    else:
        made = NO_BODY
    return watched(made, options["upload_progress"]) if "upload_progress" in options else made


def _boundary(headers: MergedHeaders) -> str:
    """What stands between the parts of a form: as the call itself has named it, or something new."""
    content_type = headers.get("Content-Type")
    if content_type is None:
        return secrets.token_hex(16)
    named = _BOUNDARY.search(content_type)
    if named is None or not _FORM.match(content_type):
        raise ValueError(
            "header 'Content-Type' must be multipart/form-data with a boundary for a call with files:"
            " leave it out, and it will be"
        )
    return named[1] or named[2]
