from __future__ import annotations

import pytest

from trioclient.testing import RecordedRequest, drop, reply
from trioclient.testing._routes import Routes, answer_of

A, B, C = reply(201), reply(202), reply(203)


def picked(routes: Routes, method: str, path: str) -> int:
    answer = routes.pick(method, path)
    assert not callable(answer)
    return answer.status


def test_in_order_and_the_last_again():
    routes = Routes()
    routes.add("GET", "/x", (A, B), repeat_last=True)
    assert [picked(routes, "GET", "/x") for _ in range(4)] == [201, 202, 202, 202]


def test_used_up():
    routes = Routes()
    routes.add("GET", "/x", (A, B), repeat_last=False)
    assert [picked(routes, "GET", "/x") for _ in range(4)] == [201, 202, 404, 404]


def test_scripting_a_route_anew_begins_anew():
    routes = Routes()
    routes.add("GET", "/x", (A,), repeat_last=True)
    picked(routes, "GET", "/x")
    routes.add("get", "/x", (B, C), repeat_last=True)
    assert [picked(routes, "GET", "/x") for _ in range(2)] == [202, 203]


def test_without_replies_an_empty_200():
    routes = Routes()
    routes.add("GET", "/x", (), repeat_last=False)
    assert [picked(routes, "GET", "/x") for _ in range(2)] == [200, 404]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/a/b", 201),
        ("POST", "/a/b", 202),
        ("GET", "/a/b/c", 203),
        ("GET", "/a/c", 205),
        ("POST", "/a/b/c", 206),
        ("GET", "/b", 206),
        ("GET", "*", 206),
    ],
)
def test_exact_first_then_the_longest_prefix(method, path, status):
    routes = Routes()
    for wanted, pattern, code in [
        ("*", "*", 206),
        ("GET", "/a/*", 205),
        ("GET", "/a/b", 201),
        ("*", "/a/b", 202),
        ("GET", "/a/b/*", 203),
    ]:
        routes.add(wanted, pattern, (reply(code),), repeat_last=True)
    assert picked(routes, method, path) == status


def test_not_scripted():
    routes = Routes()
    routes.add("GET", "/x", (A,), repeat_last=True)
    for method, path in [("POST", "/x"), ("GET", "/x/"), ("GET", "/y")]:
        answer = routes.pick(method, path)
        assert answer.status == 404
        assert f"{method} {path}".encode() in answer.pieces[0]


@pytest.mark.parametrize(
    ("path", "replies", "error", "message"),
    [
        ("x", (A,), ValueError, "path must start with '/'"),
        ("/x?a=1", (A,), ValueError, "no query"),
        ("/x", (503,), TypeError, "not 503"),
        ("/x", (A, {"ok": True}), TypeError, "not {'ok': True}"),
    ],
)
def test_refused(path, replies, error, message):
    with pytest.raises(error, match=message):
        Routes().add("GET", path, replies, repeat_last=True)


REQUEST = RecordedRequest(method="GET", target="/x?y=1", headers=[], connection=1, started=0.0)


async def echoed(request: RecordedRequest):
    return reply(content=request.query)


@pytest.mark.parametrize(
    "entry", [lambda request: reply(content=request.query), echoed, reply(content="y=1")], ids=["sync", "async", "none"]
)
async def test_function(entry):
    assert await answer_of(entry, REQUEST) == reply(content="y=1")


async def test_function_may_misbehave():
    misreply = drop()
    assert await answer_of(lambda request: misreply, REQUEST) is misreply


async def test_function_that_returns_something_else():
    with pytest.raises(TypeError, match=r"scripted for GET /x\?y=1 returned None, not a reply"):
        await answer_of(lambda request: None, REQUEST)
