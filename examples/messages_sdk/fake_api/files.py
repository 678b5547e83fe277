"""The files that were uploaded, kept as they came."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Mapping
from typing import NamedTuple

from trioclient.testing import RecordedRequest, Reply, reply

from .listing import page_by_cursor
from .model import Json
from .refusals import Refusal

__all__ = ["FileStore", "Part", "parts_of"]


class Part(NamedTuple):
    """One part of a multipart body."""

    name: str
    filename: str | None
    content_type: str
    content: bytes


class FileStore:
    """``/v1/files``. Unlike the real service it gives back what was uploaded, too."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._files: dict[str, Json] = {}
        self._contents: dict[str, bytes] = {}

    def upload(self, request: RecordedRequest) -> Json:
        fields = {part.name: part for part in parts_of(request)}
        part = fields.get("file")
        if part is None:
            raise Refusal("invalid_request_error", "file: Field required")
        now = datetime.datetime.now(datetime.timezone.utc)
        lifetime = fields.get("expires_in_seconds")
        expires_at = now + datetime.timedelta(seconds=int(lifetime.content)) if lifetime else None
        file_id = f"file_fake_{next(self._numbers):04}"
        self._contents[file_id] = part.content
        self._files[file_id] = {
            "id": file_id,
            "type": "file",
            "filename": part.filename or "unnamed",
            "mime_type": part.content_type,
            "size_bytes": len(part.content),
            "created_at": now,
            "expires_at": expires_at,
            "downloadable": True,
        }
        return self._files[file_id]

    def page(self, query: Mapping[str, str]) -> dict[str, object]:
        return page_by_cursor([*self._files.values()], query)

    def retrieve(self, file_id: str) -> Json:
        return self._found(file_id)

    def content(self, file_id: str, headers: dict[str, str]) -> Reply:
        file = self._found(file_id)
        pieces = [self._contents[file_id][start : start + 4096] for start in range(0, file["size_bytes"], 4096)]
        return reply(chunks=pieces, headers={**headers, "content-type": file["mime_type"]})

    def delete(self, file_id: str) -> Json:
        self._found(file_id)
        del self._files[file_id], self._contents[file_id]
        return {"id": file_id, "type": "file_deleted"}

    def _found(self, file_id: str) -> Json:
        try:
            return self._files[file_id]
        except KeyError:
            raise Refusal("not_found_error", f"File not found: {file_id}") from None


def parts_of(request: RecordedRequest) -> list[Part]:
    """The parts of a multipart body, byte for byte. Raises Refusal for a body that is none."""
    match = re.fullmatch(r'multipart/form-data; *boundary="?([^";]+)"?', request.header("content-type") or "")
    if match is None:
        raise Refusal("invalid_request_error", "Content-Type: must be multipart/form-data with a boundary")
    boundary = b"--" + match[1].encode()
    body = b"\r\n" + request.body
    opening, *parts, ending = body.split(b"\r\n" + boundary)
    if opening or ending.strip() != b"--":
        raise Refusal("invalid_request_error", "the body is not whole")
    return [_part(part) for part in parts]


def _part(data: bytes) -> Part:
    head, _, content = data.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    text = head.decode()
    name = re.search(r'; name="(.*?)"', text)
    filename = re.search(r'; filename="(.*?)"', text)
    content_type = re.search(r"(?im)^content-type: *(.*?)\r?$", text)
    return Part(
        name=name[1] if name else "",
        filename=filename[1] if filename else None,
        content_type=content_type[1] if content_type else "application/octet-stream",
        content=content,
    )
