"""One limiter for each kind and run."""

from __future__ import annotations

import trio

from trioclient._net.thread_limit import ThreadLimit


def test_each_run_has_its_own() -> None:
    limit, other = ThreadLimit("a", 3), ThreadLimit("a", 4)

    async def look() -> tuple[trio.CapacityLimiter, trio.CapacityLimiter]:
        assert limit.limiter() is limit.limiter()
        return limit.limiter(), other.limiter()

    first, first_other = trio.run(look)
    second, _ = trio.run(look)
    assert first is not second
    assert (first.total_tokens, first_other.total_tokens) == (3, 4)
