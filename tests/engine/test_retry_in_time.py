"""The whole retry section on a virtual clock: exact instants of every attempt."""

from __future__ import annotations

import datetime
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio

from trioclient import _errors as errors
from trioclient._client.async_client import AsyncAPIClient
from trioclient._policy.gate import Gate
from trioclient._policy.retry import RetryPolicy
from trioclient._types import Timeout, omit
from trioclient.testing import ScriptedTransport, fault, reply

WALL = 1_000_000_000.0
OK = reply(json={"ok": True})
BUSY = reply(503)


@pytest.fixture
def client_of() -> Callable[..., AsyncAPIClient]:
    """A client whose clock on the wall stands at WALL when trio's begins, and whose chance is `draw`."""

    def make(*script: Any, draw: float = 0.0, **options: Any) -> AsyncAPIClient:
        transport = ScriptedTransport(*script)
        client = AsyncAPIClient(base_url="https://api.test", transport=transport, **options)
        start = trio.current_time()
        client._engine.guards.draw = lambda: draw
        client._engine.guards.wall = lambda: WALL + trio.current_time() - start
        return client

    return make


def gate_of(client: AsyncAPIClient) -> Gate:
    return client._engine.guards.group_of(client._base_url.origin).gate


def attempts_at(client: AsyncAPIClient) -> list[float]:
    """Seconds from the first attempt to each."""
    requests = client._transport.requests  # type: ignore[attr-defined]
    return [request.at - requests[0].at for request in requests]


@pytest.mark.parametrize(
    ("name", "script", "draw", "instants"),
    [
        ("back-off doubles", [BUSY] * 4 + [OK], 0.0, [0, 0.5, 1.5, 3.5, 7.5]),
        ("and is capped at 8 s", [BUSY] * 7 + [OK], 0.0, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5]),
        ("jitter takes off up to 25 %", [BUSY] * 2 + [OK], 1.0, [0, 0.375, 1.125]),
        ("half the jitter", [BUSY, OK], 0.5, [0, 0.4375]),
        ("every 5xx", [reply(500), reply(502), reply(504), reply(529), OK], 0.0, [0, 0.5, 1.5, 3.5, 7.5]),
        ("408, 409 and 429", [reply(408), reply(409), reply(429), OK], 0.0, [0, 0.5, 1.5, 3.5]),
        ("connection errors", [fault("connect"), fault("disconnect"), OK], 0.0, [0, 0.5, 1.5]),
        ("time an attempt takes comes on top", [fault("disconnect", after=2.0), OK], 0.0, [0, 2.5]),
        ("malformed answers", [fault("protocol"), OK], 0.0, [0, 0.5]),
        ("retry-after in seconds", [reply(429, headers={"Retry-After": "7"}), OK], 0.0, [0, 7]),
        ("with fractions", [reply(429, headers={"Retry-After": "1.25"}), OK], 0.0, [0, 1.25]),
        ("jitter is only added to it", [reply(429, headers={"Retry-After": "8"}), OK], 1.0, [0, 10]),
        ("retry-after-ms first", [reply(429, headers={"retry-after-ms": "1500", "retry-after": "9"}), OK], 0, [0, 1.5]),
        ("retry-after beyond the back-off's cap", [reply(503, headers={"Retry-After": "100"}), OK], 0.0, [0, 100]),
        ("zero falls through", [reply(429, headers={"Retry-After": "0"}), OK], 0.0, [0, 0.5]),
        ("negative falls through", [reply(429, headers={"Retry-After": "-3"}), OK], 0.0, [0, 0.5]),
        ("junk falls through", [reply(429, headers={"retry-after-ms": "nan", "retry-after": "soon"}), OK], 0, [0, 0.5]),
        (
            "a date against the answer's own",
            [
                reply(
                    429,
                    headers={"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After": "Sun, 06 Nov 1994 08:49:57 GMT"},
                ),
                OK,
            ],
            0.0,
            [0, 20],
        ),
        (
            "a date against our clock where there is none",  # WALL is 2001-09-09 01:46:40
            [reply(429, headers={"Retry-After": "Sun, 09 Sep 2001 01:46:55 GMT"}), OK],
            0.0,
            [0, 15],
        ),
        ("a date in the past", [reply(429, headers={"Retry-After": "Sun, 06 Nov 1994 08:49:57 GMT"}), OK], 0, [0, 0.5]),
        ("the server insists", [reply(400, headers={"x-should-retry": "TRUE"}), OK], 0.0, [0, 0.5]),
    ],
)
async def test_instants(
    autojump_clock: Any,
    client_of: Callable[..., AsyncAPIClient],
    name: str,
    script: list[Any],
    draw: float,
    instants: list[float],
) -> None:
    client = client_of(*script, draw=draw, max_retries=10)
    assert await client.get("/x") == {"ok": True}
    assert attempts_at(client) == pytest.approx(instants)
    assert client.statistics()[:4] == (1, 0, len(instants), len(instants) - 1)


