from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.json_depth import check_depth
from trioclient._faults import LimitFault

TRICKY_TEXT = st.text(st.sampled_from('ab[]{}"\\/\n,:é'), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TRICKY_TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TRICKY_TEXT, values, max_size=4),
    max_leaves=40,
)


def depth(value: object) -> int:
    """As the definition has it, of a value that is no deeper than Python can recurse."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def is_within(content: bytes, max_depth: int) -> bool:
    try:
        check_depth(content, max_depth)
    except LimitFault:
        return False
    return True


def test_the_fault_names_the_bound() -> None:
    with pytest.raises(LimitFault) as caught:
        check_depth(b"[[[]]]", 2)
    assert (caught.value.limit, caught.value.value) == ("max_json_depth", 2)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_the_bound_is_exact(value: object, indent: int | None, ascii_only: bool) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    own = depth(value)
    assert is_within(content, own)
    assert own == 0 or not is_within(content, own - 1)


@pytest.mark.parametrize("bound", [2, 10, 510, 512, 514, 2000])
@pytest.mark.parametrize(
    ("levels", "opening", "closing"),
    [
        (1, "[", "]"),
        (1, '{"a":', "}"),
        (2, '[{"]":', "}]"),
        (1, r'["]\"", "\\", "\\\"}", "[", ', "]"),
    ],
    ids=["arrays", "objects", "both", "among strings"],
)
def test_the_bound_is_exact_at_any_depth(levels: int, opening: str, closing: str, bound: int) -> None:
    content = (opening * (bound // levels) + "1" + closing * (bound // levels)).encode()
    assert is_within(content, bound)
    assert not is_within(content, bound - 1)


@pytest.mark.parametrize("before", [0, 1, 511, 512, 513, 5000])
def test_a_deep_place_is_found_wherever_it_is(before: int) -> None:
    deep = "[" * 599 + "]" * 599
    content = f"[{'{},' * before}{deep}{',[{}]' * before}]".encode()
    assert is_within(content, 600)
    assert not is_within(content, 599)


def test_many_brackets_need_not_be_deep() -> None:
    assert is_within(b"[" + b'{"a":[{},[]]},' * 10_000 + b"0]", 4)
    assert not is_within(b"[" + b'{"a":[{},[]]},' * 10_000 + b"0]", 3)


def test_brackets_in_strings_do_not_count() -> None:
    assert is_within(b'["' + b"[" * 10_000 + b'"]', 1)
    assert not is_within(b'["' + b"]" * 10_000 + b'",[]]', 1)


@pytest.mark.parametrize(
    "content",
    [b"[" * 200_000, b"[" * 200_000 + b"]" * 200_000, b'{"a":' * 200_000, b"[[]," * 200_000, b"[" * 20_000_000],
    ids=["open", "closed", "objects", "with siblings", "20 MB"],
)
def test_hostile_bodies_are_refused(content: bytes) -> None:
    assert not is_within(content, 512)
