"""TLS with the wrong server, and handshakes that come to nothing."""

from __future__ import annotations

import ssl
from functools import partial

from authority import Authority
from case import SHORT, Case, Fails, Gives
from far_ends import answers, answers_with_a_stranger, greets
from shapes import Shape

from trioclient import APIConnectionError, APIStreamError, APITimeoutError, DeadlineExceeded
from trioclient.testing import drop, raw, reply, stall, truncate
from trioclient.testing._replies import Endless, RawReply, Send

__all__ = ["CASES"]

_case = partial(Case, kind="TLS")
_UNTRUSTED = Fails(APIConnectionError, "no", saying="certificate verify failed")
_NO_HANDSHAKE = Fails(APIConnectionError, "no")
_ALERT = bytes.fromhex("15030300020228")
_HALF_A_RECORD = bytes.fromhex("160303007a0200")
_A_RECORD_BEGINS = b"\x16\x03\x03\x40\x00"
_NOISE = b"\x16\x03\x03\x00\x10" + b"\xff" * 16


def _good(authority: Authority) -> ssl.SSLContext:
    return authority.good


def _breaks(name: str, greeting: RawReply) -> Case:
    return _case(name=f"handshake: {name}", far_end=greets(greeting, tls=_good), expected=_NO_HANDSHAKE)


def _up_to_the_close(shape: Shape) -> RawReply:
    """Whole, but for the goodbye that would say so."""
    whole = shape.answer(framing="close")
    return truncate(len(whole.wire()), of=whole)


def _but_a_byte(shape: Shape) -> RawReply:
    return truncate(-1, of=shape.answer())


CASES = [
    _case(
        name="unknown authority",
        far_end=answers_with_a_stranger(lambda authority: authority.stranger),
        expected=_UNTRUSTED,
    ),
    _case(
        name="another host",
        far_end=answers_with_a_stranger(lambda authority: authority.other_name),
        expected=_UNTRUSTED,
    ),
    _case(
        name="another address",
        far_end=answers_with_a_stranger(lambda authority: authority.other_address),
        expected=_UNTRUSTED,
    ),
    _case(
        name="expired",
        far_end=answers_with_a_stranger(lambda authority: authority.expired),
        retries=1,
        expected=_UNTRUSTED._replace(attempts=2),
    ),
    _case(
        name="not yet valid",
        far_end=answers_with_a_stranger(lambda authority: authority.not_yet_valid),
        expected=_UNTRUSTED,
    ),
    _case(
        name="nothing newer than TLS 1.1",
        far_end=answers_with_a_stranger(lambda authority: authority.old),
        expected=_NO_HANDSHAKE,
    ),
    _case(
        name="no cipher in common",
        far_end=answers_with_a_stranger(lambda authority: authority.no_common_cipher),
        expected=_NO_HANDSHAKE,
    ),
    _case(
        name="client certificate wanted",
        far_end=answers_with_a_stranger(lambda authority: authority.mutual_before_13),
        expected=_NO_HANDSHAKE,
    ),
    # The client is through with its handshake before it is told.
    _case(
        name="client certificate wanted, TLS 1.3",
        far_end=answers_with_a_stranger(lambda authority: authority.mutual),
        expected=Fails(APIConnectionError, "maybe"),
    ),
    _case(name="plain server", far_end=answers(lambda shape: shape.answer(), scheme="https"), expected=_NO_HANDSHAKE),
    _case(
        name="plain client",
        far_end=answers(lambda shape: shape.answer(), tls=_good, scheme="http"),
        expected=Fails(APIConnectionError, "maybe"),
    ),
    _breaks("closed", drop()),
    _breaks("reset", drop(reset=True)),
    _breaks("plain HTTP", raw(reply(400, content="TLS, please").wire())),
    _breaks("an alert", raw(_ALERT)),
    _breaks("half a record", raw(_HALF_A_RECORD)),
    _breaks("noise", raw(_NOISE)),
    _case(
        name="handshake stalls, connect timeout",
        far_end=greets(stall(), tls=_good),
        timeouts={"connect": SHORT},
        expected=Fails(APITimeoutError, "no", saying="connect"),
    ),
    _case(
        name="handshake drips, connect timeout",
        far_end=greets(RawReply(opening=(Send(_A_RECORD_BEGINS), Endless(b"\2", SHORT / 6))), tls=_good),
        timeouts={"connect": SHORT},
        expected=Fails(APITimeoutError, "no", saying="connect"),
    ),
    _case(
        name="handshake stalls, deadline",
        far_end=greets(stall(), tls=_good),
        deadline=SHORT,
        expected=Fails(DeadlineExceeded, "no", saying="connect"),
    ),
    _case(
        name="no goodbye after a body up to the close",
        far_end=answers(_up_to_the_close, tls=_good),
        expected=Fails(APIConnectionError),
        stream=Fails(APIStreamError),
    ),
    _case(
        name="closed while idle",
        far_end=answers(lambda shape: drop(after=shape.answer()), tls=_good, settles=True),
        good_calls=1,
        expected=Gives(),
    ),
    _case(
        name="closed in the body",
        far_end=answers(_but_a_byte, tls=_good),
        expected=Fails(APIConnectionError),
        stream=Fails(APIStreamError),
    ),
    _case(
        name="closed before the head",
        far_end=answers(drop(), tls=_good),
        expected=Fails(APIConnectionError, "maybe"),
    ),
]
