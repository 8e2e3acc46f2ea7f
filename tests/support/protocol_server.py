"""The service in this process on a real socket, and raw conversations with it."""

import itertools
import logging
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import uvicorn
from fastapi import FastAPI

from app.api.connections import LimitedProtocol
from app.api.report_protocol import ReportProtocol
from app.ingest.collector import Collector
from app.ingest.entry import Entry
from app.ingest.envelope import Envelope, SubmissionResult
from app.ingest.group_commit import GroupCommit
from app.ingest.log import IngestLog
from app.ingest.log_values import AppendResult, NotAppended
from app.main import create_app
from app.outcomes import Outcome
from tests.support.application import settings_for

PATIENCE = 60.0
_DATE = re.compile(rb"(?im)^date: [^\r\n]*\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass(slots=True)
class Served:
    """A server that runs in a thread, and what its collector was given."""

    app: FastAPI
    server: uvicorn.Server
    address: tuple[str, int]
    in_protocol: list[tuple[Envelope, bytes]] = field(default_factory=list)
    """What was taken without ASGI."""
    given: list[tuple[Envelope, bytes]] = field(default_factory=list)
    """What was taken either way."""

    @property
    def commit(self) -> GroupCommit:
        """What writes the log."""
        commit: GroupCommit = self.app.state.ingest.commit
        return commit

    def outcomes(self) -> Counter[Outcome]:
        """Return the counter of every outcome."""
        text = self.app.state.metrics.exposition().decode()
        found = re.findall(r'hpkp_submissions_total\{outcome="(\w+)"\} (\S+)', text)
        return Counter({Outcome(name): int(float(value)) for name, value in found})

    def closed(self) -> Counter[str]:
        """Return how many connections were closed at a limit, by the reason."""
        text = self.app.state.metrics.exposition().decode()
        found = re.findall(r'hpkp_connections_closed_total\{reason="(\w+)"\} (\S+)', text)
        return +Counter({reason: int(float(value)) for reason, value in found})

    def connect(self, source: str = "127.0.0.1") -> "Connection":
        """Connect as a sender, from an address of loopback: of these, 127.0.0.1 alone is a trusted proxy."""
        return Connection(socket.create_connection(self.address, timeout=PATIENCE, source_address=(source, 0)))

    def watch(self, collector: Collector) -> None:
        """Keep what the collector is given from now on."""
        submit, collect = collector.submit, collector.collect

        def watch_submit(body: bytes, envelope: Envelope, answer: Callable[[SubmissionResult], None]) -> bool:
            taken = submit(body, envelope, answer)
            if taken:
                self.in_protocol.append((envelope, body))
                self.given.append((envelope, body))
            return taken

        async def watch_collect(body: bytes, envelope: Envelope) -> SubmissionResult:
            self.given.append((envelope, body))
            return await collect(body, envelope)

        collector.submit, collector.collect = watch_submit, watch_collect  # type: ignore[method-assign]


@contextmanager
def serving(
    directory: Path, *, whole_requests: bool = True, options: dict[str, Any] | None = None, **settings: Any
) -> Iterator[Served]:
    """Serve until the block ends; ``options`` are uvicorn's."""
    app = create_app(settings_for(directory, **settings), with_fold=False)
    listening = socket.create_server(("127.0.0.1", 0))
    usual: dict[str, Any] = {
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "ws": "none",
    }
    options = usual | (options or {})
    # uvicorn writes access logs where there are handlers, and pytest puts one of its own on loggers that have none.
    access_logger = logging.getLogger("uvicorn.access")
    with_access_log = mock.patch.object(access_logger, "hasHandlers", return_value=options["access_log"])
    http = ReportProtocol if whole_requests else LimitedProtocol
    server = uvicorn.Server(uvicorn.Config(app, http=http, **options))
    served = Served(app, server, listening.getsockname())
    thread = threading.Thread(target=server.run, args=([listening],))
    with with_access_log:
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            assert server.started
            served.watch(app.state.ingest.collector)
            yield served
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            listening.close()
    assert not thread.is_alive()


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


class HeldLog:
    """A log whose appends wait until they are let go, or fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits, self.go, self.appended = threading.Event(), threading.Event(), 0
        self.failure: NotAppended | None = None
        append = IngestLog.append

        def held(log: IngestLog, entries: Sequence[Entry]) -> AppendResult:
            self.waits.set()
            assert self.go.wait(60)
            if self.failure is not None:
                return self.failure
            result = append(log, entries)
            self.appended += len(entries)
            return result

        monkeypatch.setattr(IngestLog, "append", held)


class Connection:
    """A sender's end, which keeps everything that it was told."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self.told = b""

    def send(self, *parts: bytes) -> None:
        """Send parts, each to be read by itself."""
        for number, part in enumerate(parts):
            if number:
                time.sleep(0.03)  # else the server may read them together, which is another conversation
            self.socket.sendall(part)

    def await_answers(self, count: int) -> list[int]:
        """Wait until so many answers came in all; return their statuses."""
        while len(statuses := statuses_of(self.told)) < count:
            more = self.socket.recv(65536)
            assert more, f"closed after {self.told!r}"
            self.told += more
        return statuses

    def read_to_the_end(self) -> bytes:
        """Wait until the server closes; return everything that it told, without the dates."""
        try:
            while more := self.socket.recv(65536):
                self.told += more
        except ConnectionResetError:  # it closed with something unread, which is an end too
            pass
        return _DATE.sub(b"", self.told)

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for some time."""
        self.socket.settimeout(seconds)
        try:
            self.told += self.socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False

    def close(self) -> None:
        """Go away."""
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def statuses_of(told: bytes) -> list[int]:
    """Return the statuses of the answers that have begun."""
    return [int(status) for status in _STATUS.findall(told)]


def post(
    body: bytes = b"",
    path: str = "/report",
    *headers: str,
    method: str = "POST",
    version: str = "1.1",
    length: bool = True,
) -> bytes:
    """Make a request."""
    stated = (f"Content-Length: {len(body)}",) if length else ()
    lines = (f"{method} {path} HTTP/{version}", "Host: reports.example", *headers, *stated)
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def chunked(*parts: bytes) -> bytes:
    """Make a body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


def split(request: bytes, *places: int) -> Sequence[bytes]:
    """Cut a request at places; negative ones count from its end."""
    cuts = [0, *sorted(place % len(request) for place in places), len(request)]
    return [request[start:end] for start, end in itertools.pairwise(cuts)]
