"""Reading bodies piece by piece: whole or a fault, and how often the read timeout starts anew."""

from __future__ import annotations

import gzip
import itertools
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient import Limits
from trioclient import _faults as faults
from trioclient._codec.body import NO_BODY
from trioclient._codec.url import Target
from trioclient._engine.body import read_start, read_whole
from trioclient._net.protocol import WireRequest
from trioclient._types import RawHeaders, Timeouts

NOISE = random.Random(1).randbytes(100_000)


class Body:
    """An answer whose pieces are given. A fault among them is raised."""

    status = 200
    http_version = "HTTP/1.1"

    def __init__(self, *pieces: bytes | faults.Fault, codings: tuple[str, ...] = ()) -> None:
        self.pieces = list(pieces)
        self.headers: RawHeaders = [(b"content-encoding", coding.encode()) for coding in codings]

    async def receive(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, faults.Fault):
            raise piece
        return piece

    async def aclose(self) -> None: ...


class Phases:
    """Counts how often the read timeout started anew."""

    def __init__(self) -> None:
        self.entered: list[tuple[str, float]] = []

    def enter(self, phase: str, seconds: float) -> None:
        self.entered.append((phase, seconds))


def wire_of(**limits: int) -> WireRequest:
    target = Target.of("https://api.test/x")
    return WireRequest("GET", target, b"", NO_BODY, Timeouts.of(7.0), Limits(**limits), replayable=True)  # type: ignore[arg-type]


async def whole(body: Body, **limits: int) -> bytes:
    return await read_whole(body, wire_of(**limits), Phases())  # type: ignore[arg-type]


async def start(body: Body, **limits: int) -> bytes:
    return await read_start(body, wire_of(**limits), Phases())  # type: ignore[arg-type]


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


class TestWhole:
    @pytest.mark.parametrize("pieces", [[], [b"one"], [b"o", b"n", b"e"]])
    async def test_plain(self, pieces: list[bytes]) -> None:
        assert await whole(Body(*pieces)) == b"".join(pieces)

    async def test_one_piece_is_not_copied(self) -> None:
        assert await whole(Body(NOISE)) is NOISE

    @pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
    @pytest.mark.parametrize(
        ("codings", "data"),
        [
            (("gzip",), gzip.compress(NOISE[:3000])),
            (("deflate",), zlib.compress(NOISE[:3000])),
            (("identity",), NOISE[:3000]),
            (("deflate", "gzip"), gzip.compress(zlib.compress(NOISE[:3000]))),
            (("deflate, gzip",), gzip.compress(zlib.compress(NOISE[:3000]))),
        ],
    )
    async def test_compressed(self, codings: tuple[str, ...], data: bytes, size: int) -> None:
        assert await whole(Body(*cut(data, size), codings=codings)) == NOISE[:3000]

    @pytest.mark.parametrize("kept", [1, 10, 500, -8, -1])
    async def test_a_compressed_body_cut_short_is_never_whole(self, kept: int) -> None:
        with pytest.raises(faults.Fault):
            await whole(Body(gzip.compress(NOISE[:3000])[:kept], codings=("gzip",)))

    async def test_a_fault_on_the_way_is_raised(self) -> None:
        with pytest.raises(faults.DisconnectFault):
            await whole(Body(b"one", faults.DisconnectFault("it broke")))

    @pytest.mark.parametrize("coding", ["secret", "gzip, secret"])
    async def test_an_unknown_compression(self, coding: str) -> None:
        with pytest.raises(faults.CodingFault, match="secret"):
            await whole(Body(b"one", codings=(coding,)))

    @pytest.mark.parametrize("limit", ["max_body_bytes", "max_decoded_bytes"])
    @pytest.mark.parametrize("size", [1, 3, 10])
    async def test_bounds_of_a_plain_body(self, limit: str, size: int) -> None:
        data = b"0123456789"
        assert await whole(Body(*cut(data, size)), **{limit: 10}) == data
        with pytest.raises(faults.LimitFault, match=rf"{limit} \(9\) was exceeded") as caught:
            await whole(Body(*cut(data, size)), **{limit: 9})
        assert (caught.value.limit, caught.value.value) == (limit, 9)

    async def test_bounds_of_a_compressed_body(self) -> None:
        data = gzip.compress(bytes(100_000))
        assert await whole(Body(data, codings=("gzip",)), max_decoded_bytes=100_000) == bytes(100_000)
        with pytest.raises(faults.LimitFault, match="max_decoded_bytes"):
            await whole(Body(data, codings=("gzip",)), max_decoded_bytes=99_999)
        with pytest.raises(faults.LimitFault, match="max_body_bytes"):
            await whole(Body(data, codings=("gzip",)), max_body_bytes=len(data) - 1)

    async def test_what_is_behind_a_bound_is_left_unread(self) -> None:
        body = Body(*[b"12345"] * 10)
        with pytest.raises(faults.LimitFault):
            await whole(body, max_body_bytes=12)
        assert len(body.pieces) == 7


