"""Forms with files: what they look like, that they come again the same, what is refused."""

from __future__ import annotations

import dataclasses
import decimal
import email.policy
import io
import pathlib
import tempfile
from email.parser import BytesParser
from typing import Any, NamedTuple

import attrs
import httpx
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioclient._codec.body import Pieces, RequestBody
from trioclient._codec.file_source import CHUNK_BYTES
from trioclient._codec.multipart import MOST_IN_MEMORY, _joined, multipart_body
from trioclient._types import NOT_GIVEN, omit

BOUNDARY = "0123456789abcdef"
LARGE = bytes(range(256)) * 8_192  # 2 MiB: too much to be encoded at once


class Part(NamedTuple):
    headers: list[str]
    content: bytes


def sent(body: RequestBody) -> bytes:
    """What one sending puts on the wire."""
    pieces = body.pieces()
    assert isinstance(pieces, Pieces)
    return b"".join(pieces)


def form(body: object = None, files: Any = (), **arguments: Any) -> RequestBody:
    return multipart_body(body, files, boundary=BOUNDARY, **arguments)


def parts_of(encoded: bytes) -> list[Part]:
    """By the letter of RFC 2046: nothing before the first boundary, nothing after the last."""
    before, *sections, after = (b"\r\n" + encoded).split(b"\r\n--" + BOUNDARY.encode())
    assert (before, after) == (b"", b"--\r\n")
    parts: list[Part] = []
    for section in sections:
        assert section.startswith(b"\r\n")
        head, _, content = section[2:].partition(b"\r\n\r\n")
        parts.append(Part(head.decode().split("\r\n"), content))
    return parts


def fields_of(body: RequestBody) -> list[tuple[str, str]]:
    """Names and values of a form without files."""
    fields: list[tuple[str, str]] = []
    for part in parts_of(sent(body)):
        (disposition,) = part.headers
        prefix = 'Content-Disposition: form-data; name="'
        assert disposition.startswith(prefix)
        assert disposition.endswith('"')
        fields.append((disposition[len(prefix) : -1], part.content.decode()))
    return fields


class Unseekable(io.RawIOBase):
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "photo.png"
    path.write_bytes(LARGE)
    return path


# What it looks like


def test_a_small_form_is_encoded_at_once() -> None:
    body = form({"purpose": "test"}, {"file": b"\x00\xff"})
    assert body.content == (
        b"--0123456789abcdef\r\n"
        b'Content-Disposition: form-data; name="purpose"\r\n\r\n'
        b"test\r\n"
        b"--0123456789abcdef\r\n"
        b'Content-Disposition: form-data; name="file"; filename="upload"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
        b"\x00\xff\r\n"
        b"--0123456789abcdef--\r\n"
    )
    assert (body.length, body.replayable) == (len(body.content), True)
    assert body.content_type == "multipart/form-data; boundary=0123456789abcdef"
    assert sent(body) == sent(body) == body.content


def test_it_is_what_httpx_sends(path: pathlib.Path) -> None:
    def files() -> Any:
        return [
            ("a", b"\r\n--"),
            ("a", ("b.json", b"{}")),
            ("c", ("ä \"'\\;\r\n.txt", io.BytesIO(b"c"), "text/x-c")),
            ("d", (None, b"d")),
            ("e", ("", b"e", None)),
            ("f", ("f", b"f", "a/b", {"X-One": "1", "Content-Type": "c/d"})),
        ]

    httpxs = httpx.Request(
        "POST",
        "http://x",
        data={"n": "1"},
        files=files(),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )
    body = form({"n": 1}, files())
    assert sent(body) == httpxs.read()
    assert str(body.length) == httpxs.headers["Content-Length"]


def named_file(name: object) -> io.BytesIO:
    file = io.BytesIO(LARGE)
    file.name = name
    return file


