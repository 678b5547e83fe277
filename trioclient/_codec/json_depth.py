"""How deeply the arrays and objects of a JSON text are nested, told before it is parsed.

Parsers descend by recursion, so a few kilobytes of ``[`` can exhaust the stack of one, or of
whatever walks the value later. The bound is exact, costs next to nothing on most bodies, and
stays linear on hostile ones:

1. A text of n bytes nests at most n // 2 deep, as each level opens and closes.
2. It nests at most as deep as it has opening brackets, those inside strings included.
3. Else strings are dropped, and what is left of the text is brackets. Within a short run of
   them the level rises at most by the number of opening ones; only a run that could pass the
   bound in this way is gone through bracket by bracket.

All of it runs inside ``bytes`` methods. Text that is not JSON may be judged either way: the
parser refuses it anyhow.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from .._faults import LimitFault

__all__ = ["check_depth"]

_NOT_BRACKET_OR_QUOTE: Final = bytes(range(256)).translate(None, b'[]{}"')
_AS_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # +1 and -1 as signed bytes
_RISING: Final = b"\x01"
_RUN: Final = 512


def check_depth(content: bytes, max_depth: int) -> None:
    """Raise ``LimitFault("max_json_depth", max_depth)`` where a JSON text nests deeper."""
    if len(content) // 2 <= max_depth:
        return
    steps = _steps(content)
    if steps.count(_RISING) <= max_depth:
        return
    if b"\\" in content:
        # An escaped quote ends no string. Replacing byte for byte is done in place, which is faster.
        steps = _steps(content.replace(b"\\\\", b"~~").replace(b'\\"', b"~~"))
    if _rises_above(max_depth, _outside_strings(steps)):
        raise LimitFault("max_json_depth", max_depth)


def _steps(content: bytes) -> bytes:
    """The brackets, each as the step it takes, and the quotes."""
    return content.translate(_AS_STEPS, _NOT_BRACKET_OR_QUOTE)


def _outside_strings(steps: bytes) -> bytes:
    # Most strings hold no bracket and are by now two quotes side by side. Dropping such a pair
    # leaves every bracket inside or outside a string as it was.
    steps = steps.replace(b'""', b"")
    return b"".join(steps.split(b'"')[::2]) if b'"' in steps else steps


def _rises_above(bound: int, steps: bytes) -> bool:
    level = 0
    for start in range(0, len(steps), _RUN):
        run = steps[start : start + _RUN]
        rising = run.count(_RISING)
        if level + rising > bound and max(accumulate(memoryview(run).cast("b"), initial=level)) > bound:
            return True
        level += 2 * rising - len(run)
    return False
