"""A small SDK: a typed client for a notes API, with an async and a blocking face.

    python examples/typed_sdk.py

What an SDK's author writes is the upper part: the types, the methods, what is the same for both
clients, and the two clients. Everything is written once, for async; `blocking` makes the twin
of each method, its signature kept, so that a type checker knows as much of either face. The
lower part is a server to try it on and a user of each face.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from typing import Union

import msgspec
import trio

from trioclient import (
    APIStatusError,
    AsyncAPIClient,
    BaseClient,
    BlockingResource,
    ConflictError,
    NotFoundError,
    RequestOptions,
    RetryPolicy,
    SyncAPIClient,
    UnknownVariant,
    blocking,
    path_template,
)
from trioclient.testing import LoopbackServer, RecordedRequest, Reply, reply

# The types


class TextNote(msgspec.Struct, tag="text"):
    """A note that is told from others by {"type": "text"}."""

    id: str
    title: str
    text: str


class Checklist(msgspec.Struct, tag="checklist"):
    """{"type": "checklist"}."""

    id: str
    title: str
    items: list[str]


Note = Union[TextNote, Checklist]
"""The kinds there are today."""

AnyNote = Union[Note, UnknownVariant]
"""What a server may send: kinds added after this SDK was made come as `UnknownVariant`."""


class NotePage(msgspec.Struct):
    """A list as the server sends it."""

    notes: list[Note]


class NoteLockedError(Exception):
    """Somebody else is writing to the note."""

    def __init__(self, note_id: str) -> None:
        super().__init__(f"note {note_id} is locked")
        self.note_id = note_id


# The methods

NO_OPTIONS: RequestOptions = {}


class AsyncNotes:
    """The notes of a workspace. Each method takes `options` for what one call wants otherwise."""

    def __init__(self, client: AsyncAPIClient) -> None:
        self._client = client

    async def write(self, title: str, text: str, *, options: RequestOptions = NO_OPTIONS) -> TextNote:
        """Write a note. However often it has to be sent, the server writes it once."""
        body = {"type": "text", "title": title, "text": text}
        return await self._client.post("/notes", body=body, cast_to=TextNote, options=options)

    async def list(self, *, tags: Sequence[str] = (), options: RequestOptions = NO_OPTIONS) -> Sequence[AnyNote]:
        """All notes, or those with all of these tags."""
        # A parameter that is None is left out.
        params = {**options.get("params", {}), "tags": [*tags] or None}
        page = await self._client.get("/notes", cast_to=NotePage, options={**options, "params": params})
        return page.notes

    async def find(self, note_id: str, *, options: RequestOptions = NO_OPTIONS) -> TextNote | None:
        """A text note, or None if there is no such note."""
        path = path_template("/notes/{note_id}", note_id=note_id)
        try:
            return await self._client.get(path, cast_to=TextNote, options=options)
        except NotFoundError:
            return None

    async def delete(self, note_id: str, *, options: RequestOptions = NO_OPTIONS) -> None:
        """Delete a note. Raises NoteLockedError."""
        try:
            await self._client.delete(path_template("/notes/{note_id}", note_id=note_id), options=options)
        except ConflictError as error:
            raise NoteLockedError(note_id) from error


class Notes(BlockingResource):
    """The same, blocking."""

    async_class = AsyncNotes
    write = blocking(AsyncNotes.write)
    list = blocking(AsyncNotes.list)
    find = blocking(AsyncNotes.find)
    delete = blocking(AsyncNotes.delete)


# What is the same for both clients


class NotesAPI(BaseClient):
    """Where the API is, how one identifies oneself to it, and how it wants things written."""

    array_style = "comma"

    def __init__(
        self,
        *,
        api_key: str,
        workspace: str,
        base_url: str = "https://api.notes.example/v1",
        deadline: float | None = 60.0,
    ) -> None:
        self.api_key = api_key
        # The base class that does the calls comes next in the order of the client's bases.
        super().__init__(
            base_url=base_url,
            version="1.4.0",
            deadline=deadline,
            custom_query={"workspace": workspace},
            # Here a 409 means that a note is locked, which another attempt does not change.
            retry=RetryPolicy(statuses={408, 429}),
        )

    @property
    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def default_headers(self) -> dict[str, str]:
        return {"Notes-Version": "2025-06-01"}


# The two clients


class AsyncNotesClient(NotesAPI, AsyncAPIClient):
    """The notes API from trio."""

    @property
    def notes(self) -> AsyncNotes:
        # Made on the spot, so that those of a `with_options` copy follow the copy's options.
        return AsyncNotes(self)


class NotesClient(NotesAPI, SyncAPIClient):
    """The notes API from blocking code."""

    @property
    def notes(self) -> Notes:
        return Notes(self)


# A user of each face


def title_of(note: AnyNote) -> str:
    """A type checker knows that nothing is left out here."""
    match note:
        case TextNote():
            return f"{note.title} ({len(note.text)} characters)"
        case Checklist():
            return f"{note.title} ({len(note.items)} items)"
        case UnknownVariant():
            return f"something new: {note.tag}"


async def use_async(base_url: str) -> None:
    async with AsyncNotesClient(base_url=base_url, api_key="k-1", workspace="home") as client:
        note = await client.notes.write("Groceries", "milk, bread")
        print(f"async: wrote {note.id}")
        for each in await client.notes.list():
            print(f"async: {title_of(each)}")
        print(f"async: found {await client.notes.find(note.id)}")
        await client.notes.delete(note.id)
        print(f"async: and now {await client.notes.find(note.id)}")


def use_blocking(base_url: str) -> None:
    with NotesClient(base_url=base_url, api_key="k-1", workspace="home") as client:
        note = client.notes.write("Letters", "to Ada")
        print(f"blocking: wrote {note.id}")
        for each in client.notes.list(tags=["old", "dull"]):
            print(f"blocking: {title_of(each)}")
        try:
            client.notes.delete("note-2")
        except NoteLockedError as error:
            print(f"blocking: {error}")
        # An error without a name of its own is still one of the tree.
        try:
            client.with_options(custom_headers={"Authorization": "Bearer wrong"}).notes.list()
        except APIStatusError as error:
            print(f"blocking: {type(error).__name__} {error.status_code}")
        # A resource goes over whichever client it is given, so it serves in a fan-out as well.
        with client.fan_out(
            lambda api, number: AsyncNotes(api).write(f"Number {number}", "..."), range(20), max_at_once=5
        ) as run:
            written = [outcome.unwrap().id for outcome in run]
        print(f"blocking: wrote {len(written)} more")


# A server to try it on


class NotesService:
    """Keeps notes in memory."""

    def __init__(self) -> None:
        self._numbers = itertools.count(4)
        self._notes: dict[str, dict[str, object]] = {
            "note-1": {"id": "note-1", "type": "checklist", "title": "Packing", "items": ["tent", "stove"]},
            "note-2": {"id": "note-2", "type": "text", "title": "Draft", "text": "Once upon a time"},
            "note-3": {"id": "note-3", "type": "drawing", "title": "Map", "strokes": [[0, 0], [1, 2]]},
        }
        self.queries: set[str] = set()

    def __call__(self, request: RecordedRequest) -> Reply:
        self.queries.add(request.query)
        if request.header("Authorization") != "Bearer k-1" or request.header("Notes-Version") != "2025-06-01":
            return reply(401, json={"error": "who are you?"})
        note_id = request.path.rpartition("/")[2]
        match request.method:
            case "POST":
                return self._write(request)
            case "GET" if note_id == "notes":
                return reply(json={"notes": [*self._notes.values()]})
            case "DELETE" if note_id == "note-2":
                return reply(409, json={"error": "locked"})
            case "DELETE":
                self._notes.pop(note_id, None)
                return reply(204)
            case _:
                note = self._notes.get(note_id)
                return reply(json=note) if note else reply(404, json={"error": f"no {note_id}"})

    def _write(self, request: RecordedRequest) -> Reply:
        note_id = f"note-{next(self._numbers)}"
        self._notes[note_id] = {**request.json(), "id": note_id}
        return reply(201, json=self._notes[note_id])


def main() -> int:
    """The exit code."""
    os.environ["no_proxy"] = "*"  # the embedded server is not behind a proxy
    service = NotesService()
    with LoopbackServer.in_thread() as server:
        server.route("*", "/v1/notes*", service)
        try:
            trio.run(use_async, f"{server.url}v1")
            use_blocking(f"{server.url}v1")
        except KeyboardInterrupt:
            print("interrupted")
            return 130
    print(f"the server saw the queries {', '.join(sorted(service.queries))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
