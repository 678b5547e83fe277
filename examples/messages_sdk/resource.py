"""What the blocking groups of methods have in common."""

from __future__ import annotations

from trioclient import BlockingResource, SyncAPIClient

__all__ = ["Resource"]


class Resource(BlockingResource):
    """A `BlockingResource` of a client, for the methods that are no twins of async ones."""

    def __init__(self, client: SyncAPIClient) -> None:
        super().__init__(client)
        self._blocking_client = client
