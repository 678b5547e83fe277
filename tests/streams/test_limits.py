"""The bounds of a stream: each names itself, and what came before it was hit is good."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from trioclient import LimitExceeded, Limits
from trioclient.testing import Reply, event_stream, json_lines, reply


@pytest.mark.parametrize(
    ("limit", "answer"),
    [
        pytest.param("max_line_bytes", event_stream("1", "y" * 21), id="a line"),
        pytest.param("max_line_bytes", json_lines(1, "y" * 21), id="a line of JSON"),
        pytest.param("max_line_bytes", json_lines(1, b'"' + b"y" * 21), id="a last line"),
        pytest.param("max_event_bytes", event_stream("1", "y" * 15 + "\n" + "y" * 15), id="an event"),
        pytest.param("max_json_depth", event_stream("1", "[" * 21 + "]" * 21), id="depth"),
    ],
)
@pytest.mark.parametrize("keywords", [{}, {"encoding": "gzip"}], ids=["plain", "gzip"])
async def test_it_names_itself(stage: Any, limit: str, answer: Reply, keywords: Any) -> None:
    content_type = dict(answer.headers)["Content-Type"]
    answer = reply(chunks=answer.pieces, headers={"Content-Type": content_type}, **keywords)
    async with stage(limits=Limits(**{limit: 20})) as scene:
        seen, error = await scene.outcome(answer)
        assert seen == [1]
        assert type(error) is LimitExceeded
        assert (error.limit, error.value) == (limit, 20)
        assert error.response.status_code == 200
        assert scene.server.request_count == 1


@pytest.mark.parametrize("answer", [event_stream("y" * 14), json_lines("y" * 18)], ids=["events", "lines"])
async def test_up_to_it(stage: Any, answer: Reply) -> None:
    limits = Limits(max_line_bytes=20, max_event_bytes=20)
    async with stage(limits=limits) as scene:
        assert len(await scene.values(answer, cast_to=bytes)) == 1


async def test_bodies_as_such_have_none(stage: Any) -> None:
    """A stream may go on for ever."""
    answer = event_stream("x" * 1000, "y" * 1000)
    async with stage(limits=Limits(max_body_bytes=999, max_decoded_bytes=999)) as scene:
        assert len(await scene.values(answer, cast_to=str)) == 2


BOMB = reply(chunks=[b"data: " + bytes(200_000_000)], headers={"Content-Type": "text/event-stream"}, encoding="gzip")


@pytest.mark.parametrize("read", ["values", "bytes", "lines"])
async def test_a_bomb_does_not_go_off(stage: Any, read: str) -> None:
    async with stage(limits=Limits(max_line_bytes=1_000_000)) as scene:
        scene.answer(BOMB)
        tracemalloc.start()
        try:
            if read == "values":
                assert (await scene.fails(LimitExceeded, BOMB)).limit == "max_line_bytes"
            else:
                async with scene.client.streaming("GET", "/") as response:
                    pieces = response.iter_bytes() if read == "bytes" else response.iter_lines()
                    if read == "bytes":
                        await pieces.__anext__()
                    else:
                        with pytest.raises(LimitExceeded):
                            await pieces.__anext__()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 12_000_000
