"""The client for trio."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import httpx

from .._engine.limit_group import LimitGroupStatistics
from .._engine.loop import Engine
from .._engine.observe import Hook, configure_logging
from .._engine.origin_health import OriginStatistics
from .._net.defaults import DefaultAsyncHttpxClient
from .._net.httpx_async import HttpxTransport
from .._net.protocol import Transport, TransportStatistics
from .._net.trio_transport import TrioTransport
from .._policy.retry import RetryPolicy
from .._types import DEFAULT_MAX_RETRIES, NOT_GIVEN, Headers, Limits, NotGiven, Timeout
from .._version import __version__
from .arguments import checked_transport
from .base import NO_OPTIONS
from .calls import AsyncCalls
from .environment import proxied_by_environment
from .fan_out import FanOut, fan_out
from .fan_out_report import ClientReading
from .guard_options import ADAPTIVE
from .page_walk import PageDecoder, Walk, list_request
from .pages import AsyncPaginator, BaseAsyncPage

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, TypeForm, TypeVar

    from .._engine.rate_limiter import RateLimiter
    from .._policy.breaker import CircuitBreaker
    from .._policy.concurrency import AdaptiveConcurrency
    from .._policy.failing import Failing
    from .._policy.hedge import Hedge
    from .._policy.next_page import ListRequest
    from .._policy.rate import Rate
    from .._policy.stall import Stall
    from .._request_options import RequestOptions
    from .client_changes import ClientChanges
    from .page_walk import BasePage

    ItemT = TypeVar("ItemT")
    ValueT = TypeVar("ValueT")
    ModelT = TypeVar("ModelT")
    PageT = TypeVar("PageT", bound=BasePage[Any])
    AsyncPageT = TypeVar("AsyncPageT", bound=BaseAsyncPage[Any])

__all__ = ["AsyncAPIClient", "ClientStatistics"]

configure_logging()


class ClientStatistics(NamedTuple):
    """How a client stands; counts are since it was made and include its copies'."""

    calls: int
    """Begun."""
    in_flight: int
    """Begun and not ended."""
    attempts: int
    """Made; a second copy of a request is one."""
    retries: int
    connections: TransportStatistics
    hedges: int
    """Second copies that were sent."""
    hedges_won: int
    """Second copies that were answered first."""
    limit_groups: tuple[LimitGroupStatistics, ...]
    """Of those that are limited, or had trouble lately."""
    origins: tuple[OriginStatistics, ...]
    """Of those that have a circuit breaker, or had trouble lately."""


