"""What a script does with an API: typed answers, errors, retries, a deadline, many calls at once.

    python examples/blocking_script.py

No async in sight, and Ctrl-C works at every point. A small server is embedded; with --base-url
the calls go to one of yours that has the same paths.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
from collections.abc import Generator, Sequence
from urllib.parse import unquote

import msgspec

from trioclient import (
    APIError,
    APIResponseValidationError,
    AttemptRecord,
    DeadlineExceeded,
    NotFoundError,
    SyncAPIClient,
    path_template,
)
from trioclient.testing import LoopbackServer, RecordedRequest, Reply, reply

CITIES = ("Bergen", "Dakar", "Lima", "Pune", "São Paulo")
SLOW_DOWN = reply(429, headers={"Retry-After": "0.3"})


class Weather(msgspec.Struct):
    """An answer."""

    city: str
    degrees: float


def one_call(client: SyncAPIClient) -> None:
    # path_template escapes what it is given, so a name with a slash in it stays one name.
    weather = client.get(path_template("/weather/{city}", city="São Paulo"), cast_to=Weather)
    print(f"one call: {weather.degrees} degrees in {weather.city}")


def a_call_that_fails(client: SyncAPIClient) -> None:
    try:
        client.get("/weather/Atlantis", cast_to=Weather)
    except NotFoundError as error:
        print(f"not found: status {error.status_code}, request id {error.request_id}, body {error.body}")
    except APIError as error:
        # All else that can happen to a call. str() is made to be read.
        print(f"failed: {error}")


def an_answer_of_the_wrong_type(client: SyncAPIClient, base_url: str) -> None:
    # The client takes what does not fit as it was sent, because servers change and scripts should run on ...
    weather = client.get("/weather/Nowhere", cast_to=Weather)
    print(f"wrong type: loose, so degrees is {weather.degrees!r}")
    # ... and is strict only when told to be.
    with SyncAPIClient(base_url=base_url, _strict_response_validation=True) as strict:
        try:
            strict.get("/weather/Nowhere", cast_to=Weather)
        except APIResponseValidationError as error:
            print(f"wrong type: strict, so refused at {error.path}")


def a_call_that_takes_three_attempts(client: SyncAPIClient) -> None:
    # The server is out of order at first, then asks for patience. `tell`, the client's hook, says so.
    weather = client.get("/moody", cast_to=Weather)
    print(f"retried: {weather.degrees} degrees in {weather.city} after all")


def tell(attempt: AttemptRecord) -> None:
    """The hook: called after every attempt, with what came of it and what happens next."""
    if attempt.delay is not None:
        outcome = attempt.status or type(attempt.error).__name__
        print(f"  attempt {attempt.attempt}: {outcome}, again in {attempt.delay:.2f} s ({attempt.reason})")


def a_call_that_takes_too_long(client: SyncAPIClient) -> None:
    # Half a second for all of it: connecting, sending, waiting, every retry.
    try:
        client.get("/slow", options={"deadline": 0.5})
    except DeadlineExceeded as error:
        print(f"deadline: gave up after {error.elapsed:.1f} s, attempts: {error.attempts}")


def many_calls(client: SyncAPIClient) -> None:
    # `api` is the async client that does the work: it returns something to be awaited, not the answer.
    with client.fan_out(
        lambda api, city: api.get(path_template("/weather/{city}", city=city), cast_to=Weather),
        (*CITIES, "Atlantis"),
        max_at_once=3,
        ordered=True,
    ) as run:
        for outcome in run:
            if outcome.ok:
                print(f"  {outcome.item}: {outcome.unwrap().degrees}")
            else:
                print(f"  {outcome.item}: {type(outcome.error).__name__}")
    print(f"many calls: {run.report.done} done, {run.report.failed} failed")


# The embedded server


def weather_of(request: RecordedRequest) -> Reply:
    city = last_segment(request)
    if city == "Nowhere":
        return reply(json={"city": city, "degrees": "mild"})
    if city not in CITIES:
        return reply(404, json={"error": f"no city named {city}"}, headers={"X-Request-Id": "req-7"})
    return reply(json={"city": city, "degrees": float(len(city))})


def last_segment(request: RecordedRequest) -> str:
    """Of the path, decoded."""
    return unquote(request.path.rpartition("/")[2])


@contextlib.contextmanager
def embedded_server() -> Generator[str, None, None]:
    """Its URL."""
    os.environ["no_proxy"] = "*"  # the embedded server is not behind a proxy
    with LoopbackServer.in_thread() as server:
        server.route("GET", "/weather/*", weather_of)
        server.route("GET", "/moody", reply(503), SLOW_DOWN, reply(json={"city": "Lima", "degrees": 19}))
        server.route("GET", "/slow", reply(json={}, delay=math.inf))
        yield server.url


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base-url", help="of a server of yours, in place of the embedded one")
    base_url: str | None = parser.parse_args(arguments).base_url
    try:
        with contextlib.ExitStack() as stack:
            url = base_url or stack.enter_context(embedded_server())
            client = stack.enter_context(SyncAPIClient(base_url=url, deadline=30, hooks=[tell]))
            one_call(client)
            a_call_that_fails(client)
            an_answer_of_the_wrong_type(client, url)
            a_call_that_takes_three_attempts(client)
            a_call_that_takes_too_long(client)
            many_calls(client)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    except APIError as error:
        print(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
