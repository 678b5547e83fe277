from __future__ import annotations

import copy
import datetime
import pickle
from typing import Any

import httpx
import pytest

from trioclient import _errors as errors
from trioclient._errors import APIError, status_error_class
from trioclient._records import RequestRecord, ResponseRecord

REQUEST = RequestRecord("POST", "https://api.test/v1/x?api_key=[redacted]", (("Authorization", "[redacted]"),))
RESPONSE = ResponseRecord(429, (("request-id", "req_1"), ("x-request-id", "other")), b'{"error":"slow down"}')
RETRY_AT = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
FIELDS: dict[str, Any] = {
    "request": REQUEST,
    "response": RESPONSE,
    "body": {"error": "slow down"},
    "attempts": 3,
    "elapsed": 12.345,
    "sent": "yes",
    "retry_at": RETRY_AT,
}
OWN_FIELDS: dict[type[APIError], dict[str, Any]] = {
    errors.APIResponseValidationError: {"path": "$.data[0].id"},
    errors.LimitExceeded: {"limit": "max_body_bytes", "value": 1000},
}
ALL = [getattr(errors, name) for name in errors.__all__ if name != "status_error_class"]


class WithMore(errors.RateLimitError):
    """As an SDK author would write it."""

    def __init__(self, message: str, quota: str, *, tier: int = 1, **fields: Any) -> None:
        super().__init__(f"{message} ({quota})", **fields)
        self.quota = quota
        self.tier = tier


def test_the_tree_is_as_drawn() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").split("\n\n")[1].splitlines():
        name = line.strip("│├└─ ").split()[0]
        above[line.index(name) // 4 - 1 :] = [name]
        drawn[name] = above[-2] if len(above) > 1 else "Exception"
    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in ALL}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (300, errors.APIStatusError),
        (304, errors.APIStatusError),
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (402, errors.APIStatusError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (408, errors.APIStatusError),
        (409, errors.ConflictError),
        (413, errors.RequestTooLargeError),
        (418, errors.APIStatusError),
        (422, errors.UnprocessableEntityError),
        (429, errors.RateLimitError),
        (499, errors.APIStatusError),
        (500, errors.InternalServerError),
        (503, errors.InternalServerError),
        (599, errors.InternalServerError),
    ],
)
def test_classes_by_status(status: int, kind: type[APIError]) -> None:
    assert status_error_class(status) is kind


class TestText:
    """What a tired person reads."""

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({}, "it broke."),
            ({"attempts": 1, "elapsed": 0.004}, "it broke (1 attempt in 0.00 s)."),
            ({"attempts": 2, "elapsed": 61.0}, "it broke (2 attempts in 61.00 s)."),
            ({"request": REQUEST}, "POST https://api.test/v1/x?api_key=[redacted]: it broke."),
            ({"response": RESPONSE}, "it broke (request id req_1)."),
            ({"response": ResponseRecord(500, (("x-request-id", "r2"),))}, "it broke (request id r2)."),
            ({"retry_at": RETRY_AT}, "it broke (retry at 2030-01-02 03:04:05 UTC)."),
            (
                FIELDS,
                "POST https://api.test/v1/x?api_key=[redacted]: it broke"
                " (3 attempts in 12.35 s, request id req_1, retry at 2030-01-02 03:04:05 UTC).",
            ),
        ],
    )
    def test_facts(self, fields: dict[str, Any], text: str) -> None:
        assert str(APIError("it broke", **fields)) == text
        assert str(APIError("it broke.", **fields)) == text

    @pytest.mark.parametrize(
        ("kind", "advice"),
        [
            (
                errors.APIConnectionError,
                "Check the address and the network; `sent` tells whether the server may have acted.",
            ),
            (errors.APITimeoutError, "Raise `timeout=` if the server is known to be slow."),
            (errors.DeadlineExceeded, "Raise `deadline=` to give retries and slow answers more time."),
            (
                errors.APIResponseValidationError,
                "The server's answer and the declared type disagree; see `body`.",
            ),
            (errors.LimitExceeded, "Raise the named field of `limits=` if the server can be trusted with more."),
            (errors.BadRequestError, "The request itself is wrong; `body` has the server's reason."),
            (errors.AuthenticationError, "Check the API key."),
            (errors.PermissionDeniedError, "Check what the API key is allowed to do."),
            (errors.NotFoundError, "Check the path and the base URL."),
            (errors.RequestTooLargeError, "Send less in one request."),
            (errors.UnprocessableEntityError, "The request itself is wrong; `body` has the server's reason."),
            (errors.RateLimitError, "Send fewer requests at once, or wait until `retry_at`."),
            (errors.InternalServerError, "The server's trouble, not the request's; try again later."),
        ],
    )
    def test_advice_is_the_last_sentence(self, kind: type[APIError], advice: str) -> None:
        assert str(kind("it broke")) == f"it broke. {advice}"

    def test_the_repr_is_short(self) -> None:
        assert (
            repr(errors.RateLimitError("429 Too Many Requests", **FIELDS)) == "RateLimitError('429 Too Many Requests')"
        )