@pytest.mark.parametrize(
    ("script", "options", "kind", "attempts", "after"),
    [
        ([BUSY] * 3, {}, errors.InternalServerError, 3, 1.5),
        ([BUSY], {"max_retries": 0}, errors.InternalServerError, 1, 0.0),
        ([reply(400)], {}, errors.BadRequestError, 1, 0.0),
        ([reply(401)], {}, errors.AuthenticationError, 1, 0.0),
        ([reply(403)], {}, errors.PermissionDeniedError, 1, 0.0),
        ([reply(404)], {}, errors.NotFoundError, 1, 0.0),
        ([reply(409)] * 3, {}, errors.ConflictError, 3, 1.5),
        ([reply(413)], {}, errors.RequestTooLargeError, 1, 0.0),
        ([reply(422)], {}, errors.UnprocessableEntityError, 1, 0.0),
        ([reply(418)], {}, errors.APIStatusError, 1, 0.0),
        ([reply(304)], {}, errors.APIStatusError, 1, 0.0),
        ([reply(503, headers={"x-should-retry": "false"})], {}, errors.InternalServerError, 1, 0.0),
        ([fault("connect")] * 3, {}, errors.APIConnectionError, 3, 1.5),
        ([fault("disconnect", after=math.inf)] * 3, {"timeout": 5.0}, errors.APITimeoutError, 3, 16.5),
        (
            [reply(content=b"junk", headers={"Content-Encoding": "gzip"})],
            {},
            errors.APIResponseValidationError,
            1,
            0,
        ),
        (
            [reply(content=b"{", headers={"Content-Type": "application/json"})],
            {},
            errors.APIResponseValidationError,
            1,
            0,
        ),
    ],
)
async def test_giving_up(
    autojump_clock: Any,
    client_of: Callable[..., AsyncAPIClient],
    script: list[Any],
    options: dict[str, Any],
    kind: type[errors.APIError],
    attempts: int,
    after: float,
) -> None:
    client = client_of(*script, **options)
    start = trio.current_time()
    with pytest.raises(errors.APIError) as caught:
        await client.get("/x")
    assert type(caught.value) is kind
    assert caught.value.attempts == len(attempts_at(client)) == attempts
    assert trio.current_time() - start == pytest.approx(after)
    assert caught.value.elapsed == pytest.approx(after)
    assert client.statistics().in_flight == 0


