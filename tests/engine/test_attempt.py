"""One attempt in memory: send, read whole, close. Redirects have a file of their own."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
import trio

from trioclient import BaseClient, Limits
from trioclient import _faults as faults
from trioclient._engine.attempt import RedirectRefused, attempt
from trioclient._engine.call import Answer, PreparedCall
from trioclient._net.protocol import PhaseScope, WireRequest
from trioclient.testing import ScriptedTransport, fault, reply


def prepared(**options: Any) -> PreparedCall:
    return BaseClient(base_url="https://api.test", telemetry=False)._prepare("GET", "/x", options=options)  # type: ignore[arg-type]


async def made(transport: ScriptedTransport, call: PreparedCall, limits: Limits | None = None) -> Answer:
    wire = WireRequest(
        call.method,
        call.target,
        call.header_block,
        call.body,
        call.settings.timeouts,
        limits or Limits(),
        replayable=True,
    )
    phases = PhaseScope("read", math.inf, trio.current_time())
    answer = await attempt(transport, call, wire, phases)
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
async def test_an_answer_is_whole_and_decompressed(encoding: Any) -> None:
    transport = ScriptedTransport(reply(chunks=[b"one ", b"two"], headers={"X-A": "1"}, encoding=encoding))
    call = prepared()
    answer = await made(transport, call)
    assert (answer.status, answer.http_version, answer.content) == (200, "HTTP/1.1", b"one two")
    assert answer.target == call.target
    assert (b"x-a", b"1") in answer.headers
    assert transport.open_responses == 0


@pytest.mark.parametrize("status", [200, 204, 206, 300, 304, 305, 306, 399, 400, 429, 500, 599])
async def test_any_status_is_an_answer(status: int) -> None:
    assert (await made(ScriptedTransport(reply(status)), prepared())).status == status


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (fault("connect"), faults.ConnectFault),
        (fault("write"), faults.DisconnectFault),
        (fault("disconnect"), faults.DisconnectFault),
        (fault("protocol"), faults.ProtocolFault),
        (fault("disconnect", of=reply(chunks=["a", "b"])), faults.DisconnectFault),
        (fault("disconnect", of=reply(400, chunks=["a", "b"])), faults.DisconnectFault),
        (reply(content=b"not gzip", headers={"Content-Encoding": "gzip"}), faults.CodingFault),
        (reply(content=b"x", headers={"Content-Encoding": "secret"}), faults.CodingFault),
    ],
)
async def test_what_goes_wrong_is_raised_and_nothing_left_open(entry: Any, kind: type[faults.Fault]) -> None:
    transport = ScriptedTransport(entry)
    with pytest.raises(kind):
        await made(transport, prepared())
    assert transport.open_responses == 0


@pytest.mark.parametrize("limits", [Limits(max_body_bytes=9), Limits(max_decoded_bytes=9)])
async def test_too_much_is_left_unread(limits: Limits) -> None:
    transport = ScriptedTransport(reply(chunks=[b"12345"] * 3))
    with pytest.raises(faults.LimitFault):
        await made(transport, prepared(), limits)
    assert transport.open_responses == 0


async def test_cancelled_while_reading_it_closes(autojump_clock: Any) -> None:
    transport = ScriptedTransport(reply(chunks=[b"a", b"b"], chunk_delay=9.0))
    with trio.move_on_after(3) as scope:
        await made(transport, prepared())
    assert scope.cancelled_caught
    assert transport.open_responses == 0


async def test_an_error_answer_is_capped() -> None:
    transport = ScriptedTransport(reply(500, chunks=[b"x" * 50] * 10))
    answer = await made(transport, prepared(), Limits(max_error_body_bytes=120))
    assert answer.content == b"x" * 120
    assert transport.open_responses == 0


async def test_a_redirect_that_cannot_be_followed_carries_the_answer() -> None:
    with pytest.raises(RedirectRefused, match="no Location") as caught:
        await made(ScriptedTransport(reply(302, content="there")), prepared())
    assert (caught.value.answer.status, caught.value.answer.content) == (302, b"there")


async def test_auth_takes_part_on_the_calls_own_origin_only() -> None:
    transport = ScriptedTransport(
        reply(307, headers={"Location": "/y"}),
        reply(307, headers={"Location": "https://other.test/z"}),
        reply(json=1),
    )
    await made(transport, prepared()._replace(auth=httpx.BasicAuth("u", "p")))
    assert [(request.url, request.header("authorization") is not None) for request in transport.requests] == [
        ("https://api.test/x", True),
        ("https://api.test/y", True),
        ("https://other.test/z", False),
    ]
