"""The gate of a client on a virtual clock: who is held back by whose answer, and until when exactly."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing

from trioclient import (
    APIStatusError,
    AsyncAPIClient,
    DeadlineExceeded,
    InternalServerError,
    RateLimitError,
    RetryPolicy,
)
from trioclient.testing import ScriptedTransport, reply

WALL = 1_000_000_000.0
OK = reply(json={"ok": True})


def asks_to_wait(seconds: float, status: int = 429) -> Any:
    return reply(status, headers={"Retry-After": f"{seconds:g}"})


class Site:
    """A client whose server answers by path, and whose chance and clock are known."""

    def __init__(self, *, draws: Iterator[float] | None = None, **options: Any) -> None:
        self.start = trio.current_time()
        self.replies: dict[str, list[Any]] = {}
        self.transport = ScriptedTransport(self._answer, repeat_last=True)
        self.client = AsyncAPIClient(base_url="https://api.test", transport=self.transport, **options)
        draws = draws if draws is not None else itertools.repeat(0.0)
        self.client._engine.guards.draw = lambda: next(draws)
        self.client._engine.guards.wall = lambda: WALL + self.now

    def _answer(self, request: Any) -> Any:
        replies = self.replies.get(request.path)
        return replies.pop(0) if replies else OK

    @property
    def now(self) -> float:
        return trio.current_time() - self.start

    def instants(self, path: str) -> list[float]:
        """When each request to `path` was sent."""
        return [request.at - self.start for request in self.transport.requests if request.path == path]

    async def call(self, path: str, at: float = 0.0, **options: Any) -> Any:
        await trio.sleep_until(self.start + at)
        return await self.client.get(path, options=options)


@pytest.fixture
def site() -> Callable[..., Site]:
    return Site


async def test_a_thousand_calls_are_spread_behind_one_429(autojump_clock: Any, site: Callable[..., Site]) -> None:
    # One draw for the delay of the first call, then one for each that waits at the gate.
    shares = [number / 1000 for number in range(1000)]
    world = site(draws=itertools.chain([0.5], shares, itertools.repeat(0.0)))
    world.replies["/first"] = [asks_to_wait(10)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.call, "/first")
        for _ in range(1000):
            nursery.start_soon(world.call, "/others", 1.0)
    assert world.instants("/first") == [0.0, 11.25]
    instants = world.instants("/others")
    assert sorted(instants) == pytest.approx([10.0 + 2.5 * math.sqrt(share) for share in shares])
    assert len(set(instants)) == 1000


@pytest.mark.parametrize(
    ("first", "instant"),
    [
        (asks_to_wait(10, 429), 10.0),
        (asks_to_wait(10, 503), 10.0),
        (reply(429, headers={"retry-after-ms": "2500"}), 2.5),
        (reply(429), 1.0),
        (reply(503), 1.0),
        (asks_to_wait(10, 500), 1.0),
        (asks_to_wait(10, 408), 1.0),
        (asks_to_wait(0, 429), 1.0),
        (asks_to_wait(120, 429), 120.0),
        (asks_to_wait(121, 429), 1.0),
    ],
    ids=[
        "429",
        "503",
        "milliseconds",
        "429 without a delay",
        "503 without a delay",
        "500",
        "408",
        "zero",
        "as long as max_retry_after",
        "longer",
    ],
)
async def test_which_answers_close_it(
    autojump_clock: Any, site: Callable[..., Site], first: Any, instant: float
) -> None:
    world = site(max_retries=0)
    world.replies["/first"] = [first]
    with pytest.raises(APIStatusError):
        await world.call("/first")
    await world.call("/other", 1.0)
    assert world.instants("/other") == [instant]


async def test_it_can_be_turned_off(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world = site(retry=RetryPolicy(gate=False))
    world.replies["/first"] = [asks_to_wait(10)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.call, "/first")
        nursery.start_soon(world.call, "/other", 1.0)
    assert world.instants("/first") == [0.0, 10.0]
    assert world.instants("/other") == [1.0]


async def test_the_spread_is_the_policys_jitter(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world = site(draws=itertools.repeat(0.25), retry=RetryPolicy(jitter=1.0), max_retries=0)
    world.replies["/first"] = [asks_to_wait(10)]
    with pytest.raises(RateLimitError):
        await world.call("/first")
    await world.call("/other")
    assert world.instants("/other") == [15.0]


async def test_it_opens_by_itself(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world = site(draws=itertools.repeat(0.9), max_retries=0)
    world.replies["/first"] = [asks_to_wait(10)]
    with pytest.raises(RateLimitError):
        await world.call("/first")
    await world.call("/other", 10.0)
    assert world.instants("/other") == [10.0]


async def test_who_has_waited_asks_again(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world = site()
    world.replies["/first"] = [asks_to_wait(10)]
    # On its way before the gate closed; its answer moves the opening.
    world.replies["/slow"] = [reply(503, headers={"Retry-After": "5"}, delay=9.0)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.call, "/slow")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(world.call, "/first")
        nursery.start_soon(world.call, "/other", 1.0)
    assert world.instants("/slow") == [0.0, 14.0]
    assert world.instants("/first") == [0.0, 14.0]
    assert world.instants("/other") == [14.0]


async def test_a_shorter_delay_does_not_open_it_earlier(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world = site()
    world.replies["/first"] = [asks_to_wait(10)]
    world.replies["/slow"] = [reply(503, headers={"Retry-After": "1"}, delay=2.0)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.call, "/slow")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(world.call, "/first")
        nursery.start_soon(world.call, "/other", 5.0)
    assert world.instants("/slow") == [0.0, 10.0]
    assert world.instants("/other") == [10.0]


async def test_a_back_off_ends_no_earlier_than_it_opens(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world = site(hooks=[(records := []).append])
    world.replies["/first"] = [asks_to_wait(10)]
    world.replies["/slow"] = [reply(500, delay=2.0)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.call, "/slow")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(world.call, "/first")
    assert world.instants("/slow") == [0.0, 10.0]
    assert [(record.status, record.delay) for record in records[:2]] == [(429, 10.0), (500, 8.0)]


class TestPastTheDeadline:
    async def test_a_new_call_fails_at_once_and_says_when(self, autojump_clock: Any, site: Callable[..., Site]) -> None:
        world = site(draws=itertools.repeat(0.16), max_retries=0)
        world.replies["/first"] = [asks_to_wait(10)]
        with pytest.raises(RateLimitError):
            await world.call("/first")
        with pytest.raises(DeadlineExceeded) as caught:
            await world.call("/other", 1.0, deadline=5.0)
        error = caught.value
        assert world.now == 1.0
        assert (error.attempts, error.elapsed, error.sent, error.response) == (0, 0.0, "no", None)
        assert error.retry_at == datetime.datetime.fromtimestamp(WALL + 11, datetime.timezone.utc)
        assert str(error) == (
            "GET https://api.test/other: the server asked all calls to wait another 10 s, past this call's deadline"
            " (retry at 2001-09-09 01:46:51 UTC). Raise `deadline=` to give retries and slow answers more time."
        )
        assert world.instants("/other") == []

    async def test_the_callers_own_scope_counts(self, autojump_clock: Any, site: Callable[..., Site]) -> None:
        world = site(max_retries=0)
        world.replies["/first"] = [asks_to_wait(10)]
        with pytest.raises(RateLimitError):
            await world.call("/first")
        with trio.fail_after(5), pytest.raises(DeadlineExceeded):
            await world.call("/other")
        assert world.now == 0.0
        with trio.fail_after(11):
            await world.call("/other")
        assert world.instants("/other") == [10.0]

    async def test_a_call_in_its_back_off_fails_with_its_own_error(
        self, autojump_clock: Any, site: Callable[..., Site]
    ) -> None:
        world = site()
        world.replies["/mine"] = [reply(500), OK]
        world.replies["/other"] = [reply(429, headers={"Retry-After": "60"}, delay=0.25)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.call, "/other")
            with pytest.raises(InternalServerError) as caught:
                await world.call("/mine", deadline=30.0)
            nursery.cancel_scope.cancel()
        assert caught.value.attempts == 1
        assert world.now == 0.5
        assert world.instants("/mine") == [0.0]


async def test_one_gate_for_a_client_and_its_copies(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world, apart = site(max_retries=0), site()
    world.replies["/first"] = [asks_to_wait(10)]
    with pytest.raises(RateLimitError):
        await world.call("/first")
    await apart.call("/other")
    await world.client.with_options(max_retries=1).get("/other")
    assert apart.instants("/other") == [0.0]
    assert world.instants("/other") == [10.0]


async def test_a_call_that_waits_can_be_cancelled(autojump_clock: Any, site: Callable[..., Site]) -> None:
    world = site(max_retries=0)
    world.replies["/first"] = [asks_to_wait(10)]
    with pytest.raises(RateLimitError):
        await world.call("/first")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.call, "/other")
        await trio.sleep(3)
        assert world.client.statistics().in_flight == 1
        nursery.cancel_scope.cancel()
    assert world.client.statistics()[:4] == (2, 0, 1, 0)
    assert world.instants("/other") == []
