from __future__ import annotations

import copy
import pickle

import httpx
import msgspec
import pytest

from trioclient._attempt_record import AttemptRecord
from trioclient._errors import RateLimitError
from trioclient._records import RequestRecord, ResponseRecord

REQUEST = RequestRecord("POST", "https://api.test/x?a=1", (("X-A", "1"), ("X-A", "2")))
RESPONSE = ResponseRecord(
    200, (("content-type", "text/plain; charset=latin-1"), ("x-b", "1"), ("x-b", "2")), b"caf\xe9"
)
ATTEMPT = AttemptRecord(REQUEST, 2, 429, RateLimitError("429", request=REQUEST), 0.5, 1.5, "status 429")


@pytest.mark.parametrize("record", [REQUEST, RESPONSE, ATTEMPT])
def test_frozen_and_light(record: msgspec.Struct) -> None:
    assert not hasattr(record, "__dict__")
    for name in record.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(record, name, None)


@pytest.mark.parametrize("record", [REQUEST, RESPONSE])
def test_pickled_and_copied(record: object) -> None:
    for twin in (pickle.loads(pickle.dumps(record)), copy.copy(record), copy.deepcopy(record)):
        assert twin == record
        assert hash(twin) == hash(record)


def test_an_attempt_record_pickles_with_its_error() -> None:
    twin = pickle.loads(pickle.dumps(ATTEMPT))
    assert msgspec.structs.replace(twin, error=None) == msgspec.structs.replace(ATTEMPT, error=None)
    assert type(twin.error) is RateLimitError
    assert twin.error.request_record == REQUEST


def test_the_repr_of_an_answer_tells_no_secrets() -> None:
    record = ResponseRecord(200, (("set-cookie", "id=s3cret"),), b"s3cret")
    assert repr(record) == "ResponseRecord(status=200, http_version='HTTP/1.1')"


def test_headers_by_name() -> None:
    assert RESPONSE.header("x-b") == "1"
    assert RESPONSE.header("x-c") is None


def test_a_request_to_httpx() -> None:
    request = REQUEST.to_httpx()
    assert isinstance(request, httpx.Request)
    assert (request.method, str(request.url)) == ("POST", "https://api.test/x?a=1")
    assert request.headers.get_list("x-a") == ["1", "2"]


def test_a_request_to_httpx_never_fails() -> None:
    request = RequestRecord("GET", "https://api.test/?a=" + "x" * 100_000, (("X-A", "caf\xe9"),)).to_httpx()
    assert len(str(request.url)) == 65_536
    assert request.headers["x-a"] == "café"


class TestAnAnswerToHttpx:
    def test_what_it_holds(self) -> None:
        response = RESPONSE.to_httpx(REQUEST)
        assert isinstance(response, httpx.Response)
        assert response.status_code == 200
        assert response.text == "café"
        assert response.headers.get_list("x-b") == ["1", "2"]
        assert response.http_version == "HTTP/1.1"
        assert response.request.method == "POST"
        assert str(response.url) == "https://api.test/x?a=1"
        assert response.is_closed

    @pytest.mark.parametrize(
        ("sent", "text"), [(b"caf\xe9", "café"), ("café".encode(), "café"), (b"\xff\x80", "ÿ\x80")]
    )
    def test_headers_that_are_not_ascii(self, sent: bytes, text: str) -> None:
        response = ResponseRecord(200, (("x-a", sent.decode("latin-1")),)).to_httpx(None)
        assert response.headers["x-a"] == text
        assert (b"x-a", sent) in response.headers.raw

    def test_without_a_request(self) -> None:
        response = RESPONSE.to_httpx(None)
        with pytest.raises(RuntimeError, match="request"):
            _ = response.request

    def test_the_body_is_not_decompressed_twice(self) -> None:
        headers = (("content-encoding", "gzip"), ("content-length", "33"), ("transfer-encoding", "chunked"))
        response = ResponseRecord(200, headers, b"plain").to_httpx(None)
        assert response.content == b"plain"
        assert dict(response.headers) == {"content-length": "5"}

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
    def test_without_a_body_the_headers_speak_of_the_one_get_would_have(self, coding: str) -> None:
        headers = (("content-length", "1234"), ("content-encoding", coding))
        response = ResponseRecord(200, headers).to_httpx(None)
        assert response.content == b""
        assert response.headers["content-length"] == "1234"
        assert response.headers["content-encoding"] == coding

    @pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1", "HTTP/2"])
    def test_the_version(self, version: str) -> None:
        assert ResponseRecord(200, http_version=version).to_httpx(None).http_version == version
