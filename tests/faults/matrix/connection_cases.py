"""Connections kept for the next request, and answers that do not wait for the end of theirs."""

from __future__ import annotations

from functools import partial

import trio
from case import SHORT, Case, Fails, Gives
from far_ends import Entry, answers, plays, read_head
from shapes import Shape

from trioclient import APIConnectionError, APITimeoutError, RequestTooLargeError
from trioclient.testing import drop, raw, reply
from trioclient.testing._replies import HangUp, Pause, RawReply, Send, Silence

__all__ = ["CASES"]

_case = partial(Case, kind="connection")
_UPLOAD = {"text": "x" * 4_000_000}
_TOO_LARGE_TO_BE_BUFFERED = b"x" * 20_000_000  # between the two kernels
_NO = {"error": {"message": "too much"}}


def _fine(shape: Shape) -> RawReply:
    return shape.answer().to_raw()


def _dying(*, reset: bool = False) -> Entry:
    """A good answer, after which the connection is closed unannounced."""
    return lambda shape: drop(after=shape.answer(), reset=reset)


def _parting_words(shape: Shape) -> RawReply:
    """A good answer, and a moment later one that nobody asked for."""
    late = Send(reply(408, close=True).wire())
    return RawReply(opening=(*_fine(shape).opening, *_fine(shape).ending, Pause(0.01), late), ending=(HangUp(),))


def _surplus(shape: Shape) -> RawReply:
    return raw(shape.answer().wire() + reply(json="not yours").wire(), close=False)


def _half_a_surplus(shape: Shape) -> RawReply:
    return raw(shape.answer().wire() + reply(json="not yours").wire()[:20], close=False)


def _after_http_10(shape: Shape) -> RawReply:
    """As a server of the last century would: no word of keeping the connection, and a close."""
    wire = shape.answer(framing="length").wire().replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    return raw(wire)


def _early(shape: Shape) -> RawReply:
    """A good answer, and no interest in the body."""
    if shape.body is None:
        return _fine(shape)
    return RawReply(opening=(Send(shape.answer().wire()), Silence()), early=True)


async def _half_closes(stream: trio.SocketStream, shape: Shape) -> None:
    """Answers, says that it will send no more, and goes on reading."""
    await read_head(stream)
    await stream.send_all(shape.answer().wire())
    await stream.send_eof()
    while await stream.receive_some():
        pass


async def _deaf(stream: trio.SocketStream, shape: Shape) -> None:
    await trio.sleep_forever()


CASES = [
    _case(name="closed while idle", far_end=answers(_dying(), settles=True), good_calls=1, expected=Gives()),
    _case(name="reset while idle", far_end=answers(_dying(reset=True), settles=True), good_calls=1, expected=Gives()),
    _case(name="408 while idle", far_end=answers(_parting_words, _fine, settles=True), good_calls=1, expected=Gives()),
    # It looks like the answer to the next call, which was on its way already.
    _case(
        name="408 under the next call",
        far_end=answers(_parting_words, _fine),
        good_calls=1,
        retries=1,
        expected=Gives(attempts=None),
    ),
    _case(name="closed under the next call", far_end=answers(_dying()), good_calls=1, expected=Gives()),
    _case(
        name="closed on reuse",
        far_end=answers(_fine, drop(), _fine),
        good_calls=1,
        expected=Gives(),
    ),
    _case(name="reset on reuse", far_end=answers(_fine, drop(reset=True), _fine), good_calls=1, expected=Gives()),
    _case(
        name="closed on reuse and again",
        far_end=answers(_fine, drop()),
        good_calls=1,
        expected=Fails(APIConnectionError, "maybe"),
    ),
    _case(
        name="a byte on reuse, then closed",
        far_end=answers(_fine, raw(b"H")),
        good_calls=1,
        expected=Fails(APIConnectionError, "yes"),
    ),
    _case(name="says close", far_end=answers(lambda shape: shape.answer(close=True)), good_calls=1, expected=Gives()),
    _case(
        name="says close and stays open",
        far_end=answers(lambda shape: RawReply(opening=(Send(shape.answer(close=True).wire()), Silence()))),
        good_calls=1,
        expected=Gives(),
    ),
    _case(name="HTTP/1.0", far_end=answers(_after_http_10), good_calls=1, expected=Gives()),
    _case(name="surplus answer", far_end=answers(_surplus), good_calls=2, expected=Gives()),
    _case(name="half a surplus answer", far_end=answers(_half_a_surplus), good_calls=2, expected=Gives()),
    _case(name="half closed after the answer", far_end=plays(_half_closes), expected=Gives()),
    _case(
        name="early refusal of a large body",
        far_end=answers(reply(413, json=_NO, early=True)),
        body=_UPLOAD,
        expected=Fails(RequestTooLargeError, saying="too much"),
    ),
    _case(
        name="early refusal, the rest unread",
        far_end=answers(RawReply(opening=(Send(reply(413, json=_NO).wire()), Pause(0.05)), early=True)),
        body=_UPLOAD,
        expected=Fails(RequestTooLargeError, saying="too much"),
    ),
    _case(
        name="early success, the rest unread, write timeout",
        far_end=answers(_early),
        body=_TOO_LARGE_TO_BE_BUFFERED,
        timeouts={"write": SHORT},
        expected=Gives(),
        post=Fails(APITimeoutError, saying="write"),
        stream=Fails(APITimeoutError, saying="write"),
    ),
    _case(
        name="reset under a large body",
        far_end=answers(drop("body", reset=True)),
        body=_UPLOAD,
        expected=Fails(APIConnectionError, "maybe"),
    ),
    _case(
        name="large body unread, write timeout",
        far_end=plays(_deaf),
        body=_TOO_LARGE_TO_BE_BUFFERED,
        timeouts={"write": SHORT, "read": SHORT},
        expected=Fails(APITimeoutError, "maybe", saying="read"),
        post=Fails(APITimeoutError, "maybe", saying="write"),
        stream=Fails(APITimeoutError, "maybe", saying="write"),
    ),
]
