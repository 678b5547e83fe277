"""Plans for every type msgspec knows.

In msgspec no two members of a union take the same kind of JSON value, tagged Structs aside, so
a plan never has to try things out. A recursive type refers back to the conversion that is
already being made for it.

A ``Decimal`` is read from the digits that were sent, and must not pass through a ``float``. So
where a type mentions one, numbers with a fraction are decoded to ``Decimal``, and become
``float`` again wherever no ``Decimal`` is wanted.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from types import NoneType
from typing import Any, Final, Literal, cast

import msgspec
from msgspec import inspect

from .lenient import (
    Convert,
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
from .lenient_records import RecordType, absent_value, record_maker

__all__ = ["LenientDecoder", "union_members"]


class LenientDecoder:
    """Decodes JSON text to a type, whatever the text holds, as `lenient` tells."""

    def __init__(self, cast_to: object) -> None:
        compiler = _Compiler()
        self._plan = compiler.plan(inspect.type_info(cast_to))
        if compiler.mentions_decimal:
            self._decode = msgspec.json.Decoder(float_hook=_exactly).decode
            self._unplanned = _INEXACT
        else:
            self._decode = msgspec.json.Decoder().decode
            self._unplanned = {}

    def decode(self, content: bytes) -> object:
        """Raises what `msgspec.json.Decoder` does for text that is not JSON."""
        return build(self._plan, self._decode(content), self._unplanned)


# Numbers and strings


def _exactly(digits: str) -> object:
    try:
        return decimal.Decimal(digits)
    except decimal.InvalidOperation:  # the exponent alone is beyond all bounds
        return float(digits)


def _integral(sent: float | decimal.Decimal) -> object:
    number = float(sent)
    return int(number) if number.is_integer() else number


def _floating(sent: int) -> object:
    try:
        return float(sent)
    except OverflowError:
        return sent


def _scalar(target: Any, sent: object) -> object:
    try:
        return msgspec.convert(sent, target)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return sent


def _raw(sent: object) -> object:
    return msgspec.Raw(_RAW_ENCODER.encode(sent))


_RAW_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_JSON_KINDS: Final = (dict, list, str, int, float, decimal.Decimal, bool, NoneType)

_FROM_STRING: Final[dict[type[inspect.Type], type]] = {
    inspect.BytesType: bytes,
    inspect.ByteArrayType: bytearray,
    inspect.MemoryViewType: memoryview,
    inspect.DateTimeType: datetime.datetime,
    inspect.DateType: datetime.date,
    inspect.TimeType: datetime.time,
    inspect.TimeDeltaType: datetime.timedelta,
    inspect.UUIDType: uuid.UUID,
    inspect.DecimalType: decimal.Decimal,
}

_SIMPLE: Final[dict[type[inspect.Type], Plan]] = {
    **{kind: {str: partial(_scalar, target)} for kind, target in _FROM_STRING.items()},
    inspect.NoneType: {NoneType: keep},
    inspect.BoolType: {bool: keep},
    inspect.StrType: {str: keep},
    inspect.IntType: {int: keep, float: _integral, decimal.Decimal: _integral},
    inspect.FloatType: {float: keep, int: _floating, decimal.Decimal: float},
    inspect.DecimalType: {
        str: partial(_scalar, decimal.Decimal),
        int: partial(_scalar, decimal.Decimal),
        decimal.Decimal: keep,
    },
    inspect.RawType: dict.fromkeys(_JSON_KINDS, _raw),
}

_INEXACT: Final[Plan] = {decimal.Decimal: float}
"""Turns the numbers of whatever is kept as sent back to floats."""
_INEXACT[list] = partial(open_items, _INEXACT, list)
_INEXACT[dict] = partial(open_mapping, keep, _INEXACT)


# Keys of an object


_KEY_TYPES: Final[dict[type[inspect.Type], type]] = {**_FROM_STRING, inspect.IntType: int, inspect.FloatType: float}


def _key(info: inspect.Type) -> Convert:
    match info:
        case inspect.Metadata():
            return _key(info.type)
        case inspect.EnumType():
            target = info.cls
        case inspect.LiteralType():
            target = cast("Any", Literal)[info.values]
        case _:
            target = _KEY_TYPES.get(type(info))
    return keep if target is None else partial(_converted_key, dict[target, None])


def _converted_key(target: Any, sent: str) -> object:
    try:
        return next(iter(msgspec.convert({sent: None}, target, str_keys=True)))
    except (msgspec.MsgspecError, ValueError, TypeError):
        return sent


# Types


class _Compiler:
    """Makes the plan of one type and of all types in it."""

    def __init__(self) -> None:
        self.mentions_decimal = False
        self._records: dict[int, Convert] = {}

    def plan(self, info: inspect.Type) -> Plan:
        members = list(union_members(info))
        if any(isinstance(member, inspect.AnyType) for member in members):
            return {}
        structs = [member for member in members if isinstance(member, inspect.StructType)]
        plans = [self._plan(member) for member in members if not isinstance(member, inspect.StructType)]
        return _united([*plans, self._structs(structs)] if structs else plans)

    def _plan(self, info: inspect.Type) -> Plan:
        match info:
            case inspect.ListType():
                return {list: partial(open_items, self.plan(info.item_type), list)}
            case inspect.SetType():
                return {list: partial(open_items, self.plan(info.item_type), set)}
            case inspect.FrozenSetType():
                return {list: partial(open_items, self.plan(info.item_type), frozenset)}
            case inspect.VarTupleType():
                return {list: partial(open_items, self.plan(info.item_type), tuple)}
            case inspect.TupleType():
                return {list: partial(open_tuple, [self.plan(item) for item in info.item_types])}
            case inspect.DictType():
                return {dict: partial(open_mapping, _key(info.key_type), self.plan(info.value_type))}
            case inspect.NamedTupleType():
                return {list: self._record(info)}
            case inspect.DataclassType() | inspect.TypedDictType():
                return {dict: self._record(info)}
            case inspect.EnumType():
                return dict.fromkeys((str, int), partial(_scalar, info.cls))
            case inspect.LiteralType():
                return dict.fromkeys(map(type, info.values), keep)
            case inspect.DecimalType():
                self.mentions_decimal = True
            case _:
                pass
        return _SIMPLE.get(type(info), {})

    def _structs(self, infos: list[inspect.StructType]) -> Plan:
        """One Struct, or the tagged ones of a union."""
        first = infos[0]
        kind = list if first.array_like else dict
        if first.tag_field is None:
            return {kind: self._record(first)}
        variants: dict[object, Convert] = {info.tag: self._record(info) for info in infos}
        if first.array_like:
            return {list: partial(_open_tagged_array, variants)}
        # msgspec takes an object without a tag where there is no doubt what it is.
        untagged = self._record(first) if len(infos) == 1 else None
        return {dict: partial(open_tagged, first.tag_field, variants, untagged)}

    def _record(self, info: RecordType) -> Convert:
        known = self._records.get(id(info))
        if known is None:
            fields: list[Field] = []
            known = self._records[id(info)] = partial(open_record, fields, record_maker(info))
            # Only now, since a field may be of this very type.
            fields.extend(
                Field(field.name, field.encode_name, self.plan(field.type), absent_value(field))
                for field in info.fields
            )
        return known


def union_members(info: inspect.Type) -> Iterator[inspect.Type]:
    """The members of a union, or the type itself; constraints and other metadata taken off."""
    match info:
        case inspect.Metadata():
            yield from union_members(info.type)
        case inspect.UnionType():
            for member in info.types:
                yield from union_members(member)
        case _:
            yield info


def _united(plans: Iterable[Plan]) -> Plan:
    """Of a union. Where two members take one kind (``int`` and ``float``), the exact fit goes first."""
    united: Plan = {}
    for plan in plans:
        for kind, convert in plan.items():
            if convert is keep or kind not in united:
                united[kind] = convert
    return united


def _open_tagged_array(variants: dict[object, Convert], sent: list[object]) -> object:
    tag = sent[0] if sent else None
    variant = variants.get(tag) if type(tag) is str or type(tag) is int else None
    return sent if variant is None else variant(sent[1:])
