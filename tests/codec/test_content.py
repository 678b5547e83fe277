"""Every coding: whole, byte by byte and at random cuts; bombs, truncation, corruption, surplus."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import subprocess
import sys
import tracemalloc
import types
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trioclient._codec import content
from trioclient._codec.content import ACCEPT_ENCODING, ContentDecoder, decoder_for
from trioclient._faults import CodingFault, DisconnectFault, LimitFault

MANY = 1 << 30
STEP = 65_536
TEXT = b'{"id": 1, "name": "a rose is a rose"}' * 40


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def gzip_in_two(data: bytes) -> bytes:
    return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])


def zstd_in_two(data: bytes) -> bytes:
    return zstandard.compress(data[: len(data) // 2]) + zstandard.compress(data[len(data) // 2 :])


ENCODED: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"x-gzip", gzip.compress),
    "gzip, two members": (b"gzip", gzip_in_two),
    "gzip, padded": (b"gzip", lambda data: gzip.compress(data) + b"\0" * 9),
    "gzip, stored": (b"gzip", lambda data: gzip.compress(data, compresslevel=0)),
    "deflate": (b"deflate", zlib.compress),
    "deflate, bare": (b"deflate", raw_deflate),
    "br": (b"br", lambda data: brotli.compress(data, quality=4)),
    "zstd": (b"zstd", zstandard.compress),
    "zstd, two frames": (b"zstd", zstd_in_two),
    "gzip, then br": (b"gzip, br", lambda data: brotli.compress(gzip.compress(data), quality=4)),
    "deflate, then zstd, then gzip": (
        b"deflate,zstd ,\tGZIP",
        lambda data: gzip.compress(zstandard.compress(zlib.compress(data))),
    ),
}
SINGLE = ["gzip", "deflate", "deflate, bare", "br", "zstd"]


def whole_before_its_end(name: str, data: bytes, encoded: bytes) -> set[int]:
    """Lengths at which nothing can be missed: where a first member ends, and within the padding."""
    if name == "gzip, padded":
        return set(range(len(encoded) - 9, len(encoded)))
    if name.endswith(("two members", "two frames")):
        return {len(ENCODED[name.partition(",")[0]][1](data[: len(data) // 2]))}
    return set()


every_coding = pytest.mark.parametrize("name", ENCODED)
single_codings = pytest.mark.parametrize("name", SINGLE)


def brotli_before_1_2() -> types.ModuleType:
    """The API of brotli 1.1: no bound on the output."""

    class Decompressor:
        def __init__(self) -> None:
            decoder = brotli.Decompressor()
            self.process = lambda data: decoder.process(data)
            self.is_finished = decoder.is_finished

    library = types.ModuleType("brotli_before_1_2")
    library.Decompressor = Decompressor  # type: ignore[attr-defined]
    library.error = brotli.error  # type: ignore[attr-defined]
    return library


def compression_zstd() -> types.ModuleType:
    """The API of ``compression.zstd``, where Python is older than that."""

    class ZstdDecompressor:
        needs_input = True
        eof = False
        unused_data = b""

        def __init__(self, *, options: dict[str, int]) -> None:
            window = 1 << options["window_log_max"]
            self._frame = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
            self._input = self._output = b""

        def decompress(self, data: bytes, max_length: int) -> bytes:
            self._input += data
            while self._input and not self._frame.eof and len(self._output) < max_length:
                self._output += self._frame.decompress(self._input[:8])
                self._input = self._input[8:]
            output, self._output = self._output[:max_length], self._output[max_length:]
            self.eof = self._frame.eof and not self._output
            self.needs_input = not (self.eof or self._input or self._output)
            self.unused_data = self._frame.unused_data + self._input if self.eof else b""
            return output

    library = types.ModuleType("compression.zstd")
    library.ZstdDecompressor = ZstdDecompressor
    library.ZstdError = zstandard.ZstdError
    library.DecompressionParameter = types.SimpleNamespace(window_log_max="window_log_max")
    return library


# Every way in which a coding may be decoded here, as (constant that names the module, module).
Library = tuple[str, str]
BROTLI_LIBRARIES: list[Library] = [("_BROTLI", "brotli"), ("_BROTLI", "brotli_before_1_2")]
ZSTD_LIBRARIES: list[Library] = [("_ZSTD", "zstandard"), ("_ZSTD", "compression.zstd")]


@pytest.fixture(params=BROTLI_LIBRARIES + ZSTD_LIBRARIES, ids=lambda library: library[1])
def by_library(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[bytes, Callable[[bytes], bytes]]:
    constant, module = request.param
    monkeypatch.setitem(sys.modules, "brotli_before_1_2", brotli_before_1_2())
    if sys.version_info < (3, 14):
        monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
        monkeypatch.setitem(sys.modules, "compression.zstd", compression_zstd())
    monkeypatch.setattr(content, constant, module)
    return ENCODED["br" if constant == "_BROTLI" else "zstd"]


def decoder(coding: bytes, limit: int = MANY) -> ContentDecoder:
    made = decoder_for(coding, limit)
    assert made is not None
    return made


def decode(coding: bytes, pieces: Iterator[bytes] | list[bytes], limit: int = MANY) -> bytes:
    undo = decoder(coding, limit)
    return b"".join([*map(undo.feed, pieces), undo.finish()])


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


class TestWhatComesOut:
    @every_coding
    @pytest.mark.parametrize("data", [b"", b"x", TEXT], ids=["empty", "one byte", "text"])
    def test_whole_and_byte_by_byte(self, name: str, data: bytes) -> None:
        coding, encode = ENCODED[name]
        encoded = encode(data)
        assert decode(coding, [encoded]) == data
        assert decode(coding, bytewise(encoded)) == data

    @every_coding
    @given(data=st.binary(max_size=2000), repeat=st.integers(1, 200), cuts=st.lists(st.integers(0, 5000), max_size=6))
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_at_random_cuts(self, name: str, data: bytes, repeat: int, cuts: list[int]) -> None:
        coding, encode = ENCODED[name]
        encoded = encode(data * repeat)
        edges = [0, *sorted(min(cut, len(encoded)) for cut in cuts), len(encoded)]
        pieces = [encoded[start:stop] for start, stop in itertools.pairwise(edges)]
        assert decode(coding, pieces) == data * repeat

    @every_coding
    @pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 2 * STEP, 5 * STEP + 7, 40 * STEP])
    def test_output_that_ends_on_or_near_a_step(self, name: str, size: int) -> None:
        coding, encode = ENCODED[name]
        assert decode(coding, [encode(b"a" * size)]) == b"a" * size

    @pytest.mark.parametrize("size", [0, 1, STEP, STEP + 1, 10 * STEP])
    def test_each_library_alone(self, by_library: tuple[bytes, Callable[[bytes], bytes]], size: int) -> None:
        coding, encode = by_library
        data = (TEXT * (size // len(TEXT) + 1))[:size]
        encoded = encode(data)
        assert decode(coding, [encoded]) == data
        assert decode(coding, bytewise(encoded)) == data

    def test_a_great_many_members(self) -> None:
        assert decode(b"gzip", [gzip.compress(b"ab") * 20_000]) == b"ab" * 20_000
        assert decode(b"zstd", [zstandard.compress(b"ab") * 5_000]) == b"ab" * 5_000

    def test_members_with_padding_between_them(self) -> None:
        encoded = gzip.compress(b"one") + b"\0" * 5 + gzip.compress(b"two") + b"\0\0"
        assert decode(b"gzip", [encoded]) == b"onetwo"
        assert decode(b"gzip", bytewise(encoded)) == b"onetwo"

    def test_a_skippable_frame(self) -> None:
        skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
        assert decode(b"zstd", bytewise(skippable + zstandard.compress(b"text") + skippable)) == b"text"

    @every_coding
    def test_no_bytes_at_all_are_an_empty_body(self, name: str) -> None:
        coding, _ = ENCODED[name]
        assert decode(coding, []) == b""
        assert decode(coding, [b"", b""]) == b""

    def test_output_comes_as_soon_as_it_is_there(self) -> None:
        deflate = zlib.compressobj(wbits=31)
        undo = decoder(b"gzip")
        for event in (b"one", b"two", b"three"):
            assert undo.feed(deflate.compress(event) + deflate.flush(zlib.Z_SYNC_FLUSH)) == event


class TestTruncation:
    @every_coding
    @pytest.mark.parametrize("data", [b"", b"x", b"a rose is a rose " * 9], ids=["empty", "one byte", "text"])
    def test_cut_short_at_every_byte(self, name: str, data: bytes) -> None:
        coding, encode = ENCODED[name]
        encoded = encode(data)
        complete = whole_before_its_end(name, data, encoded)
        for length in range(1, len(encoded)):
            if length in complete:
                decode(coding, [encoded[:length]])
                continue
            with pytest.raises(DisconnectFault, match=r"^the compressed body was cut short$"):
                decode(coding, [encoded[:length]])

    def test_each_library_alone(self, by_library: tuple[bytes, Callable[[bytes], bytes]]) -> None:
        coding, encode = by_library
        encoded = encode(TEXT)
        for length in range(1, len(encoded)):
            with pytest.raises(DisconnectFault):
                decode(coding, [encoded[:length]])

    @single_codings
    def test_a_large_body(self, name: str) -> None:
        coding, encode = ENCODED[name]
        with pytest.raises(DisconnectFault):
            decode(coding, [encode(b"a" * 1_000_000)[:-1]])


class TestWhatIsNotTheCoding:
    @every_coding
    def test_a_plain_body(self, name: str) -> None:
        coding, _ = ENCODED[name]
        with pytest.raises(CodingFault, match=r"^the [a-z-]+ body is corrupt$"):
            decode(coding, [b'{"detail": "this was never compressed, whatever the header says"}'])

    def test_a_plain_body_at_each_library(self, by_library: tuple[bytes, Callable[[bytes], bytes]]) -> None:
        coding, _ = by_library
        with pytest.raises(CodingFault, match=f"^the {coding.decode()} body is corrupt$"):
            decode(coding, [b'{"detail": "this was never compressed, whatever the header says"}'])

    @single_codings
    def test_a_flipped_bit_is_at_worst_a_fault(self, name: str) -> None:
        coding, encode = ENCODED[name]
        encoded = bytearray(encode(TEXT))
        for index in range(len(encoded)):
            encoded[index] ^= 0x10
            with contextlib.suppress(CodingFault, DisconnectFault, LimitFault):
                decoded = decode(coding, [bytes(encoded)], limit=1 << 20)
                # The others have no checksum, or one that is rarely sent.
                assert decoded == TEXT or name not in ("gzip", "deflate")
            encoded[index] ^= 0x10

    @pytest.mark.parametrize("name", ["gzip", "deflate"])
    def test_a_wrong_checksum(self, name: str) -> None:
        coding, encode = ENCODED[name]
        encoded = bytearray(encode(TEXT))
        encoded[-6 if name == "gzip" else -1] ^= 1
        with pytest.raises(CodingFault, match="is corrupt"):
            decode(coding, [bytes(encoded)])

    @single_codings
    @pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 20])
    def test_surplus(self, name: str, surplus: bytes) -> None:
        coding, encode = ENCODED[name]
        encoded = encode(TEXT)
        for pieces in ([encoded + surplus], [encoded, surplus], bytewise(encoded + surplus)):
            with pytest.raises(CodingFault, match=r"is corrupt|goes on after its end"):
                decode(coding, pieces)

    @pytest.mark.parametrize("name", ["deflate", "deflate, bare", "br"])
    def test_a_second_stream_where_there_is_one_only(self, name: str) -> None:
        coding, encode = ENCODED[name]
        with pytest.raises(CodingFault, match=r"is corrupt|goes on after its end"):
            decode(coding, [encode(TEXT) * 2])

    def test_surplus_at_each_library(self, by_library: tuple[bytes, Callable[[bytes], bytes]]) -> None:
        coding, encode = by_library
        for pieces in ([encode(TEXT) + b"surplus"], [encode(TEXT), b"surplus"]):
            with pytest.raises(CodingFault):
                decode(coding, pieces)

    @single_codings
    def test_zero_bytes_alone_are_no_padding(self, name: str) -> None:
        with pytest.raises((CodingFault, DisconnectFault)):
            decode(ENCODED[name][0], [b"\0" * 40])

    @pytest.mark.parametrize(("window_log", "taken"), [(20, True), (23, True), (24, False), (27, False)])
    @pytest.mark.parametrize("by_library", ZSTD_LIBRARIES, indirect=True, ids=lambda library: library[1])
    def test_a_zstd_window_larger_than_the_web_allows(
        self, by_library: tuple[bytes, Callable[[bytes], bytes]], window_log: int, taken: bool
    ) -> None:
        coding, _ = by_library
        parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=window_log)
        compress = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        encoded = compress.compress(TEXT) + compress.flush()
        if taken:
            assert decode(coding, [encoded]) == TEXT
        else:
            with pytest.raises(CodingFault, match="the zstd body is corrupt"):
                decode(coding, [encoded])


class TestBound:
    @every_coding
    @pytest.mark.parametrize("size", [1, 1000, STEP, STEP + 1, 3 * STEP])
    def test_it_is_exact(self, name: str, size: int) -> None:
        coding, encode = ENCODED[name]
        # Random enough that no coding in between is larger than the text.
        data = (TEXT * (size // len(TEXT) + 1))[:size]
        encoded = encode(data)
        between = max(size, len(encoded), len(zstandard.compress(zlib.compress(data))))
        assert decode(coding, [encoded], limit=between) == data
        with pytest.raises(LimitFault) as fault:
            decode(coding, [encoded], limit=size - 1)
        assert (fault.value.limit, fault.value.value) == ("max_decoded_bytes", size - 1)

    def test_it_counts_over_all_feeds(self) -> None:
        undo = decoder(b"gzip", 10)
        encoded = gzip.compress(b"12345") + gzip.compress(b"67890")
        assert b"".join(undo.feed(byte) for byte in bytewise(encoded)) == b"1234567890"
        with pytest.raises(LimitFault):
            undo.feed(gzip.compress(b"!"))

    @single_codings
    @pytest.mark.parametrize("limit", [0, 1000, 1_000_000])
    def test_a_bomb_stays_small(self, name: str, limit: int) -> None:
        coding, encode = ENCODED[name]
        assert peak_of_bomb(coding, encode(bytes(64_000_000)), limit) < limit * 2 + 600_000

    def test_a_bomb_at_each_library(self, by_library: tuple[bytes, Callable[[bytes], bytes]]) -> None:
        coding, encode = by_library
        step = 17_000_000 if content._BROTLI == "brotli_before_1_2" else 300_000
        assert peak_of_bomb(coding, encode(bytes(64_000_000)), 1_000_000) < 2_000_000 + 2 * step

    def test_a_bomb_of_members(self) -> None:
        assert peak_of_bomb(b"gzip", gzip.compress(bytes(100_000)) * 1000, 1_000_000) < 2_600_000

    @pytest.mark.parametrize("depth", [2, 3])
    def test_a_bomb_in_a_bomb(self, depth: int) -> None:
        bomb = bytes(64_000_000)
        for _ in range(depth):
            bomb = gzip.compress(bomb)
        assert peak_of_bomb(b", ".join([b"gzip"] * depth), bomb, 1_000_000) < 2_600_000

    def test_a_coding_in_between_that_comes_to_nothing(self) -> None:
        # The outer coding gives 64 MB of empty gzip members; the body would be empty.
        empty = gzip.compress(b"")
        bomb = gzip.compress(empty * (4_000_000 // len(empty)))
        with pytest.raises(LimitFault):
            decode(b"gzip, gzip", [bomb], limit=1_000_000)


def peak_of_bomb(coding: bytes, bomb: bytes, limit: int) -> int:
    """Bytes held at most until the bound was hit."""
    undo = decoder(coding, limit)
    tracemalloc.start()
    try:
        with pytest.raises(LimitFault) as fault:
            undo.feed(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (fault.value.limit, fault.value.value) == ("max_decoded_bytes", limit)
    return peak


class TestStream:
    """What one library's decoder is made to look like."""

    def test_at_each_library(self, by_library: tuple[bytes, Callable[[bytes], bytes]]) -> None:
        coding, encode = by_library
        self.goes_through_its_states(coding.decode(), encode)

    @pytest.mark.parametrize("name", ["gzip", "deflate"])
    def test_of_zlib(self, name: str) -> None:
        self.goes_through_its_states(name, ENCODED[name][1])

    def goes_through_its_states(self, name: str, encode: Callable[[bytes], bytes]) -> None:
        encoded = encode(TEXT)
        stream = content._CODINGS[name].open(encoded)
        assert (stream.more, stream.ended, stream.surplus) == (False, False, b"")
        output = stream.step(encoded[:10], MANY)
        while stream.more:
            output += stream.step(b"", MANY)
        assert (stream.ended, stream.surplus) == (False, b"")
        output += stream.step(encoded[10:], MANY)
        while stream.more:
            output += stream.step(b"", MANY)
        assert (stream.ended, stream.surplus) == (True, b"")
        assert output == TEXT

    @pytest.mark.parametrize(
        ("room", "sip"), [(0, 4), (4 << 15, 4), (5 << 15, 5), (255 << 15, 255), (256 << 15, 256), (MANY, 256)]
    )
    def test_how_much_is_given_where_the_output_cannot_be_bounded(self, room: int, sip: int) -> None:
        assert content._zstd_sip(room) == sip

    def test_the_first_library_that_is_installed(self) -> None:
        assert content._installed("no_such_module", "zlib", "gzip") == "zlib"
        assert content._installed("no_such_module") == ""


