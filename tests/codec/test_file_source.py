"""Files as sources of a body."""

from __future__ import annotations

import gzip
import io
import os
import pathlib
import sys
import threading
from typing import Any

import pytest

from trioclient._codec.file_source import FileSource, file_source, opened_file

CONTENT = bytes(range(256)) * 1_000


def whole(source: FileSource) -> bytes:
    return b"".join(source.chunks())


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, io.BytesIO])
def test_chunks(make: Any) -> None:
    source = file_source(make(CONTENT), "file")
    assert (source.length, source.replayable) == (256_000, True)
    assert [len(chunk) for chunk in source.chunks()] == [131_072, 124_928]
    assert whole(source) == whole(source) == CONTENT


def test_bytes_are_copied() -> None:
    content = bytearray(b"abc")
    source = file_source(content, "file")
    content[0] = 0
    assert whole(source) == b"abc"


def test_a_path_is_read_where_it_was_meant(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    source = file_source(pathlib.Path("file"), "file")
    monkeypatch.chdir("/")
    assert (source.length, source.replayable) == (256_000, True)
    assert whole(source) == whole(source) == CONTENT


def test_an_entry_of_a_directory_is_a_path(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with os.scandir(tmp_path) as entries:
        assert whole(file_source(next(entries), "file")) == CONTENT


def test_a_path_of_bytes_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with os.scandir(os.fsencode(tmp_path)) as entries:
        with pytest.raises(TypeError, match="file must be a path of text, not of bytes"):
            file_source(next(entries), "file")  # type: ignore[arg-type]


def test_an_empty_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    source = file_source(tmp_path / "file", "file")
    assert (source.length, source.replayable, whole(source)) == (0, True, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes among its files")
def test_a_named_pipe_is_read_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = file_source(path, "file")
    assert (source.length, source.replayable) == (None, False)
    writer = threading.Thread(target=path.write_bytes, args=[CONTENT])
    writer.start()
    assert whole(source) == CONTENT
    writer.join()


def test_an_open_pipe_is_read_once() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as file:
        os.write(writing, b"abc")
        os.close(writing)
        source = file_source(file, "file")
        assert (source.length, source.replayable) == (None, False)
        assert whole(source) == b"abc"


def test_a_compressed_file_is_read_from_where_it_stood() -> None:
    with gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(CONTENT))) as file:
        file.read(10)
        source = opened_file(file, "file")
        assert source.replayable
        assert whole(source) == whole(source) == CONTENT[10:]


def test_a_raw_file_may_give_less_than_asked() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 1_000))

    source = opened_file(Slow(CONTENT), "file")
    assert whole(source) == whole(source) == CONTENT


@pytest.mark.parametrize("refusal", [OSError, ValueError])
def test_a_file_that_does_not_seek_from_its_end_has_no_length(refusal: type[Exception]) -> None:
    class Endless(io.BytesIO):
        def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
            if whence == io.SEEK_END:
                raise refusal
            return super().seek(offset, whence)

    file = Endless(CONTENT)
    file.seek(10)
    source = opened_file(file, "file")
    assert (source.length, source.replayable, file.tell()) == (None, True, 10)
    assert whole(source) == whole(source) == CONTENT[10:]


def test_a_seek_may_return_nothing() -> None:
    class Wordless(io.BytesIO):
        def seek(self, offset: int, whence: int = io.SEEK_SET) -> Any:
            super().seek(offset, whence)

    assert opened_file(Wordless(CONTENT), "file").length == 256_000


def test_no_more_is_read_than_there_was() -> None:
    asked: list[int | None] = []

    class Asked(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size)
            return super().read(size)

    assert whole(opened_file(Asked(CONTENT), "file")) == CONTENT
    assert asked == [131_072, 124_928]


def test_what_a_file_gives_is_bytes() -> None:
    class Text:
        def read(self, size: int) -> str:
            return "abc"

    class SeekableText(Text):
        def tell(self) -> int:
            return 0

        def seek(self, offset: int, whence: int = io.SEEK_SET) -> None:
            pass

    for file in (Text(), SeekableText()):
        source = opened_file(file, "the file")
        source.length = None
        with pytest.raises(TypeError, match=r"^the file must be made of bytes, but gave str: encode it$"):
            whole(source)


@pytest.mark.parametrize("at_path", [True, False])
@pytest.mark.parametrize("left", [0, 1, 255_998])
def test_a_file_that_shrinks_is_no_shorter_body(tmp_path: pathlib.Path, at_path: bool, left: int) -> None:
    path, file = tmp_path / "file", io.BytesIO(CONTENT)
    path.write_bytes(CONTENT)
    source = file_source(path if at_path else file, "the file")
    path.write_bytes(CONTENT[:left])
    file.truncate(left)
    missing = 256_000 - left
    with pytest.raises(ValueError, match=rf"^the file is {missing} bytes shorter than it was when the call began$"):
        whole(source)


def test_a_file_of_one_byte() -> None:
    assert whole(opened_file(io.BytesIO(b"a"), "file")) == b"a"


def test_a_file_at_its_end_is_empty() -> None:
    file = io.BytesIO(b"abc")
    file.seek(3)
    assert (opened_file(file, "file").length, whole(opened_file(file, "file"))) == (0, b"")


def test_a_file_that_is_moved_meanwhile() -> None:
    class Shared(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            self.seek(0)
            return piece

    with pytest.raises(ValueError) as caught:
        whole(file_source(Shared(CONTENT), "the file"))
    assert str(caught.value) == (
        "the file was moved while it was sent: give each call an open file of its own, or a path"
    )


class Async:
    async def read(self, size: int) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.txt", "must not be a str: encode it, or give pathlib.Path(...) for the file at a path"),
        (5, "must be bytes, a file opened in binary mode or a pathlib.Path, not int"),
        (None, "must be bytes, a file opened in binary mode or a pathlib.Path, not NoneType"),
        (io.StringIO("a"), "must be a file opened in binary mode ('rb'), not a text file"),
        (Async(), "must be a blocking file, not an async one: it is read in a worker thread"),
    ],
    ids=["str", "int", "None", "text file", "async file"],
)
def test_what_is_no_file(content: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        file_source(content, "the file")
    assert str(caught.value) == f"the file {message}"


def test_chunks_left_half_way_close_their_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    before = _open_files()
    chunks = file_source(path, "file").chunks()
    next(chunks)
    if before is not None:
        assert _open_files() == before + 1
    chunks.close()
    assert _open_files() == before


def _open_files() -> int | None:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else None
