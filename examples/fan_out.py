"""A thousand typed POSTs, 64 at once, to a server that throttles, fails, hangs up and dawdles.

    python examples/fan_out.py
    python examples/fan_out.py --requests 10000 --max-at-once 500 --deadline 60

The server runs in a thread of its own, so that it does not take its turns in the client's
event loop, and it keeps books. At the end they are laid beside the client's: every text is to be
embedded exactly once, though many requests arrive more than once. What tells the server so is
the idempotency key, the same for all attempts of a call. The exit code is 1 if the books do not
agree.

With --base-url the calls go to a server of yours, which answers POST /embed with a body of
{"id": 1, "text": "..."} by {"id": 1, "values": [0.5, ...]}.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence

import msgspec
import trio

from trioclient import AsyncAPIClient, DeadlineExceeded, Failing, FanOut, FanOutReport, FanOutStopped, Outcome
from trioclient.testing import BlockingLoopbackServer, LoopbackServer, RawReply, RecordedRequest, Reply, drop, reply

INTERRUPTED = "interrupted"


class Text(msgspec.Struct):
    """What is sent."""

    id: int
    text: str


class Vector(msgspec.Struct):
    """What comes back."""

    id: int
    values: list[float]


Advance = Callable[[FanOut[Text, Vector]], None]
"""Told after each outcome."""


class Settings(argparse.Namespace):
    """The command line."""

    base_url: str | None
    requests: int
    max_at_once: int
    max_retries: int
    deadline: float | None
    item_deadline: float | None
    seed: int


# The client


class Results:
    """What the run has brought so far: whatever ends it, this is left to report on."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome[Text, Vector]] = []
        self.report: FanOutReport | None = None
        self.cut_short = ""


async def embed_all(base_url: str, settings: Settings, results: Results, advance: Advance) -> None:
    """The main job. Where half of fifty calls fail the rest is not worth trying: a wrong key, say."""
    # A generator, from which an item is pulled when there is a slot for it and not before.
    texts = (Text(id=number, text=f"text number {number}") for number in range(settings.requests))
    async with AsyncAPIClient(base_url=base_url, max_retries=settings.max_retries) as client:
        run = client.fan_out(
            lambda api, text: api.post("/embed", body=text, cast_to=Vector),
            texts,
            max_at_once=settings.max_at_once,
            deadline=settings.deadline,
            item_deadline=settings.item_deadline,
            stop_when=Failing(share=0.5, of=50),
            total=settings.requests,
        )
        try:
            async with run:
                async for outcome in run:
                    results.outcomes.append(outcome)
                    advance(run)
        except (DeadlineExceeded, FanOutStopped) as error:
            results.cut_short = str(error)
        finally:
            results.report = run.report


# The server


