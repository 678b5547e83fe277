"""Driving an ``httpx.Auth``: basic, digest, or a caller's own flow.

Such a flow yields requests and is sent answers; the last answer is the call's.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx

from .._codec.url import Target

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .._net.protocol import WireRequest
    from .call import Answer

__all__ = ["exchange_with_auth"]

# httpx adds these to its request; ours are added where the bytes are made.
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})


async def exchange_with_auth(
    auth: httpx.Auth, wire: WireRequest, exchange: Callable[[WireRequest], Awaitable[Answer]]
) -> Answer:
    """Run the flow over `wire`. What the flow raises propagates as itself."""
    own_host = any(name.lower() == b"host" for name, _ in wire.headers)
    request = httpx.Request(wire.method, str(wire.target), headers=wire.headers, content=wire.body.content)
    flow: AsyncGenerator[httpx.Request, httpx.Response] = auth.async_auth_flow(request)
    async with aclosing(flow):
        request = await flow.__anext__()
        while True:
            skip = _FRAMING - {b"host"} if own_host else _FRAMING
            wire.headers = [line for line in request.headers.raw if line[0].lower() not in skip]
            wire.target = Target.of(request.url)
            answer = await exchange(wire)
            response = answer.record().to_httpx(None)
            response.request = request
            try:
                request = await flow.asend(response)
            except StopAsyncIteration:
                return answer
