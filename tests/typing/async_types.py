"""What a type checker makes of the async client; read by pyright, never run.

A stale ``pyright: ignore`` is an error here, so that each of them says: this is found.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypedDict, Union

import httpx
import msgspec

from trioclient import (
    APIError,
    APIStatusError,
    AsyncAPIClient,
    AttemptRecord,
    CircuitBreaker,
    Failing,
    FanOutProgress,
    FanOutReport,
    Hedge,
    Limits,
    Outcome,
    Rate,
    RateLimiter,
    RequestOptions,
    RetryBudget,
    RetryPolicy,
    Stall,
    Timeout,
    TrioTransport,
    fan_out,
    omit,
)
from trioclient.testing import LoopbackServer, ScriptedTransport, fault, reply

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Point(msgspec.Struct):
    x: int


class Row(TypedDict):
    name: str


@dataclasses.dataclass
class Data:
    x: int


async def a_value_has_the_type_asked_for(client: AsyncAPIClient) -> None:
    assert_type(await client.get("/a", cast_to=Point), Point)
    assert_type(await client.get("/a", cast_to=Data), Data)
    assert_type(await client.get("/a", cast_to=Row), Row)
    assert_type(await client.get("/a", cast_to=list[Point]), list[Point])
    assert_type(await client.get("/a", cast_to=dict[str, Point]), dict[str, Point])
    assert_type(await client.get("/a", cast_to=tuple[int, str]), tuple[int, str])
    assert_type(await client.get("/a", cast_to=str), str)
    assert_type(await client.get("/a", cast_to=bytes), bytes)
    assert_type(await client.get("/a", cast_to=httpx.Response), httpx.Response)


async def so_have_forms_that_are_no_classes(client: AsyncAPIClient) -> None:
    assert_type(await client.get("/a", cast_to=Point | str), Point | str)
    assert_type(await client.get("/a", cast_to=Point | None), Point | None)
    assert_type(await client.get("/a", cast_to=Union[int, str]), Union[int, str])
    assert_type(await client.get("/a", cast_to=None), None)
    assert_type(await client.get("/a", cast_to=type(None)), None)
    assert_type(await client.get("/a", cast_to=Literal["a", "b"]), Literal["a", "b"])
    assert_type(await client.get("/a", cast_to=Annotated[int, msgspec.Meta(ge=0)]), int)
    assert_type(await client.get("/a", cast_to=list[Point | None]), list[Point | None])


async def left_out_it_is_any(client: AsyncAPIClient) -> None:
    assert_type(await client.get("/a"), Any)
    assert_type(await client.post("/a", body={"a": 1}), Any)
    assert_type(await client.request("HEAD", "/a"), Any)


async def every_verb(client: AsyncAPIClient) -> None:
    assert_type(await client.request("OPTIONS", "/a", cast_to=Point), Point)
    assert_type(await client.post("/a", body={"a": [1]}, cast_to=Point), Point)
    assert_type(await client.put("/a", content=b"raw", cast_to=Point), Point)
    assert_type(await client.patch("/a", body=Point(1), cast_to=Point), Point)
    assert_type(await client.delete("/a", cast_to=None), None)


async def options_are_checked(client: AsyncAPIClient) -> None:
    options: RequestOptions = {
        "headers": {"a": "b", "c": omit},
        "params": {"a": [1, None]},
        "timeout": Timeout(3.0),
        "deadline": None,
        "max_retries": 0,
        "idempotency_key": "k",
        "extra_json": {"a": 1},
        "follow_redirects": False,
    }
    await client.get("/a", options=options)
    await client.get("/a", options={"timeout": 3})
    await client.get("/a", options={"timeout": "3"})  # pyright: ignore[reportArgumentType]
    await client.get("/a", options={"retries": 3})  # pyright: ignore[reportArgumentType]
    await client.get("/a", options={"headers": {"a": 1}})  # pyright: ignore[reportArgumentType]


async def wrong_arguments_are_found(client: AsyncAPIClient) -> None:
    await client.get("/a", body={})  # pyright: ignore[reportCallIssue]
    await client.get(b"/a")  # pyright: ignore[reportArgumentType]
    await client.get("/a", Point)  # pyright: ignore[reportCallIssue]
    await client.get("/a", cast_to=3)  # pyright: ignore[reportArgumentType]
    AsyncAPIClient("https://api.test")  # pyright: ignore[reportCallIssue]
    AsyncAPIClient(base_url="https://api.test", max_retries="2")  # pyright: ignore[reportArgumentType]


async def a_client_is_made_and_copied() -> None:
    def hook(record: AttemptRecord) -> None:
        assert_type(record.error, APIError | None)
        assert_type(record.status, int | None)
        assert_type(record.delay, float | None)

    async with AsyncAPIClient(
        base_url=httpx.URL("https://api.test"),
        timeout=None,
        deadline=3,
        retry=RetryPolicy(max_delay=1.0),
        limits=Limits(max_redirects=3),
        hooks=[hook],
        transport=TrioTransport(),
    ) as client:
        assert_type(client, AsyncAPIClient)
        assert_type(client.with_options(max_retries=0), AsyncAPIClient)
        assert_type(client.deadline, float | None)
        assert_type(client.statistics().connections.idle, int | None)


class Acme(AsyncAPIClient):
    idempotency_header: ClassVar[str | None] = None

    @property
    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": "Bearer"}

    async def points(self) -> list[Point]:
        return await self.get("/points", cast_to=list[Point])


async def a_subclass_stays_one() -> None:
    async with Acme(base_url="https://api.test") as acme:
        assert_type(acme, Acme)
        assert_type(acme.with_options(timeout=1.0), Acme)
        assert_type(await acme.with_options().points(), list[Point])
        async with acme.fan_out(lambda api, _: api.points(), [1], max_at_once=1) as run:
            async for outcome in run:
                assert_type(outcome.unwrap(), list[Point])


def errors_have_their_fields(error: APIStatusError) -> None:
    assert_type(error.status_code, int)
    assert_type(error.request, httpx.Request | None)
    assert_type(error.response, httpx.Response | None)
    assert_type(error.sent, Literal["no", "maybe", "yes"])
    assert_type(error.elapsed, float)
    assert_type(error.body, object)
    assert_type(error.request_id, str | None)
    assert_type(error.retry_at, datetime | None)


async def a_fan_out_knows_its_items_and_values(client: AsyncAPIClient, texts: Sequence[str]) -> None:
    async with client.fan_out(
        lambda api, text: api.post("/a", body={"text": text}, cast_to=Point), texts, max_at_once=2
    ) as run:
        async for outcome in run:
            assert_type(outcome, Outcome[str, Point])
            assert_type(outcome.item, str)
            assert_type(outcome.value, Point | None)
            assert_type(outcome.error, Exception | None)
            assert_type(outcome.unwrap(), Point)
        assert_type(run.report, FanOutReport)


async def so_does_one_without_a_client(numbers: AsyncIterator[int]) -> None:
    async def call(number: int) -> str:
        return str(number)

    async with fan_out(call, numbers, max_at_once=2, ordered=True, on_error="stop") as run:
        async for outcome in run:
            assert_type(outcome, Outcome[int, str])
    fan_out(call, ["a"], max_at_once=2)  # pyright: ignore[reportArgumentType]
    fan_out(call, [1], max_at_once=2, on_error="ignore")  # pyright: ignore[reportArgumentType]


async def tools_for_tests_are_typed_too() -> None:
    transport = ScriptedTransport(reply(503), fault("connect"), lambda request: reply(json=request.json()))
    AsyncAPIClient(base_url="https://api.test", transport=transport)
    assert_type(transport.requests[0].header("a"), str | None)
    async with LoopbackServer() as server:
        server.route("GET", "/a", reply(json=1))
        assert_type(server.url, str)
        assert_type(server.requests[0].status, int | None)


async def what_keeps_its_head_is_typed(client: AsyncAPIClient, texts: Sequence[str]) -> None:
    careful = AsyncAPIClient(
        base_url="https://api.test",
        max_at_once=8,
        rate=Rate(requests=60, tokens=1000, cost=len, used=lambda value: float(value["tokens"])),
        concurrency=None,
        breaker=CircuitBreaker(of=5),
        stall=Stall(within=10),
        retry=RetryPolicy(budget=RetryBudget(capacity=100)),
    )
    hedged = careful.with_options(hedge=Hedge(after=0.1), limit_group="mine")
    assert_type(hedged, AsyncAPIClient)
    assert_type(careful.statistics().origins[0].circuit, Union[Literal["closed", "open", "half-open"], None])
    assert_type(careful.statistics().limit_groups[0].limit, Union[int, None])
    async with client.fan_out(
        lambda api, text: api.post("/a", body=text, cast_to=int),
        texts,
        max_at_once=1,
        rate=RateLimiter(Rate(requests=60)),
        stop_when=Failing(share=0.5, of=50),
        total=3,
    ) as run:
        assert_type(run.progress(), FanOutProgress)
    AsyncAPIClient(base_url="https://api.test", max_at_once=1.5)  # pyright: ignore[reportArgumentType]
    client.with_options(hedge=0.5)  # pyright: ignore[reportArgumentType]
    await client.get("/a", options={"hedge": 0.5})  # pyright: ignore[reportArgumentType]
