"""The attempt loop: one call from its first attempt to an answer or an `APIError`.

    pass the guards -> attempt, or two -> answer? return it
                           |
                        judge (pure: _policy.retry.decide)
                           |
              sleep and again, or raise

What the guards are, and in which order, is drawn in `guards`. A call passes them only where
something is limited or has gone wrong lately.

Time. `PhaseScope` bounds each attempt by its phases and by the call's own deadline. The scopes
the caller has opened around the call are not copied: trio cancels through them as always. They
count where a wait is planned, so that nobody sleeps towards a deadline already known to be
missed.

Everything impure that a decision needs (clocks, one random draw) is read here and handed on.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from .._codec.headers import header_block
from .._errors import APIError
from .._faults import Fault
from .._net.protocol import PhaseScope, WireRequest
from .._policy.reconnect import reconnection_delay
from .._policy.retry import (
    BUDGET_SPENT,
    CIRCUIT_OPEN,
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
from .call import READ_TIMEOUT, RETRY_COUNT, Answer, CallTrace, PreparedCall, horizon
from .counts import Counts
from .failure import Failure, error_of
from .guards import GuardOptions, Guards, not_retried
from .hedged import race
from .tally import current_tally

if TYPE_CHECKING:
    from .._net.protocol import Transport
    from .._types import Limits
    from .observe import Observer
    from .passage import Passage

__all__ = ["Engine"]

_NOT_RETRIED: Final = (BUDGET_SPENT, CIRCUIT_OPEN)
"""Reasons that lie in other calls, so that an error says them."""


class Engine:
    """Runs calls over one transport. Shared by a client and its `with_options` copies."""

    def __init__(
        self,
        transport: Transport,
        *,
        options: GuardOptions,
        limits: Limits,
        observer: Observer,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._policy = options.policy
        self._limits = limits
        self._observer = observer
        self.counts = Counts()
        self.guards = Guards(options, self.counts, wall, draw)

    async def run(self, call: PreparedCall) -> tuple[Answer, CallTrace]:
        """The answer, below 300, and how it came about. Raises an `APIError`.

        Unread, where the call says so: whoever gets it closes it.
        """
        now = trio.current_time()
        trace = CallTrace(call, now)
        last_error: APIError | None = None
        wire: WireRequest | None = None
        passage: Passage | None = None
        guards, counts = self.guards, self.counts
        counts.calls += 1
        counts.in_flight += 1
        try:
            while True:
                if guards.watchful or call.settings.hedge is not None:
                    passage = await guards.admit(trace, last_error)
                    now = trio.current_time()
                if last_error is not None:
                    trace.retries += 1
                wire = self._request(call, trace.retries)
                if passage is None or (delay := passage.hedge_delay()) is None:
                    phases = PhaseScope("read", wire.timeouts.read, now, trace.deadline)
                    trace.attempts += 1
                    result = await attempt(self._transport, call, wire, phases)
                else:
                    result = await self._hedged(trace, wire, passage, delay)
                sent, wire = wire.sent, None
                trace.sent = further_sent(trace.sent, sent)
                if isinstance(result, Answer) and result.status < 300:
                    if passage is not None or guards.watchful:
                        done, passage = passage, None
                        result = guards.went_well(trace, done, result, sent)
                    if self._observer.watches:
                        await self._tell_done(trace, result, now)
                    return result, trace
                done, passage = passage, None
                guards.failed(trace, done, result, sent)
                last_error = await self._go_on(trace, result, now)
                now = trio.current_time()
        finally:
            if wire is not None:
                trace.sent = further_sent(trace.sent, wire.sent)
            if passage is not None:
                passage.cut_off("no" if wire is None else wire.sent)
            counts.in_flight -= 1
            counts.attempts += trace.attempts
            counts.retries += trace.retries
            tally = current_tally.get()
            if tally is not None:
                tally.add(attempts=trace.attempts, retries=trace.retries, throttled=trace.throttled, sent=trace.sent)

    def reconnection_delay(self, *, named: int | None, fruitless: int) -> float:
        """Seconds before a stream connects anew; see `_policy.reconnect`."""
        return reconnection_delay(self._policy, named=named, fruitless=fruitless, draw=self.guards.draw())

    async def _hedged(self, trace: CallTrace, wire: WireRequest, passage: Passage, delay: float) -> Answer | Failure:
        """One attempt of two copies, the second sent after `delay` seconds without an answer."""
        second = self._request(trace.call, trace.retries)

        async def send(number: int) -> Answer | Failure:
            copy = second if number else wire
            trace.attempts += 1
            phases = PhaseScope("read", copy.timeouts.read, trio.current_time(), trace.deadline)
            return await attempt(self._transport, trace.call, copy, phases)

        try:
            outcome = await race(
                send, delay=delay, allow=passage.allow_second, good=self._settles, discard=_close_unread
            )
        finally:
            wire.sent = further_sent(wire.sent, second.sent)
        if outcome.winner:
            self.counts.hedges_won += 1
        return outcome.result

    def _settles(self, result: Answer | Failure) -> bool:
        """Whether another copy would have nothing to add."""
        return isinstance(result, Answer) and not self._policy.retries_status(result.status)

    async def _tell_done(self, trace: CallTrace, answer: Answer, began: float) -> None:
        elapsed = trio.current_time() - began
        try:
            self._observer.attempted(
                trace, status=answer.status, error=None, elapsed=elapsed, delay=None, reason="done"
            )
        except BaseException:
            await _close_unread(answer)
            raise

    def _request(self, call: PreparedCall, retries: int) -> WireRequest:
        settings = call.settings
        timeouts = settings.timeouts
        return WireRequest(
            call.method,
            call.target,
            call.header_block + _attempt_lines(call.attempt_headers, retries, timeouts.read),
            call.body,
            timeouts,
            self._limits,
            call.body.replayable and (call.keyed or self._policy.replay_unkeyed),
            call.foreign,
            settings.stall,
        )

    async def _go_on(self, trace: CallTrace, failure: Failure, began: float) -> APIError:
        """Sleep until the next attempt and return this one's error, or raise it."""
        now, wall = trio.current_time(), self.guards.wall()
        outcome = _outcome(trace, failure, wall)
        decision = self._judge(trace, outcome, now, wall)
        retry_at = decision.retry_at if isinstance(decision, Stop) else named_retry_at(outcome, wall)
        error = error_of(trace, failure, now, retry_at=retry_at)
        self._observer.attempted(
            trace,
            status=outcome.status,
            error=error,
            elapsed=now - began,
            delay=decision.delay if isinstance(decision, Retry) else None,
            reason=decision.reason,
        )
        if isinstance(decision, Stop):
            self.guards.relax(trace.call)
            raise not_retried(error, decision.reason) if decision.reason in _NOT_RETRIED else error
        with self.counts.resting:
            await trio.sleep_until(now + decision.delay)
        return error

    def _judge(self, trace: CallTrace, outcome: Outcome, now: float, wall: float) -> Retry | Stop:
        draw = self.guards.draw()
        gate = self.guards.group(trace.call).gate
        decision = decide(
            self._policy,
            outcome,
            retries_taken=trace.retries,
            max_retries=trace.call.settings.max_retries,
            now=now,
            deadline=horizon(trace),
            wall=wall,
            draw=draw,
            held_until=gate.opens_at(now, draw),
            budget_left=self.guards.may_retry(trace, outcome.status),
            circuit_due=self.guards.circuit_due(trace.call, now),
        )
        held_back = gate_delay(self._policy, outcome)
        if held_back is not None:
            gate.hold(now, held_back)
        return decision


async def _close_unread(result: Answer | Failure) -> None:
    if isinstance(result, Answer) and result.unread is not None:
        await result.unread.aclose()


def _outcome(trace: CallTrace, failure: Failure, wall: float) -> Outcome:
    call = trace.call
    if isinstance(failure, Answer):
        return outcome_of_answer(
            failure.status, failure.headers, wall, keyed=call.keyed, replayable=call.body.replayable
        )
    if isinstance(failure, Fault):
        return outcome_of_fault(failure, sent=trace.sent, keyed=call.keyed, replayable=call.body.replayable)
    return Outcome(kind="final", sent="yes", keyed=call.keyed, replayable=False, status=failure.answer.status)


@functools.lru_cache(maxsize=256)
def _attempt_lines(names: tuple[str, ...], retries: int, read_timeout: float) -> bytes:
    values = {RETRY_COUNT: b"%d" % retries, READ_TIMEOUT: b"%.12g" % read_timeout}
    return header_block((name.encode("ascii"), values[name]) for name in names)
