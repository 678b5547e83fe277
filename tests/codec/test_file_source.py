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
