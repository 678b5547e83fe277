from __future__ import annotations

from typing import Any, ClassVar

import pytest

from trioclient import BaseClient, omit
from trioclient._client.request_body import request_body
from trioclient._codec.body import NO_BODY, RequestBody
from trioclient._codec.query import ArrayStyle

FILES = {"f": ("f.txt", b"hello", "text/plain")}


def made(body: Any = None, content: Any = None, files: Any = None, **options: Any) -> RequestBody:
    return request_body(body, content, files, options, default=None, form_array_style="brackets")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "content", "content_type"),
    [
        ({"body": {"a": 1}}, b'{"a":1}', "application/json"),
        ({"body": 0}, b"0", "application/json"),
        ({"extra_json": {"a": 1}}, b'{"a":1}', "application/json"),
        ({"content": b"raw"}, b"raw", "application/octet-stream"),
        ({"content": b""}, b"", "application/octet-stream"),
    ],
)
def test_which_form_it_takes(arguments: dict[str, Any], content: bytes, content_type: str) -> None:
    body = made(**arguments)
    assert (body.content, body.content_type) == (content, content_type)


def test_none_is_always_the_same_none() -> None:
    # A redirect asks by `is` whether there is a body.
    assert made() is NO_BODY
    assert made(upload_progress=print) is NO_BODY
    assert made(extra_json={}) is NO_BODY


def test_a_form_has_a_new_boundary_each_time() -> None:
    types = {made(files=FILES).content_type for _ in range(3)}
    assert len(types) == 3


@pytest.mark.parametrize("files", [{}, []])
def test_a_form_without_files_is_a_form_yet(files: Any) -> None:
    body = made({"a": 1}, files=files)
    assert str(body.content_type).startswith("multipart/form-data; boundary=")
    assert b'name="a"' in (body.content or b"")


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=cut", b"cut"),
        ('Multipart/Form-Data ; charset=utf-8; Boundary="cut:here"', b"cut:here"),
        ("multipart/form-data;boundary=cut;charset=utf-8", b"cut"),
    ],
)
def test_the_call_may_name_the_boundary(content_type: str, boundary: bytes) -> None:
    call = BaseClient(base_url="https://api.test")._prepare(
        "POST", "/x", files=FILES, options={"headers": {"content-type": content_type}}
    )
    assert (call.body.content or b"").startswith(b"--" + boundary + b"\r\n")
    assert [value for name, value in call.headers if name.lower() == b"content-type"] == [content_type.encode()]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=b",
        "application/json",
        "application/json; boundary=b",
        "multipart/form-databoundary=b",
        "",
    ],
)
def test_a_content_type_that_does_not_fit_the_form_is_refused(content_type: str) -> None:
    with pytest.raises(ValueError, match="header 'Content-Type' must be multipart/form-data with a boundary"):
        made(files=FILES, headers={"Content-Type": content_type})


def test_a_boundary_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ValueError, match="the boundary of a form"):
        made(files=FILES, headers={"Content-Type": f"multipart/form-data; boundary={'b' * 71}"})


def test_the_content_type_of_a_form_can_be_left_out() -> None:
    call = BaseClient(base_url="https://api.test")._prepare(
        "POST", "/x", files=FILES, options={"headers": {"Content-Type": omit}}
    )
    assert b"content-type" not in [name.lower() for name, _ in call.headers]


@pytest.mark.parametrize(
    ("style", "names"),
    [
        ("brackets", ["a[]", "a[]"]),
        ("repeat", ["a", "a"]),
        ("indices", ["a[0]", "a[1]"]),
    ],
)
def test_lists_in_a_form_are_written_in_the_subclasss_style(style: Any, names: list[str]) -> None:
    class Mine(BaseClient):
        form_array_style: ClassVar[ArrayStyle] = style

    body = Mine(base_url="https://api.test")._prepare("POST", "/x", body={"a": [1, 2]}, files=FILES).body
    parts = (body.content or b"").decode().split('; name="')[1:]
    assert [part.partition('"')[0] for part in parts] == [*names, "f"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"body": {}, "content": b""}, "content goes without body and extra_json"),
        ({"content": b"", "extra_json": {}}, "content goes without body and extra_json"),
        ({"content": b"", "files": {}}, "content goes without files"),
        ({"body": {}, "content": b"", "files": {}}, "content goes without files"),
        ({"files": b"raw"}, "files must be a mapping"),
        ({"files": FILES, "extra_json": [1]}, "extra_json must be a mapping"),
        ({"body": {}, "upload_progress": "x"}, r"options\['upload_progress'\] must be a sync function"),
        ({"upload_progress": None}, r"options\['upload_progress'\] must be a sync function"),
    ],
)
def test_what_does_not_go_together(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        made(**arguments)
