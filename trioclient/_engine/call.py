"""What one call is, before and while it runs.

A `PreparedCall` is made once and never changes: what to send, how often, for how long. A
`CallTrace` is what has happened so far; from it every error of the call is made, so that all
of them carry the same facts.
"""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import trio

from .._codec.headers import decoded, find, header_lines
from .._codec.redact import redact_headers, redact_url
from .._errors import APIError
from .._records import RequestRecord, ResponseRecord
from .._types import DEFAULT_MAX_RETRIES

if TYPE_CHECKING:
    import httpx

    from .._codec.body import RequestBody
    from .._codec.url import Target
    from .._net.protocol import WireResponse
    from .._policy.hedge import Hedge
    from .._policy.stall import Stall
    from .._types import RawHeaders, Sent, Timeouts
    from .rate_limiter import Reservation

__all__ = ["Answer", "CallSettings", "CallTrace", "PreparedCall", "horizon", "utc"]

RETRY_COUNT: Final = "X-Trioclient-Retry-Count"
READ_TIMEOUT: Final = "X-Trioclient-Read-Timeout"

ErrorT = TypeVar("ErrorT", bound=APIError)

# fromtimestamp() refuses far dates on some systems.
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class CallSettings(NamedTuple):
    """How often and for how long a call is tried. Most calls of a client share them."""

    timeouts: Timeouts
    deadline: float = math.inf
    """Seconds from the start; ``inf`` for none."""
    max_retries: int = DEFAULT_MAX_RETRIES
    follow_redirects: bool = True
    idle_timeout: float = math.inf
    """Seconds without a byte of a body that is left unread after which it counts as broken."""
    limit_group: str | None = None
    """Whose limits it shares; None stands for those of its origin."""
    hedge: Hedge | None = None
    stall: Stall | None = None


class PreparedCall(NamedTuple):
    """Everything about a call that its attempts share."""

    method: str
    target: Target
    header_block: bytes
    """The header lines of every attempt, as they are sent."""
    body: RequestBody
    settings: CallSettings
    keyed: bool
    """The method is idempotent, or the request carries an idempotency key."""
    credentials: frozenset[str]
    """Lower-case names of headers that a redirect to another origin must not see."""
    attempt_headers: tuple[str, ...]
    """Which of `RETRY_COUNT` and `READ_TIMEOUT` each attempt adds."""
    auth: httpx.Auth | None
    unread: bool = False
    """The body of a good answer is left for the caller to read."""
    foreign: bool = False
    """It goes to another origin than the client's: a transport adds no credentials of its own."""
    priced: object = None
    """What a rate estimates its tokens from: the body as the caller gave it."""

    @property
    def headers(self) -> RawHeaders:
        """The lines of `header_block`."""
        return header_lines(self.header_block)

    def record(self) -> RequestRecord:
        """For errors and hooks: without credentials."""
        return RequestRecord(
            self.method,
            redact_url(str(self.target)),
            redact_headers(decoded(self.headers), self.credentials),
        )


class Answer(NamedTuple):
    """An answer, its names of headers in lower case. Whole and decompressed, or unread."""

    status: int
    http_version: str
    headers: RawHeaders
    content: bytes
    method: str
    target: Target
    """Where it came from in the end, and by which method, redirects followed."""
    unread: WireResponse | None = None
    """Who has the answer closes this, where there is one; `content` is empty then."""

    @property
    def content_type(self) -> str | None:
        """The header, as it came."""
        value = find(self.headers, b"content-type")
        return None if value is None else value.decode("latin-1")

    def record(self) -> ResponseRecord:
        return ResponseRecord(self.status, decoded(self.headers), self.content, self.http_version)


def utc(seconds: float) -> datetime.datetime:
    """An aware datetime from seconds since the epoch."""
    return _EPOCH + datetime.timedelta(seconds=seconds)


class CallTrace:
    """What has happened to a call so far. Times are trio's, in seconds."""

    __slots__ = (
        "attempts",
        "call",
        "deadline",
        "next_retry_cost",
        "reservation",
        "retries",
        "retry_costs",
        "sent",
        "started",
        "throttled",
    )

    next_retry_cost: float
    """Of the retry budget; set when a retry is decided on."""

    def __init__(self, call: PreparedCall, started: float) -> None:
        self.call = call
        self.started = started
        self.deadline = started + call.settings.deadline
        self.attempts = 0
        """Copies of the request that were sent, or tried: a hedge counts."""
        self.retries = 0
        self.sent: Sent = "no"
        self.throttled = 0
        """Answers 429."""
        self.retry_costs = 0.0
        """Of the retry budget, for the retries sent so far."""
        self.reservation: Reservation | None = None
        """What the rate has set aside for the last attempt."""

    def error(
        self,
        kind: type[ErrorT],
        message: str,
        now: float,
        *,
        answer: Answer | None = None,
        retry_at: float | None = None,
        **fields: Any,
    ) -> ErrorT:
        """An error of this call. `retry_at` is in seconds since the epoch."""
        return kind(
            message,
            request=self.call.record(),
            response=answer.record() if answer is not None else None,
            attempts=self.attempts,
            elapsed=now - self.started,
            sent=self.sent,
            retry_at=None if retry_at is None else utc(retry_at),
            **fields,
        )


def horizon(trace: CallTrace) -> float:
    """The instant past which no wait makes sense: the call's deadline or its caller's.

    A caller that has cancelled gets `trio.Cancelled`, not the error of an attempt that would have
    been followed by another: the wait for that one will be cut short.
    """
    callers = trio.current_effective_deadline()
    return min(trace.deadline, callers) if callers != -math.inf else trace.deadline