@pytest.mark.parametrize(
    ("make", "filename", "content_type"),
    [
        (lambda path: path, "photo.png", "image/png"),
        (lambda path: path.open("rb"), "photo.png", "image/png"),
        (lambda path: io.BytesIO(LARGE), "upload", "application/octet-stream"),
        (lambda path: (path.name[::-1], path), "gnp.otohp", "application/octet-stream"),
        (lambda path: ("a.txt", path), "a.txt", "text/plain"),
        (lambda path: ("a.txt", path, "image/jpeg"), "a.txt", "image/jpeg"),
        (lambda path: (None, path, "image/jpeg"), None, "image/jpeg"),
        (lambda path: (None, path), None, None),
        (lambda path: ("a", path, "image/jpeg", {"content-type": "image/gif"}), "a", "image/gif"),
        (lambda path: bytearray(LARGE), "upload", "application/octet-stream"),
        (lambda path: memoryview(LARGE), "upload", "application/octet-stream"),
        (lambda path: named_file("/tmp/b.png"), "b.png", "image/png"),
        (lambda path: named_file("b\udcff.png"), "b?.png", "image/png"),
        (lambda path: named_file("/"), "upload", "application/octet-stream"),
        (lambda path: named_file(5), "upload", "application/octet-stream"),
    ],
)
def test_files(path: pathlib.Path, make: Any, filename: str | None, content_type: str | None) -> None:
    file = make(path)
    body = form(files={"x": file})
    assert (body.content, body.replayable) == (None, True)
    encoded = sent(body)
    assert (len(encoded), sent(body)) == (body.length, encoded)
    (part,) = parts_of(encoded)
    named = "" if filename is None else f'; filename="{filename}"'
    assert part.headers[0] == f'Content-Disposition: form-data; name="x"{named}'
    assert [line.partition(": ")[2] for line in part.headers[1:]] == ([content_type] if content_type else [])
    assert part.content == LARGE
    if isinstance(file, io.IOBase):
        assert not file.closed
        file.close()


def test_any_pathlike_is_a_path(path: pathlib.Path) -> None:
    class Where:
        def __fspath__(self) -> str:
            return str(path)

    (part,) = parts_of(sent(form(files={"x": Where()})))
    assert part.headers[0].endswith('filename="photo.png"')
    assert part.content == LARGE


@pytest.mark.parametrize("kind", [tempfile.TemporaryFile, tempfile.NamedTemporaryFile, tempfile.SpooledTemporaryFile])
def test_temporary_files(kind: Any) -> None:
    with kind() as file:
        file.write(b"..abc")
        file.seek(2)
        body = form(files={"x": file})
        assert body.replayable
        (part,) = parts_of(sent(body))
        assert part.content == b"abc"
        assert len(sent(body)) == body.length


def test_a_name_may_come_twice() -> None:
    parts = parts_of(sent(form(files=[("x", b"1"), ("y", b"2"), ("x", b"3")])))
    assert [(part.headers[0].split('"')[1], part.content) for part in parts] == [("x", b"1"), ("y", b"2"), ("x", b"3")]


@pytest.mark.parametrize("files", [{}, [], (), {"x": omit}, {"x": NOT_GIVEN}])
def test_a_form_without_files_is_a_form(files: Any) -> None:
    assert fields_of(form({"a": 1}, files)) == [("a", "1")]


def test_an_empty_form() -> None:
    """As browsers send it."""
    body = form()
    assert body.content == b"--0123456789abcdef--\r\n"
    assert body.content_type == "multipart/form-data; boundary=0123456789abcdef"


@pytest.mark.parametrize("size", [0, 1, MOST_IN_MEMORY - 1_000, MOST_IN_MEMORY, 131_072, 131_073])
def test_sizes(size: int) -> None:
    content = LARGE[:size]
    body = form({"a": "b"}, {"x": content, "y": io.BytesIO(content)})
    encoded = sent(body)
    assert len(encoded) == body.length
    assert [part.content for part in parts_of(encoded)] == [b"b", content, content]


def test_small_pieces_are_joined() -> None:
    """Each costs a step in a thread and a write."""
    body = form({str(number): number for number in range(100)}, {"x": io.BytesIO(b"x" * 200_000)})
    pieces = body.pieces()
    assert isinstance(pieces, Pieces)
    assert [len(piece) >= 131_072 for piece in pieces] == [True, False]


@pytest.mark.parametrize(
    ("boundary", "content_type"),
    [
        ("a" * 70, "multipart/form-data; boundary=" + "a" * 70),
        ("a+_'-.", "multipart/form-data; boundary=a+_'-."),
        ("a=?:/,()", 'multipart/form-data; boundary="a=?:/,()"'),
    ],
)
def test_boundaries(boundary: str, content_type: str) -> None:
    for file in (b"x", io.BytesIO(b"x")):
        body = multipart_body({}, {"x": file}, boundary=boundary)
        assert body.content_type == content_type
        assert sent(body).startswith(b"--" + boundary.encode() + b"\r\n")


