"""TCP keep-alive: notices a peer that vanished while an answer was awaited.

A network box that forgets an idle connection sends nothing, so a call that waits minutes for
its answer would wait for ever. Probes after 60 s of silence, then every 60 s, five in vain: the
connection counts as broken.
"""

from __future__ import annotations

import socket
from typing import Final

__all__ = ["KEEPALIVE_OPTIONS"]

_SECONDS = 60
_PROBES = 5

# The option for the first probe is TCP_KEEPIDLE, but TCP_KEEPALIVE on macOS.
_TCP_OPTIONS = {
    "TCP_KEEPIDLE": _SECONDS,
    "TCP_KEEPALIVE": _SECONDS,
    "TCP_KEEPINTVL": _SECONDS,
    "TCP_KEEPCNT": _PROBES,
}

KEEPALIVE_OPTIONS: Final[tuple[tuple[int, int, int], ...]] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _TCP_OPTIONS.items()
        if hasattr(socket, name)
    ),
)
"""For ``setsockopt``: those that the platform has."""
