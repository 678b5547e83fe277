"""Options, headers and URLs merged into one prepared call. Nothing is sent here."""

from __future__ import annotations

import itertools
import math
import platform
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

import trioclient
from trioclient import NOT_GIVEN, BaseClient, Limits, RetryPolicy, Timeout, omit
from trioclient._codec.body import NO_BODY
from trioclient._engine.call import PreparedCall
from trioclient._types import Timeouts

BASE = "https://api.test/v1"


def prepared(client: BaseClient, method: str = "GET", path: str = "/x", **arguments: Any) -> PreparedCall:
    return client._prepare(method, path, **arguments)


def headers_of(call: PreparedCall) -> dict[str, str]:
    """By lower-case name; no name may be there twice."""
    lines = [(name.decode().lower(), value.decode("latin-1")) for name, value in call.headers]
    assert len(dict(lines)) == len(lines)
    return dict(lines)


class Layered(BaseClient):
    """Every layer below the call's own can be set."""

    lower: Mapping[str, Any] = {}
    credentials: Mapping[str, Any] = {}

    @property
    def default_headers(self) -> Mapping[str, Any]:
        return self.lower

    @property
    def auth_headers(self) -> Mapping[str, Any]:
        return self.credentials


def layered(
    lower: Mapping[str, Any], credentials: Mapping[str, Any], custom: Mapping[str, Any], call: Mapping[str, Any]
) -> dict[str, str]:
    client = Layered(base_url=BASE, custom_headers=custom)
    client.lower, client.credentials = lower, credentials
    return headers_of(prepared(client, options={"headers": call}))


LAYERS = ("default_headers", "auth_headers", "custom_headers", "call")
# Set below all of these: by telemetry, by the client.
BELOW = {"X-Trioclient-Lang": "python", "Accept": "application/json"}


class TestHeaderLayers:
    @pytest.mark.parametrize("name", [*BELOW, "X-New"])
    @pytest.mark.parametrize("which", range(4), ids=LAYERS)
    def test_each_layer_alone(self, name: str, which: int) -> None:
        layers: list[dict[str, Any]] = [{}, {}, {}, {}]
        assert layered(*layers).get(name.lower()) == BELOW.get(name)
        layers[which] = {name: "mine"}
        assert layered(*layers)[name.lower()] == "mine"
        layers[which] = {name.upper(): omit}
        assert name.lower() not in layered(*layers)

    @pytest.mark.parametrize("name", ["X-Trioclient-OS", "User-Agent", "X-New"])
    @pytest.mark.parametrize(("lower", "upper"), list(itertools.combinations(range(4), 2)))
    def test_the_upper_of_two_wins_whatever_the_case(self, name: str, lower: int, upper: int) -> None:
        layers: list[dict[str, Any]] = [{}, {}, {}, {}]
        layers[lower], layers[upper] = {name.lower(): "lower"}, {name.upper(): "upper"}
        assert layered(*layers)[name.lower()] == "upper"
        layers[upper] = {name.title(): omit}
        assert name.lower() not in layered(*layers)
        layers[lower], layers[upper] = {name: omit}, {name.swapcase(): "back"}
        assert layered(*layers)[name.lower()] == "back"

    def test_all_of_them(self) -> None:
        names = ["a", "b", "c", "d"]
        layers = [dict.fromkeys(names[: 4 - depth], layer) for depth, layer in enumerate(LAYERS)]
        headers = layered(*layers)
        assert {name: headers[name] for name in names} == {
            "a": "call",
            "b": "custom_headers",
            "c": "auth_headers",
            "d": "default_headers",
        }

    def test_a_value_not_given_says_nothing(self) -> None:
        assert layered({}, {}, {"x-a": "custom"}, {"X-A": NOT_GIVEN})["x-a"] == "custom"

    def test_names_are_sent_in_the_case_of_their_last_writer(self) -> None:
        client = BaseClient(base_url=BASE, custom_headers={"x-custom": "1"})
        call = prepared(client, options={"headers": {"X-CUSTOM": "2"}})
        assert (b"X-CUSTOM", b"2") in call.headers

    def test_credentials_are_looked_up_for_each_call(self) -> None:
        client = Layered(base_url=BASE)
        seen = []
        for token in ("one", "one", "two"):
            client.credentials = {"Authorization": f"Bearer {token}"}
            seen.append(headers_of(prepared(client))["authorization"])
        client.credentials = {}
        assert seen == ["Bearer one", "Bearer one", "Bearer two"]
        assert "authorization" not in headers_of(prepared(client))

    def test_and_so_when_the_same_mapping_was_changed(self) -> None:
        client = Layered(base_url=BASE)
        client.credentials = {"X-Session": "one"}
        prepared(client)
        client.credentials["X-Session"] = "two"  # type: ignore[index]
        client.lower = {"X-Lower": "new"}
        headers = headers_of(prepared(client))
        assert (headers["x-session"], headers["x-lower"]) == ("two", "new")

    def test_their_names_are_noted_for_redirects_and_records(self) -> None:
        client = Layered(base_url=BASE)
        client.credentials = {"X-Badge": "s3cret"}
        call = prepared(client)
        assert call.credentials == {"x-badge"}
        assert dict(call.record().headers)["X-Badge"] == "[redacted]"

    @pytest.mark.parametrize("name", ["auth_headers", "default_headers"])
    def test_an_override_that_returns_no_mapping_is_named(self, name: str) -> None:
        kind = type("Mine", (BaseClient,), {name: property(lambda self: None)})
        with pytest.raises(TypeError, match=f"{name} must be a mapping, not NoneType"):
            prepared(kind(base_url=BASE))

    def test_the_callers_mapping_may_change_later(self) -> None:
        custom = {"X-A": "1"}
        client = BaseClient(base_url=BASE, custom_headers=custom)
        custom["X-A"] = "2"
        assert headers_of(prepared(client))["x-a"] == "1"


