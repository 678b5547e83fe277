"""What a fan-out fails of: too many failures (`stop_when`), and what its own errors tell."""

from __future__ import annotations

import gc
import itertools
import pickle
import random
import weakref
from typing import Any

import pytest
import trio
import trio.testing

from trioclient import AsyncAPIClient
from trioclient._client.fan_out import FanOut, fan_out
from trioclient._client.fan_out_report import FanOutReport, Outcome
from trioclient._errors import AuthenticationError, DeadlineExceeded, FanOutStopped
from trioclient._policy.failing import Failing
from trioclient.testing import ScriptedTransport, fault, reply

MESSAGE = "2 of the last 4 calls failed; at a share of 0.5 the fan-out was to stop"


class Broken(Exception):
    pass


def adds_up(report: FanOutReport) -> bool:
    return report.running == 0 and report.done + report.failed + report.cancelled + report.not_started == report.seen


async def fail_if_negative(item: float) -> float:
    """Takes so many seconds; fails if told a negative number."""
    await trio.sleep(abs(item))
    if item < 0:
        raise Broken(item)
    return item


async def taken_until(
    error: type[Exception], run: FanOut[Any, Any]
) -> tuple[list[Outcome[Any, Any]], pytest.ExceptionInfo[Any]]:
    """The outcomes before an error, and the error."""
    outcomes = []
    with pytest.raises(error) as caught:
        while True:
            outcomes.append(await anext(run))
    return outcomes, caught


def client_of(*script: Any, max_retries: int = 0) -> AsyncAPIClient:
    transport = ScriptedTransport(*script, repeat_last=True)
    return AsyncAPIClient(base_url="https://api.test", transport=transport, max_retries=max_retries)


# Too many failures


@pytest.mark.parametrize("ordered", [False, True], ids=["as finished", "in order"])
async def test_what_ran_is_cancelled_and_what_had_finished_is_delivered(
    autojump_clock: trio.testing.MockClock, ordered: bool
) -> None:
    items = itertools.chain([1, 9, -2, 3, -4], itertools.repeat(9))
    stop_when = Failing(share=0.5, of=4)
    async with fan_out(fail_if_negative, items, max_at_once=5, ordered=ordered, stop_when=stop_when) as run:
        outcomes, caught = await taken_until(FanOutStopped, run)
    assert trio.current_time() == 4.0
    assert [outcome.item for outcome in outcomes] == [1, -2, 3, -4]
    assert caught.value.message == MESSAGE
    assert caught.value.__cause__ is outcomes[3].error
    assert (caught.value.elapsed, caught.value.sent, caught.value.attempts) == (4.0, "maybe", 0)
    assert (run.report.done, run.report.failed, run.report.cancelled) == (2, 2, 4)
    assert adds_up(run.report)