@pytest.mark.parametrize("boundary", ["", "a" * 71, "a b", "ä", "a;b", 'a"b', "a\r\nb"])
def test_bad_boundaries(boundary: str) -> None:
    with pytest.raises(ValueError) as caught:
        multipart_body({}, {}, boundary=boundary)
    assert str(caught.value) == "the boundary of a form must be 1 to 70 letters, digits and '()+_,-./:=?"


# Fields


class Struct(msgspec.Struct, rename="camel"):
    first_name: str
    age: int | None = 1


@dataclasses.dataclass
class Data:
    first_name: str


@attrs.define
class Attributes:
    first_name: str


class Pydantic(pydantic.BaseModel):
    first_name: str = pydantic.Field(alias="firstName")
    unset: int = 5


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (None, []),
        ({}, []),
        ({"a": "b"}, [("a", "b")]),
        ({"a": {"b": {"c": 1}}}, [("a[b][c]", "1")]),
        ({"a": [1, 2]}, [("a[]", "1"), ("a[]", "2")]),
        ({"a": [{"b": 1, "c": [2]}]}, [("a[][b]", "1"), ("a[][c][]", "2")]),
        ({"a": True, "b": False, "c": None, "d": ""}, [("a", "true"), ("b", "false"), ("d", "")]),
        ({"a": omit, "b": NOT_GIVEN, "c": {"d": omit}, "e": [None, 1]}, [("e[]", "1")]),
        ({"a": 1.5, "b": 10**19, "c": decimal.Decimal("1.50")}, [("a", "1.5"), ("b", str(10**19)), ("c", "1.50")]),
        ({"a": "é&= +%\r\n"}, [("a", "é&= +%\r\n")]),
        ({1: 2}, [("1", "2")]),
        (Struct("x"), [("firstName", "x"), ("age", "1")]),
        ({"a": Struct("x", None)}, [("a[firstName]", "x")]),
        (Data("x"), [("first_name", "x")]),
        (Attributes("x"), [("first_name", "x")]),
        (Pydantic(firstName="x"), [("firstName", "x")]),
    ],
)
def test_fields(body: object, fields: list[tuple[str, str]]) -> None:
    assert fields_of(form(body)) == fields


@pytest.mark.parametrize(
    ("style", "fields"),
    [
        ("repeat", [("a", "1"), ("a", "2")]),
        ("brackets", [("a[]", "1"), ("a[]", "2")]),
        ("indices", [("a[0]", "1"), ("a[1]", "2")]),
        ("comma", [("a", "1,2")]),
    ],
)
def test_array_styles(style: Any, fields: list[tuple[str, str]]) -> None:
    assert fields_of(form({"a": [1, 2]}, array_style=style)) == fields


@pytest.mark.parametrize(
    ("body", "extra", "fields"),
    [
        (None, {"a": 1}, [("a", "1")]),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, [("a", "1"), ("b", "3"), ("c", "4")]),
        ({"a": {"x": 1}}, {"a": {"y": 2}}, [("a[y]", "2")]),
        ({"a": 1, "b": 2}, {"a": omit}, [("b", "2")]),
        ({"a": 1}, {"a": None}, []),
        (Struct("x"), {"firstName": "y"}, [("firstName", "y"), ("age", "1")]),
        ({"a": 1}, {}, [("a", "1")]),
    ],
)
def test_extra_json(body: object, extra: Any, fields: list[tuple[str, str]]) -> None:
    assert fields_of(form(body, extra_json=extra)) == fields


def test_default_is_asked() -> None:
    assert fields_of(form({"a": 1j}, extra_json={"b": [2j]}, default=str)) == [("a", "1j"), ("b[]", "2j")]


