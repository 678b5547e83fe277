"""The client core through which Python programs call JSON HTTP APIs, written for trio.

One async core, written for trio, does everything; the blocking client is the same core run on
one background trio thread. Everything public is importable from here; tools for testing are in
`trioclient.testing`.
"""

from ._attempt_record import AttemptRecord
from ._blocking import BlockingResource, blocking
from ._blocking_pages import BaseSyncPage
from ._blocking_response import APIResponse
from ._blocking_stream import Stream
from ._client.async_client import AsyncAPIClient, ClientStatistics
from ._client.base import BaseClient
from ._client.client_changes import ClientChanges
from ._client.fan_out import FanOut, fan_out
from ._client.fan_out_report import FanOutProgress, FanOutReport, FanOutStatistics, Outcome
from ._client.page_walk import BasePage
from ._client.pages import AsyncPaginator, BaseAsyncPage
from ._client.request_options import make_request_options
from ._client.response import AsyncAPIResponse
from ._client.stream import AsyncStream
from ._codec.multipart import FileTypes
from ._codec.unknown_variant import UnknownVariant
from ._codec.url import path_template
from ._engine.limit_group import LimitGroupStatistics
from ._engine.observe import Hook
from ._engine.origin_health import OriginStatistics
from ._engine.rate_limiter import RateLimiter, RateStatistics, Reservation
from ._errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    ConflictError,
    DeadlineExceeded,
    FanOutStopped,
    InternalServerError,
    LimitExceeded,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    UnprocessableEntityError,
)
from ._net.defaults import DefaultAsyncHttpxClient, DefaultHttpxClient
from ._net.protocol import Transport, TransportStatistics
from ._net.trio_transport import TrioTransport
from ._policy.breaker import CircuitBreaker
from ._policy.budget import RetryBudget
from ._policy.concurrency import AdaptiveConcurrency
from ._policy.failing import Failing
from ._policy.hedge import Hedge
from ._policy.next_page import PageInfo
from ._policy.rate import Rate
from ._policy.retry import RetryPolicy
from ._policy.stall import Stall
from ._records import RequestRecord, ResponseRecord
from ._request_options import RequestOptions
from ._server_sent_event import ServerSentEvent
from ._sync_client import SyncAPIClient
from ._types import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    NOT_GIVEN,
    Limits,
    NotGiven,
    Omit,
    Timeout,
    omit,
)
from ._version import __version__

__all__ = [
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
    "NOT_GIVEN",
    "APIConnectionError",
    "APIError",
    "APIResponse",
    "APIResponseValidationError",
    "APIStatusError",
    "APIStreamError",
    "APITimeoutError",
    "AdaptiveConcurrency",
    "AsyncAPIClient",
    "AsyncAPIResponse",
    "AsyncPaginator",
    "AsyncStream",
    "AttemptRecord",
    "AuthenticationError",
    "BadRequestError",
    "BaseAsyncPage",
    "BaseClient",
    "BasePage",
    "BaseSyncPage",
    "BlockingResource",
    "CircuitBreaker",
    "CircuitOpenError",
    "ClientChanges",
    "ClientStatistics",
    "ConflictError",
    "DeadlineExceeded",
    "DefaultAsyncHttpxClient",
    "DefaultHttpxClient",
    "Failing",
    "FanOut",
    "FanOutProgress",
    "FanOutReport",
    "FanOutStatistics",
    "FanOutStopped",
    "FileTypes",
    "Hedge",
    "Hook",
    "InternalServerError",
    "LimitExceeded",
    "LimitGroupStatistics",
    "Limits",
    "NotFoundError",
    "NotGiven",
    "Omit",
    "OriginStatistics",
    "Outcome",
    "PageInfo",
    "PermissionDeniedError",
    "Rate",
    "RateLimitError",
    "RateLimiter",
    "RateStatistics",
    "RequestOptions",
    "RequestRecord",
    "RequestTooLargeError",
    "Reservation",
    "ResponseRecord",
    "RetryBudget",
    "RetryPolicy",
    "ServerSentEvent",
    "Stall",
    "Stream",
    "SyncAPIClient",
    "Timeout",
    "Transport",
    "TransportStatistics",
    "TrioTransport",
    "UnknownVariant",
    "UnprocessableEntityError",
    "__version__",
    "blocking",
    "fan_out",
    "make_request_options",
    "omit",
    "path_template",
]
