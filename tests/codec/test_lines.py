"""Line ends and bounds, at any cut; the parsers' own tests have the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.lines import BYTE_ORDER_MARK, LineFeeds, WholeLines
from trioclient._faults import LimitFault

PIECES = st.lists(
    st.binary(max_size=3) | st.sampled_from([b"\r", b"\n", b"\r\n", b"\n\r", b"a\r", b"\nb"]), max_size=12
)


@given(pieces=PIECES)
def test_line_feeds(pieces):
    feeds = LineFeeds()
    made = [feeds.feed(piece) for piece in pieces]
    assert b"".join(made) == b"".join(pieces).replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@pytest.mark.parametrize(
    ("pieces", "made"),
    [
        ([b"a\r", b"\nb"], [b"a\n", b"b"]),
        ([b"a\r", b"\n", b"\nb"], [b"a\n", b"", b"\nb"]),
        ([b"a\r", b"", b"\nb"], [b"a\n", b"", b"b"]),
        ([b"\r", b"\r", b"\n"], [b"\n", b"\n", b""]),
        ([b"\r\n", b"\n"], [b"\n", b"\n"]),
    ],
)
def test_a_cr_is_a_line_end_at_once(pieces, made):
    feeds = LineFeeds()
    assert [feeds.feed(piece) for piece in pieces] == made


@given(pieces=PIECES)
def test_whole_lines(pieces):
    whole = WholeLines(100)
    came = b""
    given_back = b""
    for piece in pieces:
        came += piece
        lines = whole.feed(piece)
        assert not lines or lines.endswith(b"\n")
        given_back += lines
        assert given_back == came[: came.rfind(b"\n") + 1]
        assert given_back + whole.pending(100) == came
    assert given_back + whole.finish() == came
    assert whole.finish() == b""


def test_only_a_mark_is_taken_off_and_only_once():
    unmarked, marked = WholeLines(9), WholeLines(9, mark=BYTE_ORDER_MARK)
    for _ in range(3):
        assert unmarked.feed(b"XXXXa\n") == marked.feed(b"XXXXa\n") == b"XXXXa\n"


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(
    ("data", "lines", "rest"),
    [
        (BYTE_ORDER_MARK + b"a\nb", b"a\n", b"b"),
        (BYTE_ORDER_MARK * 2 + b"\n", BYTE_ORDER_MARK + b"\n", b""),
        (b"a\n" + BYTE_ORDER_MARK, b"a\n", BYTE_ORDER_MARK),
        (BYTE_ORDER_MARK, b"", b""),
        (BYTE_ORDER_MARK[:2], b"", BYTE_ORDER_MARK[:2]),
        (BYTE_ORDER_MARK + b"abcd\n", b"abcd\n", b""),
        (BYTE_ORDER_MARK + b"abcd", b"", b"abcd"),
    ],
)
def test_mark(data, lines, rest, size):
    whole = WholeLines(4, mark=BYTE_ORDER_MARK)
    assert b"".join(whole.feed(data[start : start + size]) for start in range(0, len(data), size)) == lines
    assert whole.finish() == rest


def test_no_mark_unless_asked():
    assert WholeLines(4).feed(BYTE_ORDER_MARK + b"\n") == BYTE_ORDER_MARK + b"\n"


@pytest.mark.parametrize(
    ("pieces", "lines", "pending"),
    [
        ([b"abcd\nabcde\nab\n"], b"abcd\n", b"abcde\nab\n"),
        ([b"ab\n", b"cd\nabcde\n", b"ab\n"], b"ab\ncd\n", b"abcde\n"),
        ([b"ab\nabcde"], b"ab\n", b"abcde"),
        ([b"ab\nabc", b"d", b"e\n"], b"ab\n", b"abcde\n"),
        ([b"abcde"], b"", b"abcde"),
        ([b"ab\nabcde\nab"], b"ab\n", b"abcde\nab"),
    ],
)
def test_bound(pieces, lines, pending):
    whole = WholeLines(4)
    found = b""
    with pytest.raises(LimitFault, match=r"max_line_bytes \(4\)"):
        for piece in [*pieces, b""]:
            found += whole.feed(piece)
    assert found == lines
    assert whole.pending(100) == pending
    assert whole.pending(2) == pending[:2]
    for again in (whole.finish, lambda: whole.feed(b"\n")):
        with pytest.raises(LimitFault):
            again()


def test_a_bound_of_nothing():
    whole = WholeLines(0)
    assert whole.feed(b"\n\n") == b"\n\n"
    with pytest.raises(LimitFault):
        whole.feed(b"a")
