"""A server in a process of its own, for as little as it takes to start one.

    python child_server.py PORT BEHAVIOUR ANSWER NEXT

It prints its port, which is PORT unless that is 0. ANSWER and NEXT are whole answers in
hexadecimal, to ``/thing`` and ``/next``. BEHAVIOUR is one of

    serves        answers
    killed, N     kills itself after the first N bytes of its answer, from the end if negative
    stopped, N    stops itself there, and serves once it goes on
    starved       has no descriptor for a connection until a line comes on standard input
    slow          takes its time to accept
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import time


def main(port: str, behaviour: str, answer: str, following: str) -> None:
    kind, _, number = behaviour.partition(", ")
    cut = int(number or 0)
    answers = {b"/thing": bytes.fromhex(answer), b"/next": bytes.fromhex(following)}
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=64)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if kind == "starved":
        resource.setrlimit(resource.RLIMIT_NOFILE, (listener.fileno() + 1, limits[1]))
    print(listener.getsockname()[1], flush=True)
    ends = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
    while True:
        if kind == "slow":
            time.sleep(0.05)
        try:
            connection, _ = listener.accept()
        except OSError:
            if select.select([sys.stdin], [], [], 0.01)[0]:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            continue
        with connection:
            try:
                while path := receive(connection):
                    whole = answers[path]
                    if kind in ends and path == b"/thing":
                        connection.sendall(whole[:cut] if cut else b"")
                        os.kill(os.getpid(), ends[kind])
                        kind = "serves"
                    connection.sendall(whole)
            except OSError:
                pass  # the client has gone


def receive(connection: socket.socket) -> bytes:
    """A request; its path, without the query. ``b""`` at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    left = sum(int(line[15:]) for line in lines if line.startswith(b"content-length:")) - len(body)
    while left > 0:
        left -= len(connection.recv(65_536)) or left
    return head.split(b" ")[1].partition(b"?")[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
