"""Runs cases: each is six cells, a shape of call through a client, and an audit of all of them."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, NamedTuple

import httpx
import msgspec
import trio
from audit import Audit, PeakMemory
from authority import Authority
from case import PATIENCE, Case, Expected, Fails, Gives
from faces import FACES, MARK, Call, Face, Timed
from far_ends import Setting
from names import names
from shapes import NEXT, SHAPES, Shape

from trioclient import APIError, AttemptRecord, TrioTransport

__all__ = ["MOST_MEMORY", "Bench", "CaseResult", "Cell"]

MOST_MEMORY = 64 * 1_048_576
_NEXT = Shape("GET", "GET")


class Cell(NamedTuple):
    """What came of one call."""

    face: str
    shape: str
    outcome: str
    """The error's class, or what stands for none."""
    sent: str
    seconds: float
    late: float
    """Seconds by which it ended later than it must."""
    wrong: list[str]
    """What is not as it was expected."""


class CaseResult(NamedTuple):
    """What came of a case, or of several at once."""

    case: Case
    cells: list[Cell]
    wrong: list[str]
    """What the audit found."""
    memory: int = 0
    """Bytes above what there was before, at the most."""

    @property
    def slowest(self) -> float:
        return max((cell.seconds for cell in self.cells), default=0.0)

    @property
    def late(self) -> float:
        return max((cell.late for cell in self.cells), default=0.0)

    @property
    def complaints(self) -> list[str]:
        """Everything that is wrong, a line each."""
        cells = [f"{self.case.name}, {c.shape}, {c.face}: {wrong}" for c in self.cells for wrong in c.wrong]
        return cells + [f"{self.case.name}: {wrong}" for wrong in self.wrong]


