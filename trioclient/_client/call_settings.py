"""How often and for how long a call is tried: the client's settings, and what is said instead,
by a call's options or by `with_options`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .._policy.hedge import Hedge
from .._policy.stall import Stall
from .._types import Timeouts, checked_bool, checked_int, checked_seconds
from .arguments import checked_limit_group, checked_or_none

if TYPE_CHECKING:
    from .._engine.call import CallSettings

__all__ = ["settings_with"]

# From the name of an option to the field it sets, and what makes the field's value of what was given.
_FIELDS: Final[dict[str, tuple[str, Callable[[Any, str], object]]]] = {
    "timeout": ("timeouts", Timeouts.of),
    "deadline": ("deadline", checked_seconds),
    "max_retries": ("max_retries", checked_int),
    "follow_redirects": ("follow_redirects", checked_bool),
    "idle_timeout": ("idle_timeout", checked_seconds),
    "limit_group": ("limit_group", checked_limit_group),
    "hedge": ("hedge", partial(checked_or_none, Hedge)),
    "stall": ("stall", partial(checked_or_none, Stall)),
}


def settings_with(settings: CallSettings, said: Mapping[str, Any], argument: str = "{}") -> CallSettings:
    """`settings` with what `said` has of them. Raises TypeError or ValueError naming it, as `argument` does."""
    fields: dict[str, Any] = {}
    for name in said.keys() & _FIELDS.keys():
        field, checked = _FIELDS[name]
        fields[field] = checked(said[name], argument.format(name))
    return settings._replace(**fields) if fields else settings
