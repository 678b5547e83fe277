"""The client core through which Python programs call JSON HTTP APIs, written for trio.

One async core, written for trio, does everything; the blocking client is the same core run on
one background trio thread. Everything public is importable from here; tools for testing are in
`trioclient.testing`.
"""

from ._attempt_record import AttemptRecord
from ._blocking import BlockingResource, blocking
from ._client.async_client import AsyncAPIClient, ClientStatistics
from ._client.base import BaseClient
from ._client.fan_out import FanOut, fan_out
from ._client.fan_out_report import FanOutReport, FanOutStatistics, Outcome
from ._codec.lenient import UnknownVariant
from ._codec.url import path_template
from ._engine.observe import Hook
from ._errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DeadlineExceeded,
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
from ._policy.retry import RetryPolicy
from ._records import RequestRecord, ResponseRecord
from ._sync_client import SyncAPIClient
from ._types import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    NOT_GIVEN,
    Limits,
    NotGiven,
    Omit,
    RequestOptions,
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
    "APIResponseValidationError",
    "APIStatusError",
    "APIStreamError",
    "APITimeoutError",
    "AsyncAPIClient",
    "AttemptRecord",
    "AuthenticationError",
    "BadRequestError",
    "BaseClient",
    "BlockingResource",
    "ClientStatistics",
    "ConflictError",
    "DeadlineExceeded",
    "DefaultAsyncHttpxClient",
    "DefaultHttpxClient",
    "FanOut",
    "FanOutReport",
    "FanOutStatistics",
    "Hook",
    "InternalServerError",
    "LimitExceeded",
    "Limits",
    "NotFoundError",
    "NotGiven",
    "Omit",
    "Outcome",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestOptions",
    "RequestRecord",
    "RequestTooLargeError",
    "ResponseRecord",
    "RetryPolicy",
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
    "omit",
    "path_template",
]