class TestProgress:
    """The read timeout starts anew with each KiB."""

    @pytest.mark.parametrize(
        ("sizes", "times"),
        [
            ([1] * 1023, 0),
            ([1] * 1024, 1),
            ([1] * 4096, 4),
            ([1000, 24, 1000, 23], 1),
            ([65_536, 65_536], 2),
            ([], 0),
        ],
    )
    async def test_how_often(self, sizes: list[int], times: int) -> None:
        phases = Phases()
        await read_whole(Body(*[bytes(size) for size in sizes]), wire_of(), phases)  # type: ignore[arg-type]
        assert phases.entered == [("read", 7.0)] * times


class TestStart:
    """Of an error answer."""

    @pytest.mark.parametrize(("cap", "kept"), [(0, b""), (4, b"0123"), (10, b"0123456789"), (11, b"0123456789")])
    @pytest.mark.parametrize("size", [1, 3, 10])
    async def test_so_much_is_kept(self, cap: int, kept: bytes, size: int) -> None:
        assert await start(Body(*cut(b"0123456789", size)), max_error_body_bytes=cap) == kept

    async def test_no_more_is_read_than_is_kept(self) -> None:
        body = Body(*[b"12345"] * 1000)
        assert await start(body, max_error_body_bytes=12) == b"123451234512"
        assert len(body.pieces) == 997

    async def test_a_bound_on_bodies_cuts_it_as_well(self) -> None:
        assert await start(Body(*[b"12345"] * 10), max_body_bytes=12) == b"123451234512345"

    async def test_a_break_is_a_fault_here_too(self) -> None:
        with pytest.raises(faults.DisconnectFault):
            await start(Body(b"one", faults.DisconnectFault("it broke")))

    async def test_decompressed(self) -> None:
        data = b'{"error":"' + b"x" * 5000 + b'"}'
        assert await start(Body(*cut(gzip.compress(data), 9), codings=("gzip",))) == data
        kept = await start(Body(gzip.compress(data), codings=("gzip",)), max_error_body_bytes=100)
        assert kept == data[:100]

    async def test_a_bomb(self) -> None:
        bomb = gzip.compress(bytes(10_000_000))
        assert await start(Body(bomb, codings=("gzip",)), max_error_body_bytes=1000) == bytes(1000)


@given(data=st.binary(max_size=5000), cuts=st.lists(st.integers(0, 5000)), gzipped=st.booleans())
async def test_any_cut_gives_the_same(data: bytes, cuts: list[int], gzipped: bool) -> None:
    sent = gzip.compress(data) if gzipped else data
    edges = [0, *sorted(cuts), len(sent)]
    pieces = [sent[a:b] for a, b in itertools.pairwise(edges) if sent[a:b]]
    assert await whole(Body(*pieces, codings=("gzip",) if gzipped else ())) == data
