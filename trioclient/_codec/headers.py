"""Header layers, and the block of lines they make (RFC 9110, section 5).

Layers are laid over each other, the later one winning whatever the case of a name; an `omit`
value deletes a name. The layers that a client's calls share are merged and checked once into
a `MergedHeaders`; a call lays its own over that, which costs nothing where it has none.

What is sent is a header block: the bytes of the lines, each with its line end. A call adds lines
to it by joining bytes, and it is taken apart again (`header_lines`) only where somebody looks.

A value is never echoed in an error: it may be a credential.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

from .._types import Headers, NotGiven, Omit, RawHeaders

__all__ = ["MergedHeaders", "decoded", "find", "find_all", "header_block", "header_lines"]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

# How a message is framed is the transport's to say: one that disagrees with what is sent
# would let the rest of the body pass for another request.
_RESERVED: Final = {
    "content-length": "it follows from the body",
    "transfer-encoding": "it follows from the body",
    "upgrade": "this client speaks HTTP/1.1 only",
}
_CONNECTION_OPTIONS: Final = frozenset({"close", "keep-alive"})

_Line = tuple[bytes, bytes]


def header_block(lines: Iterable[_Line]) -> bytes:
    """The lines as they are sent: as they were written, but for Host and Connection."""
    return b"".join([b"%b: %b\r\n" % _respelled(line) for line in lines])


def _respelled(line: _Line) -> _Line:
    """Who makes a head looks for these two in the block, and so in one spelling."""
    name, value = line
    match name.lower():
        case b"host":
            return b"Host", value
        case b"connection":
            return b"Connection", value.lower()
        case _:
            return line


def header_lines(block: bytes) -> RawHeaders:
    """The lines of a block."""
    lines: RawHeaders = []
    for line in block.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        lines.append((name, value))
    return lines


class MergedHeaders:
    """Merged, checked header layers. Immutable."""

    __slots__ = ("_lines", "block")

    block: bytes
    """What is sent of them, as a header block."""

    def __init__(self, lines: dict[str, _Line | None] | None = None) -> None:
        # None stands for a name that was deleted, so that no default comes back later.
        self._lines = lines or {}
        self.block = header_block(line for line in self._lines.values() if line is not None)

    @property
    def lines(self) -> RawHeaders:
        """Each name in the case its last writer gave it."""
        return header_lines(self.block)

    @classmethod
    def of(cls, *layers: Headers | None) -> MergedHeaders:
        """Merge from the lowest layer up. Raises TypeError or ValueError naming the header."""
        block = cls()
        for layer in layers:
            block = block.over(layer)
        return block

    def over(self, layer: Headers | None) -> MergedHeaders:
        """This block with one more layer on top; itself where the layer is empty.

        A header set anew keeps its place in the order. A `NOT_GIVEN` value says nothing.
        Raises TypeError or ValueError naming the header.
        """
        if not layer:
            return self
        lines = dict(self._lines)
        for name, value in layer.items():
            if isinstance(value, NotGiven):
                continue
            lower, wire_name = _checked_name(name)
            lines[lower] = None if isinstance(value, Omit) else (wire_name, _checked_value(name, lower, value))
        return MergedHeaders(lines)

    def get(self, name: str) -> str | None:
        """The value under a name in any case, or None."""
        line = self._lines.get(name.lower())
        return line[1].decode("latin-1") if line is not None else None

    def mentions(self, name: str) -> bool:
        """Whether any layer set or deleted this name: if so, it wants no default."""
        return name.lower() in self._lines

    def mentions_none_of(self, names: frozenset[str]) -> bool:
        """The same for several, all of them lower-case."""
        return names.isdisjoint(self._lines)

    def __repr__(self) -> str:
        return f"MergedHeaders({', '.join(name.decode('latin-1') for name, _ in self.lines)})"


def _checked_name(name: object) -> tuple[str, bytes]:
    if not isinstance(name, str):
        raise TypeError(f"a header name must be a str, not {type(name).__name__}")
    return _parsed_name(name)


@functools.lru_cache(maxsize=512)
def _parsed_name(name: str) -> tuple[str, bytes]:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header name {name!r} must be letters, digits and !#$%&'*+-.^_`|~ only")
    lower = name.lower()
    if lower in _RESERVED:
        raise ValueError(f"header {name!r} cannot be set or omitted: {_RESERVED[lower]}")
    return lower, name.encode("ascii")


def _checked_value(name: str, lower: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"header {name!r} must be a str{_hint(value)}, not {type(value).__name__}")
    if not _VALUE.fullmatch(value):
        if _CONTROL.search(value):
            raise ValueError(f"header {name!r} must not hold CR, LF, NUL or other control characters")
        raise ValueError(f"header {name!r} must be Latin-1 text: encode other characters as its format asks")
    text = value.strip(" \t")
    if lower == "connection" and text.lower() not in _CONNECTION_OPTIONS:
        raise ValueError(f"header {name!r} must be 'close' or 'keep-alive'")
    return text.encode("latin-1")


def _hint(value: object) -> str:
    if value is None:
        return " (or omit, to delete it)"
    if isinstance(value, (bytes, bytearray)):
        return ": decode it"
    return ": write str(...)" if isinstance(value, (int, float)) else ""


def find(raw: RawHeaders, name: bytes) -> bytes | None:
    """The first value under a lower-case name among wire headers, or None."""
    for key, value in raw:
        if key == name:
            return value
    return None


def find_all(raw: RawHeaders, name: bytes) -> list[bytes]:
    """Every value under a lower-case name among wire headers, in order."""
    return [value for key, value in raw if key == name]


def decoded(raw: RawHeaders) -> tuple[tuple[str, str], ...]:
    """Wire headers as text. Latin-1, so that no byte is lost."""
    return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw])
