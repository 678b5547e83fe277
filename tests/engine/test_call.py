from __future__ import annotations

import datetime
import math

import pytest

from trioclient._codec.body import NO_BODY
from trioclient._codec.url import Origin, Target
from trioclient._engine.call import Answer, CallSettings, CallTrace, PreparedCall
from trioclient._errors import APIResponseValidationError, RateLimitError
from trioclient._records import RequestRecord, ResponseRecord
from trioclient._types import Timeouts

CALL = PreparedCall(
    method="POST",
    target=Target(Origin("https", "api.test", 443), "/v1/x?limit=2&access_token=s3cret"),
    header_block=b"X-Plain: 1\r\nAuthorization: Bearer s3cret\r\nX-Badge: s3cret\r\nX-Latin: \xe9\r\n",
    body=NO_BODY,
    settings=CallSettings(Timeouts.of(None), deadline=10.0),
    keyed=True,
    credentials=frozenset({"x-badge"}),
    attempt_headers=(),
    auth=None,
)
ANSWER = Answer(429, "HTTP/1.1", [(b"x-a", b"1"), (b"x-latin", b"\xe9")], b"body", "POST", CALL.target)


def test_a_prepared_call_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        CALL.method = "GET"  # type: ignore[misc]


def test_its_record_has_no_credentials() -> None:
    assert CALL.record() == RequestRecord(
        "POST",
        "https://api.test/v1/x?limit=2&access_token=[redacted]",
        (("X-Plain", "1"), ("Authorization", "[redacted]"), ("X-Badge", "[redacted]"), ("X-Latin", "é")),
    )


def test_an_answers_record() -> None:
    assert ANSWER.record() == ResponseRecord(429, (("x-a", "1"), ("x-latin", "é")), b"body", "HTTP/1.1")


@pytest.mark.parametrize(("seconds", "deadline"), [(10.0, 110.0), (math.inf, math.inf), (0.0, 100.0)])
def test_the_deadline_counts_from_the_start(seconds: float, deadline: float) -> None:
    assert CallTrace(CALL._replace(settings=CALL.settings._replace(deadline=seconds)), 100.0).deadline == deadline


class TestErrors:
    def test_before_anything_happened(self) -> None:
        error = CallTrace(CALL, 100.0).error(RateLimitError, "429", 100.0)
        assert (error.attempts, error.elapsed, error.sent, error.retry_at) == (0, 0.0, "no", None)
        assert (error.response_record, error.body) == (None, None)

    def test_all_of_them_carry_the_facts(self) -> None:
        trace = CallTrace(CALL, 100.0)
        trace.attempts, trace.sent = 3, "maybe"
        error = trace.error(RateLimitError, "429", 107.5, answer=ANSWER, retry_at=86400.0, body={"a": 1})
        assert error.message == "429"
        assert error.request_record == CALL.record()
        assert error.response_record == ANSWER.record()
        assert (error.attempts, error.elapsed, error.sent, error.body) == (3, 7.5, "maybe", {"a": 1})
        assert error.retry_at == datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc)

    def test_those_with_fields_of_their_own(self) -> None:
        assert CallTrace(CALL, 0.0).error(APIResponseValidationError, "no", 0.0, path="$.a").path == "$.a"

    @pytest.mark.parametrize("retry_at", [4e9, 253_402_300_799.0])
    def test_far_dates(self, retry_at: float) -> None:
        error = CallTrace(CALL, 0.0).error(RateLimitError, "429", 0.0, retry_at=retry_at)
        assert error.retry_at is not None
        assert error.retry_at.timestamp() == retry_at
