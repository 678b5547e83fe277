"""An answer as its caller sees it: its head, and its body, read or not.

One class serves both ways to get at it. With ``with_raw_response`` the body is in memory and
nothing here waits; with ``with_streaming_response`` it is still on its way, and may be read once:
whole (`read` and what builds on it, as often as wanted from then on) or piece by piece.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import httpx
import trio

from .._codec.chunks import Chunks
from .._codec.decode import answer_decoder
from .._codec.media_type import media_type
from .._codec.redact import redact_url
from .._codec.text_pieces import LinePieces, TextPieces
from .._engine.answer_body import AnswerBody
from .._engine.event_source import EventSource, open_events
from .._engine.failure import Received, stream_error
from .._faults import Fault, LimitFault
from .._types import NOT_GIVEN, NotGiven, checked_int
from .answer_value import decoded_answer, value_decoder
from .download import Progress, save

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from typing_extensions import Self, TypeForm

    from .._codec.decode import AnswerDecoder
    from .._engine.call import Answer, CallTrace
    from .._engine.loop import Engine
    from .._errors import APIError
    from .._types import Limits

__all__ = ["AsyncAPIResponse", "BodyIterator"]

T = TypeVar("T")
U = TypeVar("U")
Piece = TypeVar("Piece")


class AsyncAPIResponse(Generic[T]):
    """An answer: its head, and what is made of its body. `T` is the type the call asked for.

    Use one whose body is not read yet in an ``async with``. Where the body breaks off, what reads
    it raises `APIStreamError`.
    """

    def __init__(self, answer: Answer, trace: CallTrace, cast_to: Any, *, strict: bool, limits: Limits) -> None:
        self._answer = answer
        self._trace = trace
        self._cast_to = cast_to
        self._strict = strict
        self._limits = limits
        self._read_at = trio.current_time()
        self._elapsed = self._read_at - trace.started
        self._body = None if answer.unread is None else AnswerBody(answer.unread, trace)
        self._content: bytes | None = answer.content if self._body is None else None
        self._handed_out = False

    # The head.

    @property
    def status_code(self) -> int:
        """The HTTP status, 200 to 299: any other is raised as an error."""
        return self._answer.status

    @property
    def headers(self) -> httpx.Headers:
        """As the server sent them, in a new object."""
        return httpx.Headers(self._answer.headers)

    @property
    def http_version(self) -> str:
        """``"HTTP/1.1"`` and the like."""
        return self._answer.http_version

    @property
    def method(self) -> str:
        """Of the request that was answered, redirects followed."""
        return self._answer.method

    @property
    def url(self) -> httpx.URL:
        """Where the answer came from, redirects followed; without credentials."""
        return httpx.URL(redact_url(str(self._answer.target)))

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the call to the end of its last attempt: the body's, or, unread, the head's."""
        return self._elapsed

    @property
    def retries_taken(self) -> int:
        """Attempts after the first."""
        return self._trace.retries

    @property
    def request_id(self) -> str | None:
        """The server's own name for the request (``request-id``, ``x-request-id``)."""
        record = self._answer.record()
        return record.header("request-id") or record.header("x-request-id")

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be read from the connection."""
        return self._body is None or self._body.closed

    @property
    def in_memory(self) -> bool:
        """Whether the body is read and kept: nothing here waits any more, or needs trio."""
        return self._content is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.method} {self.url}>"

    # The body whole.

    async def read(self) -> bytes:
        """All of the body, decompressed, and kept. Raises an `APIError`."""
        if self._content is None:
            pieces = [piece async for piece in BodyIterator(self, self._bounded, tuple)]
            self._content = b"".join(pieces)
            self._read_at = trio.current_time()
        return self._content

    @overload
    async def parse(self) -> T: ...
    @overload
    async def parse(self, *, to: TypeForm[U]) -> U: ...
    async def parse(self, *, to: Any = NOT_GIVEN) -> Any:
        """The body as the type the call asked for, or as another. Raises an `APIError`."""
        return await self._decoded(
            value_decoder(self._cast_to if isinstance(to, NotGiven) else to, strict=self._strict)
        )

    async def text(self) -> str:
        """The body as text, in the charset the server named, else UTF-8; what is not is replaced."""
        return (await self.read()).decode(self._charset, "replace")

    async def json(self) -> Any:
        """The body as plain decoded JSON, whatever its media type; None where it is empty.

        Raises `APIResponseValidationError` where it is no JSON.
        """
        return await self._decoded(_PlainJSON())

    # The body piece by piece.

    def iter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The body, decompressed: in chunks of so many bytes, or as it comes."""
        chunks = Chunks(_checked_size(chunk_size), b"".join)
        return BodyIterator(self, chunks.feed, chunks.finish)

    def iter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        """The body as text: in chunks of so many characters, or as it comes."""
        text = TextPieces(self._charset)
        chunks = Chunks(_checked_size(chunk_size), "".join)
        return BodyIterator(
            self,
            lambda data: chunks.feed(text.feed(data)),
            lambda: [*chunks.feed(text.finish()), *chunks.finish()],
        )

    def iter_lines(self) -> AsyncIterator[str]:
        """The body as text, line by line, without the line ends: LF, CR LF or CR."""
        text = TextPieces(self._charset)
        lines = LinePieces(self._limits.max_line_bytes)
        return BodyIterator(
            self,
            lambda data: lines.feed(text.feed(data)),
            lambda: [*lines.feed(text.finish()), *lines.finish()],
        )

    # The body into a file.

    async def write_to_file(self, file: str | os.PathLike[str]) -> None:
        """Read the body, keep it, and write it to `file`; see `stream_to_file`."""
        await self.read()
        await self.stream_to_file(file)

    async def stream_to_file(
        self, file: str | os.PathLike[str], *, chunk_size: int | None = None, progress: Progress | None = None
    ) -> None:
        """Write the body to `file` as it comes, and keep nothing of it in memory.

        The file appears, or takes the place of an older one, when the body is whole; a download
        that fails leaves nothing behind. ``progress(received, total)`` is called with bytes after
        each piece, or each `chunk_size` bytes; `total` is None where the server did not say.
        Raises an `APIError`, or OSError.
        """
        size = len(self._content) if self._content is not None else self._body.size if self._body is not None else None
        await save(self.iter_bytes(chunk_size), file, size=size, progress=progress)

    # Lifetime.

    async def aclose(self) -> None:
        """Let go of the connection. May be called twice."""
        if self._body is not None:
            await self._body.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # What it is built of.

    async def _decoded(self, decoder: AnswerDecoder | None) -> Any:
        answer = self._answer._replace(content=await self.read())
        return decoded_answer(answer, self._trace, decoder, self._limits, read_at=self._read_at)

    @property
    def _charset(self) -> str:
        return media_type(self._answer.content_type).charset

    def _bounded(self, data: bytes) -> tuple[bytes]:
        """A piece of what is to be kept."""
        body, limits = self._body, self._limits
        if body is not None and body.carried > limits.max_body_bytes:
            raise LimitFault("max_body_bytes", limits.max_body_bytes)
        if body is not None and body.received > limits.max_decoded_bytes:
            raise LimitFault("max_decoded_bytes", limits.max_decoded_bytes)
        return (data,)

    def take_source(self) -> Callable[[], Awaitable[bytes]]:
        """What receives the body piece by piece and ``b""`` at its end; for one reader.

        Raises a `Fault`. Raises RuntimeError where another reader has it.
        """
        return self.take_body().receive if self._content is None else _Whole(self._content).receive

    def take_body(self) -> AnswerBody:
        """The unread body, for one reader. Raises RuntimeError where another has it."""
        if self._body is None or self._handed_out:
            raise RuntimeError("the body was read already: an iterator keeps nothing of it, read() does")
        self._handed_out = True
        return self._body

    async def take_events(self, resume: Engine | None) -> EventSource:
        """The unread body as events. Raises an `APIError` where it is no stream."""
        return await open_events(
            self._answer, self._trace, self.take_body(), limits=self._limits, strict=self._strict, resume=resume
        )

    def error(self, fault: Fault) -> APIError:
        """The error for a fault in reading the body."""
        received = Received(0 if self._body is None else self._body.received)
        now = self._read_at if self.in_memory else trio.current_time()
        return stream_error(self._trace, self._answer, fault, now, received)


