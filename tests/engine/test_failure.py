"""Every kind of failure to its error: class, words and fields."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from trioclient import BaseClient
from trioclient import _errors as errors
from trioclient import _faults as faults
from trioclient._codec.decode import AnswerFault
from trioclient._codec.url import Origin, Target
from trioclient._engine.attempt import RedirectRefused
from trioclient._engine.call import Answer, CallTrace
from trioclient._engine.failure import error_of

TARGET = Target(Origin("https", "api.test", 443), "/x")


def trace(deadline: float = 10.0) -> CallTrace:
    call = BaseClient(base_url="https://api.test", deadline=deadline)._prepare("GET", "/x?key=s3cret")
    made = CallTrace(call, 100.0)
    made.attempts, made.sent = 2, "maybe"
    return made


def answer(status: int, content: bytes | str = b"", **headers: str) -> Answer:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Answer(status, "HTTP/1.1", lines, content.encode() if isinstance(content, str) else content, "GET", TARGET)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (faults.ConnectFault("nobody home"), errors.APIConnectionError, "nobody home"),
        (faults.DisconnectFault("it broke"), errors.APIConnectionError, "it broke"),
        (faults.ProtocolFault("not HTTP"), errors.APIConnectionError, "not HTTP"),
        (faults.ClosedFault(), errors.APIConnectionError, "the client was closed"),
        (faults.TimeoutFault("read"), errors.APITimeoutError, "the read timeout passed"),
        (faults.LimitFault("max_body_bytes", 1000), errors.LimitExceeded, "max_body_bytes (1,000) was exceeded"),
        (faults.CodingFault("bad gzip"), errors.APIResponseValidationError, "bad gzip"),
        (AnswerFault("expected int", "$.a"), errors.APIResponseValidationError, "expected int"),
    ],
)
def test_faults(fault: faults.Fault, kind: type[errors.APIError], message: str) -> None:
    error = error_of(trace(), fault, 105.0)
    assert type(error) is kind
    assert error.message == message
    assert error.__cause__ is fault
    assert (error.attempts, error.elapsed, error.sent, error.response) == (2, 5.0, "maybe", None)


@pytest.mark.parametrize(
    ("now", "kind", "message"),
    [
        (109.99, errors.APITimeoutError, "the read timeout passed"),
        (110.0, errors.DeadlineExceeded, "the deadline of 10 s passed (read phase)"),
        (111.0, errors.DeadlineExceeded, "the deadline of 10 s passed (read phase)"),
    ],
)
def test_a_timeout_at_the_deadline_is_the_deadlines(now: float, kind: type[errors.APIError], message: str) -> None:
    error = error_of(trace(), faults.TimeoutFault("read"), now)
    assert type(error) is kind
    assert error.message == message


def test_a_limit_says_which() -> None:
    error = error_of(trace(), faults.LimitFault("max_redirects", 20), 105.0)
    assert isinstance(error, errors.LimitExceeded)
    assert (error.limit, error.value) == ("max_redirects", 20)


def test_what_does_not_fit_says_where_and_shows_it() -> None:
    error = error_of(
        trace(), AnswerFault("expected int", "$.a"), 105.0, answer=answer(200, '{"a":"x"}', request_id="r1")
    )
    assert isinstance(error, errors.APIResponseValidationError)
    assert (error.path, error.body, error.request_id) == ("$.a", {"a": "x"}, "r1")
    assert error.response is not None
    assert error.response.text == '{"a":"x"}'


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (
            answer(404, '{"error":{"message":"no such thing"}}', x_request_id="r1"),
            "GET https://api.test/x?key=[redacted]: 404 Not Found: no such thing (2 attempts in 5.00 s, request id r1)."
            " Check the path and the base URL.",
        ),
        (
            answer(503),
            "GET https://api.test/x?key=[redacted]: 503 Service Unavailable (2 attempts in 5.00 s)."
            " The server's trouble, not the request's; try again later.",
        ),
        (answer(499), "GET https://api.test/x?key=[redacted]: 499 (2 attempts in 5.00 s)."),
        (
            faults.ClosedFault(),
            "GET https://api.test/x?key=[redacted]: the client was closed (2 attempts in 5.00 s)."
            " Make the call before the client is closed: inside its `async with`.",
        ),
        (
            faults.DisconnectFault("the connection broke before the answer was whole"),
            "GET https://api.test/x?key=[redacted]: the connection broke before the answer was whole"
            " (2 attempts in 5.00 s)."
            " Check the address and the network; `sent` tells whether the server may have acted.",
        ),
        (
            faults.LimitFault("max_body_bytes", 1000),
            "GET https://api.test/x?key=[redacted]: max_body_bytes (1,000) was exceeded (2 attempts in 5.00 s)."
            " Raise the named field of `limits=` if the server can be trusted with more.",
        ),
        (
            RedirectRefused("the redirect leads from https to http", answer(302)),
            "GET https://api.test/x?key=[redacted]: 302 Found: the redirect leads from https to http"
            " (2 attempts in 5.00 s).",
        ),
    ],
)
def test_whole_texts(failure: Any, text: str) -> None:
    assert str(error_of(trace(), failure, 105.0)) == text


def test_a_refused_redirect_keeps_the_answer() -> None:
    failure = RedirectRefused("no", answer(307, '{"to":"there"}', location="http://x/"))
    error = error_of(trace(), failure, 105.0)
    assert type(error) is errors.APIStatusError
    assert (error.status_code, error.body) == (307, {"to": "there"})
    assert error.response is not None
    assert error.response.headers["location"] == "http://x/"


def test_the_time_the_server_named() -> None:
    error = error_of(trace(), answer(429), 105.0, retry_at=1_000_000_000.0)
    assert "retry at 2001-09-09 01:46:40 UTC" in str(error)
    assert error.__cause__ is None


class TestReason:
    """The server's own words."""

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({"error": {"message": "m"}}, "m"),
            ({"error": {"code": 7, "message": "m", "status": "S"}}, "m"),
            ({"type": "error", "error": {"type": "invalid", "message": "m"}}, "m"),
            ({"error": "m"}, "m"),
            ({"message": "m"}, "m"),
            ({"error": "Bad Request", "message": "m", "status": 400}, "m"),
            ({"error": True, "message": "m"}, "m"),
            ({"error": "invalid_grant", "error_description": "m"}, "m"),
            ({"errors": [{"message": "m"}, {"message": "n"}]}, "m"),
            ({"errors": [{"title": "t", "detail": "m"}]}, "m"),
            ({"detail": "m", "title": "t", "type": "about:blank"}, "m"),
            ({"title": "t"}, "t"),
            ({"detail": [{"loc": ["body", "a"], "msg": "m"}]}, "m"),
            ({"message": ["m", "n"]}, "m"),
            ({"error": None, "message": "m"}, "m"),
            ({"message": "", "error": "m"}, "m"),
            (["m"], "m"),
            ("m", "m"),
            ({"message": "two\n  lines\t"}, "two lines"),
            ({"error": {"code": 7}}, ""),
            ({"ok": False}, ""),
            ({}, ""),
            ([], ""),
            (7, ""),
            (None, ""),
        ],
    )
    def test_in_json(self, body: object, reason: str) -> None:
        error = error_of(trace(), answer(400, json.dumps(body)), 105.0)
        assert error.message == ("400 Bad Request: " + reason if reason else "400 Bad Request")
        assert error.body == body

    @pytest.mark.parametrize(
        ("content", "reason", "body"),
        [
            (b"upstream is away\n", "upstream is away", "upstream is away\n"),
            (b"", "", None),
            (b"caf\xe9", "caf\ufffd", "caf\ufffd"),
            (b"\x1b[2Jgone\x00\x7f", "[2Jgone", "\x1b[2Jgone\x00\x7f"),
            (b"\n<html><title>502</title></html>", "", "\n<html><title>502</title></html>"),
            (b'{"error": "cut sho', '{"error": "cut sho', '{"error": "cut sho'),
            (b'{"a": NaN}', '{"a": NaN}', '{"a": NaN}'),
        ],
    )
    def test_in_other_bodies(self, content: bytes, reason: str, body: object) -> None:
        error = error_of(trace(), answer(400, content), 105.0)
        assert error.message == ("400 Bad Request: " + reason if reason else "400 Bad Request")
        assert error.body == body

    @pytest.mark.parametrize(("length", "shown"), [(300, "x" * 300), (301, "x" * 300 + "…"), (60_000, "x" * 300 + "…")])
    def test_in_so_many_words(self, length: int, shown: str) -> None:
        assert error_of(trace(), answer(400, "x" * length), 105.0).message == f"400 Bad Request: {shown}"

    @pytest.mark.parametrize("depth", [1, 64, 65, 500, 2000, 30_000])
    @pytest.mark.parametrize("nest", [(b'{"error":', b"}"), (b"[", b"]")])
    def test_a_deeply_nested_body_stops_nothing(self, depth: int, nest: tuple[bytes, bytes]) -> None:
        content = nest[0] * depth + b'"m"' + nest[1] * depth
        error = error_of(trace(), answer(400, content), 105.0)
        for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
            assert repr(twin.body) == repr(error.body)
        assert (error.body == content.decode()) is (depth > 64)


def test_no_deadline_is_never_exceeded() -> None:
    endless = trace()
    endless.call = endless.call._replace(settings=endless.call.settings._replace(deadline=float("inf")))
    endless.deadline = float("inf")
    assert type(error_of(endless, faults.TimeoutFault("read"), 1e9)) is errors.APITimeoutError
