"""Counts what trioclient does, by Python's own hooks for tracing and profiling."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import trio

import trioclient

__all__ = ["PACKAGE", "Costs", "Meter"]

PACKAGE = Path(trioclient.__file__).parent

Costs = dict[str, dict[str, float]]
"""Of one exchange: figure -> function -> how much of it."""


class Meter(trio.abc.Instrument):
    """Counts what trioclient's own files do, in this thread and those started later.

    Everything goes to lists first: an append is one step, whichever thread makes it.
    """

    def __init__(self) -> None:
        self.counting = False
        self._installed = False
        self._own: dict[CodeType, bool] = {}
        self._instructions: list[CodeType] = []
        self._calls: list[tuple[CodeType, str]] = []
        self._steps: list[str] = []

    def install(self) -> None:
        self._installed = True
        stop_clocks()
        # Python 3.12 asks in settrace() whether any frame wants to see its instructions.
        sys._getframe().f_trace_opcodes = True
        for module in (threading, sys):
            module.setprofile(self._profile)
            module.settrace(self._trace)

    def remove(self) -> None:
        for module in (sys, threading):
            module.settrace(None)
            module.setprofile(None)

    def watch_tasks(self) -> None:
        """Of the trio run that this is called in."""
        if self._installed:
            trio.lowlevel.add_instrument(self)

    def costs(self, times: int) -> Costs:
        """Per exchange, where there were so many."""
        calls = Counter(self._calls).items()
        counts = {
            "instructions": [(label(code), count) for code, count in Counter(self._instructions).items()],
            "calls": [(f"{label(code)}{callee and f' -> {callee}'}", count) for (code, callee), count in calls],
            "steps": list(Counter(self._steps).items()),
        }
        costs: Costs = {figure: Counter() for figure in counts}
        for figure, found in counts.items():
            for function, count in found:
                costs[figure][function] += count / times
        return costs

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.counting:
            self._steps.append(task.name)

    def _is_own(self, code: CodeType) -> bool:
        own = self._own.get(code)
        if own is None:
            own = self._own[code] = code.co_filename.startswith(str(PACKAGE))
        return own

    def _trace(self, frame: FrameType, event: str, arg: object) -> Callable[[FrameType, str, Any], Any] | None:
        if not self._is_own(frame.f_code):
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self._trace_own

    def _trace_own(self, frame: FrameType, event: str, arg: object) -> Callable[[FrameType, str, Any], Any]:
        if self.counting and event == "opcode":
            self._instructions.append(frame.f_code)
        return self._trace_own

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if not self.counting:
            return
        caller = frame.f_back
        if event == "c_call":
            if self._is_own(frame.f_code):
                self._calls.append((frame.f_code, arg.__qualname__))
        elif event == "call":
            if self._is_own(frame.f_code):
                self._calls.append((frame.f_code, ""))
            elif caller is not None and self._is_own(caller.f_code):
                self._calls.append((caller.f_code, qualified_name(frame.f_code)))


def stop_clocks() -> None:
    """Of trioclient's own modules: what it does must not depend on how fast this machine is."""
    clocks = (time.perf_counter, time.monotonic)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "trioclient":
            for attribute, value in list(vars(module).items()):
                if any(value is clock for clock in clocks):
                    setattr(module, attribute, lambda: 0.0)


def label(code: CodeType) -> str:
    return f"{os.path.relpath(code.co_filename, PACKAGE)} {qualified_name(code)}"


def qualified_name(code: CodeType) -> str:
    return code.co_qualname if sys.version_info >= (3, 11) else code.co_name
