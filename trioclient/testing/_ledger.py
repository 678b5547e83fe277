"""What a loopback server saw, counted and kept, and waiting for it to have seen more."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

import trio

from ._requests import ConnectionRecord, Ended, RecordedRequest

__all__ = ["Ledger"]


class Ledger:
    """Only the server's trio thread writes here; any thread may read.

    A request is in flight from when its head is read until the end of its answer is about to be
    sent. Not until it has been sent: by then the client may already have started its next one, and
    a client that keeps to ten at once would be counted at eleven.
    """

    def __init__(self, keep: int | None) -> None:
        self.keep = keep
        self.requests: deque[RecordedRequest] = deque(maxlen=keep)
        self.connections: deque[ConnectionRecord] = deque(maxlen=keep)
        self.errors: list[BaseException] = []
        self.opened = self.closed = 0
        self.received = self.in_flight = self.max_in_flight = 0
        self._stopped = False
        self._waiting = trio.lowlevel.ParkingLot()

    def connection_opened(self) -> ConnectionRecord:
        self.opened += 1
        record = ConnectionRecord(number=self.opened, opened=trio.current_time())
        self.connections.append(record)
        return record

    def connection_closed(self, record: ConnectionRecord, ended: Ended) -> None:
        record.closed = trio.current_time()
        record.ended = ended
        self.closed += 1
        self._waiting.unpark_all()

    def request_started(self) -> None:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def request_received(self, request: RecordedRequest) -> None:
        self.received += 1
        self.requests.append(request)
        self._waiting.unpark_all()

    def request_finished(self, request: RecordedRequest, status: int | None) -> None:
        request.status = status
        request.finished = trio.current_time()
        self.in_flight -= 1
        self._waiting.unpark_all()

    def stop(self) -> None:
        self._stopped = True
        self._waiting.unpark_all()

    async def wait(self, reached: Callable[[], bool]) -> None:
        """Until `reached`. Raises RuntimeError if the server stops before."""
        await trio.lowlevel.checkpoint()
        while not reached():
            if self._stopped:
                raise RuntimeError("the server has stopped")
            await self._waiting.park()

    def all_requests(self) -> list[RecordedRequest]:
        """Every request ever received. Raises RuntimeError where some were not kept."""
        requests = list(self.requests)
        if len(requests) < self.received:
            raise RuntimeError(f"only the last {self.keep} of {self.received} requests were kept (keep={self.keep})")
        return requests

    def duplicates(self, header: str) -> list[str]:
        """Values of a header that were answered with success more than once."""
        answered = Counter(
            key
            for request in self.all_requests()
            if request.status is not None and request.status < 300 and (key := request.header(header)) is not None
        )
        return [key for key, times in answered.items() if times > 1]

    def unkeyed(self, header: str) -> list[RecordedRequest]:
        """Requests that change something and lack a header."""
        return [
            request
            for request in self.all_requests()
            if request.method not in {"GET", "HEAD", "OPTIONS"} and request.header(header) is None
        ]
