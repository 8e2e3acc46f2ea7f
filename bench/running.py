"""Servers in processes of their own, on free ports, on the processors they are meant to have."""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]

_STARTED = re.compile(r"(?:Uvicorn running on|Listening at:) (http://[^ ]+)")
_PATIENCE = 60.0
_COUNTING = 300.0
"""Seconds for which a service may count what it has accepted."""


class ServerFailed(Exception):
    """A server did not start; the text is its log."""


@dataclass(frozen=True, slots=True)
class Processors:
    """The processors of the servers and of the load: two different ones where the machine has two."""

    server: frozenset[int]
    load: frozenset[int]
    all: frozenset[int]

    @property
    def apart(self) -> bool:
        """Whether server and load are kept from each other."""
        return self.server != self.load


def processors() -> Processors:
    """Share out the processors that this process may use."""
    mine = sorted(os.sched_getaffinity(0))
    return Processors(frozenset(mine[:1]), frozenset(mine[1:2] or mine[:1]), frozenset(mine))


@contextmanager
def bound_to(wanted: frozenset[int]) -> Iterator[None]:
    """Let the processes that are started in the block run on these processors alone: they inherit it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]

    def memory(self) -> int:
        """Return the bytes that its processes hold now: the sum of their proportional set sizes (PSS)."""
        return sum(_pss(pid) for pid in self._processes())

    def processor_seconds(self) -> float:
        """Return the time that its processes have used, kernel included."""
        return sum(_processor_seconds(pid) for pid in self._processes())

    def wait_until_counted(self) -> float:
        """Wait until everything that was accepted is counted; return for how many seconds. Raises ServerFailed."""
        began = time.monotonic()
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            while True:
                ready = client.get("/readyz").json()
                if ready["fold_lag_seconds"] == 0:
                    return time.monotonic() - began
                if time.monotonic() > began + _COUNTING:
                    raise ServerFailed(f"after {_COUNTING:.0f} s not everything is counted: {ready}")
                time.sleep(0.02)

    def _processes(self) -> list[int]:
        """Return the process and all below it."""
        found = [self.process.pid]
        for pid in found:
            with suppress(OSError):  # it may end meanwhile
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return 0 if found is None else int(found[1]) * 1024


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(
    command: Sequence[str],
    *,
    directory: Path,
    on: frozenset[int],
    environment: Mapping[str, str],
) -> Iterator[Server]:
    """Start a server that says in its log where it answers; it ends with the block. Raises ServerFailed."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "server.log"
    with log.open("wb") as stream, bound_to(on):
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | dict(environment), stdout=stream, stderr=stream)
    try:
        url = _url(process, log)
        _await_answer(url, log)
        yield Server(url, process)
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if match := _STARTED.search(log.read_text()):
            return match[1]
        time.sleep(0.05)
    raise ServerFailed(log.read_text())


def _await_answer(url: str, log: Path) -> None:
    """Wait for any answer at all: some servers say where they listen before they do, or before they can answer."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            httpx.get(url, timeout=_PATIENCE, trust_env=False)
        except httpx.ConnectError as error:
            if time.monotonic() > deadline:
                raise ServerFailed(log.read_text()) from error
            time.sleep(0.05)
        except httpx.HTTPError as error:
            raise ServerFailed(log.read_text()) from error
        else:
            return
