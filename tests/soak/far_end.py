"""A server in a process of its own that is killed, frozen and started anew without end."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import trio

__all__ = ["FarEnd"]

_PROGRAM = Path(__file__).with_name("far_end_server.py")
# Below the ports that systems give to clients: else one of these may get the server's while it is
# down, or even connect to itself.
_PORTS = range(15_000, 30_000)


class FarEnd:
    """Always on the same port, as long as it is up."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._process: trio.Process | None = None
        self.port = _free_port()
        self.starts = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Kill and restart it until cancelled. Started once the first server listens."""
        try:
            await self._start()
            task_status.started()
            while True:
                await trio.sleep(self._chance.uniform(2.0, 6.0))
                if self._chance.random() < 0.25:
                    await self._freeze(self._chance.uniform(0.1, 0.6))
                else:
                    await self._kill()
                    await trio.sleep(self._chance.choice([0.0, 0.1, 0.6]))
                    await self._start()
        finally:
            await self._kill()

    async def _start(self) -> None:
        command = [sys.executable, str(_PROGRAM), str(self.port), str(self._chance.random())]
        self._process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        self.starts += 1
        stdout = self._process.stdout
        assert stdout is not None
        try:
            said = await stdout.receive_some(5)
        except BaseException:
            self._process.kill()  # before it has nobody left to talk to
            raise
        finally:
            await stdout.aclose()
        if said != b"ready":
            raise RuntimeError(f"the far end left with status {await self._process.wait()}")

    async def _freeze(self, seconds: float) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        await trio.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is not None:
                raise RuntimeError(f"the far end left by itself, with status {process.returncode}")
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)  # of chance itself: what is done must not depend on it
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
