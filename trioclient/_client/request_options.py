"""From the arguments of an SDK's method to the options of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from .._request_options import RequestOptions
from .._types import NOT_GIVEN, Headers, NotGiven, Timeout
from .arguments import checked_mapping

if TYPE_CHECKING:
    from .._policy.hedge import Hedge
    from .._policy.stall import Stall
    from .._server_sent_event import ServerSentEvent

__all__ = ["make_request_options"]

_NONE_SAYS_SOMETHING: Final = frozenset({"deadline", "hedge", "idle_timeout", "stall", "timeout"})


def make_request_options(
    *,
    query: Mapping[str, object] | None = None,
    extra_query: Mapping[str, object] | None = None,
    extra_headers: Headers | None = None,
    extra_body: Mapping[str, object] | None = None,
    timeout: float | Timeout | NotGiven | None = NOT_GIVEN,
    deadline: float | NotGiven | None = NOT_GIVEN,
    max_retries: int | NotGiven | None = NOT_GIVEN,
    follow_redirects: bool | NotGiven | None = NOT_GIVEN,
    idempotency_key: str | None = None,
    upload_progress: Callable[[int, int | None], object] | None = None,
    idle_timeout: float | NotGiven | None = NOT_GIVEN,
    terminal_event: str | Callable[[ServerSentEvent], bool] | None = None,
    resume: bool | NotGiven | None = NOT_GIVEN,
    limit_group: str | None = None,
    hedge: Hedge | NotGiven | None = NOT_GIVEN,
    stall: Stall | NotGiven | None = NOT_GIVEN,
) -> RequestOptions:
    """The options of one call, for the methods of an SDK, which hand on what their callers say.

        async def list(self, *, limit: int | None = None, timeout: float | NotGiven | None = NOT_GIVEN):
            options = make_request_options(query={"limit": limit}, timeout=timeout)
            return await self._client.get("/items", cast_to=list[Item], options=options)

    Only what was given is set, so that the client's own defaults hold for the rest. Values are
    checked when the call is made.

    Args:
        query: query values of the method itself.
        extra_query: laid over those.
        extra_headers: laid over all other headers.
        extra_body: fields laid over the body, JSON or a form's.
        timeout: per phase and attempt, in seconds; None is no limit.
        deadline: seconds for the whole call; None is no limit.
        max_retries: after the first attempt.
        follow_redirects: or raise `APIStatusError` with the 3xx answer.
        idempotency_key: in place of a generated one.
        upload_progress: told how much of the body was sent.
        idle_timeout: seconds without a byte of a stream or unread answer; None is no limit.
        terminal_event: the last event of a stream, by its name or by what tells it.
        resume: connect a GET stream anew where it breaks off.
        limit_group: whose limits the call shares, in place of its origin's.
        hedge: send a second copy where the first takes long; None sends none.
        stall: the least progress a body must make; None is no limit.

    Raises TypeError for a `query` or `extra_query` that is no mapping.
    """
    given: dict[str, object] = {
        "headers": extra_headers,
        "params": _laid_over(query, extra_query),
        "timeout": timeout,
        "deadline": deadline,
        "max_retries": max_retries,
        "idempotency_key": idempotency_key,
        "extra_json": extra_body,
        "follow_redirects": follow_redirects,
        "terminal_event": terminal_event,
        "idle_timeout": idle_timeout,
        "resume": resume,
        "upload_progress": upload_progress,
        "limit_group": limit_group,
        "hedge": hedge,
        "stall": stall,
    }
    options = {
        name: value
        for name, value in given.items()
        if not isinstance(value, NotGiven) and (value is not None or name in _NONE_SAYS_SOMETHING)
    }
    return cast("RequestOptions", options)


def _laid_over(query: Mapping[str, object] | None, extra: Mapping[str, object] | None) -> Mapping[str, object] | None:
    if extra is None:
        return query if query is None else checked_mapping(query, "query")
    return {**checked_mapping(query or {}, "query"), **checked_mapping(extra, "extra_query")}
