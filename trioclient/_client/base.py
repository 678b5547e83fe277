"""What every client is before it sends anything: options, headers, URLs.

A call is prepared here, wholly and checked, before the first byte leaves. Nothing in this
module waits or touches the network.

Header layers, each over the one before: telemetry, the client's own (Accept, User-Agent), the
subclass's (`default_headers`, then `auth_headers`), `custom_headers`, the call's. An `omit` value
deletes a name at any layer.
"""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import httpx

from .._codec.body import NO_BODY, RequestBody, content_body, json_body
from .._codec.content import ACCEPT_ENCODING
from .._codec.headers import HeaderBlock
from .._codec.query import ArrayStyle, encode_query
from .._codec.redact import credential_headers
from .._codec.url import BaseURL
from .._engine.call import ATTEMPT_HEADERS, RETRY_COUNT, PreparedCall
from .._engine.observe import Hook, Observer
from .._policy.retry import RetryPolicy
from .._types import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    IDEMPOTENT_METHODS,
    NOT_GIVEN,
    Headers,
    Limits,
    NotGiven,
    RequestOptions,
    Timeout,
    Timeouts,
    checked_bool,
    checked_int,
    checked_seconds,
)
from .._version import __version__
from .arguments import check_options, checked_auth, checked_kind, checked_mapping, checked_method, checked_version
from .telemetry import platform_headers

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseClient", "Content"]

Content = Any
"""A raw body: bytes, str, a binary file, or a sync or async iterable of bytes."""

_NO_OPTIONS: RequestOptions = {}


