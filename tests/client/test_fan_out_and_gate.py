"""A fan-out on a client whose server asked for a pause: nothing is pulled meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio

from trioclient import AsyncAPIClient, BadRequestError, DeadlineExceeded, fan_out
from trioclient._policy.gate import Gate
from trioclient.testing import ScriptedTransport, reply

THROTTLED = reply(429, headers={"Retry-After": "10"})


def client_of(*script: Any, draw: float = 0.0) -> AsyncAPIClient:
    client = AsyncAPIClient(base_url="https://api.test", transport=ScriptedTransport(*script, repeat_last=True))
    client._engine.guards.draw = lambda: draw
    return client


def gate_of(client: AsyncAPIClient) -> Gate:
    return client._engine.guards.group_of(client._base_url.origin).gate


class Numbers:
    """Counts what is pulled, and when."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pulled_at: list[float] = []
        self.start = trio.current_time()

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.pulled_at.append(trio.current_time() - self.start)
            yield number


async def test_items_wait_to_be_pulled_until_the_gate_opens(autojump_clock: Any) -> None:
    numbers = Numbers(6)
    client = client_of(THROTTLED, reply(json=1, delay=1.0))
    async with client.fan_out(
        lambda api, number: api.get(f"/{number}"), numbers, max_at_once=2, item_deadline=12.0
    ) as run:
        outcomes = [outcome async for outcome in run]
    assert all(outcome.ok for outcome in outcomes)
    # Two begin at once; the gate closes on the first; the second ends at 1 and none follows until 10.
    assert numbers.pulled_at == pytest.approx([0, 0, 10, 11, 11, 12])
    assert run.report.failed == 0


async def test_a_short_item_deadline_burns_no_items(autojump_clock: Any) -> None:
    client = client_of(THROTTLED, reply(json=1))
    async with client.fan_out(
        lambda api, number: api.get(f"/{number}"), range(100), max_at_once=4, item_deadline=0.1
    ) as run:
        failed = [outcome async for outcome in run if not outcome.ok]
    # The one that was throttled, and no other.
    assert [outcome.attempts for outcome in failed] == [1]
    assert run.report.done == 99


async def test_a_run_that_ends_while_held_leaves_the_rest_alone(autojump_clock: Any) -> None:
    numbers = Numbers(100)
    client = client_of(THROTTLED, reply(json=1))
    with pytest.raises(DeadlineExceeded):
        async with client.fan_out(
            lambda api, number: api.get(f"/{number}"), numbers, max_at_once=1, deadline=5.0
        ) as run:
            async for _ in run:
                pass
    assert len(numbers.pulled_at) == run.report.seen == 1 + run.report.done
    assert trio.current_time() - numbers.start == 5.0


@pytest.mark.parametrize("on_error", ["stop", "cancel"])
async def test_a_run_that_fails_does_not_wait_for_the_gate(autojump_clock: Any, on_error: Any) -> None:
    start = trio.current_time()
    client = client_of(reply(400, delay=1.0))
    with pytest.raises(BadRequestError):
        async with client.fan_out(
            lambda api, number: api.get(f"/{number}"), range(9), max_at_once=2, on_error=on_error
        ) as run:
            await trio.sleep(0.5)
            gate_of(client).hold(start, 100.0)
            async for _ in run:
                pass
    assert trio.current_time() - start == 1.0


async def test_leaving_does_not_wait_for_the_gate(autojump_clock: Any) -> None:
    start = trio.current_time()
    client = client_of(reply(json=1))
    gate_of(client).hold(start, 100.0)
    async with client.fan_out(lambda api, number: api.get(f"/{number}"), range(9), max_at_once=3) as run:
        await trio.sleep(1)
    assert trio.current_time() - start == 1.0
    assert run.report.seen == 0


async def test_a_call_that_made_no_attempt_counts_none(autojump_clock: Any) -> None:
    client = client_of(reply(json=1))
    gate_of(client).hold(trio.current_time(), 10.0)
    async with fan_out(lambda number: client.get("/", options={"deadline": 1.0}), range(3), max_at_once=3) as run:
        outcomes = [outcome async for outcome in run]
    assert [outcome.attempts for outcome in outcomes] == [0, 0, 0]
    assert run.report.attempts == 0


async def test_progress_tells_how_the_client_stands(autojump_clock: Any) -> None:
    client = client_of(THROTTLED, reply(503), reply(json=1))
    async with client.fan_out(lambda api, number: api.get(f"/{number}"), range(3), max_at_once=1) as run:
        await trio.sleep(4.0)
        held = run.progress()
        assert (held.held_for, held.budget_left, held.limit) == (6.0, 500.0, None)
        assert (held.seen, held.running, held.total) == (1, 1, 3)
        # Sent again when the gate opened, and throttled no more, but once more in its back-off.
        await trio.sleep(6.25)
        assert (run.progress().held_for, run.progress().budget_left) == (0.0, 495.0)
        outcomes = [outcome async for outcome in run]
        assert [outcome.attempts for outcome in outcomes] == [3, 1, 1]
    # All is refunded, as the call succeeded in the end.
    progress = run.progress()
    assert (progress.budget_left, progress.throttled, progress.retries, progress.eta) == (500.0, 1, 2, 0.0)
