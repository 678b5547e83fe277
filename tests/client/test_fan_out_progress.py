"""How far a fan-out is, how fast it goes, and what slows it: `FanOut.progress`."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from trioclient import AsyncAPIClient
from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import ClientReading, FanOutProgress
from trioclient._engine.tally import current_tally
from trioclient.testing import ScriptedTransport, reply

NOTHING = FanOutProgress(
    seen=0,
    done=0,
    failed=0,
    running=0,
    total=None,
    rate=0.0,
    eta=None,
    throttled=0,
    retries=0,
    budget_left=None,
    limit=None,
    held_for=0.0,
    waiting_for_rate=False,
)


async def nap(seconds: float) -> float:
    await trio.sleep(seconds)
    return seconds


async def drain(run: FanOut[Any, Any]) -> None:
    async for _ in run:
        pass


async def test_before_it_begins_and_when_it_has_ended(autojump_clock: trio.testing.MockClock) -> None:
    run = fan_out(nap, [1.0, 2.0], max_at_once=1)
    assert run.progress() == msgspec.structs.replace(NOTHING, total=2)
    async with run:
        await drain(run)
        ended = run.progress()
    await trio.sleep(100)
    # The clock of a run stands still when it has ended.
    assert run.progress() == ended == msgspec.structs.replace(NOTHING, seen=2, done=2, total=2, rate=2 / 3, eta=0.0)


async def test_on_the_way(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap, [1.0] * 100, max_at_once=5, run_ahead=100) as run:
        await trio.sleep(0.5)
        assert run.progress() == msgspec.structs.replace(NOTHING, seen=5, running=5, total=100)
        await trio.sleep(4)
        progress = run.progress()
        assert (progress.seen, progress.done, progress.running) == (25, 20, 5)
        assert progress.rate == 20 / 4.5
        assert progress.eta == pytest.approx(80 / (20 / 4.5))


async def test_the_rate_is_that_of_the_last_seconds(autojump_clock: trio.testing.MockClock) -> None:
    fast = itertools.repeat(0.25, 400)
    slow = itertools.repeat(1.0, 100)
    async with fan_out(nap, itertools.chain(fast, slow), max_at_once=10, run_ahead=500, total=500) as run:
        rates = []
        for _ in range(20):
            await trio.sleep(0.875)
            await trio.sleep(0.125)
            rates.append(run.progress().rate)
    # Ten seconds at 40 per second, ten at 10.
    assert rates[8] == pytest.approx(40, rel=0.03)
    assert rates[19] == pytest.approx(10, rel=0.1)
    assert all(10 < rate < 40 for rate in rates[10:19])


async def test_of_slow_calls_the_whole_run_tells_the_time_left(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap, [60.0] * 500, max_at_once=100, run_ahead=500) as run:
        await trio.sleep(59)
        assert run.progress().eta is None
        await trio.sleep(2)
        # A hundred have just finished, in the last ten seconds.
        assert run.progress().rate == 100 / 10
        assert run.progress().eta == 400 / (100 / 10)
        await trio.sleep(29)
        assert run.progress().rate == 0.0
        assert run.progress().eta == 400 / (100 / 90)


async def test_nobody_has_to_look_for_it_to_be_counted(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap, itertools.repeat(0.75), max_at_once=6, run_ahead=1000) as run:
        await trio.sleep(25.5)
        assert run.progress().rate == pytest.approx(8, rel=0.1)


async def test_a_run_that_was_cut_short_has_no_time_left(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(nap, [1.0] * 9, max_at_once=3) as run:
        await trio.sleep(1.5)
        assert run.progress().eta == 3.0
    assert run.progress() == msgspec.structs.replace(NOTHING, seen=6, done=3, total=9, rate=2.0, eta=0.0)


@pytest.mark.parametrize(
    ("items", "total", "expected"),
    [
        ([1.0, 1.0], None, 2),
        ({1.0: "a", 2.0: "b"}, None, 2),
        (range(3), None, 3),
        (iter([1.0]), None, None),
        (iter([1.0]), 5, 5),
        ([1.0, 1.0], 5, 5),
        ([1.0, 1.0, 1.0], 0, 2),  # at least what was pulled
        (range(10**30), None, None),
    ],
)
async def test_the_total(autojump_clock: trio.testing.MockClock, items: Any, total: int | None, expected: Any) -> None:
    async with fan_out(nap, items, max_at_once=2, run_ahead=0, total=total) as run:
        await trio.testing.wait_all_tasks_blocked()
        assert run.progress().total == expected


@pytest.mark.parametrize("total", [-1, 1.5, True, "9"])
def test_a_total_that_is_none_is_refused(total: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="total must be"):
        fan_out(nap, [], max_at_once=1, total=total)


async def test_retries_and_throttling(autojump_clock: trio.testing.MockClock) -> None:
    throttled = reply(429, headers={"Retry-After": "1"})
    transport = ScriptedTransport(throttled, reply(503), reply(json=1), reply(429), repeat_last=True)
    async with (
        AsyncAPIClient(base_url="https://api.test", transport=transport, max_retries=2) as client,
        fan_out(lambda item: client.get("/"), [1, 2], max_at_once=1, run_ahead=9) as run,
    ):
        await drain(run)
        progress = run.progress()
    assert (progress.done, progress.failed, progress.retries, progress.throttled) == (1, 1, 4, 4)


async def test_a_call_that_has_not_ended_counts_what_of_it_has(autojump_clock: trio.testing.MockClock) -> None:
    transport = ScriptedTransport(reply(503), reply(429), reply(json=1))

    async def call(item: int) -> None:
        await client.get("/")
        await trio.sleep(60)

    async with (
        AsyncAPIClient(base_url="https://api.test", transport=transport) as client,
        fan_out(call, [1], max_at_once=1) as run,
    ):
        await trio.sleep(30)
        assert (run.progress().running, run.progress().retries, run.progress().throttled) == (1, 2, 1)
        await drain(run)
        assert (run.progress().running, run.progress().retries, run.progress().throttled) == (0, 2, 1)


@pytest.mark.parametrize(
    ("attempts", "throttled", "retries"), [([1], 1, 0), ([0], 0, 0), ([3], 0, 2), ([1, 1], 0, 0), ([2, 4], 3, 4)]
)
async def test_what_the_calls_of_an_item_came_to(
    autojump_clock: trio.testing.MockClock, attempts: list[int], throttled: int, retries: int
) -> None:
    async def call(item: int) -> None:
        tally = current_tally.get()
        assert tally is not None
        for number in attempts:
            tally.add(attempts=number, retries=max(number - 1, 0), throttled=0, sent="yes")
        tally.throttled += throttled

    async with fan_out(call, range(5), max_at_once=1) as run:
        await drain(run)
    assert (run.progress().throttled, run.progress().retries) == (5 * throttled, 5 * retries)


async def test_what_the_client_tells(autojump_clock: trio.testing.MockClock) -> None:
    asked = []

    def reading() -> ClientReading:
        asked.append(trio.current_time())
        return ClientReading(budget_left=500.0 - len(asked), limit=8.0, held_for=2.5)

    run = fan_out(nap, [1.0], max_at_once=1)
    run.watch(reading)
    async with run:
        await trio.sleep(0.5)
        progress = run.progress()
        assert (progress.budget_left, progress.limit, progress.held_for) == (499.0, 8.0, 2.5)
        await drain(run)
    # At its end a run asks once more, and then never again: its client may be gone.
    assert run.progress() == run.progress()
    assert run.progress().budget_left == 498.0
    assert asked == [0.5, 1.0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "0 finished, 0.0 per second"),
        ({"total": 1_000_000}, "0 of 1,000,000 finished, 0.0 per second"),
        (
            {"done": 41_000, "failed": 234, "running": 1000, "total": 100_000, "rate": 812.345, "eta": 72.4},
            "41,234 of 100,000 finished, 234 failed, 1,000 running, 812.3 per second, 0:01:12 left",
        ),
        ({"eta": 360_061.0}, "0 finished, 0.0 per second, 100:01:01 left"),
        ({"done": 2, "eta": 0.0}, "2 finished, 0.0 per second"),
        ({"throttled": 3, "retries": 1200}, "0 finished, 0.0 per second, 3 throttled, 1,200 retries"),
        ({"held_for": 4.25}, "0 finished, 0.0 per second, held for 4.2 s"),
        ({"waiting_for_rate": True}, "0 finished, 0.0 per second, waiting for the rate"),
    ],
)
def test_in_one_line(changes: dict[str, Any], expected: str) -> None:
    assert str(msgspec.structs.replace(NOTHING, **changes)) == expected
