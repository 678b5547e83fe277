"""Go on or give up: one pure decision from what came of an attempt.

The rules, in the order they are asked; the first that says no ends the call:

1. A fault that another attempt would only repeat is final: a bound that was hit, an answer
   that cannot be decoded.
2. An answer is retried if its status is, or as ``x-should-retry`` says. An attempt without a
   whole answer (no connection, broken off, malformed, timed out) is retried.
3. At most `max_retries` retries.
4. The body can be sent again exactly as it was.
5. An unkeyed call whose bytes may have reached the server: as `RetryPolicy.replay_unkeyed` says.
6. A delay named by the server is at most `RetryPolicy.max_retry_after`.
7. The retry budget has enough left (`budget.BudgetMeter`).
8. The circuit of the origin will be closed by then, or let a probe go (`breaker.Circuit`).
9. The next attempt would not start after the deadline.

The delay, with ``draw`` one random number in [0, 1) and ``n`` the retries already taken:

    the server named d      d * (1 + jitter * draw)                          never less than d
    it did not              min(initial_delay * 2**n, max_delay) * (1 - jitter * draw)

and never less than what is left until the gate of its limit group (`gate.Gate`) opens.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Literal, cast

import msgspec
from msgspec.structs import force_setattr

from .._faults import ClosedFault, CodingFault, LimitFault, TimeoutFault
from .._types import checked_seconds
from .budget import RetryBudget
from .retry_after import server_delay, should_retry

if TYPE_CHECKING:
    from .._faults import Fault
    from .._types import RawHeaders, Sent

__all__ = [
    "BUDGET_SPENT",
    "CIRCUIT_OPEN",
    "DelaySource",
    "Outcome",
    "OutcomeKind",
    "Retry",
    "RetryPolicy",
    "Stop",
    "decide",
    "gate_delay",
    "named_retry_at",
    "outcome_of_answer",
    "outcome_of_fault",
]

OutcomeKind = Literal["answer", "disconnect", "timeout", "final"]
"""A whole answer; none, or not a whole one; a phase timed out; nothing a retry would mend."""

DelaySource = Literal["server", "back-off", "gate"]
"""Who set the delay: this answer, the policy, or an earlier answer to another call."""

BUDGET_SPENT: Final = "the retry budget is spent"
CIRCUIT_OPEN: Final = "the circuit is open"
"""Reasons of a `Stop` that lie in what became of other calls."""

_GATED_STATUSES: Final = frozenset({429, 503})
_MOST_DOUBLINGS: Final = 1000
"""2.0 ** 1024 would overflow; long before that, `max_delay` has the word."""
_YEAR_10000: Final = 253_402_300_800.0
"""Seconds since the epoch that no calendar of Python reaches."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When and how soon a failed attempt is followed by another. Delays are seconds.

    How often is `max_retries` of the client or the call. Raises TypeError or ValueError naming
    the field.
    """

    initial_delay: float = 0.5
    """Back-off before the first retry; doubled for each one after it."""
    max_delay: float = 8.0
    """The back-off grows no further than this."""
    jitter: float = 0.25
    """Share of a delay left to chance, 0 to 1: taken off a back-off, added to a server's delay."""
    max_retry_after: float = 120.0
    """A server that asks for more is not waited for: the call fails at once, with `retry_at`."""
    statuses: Collection[int] = frozenset({408, 409, 429})
    """Statuses, 300 to 599, that are retried."""
    server_errors: bool = True
    """Whether every 5xx is retried besides `statuses`."""
    replay_unkeyed: bool = True
    """Whether a call that has no idempotency key, and needs one by its method, is retried although
    its bytes may have reached the server, which may then act twice. False retries it only where
    no byte was sent, whatever the server says. Nor is a 307 or 308 followed then that wants the
    request again, or a challenge of an auth flow answered.
    """
    gate: bool = True
    """Whether a 429 or 503 that names a delay holds back the other calls of its limit group as well."""
    budget: RetryBudget | None = RetryBudget()
    """What bounds the retries of all calls together, so that they do not make an outage worse. None: nothing."""

    def __post_init__(self) -> None:
        for name in ("initial_delay", "max_delay", "jitter", "max_retry_after"):
            force_setattr(self, name, checked_seconds(getattr(self, name), f"retry.{name}"))
        for name in ("initial_delay", "max_delay"):
            if getattr(self, name) == math.inf:
                raise ValueError(f"retry.{name} must be a finite number of seconds")
        if self.jitter > 1.0:
            raise ValueError(f"retry.jitter must be a share from 0 to 1, not {self.jitter!r}")
        force_setattr(self, "statuses", _checked_statuses(self.statuses))
        for name in ("server_errors", "replay_unkeyed", "gate"):
            value: object = getattr(self, name)
            if not isinstance(value, bool):
                raise TypeError(f"retry.{name} must be True or False, not {value!r}")
        if self.budget is not None and not isinstance(self.budget, RetryBudget):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
            raise TypeError(f"retry.budget must be a RetryBudget or None, not {self.budget!r}")

    def retries_status(self, status: int) -> bool:
        """Whether an answer of this status is retried where it does not say so itself."""
        return status in self.statuses or (self.server_errors and status >= 500)


