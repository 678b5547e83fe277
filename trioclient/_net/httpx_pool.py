"""Behind an httpx client: the pools of httpcore.

None of this is public in httpx. Where it is built otherwise nothing is found, and all that is
lost is the care taken here.

httpcore, cancelled at an unlucky checkpoint, forgets a connection: assigned to the request but
not begun, connected but not used, or half-way through a proxy. It then sits in the pool and
takes a place there for ever. Such an orphan can be told: it is neither idle nor closed nor open
to more requests, and yet no request of the pool holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .._types import Limits

__all__ = ["close_orphans", "pool_size"]

_UNKNOWN_SIZE: Final = 100  # httpx's own default


def pool_size(client: object, limits: Limits) -> int:
    """How many exchanges a client can carry at once without queueing in its pool."""
    sizes = [getattr(pool, "_max_connections", None) for pool in _pools_of(client)]
    known = [size for size in sizes if isinstance(size, int) and size > 0]
    return min(limits.max_connections, *(known or [_UNKNOWN_SIZE]))


async def close_orphans(client: object) -> None:
    """Close the connections of an ``AsyncClient`` that its pools have lost track of."""
    orphans: list[Any] = []
    for pool in _pools_of(client):
        lost = _orphans(pool)
        for connection in lost:
            pool._connections.remove(connection)
        orphans += lost
    # All are out of their pools before the first checkpoint: nobody else finds them.
    for connection in orphans:
        await connection.aclose()


def _pools_of(client: object) -> Iterator[Any]:
    """The pool of the client's own transport and those of its mounts, proxies among them."""
    for transport in (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()):
        if (pool := getattr(transport, "_pool", None)) is not None:
            yield pool


def _orphans(pool: Any) -> list[Any]:
    try:
        held = {id(request.connection) for request in pool._requests}
        return [
            connection
            for connection in pool._connections
            if id(connection) not in held
            and not (connection.is_idle() or connection.is_closed() or connection.is_available())
        ]
    except AttributeError:
        return []