class TestHeader:
    @pytest.mark.parametrize("value", [None, b"", b" ", b"identity", b"Identity", b"identity, IDENTITY", b" , ,"])
    def test_nothing_to_undo(self, value: bytes | None) -> None:
        assert decoder_for(value, MANY) is None

    @pytest.mark.parametrize("value", [b"gzip", b"GZIP", b" x-gzip ", b"identity, gzip", b"gzip,", b",gzip, identity"])
    def test_names_in_any_case_and_empty_elements(self, value: bytes) -> None:
        assert decode(value, [gzip.compress(TEXT)]) == TEXT

    @pytest.mark.parametrize(
        ("value", "named"),
        [
            (b"compress", "'compress'"),
            (b"gzip, aes128gcm", "'aes128gcm'"),
            (b"gzip;q=1", "'gzip;q=1'"),
            (b"gzip br", "'gzip br'"),
            (b"\xff\x00", r"'ÿ\\x00'"),
            (b"x" * 5000, "'" + "x" * 40 + "'"),
        ],
    )
    def test_an_unknown_coding_is_named(self, value: bytes, named: str) -> None:
        with pytest.raises(CodingFault, match=rf"^the body's content coding {named} is not known$"):
            decoder_for(value, MANY)

    def test_a_handful_of_codings_and_no_more(self) -> None:
        encoded = TEXT
        for _ in range(5):
            encoded = gzip.compress(encoded)
        assert decode(b", ".join([b"gzip"] * 5), [encoded]) == TEXT
        with pytest.raises(CodingFault, match="6 content codings, more than 5"):
            decoder_for(b", ".join([b"gzip"] * 6), MANY)

    def test_what_is_asked_for_is_what_is_understood(self) -> None:
        names = ACCEPT_ENCODING.split(", ")
        assert names == ["gzip", "deflate", "br", "zstd"]
        assert all(decoder_for(name.encode(), MANY) is not None for name in names)

    def test_what_is_not_installed_is_not_asked_for(self) -> None:
        program = (
            "import importlib.util as u; real = u.find_spec\n"
            "u.find_spec = lambda name, *more: None if name in ('brotli', 'brotlicffi', 'zstandard', '_zstd')"
            " else real(name, *more)\n"
            "from trioclient._codec.content import ACCEPT_ENCODING, decoder_for\n"
            "print(ACCEPT_ENCODING)\n"
            "try: decoder_for(b'br', 1)\n"
            "except Exception as error: print(error)\n"
        )
        assert output_of(program).splitlines() == ["gzip, deflate", "the body's content coding 'br' is not known"]

    def test_the_libraries_are_loaded_only_when_needed(self) -> None:
        program = (
            # httpx loads what it finds by itself: that is its affair.
            "import sys, httpx; before = set(sys.modules)\n"
            "import trioclient._codec.content\n"
            "after = set(sys.modules) - before\n"
            "print([name for name in ('brotli', 'zstandard', 'compression.zstd') if name in after])"
        )
        assert output_of(program).strip() == "[]"


def output_of(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
