"""The bound before a pool that must never queue."""

from __future__ import annotations

import trio
import trio.testing

from trioclient._net.permits import Permit, Permits


async def test_first_come_first_served(autojump_clock: trio.testing.MockClock) -> None:
    permits = Permits(1)
    order: list[int] = []

    async def hold(number: int) -> None:
        await trio.sleep(number)
        permit = await permits.acquire()
        order.append(number)
        await trio.sleep(10)
        permit.release()

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(hold, number)
        await trio.sleep(5)
        assert permits.statistics() == (1, 0, 3)
    assert order == [0, 1, 2, 3]
    assert permits.statistics() == (1, 1, 0)


async def test_a_permit_is_given_back_once() -> None:
    permits = Permits(2)
    first = await permits.acquire()
    await permits.acquire()
    first.release()
    first.release()
    assert permits.statistics().free == 1


async def test_who_is_cancelled_waiting_takes_none() -> None:
    permits = Permits(1)
    permit = await permits.acquire()
    with trio.move_on_after(0):
        await permits.acquire()
    permit.release()
    assert permits.statistics() == (1, 1, 0)


def test_each_run_has_its_own() -> None:
    permits = Permits(1)
    left: list[Permit] = []

    async def take() -> None:
        with trio.fail_after(5):
            left.append(await permits.acquire())

    trio.run(take)
    trio.run(take)
    left[0].release()
    assert permits.statistics().free == 0
