"""The attempt loop: one call from its first attempt to an answer or an `APIError`.

    wait at the gate -> attempt -> answer? return it
                           |
                        judge (pure: _policy.retry.decide)
                           |
              sleep and again, or raise

Time. `PhaseScope` bounds each attempt by its phases and by the call's own deadline. The scopes
the caller has opened around the call are not copied: trio cancels through them as always. They
count where a wait is planned, so that nobody sleeps towards a deadline already known to be
missed.

Everything impure that a decision needs (clocks, one random draw) is read here and handed on.
"""

from __future__ import annotations

import functools
import math
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from .._codec.headers import header_block
from .._errors import APIError, DeadlineExceeded
from .._faults import Fault
from .._net.protocol import PhaseScope, WireRequest
from .._policy.gate import Gate
from .._policy.reconnect import reconnection_delay
from .._policy.retry import (
    Outcome,
    Retry,
    Stop,
    decide,
    gate_delay,
    named_retry_at,
    outcome_of_answer,
    outcome_of_fault,
)
from .._types import further_sent
from .attempt import attempt
from .call import READ_TIMEOUT, RETRY_COUNT, Answer, CallTrace, PreparedCall, utc
from .failure import Failure, error_of
from .tally import current_tally

if TYPE_CHECKING:
    from .._net.protocol import Transport
    from .._policy.retry import RetryPolicy
    from .._types import Limits
    from .observe import Observer

__all__ = ["Engine"]


class Engine:
    """Runs calls over one transport. Shared by a client and its `with_options` copies."""

    def __init__(
        self,
        transport: Transport,
        *,
        policy: RetryPolicy,
        limits: Limits,
        observer: Observer,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._policy = policy
        self._limits = limits
        self._observer = observer
        self._gate = Gate(policy.jitter)
        self._wall = wall
        self._draw = draw
        self.calls = 0
        self.attempts = 0
        self.retries = 0
        self.in_flight = 0

    async def run(self, call: PreparedCall) -> tuple[Answer, CallTrace]:
        """The answer, below 300, and how it came about. Raises an `APIError`.

        Unread, where the call says so: whoever gets it closes it.
        """
        now = trio.current_time()
        trace = CallTrace(call, now)
        retries = 0
        last_error: APIError | None = None
        self.calls += 1
        self.in_flight += 1
        try:
            while True:
                if now < self._gate.held_until:
                    await self._pass_gate(trace, last_error)
                    now = trio.current_time()
                wire = self._request(call, retries)
                phases = PhaseScope("read", wire.timeouts.read, now, trace.deadline)
                trace.attempts += 1
                result = await attempt(self._transport, call, wire, phases)
                trace.sent = further_sent(trace.sent, wire.sent)
                if isinstance(result, Answer) and result.status < 300:
                    if self._observer.watches:
                        await self._tell_done(trace, result, now)
                    return result, trace
                last_error = await self._go_on(trace, result, retries, now)
                retries += 1
                now = trio.current_time()
        finally:
            self.in_flight -= 1
            self.attempts += trace.attempts
            self.retries += retries
            tally = current_tally.get()
            if tally is not None:
                tally.calls += 1
                tally.attempts += trace.attempts

    def held_until(self) -> float | None:
        """The instant until which the gate holds calls back; None while it is open."""
        now = trio.current_time()
        opens_at = self._gate.opens_at(now, self._draw())
        return opens_at if opens_at > now else None

    def reconnection_delay(self, *, named: int | None, fruitless: int) -> float:
        """Seconds before a stream connects anew; see `_policy.reconnect`."""
        return reconnection_delay(self._policy, named=named, fruitless=fruitless, draw=self._draw())

    async def _tell_done(self, trace: CallTrace, answer: Answer, began: float) -> None:
        elapsed = trio.current_time() - began
        try:
            self._observer.attempted(
                trace, status=answer.status, error=None, elapsed=elapsed, delay=None, reason="done"
            )
        except BaseException:
            if answer.unread is not None:
                await answer.unread.aclose()
            raise

    async def _pass_gate(self, trace: CallTrace, last_error: APIError | None) -> None:
        while (opens_at := self.held_until()) is not None:
            if opens_at > _horizon(trace):
                now = trio.current_time()
                wait = opens_at - now
                if last_error is not None:
                    last_error.elapsed = now - trace.started
                    last_error.retry_at = utc(self._wall() + wait)
                    raise last_error
                raise trace.error(
                    DeadlineExceeded,
                    f"the server asked all calls to wait another {wait:.3g} s, past this call's deadline",
                    now,
                    retry_at=self._wall() + wait,
                )
            await trio.sleep_until(opens_at)

    def _request(self, call: PreparedCall, retries: int) -> WireRequest:
        timeouts = call.settings.timeouts
        return WireRequest(
            call.method,
            call.target,
            call.header_block + _attempt_lines(call.attempt_headers, retries, timeouts.read),
            call.body,
            timeouts,
            self._limits,
            call.body.replayable and (call.keyed or self._policy.replay_unkeyed),
            call.foreign,
        )

    async def _go_on(self, trace: CallTrace, failure: Failure, retries: int, began: float) -> APIError:
        """Sleep until the next attempt and return this one's error, or raise it."""
        now, wall = trio.current_time(), self._wall()
        outcome = _outcome(trace, failure, wall)
        decision = self._judge(trace, outcome, retries, now, wall)
        error = error_of(trace, failure, now, retry_at=named_retry_at(outcome, wall))
        self._observer.attempted(
            trace,
            status=outcome.status,
            error=error,
            elapsed=now - began,
            delay=decision.delay if isinstance(decision, Retry) else None,
            reason=decision.reason,
        )
        if isinstance(decision, Stop):
            raise error
        await trio.sleep_until(now + decision.delay)
        return error

    def _judge(self, trace: CallTrace, outcome: Outcome, retries: int, now: float, wall: float) -> Retry | Stop:
        draw = self._draw()
        decision = decide(
            self._policy,
            outcome,
            retries_taken=retries,
            max_retries=trace.call.settings.max_retries,
            now=now,
            deadline=_horizon(trace),
            wall=wall,
            draw=draw,
            held_until=self._gate.opens_at(now, draw),
        )
        held_back = gate_delay(self._policy, outcome)
        if held_back is not None:
            self._gate.hold(now, held_back)
        return decision


def _outcome(trace: CallTrace, failure: Failure, wall: float) -> Outcome:
    call = trace.call
    if isinstance(failure, Answer):
        return outcome_of_answer(
            failure.status, failure.headers, wall, keyed=call.keyed, replayable=call.body.replayable
        )
    if isinstance(failure, Fault):
        return outcome_of_fault(failure, sent=trace.sent, keyed=call.keyed, replayable=call.body.replayable)
    return Outcome(kind="final", sent="yes", keyed=call.keyed, replayable=False, status=failure.answer.status)


def _horizon(trace: CallTrace) -> float:
    """The instant past which no wait makes sense: the call's deadline or its caller's.

    A caller that has cancelled gets `trio.Cancelled`, not the error of an attempt that would have
    been followed by another: the wait for that one will be cut short.
    """
    callers = trio.current_effective_deadline()
    return min(trace.deadline, callers) if callers != -math.inf else trace.deadline


@functools.lru_cache(maxsize=256)
def _attempt_lines(names: tuple[str, ...], retries: int, read_timeout: float) -> bytes:
    values = {RETRY_COUNT: b"%d" % retries, READ_TIMEOUT: b"%.12g" % read_timeout}
    return header_block((name.encode("ascii"), values[name]) for name in names)
