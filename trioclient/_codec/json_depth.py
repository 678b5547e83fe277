"""How deeply the arrays and objects of a JSON text are nested, told before it is parsed.

Parsers descend by recursion, so a few kilobytes of ``[`` can exhaust the stack of one, or of
whatever walks the value later. The bound is exact, costs nothing on short bodies, and stays
linear on hostile ones:

1. A text of n bytes nests at most n // 2 deep, as each level opens and closes.
2. It nests at most as deep as it has opening brackets, those inside strings included.
3. Else strings are dropped and all brackets written as ``(`` and ``)``. Deleting every ``()``
   deletes each innermost level, which makes the text exactly one level shallower; once too few
   brackets are left to reach the bound, it holds. Deletion goes on only while it halves the
   text, which keeps the sum linear; what resists is counted bracket by bracket.

All of it runs inside ``bytes`` methods. Text that is not JSON may be judged either way: the
parser refuses it anyhow.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from .._faults import LimitFault

__all__ = ["check_depth"]

_ALL_BYTES: Final = bytes(range(256))
_NOT_OPENING: Final = _ALL_BYTES.translate(None, b"[{")
_NOT_BRACKET_OR_QUOTE: Final = _ALL_BYTES.translate(None, b'[]{}"')
_ONE_KIND: Final = bytes.maketrans(b"[{]}", b"(())")
_AS_STEPS: Final = bytes.maketrans(b"()", b"\x01\xff")  # +1 and -1 as signed bytes
_CHUNK: Final = 65_536


def check_depth(content: bytes, max_depth: int) -> None:
    """Raise ``LimitFault("max_json_depth", max_depth)`` where a JSON text nests deeper."""
    if len(content) // 2 <= max_depth or len(content.translate(None, _NOT_OPENING)) <= max_depth:
        return
    if _deeper_than(max_depth, _brackets(content)):
        raise LimitFault("max_json_depth", max_depth)


def _brackets(content: bytes) -> bytes:
    """The brackets outside strings, as ``(`` and ``)``."""
    # An escaped quote ends no string. Replacing byte for byte is done in place, which is faster.
    content = content.replace(b"\\\\", b"~~").replace(b'\\"', b"~~")
    # Most strings hold no bracket and are by now two quotes side by side. Dropping such a pair
    # leaves every other bracket inside or outside a string as it was.
    brackets = content.translate(_ONE_KIND, _NOT_BRACKET_OR_QUOTE).replace(b'""', b"")
    return b"".join(brackets.split(b'"')[::2]) if b'"' in brackets else brackets


def _deeper_than(depth: int, brackets: bytes) -> bool:
    while len(brackets) // 2 > depth:
        if depth == 0:
            return True
        shallower = brackets.replace(b"()", b"")
        if len(shallower) * 2 > len(brackets):
            return _peak_exceeds(depth, brackets)
        brackets = shallower
        depth -= 1
    return False


def _peak_exceeds(depth: int, brackets: bytes) -> bool:
    steps = memoryview(brackets.translate(_AS_STEPS)).cast("b")
    level = 0
    for start in range(0, len(steps), _CHUNK):
        levels = list(accumulate(steps[start : start + _CHUNK], initial=level))
        if max(levels) > depth:
            return True
        level = levels[-1]
    return False
