"""The Messages API as a server on the loopback interface plays it, for examples and tests.

    fake = FakeMessagesAPI()
    with LoopbackServer.in_thread() as server:
        fake.serve(server)
        with MessagesClient(base_url=server.url, api_key=FAKE_KEY) as client:
            ...

Paths, headers, bodies, events and errors have the shapes that are documented of the real
service; what it says is nonsense.
"""

from .model import MODEL_FROM_THE_FUTURE
from .moods import (
    Mood,
    cut_after,
    ended_after,
    failing,
    overloaded,
    overloaded_after,
    paced,
    silent_after,
    throttled,
)
from .service import FAKE_KEY, MODEL_ASLEEP, FakeMessagesAPI

__all__ = [
    "FAKE_KEY",
    "MODEL_ASLEEP",
    "MODEL_FROM_THE_FUTURE",
    "FakeMessagesAPI",
    "Mood",
    "cut_after",
    "ended_after",
    "failing",
    "overloaded",
    "overloaded_after",
    "paced",
    "silent_after",
    "throttled",
]
