"""A row of the matrix: a fault, and what is to come of it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Union

from far_ends import OpenFarEnd
from shapes import Thing

from trioclient import APIError, DeadlineExceeded

__all__ = ["KINDS", "PATIENCE", "SHORT", "Case", "Expected", "Fails", "Gives", "Kind"]

Kind = Literal["connect", "TLS", "head", "body", "connection", "semantics", "payload", "process"]
KINDS: tuple[Kind, ...] = ("connect", "TLS", "head", "body", "connection", "semantics", "payload", "process")

PATIENCE = 10.0  # seconds: against a hang, not a measure of anything
SHORT = 0.4  # seconds for what must time out; as long as a busy process may stand still


class Fails(NamedTuple):
    """The call fails with exactly this class."""

    error: type[APIError]
    sent: str = "yes"
    """Or several, with a slash between them, where the network decides."""
    attempts: int = 1
    saying: str = ""
    """Words of the error."""


class Gives(NamedTuple):
    """The call succeeds."""

    value: Any = ...
    """`Shape.value` unless given."""
    attempts: int | None = 1
    """None where time decides."""


Expected = Union[Fails, Gives]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One fault, served to every shape of call and to both clients."""

    kind: Kind = "connect"
    name: str
    far_end: OpenFarEnd
    expected: Expected
    post: Expected | None = None
    """Of a POST, where that differs."""
    stream: Expected | None = None
    """Of a stream, where that differs."""
    deadline: float = PATIENCE
    timeouts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Phases with a timeout of their own."""
    retries: int = 0
    good_calls: int = 0
    """Made first, on the same client."""
    client: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """More arguments for it."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cast_to: Any = Thing
    body: Any = None
    """In place of the small one that a POST and a stream have; bytes are sent as they are."""
    bloats: bool = False
    """A client without bounds would swallow more than there is."""
    linux_only: str = ""
    """Why, if so."""

    @property
    def waits(self) -> bool:
        """Whether time must pass before it fails."""
        return bool(self.timeouts) or self.deadline < PATIENCE

    @property
    def possible(self) -> bool:
        """Whether this system can stage it."""
        return sys.platform == "linux" or not self.linux_only

    def expected_of(self, shape: str) -> Expected:
        """What is to come of a call of this shape."""
        own = {"POST": self.post, "stream": self.stream}.get(shape)
        return self.expected if own is None else own

    def ends_by(self, shape: str) -> float:
        """Seconds after which such a call must have ended."""
        expected = self.expected_of(shape)
        if not self.timeouts or not isinstance(expected, Fails) or expected.error is DeadlineExceeded:
            return self.deadline
        return expected.attempts * max(self.timeouts.values())
