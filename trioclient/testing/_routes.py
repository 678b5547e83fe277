"""Which scripted reply is next for a request."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Union

from ._replies import RawReply, Reply, reply
from ._requests import RecordedRequest

__all__ = ["Answer", "Replier", "Routes", "answer_of"]

Answer = Union[Reply, RawReply]

Replier = Callable[[RecordedRequest], Union[Answer, Awaitable[Answer]]]
"""Makes the answer from the request, whose body is read by then; sync or async."""


class _Route:
    """The replies of one method and path, used up one by one."""

    def __init__(self, replies: tuple[Answer | Replier, ...], repeat_last: bool) -> None:
        self._replies = replies
        self._repeat_last = repeat_last
        self._used = 0

    def next(self) -> Answer | Replier:
        last = len(self._replies) - 1
        position, self._used = self._used, self._used + 1
        if position > last and not self._repeat_last:
            return reply(404, json={"error": f"the {last + 1} scripted replies of this route are used up"})
        return self._replies[min(position, last)]


class Routes:
    """Exact paths first, then the longest prefix (a path ending in ``*``); method ``*`` is any."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], _Route] = {}
        self._prefixes: dict[tuple[str, str], _Route] = {}

    def add(self, method: str, path: str, replies: tuple[Answer | Replier, ...], repeat_last: bool) -> None:
        """Script a route anew. Raises TypeError or ValueError."""
        if not path.startswith(("/", "*")) or "?" in path:
            raise ValueError(f"path must start with '/' and have no query, not {path!r}")
        for entry in replies:
            if not isinstance(entry, (Reply, RawReply)) and not callable(entry):
                raise TypeError(f"a scripted reply is made by reply() and the like, or is a function, not {entry!r}")
        route = _Route(replies or (reply(),), repeat_last)
        if path.endswith("*"):
            self._prefixes[method.upper(), path[:-1]] = route
            self._prefixes = dict(sorted(self._prefixes.items(), key=lambda item: -len(item[0][1])))
        else:
            self._exact[method.upper(), path] = route

    def pick(self, method: str, path: str) -> Answer | Replier:
        """The next reply for a request; a 404 where nothing is scripted."""
        route = self._exact.get((method, path)) or self._exact.get(("*", path))
        if route is not None:
            return route.next()
        for (wanted, prefix), candidate in self._prefixes.items():
            if wanted in {method, "*"} and path.startswith(prefix):
                return candidate.next()
        return reply(404, json={"error": f"no reply is scripted for {method} {path}"})


async def answer_of(entry: Answer | Replier, request: RecordedRequest) -> Answer:
    """Run a scripted function if it is one. Raises what it raises, and TypeError."""
    if isinstance(entry, (Reply, RawReply)):
        return entry
    answer = entry(request)
    return _checked(await answer if inspect.isawaitable(answer) else answer, request)


def _checked(answer: object, request: RecordedRequest) -> Answer:
    if not isinstance(answer, (Reply, RawReply)):
        raise TypeError(f"the function scripted for {request.method} {request.target} returned {answer!r}, not a reply")
    return answer
