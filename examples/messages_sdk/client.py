"""The two clients: where the service is, and how one identifies oneself to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

import httpx

from trioclient import (
    AsyncAPIClient,
    BaseClient,
    Hook,
    Limits,
    NotGiven,
    Omit,
    RetryPolicy,
    SyncAPIClient,
    Timeout,
    Transport,
)

from .errors import MissingKeyError
from .files import AsyncFiles, Files
from .messages import AsyncMessages, Messages
from .models import AsyncModels, Models

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncMessagesClient", "ClientSettings", "MessagesClient"]

_VERSION = "0.1.0"
_API_VERSION = "2023-06-01"
_KEY_VARIABLE = "ANTHROPIC_API_KEY"


class ClientSettings(TypedDict, total=False):
    """What both clients take besides; see `trioclient.AsyncAPIClient`."""

    max_retries: int
    timeout: float | Timeout | NotGiven | None
    deadline: float | None
    custom_headers: Mapping[str, str | Omit] | None
    retry: RetryPolicy | None
    limits: Limits | None
    hooks: Sequence[Hook]
    telemetry: bool
    transport: Transport | None
    _strict_response_validation: bool


class _MessagesAPI(BaseClient):
    """What is the same for both."""

    default_base_url = "https://api.anthropic.com"
    base_url_variable = "ANTHROPIC_BASE_URL"
    custom_headers_variable = "ANTHROPIC_CUSTOM_HEADERS"

    _api_key: str

    @property
    def auth_headers(self) -> dict[str, str]:
        return {"X-Api-Key": self._api_key}

    @property
    def default_headers(self) -> dict[str, str]:
        return {"anthropic-version": _API_VERSION}


class AsyncMessagesClient(_MessagesAPI, AsyncAPIClient):
    """The Messages API from trio.

        async with AsyncMessagesClient() as client:
            message = await client.messages.create(
                model="claude-sonnet-4-5", max_tokens=1024, messages=[{"role": "user", "content": "Hello"}]
            )
            print(message.text)

    The key is `api_key`, else what the environment has in ``ANTHROPIC_API_KEY``; the base URL is
    `base_url`, else ``ANTHROPIC_BASE_URL``, else the real service's. Raises MissingKeyError
    where there is none.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | httpx.URL | None = None,
        http_client: httpx.AsyncClient | None = None,
        **settings: Unpack[ClientSettings],
    ) -> None:
        self._api_key = _key(api_key)
        super().__init__(base_url=base_url, version=_VERSION, http_client=http_client, **settings)

    # Made on the spot, so that those of a `with_options` copy follow the copy's options.

    @property
    def messages(self) -> AsyncMessages:
        return AsyncMessages(self)

    @property
    def models(self) -> AsyncModels:
        return AsyncModels(self)

    @property
    def files(self) -> AsyncFiles:
        return AsyncFiles(self)


class MessagesClient(_MessagesAPI, SyncAPIClient):
    """The Messages API from blocking code; see `AsyncMessagesClient`."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | httpx.URL | None = None,
        http_client: httpx.Client | httpx.AsyncClient | None = None,
        **settings: Unpack[ClientSettings],
    ) -> None:
        self._api_key = _key(api_key)
        super().__init__(base_url=base_url, version=_VERSION, http_client=http_client, **settings)

    @property
    def messages(self) -> Messages:
        return Messages(self)

    @property
    def models(self) -> Models:
        return Models(self)

    @property
    def files(self) -> Files:
        return Files(self)


def _key(argument: str | None) -> str:
    key = os.environ.get(_KEY_VARIABLE, "") if argument is None else argument
    if not key.strip():
        raise MissingKeyError(f"there is no API key: give api_key, or set {_KEY_VARIABLE} in the environment")
    return key.strip()
