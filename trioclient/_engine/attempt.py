"""One attempt: send, follow redirects, read the answer to its end, or leave a good one unread.

Effects only; whether to try again is decided elsewhere.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from .._codec.body import NO_BODY
from .._codec.headers import find, header_block
from .._codec.redact import drop_credentials
from .._faults import Fault, LimitFault, TimeoutFault
from .._policy.redirect import BODY_HEADERS, Refuse, plan_redirect
from .._types import IDEMPOTENT_METHODS
from .auth import exchange_with_auth
from .body import read_start, read_whole
from .call import Answer
from .watched_response import WatchedResponse

if TYPE_CHECKING:
    from .._net.protocol import PhaseScope, Transport, WireRequest
    from .call import PreparedCall

__all__ = ["RedirectRefused", "attempt"]


class RedirectRefused(Exception):
    """The answer is a redirect that must not be followed."""

    def __init__(self, reason: str, answer: Answer) -> None:
        super().__init__(reason)
        self.answer = answer


async def attempt(
    transport: Transport, call: PreparedCall, wire: WireRequest, phases: PhaseScope
) -> Answer | Fault | RedirectRefused:
    """Exchange `wire` for an answer. What goes wrong is returned, too: only the caller's own
    exceptions are raised.
    """
    try:
        with phases.scope:
            for _ in range(wire.limits.max_redirects + 1):
                if call.auth is None or wire.target.origin != call.target.origin:
                    answer = await _exchange(transport, wire, phases, call.unread)
                else:
                    again = functools.partial(_exchange_anew, transport, phases)
                    answer = await exchange_with_auth(call.auth, wire, again, unread=call.unread)
                if answer.status < 300 or not (call.settings.follow_redirects and _redirect(wire, answer, call)):
                    return answer
                phases.enter("read", wire.timeouts.read)
            return LimitFault("max_redirects", wire.limits.max_redirects)
    except (Fault, RedirectRefused) as failure:
        return failure
    return TimeoutFault(phases.phase)


def _redirect(wire: WireRequest, answer: Answer, call: PreparedCall) -> bool:
    """Send `wire` where the answer says, if it says so. Raises RedirectRefused."""
    if answer.status >= 400:
        return False
    step = plan_redirect(
        wire.method,
        answer.status,
        wire.target,
        find(answer.headers, b"location"),
        has_body=wire.body is not NO_BODY,
        body_replayable=wire.body.replayable,
    )
    if step is None:
        return False
    if isinstance(step, Refuse):
        raise RedirectRefused(step.reason, answer)
    if step.method in IDEMPOTENT_METHODS:
        wire.replayable = step.drop_body or wire.body.replayable
    elif not wire.replayable:
        reason = f"the redirect ({answer.status}) wants the request again, which has no idempotency key"
        raise RedirectRefused(reason, answer)
    headers = wire.headers
    if not step.same_origin:
        wire.foreign = True
        headers = [line for line in drop_credentials(headers, call.credentials) if line[0].lower() != b"host"]
    if step.drop_body:
        headers = [line for line in headers if line[0].lower() not in BODY_HEADERS]
        wire.body = NO_BODY
    wire.method = step.method
    wire.target = step.target
    wire.header_block = header_block(headers)
    return True


async def _exchange_anew(transport: Transport, phases: PhaseScope, wire: WireRequest, unread: bool) -> Answer:
    phases.enter("read", wire.timeouts.read)
    return await _exchange(transport, wire, phases, unread)


async def _exchange(transport: Transport, wire: WireRequest, phases: PhaseScope, unread: bool) -> Answer:
    response = await transport.send(wire, phases)
    if wire.stall is not None:
        response = WatchedResponse(response, wire.stall)
    if unread and response.status < 300:
        return Answer(
            response.status, response.http_version, response.headers, b"", wire.method, wire.target, unread=response
        )
    try:
        content = await (read_whole if response.status < 300 else read_start)(response, wire, phases)
    finally:
        await response.aclose()
    return Answer(response.status, response.http_version, response.headers, content, wire.method, wire.target)
