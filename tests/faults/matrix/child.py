"""A server in a process of its own; `child_server.py` is what runs there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from far_ends import FarEnd, OpenFarEnd, Setting
from shapes import NEXT

__all__ = ["child"]

_PROGRAM = Path(__file__).with_name("child_server.py")


class _Child:
    """One process after another on the same port."""

    def __init__(self, setting: Setting) -> None:
        self._answers = [setting.shape.answer().wire().hex(), NEXT.wire().hex()]
        self.port = 0

    async def start(self, behaviour: str) -> None:
        command = [sys.executable, "-ISX", "utf8", str(_PROGRAM), str(self.port), behaviour, *self._answers]
        self._process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            data = await self._process.stdout.receive_some()
            if not data:
                raise RuntimeError("the server has not come up")
            line += data
        self.port = int(line)
        self._dies = behaviour.startswith("killed")

    async def stop(self, by: signal.Signals) -> None:
        """End it, and clear away what is left of it."""
        self._process.send_signal(by)
        await self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        await self._process.stdin.aclose()
        await self._process.stdout.aclose()

    def suspend(self) -> None:
        """Stop it where it stands; `recover` has it go on."""
        self._process.send_signal(signal.SIGSTOP)

    async def recover(self) -> None:
        """It serves properly from now on, whatever has become of it."""
        if self._dies or self._process.poll() is not None:
            await self.stop(signal.SIGKILL)
            await self.start("serves")
            return
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        await self._process.stdin.send_all(b"recover\n")


def child(behaviour: str, *, between: str = "") -> OpenFarEnd:
    """A server that behaves so; `between` is what befalls it before the call that is to fail."""

    @asynccontextmanager
    async def open_far_end(setting: Setting) -> AsyncIterator[FarEnd]:
        server = _Child(setting)
        await server.start(behaviour)

        async def befall() -> None:
            if between == "stop":
                server.suspend()
            elif between:
                await server.stop(signal.SIGTERM if between == "terminate" else signal.SIGKILL)
                if between == "restart":
                    await server.start("serves")

        try:
            yield FarEnd(f"http://127.0.0.1:{server.port}/", between=befall, recover=server.recover)
        finally:
            with trio.CancelScope(shield=True):
                await server.stop(signal.SIGKILL)

    return open_far_end