class BaseClient:
    """Options, headers and URLs; `AsyncAPIClient` and `SyncAPIClient` add the calls.

    A subclass may override what is marked so below.
    """

    idempotency_header: ClassVar[str | None] = "Idempotency-Key"
    """Carries the key of every call that is not GET or HEAD; None turns keys off. Override."""

    array_style: ClassVar[ArrayStyle] = "repeat"
    """How lists in query parameters are written: ``a=1&a=2`` (repeat), ``a[]=1&a[]=2``
    (brackets), ``a=1,2`` (comma) or ``a[0]=1&a[1]=2`` (indices). Override."""

    @staticmethod
    def json_default(value: object) -> object:
        """Turn a value JSON does not know into one it does, or raise TypeError. Override."""
        raise TypeError(f"{type(value).__name__} has no JSON form")

    def __init__(
        self,
        *,
        base_url: str | httpx.URL,
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
    ) -> None:
        self._base_url = BaseURL(base_url)
        self._version = checked_version(version)
        self._strict_response_validation = checked_bool(_strict_response_validation, "_strict_response_validation")
        self._telemetry = checked_bool(telemetry, "telemetry")
        self._retry = checked_kind(retry, RetryPolicy, "retry") if retry is not None else RetryPolicy()
        self._limits = checked_kind(limits, Limits, "limits") if limits is not None else Limits()
        self._observer = Observer(hooks)
        self._custom_headers: tuple[Headers, ...] = ()
        self._custom_query: dict[str, object] = {}
        if self.idempotency_header is not None:
            HeaderBlock.of({self.idempotency_header: ""})
        self._apply(
            max_retries=max_retries,
            timeout=timeout,
            deadline=deadline,
            custom_headers=custom_headers,
            custom_query=custom_query,
        )

    # For subclasses to override.

    @property
    def auth_headers(self) -> Headers:
        """Credentials of every call. Looked up for each; dropped on a redirect to another origin."""
        return {}

    @property
    def default_headers(self) -> Headers:
        """Headers of every call that are no credentials. Looked up for each."""
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
        return self._max_retries

    @property
    def timeout(self) -> float | Timeout | None:
        """Per phase and attempt, in seconds."""
        return self._timeout

    @property
    def deadline(self) -> float | None:
        """Seconds a whole call may take, retries included; None for no limit."""
        return None if self._deadline == math.inf else self._deadline

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url!r}>"

    def with_options(
        self,
        *,
        max_retries: int | NotGiven = NOT_GIVEN,
        timeout: float | Timeout | NotGiven | None = NOT_GIVEN,
        deadline: float | NotGiven | None = NOT_GIVEN,
        custom_headers: Headers | None = None,
        custom_query: Mapping[str, object] | None = None,
    ) -> Self:
        """A cheap copy with other defaults, on the same connections, which it never closes.

        Headers and query values are laid over those the client has. Raises TypeError or
        ValueError naming the argument.
        """
        clone = copy.copy(self)
        clone._apply(
            max_retries=self._max_retries if isinstance(max_retries, NotGiven) else max_retries,
            timeout=self._timeout if isinstance(timeout, NotGiven) else timeout,
            deadline=self.deadline if isinstance(deadline, NotGiven) else deadline,
            custom_headers=custom_headers,
            custom_query=custom_query,
        )
        return clone

    def _apply(
        self,
        *,
        max_retries: int,
        timeout: float | Timeout | NotGiven | None,
        deadline: float | None,
        custom_headers: Headers | None,
        custom_query: Mapping[str, object] | None,
    ) -> None:
        self._max_retries = checked_int(max_retries, "max_retries")
        self._timeout = DEFAULT_TIMEOUT if isinstance(timeout, NotGiven) else timeout
        self._timeouts = Timeouts.of(self._timeout)
        self._deadline = checked_seconds(deadline, "deadline")
        if custom_headers is not None:
            # Layers, not one dict: in that the same name in another case would keep its place.
            self._custom_headers = (*self._custom_headers, dict(checked_mapping(custom_headers, "custom_headers")))
        if custom_query is not None:
            self._custom_query = {**self._custom_query, **checked_mapping(custom_query, "custom_query")}
        encode_query(self._custom_query, self.array_style, "custom_query")
        self._header_blocks: dict[str | None, HeaderBlock] = {}
        self._header_source: tuple[Headers, Headers] = ({}, {})
        self._credentials: frozenset[str] = frozenset()
        HeaderBlock.of(*self._custom_headers)

    # Preparing a call.

    def _prepare(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content: Content = None,
        options: RequestOptions = _NO_OPTIONS,
    ) -> PreparedCall:
        """Merge, check and encode everything. Raises TypeError or ValueError naming the argument."""
        method = checked_method(method)
        check_options(options)
        request_body = self._body(body, content, options.get("extra_json"))
        block = self._shared_headers(request_body.content_type).over(options.get("headers"))
        headers = block.raw
        keyed = method in IDEMPOTENT_METHODS
        if method not in ("GET", "HEAD") and self.idempotency_header is not None:
            key = options.get("idempotency_key")
            if key is not None:
                block = block.over({self.idempotency_header: key})
                headers = block.raw
            elif not block.mentions(self.idempotency_header):
                line = (self.idempotency_header.encode("ascii"), self._new_idempotency_key().encode("ascii"))
                headers = [*headers, line]
                keyed = True
            keyed = keyed or block.get(self.idempotency_header) is not None
        timeouts = Timeouts.of(options["timeout"], "options['timeout']") if "timeout" in options else self._timeouts
        query = options.get("params")
        if self._custom_query or query:
            encoded = encode_query({**self._custom_query, **(query or {})}, self.array_style)
        else:
            encoded = ""
        return PreparedCall(
            method=method,
            target=self._base_url.join(path, encoded),
            headers=headers,
            body=request_body,
            timeouts=timeouts,
            deadline=(
                checked_seconds(options["deadline"], "options['deadline']") if "deadline" in options else self._deadline
            ),
            max_retries=(
                checked_int(options["max_retries"], "options['max_retries']")
                if "max_retries" in options
                else self._max_retries
            ),
            keyed=keyed,
            follow_redirects=checked_bool(options.get("follow_redirects", True), "options['follow_redirects']"),
            credentials=self._credentials,
            attempt_headers=self._attempt_headers(block, timeouts),
            auth=checked_auth(self.custom_auth),
        )

    def _attempt_headers(self, block: HeaderBlock, timeouts: Timeouts) -> tuple[str, ...]:
        if not self._telemetry:
            return ()
        names = ATTEMPT_HEADERS if timeouts.read != math.inf else (RETRY_COUNT,)
        return tuple([name for name in names if not block.mentions(name)])

    def _body(self, body: object, content: Content, extra_json: Mapping[str, object] | None) -> RequestBody:
        if content is not None:
            if body is not None or extra_json is not None:
                raise TypeError("content goes without body and extra_json: it is sent as it is")
            return content_body(content)
        if body is None and extra_json is None:
            return NO_BODY
        default = None if self.json_default is BaseClient.json_default else self.json_default
        return json_body(body, extra_json, default=default)

    def _shared_headers(self, content_type: str | None) -> HeaderBlock:
        """The layers below the call's own, merged anew only when the subclass's have changed."""
        source = (self.auth_headers, self.default_headers)
        if source != self._header_source:
            self._header_source = (
                dict(checked_mapping(source[0], "auth_headers")),
                dict(checked_mapping(source[1], "default_headers")),
            )
            self._header_blocks.clear()
            self._credentials = credential_headers(source[0])
        block = self._header_blocks.get(content_type)
        if block is None:
            block = self._header_blocks[content_type] = HeaderBlock.of(
                {**platform_headers(), "X-Trioclient-Package-Version": self._version} if self._telemetry else None,
                {"Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING, "User-Agent": self.user_agent},
                {"Content-Type": content_type} if content_type is not None else None,
                source[1],
                source[0],
                *self._custom_headers,
            )
        return block

    def _new_idempotency_key(self) -> str:
        return f"trioclient-{secrets.token_hex(16)}"
