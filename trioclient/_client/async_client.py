"""The client for trio."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import httpx

from .._engine.loop import Engine
from .._engine.observe import Hook, configure_logging
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
from .page_walk import PageDecoder, Walk, list_request
from .pages import AsyncPaginator, BaseAsyncPage

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, TypeForm, TypeVar

    from .._policy.next_page import ListRequest
    from .._types import RequestOptions
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
    retries: int
    connections: TransportStatistics


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
        )
        self._transport = self._chosen_transport(http_client, transport)
        self._owns_transport = True
        self._engine = Engine(self._transport, policy=self._retry, limits=self._limits, observer=self._observer)

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
        """Calls, attempts and connections."""
        engine = self._engine
        return ClientStatistics(
            calls=engine.calls,
            in_flight=engine.in_flight,
            attempts=engine.attempts,
            retries=engine.retries,
            connections=self._transport.statistics(),
        )

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
    ) -> FanOut[ItemT, ValueT]:
        """Run ``call(client, item)`` for every item, so many at once; see `fan_out`.

        While the server has asked the client to wait, no item is pulled.

        async with client.fan_out(
            lambda api, text: api.post("/embed", body={"text": text}, cast_to=Vector), texts, max_at_once=64
        ) as run:
            async for outcome in run:
                ...
        """
        run = fan_out(
            partial(call, self),
            items,
            max_at_once=max_at_once,
            ordered=ordered,
            on_error=on_error,
            run_ahead=run_ahead,
            deadline=deadline,
            item_deadline=item_deadline,
        )
        run.hold_back(self._engine.held_until)
        return run
