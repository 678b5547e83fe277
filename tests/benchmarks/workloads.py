"""Everything that is measured, in the order of the report."""

from __future__ import annotations

from cancellation import Cancellation
from event_streams import EventStreams, OneEvent
from imports import Imports
from million import Million
from posts import Posts
from shapes import Page, Reply
from threads import Threads
from workload import Workload

_AT_ONCE = (1, 16, 50, 200, 1000, 4000)
_QUICK = (1, 50, 1000)

_ALL: tuple[Workload, ...] = (
    Posts(
        "post-1k",
        "POST, 868-byte JSON reply",
        far_end="plain",
        path="",
        cast_to=Reply,
        at_once=_AT_ONCE,
        quick=_QUICK,
    ),
    Posts(
        "post-100k",
        "POST, 100 KB nested JSON reply",
        far_end="plain",
        path="/large",
        cast_to=Page,
        at_once=_AT_ONCE,
        quick=_QUICK,
    ),
    Posts(
        "post-tls",
        "POST over TLS, 868-byte JSON reply",
        far_end="tls",
        path="",
        cast_to=Reply,
        at_once=(1, 50),
        quick=(1, 50),
    ),
    Posts(
        "post-delayed",
        "POST to a server that takes 20 ms, 868-byte JSON reply",
        far_end="scripted",
        path="/delayed",
        cast_to=Reply,
        at_once=(50, 1000),
        quick=(50, 1000),
    ),
    Threads(),
    EventStreams(),
    OneEvent(),
    Million(),
    Cancellation(),
    Imports(),
)

WORKLOADS = {workload.name: workload for workload in _ALL}
CONTENDERS = tuple(dict.fromkeys(contender for workload in _ALL for contender in workload.contenders))
