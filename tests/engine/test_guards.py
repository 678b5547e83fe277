"""What stands between a call and its attempts, on a virtual clock: who waits, who is refused, and that
nothing of it is lost, whatever happens to the call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from trioclient import (
    AdaptiveConcurrency,
    APIError,
    AsyncAPIClient,
    CircuitBreaker,
    CircuitOpenError,
    DeadlineExceeded,
    Hedge,
    InternalServerError,
    LimitExceeded,
    Rate,
    RateLimiter,
    RateLimitError,
    RetryBudget,
    RetryPolicy,
)
from trioclient._engine.guards import Guards
from trioclient._engine.limit_group import LimitGroup
from trioclient.testing import ScriptedTransport, event_stream, fault, reply

OK = reply(json={"ok": True})
BUSY = reply(503)
AT_ONCE = RetryPolicy(initial_delay=0.0, max_delay=0.0)


def client_of(*script: Any, **options: Any) -> AsyncAPIClient:
    """Against one server that answers by a script, its last entry for ever; chance is always 0."""
    transport = ScriptedTransport(*script, repeat_last=True)
    client = AsyncAPIClient(base_url="https://api.test", transport=transport, **options)
    client._engine.guards.draw = lambda: 0.0
    return client


def transport_of(client: AsyncAPIClient) -> Any:
    """Which is a `ScriptedTransport`."""
    return client._transport


def instants(client: AsyncAPIClient) -> list[float]:
    """Seconds from the first request to each."""
    requests = transport_of(client).requests
    return [request.at - requests[0].at for request in requests]


def guards_of(client: AsyncAPIClient) -> Guards:
    return client._engine.guards


def group_of(client: AsyncAPIClient) -> LimitGroup:
    return guards_of(client).group_of(client._limit_group)


async def several(client: AsyncAPIClient, count: int, **options: Any) -> list[Any]:
    """What came of so many calls at once, errors too, in the order they ended."""
    results: list[Any] = []

    async def call() -> None:
        try:
            results.append(await client.get("/x", options=options))
        except APIError as error:
            results.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(call)
    return results


class TestOff:
    """A client to which nothing has happened has nothing to ask."""

    async def test_good_calls_pass_no_guard(self, autojump_clock: Any) -> None:
        client = client_of(OK)
        await several(client, 10)
        assert not guards_of(client).watchful
        assert client.statistics().limit_groups == client.statistics().origins == ()

    async def test_trouble_is_forgotten_when_all_is_well_again(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, OK)
        assert await client.get("/x") == {"ok": True}
        assert instants(client) == [0.0, 0.5]
        assert guards_of(client).watchful  # one 503 is still in the round of the adaptive limit
        for _ in range(20):
            await client.get("/x")
        assert not guards_of(client).watchful

    async def test_not_while_somebody_waits_to_retry(self, autojump_clock: Any) -> None:
        client = client_of(fault("disconnect"), OK)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "/x")
            await trio.sleep(0.1)
            await several(client, 20)
            assert guards_of(client).watchful
        assert not guards_of(client).watchful

    async def test_what_is_no_trouble_leaves_nothing_behind(self, autojump_clock: Any) -> None:
        client = client_of(reply(404))
        await several(client, 3)
        assert not guards_of(client).watchful

    async def test_everything_may_be_off(self, autojump_clock: Any) -> None:
        policy = RetryPolicy(initial_delay=0.0, max_delay=0.0, budget=None, gate=False)
        client = client_of(*[BUSY] * 300, OK, retry=policy, concurrency=None, max_retries=2)
        await several(client, 100)
        assert len(instants(client)) == 300


class TestMaxAtOnce:
    async def test_the_others_wait_in_line(self, autojump_clock: Any) -> None:
        client = client_of(reply(json=1, delay=1.0), max_at_once=2)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(client.get, "/x")
            await trio.sleep(0.5)
            (group,) = client.statistics().limit_groups
            assert (group.name, group.in_flight, group.waiting, group.limit) == ("https://api.test", 2, 3, 2)
        assert instants(client) == [0, 0, 1, 1, 2]

    async def test_who_sleeps_in_a_back_off_has_no_permit(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, OK, max_at_once=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "/x")
            await trio.sleep(0.1)
            await client.get("/y")
        assert instants(client) == [0.0, 0.1, 0.5]

    async def test_a_stream_has_its_permit_until_it_is_closed(self, autojump_clock: Any) -> None:
        client = client_of(event_stream({"n": 1}, {"n": 2}), OK, max_at_once=1)
        async with await client.get("/events", stream=True) as stream:
            assert await stream.__anext__() == {"n": 1}
            with trio.move_on_after(10) as scope:
                await client.get("/x")
            assert scope.cancelled_caught
        assert await client.get("/x") == {"ok": True}

    async def test_a_stream_that_cannot_be_read_gives_it_back(self, autojump_clock: Any) -> None:
        client = client_of(reply(content="no", headers={"Content-Type": "text/html"}), OK, max_at_once=1)
        for _ in range(2):
            with pytest.raises(APIError):
                await client.get("/events", stream=True, options={"max_retries": 0})
        assert group_of(client).permits.taken == 0

    async def test_the_deadline_counts_while_it_waits(self, autojump_clock: Any) -> None:
        client = client_of(reply(json=1, delay=5.0), max_at_once=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "/x")
            await trio.sleep(1.0)
            with pytest.raises(DeadlineExceeded, match="waiting for one of the calls at once") as caught:
                await client.get("/x", options={"deadline": 2.0})
        assert (caught.value.elapsed, caught.value.attempts, caught.value.sent) == (2.0, 0, "no")

    async def test_a_retry_that_waits_too_long_fails_with_what_had_come(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, reply(json=1, delay=9.0), max_at_once=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(several, client, 1)
            await trio.sleep(0.1)
            nursery.start_soon(client.get, "/long")
            await trio.sleep(0.1)
            assert group_of(client).permits.taken == 1
            with pytest.raises(DeadlineExceeded):
                await client.get("/x", options={"deadline": 1.0})
        client = client_of(BUSY, reply(json=1, delay=9.0), max_at_once=1)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def fails() -> None:
                with pytest.raises(InternalServerError) as caught:
                    await client.get("/x", options={"deadline": 3.0})
                assert (caught.value.elapsed, caught.value.attempts) == (3.0, 1)

            await trio.sleep(0.1)
            nursery.start_soon(client.get, "/long")

    async def test_who_would_wait_behind_a_closed_gate_fails_at_once(self, autojump_clock: Any) -> None:
        client = client_of(reply(429, headers={"Retry-After": "60"}), OK, max_at_once=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(several, client, 1)
            await trio.sleep(0.1)
            nursery.start_soon(several, client, 1)
            await trio.sleep(0.1)
            began = trio.current_time()
            with pytest.raises(DeadlineExceeded) as caught:
                await client.get("/x", options={"deadline": 5.0})
            assert trio.current_time() == began
            assert caught.value.retry_at is not None

    async def test_by_origin_or_by_name(self, autojump_clock: Any) -> None:
        client = client_of(reply(json=1, delay=1.0), max_at_once=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "/a")
            nursery.start_soon(client.get, "https://other.test/b")
            nursery.start_soon(several, client.with_options(limit_group="mine"), 1)
            nursery.start_soon(client.with_options(limit_group="others").get, "/d")
            await trio.sleep(0.5)
            names = [group.name for group in client.statistics().limit_groups]
            assert sorted(names) == ["https://api.test", "https://other.test", "mine", "others"]
            await several(client, 1, limit_group="mine")
        assert sorted(instants(client)) == [0, 0, 0, 0, 1]


class TestAdaptiveConcurrency:
    async def test_an_overloaded_server_gets_fewer_at_once(self, autojump_clock: Any) -> None:
        busy = 0
        most = 0

        async def answer(_: Any) -> Any:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            try:
                await trio.sleep(0.1)
                return OK if busy <= 20 else BUSY
            finally:
                busy -= 1

        client = client_of(answer, max_retries=0)
        for _ in range(10):
            await several(client, 200)
        assert most == 200
        most = 0
        await several(client, 200)
        assert most <= 40
        (group,) = client.statistics().limit_groups
        assert group.limit is not None
        assert 10 <= group.limit <= 40

    async def test_attempts_from_before_the_limit_say_nothing_of_it(self, autojump_clock: Any) -> None:
        delays = itertools.chain([(1.0, BUSY)] * 30, [(20.0, BUSY)] * 200, itertools.repeat((20.0, OK)))

        async def answer(_: Any) -> Any:
            delay, what = next(delays)
            await trio.sleep(delay)
            return what

        client = client_of(answer, max_retries=0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(several, client, 1000)
            await trio.sleep(5.0)
            assert client.statistics().limit_groups[0].limit == 700
            await trio.sleep(20.0)
            assert client.statistics().limit_groups[0].limit == 700

    async def test_who_waits_is_not_in_flight(self, autojump_clock: Any) -> None:
        client = client_of(OK, rate=Rate(requests=6, per=60.0), max_at_once=20)
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(client.get, "/x")
            await trio.sleep(0.5)
            (group,) = client.statistics().limit_groups
            assert (group.in_flight, group.waiting) == (0, 9)
            nursery.cancel_scope.cancel()

    async def test_it_can_be_turned_off(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, max_retries=0, concurrency=None)
        await several(client, 200)
        assert client.statistics().limit_groups == ()

    async def test_never_over_max_at_once(self, autojump_clock: Any) -> None:
        client = client_of(*[BUSY] * 100, OK, max_retries=0, max_at_once=30, concurrency=AdaptiveConcurrency())
        await several(client, 100)
        limit = client.statistics().limit_groups[0].limit
        assert limit is not None
        assert limit < 15
        for _ in range(40):
            await several(client, 100)
        assert client.statistics().limit_groups[0].limit == 30


class TestRate:
    async def test_calls_go_by_it(self, autojump_clock: Any) -> None:
        client = client_of(OK, rate=Rate(requests=60, per=60.0, share=1.0))
        await several(client, 5)
        assert instants(client) == pytest.approx([0, 1, 2, 3, 4])

    async def test_tokens_are_estimated_from_the_body_and_settled_by_the_answer(self, autojump_clock: Any) -> None:
        rate = Rate(tokens=600, per=60.0, share=1.0, cost=lambda body: body["max"], used=lambda value: value["used"])
        client = client_of(reply(json={"used": 10}), rate=rate)
        for most in (100, 300, 10):
            await client.post("/x", body={"max": most})
        # Had all of it been used, the second would have gone 30 seconds after the first.
        assert instants(client)[1] < 31
        assert instants(client)[2] - instants(client)[1] < 2

    async def test_calls_without_a_body_cost_no_tokens(self, autojump_clock: Any) -> None:
        rate = Rate(tokens=100, cost=lambda body: body["max"], used=lambda value: value["used"])
        client = client_of(reply(json="anything"), rate=rate)
        assert await client.get("/x") == "anything"
        (limiter,) = [group.rate for group in guards_of(client)._groups.values()]
        assert limiter is not None
        assert limiter.statistics().tokens_left == 100.0

    async def test_what_never_fits_is_refused_at_once(self, autojump_clock: Any) -> None:
        client = client_of(OK, rate=Rate(tokens=600, per=60.0, cost=len))
        with pytest.raises(LimitExceeded, match=r"rate\.tokens") as caught:
            await client.post("/x", body="x" * 601)
        assert (caught.value.limit, caught.value.value, caught.value.sent) == ("rate.tokens", 600.0, "no")
        assert not transport_of(client).requests

    async def test_what_comes_too_late_is_refused_at_once(self, autojump_clock: Any) -> None:
        client = client_of(OK, rate=Rate(requests=6, per=60.0, share=1.0))
        await client.get("/x")
        began = trio.current_time()
        with pytest.raises(DeadlineExceeded, match="the rate lets this call begin in 10 s") as caught:
            await client.get("/x", options={"deadline": 5.0})
        assert trio.current_time() == began
        assert caught.value.retry_at is not None
        assert (caught.value.attempts, caught.value.sent) == (0, "no")

    async def test_retries_are_paced_as_well(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, OK, rate=Rate(requests=6, per=60.0, share=1.0))
        await client.get("/x")
        assert instants(client) == pytest.approx([0, 10])

    async def test_a_limiter_is_shared_by_clients(self, autojump_clock: Any) -> None:
        limiter = RateLimiter(Rate(requests=60, per=60.0, share=1.0))
        one, other = client_of(OK, rate=limiter), client_of(OK, rate=limiter)
        began = trio.current_time()
        for client in (one, other, one, other):
            await client.get("/x")
        assert trio.current_time() - began == pytest.approx(3)

    async def test_what_was_not_sent_is_given_back(self, autojump_clock: Any) -> None:
        client = client_of(fault("connect"), OK, rate=Rate(requests=60, per=60.0, share=1.0), retry=AT_ONCE)
        await client.get("/x")
        assert instants(client) == [0, 0]

    async def test_one_stray_429_is_not_taken_for_a_quota_of_one(self, autojump_clock: Any) -> None:
        client = client_of(reply(429), OK, rate=Rate(requests=600, per=60.0, learn=True), max_retries=0)
        await several(client, 1)
        began = trio.current_time()
        await several(client, 10)
        assert trio.current_time() - began < 10.0

    async def test_quotas_are_learned_if_asked(self, autojump_clock: Any) -> None:
        told = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}
        for learn, seconds in ((False, 0.1), (True, 30.0)):
            client = client_of(reply(json=1, headers=told), OK, rate=Rate(requests=6000, per=60.0, learn=learn))
            await client.get("/x")
            await client.get("/x")
            assert instants(client)[1] == pytest.approx(seconds, rel=0.2, abs=0.1)

    async def test_a_fan_out_does_not_pay_twice(self, autojump_clock: Any) -> None:
        limiter = RateLimiter(Rate(requests=60))
        client = client_of(OK, rate=limiter)
        with pytest.raises(ValueError, match="rate is the client's own limiter"):
            client.fan_out(lambda api, item: api.get("/x"), [1], max_at_once=1, rate=limiter)

    async def test_a_bug_in_the_estimate_is_the_callers(self, autojump_clock: Any) -> None:
        client = client_of(OK, rate=Rate(tokens=600, cost=lambda body: body["tokens"]), max_at_once=1)
        with pytest.raises(KeyError):
            await client.post("/x", body={})
        assert group_of(client).permits.taken == 0


class TestBudget:
    async def test_an_outage_is_not_made_worse(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, retry=AT_ONCE)
        results = [result for _ in range(20) for result in await several(client, 50)]
        assert len(instants(client)) == 1000 + 50
        assert all(type(result) is InternalServerError for result in results)
        assert str(results[-1]).startswith(
            "GET https://api.test/x: 503 Service Unavailable; not retried: the retry budget is spent (1 attempt in"
        )
        (origin,) = client.statistics().origins
        assert (origin.origin, origin.budget_left, origin.circuit) == ("https://api.test", 0.0, None)

    async def test_hooks_hear_the_reason(self, autojump_clock: Any) -> None:
        reasons: list[str] = []
        policy = RetryPolicy(budget=RetryBudget(capacity=10.0))
        client = client_of(BUSY, retry=policy, hooks=[lambda record: reasons.append(record.reason)])
        await several(client, 1)
        assert reasons == ["status 503", "the retry budget is spent"]

    async def test_success_puts_it_all_back(self, autojump_clock: Any) -> None:
        client = client_of(*[BUSY, BUSY, OK] * 100, retry=AT_ONCE)
        for _ in range(100):
            await client.get("/x")
        assert len(instants(client)) == 300

    async def test_a_throttled_call_costs_less(self, autojump_clock: Any) -> None:
        policy = RetryPolicy(initial_delay=0.0, max_delay=0.0, budget=RetryBudget(capacity=20.0))
        client = client_of(reply(429), retry=policy, max_retries=9)
        await several(client, 1)
        assert len(instants(client)) == 1 + 4
        client = client_of(reply(500), retry=policy, max_retries=9)
        await several(client, 1)
        assert len(instants(client)) == 1 + 2

    async def test_the_last_tokens_go_to_whoever_sends_first(self, autojump_clock: Any) -> None:
        policy = RetryPolicy(budget=RetryBudget(capacity=10.0, in_flight_share=0.0))
        client = client_of(BUSY, retry=policy)
        results = await several(client, 10)
        # All of them thought they would retry, and slept.
        assert instants(client) == [0.0] * 10 + [0.5]
        assert sum("not retried: the retry budget is spent" in str(result) for result in results) == 10

    async def test_a_retry_cancelled_in_its_back_off_took_nothing(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, OK)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "/x")
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()
        assert client.statistics().origins[0].budget_left == 500.0

    async def test_one_cancelled_on_the_wire_is_spent(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, reply(json=1, delay=9.0))
        with trio.move_on_after(2.0):
            await client.get("/x")
        assert client.statistics().origins[0].budget_left == 490.0

    async def test_one_that_never_connected_before_it_was_cancelled_is_not(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, fault("connect", after=9.0))
        with trio.move_on_after(2.0):
            await client.get("/x")
        assert client.statistics().origins[0].budget_left == 500.0

    async def test_each_origin_has_its_own(self, autojump_clock: Any) -> None:
        policy = RetryPolicy(initial_delay=0.0, max_delay=0.0, budget=RetryBudget(capacity=10.0))
        client = client_of(BUSY, retry=policy)
        await several(client, 1)
        with pytest.raises(InternalServerError) as caught:
            await client.get("https://other.test/")
        assert caught.value.attempts == 2


class TestCircuit:
    BREAKER = CircuitBreaker(of=5, open_for=10.0, window=60.0)

    async def test_it_opens_and_names_the_next_probe(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, breaker=self.BREAKER, max_retries=0)
        guards_of(client).wall = lambda: 1_000_000_000.0
        await several(client, 5)
        await trio.sleep(3.0)
        with pytest.raises(CircuitOpenError) as caught:
            await client.get("/x")
        error = caught.value
        assert (error.attempts, error.sent, error.elapsed) == (0, "no", 0.0)
        assert error.retry_at is not None
        assert error.retry_at.timestamp() == 1_000_000_007
        assert error.message == "too much has failed at this origin; it is tried again in 7 s at the latest"
        assert len(instants(client)) == 5
        assert client.statistics().origins[0].circuit == "open"

    async def test_one_probe_and_it_closes(self, autojump_clock: Any) -> None:
        client = client_of(*[BUSY] * 5, reply(json=1, delay=1.0), breaker=self.BREAKER, max_retries=0, concurrency=None)
        await several(client, 5)
        await trio.sleep(10.0)
        results = await several(client, 10)
        assert [type(result) for result in results] == [CircuitOpenError] * 9 + [int]
        assert await several(client, 3) == [1, 1, 1]

    async def test_throttling_never_opens_it(self, autojump_clock: Any) -> None:
        client = client_of(reply(429), breaker=self.BREAKER, max_retries=0)
        results = await several(client, 50)
        assert {type(result) for result in results} == {RateLimitError}

    async def test_a_cancelled_probe_makes_room_for_another(self, autojump_clock: Any) -> None:
        client = client_of(*[BUSY] * 5, reply(json=1, delay=5.0), breaker=self.BREAKER, max_retries=0)
        await several(client, 5)
        await trio.sleep(10.0)
        with trio.move_on_after(1.0):
            await client.get("/x")
        assert await client.get("/x") == 1

    async def test_a_retry_is_given_up_at_once_with_what_had_come(self, autojump_clock: Any) -> None:
        reasons: list[str] = []
        client = client_of(
            BUSY,
            breaker=CircuitBreaker(of=2, open_for=10.0),
            max_retries=5,
            hooks=[lambda record: reasons.append(record.reason)],
        )
        guards_of(client).wall = lambda: 1_000_000_000.0
        with pytest.raises(InternalServerError, match="not retried: the circuit is open") as caught:
            await client.get("/x")
        assert (caught.value.attempts, caught.value.elapsed) == (2, 0.5)
        assert caught.value.retry_at is not None
        assert caught.value.retry_at.timestamp() == 1_000_000_010
        assert reasons == ["status 503", "the circuit is open"]

    async def test_one_that_opens_during_a_back_off_ends_the_call(self, autojump_clock: Any) -> None:
        client = client_of(BUSY, breaker=CircuitBreaker(of=3, open_for=10.0), max_retries=5)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def fails() -> None:
                with pytest.raises(InternalServerError) as caught:
                    await client.get("/x")
                assert (caught.value.attempts, caught.value.elapsed) == (1, 0.5)
                assert caught.value.retry_at is not None

            await trio.sleep(0.1)
            for _ in range(2):
                with pytest.raises(InternalServerError):
                    await client.get("/x", options={"max_retries": 0})

    async def test_it_is_asked_again_after_the_wait(self, autojump_clock: Any) -> None:
        client = client_of(reply(503, delay=1.0), breaker=self.BREAKER, max_retries=0, max_at_once=1)
        results = await several(client, 20)
        assert len(instants(client)) == 5
        assert [type(result) for result in results] == [InternalServerError] * 5 + [CircuitOpenError] * 15

    async def test_other_origins_go_on(self, autojump_clock: Any) -> None:
        def answer(request: Any) -> Any:
            return BUSY if "api.test" in request.url else OK

        client = client_of(answer, breaker=self.BREAKER, max_retries=0)
        await several(client, 10)
        assert await client.get("https://other.test/x") == {"ok": True}


class TestHedge:
    async def test_a_second_copy_of_a_slow_call(self, autojump_clock: Any) -> None:
        client = client_of(reply(json="slow", delay=5.0), reply(json="fast", delay=0.1), hedge=Hedge(after=1.0))
        began = trio.current_time()
        assert await client.post("/x", body=1) == "fast"
        assert trio.current_time() - began == pytest.approx(1.1)
        first, second = transport_of(client).requests
        assert dict(first.headers)["Idempotency-Key"] == dict(second.headers)["Idempotency-Key"]
        assert transport_of(client).open_responses == 0
        statistics = client.statistics()
        assert (statistics.attempts, statistics.retries) == (2, 0)
        assert (statistics.hedges, statistics.hedges_won) == (1, 1)
        assert statistics.origins[0].budget_left == 490.0

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("POST", {"body": 1, "options": {"headers": {"Idempotency-Key": ""}}}),
            ("POST", {"content": iter([b"once"])}),
            ("POST", {"body": 1, "options": {"upload_progress": lambda *_: None}}),
            ("POST", {"body": 1, "options": {"hedge": None}}),
        ],
    )
    async def test_not_of_what_may_not_or_cannot_be_sent_twice(
        self, autojump_clock: Any, method: str, arguments: Any
    ) -> None:
        from trioclient import omit

        headers = arguments.get("options", {}).get("headers")
        if headers:
            headers["Idempotency-Key"] = omit
        client = client_of(reply(json=1, delay=5.0), hedge=Hedge(after=1.0))
        await client.request(method, "/x", **arguments)
        assert len(instants(client)) == 1

    async def test_it_is_no_retry(self, autojump_clock: Any) -> None:
        records: list[Any] = []
        client = client_of(reply(json=1, delay=5.0), OK, hedge=Hedge(after=1.0), hooks=[records.append])
        response = await client.with_raw_response.get("/x")
        assert response.retries_taken == 0
        assert [record.attempt for record in records] == [1]

    async def test_a_quota_learned_meanwhile_is_no_fault_of_the_call(self, autojump_clock: Any) -> None:
        limiter = RateLimiter(Rate(tokens=1000, cost=len, learn=True))
        client = client_of(reply(json=1, delay=5.0), hedge=Hedge(after=1.0), rate=limiter)
        small = [(b"x-ratelimit-limit-tokens", b"10"), (b"x-ratelimit-remaining-tokens", b"10")]
        small.append((b"x-ratelimit-reset-tokens", b"60s"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(several, client, 1)

            @nursery.start_soon
            async def post() -> None:
                assert await client.post("/x", body="x" * 100) == 1

            await trio.sleep(0.5)
            limiter.learn(200, small)

    async def test_many_fixed_delays_leave_nothing_behind(self, autojump_clock: Any) -> None:
        client = client_of(OK)
        for number in range(50):
            await client.get("/x", options={"hedge": Hedge(after=1.0 + number)})
        assert client.statistics().origins == ()
        assert not guards_of(client).watchful

    @pytest.mark.parametrize(("after", "second"), [(0.0, [0.0]), (0.25, [0.25]), (float("inf"), [])])
    async def test_a_fixed_delay_learns_nothing(self, autojump_clock: Any, after: float, second: list[float]) -> None:
        client = client_of(reply(json=1, delay=3.0))
        hedged = client.with_options(hedge=Hedge(after=after, least=1), max_retries=0)
        for _ in range(5):
            transport_of(client).requests.clear()
            await hedged.get("/x")
            assert instants(client) == [0.0, *second]

    async def test_of_one_call_alone(self, autojump_clock: Any) -> None:
        client = client_of(reply(json=1, delay=5.0))
        await client.get("/x", options={"hedge": Hedge(after=1.0)})
        assert instants(client) == [0.0, 1.0]
        await client.get("/x")
        assert len(instants(client)) == 3

    async def test_of_a_stream(self, autojump_clock: Any) -> None:
        slow = reply(chunks=["data: 1\n\n"], headers={"Content-Type": "text/event-stream"}, delay=5.0)
        client = client_of(slow, event_stream({"n": 2}), hedge=Hedge(after=1.0), max_at_once=2)
        async with await client.get("/events", stream=True) as stream:
            assert [event async for event in stream] == [{"n": 2}]
        assert group_of(client).permits.taken == 0

    async def test_it_needs_a_permit_the_rate_and_the_budget(self, autojump_clock: Any) -> None:
        for options in (
            {"max_at_once": 1},
            {"rate": Rate(requests=1, per=60.0, share=1.0)},
            {"retry": RetryPolicy(budget=RetryBudget(capacity=5.0))},
        ):
            client = client_of(reply(json=1, delay=5.0), hedge=Hedge(after=1.0), **options)
            await client.get("/x")
            assert len(instants(client)) == 1
            assert group_of(client).permits.taken == 0

    async def test_the_delay_is_learned(self, autojump_clock: Any) -> None:
        delays = itertools.chain([0.1] * 50, [9.0], itertools.repeat(0.1))
        client = client_of(lambda _: reply(json=1, delay=next(delays)), hedge=Hedge())
        for _ in range(50):
            await client.get("/x")
        began = trio.current_time()
        await client.get("/x")
        assert 0.1 < trio.current_time() - began < 0.4
        assert client.statistics().hedges_won == 1

    async def test_the_first_answer_counts_if_both_are_bad(self, autojump_clock: Any) -> None:
        client = client_of(reply(503, delay=2.0), reply(500, delay=0.1), hedge=Hedge(after=1.0), max_retries=0)
        with pytest.raises(InternalServerError) as caught:
            await client.get("/x")
        assert (caught.value.status_code, caught.value.attempts, caught.value.elapsed) == (503, 2, 2.0)

    async def test_a_final_answer_ends_it(self, autojump_clock: Any) -> None:
        client = client_of(reply(json=1, delay=9.0), reply(404, delay=0.1), hedge=Hedge(after=1.0))
        with pytest.raises(APIError) as caught:
            await client.get("/x")
        assert caught.value.elapsed == pytest.approx(1.1)


SLOW = reply(json=1, delay=1.0)
SCENES: dict[str, Callable[[], AsyncAPIClient]] = {
    "permit": lambda: client_of(SLOW, max_at_once=2),
    "rate": lambda: client_of(SLOW, rate=Rate(requests=60, per=60.0), max_at_once=3),
    "gate": lambda: client_of(reply(429, headers={"Retry-After": "3"}), SLOW, max_at_once=2),
    "circuit": lambda: client_of(*[BUSY] * 3, SLOW, breaker=CircuitBreaker(of=3, open_for=0.2), max_at_once=5),
    "hedge": lambda: client_of(SLOW, hedge=Hedge(after=0.5), max_at_once=3),
    "hedged stream": lambda: client_of(event_stream(1, 2, 3, chunk_delay=0.3), hedge=Hedge(after=0.01), max_at_once=3),
}


@pytest.mark.parametrize("name", SCENES)
async def test_cancelled_at_any_instant_nothing_is_lost(autojump_clock: Any, name: str) -> None:
    for step in range(60):
        client = SCENES[name]()

        async def call(client: AsyncAPIClient = client) -> None:
            if "stream" in name:
                async with await client.get("/x", stream=True) as stream:
                    async for _ in stream:
                        pass
            else:
                await several(client, 3)

        with trio.move_on_after(step * 0.05):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                nursery.start_soon(call)
        permits = group_of(client).permits
        assert (permits.taken, permits.waiting) == (0, 0), step
        assert client.statistics().in_flight == client._engine.counts.sleeping == 0
        assert transport_of(client).open_responses == 0
        rate = group_of(client).rate
        assert rate is None or rate.waiting == 0
        await trio.sleep(100.0)  # whatever was open or closed is over
        with trio.fail_after(50.0):
            await call()


async def test_a_group_in_use_is_not_forgotten(autojump_clock: Any) -> None:
    client = client_of(reply(json=1, delay=1.0), max_at_once=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.get, "/x")
        await trio.sleep(0.1)
        for number in range(1001):
            nursery.start_soon(several, client.with_options(limit_group=f"tenant {number}"), 1)
        await trio.sleep(0.1)
        nursery.start_soon(client.get, "/x")
    assert instants(client)[-1] == 1.0


async def test_a_client_led_to_many_origins_forgets_the_oldest(autojump_clock: Any) -> None:
    client = client_of(BUSY, max_retries=0, breaker=CircuitBreaker())
    for number in range(1100):
        with pytest.raises(InternalServerError):
            await client.get(f"https://host{number}.test/")
    statistics = client.statistics()
    assert len(statistics.origins) == len(statistics.limit_groups) == 1000
    assert statistics.origins[0].origin == "https://host100.test"


def test_another_trio_run_begins_anew() -> None:
    # Its clock has another zero, so what was opened or held until some instant would be so for ages.
    client = client_of(
        *[BUSY] * 5, reply(429, headers={"Retry-After": "60"}), OK, max_retries=0, breaker=TestCircuit.BREAKER
    )

    async def first() -> None:
        await several(client, 6)
        assert client.statistics().origins[0].circuit == "open"
        assert client.statistics().limit_groups[0].held_for == 60.0

    async def second() -> None:
        assert await client.get("/x") == {"ok": True}

    trio.run(first, clock=trio.testing.MockClock(autojump_threshold=0))
    assert client.statistics().origins[0].circuit == "open"
    trio.run(second, clock=trio.testing.MockClock(autojump_threshold=0))
    assert client.statistics().origins[0].circuit == "closed"


def test_statistics_can_be_read_in_another_thread() -> None:
    client = client_of(reply(429, headers={"Retry-After": "60"}), max_retries=0)

    async def main() -> None:
        await several(client, 1)
        statistics = await trio.to_thread.run_sync(client.statistics)
        assert 59 < statistics.limit_groups[0].held_for <= 60
        assert statistics.limit_groups[0].throttled == 1

    trio.run(main)
