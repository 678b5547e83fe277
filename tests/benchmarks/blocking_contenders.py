"""The blocking clients that are compared, each as a way to make the same call.

`open_call(url, threads, cast_to)` is a context manager that gives one call, which as many threads
may make at once. It does what those of `async_contenders` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
from load import Call
from shapes import JSON_HEADERS, QUESTION, TIMEOUT, encode

OpenCall = Callable[[str, int, Any], AbstractContextManager[Call]]


@contextmanager
def trioclient_call(url: str, threads: int, cast_to: Any) -> Iterator[Call]:
    from trioclient import SyncAPIClient

    with SyncAPIClient(base_url=url) as client:
        yield lambda: client.post("/items", body=QUESTION, cast_to=cast_to)


@contextmanager
def urllib3_call(url: str, threads: int, cast_to: Any) -> Iterator[Call]:
    import urllib3

    decode = msgspec.json.Decoder(cast_to).decode

    def call() -> Any:
        response = pool.request("POST", f"{url}/items", body=encode(QUESTION), headers=JSON_HEADERS)
        assert response.status == 200
        return decode(response.data)

    with urllib3.PoolManager(maxsize=threads, timeout=TIMEOUT) as pool:
        yield call


@contextmanager
def requests_call(url: str, threads: int, cast_to: Any) -> Iterator[Call]:
    import requests
    from requests.adapters import HTTPAdapter

    decode = msgspec.json.Decoder(cast_to).decode

    def call() -> Any:
        response = session.post(f"{url}/items", data=encode(QUESTION), headers=JSON_HEADERS)
        response.raise_for_status()
        return decode(response.content)

    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=threads))
        yield call


@contextmanager
def httpx_call(url: str, threads: int, cast_to: Any) -> Iterator[Call]:
    import httpx

    decode = msgspec.json.Decoder(cast_to).decode

    def call() -> Any:
        response = client.post(f"{url}/items", content=encode(QUESTION), headers=JSON_HEADERS)
        response.raise_for_status()
        return decode(response.content)

    with httpx.Client(timeout=TIMEOUT) as client:
        yield call


@contextmanager
def anthropic_call(url: str, threads: int, cast_to: Any) -> Iterator[Call]:
    import anthropic
    from sdk_shapes import MODELS

    model = MODELS[cast_to]
    with anthropic.Anthropic(api_key="none", base_url=url, timeout=TIMEOUT) as client:
        yield lambda: client.post("/items", body=QUESTION, cast_to=model)


BLOCKING_CONTENDERS: dict[str, OpenCall] = {
    "trioclient": trioclient_call,
    "urllib3": urllib3_call,
    "requests": requests_call,
    "httpx": httpx_call,
    "anthropic": anthropic_call,
}
