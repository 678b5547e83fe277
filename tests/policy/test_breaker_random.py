"""Random attempts through one circuit, against a list of all that ever happened to it."""

from __future__ import annotations

import math
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trioclient._policy.breaker import Circuit, CircuitBreaker, Ticket, Verdict

VERDICTS = st.sampled_from(["good", "bad", "none"])
PAUSES = st.sampled_from([0.0, 0.25, 1.0, 2.0, 4.0, 7.0, 30.0])


class Attempt(NamedTuple):
    ticket: Ticket
    begun: float
    turn: int
    """How often the circuit had opened or closed when it began."""


class Closed(NamedTuple):
    pass


class Opened(NamedTuple):
    at: float
    length: float


class BreakerMachine(RuleBasedStateMachine):
    """Attempts begin and end in any order, go well, fail, are turned away or cancelled, while time passes."""

    @initialize(
        failures=st.sampled_from([0.25, 0.5, 1.0]),
        of=st.integers(1, 5),
        probes=st.integers(1, 3),
        open_for=st.sampled_from([1.0, 4.0]),
        grows_to=st.sampled_from([1, 3, 8]),
    )
    def begin(self, failures: float, of: int, probes: int, open_for: float, grows_to: int) -> None:
        self.options = CircuitBreaker(
            failures=failures, of=of, probes=probes, window=10.0, open_for=open_for, max_open_for=open_for * grows_to
        )
        self.circuit = Circuit(self.options)
        self.now = 1000.0
        self.under_way: list[Attempt] = []
        # The model: what it is, since which turn, and every verdict that was ever counted.
        self.phase: Closed | Opened = Closed()
        self.turn = 0
        self.verdicts: list[tuple[int, float, bool]] = []
        self.good_probes = 0

    def has_place(self, attempt: Attempt) -> bool:
        """Whether it is a probe of now that keeps others from being one."""
        assert isinstance(self.phase, Opened)
        return attempt.turn == self.turn and attempt.begun + self.phase.length > self.now

    def may_begin(self) -> bool:
        if isinstance(self.phase, Closed):
            return True
        if self.now < self.phase.at + self.phase.length:
            return False
        return sum(map(self.has_place, self.under_way)) < self.options.probes

    def failed_too_often(self) -> bool:
        """Of the whole seconds of the window, this one included, counted one by one."""
        recent = [
            bad
            for turn, ended, bad in self.verdicts
            if turn == self.turn and math.floor(ended) > math.floor(self.now) - self.options.window
        ]
        return len(recent) >= self.options.of and sum(recent) >= self.options.failures * len(recent)

    def opens(self, length: float) -> None:
        self.phase = Opened(self.now, min(length, self.options.max_open_for))
        self.turn += 1
        self.good_probes = 0

    def end(self, attempt: Attempt, verdict: Verdict) -> None:
        self.circuit.end(attempt.ticket, verdict, self.now)
        self.counts(attempt, verdict)

    def counts(self, attempt: Attempt, verdict: Verdict) -> None:
        if verdict == "none" or attempt.turn != self.turn:
            return
        if isinstance(self.phase, Closed):
            self.verdicts.append((self.turn, self.now, verdict == "bad"))
            if verdict == "bad" and self.failed_too_often():
                self.opens(self.options.open_for)
        elif verdict == "bad":
            self.opens(self.phase.length * 2)
        else:
            self.good_probes += 1
            if self.good_probes == self.options.probes:
                self.phase = Closed()
                self.turn += 1

    @rule(pause=PAUSES)
    def time_passes(self, pause: float) -> None:
        self.now += pause

    @rule(wanted=st.integers(1, 6))
    def attempts_begin(self, wanted: int) -> None:
        for _ in range(wanted):
            may = self.may_begin()
            assert (self.circuit.due(self.now) is None) is may
            if may:
                self.under_way.append(Attempt(self.circuit.begin(self.now), self.now, self.turn))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), verdict=VERDICTS)
    def one_ends(self, data: st.DataObject, verdict: Verdict) -> None:
        self.end(self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1))), verdict)

    @precondition(lambda self: self.under_way)
    @rule(verdict=VERDICTS)
    def all_end(self, verdict: Verdict) -> None:
        for attempt in self.under_way:
            self.end(attempt, verdict)
        self.under_way.clear()

    @rule(verdicts=st.lists(VERDICTS, min_size=1, max_size=6))
    def some_go_one_after_another(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            self.attempts_begin(1)
            if self.under_way and self.under_way[-1].begun == self.now:
                self.end(self.under_way.pop(), verdict)

    @rule()
    def the_next_instant_is_awaited(self) -> None:
        due = self.circuit.due(self.now)
        if due is not None:
            assert due > self.now
            self.now = due
            assert self.may_begin()
            assert self.circuit.due(due) is None

    @invariant()
    def it_is_the_same_state(self) -> None:
        state = self.circuit.state(self.now)
        if isinstance(self.phase, Closed):
            assert state == "closed"
        else:
            assert state == ("open" if self.now < self.phase.at + self.phase.length else "half-open")

    @invariant()
    def it_names_the_first_instant(self) -> None:
        due = self.circuit.due(self.now)
        assert (due is None) is self.may_begin()
        if due is not None:
            assert isinstance(self.phase, Opened)
            places = [each.begun + self.phase.length for each in self.under_way if self.has_place(each)]
            opens_at = self.phase.at + self.phase.length
            assert due == (opens_at if self.now < opens_at else min(places))

    @invariant()
    def it_is_not_open_for_longer_than_allowed(self) -> None:
        due = self.circuit.due(self.now)
        assert due is None or due <= self.now + self.options.max_open_for

    @invariant()
    def probes_are_bounded(self) -> None:
        if isinstance(self.phase, Opened):
            assert sum(map(self.has_place, self.under_way)) <= self.options.probes

    @invariant()
    def it_is_at_rest_only_while_closed(self) -> None:
        assert not self.circuit.at_rest or isinstance(self.phase, Closed)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=settings.default.max_examples // 2, stateful_step_count=60)


class PoliteMachine(RuleBasedStateMachine):
    """429, cancelled and good attempts never open a circuit, however easily it opens."""

    def __init__(self) -> None:
        super().__init__()
        self.circuit = Circuit(CircuitBreaker(failures=0.001, of=1, window=10.0))
        self.now = 0.0
        self.under_way: list[Ticket] = []

    @rule(pause=PAUSES)
    def time_passes(self, pause: float) -> None:
        self.now += pause

    @rule()
    def one_begins(self) -> None:
        self.under_way.append(self.circuit.begin(self.now))

    @precondition(lambda self: self.under_way)
    @rule(verdict=st.sampled_from(["good", "none"]))
    def one_ends(self, verdict: Verdict) -> None:
        self.circuit.end(self.under_way.pop(), verdict, self.now)

    @invariant()
    def it_stays_closed(self) -> None:
        assert self.circuit.state(self.now) == "closed"
        assert self.circuit.due(self.now) is None
        assert self.circuit.at_rest


TestPoliteMachine = PoliteMachine.TestCase
TestPoliteMachine.settings = settings(max_examples=10, stateful_step_count=40)
