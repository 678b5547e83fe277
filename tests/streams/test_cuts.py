"""A stream cut by the server at every byte of its answer: the values that came whole, then the
right end, which is never a success that is none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from trioclient import APIConnectionError, APIError, APIStreamError, Limits
from trioclient.testing import RecordedRequest, Reply, event_stream, json_lines, reply, truncate

EVENTS = (("a", 1), b": ping\n\n", ("b", 2), ("end", 3))
SLOTS = Limits(max_connections=1)


class Recording:
    """An answer, and what the first so many bytes of it are worth."""

    def __init__(self, answer: Reply) -> None:
        self.answer = answer
        self.wire = answer.wire()
        self._head = self.wire.index(b"\r\n\r\n") + 4

    def body(self, size: int) -> bytes | None:
        """What such a beginning holds of the body; None where not even the head is whole."""
        if size < self._head:
            return None
        rest = self.wire[self._head : size]
        if self.answer.framing != "chunked":
            return rest
        body = b""
        for piece in self.answer.pieces:
            frame = b"%x\r\n" % len(piece)
            body += rest[len(frame) :][: len(piece)]
            rest = rest[len(frame) + len(piece) + 2 :]
        return body


class Outcome(NamedTuple):
    values: list[Any]
    error: type[APIError] | None


def expected(recording: Recording, size: int, *, terminal: bool) -> Outcome:
    body = recording.body(size)
    if body is None:
        return Outcome([], APIConnectionError)
    blanks = body.count(b"\n\n")
    values = [1, 2, 3][: blanks - (blanks > 1)]
    if 3 in values and terminal:
        return Outcome(values, None)
    whole = size == len(recording.wire) or recording.answer.framing == "close"
    return Outcome(values, None if whole and not terminal else APIStreamError)


async def play(
    stage: Any, recording: Recording, *, reset: bool = False, terminal: bool = False, step: int = 1
) -> dict[int, tuple[Outcome, Any]]:
    """For each number of bytes, or each `step`th, the outcome and the error."""

    def cut(request: RecordedRequest) -> Any:
        return truncate(int(request.path[1:]), of=recording.answer, reset=reset)

    outcomes: dict[int, tuple[Outcome, Any]] = {}
    options = {"terminal_event": "end"} if terminal else {}
    async with stage(limits=SLOTS, max_retries=0, keep=0) as scene:
        scene.answer(cut, path="/*")
        for size in range(len(recording.wire), -1, -step):
            values: list[Any] = []
            error: APIError | None = None
            try:
                async with await scene.client.stream("GET", f"/{size}", cast_to=int, options=options) as stream:
                    async for value in stream:
                        values.append(value)  # noqa: PERF401 -- keeps what comes before a fault
            except APIError as caught:
                error = caught
            outcomes[size] = Outcome(values, type(error) if error else None), error
    return outcomes


@pytest.mark.parametrize("terminal", [False, True], ids=["any end will do", "a terminal event"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
async def test_closed(stage: Any, framing: Any, terminal: bool) -> None:
    recording = Recording(event_stream(*EVENTS, framing=framing))
    outcomes = await play(stage, recording, reset=False, terminal=terminal)
    for size, (outcome, error) in outcomes.items():
        assert outcome == expected(recording, size, terminal=terminal), f"at byte {size}"
        body = recording.body(size)
        if isinstance(error, APIStreamError):
            assert body is not None
            assert (error.received, error.events) == (len(body), len(outcome.values)), f"at byte {size}"
            assert (error.body or "").encode() == body[body.rfind(b"\n\n") + 2 if b"\n\n" in body else 0 :]
            assert error.response.status_code == 200
            assert (error.attempts, error.sent) == (1, "yes")


@pytest.mark.parametrize("terminal", [False, True], ids=["any end will do", "a terminal event"])
@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_reset(stage: Any, framing: Any, terminal: bool) -> None:
    """A reset may overtake what was sent before it, which is lost then, and no end at all."""
    recording = Recording(event_stream(*EVENTS, framing=framing))
    outcomes = await play(stage, recording, reset=True, terminal=terminal, step=3)
    for size, (outcome, _) in outcomes.items():
        most = expected(recording, size, terminal=terminal)
        assert outcome.values == most.values[: len(outcome.values)], f"at byte {size}"
        if outcome.error is None:
            assert most.error is None, f"at byte {size}"
            assert outcome.values == most.values, f"at byte {size}"
            assert framing == "chunked" or terminal, f"at byte {size}"
        else:
            assert outcome.error in {APIConnectionError, APIStreamError}


async def test_compressed(stage: Any) -> None:
    """Events in whole, each of them flushed, and never an end before that of the compression."""
    recording = Recording(event_stream(("a", 1), ("b", 2), ("end", 3), encoding="gzip", framing="close"))
    outcomes = await play(stage, recording, reset=False, terminal=False)
    seen = 0
    for size, (outcome, _) in sorted(outcomes.items()):
        assert outcome.values == [1, 2, 3][: len(outcome.values)]
        assert len(outcome.values) >= seen, f"at byte {size}"
        seen = len(outcome.values)
        body = recording.body(size)
        if body is None:
            assert outcome.error is APIConnectionError
        elif body:
            assert (outcome.error is None) == (size == len(recording.wire)), f"at byte {size}"
            assert outcome.error in {None, APIStreamError}
        else:
            assert outcome == Outcome([], None)
    assert seen == 3


async def test_json_lines(stage: Any) -> None:
    """A last line needs no end, so it counts where the body is whole, and there only."""
    recording = Recording(json_lines(1, 2, b"3"))
    outcomes = await play(stage, recording, reset=False, terminal=False)
    for size, (outcome, _) in outcomes.items():
        body = recording.body(size)
        if body is None:
            assert outcome == Outcome([], APIConnectionError)
        elif size == len(recording.wire):
            assert outcome == Outcome([1, 2, 3], None)
        else:
            assert outcome == Outcome([1, 2][: body.count(b"\n")], APIStreamError), f"at byte {size}"


@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_a_body_read_as_such(stage: Any, framing: Any, tmp_path: Path) -> None:
    """Read whole or saved: all of it or an error, and no file unless it is all."""
    recording = Recording(reply(chunks=[b"one ", b"two ", b"three"], framing=framing))

    def cut(request: RecordedRequest) -> Any:
        return truncate(int(request.path[1:]), of=recording.answer)

    async with stage(limits=SLOTS, max_retries=0, keep=0) as scene:
        scene.answer(cut, path="/*")
        for size in range(len(recording.wire) + 1):
            outcomes: list[Any] = []
            for save in [False, True]:
                try:
                    async with scene.client.streaming("GET", f"/{size}") as response:
                        if save:
                            await response.stream_to_file(tmp_path / f"{size}")
                        outcomes.append(b"one two three" if save else await response.read())
                except APIError as error:
                    outcomes.append(type(error))
            body = recording.body(size)
            whole = size == len(recording.wire)
            failure = APIConnectionError if body is None else APIStreamError
            assert outcomes == [b"one two three" if whole else failure] * 2, f"at byte {size}"
            assert os.listdir(tmp_path) == ([f"{size}"] if whole else []), f"at byte {size}"
