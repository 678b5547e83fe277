"""Shared by the engine's tests: cancelling at a step of the scheduler."""

from __future__ import annotations

from contextvars import ContextVar
from typing import ClassVar

import pytest
import trio


class CancelAtStep(trio.abc.Instrument):
    """Cancels `scope` as soon as the watched tasks have made so many steps."""

    watched: ClassVar[ContextVar[bool]] = ContextVar("watched", default=False)
    """Set in the context of a task that is."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._scope = scope
        self._left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.watched in task.context:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


@pytest.fixture
def cancel_at_step() -> type[CancelAtStep]:
    return CancelAtStep
