"""Records (Structs, dataclasses, attrs classes, TypedDicts, NamedTuples) out of whatever values.

What strict decoding makes is made the same way, ``__post_init__`` and all. But a hook that
refuses values its type forbids does not stop the record from being made.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Union

import msgspec
from msgspec import NODEFAULT, UNSET, inspect

from .lenient import keep

__all__ = ["RecordType", "absent_value", "record_maker"]

RecordType = Union[inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType]


def absent_value(field: inspect.Field) -> Callable[[], object]:
    """Makes the value of a field that was not sent."""
    if field.default_factory is not NODEFAULT:
        return field.default_factory
    if field.default is not NODEFAULT:
        return partial(keep, field.default)
    return partial(keep, None if field.required else UNSET)


def record_maker(info: RecordType) -> Callable[[dict[str, object]], object]:
    """Makes a record out of the values of all its fields, by name."""
    cls: Any = getattr(info.cls, "__origin__", info.cls)  # of a generic type with its parameters
    match info:
        case inspect.StructType():
            return partial(_make_struct if hasattr(cls, "__post_init__") else _call, cls)
        case inspect.DataclassType():
            return partial(_make_dataclass, cls)
        case inspect.TypedDictType():
            return _make_typed_dict
        case inspect.NamedTupleType():
            return partial(_make_named_tuple, cls)


def _call(cls: Callable[..., object], values: dict[str, object]) -> object:
    return cls(**values)


def _make_struct(cls: Any, values: dict[str, object]) -> object:
    # With values in it that its type forbids, the class's own code may raise anything.
    with contextlib.suppress(Exception):
        return cls(**values)
    made = copy.copy(_blank(cls))
    for name, value in values.items():
        msgspec.structs.force_setattr(made, name, value)
    return made


class _WithoutHooks:
    """Put before a Struct class in the bases of a class, hides the hooks of that Struct class."""

    __slots__ = ()

    def __init_subclass__(cls, **_: object) -> None:
        pass

    def __post_init__(self) -> None:
        pass


@lru_cache(maxsize=1024)
def _blank(cls: Any) -> msgspec.Struct:
    """An instance to copy, made without ``__post_init__``.

    msgspec has no way to do that, so it is made as one of a throw-away subclass.
    """
    without_hooks = type(cls)(cls.__name__, (_WithoutHooks, cls), {})
    blank = without_hooks(**dict.fromkeys(cls.__struct_fields__))
    msgspec.structs.force_setattr(blank, "__class__", cls)
    return blank


def _make_dataclass(cls: Any, values: dict[str, object]) -> object:
    """Also attrs classes. Like msgspec, around ``__init__``."""
    made = object.__new__(cls)
    _run(made, "__attrs_pre_init__")
    for name, value in values.items():
        object.__setattr__(made, name, value)
    _run(made, "__post_init__")
    _run(made, "__attrs_post_init__")
    return made


def _run(made: object, hook: str) -> None:
    with contextlib.suppress(Exception):  # as above
        getattr(made, hook, _nothing)()


def _nothing() -> None:
    pass


def _make_typed_dict(values: dict[str, object]) -> object:
    return {name: value for name, value in values.items() if value is not UNSET}


def _make_named_tuple(cls: Any, values: dict[str, object]) -> object:
    return cls._make(values.values())
