"""Whole calls: what a server sees of them, what comes back, and how a client lives and ends."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, TypedDict, Union

import attrs
import httpx
import msgspec
import pydantic
import pytest
import trio
import trio.testing

from trioclient import (
    NOT_GIVEN,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AsyncAPIClient,
    BadRequestError,
    InternalServerError,
    LimitExceeded,
    Limits,
    NotFoundError,
    RetryPolicy,
    Timeout,
    TrioTransport,
    UnknownVariant,
    omit,
    path_template,
)
from trioclient.testing import LoopbackServer, ScriptedTransport, fault, reply

OK = reply(json={"ok": True})


def scripted(*script: Any, **options: Any) -> tuple[AsyncAPIClient, ScriptedTransport]:
    transport = ScriptedTransport(*script)
    return AsyncAPIClient(base_url="https://api.test/v1", transport=transport, **options), transport


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


class TestWhatTheServerSees:
    @pytest.mark.parametrize(
        ("base", "path", "params", "target"),
        [
            ("", "x", None, "/x"),
            ("v1", "/x", None, "/v1/x"),
            ("v1/", "x/y/", None, "/v1/x/y/"),
            ("v1?key=1", "x?a=1", {"b": 2}, "/v1/x?key=1&a=1&b=2"),
            ("", "/ü/a b", {"q": "ü &=+"}, "/%C3%BC/a%20b?q=%C3%BC%20%26%3D%2B"),
            ("", path_template("/files/{name}", name="a/b?c"), None, "/files/a%2Fb%3Fc"),
            (
                "",
                "x",
                {"list": [1, 2], "deep": {"a": {"b": None, "c": True}}},
                "/x?list=1&list=2&deep%5Ba%5D%5Bc%5D=true",
            ),
        ],
    )
    async def test_targets(self, base: str, path: str, params: Any, target: str) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/*", OK)
            async with AsyncAPIClient(base_url=server.url + base) as client:
                await client.get(path, options={"params": params} if params else {})
        assert server.requests[0].target == target

    async def test_an_absolute_path_is_taken_as_it_is(self) -> None:
        async with LoopbackServer() as server, LoopbackServer() as other:
            other.route("GET", "/y", OK)
            async with AsyncAPIClient(base_url=f"{server.url}v1") as client:
                await client.get(f"{other.url}y?a=1", options={"params": {"b": 2}})
        assert server.requests == []
        assert other.requests[0].target == "/y?a=1&b=2"

    @pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
    async def test_verbs_with_a_body(self, verb: str) -> None:
        async with LoopbackServer() as server:
            server.route("*", "/x", OK)
            async with AsyncAPIClient(base_url=server.url) as client:
                await getattr(client, verb)("/x", body={"a": 1}, options={"extra_json": {"b": 2}})
                await getattr(client, verb)("/x", content=b"raw")
                await getattr(client, verb)("/x")
        assert [request.method for request in server.requests] == [verb.upper()] * 3
        assert [request.body for request in server.requests] == [b'{"a":1,"b":2}', b"raw", b""]
        assert [request.header("content-type") for request in server.requests] == [
            "application/json",
            "application/octet-stream",
            None,
        ]

    async def test_any_token_is_a_method(self) -> None:
        client, transport = scripted(OK, OK)
        await client.request("PURGE", "/x")
        await client.request("OPTIONS", "/x")
        assert [request.method for request in transport.requests] == ["PURGE", "OPTIONS"]

    async def test_headers_of_a_plain_get(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", OK)
            async with AsyncAPIClient(base_url=server.url, telemetry=False) as client:
                await client.get("/x")
        headers = dict(server.requests[0].headers)
        assert headers.pop("User-Agent").startswith("AsyncAPIClient/Python ")
        assert headers.pop("Accept-Encoding").startswith("gzip, deflate")
        assert headers == {"Host": f"127.0.0.1:{server.port}", "Accept": "application/json"}

    async def test_the_layers_meet_on_the_wire(self) -> None:
        class Client(AsyncAPIClient):
            @property
            def default_headers(self) -> dict[str, Any]:
                return {"Accept": "application/vnd.test+json", "X-Trioclient-Lang": omit}

            @property
            def auth_headers(self) -> dict[str, Any]:
                return {"X-Api-Key": "k"}

        async with LoopbackServer() as server:
            server.route("GET", "/x", OK)
            async with Client(base_url=server.url, custom_headers={"x-api-key": "custom", "X-A": "1"}) as client:
                await client.get("/x", options={"headers": {"X-a": omit, "ACCEPT": "text/plain"}})
        request = server.requests[0]
        assert request.header("accept") == "text/plain"
        assert request.header("x-api-key") == "custom"
        assert request.header("x-a") is None
        assert request.header("x-trioclient-lang") is None
        assert request.header("x-trioclient-os") is not None

    async def test_a_bearer_that_changes_between_calls(self) -> None:
        class Client(AsyncAPIClient):
            token = "one"

            @property
            def auth_headers(self) -> dict[str, str]:
                return {"Authorization": f"Bearer {self.token}"}

        transport = ScriptedTransport(OK, OK)
        client = Client(base_url="https://api.test", transport=transport)
        await client.get("/x")
        client.token = "two"
        await client.get("/x")
        assert [request.header("authorization") for request in transport.requests] == ["Bearer one", "Bearer two"]

    @pytest.mark.parametrize(
        ("options", "read_timeout"),
        [({}, "600"), ({"timeout": 2.5}, "2.5"), ({"timeout": Timeout(9.0, read=3)}, "3"), ({"timeout": None}, None)],
    )
    async def test_each_attempt_says_its_number_and_read_timeout(
        self, autojump_clock: Any, options: Any, read_timeout: str | None
    ) -> None:
        client, transport = scripted(reply(503), fault("connect"), OK)
        await client.get("/x", options=options)
        assert [request.header("x-trioclient-retry-count") for request in transport.requests] == ["0", "1", "2"]
        assert {request.header("x-trioclient-read-timeout") for request in transport.requests} == {read_timeout}

    async def test_unless_telemetry_is_off(self, autojump_clock: Any) -> None:
        client, transport = scripted(reply(503), OK, telemetry=False)
        await client.get("/x")
        names = {name.lower() for request in transport.requests for name, _ in request.headers}
        assert not {name for name in names if "trioclient" in name}

    async def test_one_key_for_all_attempts_and_another_for_the_next_call(self, autojump_clock: Any) -> None:
        client, transport = scripted(reply(503), fault("disconnect"), OK, OK)
        await client.post("/x", body={})
        await client.post("/x", body={})
        keys = [request.header("idempotency-key") for request in transport.requests]
        assert keys[0] == keys[1] == keys[2] != keys[3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "get"}, ValueError, "method must be an HTTP method in capitals"),
        ({"method": "GE T"}, ValueError, "method must be an HTTP method in capitals"),
        ({"method": None}, TypeError, "method must be a str"),
        ({"path": b"/x"}, TypeError, "path must be a str"),
        ({"path": "/a/../b"}, ValueError, "path must not hold '.' or '..' segments"),
        ({"path": "/a/%2e%2e/b"}, ValueError, "path must not hold '.' or '..' segments"),
        ({"path": "/a\r\nX: y"}, ValueError, "path must not hold control characters"),
        ({"cast_to": 3}, TypeError, "cast_to=3 cannot be decoded to"),
        ({"cast_to": NOT_GIVEN}, TypeError, "cast_to=NOT_GIVEN cannot be decoded to"),
        ({"cast_to": complex}, TypeError, "cast_to=complex cannot be decoded to"),
        ({"cast_to": Union[list[int], set[int]]}, TypeError, "cast_to=.* cannot be decoded to"),
        ({"body": {}, "content": b""}, TypeError, "content goes without body"),
        ({"body": {"a": float("nan")}}, ValueError, r"body\.a"),
        ({"body": object()}, TypeError, "body"),
        ({"content": {"a": 1}}, TypeError, "content must be bytes"),
        ({"content": ["text"]}, TypeError, "content must be made of bytes"),
        ({"options": None}, TypeError, "options must be a mapping"),
        ({"options": {"retries": 3}}, TypeError, "options has no key 'retries'"),
        ({"options": {"headers": {"X-A": "1\r\nX-B: 2"}}}, ValueError, "header 'X-A' must not hold CR"),
        ({"options": {"headers": {"X A": "1"}}}, ValueError, "header name 'X A'"),
        ({"options": {"params": [("a", 1)]}}, TypeError, r"options\['params'\] must be a mapping"),
        ({"options": {"timeout": "3"}}, TypeError, r"options\['timeout'\]"),
        ({"options": {"deadline": -1}}, ValueError, r"options\['deadline'\]"),
        ({"options": {"max_retries": True}}, TypeError, r"options\['max_retries'\]"),
        ({"options": {"idempotency_key": ""}}, TypeError, r"options\['idempotency_key'\]"),
        ({"options": {"extra_json": 3}}, TypeError, "extra_json must be a mapping"),
        ({"options": {"follow_redirects": None}}, TypeError, r"options\['follow_redirects'\]"),
    ],
)
async def test_bad_input_is_refused_before_anything_is_sent(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    client, transport = scripted(OK)
    with pytest.raises(error, match=message):
        await client.request(**{"method": "POST", "path": "/x", **arguments})
    assert transport.requests == []
    assert client.statistics()[:4] == (0, 0, 0, 0)


class TestConstruction:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                {"http_client": httpx.AsyncClient(), "transport": ScriptedTransport()},
                "give http_client or transport, not both",
            ),
            ({"http_client": httpx.Client()}, "http_client must be an httpx.AsyncClient"),
            ({"http_client": 3}, "http_client must be an httpx.AsyncClient"),
            ({"transport": httpx.MockTransport(httpx.Response)}, "transport must be a TrioTransport"),
            ({"transport": httpx.AsyncClient()}, "transport must be a TrioTransport"),
        ],
    )
    def test_what_carries_the_requests(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(TypeError, match=message):
            AsyncAPIClient(base_url="https://api.test", **arguments)

    def test_positional_arguments_are_refused(self) -> None:
        with pytest.raises(TypeError):
            AsyncAPIClient("https://api.test")  # type: ignore[misc]

    def test_outside_trio_it_can_be_made(self) -> None:
        client = AsyncAPIClient(base_url="https://api.test")
        assert client.statistics() == (0, 0, 0, 0, client.statistics().connections, 0, 0, (), ())

    def test_the_repr(self) -> None:
        client = AsyncAPIClient(base_url="https://api.test/?key=s3cret")
        assert repr(client) == "<AsyncAPIClient BaseURL('https://api.test/?key=[redacted]')>"


class Point(msgspec.Struct):
    x: int
    y: int = 0


@dataclasses.dataclass
class DataPoint:
    x: int


@attrs.define
class AttrsPoint:
    x: int


class DictPoint(TypedDict):
    x: int


class TuplePoint(NamedTuple):
    x: int


class ModelPoint(pydantic.BaseModel):
    x: int


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    good: bool = True


class TestAnswers:
    @pytest.mark.parametrize("strict", [False, True])
    @pytest.mark.parametrize(
        ("cast_to", "json", "value"),
        [
            (Point, {"x": 1}, Point(1)),
            (DataPoint, {"x": 1}, DataPoint(1)),
            (AttrsPoint, {"x": 1}, AttrsPoint(1)),
            (DictPoint, {"x": 1}, {"x": 1}),
            (TuplePoint, [1], TuplePoint(1)),
            (ModelPoint, {"x": 1}, ModelPoint(x=1)),
            (list[Point], [{"x": 1}, {"x": 2, "y": 3}], [Point(1), Point(2, 3)]),
            (dict[str, int], {"a": 1}, {"a": 1}),
            (Union[int, str], "a", "a"),
            (Union[Point, None], None, None),
            (Union[Cat, Dog], {"type": "dog"}, Dog()),
            (Annotated[int, msgspec.Meta(ge=0)], 3, 3),
            (Any, [1, {"a": None}], [1, {"a": None}]),
            (object, {"a": 1}, {"a": 1}),
            (None, {"a": 1}, None),
            (type(None), {"a": 1}, None),
            (str, {"a": 1}, '{"a":1}'),
            (bytes, {"a": 1}, b'{"a":1}'),
        ],
    )
    async def test_kinds(self, cast_to: Any, json: object, value: object, strict: bool) -> None:
        client, _ = scripted(reply(json=json, encoding="gzip"), _strict_response_validation=strict)
        answer = await client.get("/x", cast_to=cast_to)
        assert answer == value
        assert type(answer) is type(value)

    async def test_left_out_it_is_plain_json(self) -> None:
        client, _ = scripted(reply(json={"a": [1, None, "b"]}))
        assert await client.get("/x") == {"a": [1, None, "b"]}

    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    async def test_over_a_socket(self, framing: Any) -> None:
        async with LoopbackServer() as server:
            server.route("POST", "/x", reply(json=[{"x": 1}], encoding="gzip", framing=framing))
            async with AsyncAPIClient(base_url=server.url) as client:
                assert await client.post("/x", body={}, cast_to=list[Point]) == [Point(1)]

    async def test_an_httpx_response(self) -> None:
        async with LoopbackServer() as server:
            headers = {"Content-Type": "text/plain; charset=latin-1", "X-A": "1"}
            server.route("POST", "/x", reply(content="café".encode("latin-1"), headers=headers, encoding="gzip"))
            async with AsyncAPIClient(base_url=server.url) as client:
                response = await client.post(
                    "/x?a=1", body={}, cast_to=httpx.Response, options={"headers": {"X-Api-Key": "s3cret", "X-B": "2"}}
                )
        assert type(response) is httpx.Response
        assert (response.status_code, response.reason_phrase, response.http_version) == (200, "OK", "HTTP/1.1")
        assert response.text == "café"
        assert response.content == "café".encode("latin-1")
        assert response.headers["x-a"] == "1"
        assert response.headers["content-length"] == "4"
        assert "content-encoding" not in response.headers
        assert (response.request.method, str(response.request.url)) == ("POST", f"{server.url}x?a=1")
        assert response.request.headers["x-b"] == "2"
        assert response.request.headers["x-api-key"] == "[redacted]"
        assert response.raise_for_status() is response

    async def test_an_httpx_response_whose_headers_are_not_ascii(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", reply(json=1, headers={"X-A": "caf\xe9"}))
            async with AsyncAPIClient(base_url=server.url) as client:
                response = await client.get("/x", cast_to=httpx.Response)
        assert response.headers["x-a"] == "café"

    @pytest.mark.parametrize("status", [200, 201, 204, 205, 299])
    @pytest.mark.parametrize(
        ("cast_to", "value"), [(None, None), (Any, None), (bytes, b""), (str, ""), (Union[int, None], None)]
    )
    async def test_no_body(self, status: int, cast_to: Any, value: object) -> None:
        client, _ = scripted(reply(status))
        assert await client.delete("/x", cast_to=cast_to) == value

    @pytest.mark.parametrize("strict", [False, True])
    async def test_no_body_where_a_value_was_asked_for(self, strict: bool) -> None:
        client, transport = scripted(reply(204), OK, _strict_response_validation=strict)
        with pytest.raises(APIResponseValidationError, match="expected Point, found an empty body"):
            await client.get("/x", cast_to=Point)
        assert len(transport.requests) == 1

    async def test_head(self) -> None:
        async with LoopbackServer() as server:
            server.route("HEAD", "/x", reply(content="x" * 1234))
            async with AsyncAPIClient(base_url=server.url) as client:
                assert await client.request("HEAD", "/x") is None
                response = await client.request("HEAD", "/x", cast_to=httpx.Response)
        assert response.headers["content-length"] == "1234"
        assert response.content == b""
        assert server.connection_count == 1

    @pytest.mark.parametrize(
        "content_type", ["application/json", "Application/Problem+JSON; charset=utf-8", "text/json"]
    )
    @pytest.mark.parametrize("strict", [False, True])
    async def test_no_json_where_it_was_announced(self, content_type: str, strict: bool) -> None:
        answer = reply(content=b'{"a": ', headers={"Content-Type": content_type})
        client, transport = scripted(answer, OK, _strict_response_validation=strict)
        with pytest.raises(APIResponseValidationError, match="expected JSON, found text that ends before") as caught:
            await client.get("/x")
        assert (caught.value.body, caught.value.path, caught.value.attempts) == ('{"a": ', None, 1)
        assert len(transport.requests) == 1

    @pytest.mark.parametrize("content_type", ["text/html", "text/plain; charset=utf-8", "application/octet-stream"])
    async def test_other_content_types(self, content_type: str) -> None:
        answer = reply(content="<p>ü</p>", headers={"Content-Type": content_type})
        client, _ = scripted(answer, answer)
        assert await client.get("/x") == "<p>ü</p>"
        assert await client.get("/x", cast_to=Point) == "<p>ü</p>"
        client, _ = scripted(answer, _strict_response_validation=True)
        with pytest.raises(APIResponseValidationError, match=f"expected JSON, found the media type '{content_type}'"):
            await client.get("/x", cast_to=Point)

    async def test_a_mismatch_when_strict(self) -> None:
        client, transport = scripted(
            reply(json=[{"x": 1}, {"x": "one"}], headers={"request-id": "r1"}), OK, _strict_response_validation=True
        )
        with pytest.raises(APIResponseValidationError) as caught:
            await client.get("/x?key=s3cret", cast_to=list[Point])
        error = caught.value
        assert (error.path, error.body, error.attempts, error.sent) == ("$[1].x", [{"x": 1}, {"x": "one"}], 1, "yes")
        assert str(error) == (
            "GET https://api.test/v1/x?key=[redacted]: the answer does not fit list[test_async_client.Point]:"
            " Expected `int`, got `str` - at `$[1].x` (1 attempt in 0.00 s, request id r1)."
            " The server's answer and the declared type disagree; see `body`."
        ).replace("test_async_client", __name__)
        assert error.response is not None
        assert error.response.json() == error.body
        assert error.__cause__ is not None
        assert len(transport.requests) == 1

    async def test_a_mismatch_when_loose(self) -> None:
        client, _ = scripted(reply(json=[{"x": "one", "z": 1}, {}, {"y": 2.0, "x": 1}]))
        first, second, third = await client.get("/x", cast_to=list[Point])
        assert (first.x, first.y) == ("one", 0)
        assert (second.x, second.y) == (None, 0)
        assert (third.x, third.y) == (1, 2)

    async def test_an_unknown_variant(self) -> None:
        answer = reply(json=[{"type": "cat", "lives": 9}, {"type": "fish", "fins": 2}])
        client, _ = scripted(answer)
        assert await client.get("/x", cast_to=list[Union[Cat, Dog]]) == [
            Cat(9),
            UnknownVariant("fish", {"type": "fish", "fins": 2}),
        ]
        client, _ = scripted(answer, _strict_response_validation=True)
        with pytest.raises(APIResponseValidationError, match="fish"):
            await client.get("/x", cast_to=list[Union[Cat, Dog]])

    async def test_nested_too_deeply(self) -> None:
        client, _ = scripted(reply(json=nested(50)), reply(json=nested(49)), limits=Limits(max_json_depth=49))
        with pytest.raises(LimitExceeded) as caught:
            await client.get("/x")
        assert (caught.value.limit, caught.value.value) == ("max_json_depth", 49)
        assert await client.get("/x") == nested(49)

    async def test_a_validator_with_a_bug_raises_as_itself(self) -> None:
        class Mine(msgspec.Struct):
            x: int

            def __post_init__(self) -> None:
                raise LookupError("mine")

        client, _ = scripted(reply(json={"x": 1}))
        with pytest.raises(LookupError, match="mine"):
            await client.get("/x", cast_to=Mine)


class TestErrorBodies:
    @pytest.mark.parametrize("encoding", [None, "gzip"])
    async def test_json(self, encoding: Any) -> None:
        async with LoopbackServer() as server:
            body = {"error": {"message": "no such thing", "code": 7}}
            server.route("GET", "/x", reply(404, json=body, headers={"X-Request-Id": "r1"}, encoding=encoding))
            async with AsyncAPIClient(base_url=server.url) as client:
                with pytest.raises(NotFoundError) as caught:
                    await client.get("/x", options={"headers": {"Authorization": "s3cret"}})
        error = caught.value
        assert (error.body, error.request_id, error.message) == (body, "r1", "404 Not Found: no such thing")
        assert error.response is not None
        assert error.response.json() == body
        assert error.request is not None
        assert error.request.headers["authorization"] == "[redacted]"
        assert "s3cret" not in f"{error} {error!r} {error.request_record!r} {error.response_record!r}"

    async def test_they_are_capped(self) -> None:
        client, _ = scripted(reply(400, content="x" * 1000), limits=Limits(max_error_body_bytes=10))
        with pytest.raises(BadRequestError) as caught:
            await client.get("/x")
        assert caught.value.body == "x" * 10
        assert caught.value.response is not None
        assert caught.value.response.content == b"x" * 10

    @pytest.mark.parametrize(
        ("answer", "cast_to", "kind"),
        [
            (reply(json=["x" * 1000]), int, APIResponseValidationError),
            (reply(json=nested(600)), Any, LimitExceeded),
        ],
    )
    async def test_so_are_those_of_answers_that_did_not_fit(
        self, answer: Any, cast_to: Any, kind: type[APIError]
    ) -> None:
        limits = Limits(max_error_body_bytes=10)
        client, _ = scripted(answer, limits=limits, _strict_response_validation=True)
        with pytest.raises(kind) as caught:
            await client.get("/x", cast_to=cast_to)
        assert caught.value.response is not None
        assert len(caught.value.response.content) == 10
        assert len(str(caught.value.body)) <= 10

    async def test_what_is_left_unread_costs_the_connection_only(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", reply(400, content=b"x" * 1_000_000))
            server.route("GET", "/y", OK)
            async with AsyncAPIClient(base_url=server.url, limits=Limits(max_error_body_bytes=10)) as client:
                with pytest.raises(BadRequestError):
                    await client.get("/x")
                assert client.statistics().connections.open == 0
                await client.get("/y")


class TestLifetime:
    async def test_connections_are_kept_and_closed_at_the_end(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", OK)
            async with AsyncAPIClient(base_url=server.url) as client:
                for _ in range(3):
                    await client.get("/x")
                assert (server.connection_count, server.open_connections) == (1, 1)
                assert client.statistics()[:4] == (3, 0, 3, 0)
                assert client.statistics().connections[:3] == (1, 1, 0)
            await server.wait_connections_closed()

    async def test_closed_twice(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", OK)
            async with AsyncAPIClient(base_url=server.url) as client:
                await client.get("/x")
                await client.aclose()
                await client.aclose()

    @pytest.mark.parametrize("make", [TrioTransport, ScriptedTransport])
    async def test_a_closed_client_says_so_and_does_not_retry(self, make: Any) -> None:
        records: list[Any] = []
        async with AsyncAPIClient(base_url="http://127.0.0.1:9", transport=make(), hooks=[records.append]) as client:
            copy = client.with_options(max_retries=9)
        for closed in (client, copy):
            with pytest.raises(APIConnectionError) as caught:
                await closed.get("/x")
            assert (caught.value.attempts, caught.value.sent) == (1, "no")
            assert str(caught.value) == (
                "GET http://127.0.0.1:9/x: the client was closed (1 attempt in 0.00 s)."
                " Make the call before the client is closed: inside its `async with`."
            )
        assert [record.delay for record in records] == [None, None]

    async def test_calls_in_flight_fail_when_it_is_closed(self) -> None:
        async with LoopbackServer() as server, trio.open_nursery() as nursery:
            server.route("GET", "/x", reply(delay=float("inf")))
            client = AsyncAPIClient(base_url=server.url)
            errors: list[APIError] = []

            async def call() -> None:
                with pytest.raises(APIConnectionError, match="the client was closed") as caught:
                    await client.get("/x")
                errors.append(caught.value)

            nursery.start_soon(call)
            await server.wait_requests(1)
            await client.aclose()
        assert [(error.attempts, error.sent) for error in errors] == [(1, "maybe")]

    async def test_a_copy_shares_the_connections_and_never_closes_them(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", OK)
            async with AsyncAPIClient(base_url=server.url) as client:
                await client.get("/x")
                async with client.with_options(max_retries=0) as copy:
                    await copy.get("/x")
                    async with copy.with_options(timeout=1.0) as copy_of_copy:
                        await copy_of_copy.get("/x")
                await client.get("/x")
                assert server.connection_count == 1
                assert copy.statistics() == client.statistics()
                assert client.statistics().calls == 4

    async def test_a_clients_http_client_is_its_owners_to_close(self) -> None:
        async with LoopbackServer() as server:
            server.route("GET", "/x", OK)
            async with httpx.AsyncClient() as http_client:
                async with AsyncAPIClient(base_url=server.url, http_client=http_client) as client:
                    assert await client.get("/x") == {"ok": True}
                assert not http_client.is_closed
                with pytest.raises(APIConnectionError, match="the client was closed"):
                    await client.get("/x")

    async def test_a_transport_is_closed_with_its_client(self) -> None:
        client, transport = scripted()
        async with client:
            pass
        assert transport.closed

    def test_it_serves_one_trio_run_after_another(self) -> None:
        with LoopbackServer.in_thread() as server:
            server.route("GET", "/x", reply(503), OK)
            client = AsyncAPIClient(base_url=server.url, retry=RetryPolicy(initial_delay=0.0))
            for _ in range(2):
                assert trio.run(client.get, "/x") == {"ok": True}
            trio.run(client.aclose)
        assert client.statistics()[:4] == (2, 0, 3, 1)

    async def test_calls_under_way_are_counted(self, autojump_clock: Any) -> None:
        client, _ = scripted(reply(json=1, delay=2.0), reply(json=1, delay=2.0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "/x")
            nursery.start_soon(client.get, "/x")
            await trio.sleep(1)
            assert client.statistics()[:4] == (2, 2, 0, 0)
        assert client.statistics()[:4] == (2, 0, 2, 0)


async def test_a_failed_call_raises_one_error_and_no_group() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise LookupError("mine")

    async with LoopbackServer() as server:
        server.route("POST", "/x", OK)
        server.route("GET", "/x", reply(500, content=gzip.compress(b"sorry"), headers={"Content-Encoding": "gzip"}))
        async with AsyncAPIClient(base_url=server.url, max_retries=0) as client:
            with pytest.raises(LookupError, match="mine"):
                await client.post("/x", content=pieces())
            with pytest.raises(InternalServerError, match="500 Internal Server Error: sorry"):
                await client.get("/x")