class TestServerDelayTooLong:
    async def test_above_max_retry_after_it_fails_at_once(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(429, headers={"Retry-After": "86400"}))
        with pytest.raises(errors.RateLimitError) as caught:
            await client.get("/x")
        assert caught.value.elapsed == 0.0
        assert caught.value.retry_at == datetime.datetime.fromtimestamp(WALL + 86400, datetime.timezone.utc)
        assert "retry at 2001-09-10 01:46:40 UTC" in str(caught.value)

    async def test_the_bound_is_the_policys(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(
            reply(429, headers={"Retry-After": "300"}), OK, retry=RetryPolicy(max_retry_after=300.0), draw=0.0
        )
        assert await client.get("/x") == {"ok": True}
        assert attempts_at(client) == [0, 300]

    async def test_a_date_in_year_99999_is_junk(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(429, headers={"Retry-After": "Sun, 06 Nov 99999 08:49:37 GMT"}), OK)
        assert await client.get("/x") == {"ok": True}
        assert attempts_at(client) == [0, 0.5]


class TestDeadline:
    """One deadline over everything."""

    @pytest.mark.parametrize(("deadline", "attempts"), [(0.49, 1), (0.51, 2), (1.49, 2), (1.51, 3)])
    async def test_no_sleep_towards_a_missed_deadline(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient], deadline: float, attempts: int
    ) -> None:
        client = client_of(*[BUSY] * 5, max_retries=9, deadline=deadline)
        start = trio.current_time()
        with pytest.raises(errors.InternalServerError) as caught:
            await client.get("/x")
        assert caught.value.attempts == attempts
        assert trio.current_time() - start == [0.0, 0.5, 1.5][attempts - 1]

    async def test_a_named_time_past_it_fails_at_once(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(429, headers={"Retry-After": "30"}), deadline=20.0)
        with pytest.raises(errors.RateLimitError) as caught:
            await client.get("/x")
        assert caught.value.elapsed == 0.0
        assert caught.value.retry_at == datetime.datetime.fromtimestamp(WALL + 30, datetime.timezone.utc)

    @pytest.mark.parametrize(
        "script",
        [
            [fault("connect", after=math.inf)],
            [fault("disconnect", after=math.inf)],
            [reply(json=1, delay=math.inf)],
            [reply(chunks=[b"1", b"2"], chunk_delay=math.inf)],
        ],
    )
    async def test_it_cuts_an_attempt_short_wherever_it_is(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient], script: list[Any]
    ) -> None:
        client = client_of(*script, deadline=7.0, timeout=100.0)
        start = trio.current_time()
        with pytest.raises(errors.DeadlineExceeded, match="deadline of 7 s passed") as caught:
            await client.get("/x")
        assert trio.current_time() - start == 7.0
        assert caught.value.attempts == 1
        assert client._transport.open_responses == 0  # type: ignore[attr-defined]

    async def test_it_counts_over_all_attempts(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(BUSY, fault("disconnect", after=math.inf), deadline=3.0, timeout=60.0)
        start = trio.current_time()
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await client.get("/x")
        assert trio.current_time() - start == 3.0
        assert caught.value.attempts == 2

    async def test_attempt_timeouts_are_clipped_to_it(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(*[fault("disconnect", after=math.inf)] * 2, deadline=8.0, timeout=5.0)
        start = trio.current_time()
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await client.get("/x")
        assert trio.current_time() - start == 8.0
        assert caught.value.attempts == 2

    async def test_per_call(self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]) -> None:
        client = client_of(reply(json=1, delay=5.0), reply(json=1, delay=5.0), deadline=3.0)
        assert await client.get("/x", options={"deadline": None}) == 1
        with pytest.raises(errors.DeadlineExceeded):
            await client.get("/x", options={"deadline": 4.0})

    async def test_the_callers_own_scope_counts_when_a_wait_is_planned(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(429, headers={"Retry-After": "30"}))
        start = trio.current_time()
        with trio.fail_after(20), pytest.raises(errors.RateLimitError):
            await client.get("/x")
        assert trio.current_time() == start

    async def test_the_callers_own_scope_cancels_as_itself(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(json=1, delay=math.inf), deadline=5.0)
        start = trio.current_time()
        with pytest.raises(trio.TooSlowError), trio.fail_after(5):
            await client.get("/x")
        assert trio.current_time() - start == 5.0

    async def test_retry_within_the_callers_scope_goes_on(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(429, headers={"Retry-After": "30"}), OK)
        with trio.fail_after(31):
            assert await client.get("/x") == {"ok": True}


class TestTimeouts:
    @pytest.mark.parametrize(
        ("phase", "script"),
        [
            ("connect", fault("connect", after=math.inf)),
            ("write", fault("write", after=math.inf)),
            ("read", reply(json=1, delay=math.inf)),
        ],
    )
    async def test_each_phase_has_its_own(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient], phase: str, script: Any
    ) -> None:
        timeout = Timeout(100.0, **{phase: 4.0})
        client = client_of(script, max_retries=0, timeout=timeout)
        start = trio.current_time()
        with pytest.raises(errors.APITimeoutError, match=f"the {phase} timeout passed") as caught:
            await client.get("/x")
        assert trio.current_time() - start == 4.0
        assert caught.value.sent == ("no" if phase == "connect" else "maybe")

    async def test_a_body_may_take_its_time_as_long_as_it_comes(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(chunks=[b"x" * 1024] * 10, chunk_delay=4.0), timeout=5.0)
        assert await client.get("/x", cast_to=bytes) == b"x" * 10240

    async def test_a_body_that_drips_does_not_outlive_the_read_timeout(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(chunks=[b"x"] * 100, chunk_delay=4.0), timeout=5.0, max_retries=0)
        start = trio.current_time()
        with pytest.raises(errors.APITimeoutError, match="read"):
            await client.get("/x")
        assert trio.current_time() - start == 5.0

    async def test_the_default(self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]) -> None:
        client = client_of(reply(json=1, delay=math.inf), max_retries=0)
        start = trio.current_time()
        with pytest.raises(errors.APITimeoutError):
            await client.get("/x")
        assert trio.current_time() - start == 600.0


