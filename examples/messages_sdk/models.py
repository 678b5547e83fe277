"""The models there are."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import msgspec

from trioclient import AsyncAPIClient, AsyncPaginator, RequestOptions, blocking, path_template

from .options import NO_OPTIONS, with_params
from .pages import AsyncIDPage, IDPlace, SyncIDPage
from .resource import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncModels", "ModelInfo", "Models"]

_PATH = "/v1/models"


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, tag="model"):
    """A model."""

    id: str
    display_name: str
    created_at: datetime.datetime
    max_input_tokens: int | None = None
    max_tokens: int | None = None


class AsyncModels:
    """``client.models``."""

    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    def list(
        self, *, options: RequestOptions = NO_OPTIONS, **place: Unpack[IDPlace]
    ) -> AsyncPaginator[ModelInfo, AsyncIDPage[ModelInfo]]:
        """The models, newest first."""
        return self._client.get_api_list(
            _PATH, model=ModelInfo, page=AsyncIDPage[ModelInfo], options=with_params(options, place)
        )

    async def retrieve(self, model_id: str, *, options: RequestOptions = NO_OPTIONS) -> ModelInfo:
        """One model, by its id or an alias of it."""
        path = path_template(f"{_PATH}/{{model_id}}", model_id=model_id)
        return await self._client.get(path, cast_to=ModelInfo, options=options)


class Models(Resource):
    """The same, blocking."""

    async_class = AsyncModels
    retrieve = blocking(AsyncModels.retrieve)

    def list(self, *, options: RequestOptions = NO_OPTIONS, **place: Unpack[IDPlace]) -> SyncIDPage[ModelInfo]:
        return self._blocking_client.get_api_list(
            _PATH, model=ModelInfo, page=SyncIDPage[ModelInfo], options=with_params(options, place)
        )
