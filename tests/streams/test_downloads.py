"""Bodies into files: there when whole, and nothing of them before."""

from __future__ import annotations

import builtins
import os
import stat
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from trioclient import APIStreamError, DeadlineExceeded, LimitExceeded, Limits
from trioclient._client import download
from trioclient.testing import Reply, reply, truncate

CONTENT = bytes(range(256)) * 20_000  # in several pieces, written in several batches
CUT = truncate(-10, of=reply(content=CONTENT))


class Target(os.PathLike[str]):
    """A path, and what is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def put(self, content: bytes) -> None:
        self.path.write_bytes(content)

    @property
    def content(self) -> bytes:
        return self.path.read_bytes()

    @property
    def mode(self) -> int:
        return self.path.stat().st_mode

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def folder(self) -> list[str]:
        """What is in it."""
        return sorted(os.listdir(self.path.parent))

    @property
    def alone(self) -> bool:
        return self.folder == [self.path.name]


@pytest.fixture
def file(tmp_path: Path) -> Target:
    return Target(tmp_path / "downloaded.bin")


@pytest.fixture(params=["write_to_file", "stream_to_file", "stream_to_file of what is read"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


async def save(scene: Any, way: str, file: Any, *answers: Reply, **arguments: Any) -> None:
    """Download in one of the `way`s."""
    scene.answer(*answers)
    async with scene.client.streaming("GET", "/") as response:
        if way.endswith("read"):
            await response.read()
        await getattr(response, way.split(maxsplit=1)[0])(file, **arguments)
        assert response.is_closed


class TestWhole:
    @pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "small", "large"])
    async def test_there_it_is(self, stage: Any, file: Target, way: str, content: bytes) -> None:
        async with stage() as scene:
            await save(scene, way, file, reply(content=content))
        assert file.content == content
        assert file.alone

    @pytest.mark.parametrize("keywords", [{"encoding": "gzip"}, {"framing": "chunked"}, {"framing": "close"}])
    async def test_however_it_comes(self, stage: Any, file: Target, keywords: Any) -> None:
        async with stage() as scene:
            await save(scene, "stream_to_file", file, reply(content=CONTENT, **keywords))
        assert file.content == CONTENT

    async def test_from_memory(self, stage: Any, file: Target) -> None:
        async with stage() as scene:
            scene.answer(reply(content=CONTENT))
            response = await scene.client.raw("GET", "/")
            await response.write_to_file(file)
            assert file.content == CONTENT
            told: list[Any] = []
            await response.stream_to_file(
                os.fspath(file), chunk_size=2_000_000, progress=lambda *args: told.append(args)
            )
            assert file.content == CONTENT
            assert told == [(size, len(CONTENT)) for size in (2_000_000, 4_000_000, len(CONTENT))]

    async def test_in_place_of_an_older_one(self, stage: Any, file: Target, way: str) -> None:
        file.put(b"old")
        async with stage() as scene:
            await save(scene, way, file, reply(content=b"new"))
        assert file.content == b"new"
        assert file.alone

    async def test_not_before_it_is_whole(self, stage: Any, file: Target) -> None:
        file.put(b"old")
        seen: list[bytes] = []
        async with stage() as scene:
            await save(
                scene,
                "stream_to_file",
                file,
                reply(content=CONTENT),
                progress=lambda *args: seen.append(file.content),
            )
        assert set(seen) == {b"old"}
        assert file.content == CONTENT

    async def test_a_long_name(self, stage: Any, tmp_path: Path) -> None:
        file = Target(tmp_path / ("ü" * 120))
        async with stage() as scene:
            await save(scene, "stream_to_file", file, reply(content=b"x"))
        assert file.content == b"x"

    async def test_a_name_without_a_folder(
        self, stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        async with stage() as scene:
            await save(scene, way, "here", reply(content=b"x"))
        assert Target(tmp_path / "here").content == b"x"

    @pytest.mark.skipif(sys.platform == "win32", reason="has neither links for everybody nor a umask")
    async def test_a_link_stays_one(self, stage: Any, file: Target, tmp_path: Path, way: str) -> None:
        target = Target(tmp_path / "elsewhere" / "target")
        os.mkdir(tmp_path / "elsewhere")
        os.symlink(target, file)
        async with stage() as scene:
            await save(scene, way, file, reply(content=b"x"))
        assert file.folder == ["downloaded.bin", "elsewhere"]
        assert os.readlink(file) == os.fspath(target)
        assert (target.content, target.alone) == (b"x", True)

    @pytest.mark.skipif(sys.platform == "win32", reason="has neither links for everybody nor a umask")
    @pytest.mark.parametrize("umask", [0o022, 0o077])
    async def test_its_permissions_are_a_new_files(self, stage: Any, file: Target, way: str, umask: int) -> None:
        before = os.umask(umask)
        try:
            async with stage() as scene:
                await save(scene, way, file, reply(content=b"x"))
        finally:
            os.umask(before)
        assert stat.S_IMODE(file.mode) == 0o666 & ~umask

    async def test_in_little_memory(self, stage: Any, file: Target) -> None:
        size = 60_000_000
        answer = reply(content=bytes(size), encoding="gzip")
        async with stage() as scene:
            tracemalloc.start()
            try:
                await save(scene, "stream_to_file", file, answer)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert file.size == size
        assert peak < 12_000_000

    async def test_more_than_may_be_kept(self, stage: Any, file: Target) -> None:
        async with stage(limits=Limits(max_body_bytes=999, max_decoded_bytes=999)) as scene:
            await save(scene, "stream_to_file", file, reply(content=CONTENT))
            assert file.content == CONTENT
            os.unlink(file)
            with pytest.raises(LimitExceeded):
                await save(scene, "write_to_file", file, reply(content=CONTENT))
            assert file.folder == []


class TestProgress:
    @pytest.mark.parametrize(
        ("keywords", "total"),
        [({}, len(CONTENT)), ({"encoding": "gzip"}, None), ({"framing": "chunked"}, None)],
        ids=["announced", "compressed", "chunked"],
    )
    async def test_each_piece(self, stage: Any, file: Target, keywords: Any, total: int | None) -> None:
        told: list[tuple[int, int | None]] = []
        async with stage() as scene:
            answer = reply(content=CONTENT, **keywords)
            await save(scene, "stream_to_file", file, answer, progress=lambda *args: told.append(args))
        sizes = [size for size, _ in told]
        assert sizes == sorted(set(sizes))
        assert sizes[-1] == len(CONTENT)
        assert {of for _, of in told} == {total}

    async def test_each_chunk(self, stage: Any, file: Target) -> None:
        told: list[Any] = []
        async with stage() as scene:
            await save(
                scene,
                "stream_to_file",
                file,
                reply(content=b"x" * 25),
                chunk_size=10,
                progress=lambda *args: told.append(args),
            )
        assert told == [(10, 25), (20, 25), (25, 25)]

    async def test_what_it_raises(self, stage: Any, file: Target, way: str) -> None:
        if way == "write_to_file":
            return
        file.put(b"old")

        def progress(received: int, total: int | None) -> None:
            raise KeyError("mine")

        async with stage() as scene:
            with pytest.raises(KeyError, match="mine"):
                await save(scene, way, file, reply(content=CONTENT), progress=progress)
        assert file.content == b"old"
        assert file.alone


class FullDisk:
    """On which files can be made, but nothing be written to them."""

    def __init__(self) -> None:
        self.opened: list[Any] = []

    def open(self, path: Any, mode: str) -> Any:
        builtins.open(path, mode).close()
        self.opened.append(builtins.open("/dev/full", "wb"))  # noqa: SIM115 -- closed by who writes to it
        return self.opened[-1]


class TestFailures:
    """Whatever goes wrong: an older file stays as it was, and nothing else is left."""

    @asynccontextmanager
    async def untouched(self, file: Target, kind: type[BaseException]) -> AsyncIterator[None]:
        file.put(b"old")
        with pytest.raises(kind):
            yield
        assert file.content == b"old"
        assert file.alone

    @pytest.mark.parametrize("way", ["write_to_file", "stream_to_file"])
    async def test_cut_short(self, stage: Any, file: Target, way: str) -> None:
        async with stage() as scene:
            async with self.untouched(file, APIStreamError):
                await save(scene, way, file, CUT)

    async def test_too_late(self, stage: Any, file: Target) -> None:
        answer = reply(chunks=[b"x" * 2_000_000, b"y"], chunk_delay=1000.0)
        async with stage(deadline=0.3) as scene:
            async with self.untouched(file, DeadlineExceeded):
                await save(scene, "stream_to_file", file, answer)

    @pytest.mark.parametrize("face", ["async, trio", "async, httpx"])
    @pytest.mark.parametrize("after", [0, 1, 2, 3])
    async def test_cancelled(self, stage: Any, file: Target, after: int) -> None:
        """After so many pieces, with something of it written or not."""
        answer = reply(chunks=[b"x" * 1_500_000] * 3 + [b"y"], chunk_delay=0.005)
        file.put(b"old")
        async with stage() as scene:
            with trio.CancelScope() as scope:

                def progress(received: int, total: int | None) -> None:
                    if received > after * 1_400_000:
                        scope.cancel()

                if not after:
                    scope.cancel()
                await save(scene, "stream_to_file", file, answer, progress=progress)
            assert scope.cancelled_caught
        assert file.content == b"old"
        assert file.alone

    async def test_a_folder(self, stage: Any, tmp_path: Path, way: str) -> None:
        async with stage() as scene:
            with pytest.raises(IsADirectoryError, match="file must be"):
                await save(scene, way, tmp_path, reply(content=b"x"))
        assert os.listdir(tmp_path) == []

    async def test_no_folder(self, stage: Any, tmp_path: Path, way: str) -> None:
        async with stage() as scene:
            with pytest.raises(FileNotFoundError):
                await save(scene, way, tmp_path / "none" / "file", reply(content=b"x"))

    @pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
    async def test_what_is_neither_file_nor_folder(self, stage: Any, file: Target, way: str) -> None:
        """Such as ``/dev/null``, which a rename would put an ordinary file in place of."""
        os.mkfifo(file)
        async with stage() as scene:
            with pytest.raises(OSError, match="regular file"):
                await save(scene, way, file, reply(content=b"x"))
        assert stat.S_ISFIFO(file.mode)
        assert file.alone

    @pytest.mark.parametrize("file", [7, None, b"bytes"])
    async def test_what_is_no_name(self, stage: Any, file: Any, way: str) -> None:
        async with stage() as scene:
            with pytest.raises(TypeError):
                await save(scene, way, file, reply(content=b"x"))

    @pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
    @pytest.mark.parametrize("content", [b"x", CONTENT], ids=["at the end", "in the middle"])
    async def test_a_full_disk(
        self, stage: Any, file: Target, way: str, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(download, "open", FullDisk().open, raising=False)
        async with stage() as scene:
            async with self.untouched(file, OSError):
                await save(scene, way, file, reply(content=content))

    async def test_a_name_that_was_taken_meanwhile(self, stage: Any, file: Target) -> None:
        async with stage() as scene:
            with pytest.raises(OSError):
                await save(
                    scene,
                    "stream_to_file",
                    file,
                    reply(content=CONTENT),
                    progress=lambda *args: file.path.mkdir(exist_ok=True),
                )
        assert file.alone
        assert os.listdir(file) == []

    @pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
    @pytest.mark.parametrize("face", ["async, trio"])
    async def test_cancelled_with_a_full_disk(self, stage: Any, file: Target, monkeypatch: pytest.MonkeyPatch) -> None:
        """What comes out is the cancellation, not that the rest could not be written either."""
        disk = FullDisk()
        monkeypatch.setattr(download, "open", disk.open, raising=False)
        async with stage() as scene:
            with trio.CancelScope() as scope:

                def progress(received: int, total: int | None) -> None:
                    disk.opened[0].write(b"x")  # is kept in its buffer
                    scope.cancel()

                answer = reply(chunks=[b"x", b"y"], chunk_delay=0.01)
                await save(scene, "stream_to_file", file, answer, progress=progress)
            assert scope.cancelled_caught
        assert file.folder == []
