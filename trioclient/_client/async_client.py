"""The client for trio."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import httpx
import trio

from .._codec.decode import AnswerFault, answer_decoder
from .._codec.headers import find
from .._codec.redact import redact_url
from .._engine.failure import error_of
from .._engine.loop import Engine
from .._engine.observe import Hook, configure_logging
from .._faults import LimitFault
from .._net.defaults import DefaultAsyncHttpxClient
from .._net.httpx_async import HttpxTransport
from .._net.protocol import Transport, TransportStatistics
from .._net.trio_transport import TrioTransport
from .._policy.retry import RetryPolicy
from .._types import DEFAULT_MAX_RETRIES, NOT_GIVEN, Headers, Limits, NotGiven, RequestOptions, Timeout
from .._version import __version__
from .arguments import checked_transport
from .base import BaseClient, Content
from .environment import proxied_by_environment
from .fan_out import FanOut, fan_out

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, TypeForm, TypeVar

    from .._engine.call import Answer

    T = TypeVar("T", default=Any)
    ItemT = TypeVar("ItemT")
    ValueT = TypeVar("ValueT")

__all__ = ["AsyncAPIClient", "ClientStatistics"]

# The JSON as it comes: what a call without cast_to asks for. Typed so that its result is Any.
_ANY = cast("TypeForm[Any]", Any)
_NO_OPTIONS: RequestOptions = {}

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


class AsyncAPIClient(BaseClient):
    """Calls a JSON HTTP API from trio.

        async with trioclient.AsyncAPIClient(base_url="https://api.example.com/v1") as client:
            user = await client.get("/users/1", cast_to=User)

    Starts no task and no thread of its own. May be shared by any number of tasks of one trio
    run. Every failure of a call is an `APIError`; a bug in the caller's own code (a hook, a
    body's iterator) propagates as itself.

    Args:
        base_url: root of relative paths; a trailing slash is added.
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
        base_url: str | httpx.URL,
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

    def with_options(
        self,
        *,
        max_retries: int | NotGiven = NOT_GIVEN,
        timeout: float | Timeout | NotGiven | None = NOT_GIVEN,
        deadline: float | NotGiven | None = NOT_GIVEN,
        custom_headers: Headers | None = None,
        custom_query: Mapping[str, object] | None = None,
    ) -> Self:
        """See `BaseClient.with_options`."""
        clone = super().with_options(
            max_retries=max_retries,
            timeout=timeout,
            deadline=deadline,
            custom_headers=custom_headers,
            custom_query=custom_query,
        )
        clone._owns_transport = False
        return clone

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

    # Calls.

    async def request(
        self,
        method: str,
        path: str,
        *,
        cast_to: TypeForm[T] = _ANY,
        body: object = None,
        content: Content = None,
        options: RequestOptions = _NO_OPTIONS,
    ) -> T:
        """Make a call with any method.

        Args:
            method: an HTTP method in capitals.
            path: relative to the base URL, or an absolute URL.
            cast_to: the type to decode the answer to: a msgspec Struct, dataclass, attrs class,
                TypedDict, NamedTuple, pydantic model, container or union of those, ``str``,
                ``bytes``, ``None`` or ``httpx.Response``. Left out: plain decoded JSON.
            body: encoded as JSON.
            content: sent as it is: bytes, str, a binary file, an iterable or async iterable of
                bytes. An iterator can be sent once, so such a call is not retried.
            options: this call's own settings, see `RequestOptions`.

        Raises APIError, and TypeError or ValueError for arguments that cannot be sent.
        """
        decoder = (
            None if cast_to is httpx.Response else answer_decoder(cast_to, strict=self._strict_response_validation)
        )
        call = self._prepare(method, path, body=body, content=content, options=options)
        answer, trace = await self._engine.run(call)
        if decoder is None:
            request = dataclasses.replace(call.record(), method=answer.method, url=redact_url(str(answer.target)))
            return cast("T", answer.record().to_httpx(request))
        try:
            return cast(
                "T",
                decoder.decode(
                    answer.content,
                    _content_type(answer),
                    max_depth=self._limits.max_json_depth,
                ),
            )
        except (AnswerFault, LimitFault) as fault:
            kept = answer._replace(content=answer.content[: self._limits.max_error_body_bytes])
            raise error_of(trace, fault, trio.current_time(), answer=kept) from fault

    async def get(self, path: str, *, cast_to: TypeForm[T] = _ANY, options: RequestOptions = _NO_OPTIONS) -> T:
        """GET; see `request`."""
        return await self.request("GET", path, cast_to=cast_to, options=options)

    async def post(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = _ANY,
        body: object = None,
        content: Content = None,
        options: RequestOptions = _NO_OPTIONS,
    ) -> T:
        """POST; see `request`."""
        return await self.request("POST", path, cast_to=cast_to, body=body, content=content, options=options)

    async def put(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = _ANY,
        body: object = None,
        content: Content = None,
        options: RequestOptions = _NO_OPTIONS,
    ) -> T:
        """PUT; see `request`."""
        return await self.request("PUT", path, cast_to=cast_to, body=body, content=content, options=options)

    async def patch(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = _ANY,
        body: object = None,
        content: Content = None,
        options: RequestOptions = _NO_OPTIONS,
    ) -> T:
        """PATCH; see `request`."""
        return await self.request("PATCH", path, cast_to=cast_to, body=body, content=content, options=options)

    async def delete(
        self,
        path: str,
        *,
        cast_to: TypeForm[T] = _ANY,
        body: object = None,
        content: Content = None,
        options: RequestOptions = _NO_OPTIONS,
    ) -> T:
        """DELETE; see `request`."""
        return await self.request("DELETE", path, cast_to=cast_to, body=body, content=content, options=options)

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


def _content_type(answer: Answer) -> str | None:
    value = find(answer.headers, b"content-type")
    return None if value is None else value.decode("latin-1")
