"""What every client is before it sends anything: options, headers, URLs.

A call is prepared here, wholly and checked, before the first byte leaves. Nothing in this
module waits or touches the network.

Header layers are described in `header_layers`; query values lie over one another in the same way:
the subclass's `default_query`, `custom_query`, the call's. What a client sends with every call
belongs to its own origin: an absolute URL of another one gets no credential and none of the
shared query values.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import httpx

from .._codec.content import ACCEPT_ENCODING
from .._codec.headers import MergedHeaders
from .._codec.query import ArrayStyle, encode_query
from .._codec.url import BaseURL
from .._engine.call import CallSettings, PreparedCall
from .._engine.observe import Hook, Observer
from .._policy.retry import RetryPolicy
from .._request_options import RequestOptions
from .._types import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    NOT_GIVEN,
    Headers,
    Limits,
    NotGiven,
    Timeout,
    Timeouts,
    checked_bool,
)
from .._version import __version__
from .arguments import (
    check_options,
    checked_auth,
    checked_kind,
    checked_method,
    checked_version,
)
from .call_settings import settings_with
from .client_changes import ClientChanges, changed, said
from .environment import base_url_of, headers_in
from .guard_options import ADAPTIVE, guard_options
from .header_layers import SharedHeaders, headers_laid_over, kept_abroad
from .idempotency import keyed_block
from .query_layers import SharedQuery, query_laid_over
from .request_body import Content, Files, request_body
from .telemetry import attempt_headers, platform_headers

if TYPE_CHECKING:
    from typing_extensions import Self, TypeForm, Unpack

    from .._engine.rate_limiter import RateLimiter
    from .._policy.breaker import CircuitBreaker
    from .._policy.concurrency import AdaptiveConcurrency
    from .._policy.hedge import Hedge
    from .._policy.rate import Rate
    from .._policy.stall import Stall

__all__ = ["ANY", "NO_OPTIONS", "BaseClient", "Content", "Files"]

ANY = cast("TypeForm[Any]", Any)
"""The JSON as it comes: what a call without cast_to asks for. Typed so that its result is Any."""

NO_OPTIONS: Final[RequestOptions] = {}
"""What a call is given that is given none. Not to be changed."""


class BaseClient:
    """Options, headers and URLs; `AsyncAPIClient` and `SyncAPIClient` add the calls.

    A subclass may override what is marked so below.
    """

    idempotency_header: ClassVar[str | None] = "Idempotency-Key"
    """Carries the key of every call that is not GET or HEAD, and of any call that was given one;
    None turns keys off. Override."""

    array_style: ClassVar[ArrayStyle] = "repeat"
    """How lists in query parameters are written: ``a=1&a=2`` (repeat), ``a[]=1&a[]=2``
    (brackets), ``a=1,2`` (comma) or ``a[0]=1&a[1]=2`` (indices). Override."""

    form_array_style: ClassVar[ArrayStyle] = "brackets"
    """How lists in the fields of a form are written, as in `array_style`. Override."""

    default_base_url: ClassVar[str | None] = None
    """The base URL where neither an argument nor the environment says another. Override."""

    base_url_variable: ClassVar[str | None] = None
    """The environment variable that holds the base URL where no argument does. Override."""

    custom_headers_variable: ClassVar[str | None] = None
    """The environment variable that holds further headers, a ``Name: value`` on each line; the
    argument ``custom_headers`` is laid over them. Override."""

    @staticmethod
    def json_default(value: object) -> object:
        """Turn a value JSON does not know into one it does, or raise TypeError. Override."""
        raise TypeError(f"{type(value).__name__} has no JSON form")

    def __init__(
        self,
        *,
        base_url: str | httpx.URL | None = None,
        version: str = __version__,
        max_retries: int = DEFAULT_MAX_RETRIES,
        timeout: float | Timeout | NotGiven | None = NOT_GIVEN,
        custom_headers: Headers | None = None,
        custom_query: Mapping[str, object] | None = None,
        _strict_response_validation: bool = False,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        hooks: Sequence[Hook] = (),
        telemetry: bool = True,
        max_at_once: int | None = None,
        rate: Rate | RateLimiter | None = None,
        concurrency: AdaptiveConcurrency | None = ADAPTIVE,
        hedge: Hedge | None = None,
        breaker: CircuitBreaker | None = None,
        stall: Stall | None = None,
    ) -> None:
        self._base_url = base_url_of(base_url, self.base_url_variable, self.default_base_url)
        self._version = checked_version(version)
        self._strict_response_validation = checked_bool(_strict_response_validation, "_strict_response_validation")
        self._telemetry = checked_bool(telemetry, "telemetry")
        self._retry = checked_kind(retry, RetryPolicy, "retry") if retry is not None else RetryPolicy()
        self._limits = checked_kind(limits, Limits, "limits") if limits is not None else Limits()
        self._guards = guard_options(
            self._retry, self._limits, max_at_once=max_at_once, rate=rate, concurrency=concurrency, breaker=breaker
        )
        self._observer = Observer(hooks)
        if self.idempotency_header is not None:
            MergedHeaders.of({self.idempotency_header: ""})
        self._settings = CallSettings(Timeouts.of(DEFAULT_TIMEOUT))
        self._custom_headers = headers_in(self.custom_headers_variable)
        self._custom_query: Mapping[str, object] = {}
        self._apply(
            {
                "max_retries": max_retries,
                "timeout": DEFAULT_TIMEOUT if isinstance(timeout, NotGiven) else timeout,
                "deadline": deadline,
                "hedge": hedge,
                "stall": stall,
                "custom_headers": {} if custom_headers is None else custom_headers,
                "custom_query": {} if custom_query is None else custom_query,
            }
        )

    # For subclasses to override.

    @property
    def auth_headers(self) -> Headers:
        """Credentials of every call. Looked up for each; never sent to another origin."""
        return {}

    @property
    def default_headers(self) -> Headers:
        """Headers of every call that are no credentials. Looked up for each."""
        return {}

    @property
    def default_query(self) -> Mapping[str, object]:
        """Query values of every call. Looked up for each."""
        return {}

    @property
    def custom_auth(self) -> httpx.Auth | None:
        """An httpx auth flow (basic, digest, a token exchange) run around every attempt."""
        return None

    @property
    def user_agent(self) -> str:
        """What the client calls itself."""
        return f"{type(self).__name__}/Python {self._version}"

    # What it was made with.

    @property
    def base_url(self) -> httpx.URL:
        """The root of relative paths, with its trailing slash."""
        return self._base_url.url

    @property
    def max_retries(self) -> int:
        """Retries after the first attempt."""
        return self._settings.max_retries

    @property
    def timeout(self) -> float | Timeout | None:
        """Per phase and attempt, in seconds."""
        return self._timeout

    @property
    def deadline(self) -> float | None:
        """Seconds a whole call may take, retries included; None for no limit."""
        deadline = self._settings.deadline
        return None if deadline == math.inf else deadline

    @property
    def custom_headers(self) -> Headers:
        """What came as ``custom_headers``, from the environment too: it may hold credentials."""
        return MappingProxyType(self._custom_headers)

    @property
    def custom_query(self) -> Mapping[str, object]:
        """What came as ``custom_query``: it may hold credentials."""
        return MappingProxyType(self._custom_query)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url!r}>"

    def with_options(
        self,
        *,
        base_url: str | httpx.URL | None = None,
        max_retries: int | NotGiven = NOT_GIVEN,
        timeout: float | Timeout | NotGiven | None = NOT_GIVEN,
        deadline: float | NotGiven | None = NOT_GIVEN,
        hedge: Hedge | NotGiven | None = NOT_GIVEN,
        stall: Stall | NotGiven | None = NOT_GIVEN,
        limit_group: str | NotGiven | None = NOT_GIVEN,
        custom_headers: Headers | None = None,
        set_custom_headers: Headers | None = None,
        custom_query: Mapping[str, object] | None = None,
        set_custom_query: Mapping[str, object] | None = None,
    ) -> Self:
        """A cheap copy with other defaults, on the same connections, which it never closes.

        ``custom_headers`` and ``custom_query`` are laid over those the client has;
        ``set_custom_headers`` and ``set_custom_query`` take their place. A new `base_url` goes the
        way of the old one: a proxy is not chosen anew. Raises TypeError or ValueError naming the
        argument.
        """
        changes: ClientChanges = {
            "base_url": base_url,
            "max_retries": max_retries,
            "timeout": timeout,
            "deadline": deadline,
            "hedge": hedge,
            "stall": stall,
            "limit_group": limit_group,
            "custom_headers": custom_headers,
            "set_custom_headers": set_custom_headers,
            "custom_query": custom_query,
            "set_custom_query": set_custom_query,
        }
        clone = copy.copy(self)
        clone._apply(said(changes))
        clone._share(changes)
        return clone

    def copy(self, **changes: Unpack[ClientChanges]) -> Self:
        """The same as `with_options`."""
        return self.with_options(**changes)

    def _share(self, changes: ClientChanges) -> None:
        """Told to a copy when it is made: what it was copied with is not its own to close."""

    def _apply(self, changes: dict[str, Any]) -> None:
        if "base_url" in changes:
            self._base_url = BaseURL(changes["base_url"])
        if "timeout" in changes:
            self._timeout: float | Timeout | None = changes["timeout"]
        self._settings = settings_with(self._settings, changes)
        self._custom_headers = changed(self._custom_headers, changes, "custom_headers", headers_laid_over)
        self._headers = SharedHeaders(self._custom_headers)
        self._custom_query = changed(self._custom_query, changes, "custom_query", query_laid_over)
        self._query = SharedQuery(self._custom_query, self.array_style)

    # Preparing a call.

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
        """Merge, check and encode everything. Raises TypeError or ValueError naming the argument.

        `unread` leaves a good answer's body to the caller, `stream` makes events of it.
        """
        method = checked_method(method)
        unread = unread or stream
        settings = self._settings
        if options is not NO_OPTIONS:
            check_options(options, method, unread=unread, stream=stream)
            settings = settings_with(settings, options, "options['{}']")
        body_to_send = request_body(
            body,
            content,
            files,
            options,
            default=None if self.json_default is BaseClient.json_default else self.json_default,
            form_array_style=self.form_array_style,
        )
        target = self._base_url.join(path)
        foreign = target.origin != self._base_url.origin
        headers = self._headers.merged(
            self._own_headers, self.default_headers, self.auth_headers, body_to_send.content_type, stream
        )
        params = options.get("params")
        if foreign:
            headers = kept_abroad(headers, self._headers.credentials)
            query = encode_query(params, self.array_style) if params else ""
        else:
            query = self._query.encoded(self.default_query, params)
        headers = headers.over(options.get("headers"))
        block, keyed = keyed_block(headers, method, self.idempotency_header, options.get("idempotency_key"))
        return PreparedCall(
            method,
            target.with_query(query) if query else target,
            block,
            body_to_send,
            settings,
            keyed,
            self._headers.credentials,
            attempt_headers(headers, settings.timeouts) if self._telemetry else (),
            None if foreign or (auth := self.custom_auth) is None else checked_auth(auth),
            unread,
            foreign,
            None if self._guards.rate is None else body,
        )

    def _own_headers(self) -> Headers:
        headers = {"Accept-Encoding": ACCEPT_ENCODING, "User-Agent": self.user_agent}
        if not self._telemetry:
            return headers
        return {**platform_headers(), "X-Trioclient-Package-Version": self._version, **headers}
