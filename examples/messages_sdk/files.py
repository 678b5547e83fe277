"""Files kept with the service, to be named in messages."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Literal, Union

import msgspec

from trioclient import AsyncAPIClient, AsyncPaginator, RequestOptions, blocking, path_template

from .options import NO_OPTIONS, with_headers, with_params
from .pages import AsyncCursorPage, CursorPlace, SyncCursorPage
from .resource import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncFiles", "DeletedFile", "FileContent", "FileMetadata", "Files", "UploadedFile"]

_PATH = "/v1/files"
_BETA = {"anthropic-beta": "files-api-2025-04-14"}

FileContent = Union[bytes, BinaryIO, os.PathLike[str]]
"""The bytes, a file open in binary mode, or where it lies."""

UploadedFile = Union[FileContent, tuple[str, FileContent], tuple[str, FileContent, str]]
"""A content, a file name and a content, or both and a media type."""


class FileMetadata(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """What is known of a file."""

    id: str
    filename: str
    mime_type: str
    size_bytes: int
    created_at: datetime.datetime
    expires_at: datetime.datetime | None = None
    downloadable: bool | None = None
    """The service gives back what its tools made, not what was uploaded."""


class DeletedFile(msgspec.Struct, frozen=True):
    """A file that was."""

    id: str
    type: Literal["file_deleted"] = "file_deleted"


class AsyncFiles:
    """``client.files``."""

    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    async def upload(
        self, file: UploadedFile, *, expires_in_seconds: int | None = None, options: RequestOptions = NO_OPTIONS
    ) -> FileMetadata:
        """Send a file.

        Told how far it is by ``options={"upload_progress": ...}``; sent again from the beginning
        where the service could not take it, unless the file cannot be read twice.
        """
        fields = {} if expires_in_seconds is None else {"expires_in_seconds": expires_in_seconds}
        return await self._client.post(
            _PATH, files={"file": file}, body=fields, cast_to=FileMetadata, options=with_headers(options, _BETA)
        )

    def list(
        self, *, options: RequestOptions = NO_OPTIONS, **place: Unpack[CursorPlace]
    ) -> AsyncPaginator[FileMetadata, AsyncCursorPage[FileMetadata]]:
        """The files."""
        return self._client.get_api_list(
            _PATH,
            model=FileMetadata,
            page=AsyncCursorPage[FileMetadata],
            options=with_headers(with_params(options, place), _BETA),
        )

    async def retrieve_metadata(self, file_id: str, *, options: RequestOptions = NO_OPTIONS) -> FileMetadata:
        """What is known of a file."""
        return await self._client.get(_place(file_id), cast_to=FileMetadata, options=with_headers(options, _BETA))

    async def delete(self, file_id: str, *, options: RequestOptions = NO_OPTIONS) -> DeletedFile:
        """Delete a file for good."""
        return await self._client.delete(_place(file_id), cast_to=DeletedFile, options=with_headers(options, _BETA))

    async def download(self, file_id: str, *, options: RequestOptions = NO_OPTIONS) -> bytes:
        """The content of a file that fits into memory."""
        return await self._client.get(_content(file_id), cast_to=bytes, options=with_headers(options, _CONTENT))

    async def download_to(
        self,
        file_id: str,
        target: str | os.PathLike[str],
        *,
        progress: Callable[[int, int | None], object] | None = None,
        options: RequestOptions = NO_OPTIONS,
    ) -> None:
        """Write the content of a file to another one, which is there only if it is whole.

        `progress` is called with the bytes written and their number in all, None where nobody
        knows; not on the caller's thread where that is a blocking one.
        """
        async with self._client.with_streaming_response.get(
            _content(file_id), options=with_headers(options, _CONTENT)
        ) as response:
            await response.stream_to_file(target, progress=progress)


_CONTENT = {**_BETA, "Accept": "application/binary"}


def _place(file_id: str) -> str:
    return path_template(f"{_PATH}/{{file_id}}", file_id=file_id)


def _content(file_id: str) -> str:
    return path_template(f"{_PATH}/{{file_id}}/content", file_id=file_id)


class Files(Resource):
    """The same, blocking."""

    async_class = AsyncFiles
    upload = blocking(AsyncFiles.upload)
    retrieve_metadata = blocking(AsyncFiles.retrieve_metadata)
    delete = blocking(AsyncFiles.delete)
    download = blocking(AsyncFiles.download)
    download_to = blocking(AsyncFiles.download_to)

    def list(
        self, *, options: RequestOptions = NO_OPTIONS, **place: Unpack[CursorPlace]
    ) -> SyncCursorPage[FileMetadata]:
        return self._blocking_client.get_api_list(
            _PATH,
            model=FileMetadata,
            page=SyncCursorPage[FileMetadata],
            options=with_headers(with_params(options, place), _BETA),
        )
