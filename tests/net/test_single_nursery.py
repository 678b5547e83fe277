"""Exactly one exception comes out, the gravest."""

from __future__ import annotations

import pytest
import trio

from trioclient._net.single_nursery import open_single_nursery


async def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([OSError("one")], OSError),
        ([KeyboardInterrupt(), OSError("one")], KeyboardInterrupt),
        ([OSError("one"), KeyboardInterrupt()], KeyboardInterrupt),
    ],
)
async def test_the_gravest_is_raised_alone(errors: list[BaseException], raised: type[BaseException]) -> None:
    with pytest.raises(raised) as caught:
        async with open_single_nursery() as nursery:
            for error in errors:
                nursery.start_soon(fail, error)
    assert type(caught.value) is raised
    assert any(caught.value is error for error in errors)


async def test_cancellation_comes_out_bare() -> None:
    seen: list[BaseException] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            async with open_single_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                await trio.sleep_forever()
        except BaseException as error:
            seen.append(error)
            raise
    assert [type(error) for error in seen] == [trio.Cancelled]


async def test_groups_inside_groups_are_opened() -> None:
    async def group_inside() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, LookupError("inner"))

    with pytest.raises(LookupError, match="inner"):
        async with open_single_nursery() as nursery:
            nursery.start_soon(group_inside)
