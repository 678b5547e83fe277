"""Loose building: typed values out of JSON that does not quite fit the type.

Runs only where strict decoding has found a mismatch. What fits becomes what strict decoding
would have made of it. What does not fit:

- a wrong value is kept as sent (a number without fraction still becomes an ``int``);
- a missing field gets its default, or ``None``;
- an object whose tag no declared type has becomes an `UnknownVariant`, be it in a union of
  tagged types or where a tagged type stands alone; nothing around it is affected;
- a set whose members cannot be hashed is kept as a list;
- what a ``__post_init__`` or a validator refuses is built all the same.

A type is compiled once to a `Plan`, which tells for each kind of JSON value what to make of
it. Values are built with a stack of our own, not by recursion, since a body may nest deeper
than Python goes: a conversion either returns a value, or `Opened` with parts to be built first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, repeat
from typing import Any, NamedTuple

from .unknown_variant import UnknownVariant

__all__ = [
    "Convert",
    "Field",
    "Opened",
    "Plan",
    "build",
    "keep",
    "open_items",
    "open_mapping",
    "open_record",
    "open_tagged",
    "open_tuple",
]


Convert = Callable[[Any], object]
"""Makes something else, or `Opened`, of a JSON value of the kind it is listed under."""

Plan = dict[type, Convert]
"""Conversions by the Python type of the JSON value; a kind that is not listed is kept as sent."""


class Opened(NamedTuple):
    """A container on the way: its parts, and what to make of them once they are built."""

    parts: Iterator[tuple[Plan, object]]
    close: Callable[[list[object]], object]


def build(plan: Plan, sent: object, unplanned: Plan) -> object:
    """Make of `sent`, decoded JSON, what `plan` says; of kinds a plan does not list, what `unplanned` says."""
    above: list[tuple[Opened, list[object]]] = []
    opened = Opened(iter([(plan, sent)]), _only)
    built: list[object] = []
    while True:
        for part_plan, part in opened.parts:
            convert = part_plan.get(type(part)) or unplanned.get(type(part), keep)
            made = convert(part)
            if isinstance(made, Opened):
                above.append((opened, built))
                opened, built = made, []
                break
            built.append(made)
        else:
            made = opened.close(built)
            if not above:
                return made
            opened, built = above.pop()
            built.append(made)


def _only(built: list[object]) -> object:
    return built[0]


def keep(sent: object) -> object:
    """The conversion of what is already as it should be."""
    return sent


def open_items(item: Plan, collect: Callable[[list[object]], object], sent: Iterable[object]) -> Opened:
    """An array whose items are all built alike."""

    def close(built: list[object]) -> object:
        try:
            return collect(built)
        except TypeError:  # a set, and a member that cannot be hashed
            return built

    return Opened(zip(repeat(item), sent), close)


def open_tuple(items: Iterable[Plan], sent: list[object]) -> Opened:
    """An array with a plan for each place; what is over the last one is kept as sent."""
    unplanned: Plan = {}
    return Opened(zip(chain(items, repeat(unplanned)), sent, strict=False), tuple)


def open_mapping(key: Convert, value: Plan, sent: dict[str, object]) -> Opened:
    """An object whose values are all built alike."""

    def close(built: list[object]) -> object:
        return dict(zip(map(key, sent), built, strict=True))

    return Opened(zip(repeat(value), sent.values()), close)


class Field(NamedTuple):
    """One field of a record type."""

    name: str
    """In Python."""
    key: str
    """In JSON."""
    plan: Plan
    absent: Callable[[], object]
    """Makes the value of a field that was not sent."""


def open_record(
    fields: list[Field], make: Callable[[dict[str, object]], object], sent: dict[str, object] | list[object]
) -> Opened:
    """A type with named fields, sent as an object, or as an array in the order of the fields."""
    if isinstance(sent, dict):
        present = [(field, sent[field.key]) for field in fields if field.key in sent]
    else:
        present = list(zip(fields, sent, strict=False))

    def close(built: list[object]) -> object:
        values = {field.name: value for (field, _), value in zip(present, built, strict=True)}
        for field in fields:
            if field.name not in values:
                values[field.name] = field.absent()
        return make(values)

    return Opened(((field.plan, value) for field, value in present), close)


def open_tagged(
    tag_key: str, variants: Mapping[object, Convert], untagged: Convert | None, sent: dict[str, object]
) -> object:
    """An object that says in one field what it is. `untagged` opens one that does not say."""
    if untagged is not None and tag_key not in sent:
        return untagged(sent)
    tag = sent.get(tag_key)
    # By exact type: True and 1.0 would pass for the tag 1, and a list cannot be looked up.
    if type(tag) is not str and type(tag) is not int:
        tag = None
    variant = variants.get(tag)
    return _open_unknown(tag, sent) if variant is None else variant(sent)


def _open_unknown(tag: str | int | None, sent: dict[str, object]) -> Opened:
    def close(built: list[object]) -> object:
        return UnknownVariant(tag=tag, data=dict(zip(sent, built, strict=True)))

    unplanned: Plan = {}
    return Opened(zip(repeat(unplanned), sent.values()), close)