class AsyncAPIClient(AsyncCalls):
    """Calls a JSON HTTP API from trio.

        async with trioclient.AsyncAPIClient(base_url="https://api.example.com/v1") as client:
            user = await client.get("/users/1", cast_to=User)

    Starts no task and no thread of its own. May be shared by any number of tasks of one trio
    run. Every failure of a call is an `APIError`; a bug in the caller's own code (a hook, a
    body's iterator) propagates as itself.

    Args:
        base_url: root of relative paths; a trailing slash is added. A subclass may name a default,
            and an environment variable.
        version: of the SDK, for the User-Agent and telemetry.
        max_retries: retries after the first attempt; 0 turns them off.
        timeout: seconds per phase and attempt, or an httpx Timeout; default 600 with 5 to connect.
        http_client: an ``httpx.AsyncClient`` that carries everything; it stays the caller's to close.
        custom_headers: sent with every request, over all but the call's own.
        custom_query: query values of every request.
        deadline: seconds a whole call may take, waiting, retries and decoding included.
        retry: when and how soon to try again.
        limits: every bound; see `Limits`.
        hooks: each called with an `AttemptRecord` after every attempt.
        telemetry: say language, version, platform and attempt in request headers.
        transport: carries everything, such as ``TrioTransport(uds=...)``; closed with the client.
        max_at_once: attempts at once in each limit group; others wait in line. None: no limit.
        rate: requests and tokens per time in each limit group, or a `RateLimiter` for all.
        concurrency: how the client limits itself where a server is overloaded; None: not at all.
        hedge: send a second copy of a call that takes long, if it is a GET or has a key.
        breaker: send nothing for a while where too much has failed.
        stall: the least progress that a body must make, either way.

    A limit group is the calls to one origin, or those that say the same ``limit_group``.

    Raises TypeError or ValueError naming the argument.
    """

    def __init__(
        self,
        *,
        base_url: str | httpx.URL | None = None,
        version: str = __version__,
        max_retries: int = DEFAULT_MAX_RETRIES,
        timeout: float | Timeout | NotGiven | None = NOT_GIVEN,
        http_client: httpx.AsyncClient | None = None,
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
        super().__init__(
            base_url=base_url,
            version=version,
            max_retries=max_retries,
            timeout=timeout,
            custom_headers=custom_headers,
            custom_query=custom_query,
            _strict_response_validation=_strict_response_validation,
            deadline=deadline,
            retry=retry,
            limits=limits,
            hooks=hooks,
            telemetry=telemetry,
            max_at_once=max_at_once,
            rate=rate,
            concurrency=concurrency,
            hedge=hedge,
            breaker=breaker,
            stall=stall,
        )
        self._transport = self._chosen_transport(http_client, transport)
        self._owns_transport = True
        self._engine = Engine(self._transport, options=self._guards, limits=self._limits, observer=self._observer)

    def _chosen_transport(self, http_client: httpx.AsyncClient | None, transport: Transport | None) -> Transport:
        if http_client is not None:
            if transport is not None:
                raise TypeError("give http_client or transport, not both")
            return HttpxTransport(http_client, limits=self._limits)
        if transport is not None:
            return checked_transport(transport)
        if proxied_by_environment(self._base_url.join(""), os.environ):
            return HttpxTransport(DefaultAsyncHttpxClient(), limits=self._limits, owns=True)
        return TrioTransport(limits=self._limits)

    # Lifetime.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Calls in flight fail. A `with_options` copy closes nothing."""
        if self._owns_transport:
            await self._transport.aclose()

    def _share(self, changes: ClientChanges) -> None:
        self._owns_transport = False

    def statistics(self) -> ClientStatistics:
        """Calls, attempts, connections, limits."""
        counts, guards = self._engine.counts, self._engine.guards
        return ClientStatistics(
            calls=counts.calls,
            in_flight=counts.in_flight,
            attempts=counts.attempts,
            retries=counts.retries,
            connections=self._transport.statistics(),
            hedges=counts.hedges,
            hedges_won=counts.hedges_won,
            limit_groups=guards.group_statistics(),
            origins=guards.origin_statistics(),
        )

    def _reading(self) -> ClientReading:
        """What calls are held to that name no limit group."""
        group, origin = self._engine.guards.reading(self._limit_group, self._base_url.origin)
        return ClientReading(origin.budget_left, group.limit, group.held_for)

    @property
    def _limit_group(self) -> Hashable:
        """The one of calls that name none."""
        return self._settings.limit_group or self._base_url.origin

    def get_api_list(
        self,
        path: str,
        *,
        model: TypeForm[ModelT],
        page: type[AsyncPageT],
        body: object = None,
        options: RequestOptions = NO_OPTIONS,
        method: str = "get",
        max_pages: int | NotGiven = NOT_GIVEN,
    ) -> AsyncPaginator[ModelT, AsyncPageT]:
        """List what comes in pages. Nothing is sent until the result is awaited or iterated.

            async for user in client.get_api_list("/users", model=User, page=AsyncUserPage[User]):
                ...

        Args:
            path: see `request`.
            model: the type of an item.
            page: a subclass of `BaseAsyncPage`. A generic one without its type gets `model` for it.
            body: encoded as JSON.
            options: of every page's call, the deadline too; an idempotency key is the first one's only.
            method: an HTTP method.
            max_pages: if there are more `LimitExceeded` is raised; ``Limits.max_pages`` if left out.

        A page that was given before is not asked for again: `APIResponseValidationError`.
        Raises TypeError or ValueError naming the argument.
        """
        request = list_request(method, path, body, options)
        return AsyncPaginator(self._walk_list(request, page, model, BaseAsyncPage, max_pages))

    def _walk_list(
        self,
        request: ListRequest,
        page: type[PageT],
        model: object,
        kind: type[BasePage[Any]],
        max_pages: int | NotGiven,
    ) -> Walk[PageT]:
        """What gets the pages, whichever client's they are. See `get_api_list`."""
        decoder = PageDecoder(page, model, kind, strict=self._strict_response_validation)
        return Walk(self._prepare, self._engine.run, request, decoder, self._limits, max_pages)

    def fan_out(
        self,
        call: Callable[[Self, ItemT], Awaitable[ValueT]],
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
    ) -> FanOut[ItemT, ValueT]:
        """Run ``call(client, item)`` for every item, so many at once; see `fan_out`.

        While the server has asked the client to wait, no item is pulled. `FanOut.progress` says what
        the client is held to.

        async with client.fan_out(
            lambda api, text: api.post("/embed", body={"text": text}, cast_to=Vector), texts, max_at_once=64
        ) as run:
            async for outcome in run:
                ...
        """
        if rate is not None and rate is self._guards.rate:
            raise ValueError("rate is the client's own limiter, by which its calls go already: leave it out")
        run = fan_out(
            partial(call, self),
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
        run.watch(self._reading)
        run.hold_back(partial(self._engine.guards.held_until, self._limit_group))
        return run
