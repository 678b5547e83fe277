"""The same questions under different system prompts, many at once, laid side by side.

    python examples/compare_prompts.py
    python examples/compare_prompts.py --prompt "What is a monad?" --variant "Answer as a poem." --variant "Be brief."

Without --prompt the questions go to an embedded service that talks nonsense and is not always in
the mood; with it, to the real one, or wherever ANTHROPIC_BASE_URL leads, with the key in
ANTHROPIC_API_KEY. The exit code is 1 if an answer is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import sys
from collections.abc import Generator, Sequence
from typing import NamedTuple

import trio

from messages_sdk import AsyncMessagesClient, Message, MissingKeyError
from messages_sdk.fake_api import FAKE_KEY, FakeMessagesAPI, failing, overloaded, throttled
from trioclient import APIError, FanOutReport, Outcome
from trioclient.testing import LoopbackServer

QUESTIONS = tuple(
    f"What should a traveller know about {place}?"
    for place in ("Bergen", "Dakar", "Lima", "Pune", "Oslo", "Quito", "Hanoi", "Accra", "Porto", "Cusco")
)
VARIANTS = ("Answer in one sentence.", "Answer as a poem.", "Answer in steps.")


class Settings(argparse.Namespace):
    """The command line."""

    prompt: list[str] | None
    variant: list[str] | None
    model: str
    max_tokens: int
    max_at_once: int
    deadline: float | None


class Case(NamedTuple):
    """One question under one system prompt."""

    question: str
    variant: str


Answers = list[Outcome[Case, Message]]


async def compare(client: AsyncMessagesClient, cases: Sequence[Case], settings: Settings) -> FanOutReport:
    """The main job."""

    async def ask(api: AsyncMessagesClient, case: Case) -> Message:
        return await api.messages.create(
            model=settings.model,
            max_tokens=settings.max_tokens,
            system=case.variant,
            messages=[{"role": "user", "content": case.question}],
        )

    answers: Answers = []
    async with client.fan_out(
        ask, cases, max_at_once=settings.max_at_once, ordered=True, item_deadline=settings.deadline
    ) as run:
        async for outcome in run:
            answers.append(outcome)
    print_answers(answers)
    print_variants(answers)
    return run.report


# The tables


def print_answers(answers: Answers) -> None:
    """For each question the beginnings of its answers."""
    for question, outcomes in itertools.groupby(answers, lambda outcome: outcome.item.question):
        print(question)
        for outcome in outcomes:
            print(f"    {cut(outcome.item.variant, 26)}  {cut(said(outcome), 64).rstrip()}")


def print_variants(answers: Answers) -> None:
    """For each variant what its answers are like."""
    print(f"\n{'':26}  answers  words  tokens  seconds")
    for variant in dict.fromkeys(outcome.item.variant for outcome in answers):
        good = [outcome for outcome in answers if outcome.item.variant == variant and outcome.ok]
        messages = [outcome.unwrap() for outcome in good]
        words = median([len(message.text.split()) for message in messages])
        tokens = median([message.usage.output_tokens for message in messages])
        seconds = median([outcome.elapsed for outcome in good])
        print(f"{cut(variant, 26)}  {len(good):>7}  {words:>5.0f}  {tokens:>6.0f}  {seconds:>7.2f}")


def said(outcome: Outcome[Case, Message]) -> str:
    if outcome.ok:
        return " ".join(outcome.unwrap().text.split())
    return f"[{type(outcome.error).__name__}: {outcome.error}]"


def cut(text: str, width: int) -> str:
    """As wide as it may be."""
    return f"{text if len(text) <= width else f'{text[: width - 3]}...':<{width}}"


def median(numbers: Sequence[float]) -> float:
    return statistics.median(numbers) if numbers else 0.0


# The command


@contextlib.contextmanager
def embedded_service() -> Generator[str, None, None]:
    """Its URL."""
    os.environ["no_proxy"] = "*"  # the embedded server is not behind a proxy
    fake = FakeMessagesAPI()
    fake.next(overloaded(), throttled(0.3), failing())
    with LoopbackServer.in_thread() as server:
        fake.serve(server)
        yield server.url


async def run(settings: Settings) -> FanOutReport:
    cases = [
        Case(question, variant) for question in settings.prompt or QUESTIONS for variant in settings.variant or VARIANTS
    ]
    with contextlib.ExitStack() as stack:
        if settings.prompt is None:
            client = AsyncMessagesClient(base_url=stack.enter_context(embedded_service()), api_key=FAKE_KEY)
        else:
            client = AsyncMessagesClient()
        async with client:
            return await compare(client, cases, settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    try:
        report = trio.run(run, read_settings(arguments))
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    except (APIError, MissingKeyError) as error:
        print(f"failed: {error}")
        return 1
    print(f"\n{report.done} of {report.seen} answers in {report.elapsed:.1f} s, {report.retried} attempts repeated")
    return 0 if report.done == report.seen else 1


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--prompt", action="append", help="a question to the real service; may be given again")
    parser.add_argument("--variant", action="append", help="a system prompt; may be given again")
    parser.add_argument("--model", default="claude-sonnet-4-5")
    parser.add_argument("--max-tokens", type=int, default=512, help="of one answer")
    parser.add_argument("--max-at-once", type=int, default=8)
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds for one answer, retries included")
    return parser.parse_args(arguments, namespace=Settings())


if __name__ == "__main__":
    sys.exit(main())
