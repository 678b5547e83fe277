"""Reading an answer's body: decompressed, bounded, and never mistaken for whole when it is not.

The read timeout starts anew with every KiB that came, not with every byte: a server that drips
single bytes would otherwise hold a call for ever.

Of an error answer only the start is kept, and a compression that cannot be undone does not hide
its status.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Final

from .._codec.content import decoder_for
from .._codec.headers import find_all
from .._faults import CodingFault, LimitFault

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .._codec.content import ContentDecoder
    from .._net.protocol import PhaseScope, WireRequest, WireResponse

__all__ = ["decoder_of", "read_start", "read_whole"]

_PROGRESS_BYTES: Final = 1024
_MOST_PIECES: Final = 1024  # not yet joined: of two bytes each, they would take thirty times that
_SIP_BYTES: Final = 64
_MOST_OF_A_SIP: Final = _SIP_BYTES * 1032  # the most that deflate makes of it


def read_whole(response: WireResponse, wire: WireRequest, phases: PhaseScope) -> Awaitable[bytes]:
    """All of it. Raises a `Fault` where it is cut short, corrupt or over its bounds."""
    most = wire.limits.max_decoded_bytes
    return _collect([], response, wire, phases, most, decoder_of(response, most), sys.maxsize)


async def read_start(response: WireResponse, wire: WireRequest, phases: PhaseScope) -> bytes:
    """As much as an exception keeps of an error answer; what is over that is left unread."""
    pieces: list[bytes] = []
    cap = wire.limits.max_error_body_bytes
    with contextlib.suppress(LimitFault, CodingFault):
        # In sips: what a decoder had when it met its bound is lost, and shall be behind the cap.
        decoder = decoder_of(response, cap + _MOST_OF_A_SIP)
        await _collect(pieces, response, wire, phases, cap, decoder, _SIP_BYTES)
    return b"".join(pieces)[:cap]


def decoder_of(response: WireResponse, max_decoded: int) -> ContentDecoder | None:
    """What undoes the codings of an answer, None where it has none. Raises `CodingFault`."""
    if b"content-encoding" not in dict(response.headers):
        return None
    return decoder_for(b", ".join(find_all(response.headers, b"content-encoding")), max_decoded)


async def _collect(
    pieces: list[bytes],
    response: WireResponse,
    wire: WireRequest,
    phases: PhaseScope,
    max_decoded: int,
    decoder: ContentDecoder | None,
    sip: int,
) -> bytes:
    """Add what comes to `pieces`; all of them in one."""
    max_body = wire.limits.max_body_bytes
    received = packed = 0
    renew_at = _PROGRESS_BYTES
    while data := await response.receive():
        received += len(data)
        if received >= renew_at:
            renew_at = received + _PROGRESS_BYTES
            phases.enter("read", wire.timeouts.read)
        if decoder is None:
            pieces.append(data)
        else:
            for start in range(0, len(data), sip):
                pieces.append(decoder.feed(data[start : start + sip]))  # noqa: PERF401 -- keeps what comes before a fault
        if len(pieces) - packed >= _MOST_PIECES:
            pieces[packed:] = [b"".join(pieces[packed:])]
            packed += 1
        if received > max_body:
            raise LimitFault("max_body_bytes", max_body)
        if decoder is None and received > max_decoded:
            raise LimitFault("max_decoded_bytes", max_decoded)
    if decoder is not None:
        pieces.append(decoder.finish())
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
