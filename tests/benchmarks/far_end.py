"""The far end of the benchmarks: nginx where it is installed, else a bare asyncio protocol.

Either answers every request with the same replies and keeps the connection open; what nginx cannot
do (wait, stream, never answer) the protocol of `far_end_server` does in any case. None of it is
written with trioclient, so that a gain of the client is not also one of the server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import machine
from replies import LARGE_REPLY, REPLY

__all__ = ["LARGE_REPLY", "REPLY", "FarEnd", "far_end", "far_ends"]

_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    open_file_cache max=8;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {tls}
        root {folder};
        default_type application/json;
        location / {{ return 200 '{reply}'; }}
        # A file is given for GET only.
        location /large/ {{ error_page 405 =200 $uri; }}
    }}
}}
"""
_NGINX_TLS = "listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {pem}; ssl_certificate_key {pem};"
_OWN_SERVER = "an asyncio protocol" + (" on uvloop" if importlib.util.find_spec("uvloop") else "")


@dataclass(frozen=True)
class FarEnd:
    """One kind of far end, as a run needs to know it."""

    url: str
    pid: int
    server: str
    cafile: str | None = None
    """Whom to trust, where it speaks TLS."""


@contextlib.contextmanager
def far_end() -> Iterator[tuple[str, str]]:
    """Yield the plain server's base URL and its name; it is a process of its own and ends with the block."""
    with far_ends(["plain"]) as servers:
        yield servers["plain"].url, servers["plain"].server


@contextlib.contextmanager
def far_ends(kinds: Sequence[str], cores: Sequence[int] = ()) -> Iterator[dict[str, FarEnd]]:
    """Those of the kinds "plain", "tls" and "scripted" that are asked for, by kind; kept on `cores`."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        opened: dict[str, FarEnd] = {}
        if {"plain", "tls"} & set(kinds):
            pem, cafile = _certificate(folder) if "tls" in kinds else (None, None)
            opened |= stack.enter_context(_web_servers(folder, pem, cafile, cores))
        if "scripted" in kinds:
            opened["scripted"] = stack.enter_context(_own_server(cores))
        yield opened


@contextlib.contextmanager
def _web_servers(folder: str, pem: str | None, cafile: str | None, cores: Sequence[int]) -> Iterator[dict[str, FarEnd]]:
    nginx = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if nginx is None:
        with contextlib.ExitStack() as stack:
            opened = {"plain": stack.enter_context(_own_server(cores))}
            if pem is not None:
                opened["tls"] = stack.enter_context(_own_server(cores, pem, cafile))
            yield opened
        return
    name = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr.split()[-1]
    port, tls_port = _free_ports(2)
    Path(folder, "large").mkdir()
    Path(folder, "large", "items").write_bytes(LARGE_REPLY)
    config = Path(folder, "nginx.conf")
    tls = _NGINX_TLS.format(port=tls_port, pem=pem) if pem is not None else ""
    config.write_text(_NGINX.format(folder=folder, port=port, reply=REPLY.decode(), tls=tls))
    with _running([nginx, "-p", folder, "-e", "stderr", "-c", str(config)], port, cores) as pid:
        opened = {"plain": FarEnd(f"http://127.0.0.1:{port}", pid, name)}
        if pem is not None:
            opened["tls"] = FarEnd(f"https://127.0.0.1:{tls_port}", pid, name, cafile)
        yield opened


@contextlib.contextmanager
def _own_server(cores: Sequence[int], pem: str | None = None, cafile: str | None = None) -> Iterator[FarEnd]:
    (port,) = _free_ports(1)
    script = str(Path(__file__).with_name("far_end_server.py"))
    command = [sys.executable, script, str(port), *([] if pem is None else [pem])]
    with _running(command, port, cores) as pid:
        yield FarEnd(f"{'http' if pem is None else 'https'}://127.0.0.1:{port}", pid, _OWN_SERVER, cafile)


def _certificate(folder: str) -> tuple[str, str]:
    """Paths of a certificate with its key, and of the authority's."""
    import trustme

    authority = trustme.CA()
    pem, cafile = str(Path(folder, "server.pem")), str(Path(folder, "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    authority.cert_pem.write_to_path(cafile)
    return pem, cafile


@contextlib.contextmanager
def _running(command: list[str], port: int, cores: Sequence[int]) -> Iterator[int]:
    server = subprocess.Popen(command)
    try:
        machine.pin(cores, server.pid)
        _wait_until_open(server, port)
        yield server.pid
    finally:
        server.terminate()
        server.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in taken]


def _wait_until_open(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(500):
        if server.poll() is not None:
            raise RuntimeError(f"the far end left with status {server.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise RuntimeError("the far end did not open its port")