class _PlainJSON:
    """An `AnswerDecoder` that takes the body for JSON."""

    def decode(self, content: bytes, content_type: str | None, *, max_depth: int) -> object:
        json_type = f"application/json; charset={media_type(content_type).charset}"
        return answer_decoder(Any, strict=True).decode(content, json_type, max_depth=max_depth)


class _Whole:
    """A body in memory, received."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def receive(self) -> bytes:
        content, self._content = self._content, b""
        return content


class BodyIterator(AsyncIterator[Piece]):
    """A body as what `feed` and, at its end, `finish` make of it.

    Not a generator: one that is left half-way would wait for the garbage collector.
    """

    def __init__(
        self,
        response: AsyncAPIResponse[Any],
        feed: Callable[[bytes], Iterable[Piece]],
        finish: Callable[[], Iterable[Piece]],
    ) -> None:
        self._response = response
        self._receive = response.take_source()
        self._feed = feed
        self._finish = finish
        self._ready: deque[Piece] = deque()
        self._ended = False

    async def __anext__(self) -> Piece:
        if not self._ready:
            self._ready.extend(await self.next_batch())
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    async def next_batch(self) -> list[Piece]:
        """What comes of the next bytes that anything comes of; none at the end."""
        batch: list[Piece] = []
        while not batch and not self._ended:
            try:
                data = await self._receive()
                batch.extend(self._feed(data) if data else self._finish())
            except Fault as fault:
                self._ended = True
                await self._response.aclose()
                raise self._response.error(fault) from fault
            self._ended = not data
        return batch


def _checked_size(chunk_size: int | None) -> int | None:
    return None if chunk_size is None else checked_int(chunk_size, "chunk_size", 1)
