"""JSON lines: what ends a line and what is none, at any cuts; bounds; time linear in the bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.event_stream import EventBytes
from trioclient._codec.json_lines import JSONLinesParser
from trioclient._faults import LimitFault

BOM = b"\xef\xbb\xbf"
MANY = 1 << 30


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def parsed(pieces: list[bytes]) -> list[bytes]:
    parser = JSONLinesParser(max_line_bytes=MANY)
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.finish()
    assert all(event == EventBytes(b"", event.data, b"", None) for event in events)
    assert parser.finish() == []
    assert parser.pending() == b""
    return [event.data for event in events]


@pytest.mark.parametrize("size", [MANY, 1, 2])
@pytest.mark.parametrize(
    ("body", "lines"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b'{"a":1}\n[2]\n', [b'{"a":1}', b"[2]"], id="LF"),
        pytest.param(b'{"a":1}\r\n[2]\r\n', [b'{"a":1}', b"[2]"], id="CRLF"),
        pytest.param(b"1\n2\r\n3\n\r\n4", [b"1", b"2", b"3", b"4"], id="both"),
        pytest.param(b"[1,\r2]\n3\r", [b"[1,\r2]", b"3"], id="CR is whitespace"),
        pytest.param(b"\r1\n\r\r2\r\r\n", [b"1", b"2"], id="CR around a value"),
        pytest.param(b"1\n2", [b"1", b"2"], id="the last line without an end"),
        pytest.param(b"\n\n1\n \n\t\r\n\r\r\n2\n\n", [b"1", b"2"], id="blank lines"),
        pytest.param(b"1\n \t\r", [b"1"], id="a blank last line"),
        pytest.param(b" 1\t\n\t[ 2 ] \n", [b"1", b"[ 2 ]"], id="whitespace around values"),
        pytest.param(BOM + b"1\n2\n", [b"1", b"2"], id="BOM"),
        pytest.param(BOM + b"1", [b"1"], id="BOM before an only line"),
        pytest.param(BOM, [], id="BOM alone"),
        pytest.param(BOM[:2], [BOM[:2]], id="half a BOM is no BOM"),
        pytest.param(BOM + BOM + b"1\n" + BOM + b"2\n", [BOM + b"1", BOM + b"2"], id="one BOM"),
        pytest.param(
            b'"\x0b"\n\x0c\n"\xe2\x80\xa8"\n', [b'"\x0b"', b"\x0c", b'"\xe2\x80\xa8"'], id="other line ends end nothing"
        ),
        pytest.param(b"not JSON\n\xff\n", [b"not JSON", b"\xff"], id="not JSON"),
        pytest.param(b"data: 1\n\n", [b"data: 1"], id="an event stream"),
    ],
)
def test_lines(body, lines, size):
    assert parsed(in_pieces(body, size)) == lines


PIECES = st.lists(st.sampled_from([b"1", b" ", b"\t", b"\n", b"\r", b"\r\n", b'"a"', BOM, b"\xff", b"\x0b", b""]))


@given(pieces=PIECES)
def test_cuts_make_no_difference(pieces):
    body = b"".join(pieces)
    lines = [line.strip(b" \t\r") for line in body.removeprefix(BOM).split(b"\n")]
    assert parsed([body]) == parsed(pieces) == parsed(in_pieces(body, 1)) == [line for line in lines if line]


@given(values=st.lists(st.none() | st.integers() | st.text(max_size=5), max_size=8), end=st.booleans())
def test_what_json_writes_comes_back(values, end):
    body = "\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n" * end
    assert [json.loads(line) for line in parsed(in_pieces(body.encode(), 3))] == values


def test_a_line_comes_with_its_end():
    parser = JSONLinesParser(max_line_bytes=MANY)
    assert [len(parser.feed(piece)) for piece in (b"1", b"\r", b"\n", b"2\n3", b"\n4")] == [0, 0, 1, 1, 1]
    assert parser.pending() == b"4"
    assert [event.data for event in parser.finish()] == [b"4"]


def test_lines_have_no_place_to_go_on_from():
    parser = JSONLinesParser(max_line_bytes=MANY)
    parser.feed(b'{"id": 1, "retry": 2}\nid: 3\nretry: 4\n\n')
    assert (parser.last_event_id, parser.retry) == (b"", None)


def test_pending_has_a_bound():
    parser = JSONLinesParser(max_line_bytes=MANY)
    parser.feed(b"1\n" + b"2" * 100_000)
    assert parser.pending() == b"2" * 65_536


@pytest.mark.parametrize("size", [MANY, 3, 1])
@pytest.mark.parametrize(
    ("body", "lines", "fault"),
    [
        (b"1234\n" + BOM + b"1\n\n\n\n\n12\r\n", [b"1234", BOM + b"1", b"12"], False),
        (BOM + b"1234", [b"1234"], False),
        (b"1\n12345\n2\n", [b"1"], True),
        (b"1\n12345", [b"1"], True),
        (b"1\n     \n", [b"1"], True),
        (b"12345", [], True),
    ],
)
def test_bound(body, lines, fault, size):
    parser = JSONLinesParser(max_line_bytes=4)
    found = []
    message = ""
    try:
        for piece in in_pieces(body, size):
            found += parser.feed(piece)
        found += parser.finish()
    except LimitFault as error:
        message = str(error)
    assert [event.data for event in found] == lines
    assert message == ("max_line_bytes (4) was exceeded" if fault else "")


@pytest.mark.parametrize(
    ("body", "size"),
    [
        pytest.param(b'"' + b"x" * (16 << 20) + b'"\n', 1024, id="16 MiB of one line in pieces of 1 KiB"),
        pytest.param(b'"' + b"x" * (200 << 10) + b'"\n', 1, id="200 KiB of one line byte by byte"),
        pytest.param(b"12\n" * 500_000, 1400, id="half a million lines"),
    ],
)
def test_huge(body, size):
    assert parsed(in_pieces(body, size)) == body.split()