class TestClientHeaders:
    def test_the_user_agent_names_the_class_and_its_version(self) -> None:
        class Acme(BaseClient):
            pass

        assert headers_of(prepared(Acme(base_url=BASE, version="2.1")))["user-agent"] == "Acme/Python 2.1"
        version = trioclient.__version__
        assert headers_of(prepared(BaseClient(base_url=BASE)))["user-agent"] == f"BaseClient/Python {version}"

    def test_the_user_agent_can_be_overridden(self) -> None:
        class Acme(BaseClient):
            @property
            def user_agent(self) -> str:
                return f"acme {self._version}"

        assert headers_of(prepared(Acme(base_url=BASE, version="3")))["user-agent"] == "acme 3"

    def test_telemetry(self) -> None:
        headers = headers_of(prepared(BaseClient(base_url=BASE, version="2.1")))
        telemetry = {name.removeprefix("x-trioclient-"): headers[name] for name in headers if "trioclient" in name}
        assert telemetry == {
            "lang": "python",
            "os": platform.system(),
            "arch": platform.machine(),
            "runtime": platform.python_implementation(),
            "runtime-version": platform.python_version(),
            "async": "trio",
            "package-version": "2.1",
        }

    def test_telemetry_off(self) -> None:
        call = prepared(BaseClient(base_url=BASE, telemetry=False))
        assert set(headers_of(call)) == {"accept", "accept-encoding", "user-agent"}
        assert not call.attempt_headers

    @pytest.mark.parametrize(
        ("arguments", "content_type"),
        [
            ({}, None),
            ({"body": {"a": 1}}, "application/json"),
            ({"body": []}, "application/json"),
            ({"options": {"extra_json": {"a": 1}}}, "application/json"),
            ({"options": {"extra_json": {}}}, None),
            ({"content": b"bytes"}, "application/octet-stream"),
            ({"content": b""}, "application/octet-stream"),
            ({"content": "text"}, "text/plain; charset=utf-8"),
            ({"content": iter([b"a"])}, "application/octet-stream"),
            ({"content": "a,b", "options": {"headers": {"content-type": "text/csv"}}}, "text/csv"),
            ({"body": {}, "options": {"headers": {"CONTENT-TYPE": omit}}}, None),
        ],
    )
    def test_the_content_type_follows_from_the_body(self, arguments: dict[str, Any], content_type: str | None) -> None:
        client = BaseClient(base_url=BASE)
        assert headers_of(prepared(client, "POST", **arguments)).get("content-type") == content_type
        # What one kind of body set is not left to the next.
        assert "content-type" not in headers_of(prepared(client, "POST"))