def _checked_statuses(statuses: object) -> frozenset[int]:
    if isinstance(statuses, (str, bytes)) or not isinstance(statuses, Collection):
        raise TypeError(f"retry.statuses must be a set of ints, not {statuses!r}")
    checked: set[int] = set()
    for status in cast("Collection[object]", statuses):
        if isinstance(status, bool) or not isinstance(status, int):
            raise TypeError(f"retry.statuses must hold ints, not {status!r}")
        if not 300 <= status <= 599:
            raise ValueError(f"retry.statuses must hold statuses from 300 to 599, not {status!r}")
        checked.add(status)
    return frozenset(checked)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one failed attempt, as far as the decision needs it."""

    kind: OutcomeKind
    sent: Sent
    """Whether the request's bytes reached the server."""
    keyed: bool
    """Whether a second delivery does no harm: an idempotent method, or an idempotency key."""
    replayable: bool
    """Whether the body can be sent again."""
    status: int | None = None
    """Of the answer; None where there was no whole one."""
    should_retry: bool | None = None
    """The server's verdict; None where it gave none."""
    server_delay: float | None = None
    """Seconds the server asks to wait; None where it named none."""


class Retry(msgspec.Struct, frozen=True):
    """Attempt again, `delay` seconds from now."""

    delay: float
    reason: str
    source: DelaySource


class Stop(msgspec.Struct, frozen=True):
    """Give up now."""

    reason: str
    retry_at: float | None
    """When the server said to come back, in seconds since the epoch and before the year 10000;
    None where it did not say.
    """


def outcome_of_answer(status: int, headers: RawHeaders, wall: float, *, keyed: bool, replayable: bool) -> Outcome:
    """The outcome of a whole answer that says no. `wall` is seconds since the epoch."""
    return Outcome(
        kind="answer",
        sent="yes",
        keyed=keyed,
        replayable=replayable,
        status=status,
        should_retry=should_retry(headers),
        server_delay=server_delay(headers, wall),
    )


def outcome_of_fault(fault: Fault, *, sent: Sent, keyed: bool, replayable: bool) -> Outcome:
    """The outcome of an attempt that brought no whole answer."""
    kind: OutcomeKind = "disconnect"
    if isinstance(fault, TimeoutFault):
        kind = "timeout"
    elif isinstance(fault, (ClosedFault, CodingFault, LimitFault)):
        kind = "final"
    return Outcome(kind=kind, sent=sent, keyed=keyed, replayable=replayable)


