"""Requests for messages by the thousand, done within a day."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Union

import msgspec

from trioclient import (
    AsyncAPIClient,
    AsyncPaginator,
    AsyncStream,
    RequestOptions,
    UnknownVariant,
    blocking,
    path_template,
)

from .message_params import BatchRequestParam
from .message_types import Message
from .options import NO_OPTIONS, with_headers, with_params
from .pages import AsyncIDPage, IDPlace, SyncIDPage
from .resource import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "AsyncBatches",
    "BatchCanceled",
    "BatchErrored",
    "BatchExpired",
    "BatchResult",
    "BatchSucceeded",
    "Batches",
    "DeletedMessageBatch",
    "ErrorObject",
    "ErrorResponse",
    "MessageBatch",
    "MessageBatchIndividualResponse",
    "RequestCounts",
]

_PATH = "/v1/messages/batches"


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of a batch stand; all are `processing` until the whole batch has ended."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int


class MessageBatch(msgspec.Struct, frozen=True, kw_only=True, tag="message_batch"):
    """A batch."""

    id: str
    processing_status: Literal["in_progress", "canceling", "ended"]
    request_counts: RequestCounts
    created_at: datetime.datetime
    expires_at: datetime.datetime
    ended_at: datetime.datetime | None = None
    archived_at: datetime.datetime | None = None
    cancel_initiated_at: datetime.datetime | None = None
    results_url: str | None = None
    """Once it has ended."""


class DeletedMessageBatch(msgspec.Struct, frozen=True):
    """A batch that was."""

    id: str
    type: Literal["message_batch_deleted"] = "message_batch_deleted"


# Results


class ErrorObject(msgspec.Struct, frozen=True):
    """What went wrong."""

    type: str
    message: str


class ErrorResponse(msgspec.Struct, frozen=True, tag="error"):
    """The error that the request would have been answered with."""

    error: ErrorObject
    request_id: str | None = None


class BatchSucceeded(msgspec.Struct, frozen=True, tag="succeeded"):
    """There is a message."""

    message: Message


class BatchErrored(msgspec.Struct, frozen=True, tag="errored"):
    """There is an error."""

    error: ErrorResponse


class BatchCanceled(msgspec.Struct, frozen=True, tag="canceled"):
    """The batch was cancelled before it came to this request."""


class BatchExpired(msgspec.Struct, frozen=True, tag="expired"):
    """The day was over before it came to this request."""


_KnownResult = Union[BatchSucceeded, BatchErrored, BatchCanceled, BatchExpired]

# See message_types.py on why msgspec is not told of UnknownVariant.
if TYPE_CHECKING:
    BatchResult = Union[_KnownResult, UnknownVariant]
else:
    BatchResult = _KnownResult


class MessageBatchIndividualResponse(msgspec.Struct, frozen=True):
    """What came of one request."""

    custom_id: str
    result: BatchResult


# Methods


class AsyncBatches:
    """``client.messages.batches``."""

    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    async def create(
        self, requests: Iterable[BatchRequestParam], *, options: RequestOptions = NO_OPTIONS
    ) -> MessageBatch:
        """Hand in a batch, every request under a `custom_id` of its own."""
        return await self._client.post(_PATH, body={"requests": [*requests]}, cast_to=MessageBatch, options=options)

    async def retrieve(self, batch_id: str, *, options: RequestOptions = NO_OPTIONS) -> MessageBatch:
        """How a batch stands."""
        return await self._client.get(_place(batch_id), cast_to=MessageBatch, options=options)

    def list(
        self, *, options: RequestOptions = NO_OPTIONS, **place: Unpack[IDPlace]
    ) -> AsyncPaginator[MessageBatch, AsyncIDPage[MessageBatch]]:
        """The batches, newest first."""
        return self._client.get_api_list(
            _PATH, model=MessageBatch, page=AsyncIDPage[MessageBatch], options=with_params(options, place)
        )

    async def cancel(self, batch_id: str, *, options: RequestOptions = NO_OPTIONS) -> MessageBatch:
        """Begin no further request of a batch. What has begun may still succeed."""
        return await self._client.post(f"{_place(batch_id)}/cancel", cast_to=MessageBatch, options=options)

    async def delete(self, batch_id: str, *, options: RequestOptions = NO_OPTIONS) -> DeletedMessageBatch:
        """Delete a batch that has ended, with its results."""
        return await self._client.delete(_place(batch_id), cast_to=DeletedMessageBatch, options=options)

    async def results(
        self, batch_id: str, *, options: RequestOptions = NO_OPTIONS
    ) -> AsyncStream[MessageBatchIndividualResponse]:
        """What came of the requests, one by one, in no particular order."""
        # Not from `results_url`: the key goes where the caller said, not where an answer says.
        return await self._client.get(
            f"{_place(batch_id)}/results",
            cast_to=MessageBatchIndividualResponse,
            stream=True,
            options=with_headers(options, {"Accept": "application/binary"}),
        )


def _place(batch_id: str) -> str:
    return path_template(f"{_PATH}/{{batch_id}}", batch_id=batch_id)


class Batches(Resource):
    """The same, blocking."""

    async_class = AsyncBatches
    create = blocking(AsyncBatches.create)
    retrieve = blocking(AsyncBatches.retrieve)
    cancel = blocking(AsyncBatches.cancel)
    delete = blocking(AsyncBatches.delete)
    results = blocking(AsyncBatches.results)

    def list(self, *, options: RequestOptions = NO_OPTIONS, **place: Unpack[IDPlace]) -> SyncIDPage[MessageBatch]:
        return self._blocking_client.get_api_list(
            _PATH, model=MessageBatch, page=SyncIDPage[MessageBatch], options=with_params(options, place)
        )
