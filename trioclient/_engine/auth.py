"""Driving an ``httpx.Auth``: basic, digest, or a caller's own flow.

Such a flow yields requests and is sent answers; the last answer is the call's. The request it
was given, which it may change and yield again, is the call's own. Any other it yields, to fetch
a token say, goes out as it is.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx

from .._codec.body import RequestBody
from .._codec.headers import header_block
from .._codec.url import Target
from .._net.protocol import WireRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .call import Answer

__all__ = ["exchange_with_auth"]

# httpx adds these to its request; ours are added where the bytes are made.
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})


async def exchange_with_auth(
    auth: httpx.Auth,
    wire: WireRequest,
    exchange: Callable[[WireRequest, bool], Awaitable[Answer]],
    *,
    unread: bool = False,
) -> Answer:
    """Run the flow over `wire`. What the flow raises propagates as itself.

    ``exchange(wire, unread)`` makes each exchange. Where the answer is to be left unread, the flow
    sees no body of a good one. What can, or may, be sent only once is: the answer to it is then the
    last.
    """
    own_host = any(name.lower() == b"host" for name, _ in wire.headers)
    own = httpx.Request(wire.method, str(wire.target), headers=wire.headers, content=wire.body.content)
    own_sent = False
    flow: AsyncGenerator[httpx.Request, httpx.Response] = auth.async_auth_flow(own)
    async with aclosing(flow):
        request = await flow.__anext__()
        while True:
            if request is own:
                wire.header_block = _unframed(own, keep_host=own_host)
                wire.target = Target.of(own.url)
                answer = await exchange(wire, unread)
                own_sent = True
            else:
                answer = await exchange(await _side_request(request, wire), False)
            response = answer.record().to_httpx(None)
            response.request = request
            try:
                request = await flow.asend(response)
            except StopAsyncIteration:
                return answer
            except BaseException:
                await _leave(answer)
                raise
            if request is own and own_sent and not wire.replayable:
                return answer
            await _leave(answer)


async def _leave(answer: Answer) -> None:
    if answer.unread is not None:
        await answer.unread.aclose()


async def _side_request(request: httpx.Request, wire: WireRequest) -> WireRequest:
    return WireRequest(
        request.method,
        Target.of(request.url),
        _unframed(request, keep_host=False),
        RequestBody(await request.aread(), None),
        wire.timeouts,
        wire.limits,
        replayable=False,
        stall=wire.stall,
    )


def _unframed(request: httpx.Request, *, keep_host: bool) -> bytes:
    skip = _FRAMING - {b"host"} if keep_host else _FRAMING
    return header_block(line for line in request.headers.raw if line[0].lower() not in skip)
