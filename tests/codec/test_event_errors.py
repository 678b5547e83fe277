"""Events that tell of an error, in the words of several APIs."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any, TypedDict, Union

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.event_errors import _BESIDE_ERROR, STATUS_OF_ERROR, ErrorEvent, is_bare_error, takes_error


@pytest.mark.parametrize(
    ("body", "status"),
    [
        # a number
        ({"status": 503}, 503),
        ({"status_code": 400}, 400),
        ({"code": 599}, 599),
        ({"status": 429.0}, 429),
        ({"code": "429"}, 429),
        ({"error": {"status": 404}}, 404),
        ({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, 503),
        ({"status": 500, "error": {"code": 429}}, 500),
        ({"status": 200, "error": {"code": 429}}, 429),
        ({"code": 422, "error": {"type": "overloaded_error"}}, 422),
        # no status
        ({"status": 399}, None),
        ({"status": 600}, None),
        ({"status": 404.5}, None),
        ({"status": True}, None),
        ({"code": "0429"}, None),
        ({"code": "٤٢٩"}, None),
        ({"code": [429]}, None),
        # a name
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        ({"type": "rate_limit_error"}, 429),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}, 429),
        ({"error": {"type": "requests", "code": "rate_limit_exceeded"}}, 429),
        ({"type": "api_error", "error": {"type": "billing_error"}}, 402),
        ({"error": {"type": ["api_error"], "code": {}}}, None),
        # nothing
        ({"type": "error"}, None),
        ({"error": {"type": "news"}}, None),
        ({"error": "overloaded_error"}, None),
        ({"error": {"error": {"code": 500}}}, None),
        ({}, None),
        ([{"status": 500}], None),
        ("api_error", None),
        (500, None),
        (None, None),
    ],
    ids=json.dumps,
)
def test_the_status(body: object, status: int | None) -> None:
    event = ErrorEvent(json.dumps(body).encode())
    assert event.body == body
    assert event.status == status
    assert type(event.status) is type(status)


@pytest.mark.parametrize(("name", "status"), STATUS_OF_ERROR.items())
def test_every_name(name: str, status: int) -> None:
    assert ErrorEvent(b'{"error": {"type": "%b"}}' % name.encode()).status == status
    assert 400 <= status <= 599


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b"Overloaded", "Overloaded"),
        (b"", None),
        (
            b'{"error": {"code": 500, "message": "\xff"}}',
            {"error": {"code": 500, "message": "\N{REPLACEMENT CHARACTER}"}},
        ),
    ],
)
def test_the_body(content: bytes, body: object) -> None:
    event = ErrorEvent(content)
    assert (event.content, event.body) == (content, body)
    assert str(event) == "the stream brought an error"


# Errors without a name

OPENAI = {"message": "The server had an error", "type": "server_error", "param": None, "code": None}


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        ({"error": OPENAI}, True),
        ({"error": "out of memory"}, True),
        ({"error": "failed", "error_type": "generation"}, True),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}, True),
        (dict.fromkeys(sorted(_BESIDE_ERROR), "x"), True),
        ({"error": None}, False),
        ({"error": {}}, False),
        ({"error": {"code": 500}}, False),
        ({"error": {"message": None}}, False),
        ({"error": ["bad"]}, False),
        ({"error": True}, False),
        ({"custom_id": "a", "error": OPENAI}, False),
        ({"error": OPENAI, "choices": []}, False),
        ({"choices": [{"error": OPENAI}]}, False),
        ([{"error": OPENAI}], False),
        ("error", False),
        (None, False),
    ],
    ids=json.dumps,
)
def test_a_bare_error(value: object, bare: bool) -> None:
    assert is_bare_error(json.dumps(value).encode()) is bare


@pytest.mark.parametrize(
    ("content", "bare"),
    [
        (b'{"error": "\xff"}', True),
        (b'{"error": "x"', False),
        (b'{"error": "x", "code": 1e999}', False),
        (b'{"error": "x", "detail": ' + b"[" * 100_000, False),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_hardly_json(content: bytes, bare: bool) -> None:
    assert is_bare_error(content) is bare


@given(st.binary() | st.text('{}[]":, error message', max_size=40).map(str.encode))
def test_any_bytes(content: bytes) -> None:
    is_bare_error(content)
    assert ErrorEvent(content).content == content


class Chunk(msgspec.Struct):
    id: str = ""


class Result(msgspec.Struct, tag="result"):
    error_: str = msgspec.field(name="error", default="")


class Other(msgspec.Struct, tag="other"):
    error: str = msgspec.field(name="mistake", default="")


@dataclasses.dataclass
class Data:
    error: str = ""


class Table(TypedDict, total=False):
    error: str


class Model(pydantic.BaseModel):
    error: str = ""


class Aliased(pydantic.BaseModel):
    mistake: str = pydantic.Field("", validation_alias=pydantic.AliasChoices("wrong", "error"))


class Renamed(pydantic.BaseModel):
    error: str = pydantic.Field("", alias="mistake")


@pytest.mark.parametrize(
    ("cast_to", "takes"),
    [
        (Any, False),
        (dict[str, Any], False),
        (list[Data], False),
        (Chunk, False),
        (Result, True),
        (Other, False),
        (Union[Other, Result], True),
        (Annotated[Union[Result, None], msgspec.Meta(title="t")], True),
        (Data, True),
        (Table, True),
        (Model, True),
        (Aliased, True),
        (Renamed, False),
        (Union[Renamed, Model], True),
        (Annotated[Union[Renamed, Aliased, None], "pydantic"], True),
        (list[Model], False),
    ],
    ids=str,
)
def test_which_types_take_one(cast_to: Any, takes: bool) -> None:
    assert takes_error(cast_to) is takes
