"""Batches of requests for messages, which end the second time somebody asks how they stand."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from .listing import page_by_id
from .model import Json
from .refusals import Refusal, error_body

__all__ = ["BatchStore"]


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    custom_id: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    params: msgspec.Raw


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    requests: Annotated[list[_Request], msgspec.Meta(min_length=1)]


_KINDS = ("processing", "succeeded", "errored", "canceled", "expired")


class BatchStore:
    """``/v1/messages/batches``. `run` makes a message of one request's JSON text, or None if that takes for ever."""

    def __init__(self, run: Callable[[bytes], Json | None]) -> None:
        self._run = run
        self._numbers = itertools.count(1)
        self._batches: dict[str, Json] = {}
        self._requests: dict[str, list[_Request]] = {}
        self._results: dict[str, list[Json]] = {}
        self._asked: set[str] = set()

    def create(self, body: bytes) -> Json:
        requests = msgspec.json.decode(body, type=_Batch).requests
        if len({request.custom_id for request in requests}) < len(requests):
            raise Refusal("invalid_request_error", "requests: custom_id must be unique")
        batch_id = f"msgbatch_fake_{next(self._numbers):04}"
        now = datetime.datetime.now(datetime.timezone.utc)
        self._requests[batch_id] = requests
        self._batches[batch_id] = {
            "id": batch_id,
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": {**dict.fromkeys(_KINDS, 0), "processing": len(requests)},
            "created_at": now,
            "expires_at": now + datetime.timedelta(hours=24),
            "ended_at": None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }
        return self._batches[batch_id]

    def retrieve(self, batch_id: str, base_url: str) -> Json:
        batch = self._found(batch_id)
        if batch_id in self._asked and batch["ended_at"] is None:
            self._end(batch, base_url)
        self._asked.add(batch_id)
        return batch

    def page(self, query: Mapping[str, str]) -> dict[str, object]:
        return page_by_id([*reversed(self._batches.values())], query)

    def cancel(self, batch_id: str) -> Json:
        batch = self._found(batch_id)
        if batch["ended_at"] is None:
            batch |= {"processing_status": "canceling", "cancel_initiated_at": self._now()}
        return batch

    def delete(self, batch_id: str) -> Json:
        if self._found(batch_id)["ended_at"] is None:
            raise Refusal("invalid_request_error", f"{batch_id} is still being processed; cancel it first")
        del self._batches[batch_id]
        return {"id": batch_id, "type": "message_batch_deleted"}

    def results(self, batch_id: str) -> list[Json]:
        if self._found(batch_id)["ended_at"] is None:
            raise Refusal("invalid_request_error", f"{batch_id} has no results yet")
        return self._results[batch_id]

    def _end(self, batch: Json, base_url: str) -> None:
        batch_id: str = batch["id"]
        results: list[Json] = [
            {"custom_id": request.custom_id, "result": self._result(request, position, batch)}
            for position, request in enumerate(self._requests[batch_id])
        ]
        # In no particular order, as it is documented.
        self._results[batch_id] = results[::-1]
        counts: dict[str, Any] = dict.fromkeys(_KINDS, 0)
        for each in results:
            counts[each["result"]["type"]] += 1
        batch |= {
            "processing_status": "ended",
            "ended_at": self._now(),
            "request_counts": counts,
            "results_url": f"{base_url}/v1/messages/batches/{batch_id}/results",
        }

    def _result(self, request: _Request, position: int, batch: Json) -> Json:
        if batch["cancel_initiated_at"] and position > 0:  # one was done already
            return {"type": "canceled"}
        try:
            message = self._run(bytes(request.params))
        except Refusal as refusal:
            return {"type": "errored", "error": error_body(refusal.error_type, refusal.message)}
        return {"type": "succeeded", "message": message} if message else {"type": "expired"}

    def _found(self, batch_id: str) -> Json:
        try:
            return self._batches[batch_id]
        except KeyError:
            raise Refusal("not_found_error", f"no batch {batch_id}") from None

    @staticmethod
    def _now() -> datetime.datetime:
        return datetime.datetime.now(datetime.timezone.utc)
