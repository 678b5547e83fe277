"""Uploads to a script: what the testing kit sees of them, and what it tells of them."""

from __future__ import annotations

import io

import pytest

from trioclient import AsyncAPIClient
from trioclient.testing import ScriptedTransport, reply

CONTENT = b"0123456789" * 10_000


@pytest.mark.parametrize("watched", [True, False])
async def test_a_form_is_seen_whole_each_time(autojump_clock: object, watched: bool) -> None:
    told: list[tuple[int, int | None]] = []
    options = {"upload_progress": lambda sent, total: told.append((sent, total))} if watched else {}
    transport = ScriptedTransport(reply(503), lambda request: reply(json=len(request.body)))
    async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
        size = await client.post("/", body={"a": 1}, files={"x": io.BytesIO(CONTENT)}, options=options)  # type: ignore[arg-type]
    first, second = [request.body for request in transport.requests]
    assert first == second
    assert CONTENT in first
    assert size == len(first)
    assert told == ([(0, size), (size, size)] * 2 if watched else [])
