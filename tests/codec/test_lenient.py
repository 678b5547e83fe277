from __future__ import annotations

from functools import partial

import pytest

from trioclient._codec.lenient import (
    Field,
    Plan,
    build,
    keep,
    open_items,
    open_mapping,
    open_record,
    open_tagged,
    open_tuple,
)
from trioclient._codec.unknown_variant import UnknownVariant

SHOUTED: Plan = {str: str.upper}
FIELDS = [
    Field("name", "Name", SHOUTED, lambda: None),
    Field("size", "size", {}, lambda: 7),
]
RECORD: Plan = dict.fromkeys((dict, list), partial(open_record, FIELDS, lambda values: ("record", values)))


@pytest.mark.parametrize(
    ("plan", "sent", "made"),
    [
        (SHOUTED, "a", "A"),
        (SHOUTED, 1, 1),
        ({int: str}, True, True),  # a kind is an exact type
        ({}, {"a": ["b"]}, {"a": ["b"]}),
        ({list: partial(open_items, SHOUTED, list)}, ["a", 1, None], ["A", 1, None]),
        ({list: partial(open_items, SHOUTED, set)}, ["a", "A"], {"A"}),
        ({list: partial(open_items, SHOUTED, set)}, ["a", []], ["A", []]),
        ({list: partial(open_items, SHOUTED, tuple)}, {"a": 1}, {"a": 1}),
        ({list: partial(open_tuple, [SHOUTED, {}])}, ["a", "b", "c"], ("A", "b", "c")),
        ({list: partial(open_tuple, [SHOUTED, {}])}, [], ()),
        ({dict: partial(open_mapping, str.lower, SHOUTED)}, {"K": "v", "k2": 2}, {"k": "V", "k2": 2}),
        (RECORD, {"Name": "a", "size": "b", "more": 1}, ("record", {"name": "A", "size": "b"})),
        (RECORD, {"name": "a"}, ("record", {"name": None, "size": 7})),
        (RECORD, ["a", "b", "c"], ("record", {"name": "A", "size": "b"})),
        (RECORD, ["a"], ("record", {"name": "A", "size": 7})),
        (RECORD, "a", "a"),
    ],
)
def test_builds_what_the_plan_says(plan: Plan, sent: object, made: object) -> None:
    assert build(plan, sent, {}) == made


def test_what_no_plan_lists_is_built_by_the_last_resort() -> None:
    plan: Plan = {list: partial(open_items, {int: str}, list)}
    assert build(plan, [1, "a", 1.5], SHOUTED) == ["1", "A", 1.5]
    assert build({dict: partial(open_tagged, "type", {}, None)}, {"x": "a"}, SHOUTED) == UnknownVariant(
        None, {"x": "A"}
    )


def test_depth_is_no_matter() -> None:
    plan: Plan = {str: str.upper}
    plan[list] = partial(open_items, plan, tuple)
    sent: object = "a"
    for _ in range(50_000):
        sent = [sent]
    made = build(plan, sent, {})
    for _ in range(50_000):
        assert isinstance(made, tuple)
        (made,) = made
    assert made == "A"


VARIANTS = {"one": lambda sent: ("one", sent), 2: lambda sent: ("two", sent)}


@pytest.mark.parametrize(
    ("tag", "made"),
    [
        ("one", ("one", {"type": "one"})),
        (2, ("two", {"type": 2})),
        ("2", UnknownVariant("2", {"type": "2"})),
        (3, UnknownVariant(3, {"type": 3})),
        (2.0, UnknownVariant(None, {"type": 2.0})),
        (True, UnknownVariant(None, {"type": True})),
        (None, UnknownVariant(None, {"type": None})),
        (["one"], UnknownVariant(None, {"type": ["one"]})),
    ],
)
def test_the_tag_decides(tag: object, made: object) -> None:
    assert build({dict: partial(open_tagged, "type", VARIANTS, keep)}, {"type": tag}, {}) == made


def test_an_object_without_a_tag_may_have_a_plan_of_its_own() -> None:
    assert build({dict: partial(open_tagged, "type", VARIANTS, keep)}, {"a": 1}, {}) == {"a": 1}
    assert build({dict: partial(open_tagged, "type", VARIANTS, None)}, {"a": 1}, {}) == UnknownVariant(None, {"a": 1})