class TestOptions:
    def test_the_clients_are_the_defaults(self) -> None:
        client = BaseClient(base_url=BASE, max_retries=5, timeout=3.0, deadline=9.0)
        call = prepared(client)
        assert (call.settings.max_retries, call.settings.timeouts, call.settings.deadline) == (
            5,
            Timeouts(3.0, 3.0, 3.0, 3.0),
            9.0,
        )
        assert call.settings.follow_redirects
        assert call.attempt_headers
        assert call.auth is None
        assert call.body is NO_BODY

    def test_out_of_the_box(self) -> None:
        client = BaseClient(base_url=BASE)
        call = prepared(client)
        assert (call.settings.max_retries, call.settings.timeouts, call.settings.deadline) == (
            2,
            Timeouts(5.0, 600.0, 600.0, 600.0),
            math.inf,
        )
        assert (client.max_retries, client.timeout, client.deadline) == (2, httpx.Timeout(600.0, connect=5.0), None)

    def test_the_calls_win(self) -> None:
        client = BaseClient(base_url=BASE, max_retries=5, timeout=3.0, deadline=9.0)
        call = prepared(
            client,
            options={"max_retries": 0, "timeout": Timeout(1.0, read=2.0), "deadline": 4, "follow_redirects": False},
        )
        assert (call.settings.max_retries, call.settings.timeouts, call.settings.deadline) == (
            0,
            Timeouts(1.0, 2.0, 1.0, 1.0),
            4.0,
        )
        assert not call.settings.follow_redirects

    def test_none_is_no_limit(self) -> None:
        call = prepared(BaseClient(base_url=BASE, deadline=9.0), options={"timeout": None, "deadline": None})
        assert (call.settings.timeouts, call.settings.deadline) == (Timeouts(*[math.inf] * 4), math.inf)

    @pytest.mark.parametrize(
        ("custom", "params", "query"),
        [
            ({}, {}, ""),
            ({"a": 1}, {}, "?a=1"),
            ({"a": 1}, {"b": [2, 3]}, "?a=1&b=2&b=3"),
            ({"a": 1, "b": 2}, {"a": "x y&"}, "?a=x%20y%26&b=2"),
            ({"a": 1}, {"a": None}, ""),
            ({"a": 1}, {"a": omit, "b": True}, "?b=true"),
            ({}, {"where": {"age": {"gt": 3}}}, "?where%5Bage%5D%5Bgt%5D=3"),
        ],
    )
    def test_query_values_of_the_call_are_laid_over_the_clients(
        self, custom: dict[str, object], params: Any, query: str
    ) -> None:
        client = BaseClient(base_url=BASE, custom_query=custom)
        assert prepared(client, options={"params": params}).target.path == f"/v1/x{query}"

    @pytest.mark.parametrize(
        ("style", "query"),
        [
            ("repeat", "a=1&a=2"),
            ("brackets", "a%5B%5D=1&a%5B%5D=2"),
            ("comma", "a=1,2"),
            ("indices", "a%5B0%5D=1&a%5B1%5D=2"),
        ],
    )
    def test_arrays_are_written_in_the_subclasss_style(self, style: Any, query: str) -> None:
        kind = type("Mine", (BaseClient,), {"array_style": style})
        assert prepared(kind(base_url=BASE), options={"params": {"a": [1, None, 2]}}).target.path == f"/v1/x?{query}"

    def test_query_values_of_the_subclass_lie_below_both(self) -> None:
        class Mine(BaseClient):
            @property
            def default_query(self) -> Mapping[str, object]:
                return {"a": "default", "b": "default", "c": "default", "d": "default"}

        client = Mine(base_url=BASE, custom_query={"b": "custom", "c": "custom", "d": omit})
        assert prepared(client, options={"params": {"c": "call"}}).target.path == "/v1/x?a=default&b=custom&c=call"
        assert prepared(client).target.path == "/v1/x?a=default&b=custom&c=custom"

    def test_a_form_is_made_of_files(self) -> None:
        call = prepared(
            BaseClient(base_url=BASE),
            "POST",
            files={"file": ("a.txt", b"hello")},
            body={"tags": ["x", "y"]},
            options={"extra_json": {"n": 1}},
        )
        boundary = headers_of(call)["content-type"].removeprefix("multipart/form-data; boundary=")
        assert call.body.content is not None
        assert call.body.content.count(boundary.encode()) == 5
        for part in (b'name="tags[]"\r\n\r\nx', b'name="n"\r\n\r\n1', b'filename="a.txt"', b"hello"):
            assert part in call.body.content

    def test_upload_progress_is_told_of_a_body(self) -> None:
        client = BaseClient(base_url=BASE)
        told: list[tuple[int, int | None]] = []
        options: Any = {"upload_progress": lambda sent, total: told.append((sent, total))}
        body = prepared(client, "POST", body={"a": 1}, options=options).body
        assert body.progress is not None
        body.progress(3, 7)
        assert told == [(3, 7)]
        # A redirect asks whether there is a body by looking for this one.
        assert prepared(client, options=options).body is NO_BODY

    @pytest.mark.parametrize(
        ("how", "unread", "idle_timeout"),
        [
            ({}, False, math.inf),
            ({"unread": True}, True, math.inf),
            ({"stream": True}, True, math.inf),
            ({"unread": True, "options": {"idle_timeout": 3}}, True, 3.0),
            ({"stream": True, "options": {"idle_timeout": 0.5}}, True, 0.5),
            ({"stream": True, "options": {"idle_timeout": None}}, True, math.inf),
        ],
    )
    def test_answers_left_unread(self, how: dict[str, Any], unread: bool, idle_timeout: float) -> None:
        call = prepared(BaseClient(base_url=BASE), **how)
        assert (call.unread, call.settings.idle_timeout) == (unread, idle_timeout)

    def test_extra_json_is_laid_over_the_body(self) -> None:
        call = prepared(
            BaseClient(base_url=BASE),
            "POST",
            body={"a": 1, "b": 2},
            options={"extra_json": {"b": 3, "a": omit, "c": []}},
        )
        assert call.body.content == b'{"b":3,"c":[]}'

    def test_json_default_is_the_subclasss(self) -> None:
        class Mine(BaseClient):
            @staticmethod
            def json_default(value: object) -> object:
                return f"<{value}>"

        assert prepared(Mine(base_url=BASE), "POST", body=[1j]).body.content == b'["<1j>"]'
        with pytest.raises(TypeError, match=r"body\[0\]"):
            prepared(BaseClient(base_url=BASE), "POST", body=[1j])

    def test_custom_auth_is_looked_up_for_each_call(self) -> None:
        class Mine(BaseClient):
            custom_auth = httpx.BasicAuth("u", "p")  # type: ignore[assignment]

        assert prepared(Mine(base_url=BASE)).auth is Mine.custom_auth

    def test_custom_auth_that_is_none_of_httpxs(self) -> None:
        class Mine(BaseClient):
            custom_auth = ("user", "password")  # type: ignore[assignment]

        with pytest.raises(TypeError, match=r"custom_auth must be an httpx\.Auth"):
            prepared(Mine(base_url=BASE))


