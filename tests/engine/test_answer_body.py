"""A body read piece by piece, in memory: its end, its bounds in time and space, and its connection."""

from __future__ import annotations

import gc
import math
import zlib
from collections.abc import Sequence
from typing import Any, Union

import pytest
import trio

from trioclient import BaseClient
from trioclient import _faults as faults
from trioclient._engine.answer_body import AnswerBody
from trioclient._engine.call import CallTrace

Item = Union[bytes, float, Exception]


class Wire:
    """An answer's body of these bytes; a number is seconds to wait, a fault is raised."""

    def __init__(self, *items: Item, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.status = 200
        self.http_version = "HTTP/1.1"
        self.headers = list(headers)
        self._items = list(items)
        self.taken = 0
        self.whole = False
        self.closed = False

    async def receive(self) -> bytes:
        assert not self.closed
        await trio.lowlevel.checkpoint()
        while self._items:
            item = self._items[0]
            if isinstance(item, float):
                await trio.sleep(item)
            elif isinstance(item, Exception):
                raise item
            self._items.pop(0)
            if isinstance(item, bytes):
                self.taken += len(item)
                return item
        self.whole = True
        return b""

    async def aclose(self) -> None:
        self.closed = True


def body_over(wire: Wire, **options: Any) -> AnswerBody:
    call = BaseClient(base_url="https://api.test")._prepare("GET", "/", options=options, unread=True)  # type: ignore[arg-type]
    return AnswerBody(wire, CallTrace(call, trio.current_time()))


async def rest(body: AnswerBody) -> bytes:
    pieces: list[bytes] = []
    while piece := await body.receive():
        pieces.append(piece)
    return b"".join(pieces)


def gzipped(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=31)
    return compressor.compress(content) + compressor.flush()


GZIP = (b"content-encoding", b"gzip")
LENGTH = b"content-length"


class TestPieces:
    async def test_as_they_come_and_nothing_after_the_end(self) -> None:
        wire = Wire(b"one", b"two")
        body = body_over(wire)
        assert [await body.receive() for _ in range(4)] == [b"one", b"two", b"", b""]
        assert body.received == 6
        assert body.closed
        assert wire.closed

    @pytest.mark.parametrize("cut", [1, 7, 40, 10_000])
    async def test_decompressed(self, cut: int) -> None:
        content = bytes(range(256)) * 1000
        packed = gzipped(content)
        body = body_over(Wire(*[packed[at : at + cut] for at in range(0, len(packed), cut)], headers=[GZIP]))
        assert await rest(body) == content
        assert body.received == len(content)

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
    async def test_what_was_flushed_is_there(self, coding: str) -> None:
        """A server that compresses events flushes each."""
        if coding == "gzip":
            compressor = zlib.compressobj(wbits=31)
            pieces = [compressor.compress(b"one") + compressor.flush(zlib.Z_SYNC_FLUSH), compressor.compress(b"two")]
            pieces[-1] += compressor.flush()
        elif coding == "br":
            import brotli

            writer = brotli.Compressor()
            pieces = [writer.process(b"one") + writer.flush(), writer.process(b"two") + writer.finish()]
        else:
            zstandard = pytest.importorskip("zstandard", reason="3.14 has its own, which cannot be got here otherwise")
            packer = zstandard.ZstdCompressor().compressobj()
            first = packer.compress(b"one") + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            pieces = [first, packer.compress(b"two") + packer.flush()]
        body = body_over(Wire(*pieces, headers=[(b"content-encoding", coding.encode())]))
        assert [await body.receive() for _ in range(3)] == [b"one", b"two", b""]

    async def test_two_tasks(self, autojump_clock: Any) -> None:
        """The second one is told off, the first one none the wiser."""
        body = body_over(Wire(1.0, b"one"))
        async with trio.open_nursery() as nursery:

            async def intrude() -> None:
                with pytest.raises(trio.BusyResourceError):
                    await body.receive()

            nursery.start_soon(intrude)
            assert await rest(body) == b"one"

    async def test_no_bytes_are_no_compressed_body(self) -> None:
        assert await rest(body_over(Wire(headers=[GZIP]))) == b""

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (gzipped(b"x" * 1000)[:-1], faults.DisconnectFault),
            (gzipped(b"x" * 1000)[:-9], faults.DisconnectFault),
            (gzipped(b"x" * 1000) + b"surplus", faults.CodingFault),
            (b"this is not gzip", faults.CodingFault),
        ],
    )
    async def test_a_compression_that_breaks(self, content: bytes, kind: type[Exception]) -> None:
        wire = Wire(content, headers=[GZIP])
        body = body_over(wire)
        with pytest.raises(kind):
            await rest(body)
        assert wire.closed
        assert body.closed

    async def test_an_unknown_coding(self) -> None:
        wire = Wire(b"x", headers=[(b"content-encoding", b"secret")])
        body = body_over(wire)
        with pytest.raises(faults.CodingFault):
            await body.receive()
        assert wire.closed

    @pytest.mark.parametrize(
        ("headers", "size"),
        [
            ([], None),
            ([(LENGTH, b"7")], 7),
            ([(LENGTH, b"0")], 0),
            ([(LENGTH, b"7"), GZIP], None),
            ([(LENGTH, b"7"), (b"transfer-encoding", b"chunked")], None),
            ([(LENGTH, b"seven")], None),
        ],
    )
    async def test_size(self, headers: list[tuple[bytes, bytes]], size: int | None) -> None:
        body = body_over(Wire(headers=headers))
        assert body.size == size
        await body.aclose()