class _Log(logging.Handler):
    """Keeps what is logged, save httpx's own lines, which have the query in them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "httpx":
            self.lines.append(record.getMessage())


class Bench:
    """What the cases share: certificates, names and the log."""

    def __init__(self, log: _Log) -> None:
        self._authority = Authority()
        self._log = log

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Bench]:
        """For the length of a ``with``, around the trio run."""
        logger, log = logging.getLogger("trioclient"), _Log()
        level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(log)
        try:
            with names():
                yield cls(log)
        finally:
            logger.removeHandler(log)
            logger.setLevel(level)

    async def run(self, case: Case) -> CaseResult:
        """All cells of the case at once, and the audit."""
        return (await self.run_all([case]))[0]

    async def run_all(self, cases: Iterable[Case]) -> list[CaseResult]:
        """All cells of these cases at once; the last one has the audit of them all."""
        results = [CaseResult(case, [], []) for case in cases]
        audit = Audit()
        memory = PeakMemory()
        async with trio.open_nursery() as nursery:
            for case, cells, *_ in results:
                for shape in SHAPES:
                    for face in FACES:
                        nursery.start_soon(self._run_cell, case, shape, face, cells)
        results[-1] = results[-1]._replace(memory=memory.grown())
        results[-1].wrong.extend(await audit.complaints())
        if leaked := [line for line in self._log.lines if MARK in line]:
            results[-1].wrong.append(f"a secret was logged: {leaked[0]}")
        self._log.lines.clear()
        return results

    async def _run_cell(self, case: Case, shape: Shape, face: str, cells: list[Cell]) -> None:
        attempts: list[AttemptRecord] = []
        timed = Timed(None, None, 0.0)
        wrong: list[str] = []
        with trio.move_on_after(3 * PATIENCE) as patience:
            async with AsyncExitStack() as stack:
                far_end = await stack.enter_async_context(case.far_end(Setting(shape, self._authority)))
                transport = TrioTransport(
                    ssl_context=self._authority.client, limits=case.client.get("limits"), uds=far_end.uds
                )
                arguments = {"timeout": PATIENCE, "max_retries": case.retries, "hooks": [attempts.append]}
                client = await stack.enter_async_context(
                    FACES[face](transport, base_url=far_end.url, **arguments, **case.client)
                )
                for _ in range(case.good_calls):
                    timed = await client.call(_call(case, shape))
                    wrong += _judged(timed, Gives(), shape)
                await far_end.between()
                attempts.clear()
                timed = await client.call(_call(case, shape))
                expected = case.expected_of(shape.name)
                wrong += _judged(timed, expected, shape)
                if expected.attempts not in (len(attempts), None):
                    wrong.append(f"it took {len(attempts)} attempts")
                if isinstance(timed.error, APIError):
                    wrong += _secrets_in(timed.error, attempts)
                await far_end.recover()
                wrong += await _recovery(client, far_end.next_url or far_end.url)
        if patience.cancelled_caught:
            wrong.append("it hung")
        outcome = "none" if timed.error is None else type(timed.error).__name__
        sent = getattr(timed.error, "sent", "yes")
        late = max(timed.seconds - case.ends_by(shape.name), 0.0)
        cells.append(Cell(face, shape.name, outcome, sent, timed.seconds, late, wrong))


def _call(case: Case, shape: Shape) -> Call:
    options = {"deadline": case.deadline, "timeout": httpx.Timeout(PATIENCE, **case.timeouts), **case.options}
    if not shape.streams:
        options.pop("terminal_event", None)
    body = shape.body if case.body is None or shape.body is None else case.body
    kind = "content" if isinstance(body, bytes) else "body"
    return Call(shape, "thing", {"cast_to": case.cast_to, kind: body, "options": options})


def _judged(timed: Timed, expected: Expected, shape: Shape) -> list[str]:
    error = timed.error
    if not isinstance(expected, Fails):
        if error is not None:
            return [f"it failed: {error!r}"]
        value = msgspec.to_builtins(timed.value)
        wanted = shape.value if expected.value is ... else expected.value
        return [] if value == wanted else [f"it gave {value!r}"]
    if error is None:
        return [f"it gave {timed.value!r}"]
    if type(error) is not expected.error or not isinstance(error, APIError):
        return [f"it failed otherwise: {error!r}"]
    wrong: list[str] = []
    if error.sent not in expected.sent.split("/"):
        wrong.append(f"sent is {error.sent!r}")
    if error.attempts != expected.attempts:
        wrong.append(f"it took {error.attempts} attempts")
    if expected.saying.lower() not in str(error).lower():
        wrong.append(f"it says {error}")
    return wrong


def _secrets_in(error: APIError, attempts: list[AttemptRecord]) -> list[str]:
    pickled = pickle.dumps(error)
    again = pickle.loads(pickled)
    wrong: list[str] = []
    if (type(again), str(again), again.attempts, again.sent) != (type(error), str(error), error.attempts, error.sent):
        wrong.append(f"it is another once pickled: {again!r}")
    assert error.request is not None
    shown = [str(error), repr(error), repr(vars(error)), repr(error.request.headers.raw), str(error.request.url)]
    shown += [repr(pickled), *map(repr, attempts)]
    shown += traceback.format_exception(type(error), error, error.__traceback__)
    return wrong + [f"a secret is told: {text}" for text in shown if MARK in text]


async def _recovery(client: Face, url: str) -> list[str]:
    """The next call on the same client, and what it leaves."""
    options: Any = {"deadline": PATIENCE, "timeout": PATIENCE, "max_retries": 0}
    timed = await client.call(Call(_NEXT, f"{url}next", {"options": options}))
    if timed.error is not None:
        return [f"the next call failed: {timed.error!r}"]
    wrong: list[str] = []
    if timed.value != msgspec.json.decode(NEXT.pieces[0]):
        wrong.append(f"the next call gave {timed.value!r}")
    statistics = client.statistics()
    connections = statistics.connections
    if statistics.in_flight or connections.waiting or connections.open != connections.idle:
        wrong.append(f"something is left: {statistics!r}")
    return wrong
