"""What a run fails of, and which outcome makes it fail.

The first error is the one that counts; it is kept until the caller has had what was finished
before it. What another does to the calls that still run depends on why:

    on_error="stop"     one call failed, the rest is well: let them finish
    on_error="cancel"   one call failed, and that makes the rest worthless: cancel them
    stop_when           calls fail in numbers: cancel them

The last one cancels because of what calls do that are about to fail: they sleep in a back-off to
send another request, or sit out a timeout of minutes. To wait for them would go on with what was
to be stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from .._errors import APIError, FanOutStopped
from .._policy.failing import Failing, FailureWindow

if TYPE_CHECKING:
    from .fan_out_account import Account

__all__ = ["OnError", "RunFailure"]

OnError = Literal["collect", "stop", "cancel"]
"""What a failed call does to the others: nothing; start no new ones; cancel those that run."""


class RunFailure:
    """Why a run is to fail, if it is. Raises TypeError or ValueError for settings that make no sense."""

    __slots__ = ("_error", "_failing", "_last", "_on_error", "_own", "_window", "counts")

    def __init__(self, on_error: OnError, stop_when: Failing | None) -> None:
        if on_error not in get_args(OnError):
            raise ValueError(f"on_error must be one of {', '.join(map(repr, get_args(OnError)))}, not {on_error!r}")
        if stop_when is not None:
            _check_stop_when(stop_when, on_error)
        self._on_error: OnError = on_error
        self._failing = stop_when
        self._window = None if stop_when is None else FailureWindow(stop_when)
        self._error: BaseException | None = None
        self._last: Exception | None = None
        self.counts = stop_when is not None
        """Whether `judge` wants to know of successes too."""
        self._own: APIError | None = None

    def add(self, error: BaseException) -> None:
        """Only the first is kept."""
        if self._error is None:
            self._error = error

    def add_own(self, error: APIError) -> None:
        """One that the run itself has made: nobody's outcome."""
        if self._error is None:
            self._error = self._own = error

    def judge(self, error: Exception | None) -> OnError:
        """What the outcome of one call, a success if None, does to the others."""
        if self._window is not None:
            return self._count(self._window, error)
        if error is not None and self._on_error != "collect":
            self.add(error)
            return self._on_error
        return "collect"

    def _count(self, window: FailureWindow, error: Exception | None) -> OnError:
        assert self._failing is not None
        failed = isinstance(error, self._failing.kinds)
        if failed:
            self._last = error
        if not window.record(failed):
            return "collect"
        stopped = FanOutStopped(
            f"{window.failures} of the last {self._failing.of} calls failed; at a share of "
            f"{self._failing.share:g} the fan-out was to stop"
        )
        stopped.__cause__, self._last = self._last, None
        self.add_own(stopped)
        return "cancel"

    def end(self, account: Account) -> None:
        """The run is over, and what its own error has to tell is known."""
        self._last = None
        if self._own is not None:
            self._own.elapsed = account.ended - account.began
            self._own.sent = account.sent

    def throw(self) -> None:
        """Raise, once, what the run failed of; nothing if it did not."""
        error, self._error = self._error, None
        self._own = None
        if isinstance(error, StopAsyncIteration):
            # As itself it would end the caller's loop without a word.
            raise RuntimeError("the call raised StopAsyncIteration") from error  # noqa: TRY004
        if error is not None:
            raise error


def _check_stop_when(stop_when: object, on_error: OnError) -> None:
    if not isinstance(stop_when, Failing):
        raise TypeError(f"stop_when must be a Failing or None, not {stop_when!r}")
    if on_error != "collect":
        raise ValueError(f'stop_when goes with on_error="collect": with "{on_error}" the first failure ends the run')
