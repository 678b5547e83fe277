"""What `with_options` may change: an option's new value, or headers and query values in two forms,
laid over what the client has or in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

from .._types import Headers, NotGiven, Timeout
from .arguments import checked_mapping

if TYPE_CHECKING:
    import httpx

    from .._policy.hedge import Hedge
    from .._policy.stall import Stall

__all__ = ["ClientChanges", "changed", "said"]

ValueT = TypeVar("ValueT")


class ClientChanges(TypedDict, total=False):
    """The arguments of `with_options`. What is left out or `NOT_GIVEN` stays as it is."""

    base_url: str | httpx.URL | None
    """The root of relative paths; None leaves it. Whether a proxy is used stays as it was."""
    max_retries: int | NotGiven
    """Retries after the first attempt, 0 or more."""
    timeout: float | Timeout | NotGiven | None
    """Per phase and attempt, in seconds; None is no limit."""
    deadline: float | NotGiven | None
    """Seconds a whole call may take; None is no limit."""
    hedge: Hedge | NotGiven | None
    """Send second copies of calls that take long; None sends none."""
    stall: Stall | NotGiven | None
    """The least progress a body must make; None is no limit."""
    limit_group: str | NotGiven | None
    """Whose limits the calls share; None stands for those of their origin."""
    custom_headers: Headers | None
    """Laid over those the client has; None changes nothing."""
    set_custom_headers: Headers | None
    """In place of those the client has; None changes nothing."""
    custom_query: Mapping[str, object] | None
    """Laid over the query values the client has; None changes nothing."""
    set_custom_query: Mapping[str, object] | None
    """In place of the query values the client has; None changes nothing."""


_NONE_SAYS_SOMETHING: Final = frozenset(
    {"max_retries", "timeout", "deadline", "hedge", "stall", "limit_group"}
)  # or is an error


def said(changes: ClientChanges) -> dict[str, object]:
    """Those that say something. What they say is for others to check."""
    return {
        name: value
        for name, value in changes.items()
        if not isinstance(value, NotGiven) and (value is not None or name in _NONE_SAYS_SOMETHING)
    }


def changed(
    there: Mapping[str, ValueT],
    changes: Mapping[str, Any],
    name: str,
    laid_over: Callable[[Mapping[str, ValueT], Mapping[str, ValueT]], Mapping[str, ValueT]],
) -> Mapping[str, ValueT]:
    """What is to be `there` from now on, if the changes say anything about `name` in either form.

    Raises TypeError naming the argument.
    """
    set_name = f"set_{name}"
    if set_name in changes:
        if name in changes:
            raise TypeError(f"give {name}, to be laid over what there is, or {set_name}, to take its place; not both")
        return laid_over({}, checked_mapping(changes[set_name], set_name))
    if name in changes:
        return laid_over(there, checked_mapping(changes[name], name))
    return there