def decide(
    policy: RetryPolicy,
    outcome: Outcome,
    *,
    retries_taken: int,
    max_retries: int,
    now: float,
    deadline: float,
    wall: float,
    draw: float,
    held_until: float = -math.inf,
    budget_left: bool = True,
    circuit_due: float = -math.inf,
) -> Retry | Stop:
    """Whether the call goes on, and when.

    `now`, `deadline` (``inf`` for none) and `held_until` are instants on one monotonic clock,
    `wall` is seconds since the epoch, `draw` a random number in [0, 1). `held_until` is when
    the gate opens for this call, asked before this outcome closes the gate itself. `budget_left`
    says whether the budget has enough for a retry, `circuit_due` when the circuit lets one go.
    """
    cause, retried = _cause(policy, outcome)
    refusal = _refusal(policy, outcome, retries_taken, max_retries) if retried else cause
    if refusal is None and not budget_left:
        refusal = BUDGET_SPENT
    if refusal is None:
        delay, source = _delay(policy, outcome, retries_taken, draw)
        held = held_until - now
        if held > delay:
            delay, source = held, "gate"
        if now + delay < circuit_due:
            return Stop(CIRCUIT_OPEN, wall + circuit_due - now)
        if now + delay <= deadline:
            return Retry(delay, cause, source)
        refusal = f"the next attempt, {delay:.2f} s from now, would start after the deadline"
    return Stop(refusal, named_retry_at(outcome, wall))


def gate_delay(policy: RetryPolicy, outcome: Outcome) -> float | None:
    """Seconds for which this outcome closes the client's gate, None if it does not.

    A delay above `max_retry_after` closes nothing: it is not waited for, so it must not hold up
    every other call for so long either.
    """
    delay = outcome.server_delay
    if not policy.gate or outcome.status not in _GATED_STATUSES or delay is None:
        return None
    return delay if delay <= policy.max_retry_after else None


def _cause(policy: RetryPolicy, outcome: Outcome) -> tuple[str, bool]:
    """What happened, in a few words, and whether that alone is worth another attempt."""
    if outcome.kind == "final":
        return "another attempt would end the same way", False
    if outcome.kind == "timeout":
        return "the attempt timed out", True
    if outcome.status is None:
        return "no whole answer came", True
    if outcome.should_retry is not None:
        return f"status {outcome.status}, x-should-retry: {str(outcome.should_retry).lower()}", outcome.should_retry
    if policy.retries_status(outcome.status):
        return f"status {outcome.status}", True
    return f"status {outcome.status} is not retried", False


def _refusal(policy: RetryPolicy, outcome: Outcome, retries_taken: int, max_retries: int) -> str | None:
    """Rules 3 to 6: why there is no other attempt, though what happened would be worth one."""
    if max_retries == 0:
        return "retries are turned off"
    if retries_taken >= max_retries:
        return "retries used up"
    if not outcome.replayable:
        return "the body cannot be sent again"
    if not (outcome.keyed or outcome.sent == "no" or policy.replay_unkeyed):
        return "the call has no idempotency key and may have reached the server"
    if outcome.server_delay is not None and outcome.server_delay > policy.max_retry_after:
        most = f"max_retry_after ({policy.max_retry_after:g} s)"
        return f"the server asks for {outcome.server_delay:g} s, more than {most}"
    return None


def _delay(policy: RetryPolicy, outcome: Outcome, retries_taken: int, draw: float) -> tuple[float, DelaySource]:
    if outcome.server_delay is not None:
        return outcome.server_delay * (1.0 + policy.jitter * draw), "server"
    back_off = min(policy.initial_delay * 2.0 ** min(retries_taken, _MOST_DOUBLINGS), policy.max_delay)
    return back_off * (1.0 - policy.jitter * draw), "back-off"


def named_retry_at(outcome: Outcome, wall: float) -> float | None:
    """When the server said to come back, in seconds since the epoch; see `Stop.retry_at`."""
    if outcome.server_delay is None:
        return None
    retry_at = wall + outcome.server_delay
    return retry_at if retry_at < _YEAR_10000 else None