class TestFields:
    def test_defaults(self) -> None:
        error = APIError("it broke")
        assert error.message == "it broke"
        assert (error.request, error.response, error.body, error.request_id) == (None, None, None, None)
        assert (error.attempts, error.elapsed, error.sent, error.retry_at) == (0, 0.0, "no", None)

    def test_httpx_objects_are_made_when_looked_at(self) -> None:
        error = errors.RateLimitError("429", **FIELDS)
        assert isinstance(error.request, httpx.Request)
        assert error.request.headers["authorization"] == "[redacted]"
        assert isinstance(error.response, httpx.Response)
        assert error.response.status_code == error.status_code == 429
        assert error.response.json() == error.body == {"error": "slow down"}
        assert error.response.request.method == "POST"
        assert error.request_id == "req_1"

    def test_a_status_error_made_by_hand(self) -> None:
        assert errors.APIStatusError("made by hand").status_code == 0


def copies(error: APIError) -> list[Any]:
    return [
        *(pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy(error),
        copy.deepcopy(error),
    ]


class TestPickle:
    @pytest.mark.parametrize("kind", ALL)
    def test_every_class_with_every_field(self, kind: type[APIError]) -> None:
        error = kind("it broke", **FIELDS, **OWN_FIELDS.get(kind, {}))
        for twin in copies(error):
            assert type(twin) is kind
            assert twin.__dict__ == error.__dict__
            assert twin.args == error.args == ("it broke",)
            assert str(twin) == str(error)

    @pytest.mark.parametrize("kind", ALL)
    def test_every_class_with_none(self, kind: type[APIError]) -> None:
        for twin in copies(kind("it broke")):
            assert twin.__dict__ == kind("it broke").__dict__

    def test_a_subclass_that_asks_for_more(self) -> None:
        error = WithMore("too fast", "requests", tier=3, **FIELDS)
        for twin in copies(error):
            assert type(twin) is WithMore
            assert (twin.quota, twin.tier, twin.attempts) == ("requests", 3, 3)
            assert str(twin) == str(error)

    def test_what_was_noted_on_it_goes_along(self) -> None:
        error = errors.NotFoundError("gone", **FIELDS)
        error.advice = "Ask somebody."
        error.hint = "mine"  # type: ignore[attr-defined]
        for twin in copies(error):
            assert twin.hint == "mine"
            assert str(twin).endswith("Ask somebody.")

    def test_a_copy_is_its_own(self) -> None:
        error = APIError("it broke", **FIELDS)
        twin = copy.deepcopy(error)
        twin.attempts = 9
        twin.body["error"] = "changed"
        assert (error.attempts, error.body) == (3, {"error": "slow down"})