class EmbeddingService:
    """Does the work, unless it has other ideas, and remembers by its key what it has done.

    What befalls a request depends only on the seed, the text and how often that text has come.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._arrivals: Counter[int] = Counter()
        self._answers: dict[str, Vector] = {}
        self.embedded: Counter[int] = Counter()
        """How often the work was done, by text. More than once is once too often."""
        self.recognised = 0
        """Requests for work that was done already, known by their key."""
        self.fates: Counter[str] = Counter()
        """What became of the requests."""

    def __call__(self, request: RecordedRequest) -> Reply | RawReply:
        text = msgspec.json.decode(request.body, type=Text)
        self._arrivals[text.id] += 1
        chance = random.Random(f"{self._seed} {text.id} {self._arrivals[text.id]}")
        fate = chance.random()
        if fate < 0.02:
            return self._met("throttled, 429", reply(429, headers={"Retry-After": "0.2"}, json={"error": "slow down"}))
        if fate < 0.05:
            return self._met("failed, 503", reply(503, json={"error": "out of order"}))
        if fate < 0.07:
            return self._met("hung up before the work", drop())
        vector = self._vector(text, request.header("Idempotency-Key"))
        if fate < 0.10:
            return self._met("hung up after the work", drop())
        if fate < 0.15:
            return self._met("answered late", reply(json=vector, delay=chance.uniform(0.1, 0.3)))
        return self._met("answered", reply(json=vector, delay=chance.uniform(0.005, 0.02)))

    def _vector(self, text: Text, key: str | None) -> Vector:
        if key in self._answers:
            self.recognised += 1
            return self._answers[key]
        vector = embedding(text)
        self.embedded[text.id] += 1
        if key is not None:
            self._answers[key] = vector
        return vector

    def _met(self, fate: str, answer: Reply | RawReply) -> Reply | RawReply:
        self.fates[fate] += 1
        return answer


def embedding(text: Text) -> Vector:
    """Something that differs from text to text."""
    chance = random.Random(text.text)
    return Vector(id=text.id, values=[round(chance.uniform(-1.0, 1.0), 6) for _ in range(16)])


# The report


def print_report(results: Results, report: FanOutReport) -> None:
    """What the client knows."""
    pace = report.done / report.elapsed if report.elapsed else 0.0
    print(f"\n{report.seen} calls in {report.elapsed:.2f} s, {pace:.0f} done per second")
    print(f"  done         {report.done:>7}")
    print(f"  retried      {report.retried:>7}   {report.attempts} attempts in all")
    print(f"  cancelled    {report.cancelled:>7}")
    print(f"  not started  {report.not_started:>7}")
    print(f"  failed       {report.failed:>7}")
    for name, number in Counter(type(outcome.error).__name__ for outcome in results.outcomes if not outcome.ok).items():
        example = next(str(outcome.error) for outcome in results.outcomes if type(outcome.error).__name__ == name)
        print(f"    {number} x {name}, such as: {example}")
    latencies = [outcome.elapsed for outcome in results.outcomes if outcome.ok]
    if len(latencies) > 1:
        points = statistics.quantiles(latencies, n=100, method="inclusive")
        marks = {"p50": points[49], "p90": points[89], "p99": points[98], "max": max(latencies)}
        print("  latency      " + "   ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in marks.items()))
        print("               from the start of a call to its end, retries and waiting included")
    if results.cut_short:
        print(f"  cut short: {results.cut_short}")


def print_books(service: EmbeddingService, requests: int, at_once: int, attempts: int) -> None:
    """What the server knows."""
    print(f"\nthe server received {requests} requests, at most {at_once} at once")
    for fate, number in sorted(service.fates.items()):
        print(f"  {fate:<24}{number:>6}")
    print(f"and embedded {len(service.embedded)} texts; {service.recognised} requests asked for one of them again")
    if requests > attempts:
        print("more requests than attempts: on a kept connection found dead, the pool sends again on a new one")


def discrepancies(
    results: Results, report: FanOutReport, requests: int, service: EmbeddingService | None, unkeyed: int
) -> list[str]:
    """Where the books do not agree, in sentences; none if they do."""
    done = [outcome for outcome in results.outcomes if outcome.ok]
    found: list[str] = []
    if report.done + report.failed + report.cancelled + report.not_started != report.seen:
        found.append(f"the report does not add up: {report}")
    if not results.cut_short and not report.seen == report.delivered == len(results.outcomes) == requests:
        found.append(f"of {requests} calls {len(results.outcomes)} have an outcome: {report}")
    if len({outcome.index for outcome in results.outcomes}) < len(results.outcomes):
        found.append("an item has more than one outcome")
    if service is not None:
        lost = [outcome.item.id for outcome in done if not service.embedded[outcome.item.id]]
        twice = [number for number, times in service.embedded.items() if times > 1]
        mixed_up = [outcome.item.id for outcome in done if outcome.unwrap() != embedding(outcome.item)]
        found += [f"done for the client, not for the server: {lost}"] if lost else []
        found += [f"done twice: {twice}"] if twice else []
        found += [f"answered with another text's vector: {mixed_up}"] if mixed_up else []
        found += [f"{unkeyed} requests came without an idempotency key"] if unkeyed else []
    return found


# Progress


@contextlib.contextmanager
def progress(total: int) -> Generator[Advance, None, None]:
    """Shows how far it is: a bar on a terminal where rich is installed, else a line every tenth."""
    if sys.stdout.isatty():
        try:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
        except ImportError:
            print("(rich is not installed, so there is no bar: pip install rich)")
        else:
            with Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "{task.description}") as bar:
                task = bar.add_task("calls", total=total)

                def draw(run: FanOut[Text, Vector]) -> None:
                    now = run.progress()
                    bar.update(task, advance=1, description=f"{now.rate:.0f}/s, {now.throttled} throttled")

                yield draw
            return
    done = 0

    def advance(run: FanOut[Text, Vector]) -> None:
        nonlocal done
        done += 1
        if done * 10 // total > (done - 1) * 10 // total:
            print(run.progress(), flush=True)

    yield advance


# The command


def run(base_url: str, settings: Settings, results: Results) -> None:
    """Make the calls. Ctrl-C ends them and leaves what there is so far in `results`."""
    with progress(settings.requests) as advance:
        try:
            trio.run(embed_all, base_url, settings, results, advance)
        except KeyboardInterrupt:
            results.cut_short = INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    settings = read_settings(arguments)
    results = Results()
    if settings.base_url is not None:
        run(settings.base_url, settings, results)
        return conclude(settings, results)
    os.environ["no_proxy"] = "*"  # the embedded server is not behind a proxy
    service = EmbeddingService(settings.seed)
    with LoopbackServer.in_thread() as server:
        server.route("POST", "/embed", service)
        run(server.url, settings, results)
    return conclude(settings, results, service, server)


def conclude(
    settings: Settings,
    results: Results,
    service: EmbeddingService | None = None,
    server: BlockingLoopbackServer | None = None,
) -> int:
    """Print everything and return the exit code."""
    report = results.report
    if report is None:
        print("interrupted before it began")
        return 130
    print_report(results, report)
    unkeyed = 0
    if service is not None and server is not None:
        unkeyed = len(server.unkeyed())
        print_books(service, server.request_count, server.max_in_flight, report.attempts)
    problems = discrepancies(results, report, settings.requests, service, unkeyed)
    print("\n" + "\n".join(problems or ["the books balance: nothing lost, nothing done twice"]))
    return 1 if problems else 130 if results.cut_short == INTERRUPTED else 0


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--base-url", help="of a server of yours, in place of the embedded one")
    parser.add_argument("--requests", type=positive, default=1000)
    parser.add_argument("--max-at-once", type=positive, default=64)
    parser.add_argument("--max-retries", type=int, default=5, help="of one call")
    parser.add_argument("--deadline", type=float, help="seconds for the whole run")
    parser.add_argument("--item-deadline", type=float, help="seconds for one call, retries included")
    parser.add_argument("--seed", type=int, default=1, help="of the server's moods")
    return parser.parse_args(arguments, namespace=Settings())


def positive(text: str) -> int:
    """An int of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
