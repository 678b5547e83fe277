from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.not_json import why_not_json


def why(content: bytes) -> str:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        msgspec.json.decode(content)
    assert isinstance(caught.value, (msgspec.DecodeError, UnicodeDecodeError))
    return why_not_json(content, caught.value)


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"NaN", "NaN at byte 0, which JSON does not have"),
        (b'{"a": NaN}', "NaN at byte 6, which JSON does not have"),
        (b"[Infinity]", "Infinity at byte 1, which JSON does not have"),
        (b"[-Infinity]", "Infinity at byte 2, which JSON does not have"),
        (rb'"\udc00"', "half a surrogate pair before byte 7"),
        (rb'["\ud800 and on", 1]', "half a surrogate pair before byte 8"),
        (rb'"\ud800"', "half a surrogate pair in its last string"),
        (rb'["\uDBFFab"]', "half a surrogate pair in its last string"),
        (rb'["\ud83d\ude0', "text that ends before its value does"),
        (b'{"a": [1, 2', "text that ends before its value does"),
        (b"tru", "text that ends before its value does"),
        (b"{'a': 1}", "malformed text: object keys must be strings (byte 1)"),
        (b"[1,]", "malformed text: trailing comma in array (byte 3)"),
        (b"{} {}", "malformed text: trailing characters (byte 4)"),
        (b"<html>", "malformed text: invalid character (byte 0)"),
        (b'["good", "b\xffd"]', "byte 0xff at byte 11, which is not UTF-8"),
        (b'{"a\xc3": 1}', "byte 0xc3 at byte 3, which is not UTF-8"),
    ],
)
def test_says_what_stands_where(content: bytes, phrase: str) -> None:
    assert why(content) == phrase


def test_a_refusal_of_what_is_utf_8() -> None:
    assert why_not_json(b'"a"', UnicodeDecodeError("utf-8", b"a", 0, 1, "?")) == "a string that is not UTF-8"


@given(st.binary(max_size=40) | st.text(st.sampled_from('[]{}",:\\ud8Nan1 '), max_size=20).map(str.encode))
def test_has_a_word_for_everything(content: bytes) -> None:
    failure = None
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        failure = error
    if failure is not None:
        assert why_not_json(content, failure)
