"""A transport that answers from a script, in memory, so that time can be virtual."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from typing import Literal, Union

import trio

from .._codec.body import AsyncPieces, RequestBody
from .._faults import ClosedFault, ConnectFault, DisconnectFault, Fault, ProtocolFault, StallFault
from .._net.pieces import Sending
from .._net.protocol import PhaseScope, TransportStatistics, WireRequest, WireResponse
from .._types import RawHeaders, Sent, checked_seconds, further_sent
from ._replies import Reply
from ._requests import SeenRequest

__all__ = ["Entry", "FaultKind", "ScriptExhausted", "ScriptedFault", "ScriptedTransport", "fault"]

FaultKind = Literal["connect", "write", "disconnect", "protocol"]

# In which phase each kind strikes, what the transport raises, and whether the request got there.
_KINDS: dict[FaultKind, tuple[str, type[Fault], Sent]] = {
    "connect": ("connect", ConnectFault, "no"),
    "write": ("write", DisconnectFault, "maybe"),
    "disconnect": ("read", DisconnectFault, "maybe"),
    "protocol": ("read", ProtocolFault, "yes"),
}


class ScriptExhausted(AssertionError):
    """More requests were sent than the script has entries."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFault:
    """A failure in place of an answer; made by `fault`."""

    kind: FaultKind
    after: float = 0.0
    of: Reply | None = None

    def to_fault(self) -> Fault:
        return _KINDS[self.kind][1](f"a scripted {self.kind} fault")


def fault(kind: FaultKind, *, after: float = 0.0, of: Reply | None = None) -> ScriptedFault:
    """A failure in place of an answer, `after` so many seconds (``math.inf``: never, it just hangs).

    ``"connect"``: no connection; ``"write"``: it breaks while the request is sent;
    ``"disconnect"``: it breaks before an answer; ``"protocol"``: the answer is not HTTP. With
    `of`, the last two strike later: when the whole of that answer but its end has arrived.

        fault("connect", after=3.0)
        fault("disconnect", of=reply(chunks=["data: 1\\n\\n", "data: 2\\n\\n"]))

    Raises TypeError or ValueError.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    if of is not None and _KINDS[kind][0] != "read":
        raise ValueError(f"a {kind} fault has no answer before it: of= goes with 'disconnect' and 'protocol'")
    return ScriptedFault(kind=kind, after=checked_seconds(after, "after"), of=of)


Outcome = Union[Reply, ScriptedFault]
Entry = Union[Outcome, Callable[[SeenRequest], Union[Outcome, Awaitable[Outcome]]]]
"""What one attempt meets: a reply, a fault, or a function of the request that returns one."""


class ScriptedTransport:
    """Answers attempts from a script, one entry each, in memory.

        transport = ScriptedTransport(reply(503), fault("disconnect"), reply(json={"ok": True}))
        async with AsyncAPIClient(base_url="https://api.test", transport=transport) as client:
            assert await client.get("/status") == {"ok": True}
        assert len(transport.requests) == 3
        assert transport.open_responses == 0

    Delays are slept on trio's clock and timeouts honoured phase by phase, so on a virtual clock
    (pytest-trio's ``autojump_clock``) ``transport.requests[1].at`` is exact. With `repeat_last`
    the last entry serves every further attempt; without, one too many raises `ScriptExhausted`,
    which is no `APIError` and is not retried.
    """

    def __init__(self, *script: Entry, repeat_last: bool = False) -> None:
        for entry in script:
            if not isinstance(entry, (Reply, ScriptedFault)) and not callable(entry):
                raise TypeError(
                    f"a script entry is made by reply() or fault(), or is a function, not {entry!r}; "
                    "what needs a socket, like drop(), is for LoopbackServer"
                )
        self._script = script
        self._repeat_last = repeat_last
        self._used = 0
        self.requests: list[SeenRequest] = []
        """The attempts so far, in the order they were made."""
        self.open_responses = 0
        """Answers given out and not closed yet; 0 where nothing leaked."""
        self.closed = False
        """Whether the client has closed it."""

    async def send(self, request: WireRequest, phases: PhaseScope) -> WireResponse:
        """Meet the next entry of the script. Raises what it says, and ScriptExhausted after the last."""
        if self.closed:
            raise ClosedFault
        seen = SeenRequest(
            method=request.method,
            target=request.target.path,
            url=str(request.target),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers],
            at=trio.current_time(),
        )
        self.requests.append(seen)
        return await self._carry_out(self._next_entry(seen), request, seen, phases)

    async def aclose(self) -> None:
        """Refuse further requests."""
        self.closed = True
        await trio.lowlevel.checkpoint()

    def statistics(self) -> TransportStatistics:
        """An open response stands for a busy connection."""
        return TransportStatistics(open=self.open_responses, idle=0, waiting=0)

    def _next_entry(self, seen: SeenRequest) -> Entry:
        position, self._used = self._used, self._used + 1
        if position < len(self._script):
            return self._script[position]
        if self._repeat_last and self._script:
            return self._script[-1]
        raise ScriptExhausted(
            f"request {position + 1}, {seen.method} {seen.url}, finds the script of {len(self._script)} entries used up"
        )

    async def _carry_out(
        self, entry: Entry, request: WireRequest, seen: SeenRequest, phases: PhaseScope
    ) -> _ScriptedResponse:
        timeouts, before = request.timeouts, request.sent
        outcome = entry if isinstance(entry, (Reply, ScriptedFault)) else await _chosen(entry, request, seen, phases)
        failure = outcome if isinstance(outcome, ScriptedFault) else None

        request.sent = before
        await _enter("connect", timeouts.connect, phases, request, failure)
        request.sent = further_sent(before, "maybe")
        await _enter("write", timeouts.write, phases, request, failure)
        if outcome is entry:
            seen.body = await _whole_body(request)
        await _enter("read", timeouts.read, phases, request, failure)
        answer = outcome.of if isinstance(outcome, ScriptedFault) else outcome
        assert answer is not None
        await trio.sleep(answer.delay)
        request.sent = "yes"
        self.open_responses += 1
        return _ScriptedResponse(self, answer, failure, bodiless=request.method == "HEAD")


class _ScriptedResponse:
    """The answer's body, piece by piece."""

    def __init__(
        self, transport: ScriptedTransport, answer: Reply, broken: ScriptedFault | None, *, bodiless: bool
    ) -> None:
        self.status = answer.status
        self.http_version = "HTTP/1.1"
        self.headers: RawHeaders = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
        ]
        self._transport = transport
        self._pieces = () if bodiless else tuple(piece for piece in answer.pieces if piece)
        self._chunk_delay = answer.chunk_delay
        self._broken = broken
        self._received = 0
        self._closed = False

    async def receive(self) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError("this response is closed")
        if self._received < len(self._pieces):
            await trio.sleep(self._chunk_delay if self._received else 0)
            self._received += 1
            return self._pieces[self._received - 1]
        if self._broken is not None:
            await trio.sleep(self._broken.after)
            raise self._broken.to_fault()
        await trio.lowlevel.checkpoint()
        return b""

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._transport.open_responses -= 1
        await trio.lowlevel.checkpoint()