@pytest.mark.parametrize(
    ("body", "arguments", "kind", "message"),
    [
        ([1], {}, TypeError, "body must be a mapping or another object with fields, not list"),
        ("a", {}, TypeError, "body must be a mapping .*, not str"),
        (b"a", {}, TypeError, "body must be a mapping .*, not bytes"),
        ({"a": b"x"}, {}, TypeError, r"body\['a'\] must be text, not bytes"),
        ({"a": [{"b": bytearray(b"x")}]}, {}, TypeError, r"body\['a'\]\[0\]\['b'\] must be text, not bytearray"),
        ({"a": memoryview(b"x")}, {}, TypeError, r"body\['a'\] must be text, not memoryview"),
        ({"a": float("nan")}, {}, ValueError, r"body\['a'\] must be a finite number"),
        ({"a": "\ud800"}, {}, ValueError, "body.*lone surrogate"),
        ({"\ud800": "a"}, {}, ValueError, "body.*lone surrogate"),
        ({"a": [object()]}, {}, TypeError, r"body\.a\[0\] is of type object"),
        ({"a": 1j}, {}, TypeError, r"body\.a is of type complex"),
        ({"a": ["x,y"]}, {"array_style": "comma"}, ValueError, r"body\['a'\]\[0\] holds a comma"),
        ({"a": [[1]]}, {"array_style": "comma"}, ValueError, "the comma style cannot nest"),
        ({"a": [1]}, {"array_style": "dots"}, ValueError, "arrays must be one of"),
        (None, {"extra_json": [1]}, TypeError, "extra_json must be a mapping, not list"),
        (None, {"extra_json": {"a": b"x"}}, TypeError, r"extra_json\['a'\] must be text"),
    ],
)
def test_fields_that_cannot_be_said(body: object, arguments: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        form(body, {"x": b"x"}, **arguments)


def test_fields_that_contain_themselves() -> None:
    body: dict[str, Any] = {}
    body["a"] = [body]
    with pytest.raises(ValueError, match=r"body.*contains itself"):
        form(body)


def test_the_callers_default_raises_its_own() -> None:
    class OwnError(TypeError):
        pass

    def default(value: object) -> object:
        raise OwnError

    with pytest.raises(OwnError):
        form({"a": 1j}, default=default)


# Nothing slips in


@given(name=st.text(), filename=st.text(min_size=1))
def test_no_name_makes_a_header_of_its_own(name: str, filename: str) -> None:
    try:
        (name + filename).encode()
    except UnicodeEncodeError:
        return
    (part,) = parts_of(sent(form(files=[(name, (filename, io.BytesIO(b"content"), "a/b"))])))
    assert part.content == b"content"
    disposition, content_type = part.headers
    assert content_type == "Content-Type: a/b"
    # The quotes are those around the two names.
    assert [text[-6:] for text in disposition.split('"')[:-1:2]] == [" name=", "ename="]
    assert disposition.count('"') == 4
    assert disposition.endswith('"')


@pytest.mark.parametrize(
    "name",
    ["plain", "ä", "a b", "a;b", 'a"; filename="evil', 'a"\r\nX-Evil: 1\r\n\r\nevil', "a\nb", "a\rb", "a\0b", "a%22b"],
)
def test_another_parser_reads_the_same(name: str) -> None:
    encoded = sent(form({name: "value"}, {name: (name, b"content")}))
    head = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY.encode() + b"\r\n\r\n"
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + encoded)
    field, file = message.iter_parts()  # type: ignore[attr-defined]
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").replace("\0", "%00")
    for part in (field, file):
        assert dict(part["Content-Disposition"].params)["name"].encode("utf-8", "surrogateescape") == escaped.encode()
        assert part["X-Evil"] is None
    assert field.get_payload(decode=True) == b"value"
    assert file.get_payload(decode=True) == b"content"


@pytest.mark.parametrize(
    ("file", "kind", "message"),
    [
        ("text", TypeError, "must not be a str: encode it, or give pathlib.Path"),
        (("a", "text"), TypeError, "must not be a str: encode it, or give pathlib.Path"),
        (io.StringIO("text"), TypeError, "must be a file opened in binary mode"),
        (("a", io.StringIO("text")), TypeError, "must be a file opened in binary mode"),
        (None, TypeError, "must be bytes, a file opened in binary mode or a pathlib.Path, not NoneType"),
        (5, TypeError, "must be bytes, .* not int"),
        ({"a": 1}, TypeError, "must be bytes, .* not dict"),
        ((x for x in [b"a"]), TypeError, "must be bytes, .* not generator"),
        ([b"a", b"b"], TypeError, "must be one file: give files as"),
        (("a",), TypeError, r"must be \(filename, content\)"),
        (("a", b"", None, None, None), TypeError, r"must be \(filename, content\)"),
        ((b"a", b""), TypeError, "the filename of files.* must be a str, not bytes"),
        (("\ud800", b""), ValueError, "the filename of files.* holds a lone surrogate"),
        (("a", b"", "a\r\nX: y"), ValueError, "'Content-Type' must not hold CR, LF"),
        (("a", b"", "a\0b"), ValueError, "'Content-Type' must not hold CR, LF"),
        (("a", b"", 5), TypeError, "'Content-Type' must be a str"),
        (("a", b"", None, {"X-A": "a\nb"}), ValueError, "'X-A' must not hold CR, LF"),
        (("a", b"", None, {"X-A\r\nX-B": "a"}), ValueError, "header name"),
        (("a", b"", None, {"X A": "a"}), ValueError, "header name"),
        (("a", b"", None, {"X-A": 5}), TypeError, "'X-A' must be a str"),
        (("a", b"", None, {"content-disposition": "x"}), ValueError, "'Content-Disposition' cannot be set"),
        (("a", b"", None, [("X-A", "a")]), TypeError, "the headers of files.* must be a mapping, not list"),
    ],
)
def test_files_that_cannot_be_sent(file: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=r"files\['x'\]") as caught:
        form({}, {"x": file})
    caught.match(message)


