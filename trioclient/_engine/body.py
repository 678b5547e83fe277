"""Reading an answer's body: decompressed, bounded, and never mistaken for whole when it is not.

The read timeout starts anew with every KiB that came, not with every byte: a server that drips
single bytes would otherwise hold a call for ever.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .._codec.content import decoder_for
from .._codec.headers import find_all
from .._faults import LimitFault

if TYPE_CHECKING:
    from .._net.protocol import PhaseScope, WireRequest, WireResponse

__all__ = ["read_start", "read_whole"]

_PROGRESS_BYTES = 1024


async def read_whole(response: WireResponse, wire: WireRequest, phases: PhaseScope) -> bytes:
    """All of it. Raises a `Fault` where it is cut short, corrupt or over its bounds."""
    pieces: list[bytes] = []
    await _collect(pieces, response, wire, phases, wire.limits.max_decoded_bytes)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def read_start(response: WireResponse, wire: WireRequest, phases: PhaseScope) -> bytes:
    """As much as an exception keeps of an error answer; what is over that is left unread."""
    pieces: list[bytes] = []
    cap = wire.limits.max_error_body_bytes
    with contextlib.suppress(LimitFault):
        await _collect(pieces, response, wire, phases, cap)
    return b"".join(pieces)[:cap]


async def _collect(
    pieces: list[bytes], response: WireResponse, wire: WireRequest, phases: PhaseScope, max_decoded: int
) -> None:
    codings = find_all(response.headers, b"content-encoding")
    decoder = decoder_for(b", ".join(codings), max_decoded) if codings else None
    max_body = wire.limits.max_body_bytes
    received = progress = 0
    while data := await response.receive():
        received += len(data)
        progress += len(data)
        if progress >= _PROGRESS_BYTES:
            progress = 0
            phases.enter("read", wire.timeouts.read)
        pieces.append(data if decoder is None else decoder.feed(data))
        if received > max_body:
            raise LimitFault("max_body_bytes", max_body)
        if decoder is None and received > max_decoded:
            raise LimitFault("max_decoded_bytes", max_decoded)
    if decoder is not None:
        pieces.append(decoder.finish())
