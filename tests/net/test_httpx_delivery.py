"""What httpcore tells of, and what becomes of `sent`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from trioclient._faults import ProtocolFault
from trioclient._net.httpx_delivery import Delivery
from trioclient._net.protocol import WireRequest

Wire = Callable[..., WireRequest]
CONNECT, SEND, ANSWERED = "connect_tcp.started", "send_request_headers.started", "receive_response_headers.complete"


def told(request: WireRequest, *steps: str) -> list[str]:
    """`sent` after each step; one that is "proxied" is about the request for a tunnel."""
    delivery = Delivery(request)
    seen: list[str] = []
    for step in steps:
        proxied = step.startswith("proxied ")
        method = b"CONNECT" if proxied else request.method.encode()
        info: dict[str, Any] = {"request": SimpleNamespace(method=method)} if step.endswith(SEND) else {}
        delivery.note(step.removeprefix("proxied "), info)
        seen.append(request.sent)
    return seen


@pytest.mark.parametrize(
    ("before", "steps", "sent"),
    [
        ("maybe", [CONNECT, "connect_tcp.complete", SEND, ANSWERED], ["no", "no", "maybe", "yes"]),
        ("maybe", ["connect_unix_socket.started", "connect_unix_socket.failed"], ["no", "no"]),
        ("maybe", [SEND, "send_request_body.started"], ["maybe", "maybe"]),
        # On a connection of its own each, as where the server closes after a challenge.
        ("maybe", [CONNECT, SEND, ANSWERED, CONNECT, SEND], ["no", "maybe", "yes", "yes", "yes"]),
        ("maybe", [CONNECT, SEND, CONNECT], ["no", "maybe", "maybe"]),
        # After a redirect.
        ("yes", [CONNECT, SEND], ["yes", "yes"]),
        ("maybe", [CONNECT, "proxied " + SEND, ANSWERED, "start_tls.started"], ["no"] * 4),
        ("maybe", [CONNECT, "proxied " + SEND, ANSWERED, SEND, ANSWERED], ["no", "no", "no", "maybe", "yes"]),
    ],
)
def test_steps(wire: Wire, before: Any, steps: list[str], sent: list[str]) -> None:
    request = wire("POST")
    request.sent = before
    assert told(request, *steps) == sent


def test_what_may_not_go_twice_does_not(wire: Wire) -> None:
    assert told(wire("POST"), SEND, ANSWERED, SEND) == ["maybe", "yes", "yes"]
    with pytest.raises(ProtocolFault, match="must not be repeated"):
        told(wire("POST", replayable=False), SEND, ANSWERED, SEND)
    assert told(wire("POST", replayable=False), CONNECT, "proxied " + SEND, ANSWERED, SEND)[-1] == "maybe"
