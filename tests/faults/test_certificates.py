"""TLS with the wrong server, and handshakes that come to nothing."""

from __future__ import annotations

import datetime
import ssl
from typing import Any

import pytest
import trio
import trustme

from trioclient import APIConnectionError
from trioclient.testing import LoopbackServer, drop, raw, reply

UTC = datetime.timezone.utc
LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=UTC)


class _Stranger:
    """An authority nobody trusts."""

    @staticmethod
    def server(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert(*names).configure_cert(context)
        return context


WRONG = {
    "an unknown authority": lambda known: _Stranger.server("127.0.0.1"),
    "another host": lambda known: known.server("example.com"),
    "another address": lambda known: known.server("127.0.0.2"),
    "out of date": lambda known: known.server("127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_certificate(stage: Any, authority: Any, name: str) -> None:
    async with stage(max_retries=1) as scene:
        async with LoopbackServer(ssl_context=WRONG[name](authority)) as impostor:
            error = await scene.fails("POST", impostor.url, APIConnectionError, body=1)
            assert "certificate verify failed" in str(error).lower()
            assert (error.attempts, error.sent) == (2, "no")
            with trio.fail_after(10):
                await impostor.wait_connections_closed()
            assert impostor.request_count == 0


async def test_a_certificate_is_asked_of_the_client(stage: Any, authority: Any) -> None:
    """Under TLS 1.3 the refusal comes only after the request."""
    context = authority.server("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    async with stage() as scene:
        async with LoopbackServer(ssl_context=context) as server:
            error = await scene.fails("GET", server.url, APIConnectionError)
            assert error.sent in ("no", "maybe")


GREETINGS = {
    "closed": drop(),
    "reset": drop(reset=True),
    "plain HTTP": raw(reply(400, content="TLS, please").wire()),
    "an alert": raw(bytes.fromhex("15030300020228")),
    "half a record": raw(bytes.fromhex("160303007a0200")),
    "noise": raw(b"\x16\x03\x03\x00\x10" + b"\xff" * 16),
}


@pytest.mark.parametrize("name", GREETINGS)
async def test_a_handshake_that_breaks(stage: Any, authority: Any, name: str) -> None:
    async with stage(tls=authority.server("127.0.0.1"), max_retries=1) as scene:
        scene.server.greet(*[GREETINGS[name]] * 2)
        error = await scene.fails("GET", "/", APIConnectionError)
        assert (error.attempts, error.sent) == (2, "no")
        scene.server.greet(GREETINGS[name])
        scene.server.route("GET", "/", reply(json=1))
        assert await scene.call("GET", "/") == 1


async def test_no_cipher_in_common(stage: Any, authority: Any) -> None:
    old = authority.server("127.0.0.1")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("NULL-SHA256:@SECLEVEL=0")
    async with stage() as scene:
        async with LoopbackServer(ssl_context=old) as server:
            error = await scene.fails("GET", server.url, APIConnectionError)
            assert error.sent == "no"
