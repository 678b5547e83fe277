from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.headers import MergedHeaders, decoded, find, find_all
from trioclient._types import NOT_GIVEN, omit


@pytest.mark.parametrize(
    ("layers", "lines"),
    [
        ([], []),
        ([None, {}, None], []),
        ([{"A": "1"}, {"B": "2"}], [(b"A", b"1"), (b"B", b"2")]),
        ([{"X-A": "1", "B": "2"}, {"x-a": "3"}], [(b"x-a", b"3"), (b"B", b"2")]),
        ([{"A": "1", "a": "2"}], [(b"a", b"2")]),
        ([{"A": "1", "B": "2"}, {"a": omit}], [(b"B", b"2")]),
        ([{"A": omit}], []),
        ([{"A": "1", "B": "2"}, {"A": omit}, {"a": "3"}], [(b"a", b"3"), (b"B", b"2")]),
        ([{"A": "1"}, {"A": NOT_GIVEN}], [(b"A", b"1")]),
        ([{"A": NOT_GIVEN, "B": "1"}], [(b"B", b"1")]),
        ([{"A": " \t1 2\t "}], [(b"A", b"1 2")]),
        ([{"A": "\xa01\xa0"}], [(b"A", b"\xa01\xa0")]),
        ([{"A": "X: X"}], [(b"A", b"X: X")]),
        ([{"A": ""}], [(b"A", b"")]),
        ([{"A": "caf\xe9"}], [(b"A", b"caf\xe9")]),
        ([{"A": "a\tb"}], [(b"A", b"a\tb")]),
        ([{"Host": "Example.com", "Connection": "Close"}], [(b"Host", b"Example.com"), (b"Connection", b"close")]),
        (
            [{"HOST": "Example.com", "connection": "KEEP-alive"}],
            [(b"Host", b"Example.com"), (b"Connection", b"keep-alive")],
        ),
    ],
)
def test_layers(layers: list[Any], lines: list[tuple[bytes, bytes]]) -> None:
    assert MergedHeaders.of(*layers).lines == lines


def test_an_empty_layer_costs_nothing() -> None:
    block = MergedHeaders.of({"A": "1"})
    assert block.over(None) is block
    assert block.over({}) is block


def test_a_layer_leaves_the_block_below_as_it_was() -> None:
    block = MergedHeaders.of({"A": "1"})
    block.over({"A": "2", "B": "3"})
    block.over({"A": omit})
    assert block.lines == [(b"A", b"1")]


def test_reading_a_block() -> None:
    block = MergedHeaders.of({"X-A": "caf\xe9", "X-B": omit})
    assert block.get("x-a") == block.get("X-A") == "caf\xe9"
    assert block.get("x-b") is None
    assert block.get("x-c") is None
    assert block.mentions("x-a")
    assert block.mentions("X-B")
    assert not block.mentions("x-c")
    assert block.mentions_none_of(frozenset({"x-c", "x-d"}))
    assert not block.mentions_none_of(frozenset({"x-b", "x-c"}))


def test_repr_shows_no_values() -> None:
    assert repr(MergedHeaders.of({"X-Key": "s3cret", "A": "1"})) == "MergedHeaders(X-Key, A)"


NO_TOKENS = ["", " ", "a b", "a:", "a\r\nb", "a\n", "a\x00", "é", "a\x7f", "(a)", "a,b", "a/b"]
RESERVED = ["Content-Length", "content-LENGTH", "Transfer-Encoding", "Upgrade"]


@pytest.mark.parametrize("name", [*NO_TOKENS, *RESERVED])
@pytest.mark.parametrize("value", ["1", omit])
def test_refused_names(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        MergedHeaders.of({name: value})
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["s3cret\r\nEvil: 1", "s3cret\n", "\ns3cret", "s3cret\r", "s3cret\x00", "s3cret\x7f", "s3cret\x0b", "s3cret☃"],
)
def test_refused_values_are_not_shown(value: str) -> None:
    with pytest.raises(ValueError, match="'X-Key'") as caught:
        MergedHeaders.of({"X-Key": value})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", ["upgrade", "Upgrade, close", "X-Other", ""])
def test_connection_takes_two_values(value: str) -> None:
    with pytest.raises(ValueError, match="'Connection' must be 'close' or 'keep-alive'"):
        MergedHeaders.of({"Connection": value})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "str (or omit, to delete it), not NoneType"),
        (1, "str: write str(...), not int"),
        (True, "str: write str(...), not bool"),
        (1.5, "str: write str(...), not float"),
        (b"s3cret", "str: decode it, not bytes"),
        (bytearray(b"s3cret"), "str: decode it, not bytearray"),
        (["s3cret"], "str, not list"),
    ],
)
def test_values_of_another_type(value: Any, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        MergedHeaders.of({"X-Key": value})
    assert str(caught.value) == f"header 'X-Key' must be a {said}"


@pytest.mark.parametrize(("name", "kind"), [(b"a", "bytes"), (1, "int"), (None, "NoneType")])
def test_names_of_another_type(name: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"^a header name must be a str, not {kind}$"):
        MergedHeaders.of({name: "1"})


@given(st.text(max_size=12), st.text(max_size=12))
def test_whatever_passes_is_one_line(name: str, value: str) -> None:
    try:
        block = MergedHeaders.of({name: value})
    except ValueError:
        return
    ((wire_name, wire_value),) = block.lines
    line = wire_name + b": " + wire_value
    assert len(line.splitlines()) == 1
    assert b"\r" not in line
    assert b"\n" not in line
    assert b"\0" not in line
    assert wire_name == name.encode("ascii")
    assert b":" not in wire_name
    assert b" " not in wire_name
    assert wire_value.decode("latin-1") == value.strip(" \t")


@given(st.lists(st.dictionaries(st.sampled_from(["A", "a", "B", "b", "C"]), st.sampled_from(["1", "2", omit]))))
def test_merging_at_once_or_one_by_one(layers: list[dict[str, Any]]) -> None:
    block = MergedHeaders()
    expected: dict[str, Any] = {}
    for layer in layers:
        block = block.over(layer)
        for name, value in layer.items():
            expected[name.lower()] = value
    assert block.lines == MergedHeaders.of(*layers).lines
    assert {name: block.get(name) for name in expected} == {
        name: None if value is omit else value for name, value in expected.items()
    }


def test_wire_headers() -> None:
    raw = [(b"date", b"x"), (b"set-cookie", b"a"), (b"set-cookie", b"\xe9")]
    assert find(raw, b"set-cookie") == b"a"
    assert find(raw, b"etag") is None
    assert find_all(raw, b"set-cookie") == [b"a", b"\xe9"]
    assert find_all(raw, b"etag") == []
    assert decoded(raw) == (("date", "x"), ("set-cookie", "a"), ("set-cookie", "\xe9"))
