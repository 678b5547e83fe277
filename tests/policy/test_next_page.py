"""The request for the next page, as a table; and the trail of pages asked for."""

from __future__ import annotations

import pickle
import random
from typing import Any

import httpx
import pytest

from trioclient import PageInfo, omit
from trioclient._codec.url import Target
from trioclient._policy.next_page import ListRequest, Trail, fingerprint, next_request

HERE = Target.of("https://api.test/v1/items")


def following(
    info: PageInfo,
    *,
    path: str = "/items",
    options: Any = None,
    asked: Target = HERE,
    answered: Target = HERE,
    credentials: frozenset[str] = frozenset(),
) -> ListRequest:
    request = ListRequest("GET", path, {"a": 1}, options or {})
    after = next_request(request, info, asked=asked, answered=answered, credentials=credentials)
    assert (after.method, after.body) == ("GET", {"a": 1})
    return after


class TestPageInfo:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({}, "exactly one of params, url and json, not none"),
            ({"params": {}, "url": ""}, "not params and url"),
            ({"params": {}, "url": "", "json": {}}, "not params and url and json"),
            ({"url": b"/a"}, "url must be a str or httpx.URL, not bytes"),
            ({"params": "a=1"}, "params must be a mapping, not str"),
            ({"json": [1]}, "json must be a mapping, not list"),
            ({"params": 0}, "params must be a mapping, not int"),
        ],
    )
    def test_it_takes_exactly_one(self, given: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            PageInfo(**given)

    def test_it_is_frozen_and_compares(self) -> None:
        info = PageInfo(params={"a": 1})
        assert info == PageInfo(params={"a": 1})
        with pytest.raises(AttributeError):
            info.params = None  # type: ignore[misc]
        assert pickle.loads(pickle.dumps(info)) == info

    @pytest.mark.parametrize(
        ("info", "shown"),
        [
            (PageInfo(params={"after": "x", "limit": 2}), "PageInfo(params={'after': 'x', 'limit': 2})"),
            (PageInfo(params={"page_token": "s3cr3t"}), "PageInfo(params={'page_token': [redacted]})"),
            (PageInfo(json={"deep": {"api_key": "s3cr3t"}}), "PageInfo(json={'deep': ...})"),
            (PageInfo(params={"a": "x" * 193}), f"PageInfo(params={{'a': '{'x' * 193}'}})"),
            (PageInfo(params={"a": "x" * 194}), f"PageInfo(params={{'a': '{'x' * 194}...}})"),
            (PageInfo(json={"cursor": "x" * 999}), f"PageInfo(json={{'cursor': '{'x' * 189}...}})"),
            (PageInfo(url="x" * 999), f"PageInfo(url='{'x' * 199}...)"),
            (PageInfo(params={"a": "\x1b[2J"}), "PageInfo(params={'a': '\\x1b[2J'})"),
            (PageInfo(json={}), "PageInfo(json={})"),
            (PageInfo(url="/a?page=2&key=s3cr3t"), "PageInfo(url='/a?page=2&key=[redacted]')"),
            (PageInfo(url=httpx.URL("https://u:s3cr3t@h/a?page=2")), "PageInfo(url='https://h/a?page=2')"),
        ],
    )
    def test_its_repr_is_short_and_holds_no_secret(self, info: PageInfo, shown: str) -> None:
        assert repr(info) == shown


class TestParams:
    @pytest.mark.parametrize(
        ("before", "params", "after"),
        [
            (None, {"cursor": "x"}, {"cursor": "x"}),
            ({"limit": 2}, {"cursor": "x"}, {"limit": 2, "cursor": "x"}),
            ({"limit": 2, "cursor": "x"}, {"cursor": "y"}, {"limit": 2, "cursor": "y"}),
            ({"before": "b"}, {"before": None, "after": "a"}, {"before": None, "after": "a"}),
            ({"before": "b"}, {"before": omit}, {"before": omit}),
            ({"filter": {"a": 1}}, {"filter": {"b": 2}}, {"filter": {"b": 2}}),
        ],
    )
    def test_they_are_laid_over_the_requests_own(self, before: Any, params: Any, after: Any) -> None:
        options = {} if before is None else {"params": before}
        assert following(PageInfo(params=params), options=options).options == {"params": after}
        assert options == ({} if before is None else {"params": before})

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("/items", "/items"),
            ("/items?cursor=x", "/items"),
            ("/items?limit=2&cursor=x&sort=a", "/items?limit=2&sort=a"),
            ("/items?cursor%5Ba%5D=1&cursor[b]=2&cursors=3", "/items?cursors=3"),
            ("/items?cur%73or=1&limit", "/items?limit"),
            ("/items?cursor=a=b&limit=2", "/items?limit=2"),
            ("/items?limit=2&next=/b?cursor=x&cursor=x", "/items?limit=2&next=/b?cursor=x"),
            ("https://api.test/items?cursor=x&limit=2", "https://api.test/items?limit=2"),
        ],
    )
    def test_and_over_those_in_its_path(self, before: str, after: str) -> None:
        assert following(PageInfo(params={"cursor": "y"}), path=before).path == after
        assert following(PageInfo(params={"cursor": None}), path=before).path == after


