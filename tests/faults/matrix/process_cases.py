"""The server is a process of its own: killed, stopped, started anew, short of descriptors."""

from __future__ import annotations

from functools import partial

from case import SHORT, Case, Fails, Gives
from child import child

from trioclient import APIConnectionError, APIStreamError, APITimeoutError, DeadlineExceeded

__all__ = ["CASES"]

_case = partial(Case, kind="process", linux_only="signals and descriptor limits, tried there alone")

CASES = [
    _case(name="killed before it answers", far_end=child("killed, 0"), expected=Fails(APIConnectionError, "maybe")),
    _case(name="killed in the head", far_end=child("killed, 20"), expected=Fails(APIConnectionError)),
    _case(
        name="killed in the body",
        far_end=child("killed, -1"),
        expected=Fails(APIConnectionError),
        stream=Fails(APIStreamError),
    ),
    _case(
        name="killed while idle, started anew",
        far_end=child("serves", between="restart"),
        good_calls=1,
        expected=Gives(),
    ),
    _case(
        name="killed while idle, gone",
        far_end=child("serves", between="kill"),
        good_calls=1,
        expected=Fails(APIConnectionError, "no", saying="refused"),
    ),
    _case(
        name="terminated while idle, gone",
        far_end=child("serves", between="terminate"),
        good_calls=1,
        retries=1,
        expected=Fails(APIConnectionError, "no", 2, "refused"),
    ),
    _case(
        name="stopped before it answers",
        far_end=child("stopped, 0"),
        deadline=SHORT,
        expected=Fails(DeadlineExceeded, "maybe"),
    ),
    _case(
        name="stopped in the body",
        far_end=child("stopped, -1"),
        timeouts={"read": SHORT},
        expected=Fails(APITimeoutError),
        stream=Fails(APIStreamError, saying="read"),
    ),
    _case(
        name="stopped while idle",
        far_end=child("serves", between="stop"),
        good_calls=1,
        deadline=SHORT,
        expected=Fails(DeadlineExceeded, "maybe"),
    ),
    _case(
        name="out of descriptors",
        far_end=child("starved"),
        timeouts={"read": SHORT},
        expected=Fails(APITimeoutError, "maybe", saying="read"),
    ),
    _case(name="slow to accept", far_end=child("slow"), expected=Gives()),
]