async def test_a_success_may_complete_the_window(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(fail_if_negative, [-1, -2, 3, 4, 9], max_at_once=5, stop_when=Failing(of=4)) as run:
        outcomes, caught = await taken_until(FanOutStopped, run)
    assert caught.value.message == MESSAGE
    assert caught.value.__cause__ is outcomes[1].error
    assert trio.current_time() == 4.0


async def test_the_error_is_raised_on_leaving_at_the_latest(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(FanOutStopped, match=MESSAGE):
        async with fan_out(fail_if_negative, [-1, -1, 1, 1, 9], max_at_once=5, stop_when=Failing(of=4)):
            await trio.sleep(5)


async def test_only_the_given_kinds_count(autojump_clock: trio.testing.MockClock) -> None:
    class Refused(Broken):
        pass

    async def call(item: int) -> None:
        raise (Refused if item % 3 else KeyError)(item)

    for kinds, stops in ((Broken, True), (Refused, True), ((OSError, ValueError), False), (Exception, True)):
        run = fan_out(call, range(60), max_at_once=1, stop_when=Failing(share=0.6, of=6, kinds=kinds))
        caught: list[FanOutStopped] = []
        try:
            async with run:
                count = len([outcome async for outcome in run])
        except FanOutStopped as stopped:
            caught.append(stopped)
            count = run.report.failed
        assert len(caught) == stops
        assert count == (6 if stops else 60)
        assert not caught or isinstance(caught[0].__cause__, kinds)
    assert adds_up(run.report)


async def test_a_run_that_goes_well_never_stops(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(fail_if_negative, [1, 1, -1] * 100, max_at_once=1, stop_when=Failing(of=3)) as run:
        assert len([outcome async for outcome in run]) == 300


async def test_an_items_deadline_is_a_failure(autojump_clock: trio.testing.MockClock) -> None:
    run = fan_out(fail_if_negative, itertools.repeat(9), max_at_once=2, item_deadline=1, stop_when=Failing(of=4))
    async with run:
        _, caught = await taken_until(FanOutStopped, run)
    assert isinstance(caught.value.__cause__, DeadlineExceeded)
    assert trio.current_time() == 2.0


async def test_an_error_of_the_run_that_came_first_stays(autojump_clock: trio.testing.MockClock) -> None:
    def items() -> Any:
        yield from (-1, -2, -3)
        raise Broken("input")

    async with fan_out(fail_if_negative, items(), max_at_once=9, stop_when=Failing(of=2)) as run:
        outcomes, caught = await taken_until(Broken, run)
    assert caught.match("input")
    # It stops all the same: what ran on would be no better.
    assert [outcome.item for outcome in outcomes] == [-1, -2]


async def test_the_error_pickles(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(fail_if_negative, [-1, -1, 9], max_at_once=3, stop_when=Failing(of=2)) as run:
        _, caught = await taken_until(FanOutStopped, run)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.message, again.elapsed, again.sent) == (caught.value.message, 1.0, "maybe")
    assert str(again) == (
        "2 of the last 2 calls failed; at a share of 0.5 the fan-out was to stop. "
        "Look at the cause: a key, a URL or the server is likely wrong for every item."
    )


async def test_no_failure_is_held_once_the_run_is_over(autojump_clock: trio.testing.MockClock) -> None:
    async with fan_out(fail_if_negative, [-1, 1, 1], max_at_once=3, stop_when=Failing(of=3)) as run:
        failed = [weakref.ref(outcome.error) async for outcome in run if outcome.error]
    gc.collect()
    assert [reference() for reference in failed] == [None]


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"stop_when": 0.5}, TypeError, "stop_when must be a Failing or None, not 0.5"),
        ({"on_error": "stop"}, ValueError, 'stop_when goes with on_error="collect": with "stop" the first failure'),
        ({"on_error": "cancel"}, ValueError, 'with "cancel" the first failure'),
        ({"on_error": "raise"}, ValueError, "on_error must be one of 'collect', 'stop', 'cancel', not 'raise'"),
    ],
)
def test_arguments_are_checked_at_once(changes: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        fan_out(fail_if_negative, [1], **{"max_at_once": 1, "stop_when": Failing()} | changes)


# A million items


@pytest.mark.parametrize("delay", [0.0, 0.5])
async def test_a_dead_key_does_not_burn_a_million_requests(
    autojump_clock: trio.testing.MockClock, delay: float
) -> None:
    transport = ScriptedTransport(reply(401, delay=delay), repeat_last=True)
    stop_when = Failing(share=0.5, of=50)
    async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
        async with fan_out(
            lambda item: client.post("/embed", body={"item": item}),
            range(1_000_000),
            max_at_once=100,
            stop_when=stop_when,
        ) as run:
            outcomes, caught = await taken_until(FanOutStopped, run)
    assert 50 <= len(outcomes) < 150
    assert len(transport.requests) < 50 + 100
    assert isinstance(caught.value.__cause__, AuthenticationError)
    assert adds_up(run.report)


@pytest.mark.parametrize("seed", range(3))
async def test_a_key_that_dies_on_the_way_is_noticed_soon(autojump_clock: trio.testing.MockClock, seed: int) -> None:
    chance, begun = random.Random(seed), 0

    async def call(item: int) -> None:
        nonlocal begun
        begun += 1
        dead = begun > 1000
        await trio.sleep(chance.uniform(0.5, 1.5))
        if dead or chance.random() < 0.05:
            raise Broken

    async with fan_out(call, range(1_000_000), max_at_once=200, stop_when=Failing()) as run:
        await taken_until(FanOutStopped, run)
    assert 1000 < begun < 1000 + 50 + 2 * 200


async def test_thirty_percent_of_failures_are_not_half(autojump_clock: trio.testing.MockClock) -> None:
    chance = random.Random(3)

    async def call(item: int) -> None:
        if chance.random() < 0.3:
            raise Broken

    async with fan_out(call, range(20_000), max_at_once=100, stop_when=Failing(share=0.5, of=200)) as run:
        assert len([outcome async for outcome in run]) == 20_000
    assert 5500 < run.report.failed < 6500


# How far the calls got that were cut off


CUT_OFF = [
    pytest.param([fault("connect", after=99)], "no", id="connecting"),
    pytest.param([reply(json=1, delay=99)], "maybe", id="waiting for an answer"),
    pytest.param([reply(503, delay=0.1), fault("connect", after=99)], "yes", id="answered once"),
]


@pytest.mark.parametrize(("script", "sent"), CUT_OFF)
async def test_an_items_deadline_says_how_far_it_got(autojump_clock: Any, script: list[Any], sent: str) -> None:
    async with client_of(*script, max_retries=3) as client:
        async with fan_out(lambda item: client.get("/"), [1], max_at_once=1, item_deadline=4.0) as run:
            (outcome,) = [outcome async for outcome in run]
    assert isinstance(outcome.error, DeadlineExceeded)
    assert outcome.error.sent == sent


@pytest.mark.parametrize(("script", "sent"), CUT_OFF)
async def test_the_deadline_of_a_run_says_how_far_it_got(autojump_clock: Any, script: list[Any], sent: str) -> None:
    async with client_of(*script, max_retries=3) as client:
        async with fan_out(lambda item: client.get("/"), [1], max_at_once=1, deadline=4.0) as run:
            _, caught = await taken_until(DeadlineExceeded, run)
    assert (caught.value.sent, caught.value.elapsed) == (sent, 4.0)


async def test_it_is_the_one_that_got_furthest(autojump_clock: Any) -> None:
    async def call(api: AsyncAPIClient, item: int) -> None:
        await trio.sleep(item / 10)
        await api.get(f"/{item}")

    script = fault("connect", after=99), reply(json=1, delay=99), fault("connect", after=99)
    async with client_of(*script) as client:
        async with fan_out(lambda item: call(client, item), range(3), max_at_once=3, deadline=4.0) as run:
            _, caught = await taken_until(DeadlineExceeded, run)
    assert caught.value.sent == "maybe"


async def test_what_had_an_outcome_is_not_meant(autojump_clock: Any) -> None:
    async with client_of(reply(json=1), fault("connect", after=99)) as client:
        async with fan_out(lambda item: client.get("/"), [1, 2], max_at_once=1, deadline=4.0) as run:
            outcomes, caught = await taken_until(DeadlineExceeded, run)
    assert [outcome.value for outcome in outcomes] == [1]
    assert caught.value.sent == "no"


async def test_a_run_that_waits_for_its_input_has_sent_nothing(autojump_clock: Any) -> None:
    async def items() -> Any:
        await trio.sleep_forever()
        yield

    async with fan_out(fail_if_negative, items(), max_at_once=1, deadline=4.0) as run:
        _, caught = await taken_until(DeadlineExceeded, run)
    assert caught.value.sent == "no"
