"""Every failure of a call, as one tree.

    APIError
    ├── APIConnectionError            no answer, or not a whole one
    │   ├── APITimeoutError           one phase of an attempt took too long
    │   │   └── DeadlineExceeded      the call's whole time is up
    │   └── CircuitOpenError          not sent: too much has failed there lately
    ├── APIStatusError                a whole answer that says no
    │   ├── BadRequestError           400
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── RequestTooLargeError      413
    │   ├── UnprocessableEntityError  422
    │   ├── RateLimitError            429
    │   └── InternalServerError       5xx
    ├── APIResponseValidationError    a whole answer that is not what was asked for
    ├── APIStreamError                a stream that broke off
    ├── LimitExceeded                 a bound of `Limits` or of a rate was hit
    └── FanOutStopped                 too many calls of a fan-out failed

All of them pickle. A bug in the caller's own code is not in the tree: it propagates as itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._records import RequestRecord, ResponseRecord

if TYPE_CHECKING:
    import datetime

    import httpx

    from ._types import Sent

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APIStreamError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "CircuitOpenError",
    "ConflictError",
    "DeadlineExceeded",
    "FanOutStopped",
    "InternalServerError",
    "LimitExceeded",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTooLargeError",
    "UnprocessableEntityError",
    "status_error_class",
]


class APIError(Exception):
    """A call failed. `str()` says what was asked, what came of it and what to do next."""

    advice: str = ""
    """What a person might do about this kind of error; the last sentence of `str()`."""

    def __init__(
        self,
        message: str,
        *,
        request: RequestRecord | None = None,
        response: ResponseRecord | None = None,
        body: object = None,
        attempts: int = 0,
        elapsed: float = 0.0,
        sent: Sent = "no",
        retry_at: datetime.datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """What happened, in one sentence."""
        self.request_record = request
        self.response_record = response
        self.body = body
        """The answer's body: decoded where it is JSON, else text, else None. Capped."""
        self.attempts = attempts
        """Attempts made, the first included."""
        self.elapsed = elapsed
        """Seconds from the start of the call."""
        self.sent: Sent = sent
        """Whether the request of any attempt reached a server, one that redirected it or asked for
        credentials included; of the attempt that got furthest.
        """
        self.retry_at = retry_at
        """When the server said to come back (aware, UTC); None where it did not say."""

    @property
    def request(self) -> httpx.Request | None:
        """The request that failed, its credentials struck out. None outside a call."""
        return self.request_record.to_httpx() if self.request_record is not None else None

    @property
    def response(self) -> httpx.Response | None:
        """The answer, where there was one; its body capped by ``Limits.max_error_body_bytes``."""
        if self.response_record is None:
            return None
        return self.response_record.to_httpx(self.request_record)

    @property
    def request_id(self) -> str | None:
        """The server's own name for this request (``request-id``, ``x-request-id``)."""
        if self.response_record is None:
            return None
        return self.response_record.header("request-id") or self.response_record.header("x-request-id")

    def __str__(self) -> str:
        parts: list[str] = []
        if self.request_record is not None:
            parts.append(f"{self.request_record.method} {self.request_record.url}:")
        parts.append(self.message.rstrip("."))
        facts: list[str] = []
        if self.attempts:
            facts.append(f"{self.attempts} attempt{'s' if self.attempts != 1 else ''} in {self.elapsed:.2f} s")
        if self.request_id is not None:
            facts.append(f"request id {self.request_id}")
        if self.retry_at is not None:
            facts.append(f"retry at {self.retry_at:%Y-%m-%d %H:%M:%S} UTC")
        if facts:
            parts.append(f"({', '.join(facts)})")
        text = " ".join(parts) + "."
        return f"{text} {self.advice}" if self.advice else text

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[APIError], args: tuple[object, ...], state: dict[str, object]) -> APIError:
    # Not cls(*args): a subclass may ask for more than the message.
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class APIConnectionError(APIError):
    """The server could not be reached, or the connection broke before a whole answer."""

    advice = "Check the address and the network; `sent` tells whether the server may have acted."


