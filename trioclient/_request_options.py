"""What one call may say over the defaults of its client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from ._policy.hedge import Hedge
    from ._policy.stall import Stall
    from ._server_sent_event import ServerSentEvent
    from ._types import Headers, Timeout

__all__ = ["RequestOptions"]


class RequestOptions(TypedDict, total=False):
    """What one call may say over the client's defaults; every key may be left out."""

    headers: Headers
    """Laid over every other header layer; an `omit` value deletes the header."""
    params: Mapping[str, object]
    """Query values, nested as JSON would be; ``None`` values are dropped."""
    timeout: float | Timeout | None
    """Per phase and attempt, in seconds, with httpx's meaning; ``None`` is no limit."""
    deadline: float | None
    """Seconds from the start of the call that bound all of it; ``None`` is no limit."""
    max_retries: int
    """Retries after the first attempt, 0 or more."""
    idempotency_key: str
    """Sent unchanged with every attempt in place of a generated key."""
    extra_json: Mapping[str, object]
    """Fields laid over a JSON object body."""
    follow_redirects: bool
    """Follow redirects (default) or raise `APIStatusError` with the 3xx answer."""
    terminal_event: str | Callable[[ServerSentEvent], bool]
    """Of a stream: the name of its last event, or what tells it. The stream ends there; one that
    ends before it raises `APIStreamError`."""
    idle_timeout: float | None
    """Of a stream or an answer left unread: seconds without a byte after which it counts as broken."""
    resume: bool
    """Of a GET stream of events: connect anew where it breaks off or ends, saying which event was the
    last. `max_retries` bounds the connections in a row that bring none; 0 resumes nothing."""
    limit_group: str | None
    """Whose limits the call shares: `max_at_once`, rate, adaptive concurrency and the pause after a
    429. Calls that name none share those of their origin."""
    hedge: Hedge | None
    """Send a second copy where the first one takes long. Only of GET and keyed calls; None: none."""
    stall: Stall | None
    """The least progress a body must make, either way; None is no limit. Not for event streams that
    may be silent for long: for those there is `idle_timeout`."""
    upload_progress: Callable[[int, int | None], object]
    """Called with the bytes of the body sent so far and their number in all, None where nobody
    knows; from 0 again with each attempt. On the thread that runs trio, so it must not block; with a
    blocking ``httpx.Client``, in a worker thread."""
