"""The two orders in which a fan-out delivers, one small queue each."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from .fan_out_report import Outcome

__all__ = ["AsFinished", "InOrder", "Order"]

Item = TypeVar("Item")
Value = TypeVar("Value")


class Order(Protocol[Item, Value]):
    """Finished outcomes on their way to the caller."""

    def put(self, outcome: Outcome[Item, Value]) -> bool:
        """Add one. True if `take` has something to give."""
        ...

    def take(self) -> Outcome[Item, Value] | None:
        """The next to deliver, or None if it is not there yet."""
        ...

    def end(self) -> None:
        """Nothing more will be put: do not wait for what is missing."""
        ...

    def __len__(self) -> int: ...


class AsFinished(Generic[Item, Value]):
    """First finished, first delivered."""

    def __init__(self) -> None:
        self._ready: deque[Outcome[Item, Value]] = deque()

    def put(self, outcome: Outcome[Item, Value]) -> bool:
        self._ready.append(outcome)
        return True

    def take(self) -> Outcome[Item, Value] | None:
        return self._ready.popleft() if self._ready else None

    def end(self) -> None:
        pass

    def __len__(self) -> int:
        return len(self._ready)


class InOrder(Generic[Item, Value]):
    """The order of the input; one that finished early waits for its turn."""

    def __init__(self) -> None:
        self._early: dict[int, Outcome[Item, Value]] = {}
        self._next = 0

    def put(self, outcome: Outcome[Item, Value]) -> bool:
        self._early[outcome.index] = outcome
        return outcome.index == self._next

    def take(self) -> Outcome[Item, Value] | None:
        outcome = self._early.pop(self._next, None)
        if outcome is not None:
            self._next += 1
        return outcome

    def end(self) -> None:
        # Cancelled items left gaps: close up, keeping the order.
        self._early = {place: self._early[index] for place, index in enumerate(sorted(self._early), self._next)}

    def __len__(self) -> int:
        return len(self._early)
