"""Whole answers that say no, later, elsewhere, or something other than what was asked."""

from __future__ import annotations

import dataclasses
from functools import partial

from case import PATIENCE, SHORT, Case, Fails, Gives
from far_ends import answers
from shapes import Shape

from trioclient import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DeadlineExceeded,
    Hedge,
    InternalServerError,
    LimitExceeded,
    NotFoundError,
    PermissionDeniedError,
    Rate,
    RateLimitError,
    RetryBudget,
    RetryPolicy,
    UnprocessableEntityError,
)
from trioclient.testing import Reply, reply

__all__ = ["CASES"]

_case = partial(Case, kind="semantics")


def _good(shape: Shape) -> Reply:
    return shape.answer()


def _dawdling(shape: Shape) -> Reply:
    return dataclasses.replace(shape.answer(), delay=PATIENCE)


def _again(status: int, **headers: str) -> Reply:
    return reply(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


CASES = [
    _case(
        name="400",
        far_end=answers(reply(400, json={"detail": "no such field"})),
        retries=2,
        expected=Fails(BadRequestError, saying="no such field"),
    ),
    _case(name="401", far_end=answers(reply(401)), retries=2, expected=Fails(AuthenticationError)),
    _case(name="403", far_end=answers(reply(403)), retries=2, expected=Fails(PermissionDeniedError)),
    _case(
        name="404 with a page",
        far_end=answers(reply(404, content="<html>gone</html>")),
        retries=2,
        expected=Fails(NotFoundError),
    ),
    _case(name="408 twice", far_end=answers(reply(408), reply(408), _good), retries=2, expected=Gives(attempts=3)),
    _case(name="409 for ever", far_end=answers(reply(409)), retries=2, expected=Fails(ConflictError, attempts=3)),
    _case(name="422", far_end=answers(reply(422)), retries=2, expected=Fails(UnprocessableEntityError)),
    _case(name="418", far_end=answers(reply(418)), retries=2, expected=Fails(APIStatusError)),
    _case(
        name="429 past the deadline",
        far_end=answers(_again(429, Retry_After_Ms="500")),
        retries=2,
        deadline=SHORT,
        expected=Fails(RateLimitError, saying="retry at"),
    ),
    _case(
        name="429 for a day",
        far_end=answers(_again(429, Retry_After="86400")),
        retries=2,
        expected=Fails(RateLimitError, saying="retry at"),
    ),
    _case(
        name="429 for eight thousand years",
        far_end=answers(_again(429, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT")),
        retries=2,
        expected=Fails(RateLimitError),
    ),
    _case(
        name="429 with junk",
        far_end=answers(_again(429, Retry_After="Mon, 32 Foo 99999", Retry_After_Ms="nan")),
        retries=1,
        expected=Fails(RateLimitError, attempts=2),
    ),
    _case(
        name="429, then fine",
        far_end=answers(_again(429, Retry_After_Ms="10"), _good),
        retries=1,
        expected=Gives(attempts=2),
    ),
    _case(name="500 once, then fine", far_end=answers(reply(500), _good), retries=1, expected=Gives(attempts=2)),
    _case(name="503 for ever", far_end=answers(reply(503)), retries=2, expected=Fails(InternalServerError, attempts=3)),
    _case(
        name="503, back-off past the deadline",
        far_end=answers(reply(503)),
        deadline=SHORT,
        retries=2,
        client={"retry": RetryPolicy(initial_delay=1.0)},
        expected=Fails(InternalServerError),
    ),
    _case(
        name="503, x-should-retry: false",
        far_end=answers(_again(503, X_Should_Retry="false")),
        retries=2,
        expected=Fails(InternalServerError),
    ),
    _case(
        name="400, x-should-retry: true",
        far_end=answers(_again(400, X_Should_Retry="true"), _good),
        retries=2,
        expected=Gives(attempts=2),
    ),
    _case(
        name="503 for ever, no budget for retries",
        far_end=answers(reply(503)),
        retries=2,
        client={"retry": RetryPolicy(budget=RetryBudget(capacity=0.0, in_flight_share=0.0))},
        expected=Fails(InternalServerError, saying="the retry budget is spent"),
    ),
    _case(
        name="too large for the rate",
        far_end=answers(_good),
        client={"rate": Rate(tokens=1000, cost=lambda _: 1001)},
        expected=Gives(),
        post=Fails(LimitExceeded, sent="no", attempts=0, saying="rate.tokens"),
        stream=Fails(LimitExceeded, sent="no", attempts=0, saying="rate.tokens"),
    ),
    _case(
        name="late, but a second copy is not",
        far_end=answers(_dawdling, _good),
        client={"hedge": Hedge(after=0.05)},
        expected=Gives(attempts=None),
    ),
    _case(
        name="redirect loop",
        far_end=answers(_again(307, Location="/thing")),
        retries=2,
        expected=Fails(LimitExceeded, saying="max_redirects"),
    ),
    _case(
        name="redirects that take their time, deadline",
        far_end=answers(reply(307, headers={"Location": "/thing"}, delay=0.05)),
        deadline=SHORT,
        expected=Fails(DeadlineExceeded),
    ),
    _case(
        name="redirect to where nobody is",
        far_end=answers(_again(307, Location="http://127.0.0.1:1/")),
        expected=Fails(APIConnectionError, saying="refused"),
    ),
    _case(
        name="redirect to plain http",
        far_end=answers(_again(307, Location="http://127.0.0.1/"), tls=lambda authority: authority.good),
        retries=2,
        expected=Fails(APIStatusError, saying="from https to http"),
    ),
    _case(
        name="redirect without a Location",
        far_end=answers(reply(302)),
        retries=2,
        expected=Fails(APIStatusError, saying="no Location"),
    ),
    _case(
        name="redirect to no URL",
        far_end=answers(_again(302, Location="http://[")),
        retries=2,
        expected=Fails(APIStatusError),
    ),
    _case(
        name="redirect to another scheme",
        far_end=answers(_again(302, Location="ftp://127.0.0.1/")),
        retries=2,
        expected=Fails(APIStatusError),
    ),
    _case(
        name="300 is not followed",
        far_end=answers(_again(300, Location="/next")),
        retries=2,
        expected=Fails(APIStatusError),
    ),
    _case(
        name="204 where a value is expected",
        far_end=answers(reply(204)),
        retries=2,
        expected=Fails(APIResponseValidationError),
        stream=Gives([]),
    ),
    _case(
        name="200 with a page",
        far_end=answers(reply(content=b"<html>welcome</html>", headers={"Content-Type": "text/html"})),
        retries=2,
        client={"_strict_response_validation": True},
        expected=Fails(APIResponseValidationError),
    ),
    _case(
        name="200 with a page, loose",
        far_end=answers(reply(content=b"<html>welcome</html>", headers={"Content-Type": "text/html"})),
        retries=2,
        expected=Gives("<html>welcome</html>"),
        stream=Fails(APIResponseValidationError),
    ),
]
