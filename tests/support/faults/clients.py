"""Clients that post reports of many numbers, each again and again until it is answered 204.

Knows HTTP/1.1 as far as it takes: raw sockets post some thousands a second, so that a kill falls amid full batches.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CONNECTIONS = 32
_RETRY_SECONDS = 0.02


@dataclass
class ReportClients:
    """Posts the bodies of the numbers from ``first`` on. Made by `posting`; ``paused`` begins no further numbers."""

    url: str
    body_of: Callable[[int], bytes]
    next_number: int = 0
    acknowledged: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """How often a connection ended without an answer."""
    seconds_between: float = 0.0
    """Pause of each connection after an answer."""
    _stopping: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, acknowledged: int, *, patience: float = 180.0) -> None:
        """Wait until so many reports were acknowledged."""
        waited = threading.Event()
        for _ in range(int(patience / 0.01)):
            if self.acknowledged >= acknowledged:
                return
            waited.wait(0.01)
        raise AssertionError(f"{self.acknowledged} reports were acknowledged, not {acknowledged}: {self.statuses}")

    def run(self) -> None:
        """Post until stopped, and then what was begun until it is acknowledged. Runs in a thread of its own."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        await asyncio.gather(*(self._post_all() for _ in range(_CONNECTIONS)))

    async def _post_all(self) -> None:
        connection = _Connection(self.url)
        try:
            while not self._stopping.is_set():
                number, self.next_number = self.next_number, self.next_number + 1
                body = self.body_of(number)
                while (status := await connection.post(body)) != 204:
                    if status:
                        self.statuses[status] += 1
                    else:
                        self.broken += 1
                    await asyncio.sleep(_RETRY_SECONDS)
                self.statuses[status] += 1
                self.acknowledged += 1
                await asyncio.sleep(self.seconds_between)
        finally:
            connection.close()


class _Connection:
    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._address = where.hostname, where.port
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, body: bytes) -> int:
        """Post a report and return the status; 0 if the connection ended without an answer."""
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(*self._address)
            self._writer.write(b"POST /report HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            await self._reader.readexactly(int(length or b"0"))
            if b"connection: close" in head.lower():
                self.close()
            return int(head.split(b" ", 2)[1])
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@contextmanager
def posting(clients: ReportClients) -> Iterator[ReportClients]:
    """Let clients post within a block; afterwards every report that was begun is acknowledged."""
    clients._stopping.clear()
    thread = threading.Thread(target=clients.run, name="clients")
    thread.start()
    try:
        yield clients
    finally:
        clients._stopping.set()
        thread.join()
