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
from ._client.fan_out_report import FanOutReport, FanOutStatistics, Outcome
from ._client.page_walk import BasePage
from ._client.pages import AsyncPaginator, BaseAsyncPage
from ._client.request_options import make_request_options
from ._client.response import AsyncAPIResponse
from ._client.stream import AsyncStream
from ._codec.multipart import FileTypes
from ._codec.unknown_variant import UnknownVariant
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
from ._policy.next_page import PageInfo
from ._policy.retry import RetryPolicy
from ._records import RequestRecord, ResponseRecord
from ._server_sent_event import ServerSentEvent
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
    "APIResponse",
    "APIResponseValidationError",
    "APIStatusError",
    "APIStreamError",
    "APITimeoutError",
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
    "ClientChanges",
    "ClientStatistics",
    "ConflictError",
    "DeadlineExceeded",
    "DefaultAsyncHttpxClient",
    "DefaultHttpxClient",
    "FanOut",
    "FanOutReport",
    "FanOutStatistics",
    "FileTypes",
    "Hook",
    "InternalServerError",
    "LimitExceeded",
    "Limits",
    "NotFoundError",
    "NotGiven",
    "Omit",
    "Outcome",
    "PageInfo",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestOptions",
    "RequestRecord",
    "RequestTooLargeError",
    "ResponseRecord",
    "RetryPolicy",
    "ServerSentEvent",
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
