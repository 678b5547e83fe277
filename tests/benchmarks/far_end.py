"""The far end of the benchmarks: nginx where it is installed, else a bare asyncio protocol.

Either answers every request with the same `REPLY` and keeps the connection open. None of it is
written with trioclient, so that a gain of the client is not also one of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

REPLY_BYTES = 868


def _reply() -> bytes:
    reply = {
        "id": "item_01",
        "created": 1_700_000_000,
        "model": "large",
        "text": "",
        "scores": [0.5, 0.25, 0.125],
        "usage": {"input": 12, "output": 345},
        "done": True,
    }
    reply["text"] = ("The quick brown fox jumps over the lazy dog. " * 20)[: REPLY_BYTES - len(json.dumps(reply))]
    return json.dumps(reply).encode("ascii")


REPLY = _reply()

_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location / {{ return 200 '{reply}'; }}
    }}
}}
"""


@contextlib.contextmanager
def far_end() -> Iterator[tuple[str, str]]:
    """Yield the server's base URL and its name; it is a process of its own and ends with the block."""
    port = _free_port()
    nginx = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    with tempfile.TemporaryDirectory() as folder:
        if nginx is not None:
            config = Path(folder, "nginx.conf")
            config.write_text(_NGINX.format(folder=folder, port=port, reply=REPLY.decode()))
            command = [nginx, "-p", folder, "-e", "stderr", "-c", str(config)]
            name = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr.split()[-1]
        else:
            command, name = [sys.executable, __file__, str(port)], "an asyncio protocol"
        server = subprocess.Popen(command)
        try:
            _wait_until_open(server, port)
            yield f"http://127.0.0.1:{port}", name
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def _wait_until_open(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(500):
        if server.poll() is not None:
            raise RuntimeError(f"the far end left with status {server.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise RuntimeError("the far end did not open its port")


class _Answerer(asyncio.Protocol):
    """Whole requests with a Content-Length in, `REPLY` out. Checks nothing."""

    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(REPLY), REPLY)

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            _, _, rest = self.received[:end].lower().partition(b"\r\ncontent-length:")
            whole = end + 4 + int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self.received) < whole:
                return
            self.received = self.received[whole:]
            self.transport.write(self.answer)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answerer, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
