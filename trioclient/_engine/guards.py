"""What stands between a call and its attempts, put together in one order.

    call ── its deadline bounds all of it
     │
     ▼
    ┌► circuit     per origin   so much has failed there that waiting would be in vain?
    │    │
    │  permit      per group    `max_at_once` and the adaptive limit: wait in line
    │    │
    │  gate        per group    the server has asked everyone to pause: wait for the opening
    │    │
    │  rate        per group    requests and tokens per time: wait until they have accrued
    │    │
    │  circuit     per origin   asked again, as some time may have passed; takes a probe's place
    │    │
    │  budget      per origin   of a retry: is there enough left for one?
    │    │
    │  hedge       per origin   one copy, and a second one beside it if the first takes long
    │    │
    │  attempt                  timeouts, stall, redirects, the connection
    │    │
    │    ├──► answer: back to the caller
    │    ▼
    └─ decide      back off; not at all where the budget or the deadline says so

- A group is the calls that share limits: those of one origin, or those that name the same
  ``limit_group``.
- What an attempt took on its way it gives back when it ends, with its verdict, or when it is cut
  off, without one: a cancellation is nobody's verdict. An answer that is left unread keeps its
  permit until it is closed, where there is a `max_at_once`.
- What sleeps takes nothing: a call in its back-off has no permit, and no part of the budget.
- Each of these can be turned off by itself. While nothing is limited and nothing has gone wrong
  lately, a call passes none of them: `Guards.watchful` is False.

The decisions are pure and lie in `_policy`; here is who is asked, when, and what becomes of the call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, Union

import trio

from .._codec.url import Origin
from .._errors import APIError, CircuitOpenError, DeadlineExceeded, LimitExceeded
from .._policy.retry import BUDGET_SPENT, RetryPolicy
from .call import Answer, CallTrace, horizon, utc
from .limit_group import LimitGroup, LimitGroupStatistics
from .origin_health import OriginHealth, OriginStatistics
from .passage import Passage
from .rate_limiter import RateLimiter, TooLate

if TYPE_CHECKING:
    from .._policy.breaker import CircuitBreaker
    from .._policy.concurrency import AdaptiveConcurrency
    from .._policy.rate import Rate
    from .._types import Sent
    from .call import PreparedCall
    from .counts import Counts
    from .failure import Failure

__all__ = ["GuardOptions", "Guards", "not_retried"]

KeptT = TypeVar("KeptT", LimitGroup, OriginHealth)

_MOST_KEPT: Final = 1000
"""Origins, and groups, that are remembered; a client may be led to more, by URLs from elsewhere."""


class GuardOptions(NamedTuple):
    """What a client was given, checked."""

    policy: RetryPolicy
    max_at_once: int | None = None
    rate: Union[Rate, RateLimiter, None] = None
    concurrency: AdaptiveConcurrency | None = None
    breaker: CircuitBreaker | None = None
    ceiling: int = 1000
    """Attempts at once from which on the adaptive limit need not limit any more."""


class Guards:
    """All of them, of one client and its copies."""

    def __init__(
        self, options: GuardOptions, counts: Counts, wall: Callable[[], float], draw: Callable[[], float]
    ) -> None:
        self._options = options
        self._counts = counts
        self.wall = wall
        """Seconds since the epoch, for what a server says in dates."""
        self.draw = draw
        """A random number in [0, 1)."""
        self._groups: dict[Hashable, LimitGroup] = {}
        self._origins: dict[Origin, OriginHealth] = {}
        self._token: trio.lowlevel.TrioToken | None = None
        self._clock: trio.abc.Clock | None = None
        self._always = any(option is not None for option in (options.max_at_once, options.rate, options.breaker))
        self.watchful = self._always
        """Whether a call has to pass here at all."""

    # On the way to an attempt.

    async def admit(self, trace: CallTrace, last_error: APIError | None) -> Passage:
        """Wait until the call may make its next attempt. Raises an `APIError` where it may not, or not in time.

        `last_error` is what came of its last one: it is raised rather than an error about waiting.
        """
        group = self.group(trace.call)
        health = self.health(trace.call.target.origin)
        self._pass_circuit(health, trace, last_error)
        passage = Passage(trace, group, health, self._counts)
        try:
            if not passage.take_permit_nowait():
                if group.gate.held_until > horizon(trace):  # which it would reach in time at the best
                    await self._pass_gate(group, trace, last_error)
                await self._wait_for_permit(passage, trace, last_error)
            while True:
                if trio.current_time() < group.gate.held_until:
                    await self._pass_gate(group, trace, last_error)
                if group.rate is None:
                    break
                await self._pass_rate(group.rate, passage, trace, last_error)
                if trio.current_time() >= group.gate.held_until:
                    break
                passage.give_reservation_back()
            self._pass_circuit(health, trace, last_error)
            if not passage.begin(trio.current_time()):
                assert last_error is not None
                raise not_retried(self._refused(trace, last_error), BUDGET_SPENT)
        except BaseException:
            passage.cut_off("no")
            raise
        return passage

    def _pass_circuit(self, health: OriginHealth, trace: CallTrace, last_error: APIError | None) -> None:
        if health.circuit is None:
            return
        now = trio.current_time()
        due = health.circuit.due(now)
        if due is None:
            return
        message = f"too much has failed at this origin; it is tried again in {due - now:.3g} s at the latest"
        raise self._refused(trace, last_error, message, due, CircuitOpenError)

    async def _wait_for_permit(self, passage: Passage, trace: CallTrace, last_error: APIError | None) -> None:
        with self._counts.resting, trio.CancelScope(deadline=trace.deadline):
            await passage.take_permit()
            return
        deadline = trace.call.settings.deadline
        message = f"the deadline of {deadline:g} s passed (waiting for one of the calls at once)"
        raise self._refused(trace, last_error, message)

    async def _pass_gate(self, group: LimitGroup, trace: CallTrace, last_error: APIError | None) -> None:
        with self._counts.resting:
            while (now := trio.current_time()) < group.gate.held_until:
                opens_at = group.gate.opens_at(now, self.draw())
                if opens_at > horizon(trace):
                    wait = f"the server asked all calls to wait another {opens_at - now:.3g} s"
                    raise self._refused(trace, last_error, f"{wait}, past this call's deadline", opens_at)
                await trio.sleep_until(opens_at)

    async def _pass_rate(
        self, rate: RateLimiter, passage: Passage, trace: CallTrace, last_error: APIError | None
    ) -> None:
        try:
            with self._counts.resting:
                passage.reservation = await rate.reserve(trace.call.priced, until=horizon(trace))
        except TooLate as late:
            wait = f"the rate lets this call begin in {late.ready_at - trio.current_time():.3g} s"
            raise self._refused(trace, last_error, f"{wait}, past this call's deadline", late.ready_at) from None
        except LimitExceeded as unfit:
            now = trio.current_time()
            error = trace.error(LimitExceeded, unfit.message, now, limit=unfit.limit, value=unfit.value)
            error.advice = unfit.advice
            raise error from None

    def _refused(
        self,
        trace: CallTrace,
        last_error: APIError | None,
        message: str = "",
        due: float | None = None,
        kind: type[APIError] = DeadlineExceeded,
    ) -> APIError:
        """The error of a call that may not, or not in time; `due` is the instant at which one may."""
        now = trio.current_time()
        retry_at = None if due is None else self.wall() + due - now
        if last_error is None:
            return trace.error(kind, message, now, retry_at=retry_at)
        last_error.elapsed = now - trace.started
        if retry_at is not None:
            last_error.retry_at = utc(retry_at)
        return last_error

    # After one.

    def failed(self, trace: CallTrace, passage: Passage | None, failure: Failure, sent: Sent) -> None:
        """An attempt has; without `passage` it passed no guard, but from now on there is something to watch."""
        if passage is None:
            group, health = self.group(trace.call), self.health(trace.call.target.origin)
            passage = Passage(trace, group, health, self._counts)
        passage.ended(failure, sent, trio.current_time())

    def went_well(self, trace: CallTrace, passage: Passage | None, answer: Answer, sent: Sent) -> Answer:
        """An attempt did. Gives the answer to be used from now on."""
        if passage is None:
            self._went_well_unguarded(trace.call)
        else:
            passage.ended(answer, sent, trio.current_time())
            answer = passage.leave(answer)
        self.relax(trace.call)
        return answer

    def _went_well_unguarded(self, call: PreparedCall) -> None:
        """It began before the first of those that failed, and belongs to the same crowd."""
        group, health = self._groups.get(self._key(call)), self._origins.get(call.target.origin)
        if group is not None:
            group.ended(False, trio.current_time(), self._counts.on_the_wire, counted=False)
        if health is not None and health.budget is not None:
            health.budget.succeeded()

    def circuit_due(self, call: PreparedCall, now: float) -> float:
        """The instant at which the circuit lets the next attempt go; ``-inf`` where it is closed."""
        circuit = self.health(call.target.origin).circuit
        due = None if circuit is None else circuit.due(now)
        return -math.inf if due is None else due

    def relax(self, call: PreparedCall) -> None:
        """Forget what is at rest: `call` has ended."""
        if self._always or self._counts.sleeping:
            return  # who sleeps has failed before, and will ask what is left of the budget
        key, origin = self._key(call), call.target.origin
        group, health = self._groups.get(key), self._origins.get(origin)
        if group is not None and group.at_rest(trio.current_time()):
            del self._groups[key]
        if health is not None and health.at_rest:
            del self._origins[origin]
        self.watchful = bool(self._groups or self._origins)

    def may_retry(self, trace: CallTrace, status: int | None) -> bool:
        """Whether the budget has enough left for a retry after this. It is taken when the retry is sent."""
        budget = self.health(trace.call.target.origin).budget
        if budget is None:
            return True
        trace.next_retry_cost = budget.cost_of(status)
        return budget.may_spend(trace.next_retry_cost, self._counts.in_flight)

    def _join_run(self) -> None:
        """Forget what belongs to another trio run, whose instants are on another clock."""
        token = trio.lowlevel.current_trio_token()
        if token is not self._token:
            self._token = token
            self._clock = trio.lowlevel.current_clock()
            self._groups.clear()
            self._origins.clear()

    # Who is who.

    def group(self, call: PreparedCall) -> LimitGroup:
        """The one whose limits `call` shares."""
        return self.group_of(self._key(call))

    def group_of(self, key: Hashable) -> LimitGroup:
        """By its name, or by an origin."""
        self._join_run()
        return self._kept(self._groups, key, self._new_group)

    def health(self, origin: Origin) -> OriginHealth:
        return self._kept(self._origins, origin, self._new_health)

    # How things stand.

    def held_until(self, key: Hashable) -> float | None:
        """The instant until which the gate of a group holds calls back; None while it is open."""
        self._join_run()
        group = self._groups.get(key)
        now = trio.current_time()
        if group is None or now >= group.gate.held_until:
            return None
        return group.gate.opens_at(now, self.draw())

    def reading(self, key: Hashable, origin: Origin) -> tuple[LimitGroupStatistics, OriginStatistics]:
        """How a group and an origin stand. Makes neither."""
        group, health = self._groups.get(key), self._origins.get(origin)
        return (
            self._group_statistics(key, self._new_group() if group is None else group),
            self._origin_statistics(origin, self._new_health() if health is None else health),
        )

    def group_statistics(self) -> tuple[LimitGroupStatistics, ...]:
        """Of those that are or were limited, or had trouble lately."""
        return tuple([self._group_statistics(key, group) for key, group in list(self._groups.items())])

    def origin_statistics(self) -> tuple[OriginStatistics, ...]:
        """Of those that have a circuit breaker, or had trouble lately."""
        return tuple([self._origin_statistics(origin, health) for origin, health in list(self._origins.items())])

    def _group_statistics(self, key: Hashable, group: LimitGroup) -> LimitGroupStatistics:
        return group.statistics(_named(key), self._now())

    def _origin_statistics(self, origin: Origin, health: OriginHealth) -> OriginStatistics:
        return health.statistics(_named(origin), self._now(), self._counts.in_flight)

    def _now(self) -> float:
        # Statistics are read from any thread, where trio has no current time.
        return self._clock.current_time() if self._clock is not None else 0.0

    @staticmethod
    def _key(call: PreparedCall) -> Hashable:
        return call.settings.limit_group or call.target.origin

    def _new_group(self) -> LimitGroup:
        options = self._options
        rate = options.rate
        return LimitGroup(
            jitter=options.policy.jitter,
            max_at_once=options.max_at_once,
            concurrency=options.concurrency,
            ceiling=options.ceiling,
            rate=rate if rate is None or isinstance(rate, RateLimiter) else RateLimiter(rate),
        )

    def _new_health(self) -> OriginHealth:
        return OriginHealth(self._options.policy.budget, self._options.breaker)

    def _kept(self, kept: dict[Any, KeptT], key: Hashable, make: Callable[[], KeptT]) -> KeptT:
        one = kept.get(key)
        if one is None:
            if len(kept) >= _MOST_KEPT:
                oldest_idle = next((key for key, other in kept.items() if other.idle), None)
                if oldest_idle is not None:  # else there are as many as calls in flight
                    del kept[oldest_idle]
            one = kept[key] = make()
            self.watchful = True
        return one


def _named(key: Hashable) -> str:
    return f"{key.scheme}://{key.authority}" if isinstance(key, Origin) else str(key)


def not_retried(error: APIError, reason: str) -> APIError:
    """The error, saying why its call is not tried again."""
    error.message += f"; not retried: {reason}"
    return error
