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
from tests.support.admin import ADMIN, add_admin_token_at

_STARTED = re.compile(r"Uvicorn running on (http://[^ ]+)")
_PATIENCE = 180.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RunningService:
    """A started service: where it answers, its process, what it writes, and where its ingest logs are."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    log_root: Path
    client: httpx.Client
    """Has an API token of scope admin, and opens a connection for each request, as one-off commands do."""

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

    ``within`` is a command that becomes what it is given to run. The store has an API token of scope admin. With
    ``HPKP_PORT`` it listens there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _add_token(settings.get("HPKP_DATABASE_URL", _store_url(directory)), within)
    with running_without_token(directory, *options, within=within, **settings) as service:
        yield service


@contextmanager
def running_without_token(
    directory: Path, *options: str, within: Sequence[str] = (), **settings: str
) -> Iterator[RunningService]:
    """Do the same on a store without a token, if nobody has put one there."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "serve.log"
    log_root = directory / "hpkp.sqlite3-log"
    placed = {"HPKP_DATABASE_URL": _store_url(directory), "HPKP_LOG_DIR": str(log_root)}
    placed["HPKP_READ_WAIT_SECONDS"] = "20"  # a busy machine must not fail a test that is not about that
    environment = os.environ | placed | settings
    log_root = Path(environment["HPKP_LOG_DIR"])
    starts = read_status(log_root).starts
    port = () if "HPKP_PORT" in settings else ("--port", "0")
    command = [*within, sys.executable, "-m", "app.cli", "serve", *port, *options]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    try:
        url = _url(process, log)
        # It may be on a disk that is there for the service alone.
        seen = Path(f"/proc/{process.pid}/root{log_root}") if within else log_root
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=url, headers=ADMIN, timeout=_PATIENCE, limits=limits, trust_env=False) as client:
            service = RunningService(url, process, log, seen, client)
            _wait_for_fold(service, starts)
            yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _store_url(directory: Path) -> str:
    return f"sqlite:///{directory}/hpkp.sqlite3"


def _add_token(url: str, within: Sequence[str]) -> None:
    """Put the token into the store, which may be on a disk that only ``within`` sees."""
    if within:
        subprocess.run([*within, sys.executable, "-m", "tests.support.admin", url], cwd=ROOT, check=True)
    else:
        add_admin_token_at(url)


def _wait_for_fold(service: RunningService, starts: int) -> None:
    """Wait until reads can wait for the fold; reports are accepted before."""
    deadline = time.monotonic() + _PATIENCE
    while service.fold.starts == starts:
        assert time.monotonic() < deadline, f"the fold did not start:\n{service.log.read_text()}"
        time.sleep(0.05)


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the service says where it answers; fail with its log where it does not."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if match := _STARTED.search(log.read_text()):
            return match[1]
        time.sleep(0.05)
    raise AssertionError(f"the service did not start:\n{log.read_text()}")
