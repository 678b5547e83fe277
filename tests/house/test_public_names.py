"""The public face: exactly these names, each with a docstring, and nothing by accident."""

from __future__ import annotations

import inspect
import types
import typing

import pytest

import trioclient
import trioclient.testing

PUBLIC = [
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
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
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
    "NOT_GIVEN",
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

TESTING = [
    "BlockingLoopbackServer",
    "ConnectionRecord",
    "LoopbackServer",
    "RawReply",
    "RecordedRequest",
    "Reply",
    "ScriptExhausted",
    "ScriptedFault",
    "ScriptedTransport",
    "SeenRequest",
    "drip",
    "drop",
    "event_stream",
    "fault",
    "flood",
    "json_lines",
    "raw",
    "reply",
    "stall",
    "truncate",
]

FACES = [(trioclient, PUBLIC), (trioclient.testing, TESTING)]


@pytest.mark.parametrize(("module", "names"), FACES)
def test_the_public_names_are_these(module: types.ModuleType, names: list[str]) -> None:
    assert sorted(module.__all__) == sorted(names)


@pytest.mark.parametrize(("module", "names"), FACES)
def test_nothing_else_looks_public(module: types.ModuleType, names: list[str]) -> None:
    others = set(dir(module)) - set(names)
    # A package shows the modules that were imported from it; ours are private but for `testing`.
    accidents = {name for name in others if not name.startswith("_")} - {"testing"}
    assert not accidents


@pytest.mark.parametrize(("module", "names"), FACES)
def test_every_public_class_and_function_explains_itself(module: types.ModuleType, names: list[str]) -> None:
    members = [getattr(module, name) for name in names]
    members = [member for member in members if typing.get_origin(member) is None]  # an alias explains itself nowhere
    explained = [member for member in members if inspect.isclass(member) or inspect.isfunction(member)]
    # A dataclass without a docstring gets its signature for one.
    assert not [each for each in explained if not each.__doc__ or each.__doc__.startswith(f"{each.__name__}(")]
