"""A conversation with a model, its answers streamed to the terminal as they come.

    python examples/chat.py
    python examples/chat.py --prompt "What is structured concurrency?" --prompt "And in one sentence?"

Without arguments the service is an embedded one that talks nonsense, and is moody: it is
overloaded at first, then throttles, and once breaks off in the middle of an answer. With --prompt
the questions go, one after the other, to the real service, or wherever ANTHROPIC_BASE_URL leads,
with the key in ANTHROPIC_API_KEY.

Blocking code; Ctrl-C ends it at any point, and the request with it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Generator, Sequence

from messages_sdk import Message, MessageParam, MessagesClient, MissingKeyError, error_type
from messages_sdk.fake_api import FAKE_KEY, FakeMessagesAPI, overloaded, overloaded_after, paced, throttled
from trioclient import APIError, APIStreamError, AttemptRecord, InternalServerError
from trioclient.testing import LoopbackServer

QUESTIONS = (
    "What should I know of the weather in Bergen?",
    "Is it any better in Lima?",
    "Thank you. Which of the two would you pick for a walk on Sunday?",
)


class Settings(argparse.Namespace):
    """The command line."""

    prompt: list[str] | None
    model: str
    system: str
    max_tokens: int


def converse(client: MessagesClient, settings: Settings, questions: Sequence[str]) -> None:
    """The main job."""
    turns: list[MessageParam] = []
    for question in questions:
        print(f"> {question}")
        turns.append({"role": "user", "content": question})
        message = answered(client, settings, turns)
        # What was said so far is part of the next question.
        turns.append(message.to_param())
        usage = message.usage
        print(f"  [{message.stop_reason}, {usage.input_tokens} tokens in, {usage.output_tokens} out]\n")


def answered(client: MessagesClient, settings: Settings, turns: Sequence[MessageParam]) -> Message:
    """The next answer, shown while it comes. One that breaks off is asked for once more."""
    try:
        return streamed(client, settings, turns)
    except (InternalServerError, APIStreamError) as error:
        # Until an answer begins the client tries again by itself; it does not say things twice.
        print(f" ...\n  [broke off: {error_type(error) or error.message}; from the beginning:]")
        return streamed(client, settings, turns)


def streamed(client: MessagesClient, settings: Settings, turns: Sequence[MessageParam]) -> Message:
    with client.messages.stream(
        model=settings.model, max_tokens=settings.max_tokens, system=settings.system, messages=turns
    ) as stream:
        for text in stream.text_stream:
            print(text, end="", flush=True)
        print()
        return stream.get_final_message()


def tell(attempt: AttemptRecord) -> None:
    """The client's hook: called after every attempt."""
    if attempt.delay is not None:
        print(f"  [attempt {attempt.attempt}: {attempt.reason}, again in {attempt.delay:.1f} s]")


@contextlib.contextmanager
def embedded_service() -> Generator[str, None, None]:
    """Its URL."""
    os.environ["no_proxy"] = "*"  # the embedded server is not behind a proxy
    fake = FakeMessagesAPI(pace=0.002)
    fake.next(overloaded(), throttled(0.5), paced(0.002), overloaded_after(12))
    with LoopbackServer.in_thread() as server:
        fake.serve(server)
        yield server.url


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    settings = read_settings(arguments)
    try:
        with contextlib.ExitStack() as stack:
            if settings.prompt is None:
                url = stack.enter_context(embedded_service())
                client = MessagesClient(base_url=url, api_key=FAKE_KEY, hooks=[tell])
            else:
                client = MessagesClient(hooks=[tell])
            stack.enter_context(client)
            converse(client, settings, settings.prompt or QUESTIONS)
    except KeyboardInterrupt:
        print("\ninterrupted")
        return 130
    except (APIError, MissingKeyError) as error:
        print(f"\nfailed: {error}")
        return 1
    return 0


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--prompt", action="append", help="a question to the real service; may be given again")
    parser.add_argument("--model", default="claude-sonnet-4-5")
    parser.add_argument("--system", default="You are a guide. Be brief.", help="how the model shall answer")
    parser.add_argument("--max-tokens", type=int, default=1024, help="of one answer")
    return parser.parse_args(arguments, namespace=Settings())


if __name__ == "__main__":
    sys.exit(main())