async def _enter(
    phase: str, timeout: float, phases: PhaseScope, request: WireRequest, failure: ScriptedFault | None
) -> None:
    """Go on to a phase, and fail in it if that is scripted. The caller's scope may cut it short."""
    phases.enter(phase, timeout)
    await trio.lowlevel.checkpoint()
    if failure is not None and failure.of is None:
        strikes_in, _, sent = _KINDS[failure.kind]
        if strikes_in == phase:
            stall = request.stall
            if phase == "write" and stall is not None and stall.within < failure.after:
                await trio.sleep(stall.within)
                raise StallFault("request", stall.at_least, stall.within)
            await trio.sleep(failure.after)
            request.sent = further_sent(request.sent, sent)
            raise failure.to_fault()


async def _chosen(
    choose: Callable[[SeenRequest], Outcome | Awaitable[Outcome]],
    request: WireRequest,
    seen: SeenRequest,
    phases: PhaseScope,
) -> Outcome:
    """What a scripted function chooses, once it has been shown the whole request."""
    phases.enter("write", request.timeouts.write)
    seen.body = await _whole_body(request)
    phases.enter("read", request.timeouts.read)
    request.sent = further_sent(request.sent, "maybe")
    outcome = choose(seen)
    return _checked(await outcome if inspect.isawaitable(outcome) else outcome, seen)


def _checked(outcome: object, seen: SeenRequest) -> Outcome:
    if not isinstance(outcome, (Reply, ScriptedFault)):
        raise TypeError(f"the function scripted for {seen.method} {seen.url} returned {outcome!r}, no reply or fault")
    return outcome


async def _whole_body(request: WireRequest) -> bytes:
    sending = Sending(request.body)
    sending.tell()
    content = b"".join(await _pieces(request.body))
    sending.count(content)
    sending.tell()
    sending.end()
    return content


async def _pieces(body: RequestBody) -> list[bytes]:
    if body.content is not None:
        return [body.content]
    pieces = body.pieces()
    if isinstance(pieces, AsyncPieces):
        async with aclosing(pieces):
            return [piece async for piece in pieces]
    with closing(pieces):
        return list(pieces)
