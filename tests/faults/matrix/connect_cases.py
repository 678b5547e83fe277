"""No connection: nobody there, nobody known by that name, nobody who picks up."""

from __future__ import annotations

from functools import partial

import names
from case import SHORT, Case, Fails, Gives
from far_ends import (
    greets,
    has_no_socket,
    named,
    named_slowly,
    refuses,
    takes_no_call,
    with_two_addresses,
)

from trioclient import APIConnectionError, APITimeoutError, DeadlineExceeded
from trioclient.testing import drop

__all__ = ["CASES"]

_case = partial(Case, kind="connect")
_NOBODY = Fails(APIConnectionError, "no")
_BACKLOG = "other systems answer the SYN whatever the backlog"

CASES = [
    _case(name="refused", far_end=refuses, expected=_NOBODY._replace(saying="refused")),
    _case(name="refused three times", far_end=refuses, retries=2, expected=_NOBODY._replace(attempts=3)),
    _case(
        name="no such Unix socket",
        far_end=has_no_socket,
        expected=_NOBODY._replace(saying="no such file"),
        linux_only="Windows has none",
    ),
    _case(name="unknown name", far_end=named("unknown.test", names.unknown), expected=_NOBODY),
    _case(
        name="name server down",
        far_end=named("unsure.test", names.unsure),
        retries=1,
        expected=Fails(APIConnectionError, "no", 2, "temporary failure"),
    ),
    _case(name="name without address", far_end=named("nothing.test", names.nothing), expected=_NOBODY),
    _case(
        name="slow name, deadline",
        far_end=named_slowly("slow.test"),
        deadline=SHORT,
        expected=Fails(DeadlineExceeded, "no", saying="connect"),
    ),
    _case(
        name="slow name, connect timeout",
        far_end=named_slowly("slower.test"),
        timeouts={"connect": SHORT},
        expected=Fails(APITimeoutError, "no", saying="connect"),
    ),
    _case(
        name="first of two addresses refuses",
        far_end=with_two_addresses(first="refuses", second_works=True),
        expected=Gives(),
    ),
    _case(
        name="both addresses refuse",
        far_end=with_two_addresses(first="refuses", second_works=False),
        expected=_NOBODY,
    ),
    _case(
        name="first of two addresses is silent",
        far_end=with_two_addresses(first="takes no call", second_works=True),
        expected=Gives(),
        linux_only=_BACKLOG,
    ),
    _case(
        name="SYN unanswered, connect timeout",
        far_end=takes_no_call,
        timeouts={"connect": SHORT},
        expected=Fails(APITimeoutError, "no", saying="connect"),
        linux_only=_BACKLOG,
    ),
    _case(
        name="SYN unanswered, deadline",
        far_end=takes_no_call,
        deadline=SHORT,
        expected=Fails(DeadlineExceeded, "no", saying="connect"),
        linux_only=_BACKLOG,
    ),
    _case(name="accepted, then closed", far_end=greets(drop()), expected=Fails(APIConnectionError, "maybe")),
    # A reset may come before the client has seen that it is connected.
    _case(
        name="accepted, then reset",
        far_end=greets(drop(reset=True)),
        expected=Fails(APIConnectionError, "no/maybe"),
    ),
    _case(name="closed once, then fine", far_end=greets(drop()), retries=1, expected=Gives(attempts=2)),
]
