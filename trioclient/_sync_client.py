"""The blocking client: the async client on the portal, and nothing besides."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ._blocking_calls import SyncCalls
from ._blocking_fan_out import BlockingFanOut, blocking_fan_out
from ._blocking_pages import BaseSyncPage, first_page
from ._client.async_client import AsyncAPIClient, ClientStatistics
from ._client.base import NO_OPTIONS, BaseClient, Content, Files
from ._client.guard_options import ADAPTIVE
from ._client.page_walk import list_request
from ._net.httpx_sync import HttpxThreadTransport
from ._portal import Lease
from ._request_options import RequestOptions
from ._types import DEFAULT_MAX_RETRIES, NOT_GIVEN, Headers, Limits, NotGiven, Timeout
from ._version import __version__

if TYPE_CHECKING:
    from types import TracebackType

    import httpx
    from typing_extensions import Self, TypeForm

    from ._client.client_changes import ClientChanges
    from ._engine.call import PreparedCall
    from ._engine.observe import Hook
    from ._engine.rate_limiter import RateLimiter
    from ._net.protocol import Transport
    from ._policy.breaker import CircuitBreaker
    from ._policy.concurrency import AdaptiveConcurrency
    from ._policy.failing import Failing
    from ._policy.hedge import Hedge
    from ._policy.rate import Rate
    from ._policy.retry import RetryPolicy
    from ._policy.stall import Stall

__all__ = ["SyncAPIClient"]

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")
ModelT = TypeVar("ModelT")
SyncPageT = TypeVar("SyncPageT", bound=BaseSyncPage[Any])


class SyncAPIClient(SyncCalls, BaseClient):
    """Calls a JSON HTTP API from blocking code.

        with trioclient.SyncAPIClient(base_url="https://api.example.com/v1") as client:
            user = client.get("/users/1", cast_to=User)

    The same as `AsyncAPIClient`, which does all the work on a background trio thread that all
    blocking clients of the process share. May be shared by any number of threads, and used after
    a fork. Ctrl-C cancels the call. On a thread that runs trio every call raises RuntimeError:
    use `AsyncAPIClient` there.

    Args: those of `AsyncAPIClient`; ``http_client`` may also be an ``httpx.Client``, whose
    requests run in worker threads.

    Raises TypeError or ValueError naming the argument.
    """

    def __init__(
        self,
        *,
        base_url: str | httpx.URL | None = None,
        version: str = __version__,
        max_retries: int = DEFAULT_MAX_RETRIES,
        timeout: float | Timeout | NotGiven | None = NOT_GIVEN,
        http_client: httpx.Client | httpx.AsyncClient | None = None,
        custom_headers: Headers | None = None,
        custom_query: Mapping[str, object] | None = None,
        _strict_response_validation: bool = False,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        hooks: Sequence[Hook] = (),
        telemetry: bool = True,
        transport: Transport | None = None,
        max_at_once: int | None = None,
        rate: Rate | RateLimiter | None = None,
        concurrency: AdaptiveConcurrency | None = ADAPTIVE,
        hedge: Hedge | None = None,
        breaker: CircuitBreaker | None = None,
        stall: Stall | None = None,
    ) -> None:
        arguments: dict[str, Any] = {
            "base_url": base_url,
            "version": version,
            "max_retries": max_retries,
            "timeout": timeout,
            "custom_headers": custom_headers,
            "custom_query": custom_query,
            "_strict_response_validation": _strict_response_validation,
            "deadline": deadline,
            "retry": retry,
            "limits": limits,
            "hooks": hooks,
            "telemetry": telemetry,
            "max_at_once": max_at_once,
            "rate": rate,
            "concurrency": concurrency,
            "hedge": hedge,
            "breaker": breaker,
            "stall": stall,
        }
        super().__init__(**arguments)
        # What of these came from the environment was read once.
        arguments |= {"base_url": self.base_url, "custom_headers": self.custom_headers}
        client: Any = http_client  # of httpx or of httpx2
        if client is not None and not hasattr(client, "aclose"):
            if transport is not None:
                raise TypeError("give http_client or transport, not both")
            arguments["transport"] = HttpxThreadTransport(client, limits=self._limits)
        else:
            arguments["http_client"] = client
            arguments["transport"] = transport
        self._twin: AsyncAPIClient = self.make_async_client(**arguments)
        self._lease = Lease()
        self._owns_twin = True

    def make_async_client(self, **arguments: Any) -> AsyncAPIClient:
        """Make the client that does the work, with the arguments of `AsyncAPIClient`.

        What `BaseClient` lets a subclass override is looked up on this blocking client. Override
        this method where a subclass of `AsyncAPIClient` shall do the work instead; everything is
        then looked up on that one.
        """
        return _Twin(self, **arguments)

    # Lifetime.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called, on this client or on the one it is a copy of."""
        return self._lease.released

    def close(self) -> None:
        """Close the connections. Calls in flight fail. A `with_options` copy closes nothing.

        May be called twice, and does nothing while the interpreter shuts down.
        """
        if not self._owns_twin or self.is_closed or sys.is_finalizing():
            return
        try:
            self._lease.call(self._twin.aclose)
        finally:
            self._lease.release()

    def __del__(self) -> None:
        # Only says so: to close is to wait, and this may be any thread at any time.
        with contextlib.suppress(AttributeError):  # of one whose construction failed
            if self._owns_twin and self._lease.held and not sys.is_finalizing():
                message = f"a {type(self).__name__} was dropped without close(); use it in a `with`"
                warnings.warn(message, ResourceWarning, source=self, stacklevel=2)

    def _share(self, changes: ClientChanges) -> None:
        self._twin = self._twin.with_options(**changes)
        if isinstance(self._twin, _Twin):
            self._twin.face = self
        self._owns_twin = False

    def statistics(self) -> ClientStatistics:
        """Calls, attempts, connections, limits."""
        return self._twin.statistics()

    # Calls.

    def get_api_list(
        self,
        path: str,
        *,
        model: TypeForm[ModelT],
        page: type[SyncPageT],
        body: object = None,
        options: RequestOptions = NO_OPTIONS,
        method: str = "get",
        max_pages: int | NotGiven = NOT_GIVEN,
    ) -> SyncPageT:
        """Get the first page of what comes in pages; iterating over it gets the others, item by item.

            for user in client.get_api_list("/users", model=User, page=SyncUserPage[User]):
                ...

        `page` is a subclass of `BaseSyncPage`. See `AsyncAPIClient.get_api_list`.
        """
        request = list_request(method, path, body, options)
        # Both clients are one.
        walk = self._twin._walk_list(request, page, model, BaseSyncPage, max_pages)  # pyright: ignore[reportPrivateUsage]
        return first_page(walk, self._lease)

    def fan_out(
        self,
        call: Callable[[AsyncAPIClient, ItemT], Awaitable[ValueT]],
        items: Iterable[ItemT] | AsyncIterable[ItemT],
        *,
        max_at_once: int,
        ordered: bool = False,
        on_error: Literal["collect", "stop", "cancel"] = "collect",
        run_ahead: int | None = None,
        deadline: float | None = None,
        item_deadline: float | None = None,
        rate: Rate | RateLimiter | None = None,
        stop_when: Failing | None = None,
        total: int | None = None,
    ) -> BlockingFanOut[ItemT, ValueT]:
        """Run ``call(api, item)`` for every item, so many at once; `api` is the async client.

            with client.fan_out(
                lambda api, text: api.post("/embed", body={"text": text}, cast_to=Vector), texts, max_at_once=64
            ) as run:
                for outcome in run:
                    ...

        See `fan_out` for the arguments. The calls run on the background thread. An iterator is
        pulled in this one, while it waits for outcomes; a list, tuple or range is handed over.
        """
        return blocking_fan_out(
            self._lease,
            partial(self._twin.fan_out, call),
            items,
            max_at_once=max_at_once,
            ordered=ordered,
            on_error=on_error,
            run_ahead=run_ahead,
            deadline=deadline,
            item_deadline=item_deadline,
            rate=rate,
            stop_when=stop_when,
            total=total,
        )


class _Twin(AsyncAPIClient):
    """The async client behind a blocking one, whose overrides it honours."""

    def __init__(self, face: BaseClient, **arguments: Any) -> None:
        self.face = face
        super().__init__(**arguments)

    def _prepare(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content: Content | None = None,
        files: Files | None = None,
        options: RequestOptions = NO_OPTIONS,
        unread: bool = False,
        stream: bool = False,
    ) -> PreparedCall:
        return self.face._prepare(
            method, path, body=body, content=content, files=files, options=options, unread=unread, stream=stream
        )