class APITimeoutError(APIConnectionError):
    """One phase (connect, read, write or pool) of the last attempt took too long."""

    advice = "Raise `timeout=` if the server is known to be slow."


class DeadlineExceeded(APITimeoutError):
    """The call's whole time, ``deadline=`` or the caller's own cancel scope, is up."""

    advice = "Raise `deadline=` to give retries and slow answers more time."


class CircuitOpenError(APIConnectionError):
    """Too many attempts have failed at this origin of late, and the next one is not due yet.

    `retry_at` is when the next probe is due; see `CircuitBreaker`. Nothing was sent, unless an earlier
    attempt of the same call was: `sent` tells.
    """

    advice = "Wait until `retry_at`, when the server is tried again."


class APIResponseValidationError(APIError):
    """The answer's body is not what was asked for; `path` says where (``$.data[0].id``)."""

    advice = "The server's answer and the declared type disagree; see `body`."

    def __init__(self, message: str, *, path: str | None = None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.path = path


class APIStreamError(APIError):
    """A stream broke off after its answer had begun; `body` is the beginning of what had come of
    an event that was not yet whole.
    """

    advice = "What was received before it broke off is good; nothing after it was seen."

    def __init__(
        self, message: str, *, received: int = 0, events: int = 0, last_event_id: str = "", **fields: Any
    ) -> None:
        super().__init__(message, **fields)
        self.received = received
        """Bytes of the body that came, after decompression."""
        self.events = events
        """Whole events, or lines, that came."""
        self.last_event_id = last_event_id
        """The ID to go on from, where the server gives its events IDs."""


class LimitExceeded(APIError):
    """A bound of `Limits` was hit: `limit` names the field, `value` is its setting.

    Or a call can never fit a rate: ``"rate.requests"`` or ``"rate.tokens"``, and its quota.
    """

    advice = "Raise the named field of `limits=` if the server can be trusted with more."

    def __init__(self, message: str, *, limit: str = "", value: float = 0, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.limit = limit
        self.value = value


class FanOutStopped(APIError):
    """So many calls of a fan-out failed that it was stopped (``stop_when=``).

    `__cause__` is the last failure, and the run's report has the counts.
    """

    advice = "Look at the cause: a key, a URL or the server is likely wrong for every item."


class APIStatusError(APIError):
    """The server answered with an error status, or a stream with an event that stands for one."""

    def __init__(self, message: str, *, status: int | None = None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self._status = status

    @property
    def status_code(self) -> int:
        """The HTTP status, 300 to 599; of an event in a stream, the status it stands for."""
        if self._status is not None:
            return self._status
        return self.response_record.status if self.response_record is not None else 0


class BadRequestError(APIStatusError):
    """400: the server could not make sense of the request."""

    advice = "The request itself is wrong; `body` has the server's reason."


class AuthenticationError(APIStatusError):
    """401: no credential, or one the server does not know."""

    advice = "Check the API key."


class PermissionDeniedError(APIStatusError):
    """403: the credential may not do this."""

    advice = "Check what the API key is allowed to do."


class NotFoundError(APIStatusError):
    """404: there is no such thing."""

    advice = "Check the path and the base URL."


class ConflictError(APIStatusError):
    """409: the request clashes with the state of the server."""


class RequestTooLargeError(APIStatusError):
    """413: the body is larger than the server takes."""

    advice = "Send less in one request."


class UnprocessableEntityError(APIStatusError):
    """422: well formed, but not acceptable."""

    advice = "The request itself is wrong; `body` has the server's reason."


class RateLimitError(APIStatusError):
    """429: too many requests."""

    advice = "Send fewer requests at once, or wait until `retry_at`."


class InternalServerError(APIStatusError):
    """5xx: the server failed."""

    advice = "The server's trouble, not the request's; try again later."


_STATUS_ERRORS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error_class(status: int) -> type[APIStatusError]:
    """The class for an error status."""
    if status >= 500:
        return InternalServerError
    return _STATUS_ERRORS.get(status, APIStatusError)
