from __future__ import annotations

import enum
import types
from typing import Any

import httpx
import httpx2
import pytest

from trioclient import Limits, TrioTransport
from trioclient._client.arguments import (
    check_options,
    checked_auth,
    checked_kind,
    checked_mapping,
    checked_method,
    checked_transport,
    checked_version,
)
from trioclient.testing import ScriptedTransport


@pytest.mark.parametrize("method", ["GET", "PURGE", "M-SEARCH", "X!#$%&'*+-.^_`|~1", "CONNECTED"])
def test_methods(method: str) -> None:
    assert checked_method(method) == method


@pytest.mark.parametrize(
    "method", ["", "get", "Get", "GE T", "GET ", " GET", "GET\r\nX: y", "GET\n", "GET\0", "GET:", "PÖST", "CONNECT"]
)
def test_no_methods(method: str) -> None:
    with pytest.raises(ValueError, match="method must be an HTTP method in capitals"):
        checked_method(method)


@pytest.mark.parametrize("method", [b"GET", None, 1, httpx.URL("GET")])
def test_a_method_is_a_str(method: object) -> None:
    with pytest.raises(TypeError, match="method must be a str, not"):
        checked_method(method)


def test_an_enum_stands_for_its_value() -> None:
    class Method(str, enum.Enum):
        GET = "GET"

    method = checked_method(Method.GET)
    assert type(method) is str
    assert f"{method}" == "GET"


def test_no_other_str_is_passed_on() -> None:
    class Loud(str):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = str.__hash__

    with pytest.raises(ValueError, match="method must be an HTTP method in capitals"):
        checked_method(Loud("x y"))
    assert type(checked_method(Loud("GET"))) is str


@pytest.mark.parametrize(
    ("version", "error"),
    [
        (None, TypeError),
        (1.0, TypeError),
        (b"1", TypeError),
        ("1\r\nX: y", ValueError),
        ("1\0", ValueError),
        ("β", ValueError),
    ],
)
def test_versions_go_into_headers(version: object, error: type[Exception]) -> None:
    assert checked_version("1.0+local (beta)") == "1.0+local (beta)"
    with pytest.raises(error, match="version must be"):
        checked_version(version)


def test_kinds() -> None:
    limits = Limits()
    assert checked_kind(limits, Limits, "limits") is limits
    with pytest.raises(TypeError, match="limits must be a Limits, not 5"):
        checked_kind(5, Limits, "limits")  # type: ignore[type-var]


@pytest.mark.parametrize("value", [None, [("a", "b")], "a", {"a"}, 1])
def test_mappings(value: Any) -> None:
    given = {"a": 1}
    assert checked_mapping(given, "here") is given
    with pytest.raises(TypeError, match="here must be a mapping, not"):
        checked_mapping(value, "here")


@pytest.mark.parametrize("make", [TrioTransport, ScriptedTransport])
def test_transports(make: Any) -> None:
    transport = make()
    assert checked_transport(transport) is transport


@pytest.mark.parametrize(
    "make", [lambda: httpx.MockTransport(httpx.Response), httpx.AsyncClient, object, lambda: "tcp"]
)
def test_no_transports(make: Any) -> None:
    with pytest.raises(TypeError, match=r"transport must be a TrioTransport.*http_client=httpx.AsyncClient"):
        checked_transport(make())


@pytest.mark.parametrize("auth", [None, httpx.BasicAuth("u", "p"), httpx2.DigestAuth("u", "p")])
def test_auth_flows(auth: Any) -> None:
    assert checked_auth(auth) is auth


@pytest.mark.parametrize("auth", [("u", "s3cret"), "Bearer s3cret", object()])
def test_no_auth_flows(auth: Any) -> None:
    with pytest.raises(TypeError, match=r"custom_auth must be an httpx\.Auth") as caught:
        checked_auth(auth)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (None, "options must be a mapping, not NoneType"),
        ([("timeout", 1)], "options must be a mapping, not list"),
        ({"retries": 1}, "options has no key 'retries'"),
        ({"timeout": 1, "Headers": {}}, "options has no key 'Headers'"),
        ({1: 2}, "options has no key 1"),
        ({"headers": [("a", "b")]}, r"options\['headers'\] must be a mapping, not list"),
        ({"headers": "a: b"}, r"options\['headers'\] must be a mapping, not str"),
        ({"params": "a=b"}, r"options\['params'\] must be a mapping, not str"),
        ({"params": []}, r"options\['params'\] must be a mapping, not list"),
        ({"idempotency_key": 1}, r"options\['idempotency_key'\] must be a str that is not empty, not 1"),
        ({"idempotency_key": ""}, r"options\['idempotency_key'\] must be a str that is not empty, not ''"),
    ],
)
def test_bad_options(options: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_options(options)


def test_good_options() -> None:
    check_options({})
    check_options({"headers": {}, "params": {}, "idempotency_key": "k", "timeout": None, "max_retries": 0})
    check_options(types.MappingProxyType({"headers": types.MappingProxyType({})}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ({"terminal_event": "end"}, {"stream": True}),
        ({"terminal_event": lambda event: True}, {"stream": True}),
        ({"resume": True}, {"stream": True}),
        ({"resume": False}, {"stream": True, "method": "POST"}),
        ({"idle_timeout": 3}, {"stream": True}),
        ({"idle_timeout": None}, {"unread": True}),
    ],
)
def test_options_of_streams(options: Any, how: dict[str, Any]) -> None:
    check_options(options, **{"method": "GET", **how})


async def _later(event: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("options", "how", "error", "message"),
    [
        ({"terminal_event": "end"}, {}, TypeError, r"options\['terminal_event'\] is for streams: it goes with stream"),
        ({"terminal_event": "end"}, {"unread": True}, TypeError, r"options\['terminal_event'\] is for streams"),
        ({"terminal_event": ""}, {"stream": True}, TypeError, r"options\['terminal_event'\] must be the name of an ev"),
        (
            {"terminal_event": None},
            {"stream": True},
            TypeError,
            r"must be the name of an event, or a sync function, not None",
        ),
        (
            {"terminal_event": _later},
            {"stream": True},
            TypeError,
            r"options\['terminal_event'\] must be .* a sync func",
        ),
        ({"terminal_event": b"end"}, {"stream": True}, TypeError, r"options\['terminal_event'\] must be the name"),
        ({"resume": True}, {}, TypeError, r"options\['resume'\] is for streams: it goes with stream=True"),
        ({"resume": True}, {"unread": True}, TypeError, r"options\['resume'\] is for streams"),
        ({"resume": 1}, {"stream": True}, TypeError, r"options\['resume'\] must be True or False"),
        (
            {"resume": True},
            {"stream": True, "method": "POST"},
            ValueError,
            r"is for GET streams: a POST might act twice",
        ),
        ({"idle_timeout": 3}, {}, TypeError, r"options\['idle_timeout'\] is for streams and answers left unread"),
        ({"idle_timeout": None}, {}, TypeError, r"options\['idle_timeout'\] is for streams and answers left unread"),
    ],
)
def test_bad_options_of_streams(options: Any, how: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_options(options, **{"method": "GET", **how})