class TestBombs:
    async def test_no_more_in_memory_than_was_asked_for(self) -> None:
        """A gigabyte within a megabyte within a kilobyte: a little of each at a time."""
        bomb = gzipped(gzipped(gzipped(bytes(50_000_000)) * 20))
        body = body_over(Wire(bomb, headers=[(b"content-encoding", b"gzip, gzip, gzip")]))
        pieces = [await body.receive() for _ in range(20)]
        assert max(map(len, pieces)) <= 1_000_000
        await body.aclose()

    @pytest.mark.parametrize("coding", ["br", "zstd"])
    async def test_other_codings(self, coding: str) -> None:
        content = bytes(40_000_000)
        if coding == "br":
            import brotli

            bomb = brotli.compress(content, quality=1)
        else:
            zstandard = pytest.importorskip("zstandard", reason="3.14 has its own, which cannot be got here otherwise")
            bomb = zstandard.compress(content)
        body = body_over(Wire(bomb, headers=[(b"content-encoding", coding.encode())]))
        sizes: list[int] = []
        while piece := await body.receive():
            sizes.append(len(piece))
        assert sum(sizes) == len(content)
        assert max(sizes) <= 8_388_608

    @pytest.mark.parametrize(
        ("content", "coding"),
        [
            pytest.param(gzipped(bytes(20_000_000)), b"gzip", id="much output"),
            pytest.param(gzipped(gzipped(b"") * 20_000), b"gzip, gzip", id="no output"),
            pytest.param(gzipped(gzipped(b"a") + bytes(20_000_000)), b"gzip, gzip", id="padding"),
        ],
    )
    async def test_others_get_their_turns(self, content: bytes, coding: bytes) -> None:
        """All of it is there at once, but neither a deadline nor another task waits for its end."""
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            await rest(body_over(Wire(content, headers=[(b"content-encoding", coding)])))
            nursery.cancel_scope.cancel()
        assert turns >= 5


class TestTime:
    @pytest.mark.parametrize(
        ("options", "phase", "after"),
        [
            ({"timeout": 5.0}, "read", 5.0),
            ({"timeout": 5.0, "idle_timeout": 2.0}, "idle", 2.0),
            ({"timeout": 5.0, "idle_timeout": 7.0}, "read", 5.0),
            ({"timeout": None, "idle_timeout": 7.0}, "idle", 7.0),
            ({"timeout": 5.0, "idle_timeout": None}, "read", 5.0),
            ({"timeout": 5.0, "deadline": 3.0}, "read", 3.0),
            ({"timeout": 5.0, "idle_timeout": 2.0, "deadline": 1.0}, "idle", 1.0),
        ],
    )
    @pytest.mark.parametrize("compressed", [False, True])
    async def test_a_piece_that_does_not_come(
        self, autojump_clock: Any, options: dict[str, Any], phase: str, after: float, compressed: bool
    ) -> None:
        wire = Wire(math.inf, headers=[GZIP] if compressed else [])
        body = body_over(wire, **options)
        started = trio.current_time()
        with pytest.raises(faults.TimeoutFault) as caught:
            await body.receive()
        assert (caught.value.phase, trio.current_time() - started) == (phase, after)
        assert wire.closed

    async def test_each_piece_has_the_whole_time(self, autojump_clock: Any) -> None:
        body = body_over(Wire(1.9, b"a", 1.9, b"b", 1.9), idle_timeout=2.0)
        assert await rest(body) == b"ab"

    async def test_and_is_not_charged_for_the_readers_own(self, autojump_clock: Any) -> None:
        body = body_over(Wire(b"a", 1.0, b"b"), idle_timeout=2.0)
        assert await body.receive() == b"a"
        await trio.sleep(10.0)
        assert await body.receive() == b"b"
        await body.aclose()

    async def test_but_the_deadline_is(self, autojump_clock: Any) -> None:
        body = body_over(Wire(b"a", b"b"), deadline=5.0)
        assert await body.receive() == b"a"
        await trio.sleep(5.0)
        with pytest.raises(faults.TimeoutFault):
            await body.receive()

    async def test_cancelled_it_closes(self, autojump_clock: Any) -> None:
        wire = Wire(math.inf)
        body = body_over(wire)
        with trio.move_on_after(1) as scope:
            await body.receive()
        assert scope.cancelled_caught
        assert wire.closed
        with pytest.raises(faults.DisconnectFault, match="closed before its end"):
            await body.receive()


