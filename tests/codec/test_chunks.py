"""Pieces of any size to chunks of one size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.chunks import Chunks


def chunked(size: int | None, pieces: list[bytes]) -> list[bytes]:
    chunks = Chunks(size, b"".join)
    return [*(chunk for piece in pieces for chunk in chunks.feed(piece)), *chunks.finish()]


@pytest.mark.parametrize(
    ("size", "pieces", "chunks"),
    [
        (3, [], []),
        (3, [b""], []),
        (3, [b"ab"], [b"ab"]),
        (3, [b"abc"], [b"abc"]),
        (3, [b"abcd"], [b"abc", b"d"]),
        (3, [b"a", b"b", b"c", b"d"], [b"abc", b"d"]),
        (3, [b"a", b"", b"bcdefgh"], [b"abc", b"def", b"gh"]),
        (3, [b"ab", b"cdef", b""], [b"abc", b"def"]),
        (1, [b"abc"], [b"a", b"b", b"c"]),
        (100, [b"abc", b"def"], [b"abcdef"]),
        (None, [b"abc", b"", b"d"], [b"abc", b"d"]),
        (None, [], []),
    ],
)
def test_a_table(size: int | None, pieces: list[bytes], chunks: list[bytes]) -> None:
    assert chunked(size, pieces) == chunks


def test_a_chunk_is_given_as_soon_as_it_is_whole() -> None:
    chunks = Chunks(3, b"".join)
    assert [chunks.feed(piece) for piece in (b"ab", b"c", b"defg", b"hi")] == [[], [b"abc"], [b"def"], [b"ghi"]]
    assert chunks.finish() == []
    assert chunks.finish() == []


def test_characters() -> None:
    chunks = Chunks(2, "".join)
    assert [*chunks.feed("äöü"), *chunks.feed("ß€"), *chunks.finish()] == ["äö", "üß", "€"]


@given(st.integers(1, 40), st.lists(st.binary(max_size=100)))
def test_nothing_is_lost_and_each_is_of_the_size(size: int, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert chunked(size, pieces) == [whole[at : at + size] for at in range(0, len(whole), size)]


@given(st.lists(st.binary(max_size=100)))
def test_without_a_size_they_stay_as_they_are(pieces: list[bytes]) -> None:
    assert chunked(None, pieces) == [piece for piece in pieces if piece]


def test_many_small_pieces_and_a_large_chunk_in_linear_time() -> None:
    """A million joins of what has come so far would take minutes."""
    assert chunked(10_000_000, [b"x"] * 1_000_000) == [b"x" * 1_000_000]