@pytest.mark.parametrize(
    ("files", "kind", "message"),
    [
        (b"x", TypeError, "files must be a mapping, or a list of .* pairs, not bytes"),
        ("x", TypeError, "files must be a mapping, .* not str"),
        (5, TypeError, "files must be a mapping, .* not int"),
        ([b"x"], TypeError, r"files\[0\] must be a \(name, file\) pair"),
        ([("a", b"x"), ("a", b"x", b"y")], TypeError, r"files\[1\] must be a \(name, file\) pair"),
        ({5: b"x"}, TypeError, "a name in files must be a str, not int"),
        ([(None, b"x")], TypeError, "a name in files must be a str, not NoneType"),
        ({"\ud800": b"x"}, ValueError, "a name in files holds a lone surrogate"),
    ],
)
def test_what_is_no_files(files: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        form({}, files)


def test_an_async_file_is_refused() -> None:
    class Async:
        async def read(self, size: int = -1) -> bytes:
            return b""

    with pytest.raises(TypeError, match=r"files\['x'\] must be a blocking file"):
        form({}, {"x": Async()})


def test_a_path_without_a_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        form({}, {"x": tmp_path / "nothing"})
    with pytest.raises(OSError):
        form({}, {"x": tmp_path})


def test_what_is_given_is_not_changed() -> None:
    """As httpx does: it adds to the headers."""
    headers: dict[str, str] = {"X-A": "1"}
    files = {"x": ("a.txt", io.BytesIO(LARGE), None, headers)}
    body = form({}, files)
    assert sent(body) == sent(body)
    assert headers == {"X-A": "1"}


# Again, and not again


def test_files_begin_where_they_stood() -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    body = form({}, {"x": file})
    file.seek(9)
    for _ in range(2):
        (part,) = parts_of(sent(body))
        assert part.content == b"456789"


def test_one_file_under_two_names() -> None:
    file = io.BytesIO(LARGE)
    for files in ({"x": file, "y": file}, [("x", file), ("x", file)]):
        file.seek(0)
        body = form({}, files)
        for _ in range(2):
            assert [part.content for part in parts_of(sent(body))] == [LARGE, LARGE]


def test_two_sendings_in_turn_do_not_mix() -> None:
    file = io.BytesIO(LARGE)
    one, two = form({"n": 1}, {"x": file}), form({"n": 2}, {"x": file})
    pieces = one.pieces(), two.pieces()
    received: list[list[bytes]] = [[], []]
    for both in zip(*pieces, strict=True):  # type: ignore[arg-type]
        for had, piece in zip(received, both, strict=True):
            had.append(piece)
    assert [parts_of(b"".join(had))[1].content for had in received] == [LARGE, LARGE]


@given(
    fields=st.dictionaries(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1), st.text()),
    files=st.lists(st.tuples(st.binary(max_size=200_000), st.binary(max_size=10), st.booleans())),
)
def test_what_goes_in_comes_out(fields: dict[str, str], files: list[tuple[bytes, bytes, bool]]) -> None:
    given_files: list[tuple[str, Any]] = []
    for content, before, in_memory in files:
        file = io.BytesIO(before + content)
        file.seek(len(before))
        given_files.append(("x", content if in_memory else file))
    boundary = "boundary-of-this-form"
    for body in [multipart_body(fields, given_files, boundary=boundary)] * 2:
        encoded = sent(body)
        assert len(encoded) == body.length
        sections = (b"\r\n" + encoded).split(b"\r\n--" + boundary.encode())
        contents = [section.partition(b"\r\n\r\n")[2] for section in sections[1:-1]]
        assert contents == [*(text.encode() for text in fields.values()), *(content for content, _, _ in files)]


