"""A body is sent again exactly, or not at all."""

from __future__ import annotations

import io
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from trioclient import APIConnectionError, AsyncAPIClient, InternalServerError
from trioclient.testing import drop, reply
from trioclient.testing._replies import HangUp, RawReply

LARGE = bytes(range(256)) * 8_192  # 2 MiB: more than the sockets between hold

Make = Callable[[pathlib.Path], dict[str, Any]]

FACES = ["trio", "httpx", "blocking", "blocking over httpx", "blocking over blocking httpx"]


class Lines:
    """Makes a new iterator each time."""

    def __iter__(self) -> Iterator[bytes]:
        return (LARGE[start : start + 10_000] for start in range(0, len(LARGE), 10_000))


class AsyncLines:
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in Lines():
            yield piece


async def generated() -> AsyncIterator[bytes]:
    for piece in Lines():
        yield piece


class Unseekable(io.RawIOBase):
    def __init__(self) -> None:
        self._pieces = iter(Lines())

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return next(self._pieces, b"")


class Metadata(msgspec.Struct, rename="camel"):
    file_name: str
    tags: list[str]


def standing_at(position: int) -> io.BytesIO:
    file = io.BytesIO(b"." * position + LARGE)
    file.seek(position)
    return file


def whole_form(path: pathlib.Path) -> dict[str, Any]:
    return {
        "body": {"purpose": "test", "metadata": Metadata("é.txt", ["a", "b"]), "nothing": None},
        "files": [
            ("file", path),
            ("file", ("stood.bin", standing_at(7), "application/x-stood")),
            ("small", b"\r\n--\r\n"),
        ],
    }


REPLAYABLE: dict[str, Make] = {
    "form": whole_form,
    "small form": lambda path: {"body": {"a": 1}, "files": {"x": b"x"}},
    "content bytes": lambda path: {"content": LARGE},
    "content file": lambda path: {"content": standing_at(3)},
    "content list": lambda path: {"content": list(Lines())},
    "content iterable": lambda path: {"content": Lines()},
    "content async iterable": lambda path: {"content": AsyncLines()},
}
ONE_SHOT: dict[str, Make] = {
    "form with an unseekable file": lambda path: {"body": {"a": 1}, "files": {"x": Unseekable(), "y": path}},
    "content generator": lambda path: {"content": iter(Lines())},
    "content unseekable file": lambda path: {"content": Unseekable()},
    "content async generator": lambda path: {"content": generated()},
}


def on_every_face(makes: dict[str, Make]) -> pytest.MarkDecorator:
    """Every kind of body over every kind of client, but an async one over a blocking httpx.Client."""
    pairs = [(face, make) for face in FACES for make in makes if not ("async" in make and face == FACES[-1])]
    return pytest.mark.parametrize(("face", "make"), pairs)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "report.csv"
    path.write_bytes(LARGE)
    return path


def check_arrived(scene: Any, make: str) -> None:
    """The last request had it all."""
    if make == "form":
        parts = scene.form()
        assert [part.headers["Content-Disposition"].removeprefix("form-data; name=") for part in parts] == [
            '"purpose"',
            '"metadata[fileName]"',
            '"metadata[tags][]"',
            '"metadata[tags][]"',
            '"file"; filename="report.csv"',
            '"file"; filename="stood.bin"',
            '"small"; filename="upload"',
        ]
        assert [part.headers.get("Content-Type") for part in parts[4:]] == [
            "text/csv",
            "application/x-stood",
            "application/octet-stream",
        ]
        assert [part.content for part in parts] == [
            b"test",
            "é.txt".encode(),
            b"a",
            b"b",
            LARGE,
            LARGE,
            b"\r\n--\r\n",
        ]
    elif make == "small form":
        assert [part.content for part in scene.form()] == [b"1", b"x"]
    elif make == "form with an unseekable file":
        assert [part.content for part in scene.form()] == [b"1", LARGE, LARGE]
    else:
        assert scene.server.requests[-1].body == LARGE


@on_every_face(REPLAYABLE)
@pytest.mark.parametrize("failure", [reply(503), drop()], ids=["an error", "a lost connection"])
async def test_it_comes_again_byte_for_byte(stage: Any, path: pathlib.Path, make: str, failure: Any) -> None:
    async with stage() as scene:
        scene.server.route("POST", "/", failure, failure, reply(json="third"))
        assert await scene.call("POST", "/", **REPLAYABLE[make](path)) == "third"
        check_arrived(scene, make)
        requests = scene.server.requests
        assert [request.body == requests[0].body for request in requests] == [True] * 3
        for header in ("Content-Type", "Content-Length", "Idempotency-Key"):
            assert len({request.header(header) for request in requests}) == 1
        if "iterable" not in make:
            assert requests[0].header("Content-Length") == str(len(requests[0].body))


@on_every_face(REPLAYABLE)
async def test_lost_while_it_is_sent_it_comes_again(stage: Any, path: pathlib.Path, make: str) -> None:
    lost = RawReply(ending=(HangUp(reset=True),), early=True)
    async with stage() as scene:
        scene.server.route("POST", "/", lost, lost, reply(json="third"))
        assert await scene.call("POST", "/", **REPLAYABLE[make](path)) == "third"
        check_arrived(scene, make)
        assert scene.server.request_count == 3


