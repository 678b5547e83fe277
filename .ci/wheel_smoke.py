"""The installed wheel, outside the source tree: what is in it, and one call through each face."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import trio

import trioclient


class Echo(BaseHTTPRequestHandler):
    """Sends a JSON body back; the standard library's server, so that no code of ours answers."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


def check_contents() -> None:
    here = Path(trioclient.__file__)
    assert Path(sys.prefix) in here.parents, f"{here} is not the installed package"
    assert metadata.version("trioclient") == trioclient.__version__
    missing = [name for name in trioclient.__all__ if not hasattr(trioclient, name)]
    assert not missing, f"missing: {missing}"
    files = [Path(str(file)) for file in metadata.files("trioclient") or []]
    assert Path("trioclient/py.typed") in files
    strangers = [str(file) for file in files if not file.parts[0].startswith("trioclient")]
    assert not strangers, f"not of the package: {strangers}"


async def call_async(url: str) -> object:
    async with trioclient.AsyncAPIClient(base_url=url) as client:
        return await client.post("/echo", body={"n": [1, 2]}, cast_to=dict[str, list[int]])


def call_blocking(url: str) -> object:
    with trioclient.SyncAPIClient(base_url=url) as client:
        return client.post("/echo", body={"n": [1, 2]}, cast_to=dict[str, list[int]])


def main() -> None:
    check_contents()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        answers = [trio.run(call_async, url), call_blocking(url)]
        server.shutdown()
    assert answers == [{"n": [1, 2]}] * 2, json.dumps(answers)
    print(f"trioclient {trioclient.__version__} as installed: two calls went through")


if __name__ == "__main__":
    main()