def test_a_file_moved_meanwhile_is_found_out() -> None:
    class Shared(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            self.seek(0)  # as another thread might
            return piece

    with pytest.raises(ValueError, match=r"files\['x'\] was moved while it was sent"):
        sent(form({}, {"x": Shared(LARGE)}))


def test_a_file_that_cannot_be_rewound_is_sent_once() -> None:
    body = form({"a": 1}, {"x": Unseekable(b"one", b"two"), "y": b"y"})
    assert (body.content, body.length, body.replayable) == (None, None, False)
    assert [part.content for part in parts_of(sent(body))] == [b"1", b"onetwo", b"y"]
    with pytest.raises(RuntimeError, match=r"^files hold one that cannot be rewound and was already sent$"):
        body.pieces()


@pytest.mark.parametrize("kind", ["path", "file"])
def test_a_file_that_grows_keeps_to_its_length(path: pathlib.Path, kind: str) -> None:
    with path.open("rb") as file:
        body = form({}, {"x": path if kind == "path" else file, "y": b"y"})
        with path.open("ab") as log:
            log.write(b"more")
        encoded = sent(body)
    assert [part.content for part in parts_of(encoded)] == [LARGE, b"y"]
    assert len(encoded) == body.length


@pytest.mark.parametrize("beside", [b"y", Unseekable(b"y")], ids=["announced", "chunked"])
@pytest.mark.parametrize("kind", ["path", "file"])
def test_a_file_that_shrinks_is_no_shorter_file(path: pathlib.Path, kind: str, beside: Any) -> None:
    with path.open("rb") as file:
        body = form({}, {"x": path if kind == "path" else file, "y": beside})
        with path.open("rb+") as other:
            other.truncate(len(LARGE) - 3)
        with pytest.raises(ValueError, match=r"files\['x'\] is 3 bytes shorter than it was"):
            sent(body)


def test_a_file_that_is_gone_when_it_is_sent(path: pathlib.Path) -> None:
    body = form({}, {"x": path})
    path.unlink()
    with pytest.raises(FileNotFoundError):
        sent(body)


@pytest.mark.parametrize("chunk", ["text", None])
def test_a_file_that_gives_no_bytes(chunk: Any) -> None:
    """Text, httpx would encode."""

    class Odd:
        def read(self, size: int) -> Any:
            return chunk

    with pytest.raises(TypeError, match=rf"files\['x'\] must be made of bytes, but gave {type(chunk).__name__}"):
        sent(form({}, {"x": Odd()}))


def test_paths_are_open_only_while_they_are_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    plain_open = pathlib.Path.open

    def noting(self: pathlib.Path, *args: Any) -> Any:
        opened.append(plain_open(self, *args))
        return opened[-1]

    paths = [tmp_path / str(number) for number in range(5)]
    for path in paths:
        path.write_bytes(LARGE[:100_000])
    monkeypatch.setattr(pathlib.Path, "open", noting)
    body = form({}, {path.name: path for path in paths})
    assert all(file.closed for file in opened)
    opened.clear()
    pieces = body.pieces()
    assert isinstance(pieces, Pieces)
    assert opened == []
    for _ in pieces:
        assert sum(not file.closed for file in opened) <= 1
    assert len(opened) == 5
    assert all(file.closed for file in opened)

    opened.clear()
    pieces = body.pieces()
    assert isinstance(pieces, Pieces)
    next(pieces)
    assert not opened[-1].closed
    pieces.close()
    assert opened[-1].closed


def test_repr_shows_no_content() -> None:
    assert repr(form({"a": "s3cret"}, {"x": io.BytesIO(b"s3cret")})) == (
        "<_Form multipart/form-data; boundary=0123456789abcdef, 225 bytes>"
    )


def test_small_pieces_are_sent_together() -> None:
    nearly = b"x" * (CHUNK_BYTES - 1)
    pieces = [*_joined([nearly, b"a", nearly, b"b", b"c", nearly])]
    assert pieces == [nearly + b"a", nearly + b"b", b"c" + nearly, b""]