class TestClosing:
    """What is left of the body decides about the connection."""

    @pytest.mark.parametrize(
        ("items", "headers", "near_end", "whole", "waited"),
        [
            ([b"a"], [(LENGTH, b"1")], False, True, 0.0),
            ([0.05, b"a"], [(LENGTH, b"1")], False, True, 0.05),
            ([math.inf], [(LENGTH, b"1")], False, False, 0.1),
            ([b"a" * 65_536], [(LENGTH, b"65536")], False, True, 0.0),
            ([b"a" * 65_537], [(LENGTH, b"65537")], False, False, 0.0),
            ([0.05, b"a"], [], False, False, 0.0),
            ([0.05, b"a", 0.04], [], True, True, 0.09),
            ([0.05, b"a", 0.06], [], True, False, 0.1),
            ([b"a" * 60_000, b"a" * 60_000, b"a" * 60_000], [], True, False, 0.0),
            ([faults.DisconnectFault("broken")], [(LENGTH, b"1")], True, False, 0.0),
        ],
    )
    async def test_a_little_is_read_for_reuse(
        self,
        autojump_clock: Any,
        items: list[Item],
        headers: list[tuple[bytes, bytes]],
        near_end: bool,
        whole: bool,
        waited: float,
    ) -> None:
        wire = Wire(*items, headers=headers)
        body = body_over(wire)
        started = trio.current_time()
        await body.aclose(near_end=near_end)
        assert trio.current_time() - started == pytest.approx(waited)
        assert wire.whole == whole
        assert wire.closed
        assert body.closed
        await body.aclose()

    async def test_less_of_what_has_been_read_is_to_come(self, autojump_clock: Any) -> None:
        wire = Wire(b"a" * 50_000, b"a" * 50_000, headers=[(LENGTH, b"100000")])
        body = body_over(wire)
        await body.receive()
        await body.aclose()
        assert wire.whole

    async def test_not_past_the_deadline(self, autojump_clock: Any) -> None:
        body = body_over(Wire(b"a", math.inf, headers=[(LENGTH, b"2")]), deadline=1.0)
        await body.receive()
        started = trio.current_time()
        await trio.sleep(0.97)
        await body.aclose()
        assert trio.current_time() - started == pytest.approx(1.0)

    async def test_cancelled_it_waits_for_nothing(self, autojump_clock: Any) -> None:
        wire = Wire(math.inf, headers=[(LENGTH, b"2")])
        body = body_over(wire)
        with trio.CancelScope() as scope:
            scope.cancel()
            await body.aclose()
        assert wire.closed

    async def test_cancelled_in_the_middle(self, autojump_clock: Any) -> None:
        wire = Wire(math.inf, headers=[(LENGTH, b"2")])
        body = body_over(wire)
        with trio.move_on_after(0.05) as scope:
            await body.aclose()
        assert scope.cancelled_caught
        assert wire.closed

    async def test_the_drain_is_over_even_where_cancelling_is_not_heard(self, autojump_clock: Any) -> None:
        wire = Wire(math.inf, headers=[(LENGTH, b"2")])
        body = body_over(wire)
        started = trio.current_time()
        with trio.CancelScope(shield=True):
            await body.aclose()
        assert trio.current_time() - started == pytest.approx(0.1)

    async def test_dropped_it_complains(self) -> None:
        body = body_over(Wire(b"a"))
        await body.receive()
        dropped = [body]
        del body
        with pytest.warns(ResourceWarning, match="dropped"):
            dropped.clear()

    async def test_broken_or_closed_it_does_not(self) -> None:
        broken = body_over(Wire(faults.DisconnectFault("broken")))
        with pytest.raises(faults.DisconnectFault):
            await broken.receive()
        closed = body_over(Wire(b"a"))
        await closed.aclose()
        del broken, closed
        gc.collect()
