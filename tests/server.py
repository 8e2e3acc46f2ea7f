"""A real service in a process of its own, that can be killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.ingest.fold_status import FoldStatus, read_status

_STARTED = re.compile(r"Uvicorn running on (http://[^ ]+)")
_PATIENCE = 180.0


@dataclass(frozen=True)
class RunningService:
    """A started service: where it answers, its process, what it writes, and where its ingest logs are."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    log_root: Path

    @property
    def fold(self) -> FoldStatus:
        """What its fold tells."""
        return read_status(self.log_root)

    def kill(self) -> None:
        """Kill it as the kernel does: no handler runs."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end, as a service manager does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


@contextmanager
def running_service(
    directory: Path, *options: str, within: Sequence[str] = (), **settings: str
) -> Iterator[RunningService]:
    """Run ``hpkp serve`` on a free port, with its store in ``directory``; it ends with the block.

    ``within`` is a command that becomes what it is given to run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "serve.log"
    log_root = directory / "hpkp.sqlite3-log"
    placed = {"HPKP_DATABASE_URL": f"sqlite:///{directory}/hpkp.sqlite3", "HPKP_LOG_DIR": str(log_root)}
    placed["HPKP_READ_WAIT_SECONDS"] = "20"  # a busy machine must not fail a test that is not about that
    environment = os.environ | placed | settings
    log_root = Path(environment["HPKP_LOG_DIR"])
    starts = read_status(log_root).starts
    command = [*within, sys.executable, "-m", "app.cli", "serve", "--port", "0", *options]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    try:
        service = RunningService(_url(process, log), process, log, log_root)
        _wait_for_fold(service, starts)
        yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _wait_for_fold(service: RunningService, starts: int) -> None:
    """Wait until reads can wait for the fold; reports are accepted before."""
    deadline = time.monotonic() + _PATIENCE
    while _count_starts(service) == starts:
        assert time.monotonic() < deadline, f"the fold did not start:\n{service.log.read_text()}"
        time.sleep(0.05)


def _count_starts(service: RunningService) -> int:
    """Return how often its fold was started; asked over HTTP where the logs are on a disk of the service alone."""
    if service.log_root.exists():
        return service.fold.starts
    return int(httpx.get(f"{service.url}/readyz", timeout=60).json().get("fold_starts", 0))


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the service says where it answers; fail with its log where it does not."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if match := _STARTED.search(log.read_text()):
            return match[1]
        time.sleep(0.05)
    raise AssertionError(f"the service did not start:\n{log.read_text()}")
