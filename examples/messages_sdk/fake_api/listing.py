"""Lists in pages, by either of the two customs of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .refusals import Refusal

__all__ = ["page_by_cursor", "page_by_id"]

Item = Mapping[str, Any]


def page_by_id(items: Sequence[Item], query: Mapping[str, str]) -> dict[str, object]:
    """What comes right after the item `after_id`, or right before the item `before_id`."""
    limit = _limit(query)
    if "before_id" in query:
        end = _position(items, query["before_id"])
        start = max(end - limit, 0)
        has_more = start > 0
    else:
        start = _position(items, query["after_id"]) + 1 if "after_id" in query else 0
        end = start + limit
        has_more = end < len(items)
    data = items[start:end]
    return {
        "data": data,
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def page_by_cursor(items: Sequence[Item], query: Mapping[str, str]) -> dict[str, object]:
    """What comes behind the cursor `page`, and the cursor of what comes behind that."""
    start = int(query.get("page", "page_0").removeprefix("page_"))
    end = start + _limit(query)
    return {"data": items[start:end], "next_page": f"page_{end}" if end < len(items) else None}


def _limit(query: Mapping[str, str]) -> int:
    limit = int(query.get("limit", "20"))
    if not 1 <= limit <= 1000:
        raise Refusal("invalid_request_error", "limit: must be from 1 to 1000")
    return limit


def _position(items: Sequence[Item], item_id: str) -> int:
    for position, item in enumerate(items):
        if item["id"] == item_id:
            return position
    raise Refusal("invalid_request_error", f"no object {item_id}")