class TestJSON:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({}, {"cursor": "y", "limit": None}),
            ({"extra_json": {"cursor": "x", "b": 1}}, {"cursor": "y", "b": 1, "limit": None}),
        ],
    )
    def test_it_is_laid_over_the_body(self, before: Any, after: Any) -> None:
        request = following(PageInfo(json={"cursor": "y", "limit": None}), options=before)
        assert request.options == {"extra_json": after}
        assert request.path == "/items"


class TestURL:
    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("https://api.test/v2/items?page=2", "https://api.test/v2/items?page=2"),
            (httpx.URL("https://api.test/v2/items?page=2"), "https://api.test/v2/items?page=2"),
            ("/v1/items?page=2", "https://api.test/v1/items?page=2"),
            ("?page=2", "https://api.test/v1/items?page=2"),
            ("items/2", "https://api.test/v1/items/2"),
            ("../v2/items", "https://api.test/v2/items"),
            (" https://api.test/items?page=2#top", "https://api.test/items?page=2"),
            ("HTTPS://API.test:443/items", "https://api.test/items"),
        ],
    )
    def test_it_is_resolved_where_the_page_came_from(self, url: Any, path: str) -> None:
        assert following(PageInfo(url=url), path="/elsewhere").path == path

    def test_that_is_where_redirects_have_led(self) -> None:
        answered = Target.of("https://api.test/regions/eu/items?page=1")
        assert following(PageInfo(url="?page=2"), answered=answered).path == "https://api.test/regions/eu/items?page=2"

    @pytest.mark.parametrize(
        ("url", "params"),
        [
            ("/items", {"limit": 2, "page": 1, "filter": {"a": 1}}),
            ("/items?page=2", {"limit": 2, "page": omit, "filter": {"a": 1}}),
            ("/items?page=2&filter%5Ba%5D=1", {"limit": 2, "page": omit, "filter": omit}),
            ("/items?page=2&new=1", {"limit": 2, "page": omit, "filter": {"a": 1}, "new": omit}),
        ],
    )
    def test_its_query_goes_before_params(self, url: str, params: Any) -> None:
        options = {"params": {"limit": 2, "page": 1, "filter": {"a": 1}}}
        assert following(PageInfo(url=url), options=options).options["params"] == params

    def test_params_may_come_after_it(self) -> None:
        second = following(PageInfo(url="/v1/items?page=2&limit=2"))
        third = next_request(second, PageInfo(params={"page": 3}), asked=HERE, answered=HERE)
        assert third.path == "https://api.test/v1/items?limit=2"
        assert third.options["params"] == {"page": 3, "limit": omit}

    @pytest.mark.parametrize(
        "url", ["https://other.test/items", "https://api.test:8443/items", "//other.test/v1/items"], ids=str
    )
    def test_to_another_origin_go_neither_credentials_nor_params(self, url: str) -> None:
        headers = {"X-A": "1", "authorization": "s3cr3t", "X-Api-Key": "s3cr3t", "X-Badge": "s3cr3t", "X-B": omit}
        options = {"headers": headers, "params": {"sig": "s3cr3t"}, "timeout": None, "max_retries": 0}
        after = following(PageInfo(url=url), options=options, credentials=frozenset({"x-badge"}))
        assert after.options == {"headers": {"X-A": "1", "X-B": omit}, "timeout": None, "max_retries": 0}

    def test_a_redirect_to_another_origin_makes_none_of_it_the_lists_own(self) -> None:
        elsewhere = Target.of("https://other.test/items")
        options = {"headers": {"Authorization": "s3cr3t"}, "params": {"limit": 2}}
        after = following(PageInfo(url="?page=2"), options=options, answered=elsewhere)
        assert after == ListRequest("GET", "https://other.test/items?page=2", {"a": 1}, {"headers": {}})

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("http://api.test/items?page=2", "leads from https to http"),
            ("http://other.test/", "leads from https to http"),
            ("ftp://api.test/items", "must be an absolute http"),
            ("mailto:a@b.test", "must be an absolute http"),
            ("https://user:s3cr3t@api.test/", "must not hold a user name"),
            ("https://[::1/", "is not a URL"),
            ("/items\r\n?page=2", "must not hold control characters"),
            ("https://api.test:99999/", "is not a valid URL|port"),
        ],
    )
    def test_one_that_cannot_be_followed(self, url: str, message: str) -> None:
        with pytest.raises(ValueError, match=message) as caught:
            following(PageInfo(url=url))
        assert str(caught.value).startswith("the next page's URL")
        assert "s3cr3t" not in str(caught.value)

    def test_from_http_it_may_lead_anywhere(self) -> None:
        plain = Target.of("http://api.test/items")
        for url in ("http://api.test/2", "https://api.test/2", "http://other.test/2"):
            assert following(PageInfo(url=url), asked=plain, answered=plain).path == url