def test_a_whole_answer_is_asked_for_as_json_and_a_stream_as_what_streams_are_in() -> None:
    client = BaseClient(base_url=BASE)
    for whole in (prepared(client), prepared(client, unread=True)):
        headers = headers_of(whole)
        assert headers["accept"] == "application/json"
        assert "cache-control" not in headers
    headers = headers_of(prepared(client, stream=True))
    assert headers["accept"].split(",")[0] == "text/event-stream"
    assert "application/json" in headers["accept"]
    assert headers["cache-control"] == "no-cache"
    mine = {"ACCEPT": "application/x-mine", "Cache-Control": omit}
    headers = headers_of(prepared(client, stream=True, options={"headers": mine}))
    assert headers["accept"] == "application/x-mine"
    assert "cache-control" not in headers
    # What a stream set is not left to the next call.
    assert headers_of(prepared(client))["accept"] == "application/json"


class TestPaths:
    @pytest.mark.parametrize(
        ("base", "path", "url"),
        [
            ("https://api.test", "x", "https://api.test/x"),
            ("https://api.test/", "/x", "https://api.test/x"),
            ("https://api.test/v1", "x", "https://api.test/v1/x"),
            ("https://api.test/v1/", "/x/", "https://api.test/v1/x/"),
            ("https://api.test/v1", "", "https://api.test/v1/"),
            ("https://api.test/v1?k=1", "/x?a=2", "https://api.test/v1/x?k=1&a=2"),
            ("https://api.test/v1", "/a b/é", "https://api.test/v1/a%20b/%C3%A9"),
            ("https://api.test/v1", "http://other.test:81/y?z", "http://other.test:81/y?z"),
            ("http://[::1]:80/v1", "x", "http://[::1]/v1/x"),
        ],
    )
    def test_joined_under_the_base(self, base: str, path: str, url: str) -> None:
        assert str(prepared(BaseClient(base_url=base), path=path).target) == url

    @pytest.mark.parametrize(
        "path", ["..", "/../x", "a/./b", "a/%2e%2E/b", "a/..%2fb", "//evil.test/x", "a\r\nb", "a#b"]
    )
    def test_that_leave_it_are_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match="path must not"):
            prepared(BaseClient(base_url=BASE), path=path)

    def test_the_base_has_its_slash(self) -> None:
        assert BaseClient(base_url="https://api.test/v1").base_url == httpx.URL("https://api.test/v1/")


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ({"base_url": None}, TypeError, "base_url is missing: give it as an argument$"),
        ({"base_url": 1}, TypeError, "base_url must be a str or httpx.URL"),
        ({"base_url": ""}, ValueError, "base_url must be an absolute"),
        ({"base_url": "api.test"}, ValueError, "base_url must be an absolute"),
        ({"base_url": "ftp://api.test"}, ValueError, "base_url must be an absolute"),
        ({"base_url": "https://u:p@api.test"}, ValueError, "base_url must not hold a user name or password"),
        ({"base_url": "https://api.test\r\n"}, ValueError, "base_url must not hold control characters"),
        ({"version": None}, TypeError, "version must be a str"),
        ({"version": "1\r\n"}, ValueError, "version must be printable"),
        ({"max_retries": -1}, ValueError, "max_retries must be 0 or more, not -1"),
        ({"max_retries": 2.0}, TypeError, "max_retries must be an int, not 2.0"),
        ({"max_retries": True}, TypeError, "max_retries must be an int, not True"),
        ({"max_retries": None}, TypeError, "max_retries must be an int, not None"),
        ({"timeout": "3"}, TypeError, "timeout must be a number of seconds"),
        ({"timeout": (1.0, 2.0)}, TypeError, "timeout must be a number of seconds"),
        ({"timeout": -0.1}, ValueError, "timeout must be 0 seconds or more"),
        ({"timeout": httpx.Timeout(1.0, read=-1.0)}, ValueError, "timeout must be 0 seconds or more"),
        ({"deadline": True}, TypeError, "deadline must be a number of seconds"),
        ({"deadline": -1}, ValueError, "deadline must be 0 seconds or more"),
        ({"deadline": math.nan}, ValueError, "deadline must be 0 seconds or more"),
        ({"custom_headers": [("a", "b")]}, TypeError, "custom_headers must be a mapping"),
        ({"custom_headers": []}, TypeError, "custom_headers must be a mapping, not list"),
        ({"custom_headers": {"a": 1}}, TypeError, "header 'a' must be a str"),
        ({"custom_headers": {"a b": "c"}}, ValueError, "header name 'a b'"),
        ({"custom_headers": {"a": "b\r\nc: d"}}, ValueError, "header 'a' must not hold CR"),
        ({"custom_headers": {"Content-Length": "3"}}, ValueError, "header 'Content-Length' cannot be set"),
        ({"custom_query": "a=b"}, TypeError, "custom_query must be a mapping"),
        ({"custom_query": ()}, TypeError, "custom_query must be a mapping, not tuple"),
        ({"custom_query": {"a": object()}}, TypeError, r"custom_query\['a'\] must be a str"),
        ({"custom_query": {"a": math.nan}}, ValueError, r"custom_query\['a'\] must be a finite number"),
        ({"_strict_response_validation": 1}, TypeError, "_strict_response_validation must be True or False"),
        ({"telemetry": "off"}, TypeError, "telemetry must be True or False"),
        ({"retry": 3}, TypeError, "retry must be a RetryPolicy, not 3"),
        ({"limits": httpx.Limits()}, TypeError, "limits must be a Limits, not"),
        ({"hooks": print}, TypeError, "hooks must be a sequence of functions"),
        ({"hooks": [None]}, TypeError, "hooks must be sync functions"),
    ],
)
def test_bad_arguments_are_named(argument: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        BaseClient(**{"base_url": BASE, **argument})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "get"}, ValueError, "method must be"),
        ({"path": 1}, TypeError, "path must be a str"),
        ({"path": "ftp://x/y"}, ValueError, "path must be an absolute http"),
        ({"path": "https://u:p@x/y"}, ValueError, "path must not hold a user name"),
        ({"body": {}, "content": b""}, TypeError, "content goes without body"),
        ({"content": b"", "options": {"extra_json": {"a": 1}}}, TypeError, "content goes without body"),
        ({"content": b"", "files": {"a": b"b"}}, TypeError, "content goes without files"),
        ({"files": b"a"}, TypeError, "files must be a mapping"),
        ({"body": [1], "files": {"a": b"b"}}, TypeError, "body must be a mapping"),
        ({"content": {"a": 1}}, TypeError, "content must be bytes"),
        ({"content": 3}, TypeError, "content must be bytes"),
        ({"body": b"raw"}, TypeError, "body must be values to be sent as JSON"),
        ({"body": {"a": [1, math.nan]}}, ValueError, r"body\.a\[1\]"),
        ({"body": {"a": math.inf}}, ValueError, r"body\.a"),
        ({"body": {"a": {"b": object()}}}, TypeError, r"body\.a\.b"),
        ({"body": {"a": "\ud800"}}, ValueError, r"body\.a"),
        ({"body": [], "options": {"extra_json": {"a": 1}}}, TypeError, "body must be an object"),
        ({"options": {"extra_json": [1]}}, TypeError, "extra_json must be a mapping"),
        ({"options": {"extra_json": {"a": math.nan}}}, ValueError, r"extra_json\.a"),
        ({"options": {"headers": {"a": "b\nc"}}}, ValueError, "header 'a' must not hold CR"),
        ({"options": {"headers": {"a": None}}}, TypeError, "header 'a' must be a str"),
        ({"options": {"params": {"a": b"b"}}}, TypeError, r"params\['a'\] must be text"),
        ({"options": {"params": {"a": {"b": math.nan}}}}, ValueError, r"params\['a'\]\['b'\] must be a finite"),
        ({"options": {"timeout": "1"}}, TypeError, r"options\['timeout'\] must be a number"),
        ({"options": {"timeout": -1}}, ValueError, r"options\['timeout'\] must be 0 seconds"),
        ({"options": {"deadline": -1}}, ValueError, r"options\['deadline'\] must be 0 seconds"),
        ({"options": {"deadline": False}}, TypeError, r"options\['deadline'\] must be a number"),
        ({"options": {"max_retries": -1}}, ValueError, r"options\['max_retries'\] must be 0 or more"),
        ({"options": {"max_retries": 1.5}}, TypeError, r"options\['max_retries'\] must be an int"),
        ({"options": {"idempotency_key": "a\r\nb"}}, ValueError, "header 'Idempotency-Key' must not hold CR"),
        ({"options": {"follow_redirects": 0}}, TypeError, r"options\['follow_redirects'\] must be True or False"),
        ({"options": {"retries": 0}}, TypeError, "options has no key 'retries'"),
        ({"options": None}, TypeError, "options must be a mapping, not NoneType"),
        ({"options": {"upload_progress": 1}}, TypeError, r"options\['upload_progress'\] must be a sync function"),
        ({"options": {"idle_timeout": 1}}, TypeError, r"options\['idle_timeout'\] is for streams and answers left un"),
        ({"options": {"idle_timeout": -1}, "unread": True}, ValueError, r"options\['idle_timeout'\] must be 0 seconds"),
        ({"options": {"idle_timeout": "1"}, "stream": True}, TypeError, r"options\['idle_timeout'\] must be a number"),
        ({"options": {"terminal_event": "end"}, "unread": True}, TypeError, r"options\['terminal_event'\] is for str"),
        ({"options": {"resume": True}, "stream": True}, ValueError, r"options\['resume'\] is for GET streams: a POST"),
    ],
)
def test_bad_calls_are_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"method": "POST", "path": "/x", **arguments}
    with pytest.raises(error, match=message):
        prepared(BaseClient(base_url=BASE), **arguments)


def test_a_credential_is_in_no_repr() -> None:
    client = BaseClient(
        base_url="https://api.test/v1?api_key=s3cret",
        custom_headers={"Authorization": "s3cret"},
        custom_query={"token": "s3cret"},
    )
    assert "s3cret" not in repr(client)
    assert repr(client) == "<BaseClient BaseURL('https://api.test/v1/?api_key=[redacted]')>"


def test_policies_are_kept() -> None:
    retry, limits = RetryPolicy(max_delay=1.0), Limits(max_redirects=3)
    client = BaseClient(base_url=BASE, retry=retry, limits=limits)
    assert client._retry is retry
    assert client._limits is limits
