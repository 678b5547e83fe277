"""Pydantic models as answers, for programs that have pydantic; it is never imported here.

Decoding is pydantic's own, from JSON text. Loose building follows `lenient` as far as the
annotations tell: models, containers of them, optional ones, and unions of models that share a
``Literal`` field to tell them apart. Any other value is validated by itself, or kept as sent;
a model is put together by ``model_construct``, which runs no validators.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin

import msgspec

from .json_reader import Mismatch
from .lenient import Convert, Field, Opened, Plan, build, keep, open_items, open_mapping, open_record, open_tagged

__all__ = ["ModelReader", "mentions_model", "model_keys"]

_JSON_KINDS: Final = (dict, list, str, int, float, bool, types.NoneType)
_SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)
_PLAIN: Final = msgspec.json.Decoder()
_ABSENT: Final = object()

_COLLECTIONS: Final[dict[object, Any]] = {list: list, Sequence: list, set: set, frozenset: frozenset}


def _is_model(annotation: object) -> bool:
    base = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return base is not None and isinstance(annotation, type) and issubclass(annotation, base)


def mentions_model(cast_to: object) -> bool:
    """Whether `cast_to` is a pydantic model, or a container or union with one in it."""
    return _is_model(cast_to) or any(mentions_model(argument) for argument in get_args(cast_to))


def model_keys(cast_to: object) -> frozenset[str]:
    """The keys of all fields of a model, or of the models in a union."""
    bare = _bare(cast_to)
    if get_origin(bare) is Union or get_origin(bare) is types.UnionType:
        return frozenset[str]().union(*map(model_keys, get_args(bare)))
    fields: dict[str, Any] = cast("Any", bare).model_fields if _is_model(bare) else {}
    return frozenset(key for name, info in fields.items() for key in _keys(bare, name, info))


class ModelReader:
    """A `JSONReader` for types that mention pydantic models. Raises TypeError where pydantic cannot build one."""

    def __init__(self, cast_to: object) -> None:
        pydantic: Any = sys.modules["pydantic"]
        self._error: type[Exception] = pydantic.ValidationError
        try:
            self._adapter = pydantic.TypeAdapter(cast_to)
            self._accepts_none = self._takes_none()  # by which pydantic also notices unresolved names
        except (pydantic.PydanticUserError, NameError) as error:
            raise TypeError(str(error)) from error
        self._cast_to = cast_to
        self._plan: Plan | None = None

    def _takes_none(self) -> bool:
        try:
            self._adapter.validate_python(None)
        except self._error:
            return False
        return True

    def accepts_none(self) -> bool:
        return self._accepts_none

    def decode(self, content: bytes) -> object:
        _SYNTAX.decode(content)  # pydantic would take NaN and infinity
        try:
            return self._adapter.validate_json(content)
        except self._error as error:
            if _first_problem(error)["type"] == "json_invalid":
                _PLAIN.decode(content)  # bad strings: raises
            raise

    def mismatch(self, error: Exception) -> Mismatch | None:
        if not isinstance(error, self._error):
            return None
        problem = _first_problem(error)
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"])
        return Mismatch(f"{problem['msg']} - at `${path}`", f"${path}")

    def lenient(self, content: bytes) -> object:
        if self._plan is None:
            self._plan = _Compiler().plan(self._cast_to)
        return build(self._plan, _PLAIN.decode(content), {})


def _first_problem(error: Any) -> dict[str, Any]:
    return error.errors(include_url=False, include_context=False, include_input=False)[0]


class _Compiler:
    """Makes the plan of one annotation and of all models in it."""

    def __init__(self) -> None:
        self._models: dict[object, Convert] = {}

    def plan(self, annotation: object) -> Plan:
        bare = _bare(annotation)
        origin = get_origin(bare)
        arguments = get_args(bare)
        if _is_model(bare):
            return {dict: self._model(bare)}
        if origin is Union or origin is types.UnionType:
            return self._union(annotation, [_bare(member) for member in arguments])
        if origin in _COLLECTIONS:
            return {list: partial(open_items, self.plan(arguments[0]), _COLLECTIONS[origin])}
        if origin is tuple and arguments[-1:] == (...,):
            return {list: partial(open_items, self.plan(arguments[0]), tuple)}
        if origin in (dict, Mapping):
            return {dict: partial(open_mapping, _validated(arguments[0]), self.plan(arguments[1]))}
        return dict.fromkeys(_JSON_KINDS, _validated(annotation))

    def _union(self, annotation: object, members: list[object]) -> Plan:
        plan: Plan = dict.fromkeys(_JSON_KINDS, _validated(annotation))
        for member in members:
            if get_origin(member) is not None:
                plan |= {kind: convert for kind, convert in self.plan(member).items() if kind in (dict, list)}
        models = [member for member in members if _is_model(member)]
        tag_key = _tag_key(models)
        if tag_key is not None:
            variants = {tag: self._model(model) for model in models for tag in _tags(model)[tag_key]}
            plan[dict] = partial(open_tagged, tag_key, variants, None)
        elif len(models) == 1:
            plan[dict] = self._model(models[0])
        return plan

    def _model(self, model: Any) -> Convert:
        known = self._models.get(model)
        if known is None:
            shape = _Shape(model, {}, [])
            known = self._models[model] = partial(_open_model, shape)
            # Only now, since a field may be of this very model.
            for name, info in model.model_fields.items():
                shape.keys[name] = _keys(model, name, info)
                shape.fields.append(Field(name, name, self.plan(info.rebuild_annotation()), lambda: _ABSENT))
        return known


def _bare(annotation: object) -> object:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _validated(annotation: object) -> Convert:
    """Validate one value by itself, and keep it as sent where it does not pass."""
    pydantic: Any = sys.modules["pydantic"]
    try:
        adapter = pydantic.TypeAdapter(annotation)
    except (pydantic.PydanticUserError, TypeError):  # a type that only its model knows how to treat
        return keep
    return partial(_validated_by, adapter)


def _validated_by(adapter: Any, sent: object) -> object:
    with contextlib.suppress(Exception):  # validators may be the caller's own code
        return adapter.validate_python(sent)
    return sent


# Models


class _Shape(NamedTuple):
    """What is known of a model: the keys its fields may be sent under, and the fields by name."""

    model: Any
    keys: dict[str, list[str]]
    fields: list[Field]


def _keys(model: Any, name: str, info: Any) -> list[str]:
    alias = info.validation_alias
    # An alias may also be a list of choices, and a choice may be a path into the value, which is left out.
    choices = [alias, *getattr(alias, "choices", ())]
    keys = [choice for choice in choices if isinstance(choice, str)]
    config = model.model_config
    if alias is None or config.get("populate_by_name") or config.get("validate_by_name"):
        keys.append(name)
    return keys


def _tags(model: Any) -> dict[str, list[object]]:
    """The values of each field that says what the object is, by the key it is sent under."""
    return {
        _keys(model, name, info)[0]: [tag for tag in get_args(info.annotation) if isinstance(tag, (str, int))]
        for name, info in model.model_fields.items()
        if get_origin(info.annotation) is Literal
    }


def _tag_key(models: list[Any]) -> str | None:
    """The key by which every one of several models says what it is."""
    if len(models) < 2:
        return None
    first, *others = [_tags(model) for model in models]
    return next((key for key in first if all(key in tags for tags in others)), None)


def _open_model(shape: _Shape, sent: dict[str, object]) -> Opened:
    extra = dict(sent) if shape.model.model_config.get("extra") == "allow" else {}
    by_name: dict[str, object] = {}
    for name, keys in shape.keys.items():
        for key in reversed([key for key in keys if key in sent]):
            by_name[name] = sent[key]
            extra.pop(key, None)
    return open_record(shape.fields, partial(_make_model, shape.model, extra), by_name)


def _make_model(model: Any, extra: dict[str, object], values: dict[str, object]) -> object:
    present = {name: value for name, value in values.items() if value is not _ABSENT}
    missing = [name for name, info in model.model_fields.items() if info.is_required() and name not in present]
    with contextlib.suppress(Exception):  # the model's own code, among values it does not expect
        return model.model_construct({*present, *extra}, **extra, **dict.fromkeys(missing), **present)
    return extra | present