@pytest.mark.parametrize("info", [PageInfo(params={"a": 1}), PageInfo(json={"a": 1}), PageInfo(url="?a=1")], ids=repr)
def test_the_other_options_stay_but_for_the_idempotency_key(info: PageInfo) -> None:
    options = {"timeout": None, "deadline": 3.0, "max_retries": 0, "headers": {"A": "1"}, "idempotency_key": "k"}
    kept = {name: value for name, value in options.items() if name != "idempotency_key"}
    assert following(info, options=options).options.items() >= kept.items()
    assert "idempotency_key" not in following(info, options=options).options
    assert options["idempotency_key"] == "k"


@pytest.mark.parametrize(
    "other",
    [
        ("POST", "https://h/a", b""),
        ("GET", "https://h/a?b", b""),
        ("GET", "https://h/a", b"b"),
        ("GET", "https://h/", b"a"),
        ("GE", "Thttps://h/a", b""),
    ],
)
def test_a_fingerprint_tells_requests_apart(other: tuple[str, str, bytes]) -> None:
    assert fingerprint("GET", "https://h/a", b"") == fingerprint("GET", "https://h/a", b"")
    assert fingerprint(*other) != fingerprint("GET", "https://h/a", b"")
    assert len(fingerprint(*other)) <= 16


class TestTrail:
    def test_a_walk_straight_on_shares_one(self) -> None:
        first = trail = Trail([b"1"])
        for number in range(1, 100):
            step = b"%d" % (number + 1)
            assert not trail.visited(step, number)
            trail = trail.extended(step, number)
            assert trail is first
        assert all(trail.visited(b"%d" % number, 100) for number in range(1, 101))

    def test_a_page_knows_the_steps_before_it_only(self) -> None:
        trail = Trail([b"a", b"b", b"c"])
        assert [trail.visited(step, 2) for step in (b"a", b"b", b"c", b"d")] == [True, True, False, False]

    def test_the_same_step_again_is_no_fork(self) -> None:
        trail = Trail([b"a", b"b", b"c"])
        assert trail.extended(b"b", 1) is trail
        assert trail.visited(b"c", 3)

    def test_another_step_forks_it(self) -> None:
        trail = Trail([b"a", b"b", b"c"])
        fork = trail.extended(b"x", 1)
        assert [fork.visited(step, 9) for step in (b"a", b"b", b"c", b"x")] == [True, False, False, True]
        assert [trail.visited(step, 9) for step in (b"a", b"b", b"c", b"x")] == [True, True, True, False]

    def test_any_order_of_steps_is_as_if_each_page_had_a_trail_of_its_own(self) -> None:
        draw = random.Random(7)
        pages: list[tuple[Trail, list[bytes]]] = [(Trail([b"0"]), [b"0"])]
        for _ in range(2000):
            trail, path = draw.choice(pages[-20:])
            step = b"%d" % draw.randrange(30)
            assert trail.visited(step, len(path)) == (step in path)
            if step not in path:
                pages.append((trail.extended(step, len(path)), [*path, step]))
        assert max(len(path) for _, path in pages) > 10
