"""Who gets to see attempts: the caller's hooks and the ``trioclient`` logger.

Each attempt is told once, as one frozen record, after its outcome was judged. The record is
made only if somebody looks. A hook that raises is a bug of the caller and ends the call.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from .._attempt_record import AttemptRecord

if TYPE_CHECKING:
    from .._errors import APIError
    from .call import CallTrace

__all__ = ["Hook", "Observer", "configure_logging"]

Hook = Callable[[AttemptRecord], object]

_logger = logging.getLogger("trioclient")
_logger.addHandler(logging.NullHandler())

_LEVEL_VARIABLE = "TRIOCLIENT_LOG"


def configure_logging() -> None:
    """Obey ``TRIOCLIENT_LOG`` (debug, info, warning, error): level, and stderr if nothing else listens."""
    name = os.environ.get(_LEVEL_VARIABLE, "").strip().upper()
    if name not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        return
    _logger.setLevel(name)
    if not any(type(handler) is logging.StreamHandler for handler in _logger.handlers):
        handler = logging.StreamHandler()
        # Asked for each line: a program sets up its own logging after its imports.
        handler.addFilter(lambda record: not logging.getLogger().handlers)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        _logger.addHandler(handler)


class Observer:
    """Tells hooks and the log of attempts."""

    __slots__ = ("_hooks",)

    def __init__(self, hooks: Sequence[Hook]) -> None:
        if not isinstance(hooks, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers
            raise TypeError(f"hooks must be a sequence of functions, not {hooks!r}")
        for hook in hooks:
            if not callable(hook) or inspect.iscoroutinefunction(hook):
                raise TypeError(f"hooks must be sync functions of one AttemptRecord, not {hook!r}")
        self._hooks = tuple(hooks)

    @property
    def watches(self) -> bool:
        """Whether anybody would be told of an attempt that went well."""
        return bool(self._hooks) or _logger.isEnabledFor(logging.DEBUG)

    def attempted(
        self,
        trace: CallTrace,
        *,
        status: int | None,
        error: APIError | None,
        elapsed: float,
        delay: float | None,
        reason: str,
    ) -> None:
        """Tell of one attempt; see `AttemptRecord` for the fields."""
        level = logging.INFO if delay is not None else logging.DEBUG
        logs = _logger.isEnabledFor(level)
        if not self._hooks and not logs:
            return
        record = AttemptRecord(trace.call.record(), trace.retries + 1, status, error, elapsed, delay, reason)
        if logs:
            _logger.log(level, "%s", _line(record))
        for hook in self._hooks:
            hook(record)


def _line(record: AttemptRecord) -> str:
    request = record.request
    outcome = str(record.status) if record.status is not None else type(record.error).__name__
    text = f"{request.method} {request.url} attempt {record.attempt}: {outcome} in {record.elapsed:.3f} s"
    if record.delay is not None:
        return f"{text}, next attempt in {record.delay:.3f} s ({record.reason})"
    return f"{text} ({record.reason})"
