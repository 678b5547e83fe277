"""What loose decoding keeps of an unknown object: a value like others, and sent back as it came."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import msgspec
import pytest

from trioclient._codec.json_encode import encode_json
from trioclient._codec.unknown_variant import UnknownVariant

HOLOGRAM = {"type": "hologram", "shape": {"kind": "sphere"}, "radius": 1.5}


class Message(msgspec.Struct):
    content: list[Any]


@pytest.fixture
def variant() -> UnknownVariant:
    return UnknownVariant("hologram", copy.deepcopy(HOLOGRAM))


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: [it], lambda it: {"a": it}, lambda it: Message([it])])
def test_sent_back_it_is_the_object_that_came(variant: UnknownVariant, wrap: Any) -> None:
    assert encode_json(wrap(variant), "body") == msgspec.json.encode(wrap(HOLOGRAM))


def test_what_cannot_be_sent_in_it_is_named() -> None:
    with pytest.raises(TypeError, match=r"body\.a"):
        encode_json({"a": UnknownVariant("x", {"y": object()})}, "body")
    with pytest.raises(ValueError, match=r"body\.a.*NaN|body\.a.*nan"):
        encode_json({"a": UnknownVariant("x", {"y": float("nan")})}, "body")


def test_msgspec_itself_does_not_take_it_for_something_else(variant: UnknownVariant) -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(variant)


def test_it_is_compared_by_what_it_holds(variant: UnknownVariant) -> None:
    assert variant == UnknownVariant("hologram", dict(HOLOGRAM))
    assert variant != UnknownVariant("hologram", {})
    assert variant != UnknownVariant(None, dict(HOLOGRAM))
    assert variant != HOLOGRAM
    with pytest.raises(TypeError, match="unhashable"):
        hash(variant)


@pytest.mark.parametrize("remade", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_it_can_be_copied(variant: UnknownVariant, remade: Any) -> None:
    assert remade(variant) == variant
    assert remade(variant) is not variant


def test_it_does_not_change(variant: UnknownVariant) -> None:
    with pytest.raises(AttributeError, match="tag"):
        variant.tag = "other"
    with pytest.raises(AttributeError, match="data"):
        del variant.data


def test_it_matches_and_shows_what_it_is(variant: UnknownVariant) -> None:
    match variant:
        case UnknownVariant(tag, data):
            assert (tag, data) == ("hologram", HOLOGRAM)
    assert repr(UnknownVariant("a", {"b": 1})) == "UnknownVariant(tag='a', data={'b': 1})"
