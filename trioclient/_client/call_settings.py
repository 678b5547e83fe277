"""How often and for how long a call is tried: the client's settings, and what a call's options
say instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._types import RequestOptions, Timeouts, checked_bool, checked_int, checked_seconds

if TYPE_CHECKING:
    from .._engine.call import CallSettings

__all__ = ["settings_with"]


def settings_with(settings: CallSettings, options: RequestOptions) -> CallSettings:
    """`settings` with what `options` has of them. Raises TypeError or ValueError naming the option."""
    said: dict[str, Any] = {}
    if "timeout" in options:
        said["timeouts"] = Timeouts.of(options["timeout"], "options['timeout']")
    if "deadline" in options:
        said["deadline"] = checked_seconds(options["deadline"], "options['deadline']")
    if "max_retries" in options:
        said["max_retries"] = checked_int(options["max_retries"], "options['max_retries']")
    if "follow_redirects" in options:
        said["follow_redirects"] = checked_bool(options["follow_redirects"], "options['follow_redirects']")
    if "idle_timeout" in options:
        said["idle_timeout"] = checked_seconds(options["idle_timeout"], "options['idle_timeout']")
    return settings._replace(**said) if said else settings
