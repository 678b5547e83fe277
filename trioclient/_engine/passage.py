"""One attempt's way past the guards: what it took, and what of that it gives back in the end.

However an attempt ends, `Passage.ended` or `Passage.cut_off` is called once: the one with what
came of it, which is a verdict for the circuit, the adaptive limit and the budget; the other where
nothing came of it, because its caller was cancelled or has a bug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from .._errors import LimitExceeded
from .._faults import Fault
from .._policy.breaker import verdict_of
from .._policy.concurrency import overloaded
from .call import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._net.protocol import WireResponse
    from .._policy.breaker import Ticket
    from .._types import RawHeaders, Sent
    from .call import CallTrace
    from .counts import Counts
    from .failure import Failure
    from .limit_group import LimitGroup
    from .origin_health import OriginHealth
    from .rate_limiter import Reservation

__all__ = ["Passage"]

_TOO_MANY_REQUESTS: Final = 429


class Passage:
    """Belongs to one attempt of one call, and to its second copy."""

    __slots__ = (
        "_began",
        "_begun",
        "_counts",
        "_group",
        "_health",
        "_permits",
        "_retry_cost",
        "_ticket",
        "_trace",
        "reservation",
    )

    def __init__(self, trace: CallTrace, group: LimitGroup, health: OriginHealth, counts: Counts) -> None:
        self._trace = trace
        self._group = group
        self._health = health
        self._counts = counts
        self._began = 0.0
        self._begun = False
        self._permits = 0
        self._ticket: Ticket | None = None
        self._retry_cost = 0.0
        self.reservation: Reservation | None = None
        """Of the rate."""

    # On the way.

    def take_permit_nowait(self) -> bool:
        taken = self._group.permits.take_nowait()
        self._permits += taken
        if self._begun:
            self._group.under_way += taken
        return taken

    async def take_permit(self) -> None:
        """Wait in line for it."""
        await self._group.permits.take()
        self._permits += 1

    def give_reservation_back(self) -> None:
        """For an attempt that was not sent."""
        reservation, self.reservation = self.reservation, None
        if reservation is not None:
            reservation.give_back()

    def begin(self, now: float) -> bool:
        """Past all the waiting. False where it is a retry, and the budget has nothing left for it."""
        self._began = now
        trace, budget, circuit = self._trace, self._health.budget, self._health.circuit
        if trace.attempts and budget is not None:
            if not budget.spend(trace.next_retry_cost, self._counts.in_flight):
                return False
            self._retry_cost = trace.next_retry_cost
            trace.retry_costs += self._retry_cost
        if circuit is not None:
            self._ticket = circuit.begin(now)
        trace.reservation = self.reservation
        self._begun = True
        self._group.under_way += self._permits
        return True

    # The second copy.

    def hedge_delay(self) -> float | None:
        """Seconds after which there may be one; None where there may not."""
        call = self._trace.call
        hedge, body = call.settings.hedge, call.body
        if hedge is None or not call.keyed or body.content is None or body.progress is not None:
            return None
        return self._health.hedge_delay(hedge).delay() if hedge.after is None else hedge.after

    def allow_second(self) -> bool:
        """Take all it needs, if that is there without waiting."""
        now, group, health = trio.current_time(), self._group, self._health
        if now < group.gate.held_until or health.state(now) not in (None, "closed"):
            return False
        reservation = None
        if group.rate is not None:
            try:
                reservation = group.rate.reserve_nowait(self._trace.call.priced)
            except LimitExceeded:  # by what was learned since the first copy went
                return False
            if reservation is None:
                return False
        if not self.take_permit_nowait() or not self._pays_for_second():
            if reservation is not None:
                reservation.give_back()
            self._give_permits_back(keep=1)
            return False
        self._counts.hedges += 1
        return True

    def _pays_for_second(self) -> bool:
        budget = self._health.budget
        return budget is None or budget.spend(budget.cost_of(None), self._counts.in_flight)

    # The end.

    def ended(self, result: Answer | Failure, sent: Sent, now: float) -> None:
        """With its verdict; `sent` is the attempt's own. Only of an answer left unread the permit may stay
        taken: for `leave`.
        """
        group, trace = self._group, self._trace
        fault = result if isinstance(result, Fault) else None
        answer = result if isinstance(result, Answer) else getattr(result, "answer", None)
        status = None if answer is None else answer.status
        good = isinstance(result, Answer) and result.status < 300
        if status == _TOO_MANY_REQUESTS:
            group.throttled += 1
            trace.throttled += 1
        if answer is not None and group.rate is not None and group.rate.rate.learn:
            group.rate.learn(answer.status, answer.headers, sent_at=self._began)
        concurrency = group.concurrency
        if concurrency is not None:
            # A deadline is the caller's patience with all of the call, and says little of the server.
            signal = now < trace.deadline and overloaded(concurrency, status, fault)
            group.ended(signal, now, self._counts.on_the_wire, counted=self._permits > 0)
        if self._ticket is not None and self._health.circuit is not None:
            self._health.circuit.end(self._ticket, verdict_of(status, fault), now)
        if good and (budget := self._health.budget) is not None:
            if trace.retry_costs:
                budget.give_back(trace.retry_costs)
            elif trace.attempts == 1:
                budget.succeeded()
        hedge = trace.call.settings.hedge
        if hedge is not None and hedge.after is None and good:
            # Of two copies the first would have taken no less: what lies beyond the delay stays there.
            self._health.hedge_delay(hedge).record(now - self._began)
        if sent == "no":
            self.give_reservation_back()
        unread = isinstance(result, Answer) and result.unread is not None and group.counts_unread
        self._give_permits_back(keep=1 if unread else 0)

    def leave(self, answer: Answer) -> Answer:
        """The answer, which gives the permit back when it is closed, if the permit is still taken."""
        if not self._permits or answer.unread is None:
            return answer
        self._permits = 0
        return answer._replace(unread=_Permitted(answer.unread, self._group.leave))

    def cut_off(self, sent: Sent) -> None:
        """Without a verdict; `sent` of the attempt, ``"no"`` if there was none."""
        if self._ticket is not None and self._health.circuit is not None:
            self._health.circuit.end(self._ticket, "none", trio.current_time())
        if sent == "no":
            self.give_reservation_back()
            if self._retry_cost and self._health.budget is not None:
                self._health.budget.give_back(self._retry_cost)
        self._give_permits_back()

    def _give_permits_back(self, keep: int = 0) -> None:
        while self._permits > keep:
            self._permits -= 1
            self._group.leave(begun=self._begun)


class _Permitted:
    """An answer whose permit is given back when it is closed. See `WireResponse`."""

    __slots__ = ("_give_back", "_response", "headers", "http_version", "status")

    def __init__(self, response: WireResponse, give_back: Callable[[], None]) -> None:
        self._response = response
        self._give_back: Callable[[], None] | None = give_back
        self.status: int = response.status
        self.http_version: str = response.http_version
        self.headers: RawHeaders = response.headers

    async def receive(self) -> bytes:
        return await self._response.receive()

    async def aclose(self) -> None:
        try:
            await self._response.aclose()
        finally:
            give_back, self._give_back = self._give_back, None
            if give_back is not None:
                give_back()