class TestReplay:
    """A body is replayed exactly, or there is one attempt."""

    async def test_a_json_body_goes_again_with_the_same_key(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(BUSY, fault("disconnect"), OK)
        await client.post("/x", body={"a": [1, 2]})
        requests = client._transport.requests  # type: ignore[attr-defined]
        assert [request.body for request in requests] == [b'{"a":[1,2]}'] * 3
        keys = {request.header("idempotency-key") for request in requests}
        assert len(keys) == 1
        assert keys.pop().startswith("trioclient-")

    async def test_a_generator_goes_once(self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"

        client = client_of(BUSY, OK)
        with pytest.raises(errors.InternalServerError):
            await client.post("/x", content=pieces())
        assert len(attempts_at(client)) == 1

    @pytest.mark.parametrize(("kind", "attempts"), [("connect", 2), ("disconnect", 1), ("write", 1)])
    async def test_an_unkeyed_post_may_be_kept_from_going_twice(
        self,
        autojump_clock: Any,
        client_of: Callable[..., AsyncAPIClient],
        monkeypatch: pytest.MonkeyPatch,
        kind: Any,
        attempts: int,
    ) -> None:
        monkeypatch.setattr(AsyncAPIClient, "idempotency_header", None)
        client = client_of(fault(kind), OK, retry=RetryPolicy(replay_unkeyed=False))
        if attempts == 1:
            with pytest.raises(errors.APIConnectionError):
                await client.post("/x", body={})
        else:
            await client.post("/x", body={})
        assert len(attempts_at(client)) == attempts

    async def test_what_cannot_be_decoded_is_not_fetched_again(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(reply(content="not json", headers={"Content-Type": "application/json"}), OK)
        with pytest.raises(errors.APIResponseValidationError) as caught:
            await client.get("/x")
        assert caught.value.attempts == 1
        assert caught.value.sent == "yes"
        assert caught.value.response is not None
        assert caught.value.body == "not json"


class TestCallersOwnBugs:
    async def test_a_hook_that_raises_ends_the_call_as_itself(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        def hook(record: Any) -> None:
            raise LookupError("mine")

        client = client_of(BUSY, OK, hooks=[hook])
        with pytest.raises(LookupError, match="mine"):
            await client.get("/x")
        assert len(attempts_at(client)) == 1

    async def test_a_body_iterator_that_raises_ends_the_call_as_itself(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        class Pieces:
            def __aiter__(self) -> AsyncIterator[bytes]:
                return self.pieces()

            async def pieces(self) -> AsyncIterator[bytes]:
                yield b"one"
                raise LookupError("mine")

        client = client_of(OK, OK)
        with pytest.raises(LookupError, match="mine"):
            await client.post("/x", content=Pieces())
        assert len(attempts_at(client)) == 1

    async def test_json_default_that_raises(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        class Mine(AsyncAPIClient):
            @staticmethod
            def json_default(value: object) -> object:  # type: ignore[override]
                raise LookupError("mine")

        transport = ScriptedTransport(OK)
        with pytest.raises(LookupError, match="mine"):
            await Mine(base_url="https://api.test", transport=transport).post("/x", body={"a": object()})
        assert transport.requests == []


class TestWhatTheErrorSays:
    """About all of the call, not about its last attempt alone."""

    @pytest.mark.parametrize(
        ("script", "sent"),
        [
            ([fault("connect")] * 2, "no"),
            ([fault("disconnect"), fault("connect")], "maybe"),
            ([fault("connect"), fault("disconnect")], "maybe"),
            ([reply(503), fault("connect")], "yes"),
            ([fault("connect"), reply(503)], "yes"),
        ],
    )
    async def test_sent_is_the_furthest_any_attempt_came(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient], script: list[Any], sent: str
    ) -> None:
        client = client_of(*script, max_retries=1)
        with pytest.raises(errors.APIError) as caught:
            await client.post("/x", body={})
        assert caught.value.sent == sent

    async def test_an_error_kept_by_a_closed_gate_names_the_opening(
        self, autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
    ) -> None:
        client = client_of(BUSY, OK, deadline=5.0)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await trio.sleep(0.25)
                gate_of(client).hold(trio.current_time(), 60.0)

            with pytest.raises(errors.InternalServerError) as caught:
                await client.get("/x")
        assert caught.value.elapsed == 0.5
        assert caught.value.retry_at == datetime.datetime.fromtimestamp(WALL + 60.25, datetime.timezone.utc)


async def test_headers_of_the_attempt_obey_the_layers(
    autojump_clock: Any, client_of: Callable[..., AsyncAPIClient]
) -> None:
    client = client_of(BUSY, OK, OK, OK, timeout=30.0)
    await client.get("/x")
    await client.get("/x", options={"headers": {"x-trioclient-retry-count": omit, "X-Trioclient-Read-Timeout": "mine"}})
    await client.get("/x", options={"timeout": 123_456_789.5})
    seen = [
        (request.header("X-Trioclient-Retry-Count"), request.header("X-Trioclient-Read-Timeout"))
        for request in client._transport.requests  # type: ignore[attr-defined]
    ]
    assert seen == [("0", "30"), ("1", "30"), (None, "mine"), ("0", "123456789.5")]
