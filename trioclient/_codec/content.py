"""Content codings (RFC 9110 8.4): a compressed body in, the body out, never more than allowed.

    gzip, x-gzip   RFC 1952: one or several members; zero bytes between and behind them are padding
    deflate        RFC 1950, which the name means; RFC 1951, the bare stream that some servers send
    br             RFC 7932, where ``brotli`` or ``brotlicffi`` is installed
    zstd           RFC 8878: one or several frames, windows of at most 8 MiB as RFC 9659 demands;
                   on Python 3.14 and where ``zstandard`` is installed

A few bytes may stand for gigabytes, so nothing is decoded in one go: a decoder gives about 64 KiB
at a step, and the bound is checked after each, at every coding of a stack. Two libraries cannot
be told where to stop and are given so little input that they must: a step of ``zstandard`` is at
most 8 MiB, and 128 KiB near the bound; one of ``brotli`` before 1.2 is at most 16 MiB.

A body that stops inside its coding is a `DisconnectFault`, never a short answer; one that is
corrupt, or goes on after its end, is a `CodingFault`. No bytes at all are an empty body.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, NamedTuple, Protocol

from .._faults import CodingFault, DisconnectFault, LimitFault

__all__ = ["ACCEPT_ENCODING", "ContentDecoder", "decoder_for"]

_STEP: Final = 65_536
"""Bytes of output asked for at a time."""
_BLOCK: Final = 16_384
"""Bytes of input given at a time, so that what a library copies of its unused input is short."""
_MAX_CODINGS: Final = 5
"""Of one body; nobody means more."""
_ZSTD_WINDOW_LOG: Final = 23
_ZSTD_EXPANSION: Final = 32_768
"""The most that one byte can stand for: a block of 4 bytes is 128 KiB of the same byte."""


class _Stream(Protocol):
    """One compressed stream with an end of its own, such as a gzip member."""

    corrupt: type[Exception]
    """What the library raises for bad data."""
    more: bool
    """Another step without input gives more output, or ends the stream."""
    ended: bool
    surplus: bytes
    """Input behind the end."""

    def step(self, data: bytes, room: int) -> bytes:
        """Decode about 64 KiB of at most `room`. `data` is empty where there is `more`, only there."""
        ...


class _Deflated:
    """zlib, in any of its wrappings."""

    __slots__ = ("_decoder", "corrupt", "ended", "more", "surplus")

    def __init__(self, wbits: int) -> None:
        self._decoder = zlib.decompressobj(wbits)
        self.corrupt: type[Exception] = zlib.error
        self.more = self.ended = False
        self.surplus = b""

    def step(self, data: bytes, room: int) -> bytes:
        decoder = self._decoder
        output = decoder.decompress(data or decoder.unconsumed_tail, _STEP)
        self.ended = decoder.eof
        # A full step may leave output behind even where all input is consumed.
        self.more = not decoder.eof and (len(output) == _STEP or bool(decoder.unconsumed_tail))
        self.surplus = decoder.unused_data
        return output


class _Brotli:
    """``brotli`` and ``brotlicffi`` from 1.2 on; they refuse surplus input themselves."""

    __slots__ = ("_decoder", "corrupt", "ended", "more", "surplus")

    def __init__(self, library: Any) -> None:
        self._decoder = library.Decompressor()
        self.corrupt: type[Exception] = library.error
        self.more = self.ended = False
        self.surplus = b""

    def step(self, data: bytes, room: int) -> bytes:
        output: bytes = self._decoder.process(data, output_buffer_limit=_STEP)
        self.ended = self._decoder.is_finished()
        # brotli 1.2 says that it can accept more data even where a full step left output behind.
        self.more = not self.ended and (len(output) >= _STEP or not self._decoder.can_accept_more_data())
        return output


class _Zstd:
    """``compression.zstd``."""

    __slots__ = ("_decoder", "corrupt", "ended", "more", "surplus")

    def __init__(self, library: Any) -> None:
        options = {library.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._decoder = library.ZstdDecompressor(options=options)
        self.corrupt: type[Exception] = library.ZstdError
        self.more = self.ended = False
        self.surplus = b""

    def step(self, data: bytes, room: int) -> bytes:
        decoder = self._decoder
        output: bytes = decoder.decompress(data, _STEP)
        self.ended = decoder.eof
        self.more = not decoder.eof and not decoder.needs_input
        self.surplus = decoder.unused_data
        return output


class _Sipping:
    """A decoder that gives all its output at once, given too little input for that to be much."""

    __slots__ = ("_at", "_data", "_decode", "_sip", "_unused", "corrupt", "ended", "more", "surplus")

    def __init__(
        self,
        decode: Callable[[bytes], bytes],
        unused: Callable[[], bytes | None],
        sip: Callable[[int], int],
        corrupt: type[Exception],
    ) -> None:
        self._decode = decode
        self._unused = unused
        """The input that was handed back at the end, None before it."""
        self._sip = sip
        """How many bytes to give where so many bytes of output may yet come."""
        self._data = b""
        self._at = 0
        self.corrupt = corrupt
        self.more = self.ended = False
        self.surplus = b""

    def step(self, data: bytes, room: int) -> bytes:
        if data:
            self._data, self._at = data, 0
        start = self._at
        self._at += self._sip(room)
        output = self._decode(self._data[start : self._at])
        unused = self._unused()
        self.ended = unused is not None
        self.more = unused is None and self._at < len(self._data)
        if unused is not None:
            self.surplus = unused + self._data[self._at :]
        return output


def _open_gzip(data: bytes) -> _Stream:
    return _Deflated(16 + zlib.MAX_WBITS)


def _open_deflate(data: bytes) -> _Stream:
    # A zlib header has the method, 8, in its first half byte. A bare stream that began so would
    # be a stored block with a padding bit set, which no encoder writes.
    return _Deflated(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)


def _open_brotli(data: bytes) -> _Stream:
    library: Any = import_module(_BROTLI)
    if hasattr(library.Decompressor, "can_accept_more_data"):
        return _Brotli(library)
    decoder = library.Decompressor()
    # A byte completes the header of at most one meta-block, and that is 16 MiB at most.
    return _Sipping(decoder.process, lambda: b"" if decoder.is_finished() else None, lambda room: 1, library.error)


def _open_zstd(data: bytes) -> _Stream:
    library: Any = import_module(_ZSTD)
    if _ZSTD == "compression.zstd":
        return _Zstd(library)
    frame = library.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG).decompressobj()
    return _Sipping(frame.decompress, lambda: frame.unused_data if frame.eof else None, _zstd_sip, library.ZstdError)


def _zstd_sip(room: int) -> int:
    return min(max(room // _ZSTD_EXPANSION, 4), 256)


def _installed(*modules: str) -> str:
    """The first of these that can be imported, or "". Looks for it only: importing takes longer."""
    return next((module for module in modules if find_spec(module) is not None), "")


_BROTLI: Final = _installed("brotli", "brotlicffi")
# The C module is what a Python 3.14 may have been built without.
_ZSTD: Final = "compression.zstd" if sys.version_info >= (3, 14) and _installed("_zstd") else _installed("zstandard")


class _Coding(NamedTuple):
    open: Callable[[bytes], _Stream]
    """Begin a stream, given the first bytes of it."""
    many: bool = False
    """Whether another stream may follow one that has ended."""
    padding: bytes = b""
    """Bytes without meaning between two streams, and behind the last."""


_GZIP: Final = _Coding(_open_gzip, many=True, padding=b"\0")
_CODINGS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _Coding(_open_deflate)}
if _BROTLI:
    _CODINGS["br"] = _Coding(_open_brotli)
if _ZSTD:
    _CODINGS["zstd"] = _Coding(_open_zstd, many=True)

ACCEPT_ENCODING: Final = ", ".join(name for name in _CODINGS if name != "x-gzip")
"""The value of ``Accept-Encoding``: what `decoder_for` understands on this installation."""


class _Stage:
    """One coding undone."""

    __slots__ = ("_begun", "_coding", "_limit", "_name", "_room", "_stream")

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._coding = _CODINGS[name]
        self._limit = limit
        self._room = limit
        self._stream: _Stream | None = None
        self._begun = False

    def decode(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield b""  # so that no stage works on for long unseen
            for start in range(0, len(piece), _BLOCK):
                yield from self._decode_block(piece[start : start + _BLOCK])

    def finish(self) -> None:
        if self._stream is not None:
            raise DisconnectFault("the compressed body was cut short")

    def _decode_block(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._stream is None:
                data = self._next_stream(data)
            stream = self._stream
            if stream is None:
                return
            yield self._step(stream, data)
            while stream.more:
                yield self._step(stream, b"")
            if not stream.ended:
                return
            self._stream = None
            data = stream.surplus

    def _next_stream(self, data: bytes) -> bytes:
        """Open a stream if `data` begins one, and return what of it is left to decode."""
        if self._begun:
            data = data.lstrip(self._coding.padding)
            if data and not self._coding.many:
                raise CodingFault(f"the {self._name} body goes on after its end")
        if data:
            self._begun = True
            self._stream = self._coding.open(data)
        return data

    def _step(self, stream: _Stream, data: bytes) -> bytes:
        try:
            output = stream.step(data, self._room)
        except stream.corrupt as error:
            raise CodingFault(f"the {self._name} body is corrupt") from error
        self._room -= len(output)
        if self._room < 0:
            raise LimitFault("max_decoded_bytes", self._limit)
        return output


class ContentDecoder:
    """Undoes the codings of one body, the outermost first.

    Raises `CodingFault`, `DisconnectFault` or `LimitFault`, and is of no use afterwards.
    """

    __slots__ = ("_stages",)

    def __init__(self, codings: list[str], max_decoded_bytes: int) -> None:
        """`codings` in the order they were applied, all of them known."""
        self._stages = [_Stage(name, max_decoded_bytes) for name in reversed(codings)]

    def feed(self, data: bytes) -> bytes:
        """The output that so much of the body gives, maybe none."""
        return b"".join(self.steps(data))

    def steps(self, data: bytes) -> Iterator[bytes]:
        """The same, step by step, some of which give nothing; each is done when it is asked for."""
        pieces: Iterable[bytes] = (data,)
        for stage in self._stages:
            pieces = stage.decode(pieces)
        return iter(pieces)

    def finish(self) -> bytes:
        """The body has ended: the rest of the output. Raises `DisconnectFault` where it was cut short."""
        for stage in self._stages:
            stage.finish()
        # Every step was drained as it was fed.
        return b""


def decoder_for(content_encoding: bytes | None, max_decoded_bytes: int) -> ContentDecoder | None:
    """The decoder for a Content-Encoding; None where the body is not compressed.

    `max_decoded_bytes` bounds the output of each coding. Raises `CodingFault` for a coding
    that is not known, or not installed, and for too many of them.
    """
    if not content_encoding:
        return None
    names = [name.strip().lower() for name in content_encoding.decode("latin-1").split(",")]
    codings = [name for name in names if name not in ("", "identity")]
    if not codings:
        return None
    if len(codings) > _MAX_CODINGS:
        raise CodingFault(f"the body has {len(codings)} content codings, more than {_MAX_CODINGS}")
    for name in codings:
        if name not in _CODINGS:
            raise CodingFault(f"the body's content coding {name[:40]!r} is not known")
    return ContentDecoder(codings, max_decoded_bytes)