@on_every_face(ONE_SHOT)
@pytest.mark.parametrize(
    ("failure", "kind", "sent"),
    [(reply(503), InternalServerError, "yes"), (drop(), APIConnectionError, "maybe")],
    ids=["an error", "a lost connection"],
)
async def test_what_cannot_come_again_comes_once(
    stage: Any, path: pathlib.Path, make: str, failure: Any, kind: type[Exception], sent: str
) -> None:
    """Not a second time, and least of all empty."""
    async with stage() as scene:
        scene.server.route("POST", "/", failure, reply(json="second"))
        error = await scene.fails("POST", "/", kind, **ONE_SHOT[make](path))
        assert (error.attempts, error.sent) == (1, sent)
        assert scene.server.request_count == 1
        assert scene.server.requests[0].header("Transfer-Encoding") == "chunked"
        check_arrived(scene, make)


@on_every_face(ONE_SHOT)
async def test_lost_while_it_is_sent_it_does_not_come_again(stage: Any, path: pathlib.Path, make: str) -> None:
    async with stage() as scene:
        lost = RawReply(ending=(HangUp(reset=True),), early=True)
        scene.server.route("POST", "/", lost, reply(json="second"))
        error = await scene.fails("POST", "/", APIConnectionError, **ONE_SHOT[make](path))
        assert (error.attempts, error.sent) == (1, "maybe")
        assert scene.server.request_count == 1


@pytest.mark.parametrize("status", [307, 308])
async def test_sent_elsewhere_a_form_goes_along(stage: Any, path: pathlib.Path, status: int) -> None:
    async with stage() as scene:
        scene.server.route("POST", "/", reply(status, headers={"Location": "/new"}))
        scene.server.route("POST", "/new", reply(503), reply(json="new"))
        assert await scene.call("POST", "/", **whole_form(path)) == "new"
        check_arrived(scene, "form")
        assert [request.path for request in scene.server.requests] == ["/", "/new"] * 2
        assert len({request.body for request in scene.server.requests}) == 1


@pytest.mark.parametrize("status", [302, 303])
async def test_sent_to_look_elsewhere_a_form_stays(stage: Any, path: pathlib.Path, status: int) -> None:
    async with stage() as scene:
        scene.server.route("POST", "/", reply(status, headers={"Location": "/new"}))
        scene.server.route("GET", "/new", reply(json="new"))
        assert await scene.call("POST", "/", **whole_form(path)) == "new"
        last = scene.server.requests[-1]
        assert (last.body, last.header("Content-Type"), last.header("Content-Length")) == (b"", None, None)


@pytest.mark.parametrize("face", ["trio", "httpx"])
async def test_challenged_a_form_comes_again(stage: Any, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncAPIClient, "custom_auth", property(lambda self: httpx.DigestAuth("user", "password")))
    challenge = reply(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'})
    async with stage() as scene:
        scene.server.route("POST", "/", challenge, reply(json="welcome"))
        assert await scene.call("POST", "/", **whole_form(path)) == "welcome"
        check_arrived(scene, "form")
        assert len({request.body for request in scene.server.requests}) == 1


async def test_a_missing_file_is_missed_before_anything_is_sent(stage: Any, tmp_path: pathlib.Path) -> None:
    async with stage() as scene:
        await scene.fails("POST", "/", FileNotFoundError, files={"x": tmp_path / "nothing"})
        assert scene.server.request_count == 0


async def test_a_file_gone_before_its_replay(stage: Any, path: pathlib.Path) -> None:
    def unlink(request: Any) -> Any:
        path.unlink()
        return reply(503)

    async with stage() as scene:
        scene.server.route("POST", "/", unlink, reply(json="second"))
        await scene.fails("POST", "/", FileNotFoundError, files={"x": path})
        assert scene.server.request_count == 1


@pytest.mark.parametrize("kind", ["path", "file"])
@pytest.mark.parametrize("beside", [None, Unseekable], ids=["announced", "chunked"])
async def test_a_file_that_shrinks_never_arrives(stage: Any, path: pathlib.Path, kind: str, beside: Any) -> None:
    def cut(sent: int, total: int | None) -> None:
        with path.open("rb+") as other:
            other.truncate(len(LARGE) // 2)

    async with stage() as scene:
        scene.server.route("POST", "/", reply(json="never"))
        with path.open("rb") as file:
            files = {"x": path if kind == "path" else file, **({"y": beside()} if beside else {})}
            error = await scene.fails("POST", "/", ValueError, files=files, options={"upload_progress": cut})
        assert f"files['x'] is {len(LARGE) // 2} bytes shorter" in str(error)
        assert scene.server.request_count == 0


@pytest.mark.parametrize("kind", ["path", "file"])
async def test_a_file_that_grows_arrives_as_it_was(stage: Any, path: pathlib.Path, kind: str) -> None:
    def add(sent: int, total: int | None) -> None:
        with path.open("ab") as other:
            other.write(b"more")

    async with stage() as scene:
        scene.server.route("POST", "/", reply(503), reply(json="second"))
        with path.open("rb") as file:
            files = {"x": path if kind == "path" else file, "y": b"y"}
            await scene.call("POST", "/", files=files, options={"upload_progress": add})
        assert [part.content for part in scene.form()] == [LARGE, b"y"]
        assert len(set(scene.bodies())) == 1
