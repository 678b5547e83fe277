"""Text and lines out of pieces: the same at any cuts, in every charset."""

from __future__ import annotations

import codecs
import random
import re
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.media_type import media_type
from trioclient._codec.text_pieces import LinePieces, TextPieces
from trioclient._faults import LimitFault

MANY = 1 << 30
CHARSETS = sorted({media_type(f"text/plain; charset={name}").charset for name in aliases.values()})
"""Those that the header of an answer can choose."""
TEXT = "aé ü\n漢字かな한글 ё\u2028€𝄞\r\n~\\-+z"


def in_pieces(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def decoded(pieces: list[bytes], charset: str) -> str:
    text = TextPieces(charset)
    return "".join([*map(text.feed, pieces), text.finish()])


def test_there_are_charsets():
    assert {"utf-8", "utf-16", "iso2022_jp", "cp1252", "gb18030", "shift_jis"} <= set(CHARSETS)


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, MANY])
def test_text(charset, size):
    data = TEXT.encode(charset, "ignore")
    assert decoded(in_pieces(data, size), charset) == data.decode(charset)


@pytest.mark.parametrize("charset", CHARSETS)
def test_anything_at_all(charset):
    """A server says it is text; it is not. In ISO 2022 the replacement depends on the cuts."""
    chance = random.Random(charset)
    odd = b"\x1b$B(~{}+-Jab\n\r\xff\xfe\x00\x8e\xa1"
    for _ in range(100):
        data = bytes(chance.choices(odd, k=30)) if chance.random() < 0.5 else chance.randbytes(30)
        pieces = in_pieces(data, chance.randint(1, 5))
        if charset.startswith("iso2022"):
            assert decoded(pieces, charset)
        else:
            assert decoded(pieces, charset) == data.decode(charset, "replace")


@pytest.mark.parametrize(
    ("charset", "pieces", "text"),
    [
        ("utf-8", [b"\xe2\x82", b"\xac", b"!"], ["", "€", "!", ""]),
        ("utf-8", [b"\xe2\x82", b"a", b"\xff", b"\xe2"], ["", "\ufffda", "\ufffd", "", "\ufffd"]),
        ("utf-8", [codecs.BOM_UTF8, b"a"], ["\ufeff", "a", ""]),
        ("utf-16", [codecs.BOM_UTF16_BE, b"\0", b"a", b"\0"], ["", "", "a", "", "\ufffd"]),
        ("utf-16-le", [b"a", b"\0b", b"\0"], ["", "a", "b", ""]),
        ("ascii", [b"a\x80"], ["a\ufffd", ""]),
        ("iso2022_jp", [b"a\x1b", b"$B4", b"A\x1b(", b"Bc"], ["a", "", "漢", "c", ""]),
        # An escape sequence without end: Python's decoder gives up at nine bytes of it.
        (
            "iso2022_jp",
            [b"a", b"\x1b$\xfe\xfe", b"ca-\xff", b"{b", b"\x1b$B4A\x1b(B"],
            ["a", "", "", "\ufffd{b", "漢", ""],
        ),
    ],
)
def test_pieces(charset, pieces, text):
    decoder = TextPieces(charset)
    assert [*map(decoder.feed, pieces), decoder.finish()] == text


LINE_ENDS = re.compile("\r\n|\n|\r")


def lines_of(pieces: list[str]) -> list[str]:
    lines = LinePieces(MANY)
    found = [line for piece in pieces for line in lines.feed(piece)] + lines.finish()
    assert lines.finish() == []
    return found


@pytest.mark.parametrize("size", [MANY, 1, 2])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\nb\rc\r\nd", ["a", "b", "c", "d"]),
        ("a\n", ["a"]),
        ("\n", [""]),
        ("\r\n\n\r\r\na", ["", "", "", "", "a"]),
        ("a\x0bb\x0cc\x1cd\x1ee\x85f\u2028g\u2029h\n", ["a\x0bb\x0cc\x1cd\x1ee\x85f\u2028g\u2029h"]),
        ("\ufeffa\né€𝄞\n\ufeff", ["\ufeffa", "é€𝄞", "\ufeff"]),
        ("\ud800\n\udc00", ["\ud800", "\udc00"]),
    ],
)
def test_lines(text, lines, size):
    assert lines_of(in_pieces(text, size)) == lines


@given(pieces=st.lists(st.sampled_from(["a", "é", "\n", "\r", "\r\n", "\u2028", "\ud83d", ""])))
def test_lines_at_any_cut(pieces):
    text = "".join(pieces)
    *whole, rest = LINE_ENDS.split(text)
    assert lines_of(pieces) == lines_of([text]) == lines_of(list(text)) == ([*whole, rest] if rest else whole)


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["a\r", "\nb\r", "\rc\n"], [["a"], ["b"], ["", "c"]]),
        (["a\r", "", "\n", "\n"], [["a"], [], [], [""]]),
        (["a", "b\nc", "d\re"], [[], ["ab"], ["cd"]]),
    ],
)
def test_a_cr_is_a_line_end_at_once(pieces, lines):
    reader = LinePieces(MANY)
    assert [reader.feed(piece) for piece in pieces] == lines


@pytest.mark.parametrize("size", [MANY, 1])
@pytest.mark.parametrize(
    ("text", "lines", "fault"),
    [
        ("abcd\r\néé\n𝄞", ["abcd", "éé", "𝄞"], False),
        ("ab\nabcde\nc\n", ["ab"], True),
        ("ab\nabcde", ["ab"], True),
        ("ab\nééa", ["ab"], True),
        ("abcde", [], True),
    ],
)
def test_bound(text, lines, fault, size):
    reader = LinePieces(4)
    found = []
    message = ""
    try:
        for piece in in_pieces(text, size):
            found += reader.feed(piece)
        found += reader.finish()
    except LimitFault as error:
        message = str(error)
    assert found == lines
    assert message == ("max_line_bytes (4) was exceeded" if fault else "")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("x" * (16 << 20) + "\n", 1024, id="16 Mi characters in one line"),
        pytest.param("é" * 100_000 + "\n", 1, id="one by one"),
        pytest.param("ab\r\n" * 500_000, 1400, id="many lines"),
    ],
)
def test_huge(text, size):
    assert lines_of(in_pieces(text, size)) == text.split()
