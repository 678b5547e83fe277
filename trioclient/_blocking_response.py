"""The blocking twin of an answer: the same, read on the portal.

What is in memory needs no portal: nothing of it waits, so that it is got at right here, also when
the client is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from ._client.download import Progress, write_whole
from ._client.response import AsyncAPIResponse, BodyIterator
from ._feed import Feeder
from ._hold import BatchIterator, HeldIterator, Hold
from ._types import NOT_GIVEN

if TYPE_CHECKING:
    import os
    from types import TracebackType

    import httpx
    from typing_extensions import Self, TypeForm

__all__ = ["APIResponse"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")


class APIResponse(Generic[T]):
    """An answer: its head, and what is made of its body; see `AsyncAPIResponse`.

    Use one whose body is not read yet in a `with`. One whose body is in memory works on when the
    client is closed.
    """

    def __init__(self, twin: AsyncAPIResponse[T], hold: Hold[Any]) -> None:
        self._twin = twin
        self._hold = hold
        hold.name = type(self).__name__

    # The head.

    @property
    def status_code(self) -> int:
        """The HTTP status, 200 to 299: any other is raised as an error."""
        return self._twin.status_code

    @property
    def headers(self) -> httpx.Headers:
        """As the server sent them, in a new object."""
        return self._twin.headers

    @property
    def http_version(self) -> str:
        """``"HTTP/1.1"`` and the like."""
        return self._twin.http_version

    @property
    def method(self) -> str:
        """Of the request that was answered, redirects followed."""
        return self._twin.method

    @property
    def url(self) -> httpx.URL:
        """Where the answer came from, redirects followed; without credentials."""
        return self._twin.url

    @property
    def elapsed(self) -> float:
        """See `AsyncAPIResponse.elapsed`."""
        return self._twin.elapsed

    @property
    def retries_taken(self) -> int:
        """Attempts after the first."""
        return self._twin.retries_taken

    @property
    def request_id(self) -> str | None:
        """The server's own name for the request (``request-id``, ``x-request-id``)."""
        return self._twin.request_id

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be read from the connection."""
        return self._twin.is_closed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.method} {self.url}>"

    # The body whole.

    def read(self) -> bytes:
        """All of the body, decompressed, and kept. Raises an `APIError`."""
        return self._run(self._twin.read)

    @overload
    def parse(self) -> T: ...
    @overload
    def parse(self, *, to: TypeForm[U]) -> U: ...
    def parse(self, *, to: Any = NOT_GIVEN) -> Any:
        """The body as the type the call asked for, or as another. Raises an `APIError`."""
        return self._run(cast("Any", self._twin.parse), to=to)

    def text(self) -> str:
        """The body as text, in the charset the server named, else UTF-8; what is not is replaced."""
        return self._run(self._twin.text)

    def json(self) -> Any:
        """The body as plain decoded JSON. Raises `APIResponseValidationError` where it is none."""
        return self._run(self._twin.json)

    # The body piece by piece.

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The body, decompressed: in chunks of so many bytes, or as it comes."""
        return self._iterate(self._twin.iter_bytes(chunk_size))

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """The body as text: in chunks of so many characters, or as it comes."""
        return self._iterate(self._twin.iter_text(chunk_size))

    def iter_lines(self) -> Iterator[str]:
        """The body as text, line by line, without the line ends: LF, CR LF or CR."""
        return self._iterate(self._twin.iter_lines())

    # The body into a file.

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        """Read the body, keep it, and write it to `file`; see `stream_to_file`."""
        self.read()
        self.stream_to_file(file)

    def stream_to_file(
        self, file: str | os.PathLike[str], *, chunk_size: int | None = None, progress: Progress | None = None
    ) -> None:
        """Write the body to `file` as it comes, and keep nothing of it in memory.

        `progress` is called in this thread. See `AsyncAPIResponse.stream_to_file`.
        """
        if self._twin.in_memory:
            chunks = self.iter_bytes(chunk_size)
            write_whole(chunks if progress is None else _told(chunks, len(self.read()), progress), file)
        elif progress is None:
            self._hold.call(self._twin.stream_to_file, file, chunk_size=chunk_size)
        else:
            self._hold.call_asking(partial(self._save, file, chunk_size, progress))

    # Lifetime.

    def close(self) -> None:
        """Let go of the connection. May be called twice."""
        self._hold.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hold.close(at_once=exc is not None and not isinstance(exc, Exception))

    # What it is built of.

    def _run(self, async_fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._twin.in_memory:
            return _done(async_fn(*args, **kwargs))
        return self._hold.call(async_fn, *args, **kwargs)

    def _iterate(self, pieces: AsyncIterator[R]) -> Iterator[R]:
        assert isinstance(pieces, BodyIterator)
        if self._twin.in_memory:
            return _MemoryIterator(pieces.next_batch)
        return HeldIterator(self._hold, pieces.next_batch)

    async def _save(
        self, file: str | os.PathLike[str], chunk_size: int | None, progress: Progress, feeder: Feeder[Any]
    ) -> None:
        await self._twin.stream_to_file(file, chunk_size=chunk_size, progress=partial(feeder.ask, progress))


class _MemoryIterator(BatchIterator[T]):
    """Over what is there already."""

    def __init__(self, next_batch: Callable[[], Coroutine[Any, Any, list[T]]]) -> None:
        super().__init__()
        self._ask = next_batch

    def _next_batch(self) -> list[T]:
        return _done(self._ask())


def _done(work: Coroutine[Any, Any, R]) -> R:
    """What a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise AssertionError("it waits for something")


def _told(chunks: Iterable[bytes], size: int, progress: Progress) -> Iterator[bytes]:
    written = 0
    for chunk in chunks:
        yield chunk
        written += len(chunk)
        progress(written, size)
