"""The fold as a process of its own, for ``hpkp serve``: it judges and counts without taking turns with the endpoint.

::

    parent ──spawns──> fold: follows all logs of the directory, whichever process writes them
       ├─ it ends: another one takes its place, at once if it ran for a while, else after longer and longer pauses
       ├─ the parent ends: told to count what is left, and waited for
       └─ the parent is killed: it counts what is left, and ends

It is spawned, not forked: it shares no lock, no connection and no thread with the parent.
"""

import logging
import multiprocessing
import signal
import threading
import time
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType
from typing import Self

from app.cli.workers import end_with_the_parent, keep_what_stays, wait_for_store
from app.metrics import Metrics
from app.service import open_service
from app.settings import Settings
from app.wiring import log_fold

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.25
"""Seconds before a fold that ended by itself is replaced; doubled each time, up to the longest pause."""
_LONGEST_PAUSE = 15.0
_HEALTHY_SECONDS = 30.0
"""After a fold that ran for so long the pauses begin anew."""
_LOOK = 1.0
_PATIENCE = 20.0
"""Seconds for which it may count what is left; then it is killed, and the rest is counted after the next start."""


class FoldProcess:
    """Keeps a fold running within a block."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._process: BaseProcess | None = None
        self._supervisor = threading.Thread(target=self._supervise, name="supervise-fold", daemon=True)

    def __enter__(self) -> Self:
        """Start the fold."""
        self._process = self._spawn()
        self._supervisor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the fold count what is left, and end it."""
        self._stopping.set()
        self._supervisor.join(_PATIENCE)
        process = self._process
        assert process is not None  # made on entering
        process.terminate()
        process.join(_PATIENCE)
        if process.is_alive():
            logger.warning("the fold does not end; what is left in the logs is counted after the next start")
            process.kill()
            process.join()

    def _spawn(self) -> BaseProcess:
        process = multiprocessing.get_context("spawn").Process(target=run_fold, args=(self._settings,), name="fold")
        process.start()
        self._started_at = time.monotonic()
        return process

    def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            assert self._process is not None  # made on entering
            if not connection.wait([self._process.sentinel], timeout=_LOOK):
                continue
            self._process.join()
            if time.monotonic() - self._started_at > _HEALTHY_SECONDS:
                pause = _FIRST_PAUSE
            if not self._stopping.wait(pause):
                logger.error("the fold ended with %s; another one is started", self._process.exitcode)
                self._process = self._spawn()
            pause = min(2 * pause, _LONGEST_PAUSE)


def run_fold(settings: Settings) -> None:
    """Fold until told to end, or until the parent is gone. Runs in the process of the fold."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal it reaches the parent, too, which then ends this one
    end_with_the_parent()
    if not wait_for_store(settings, stopping):
        return
    service = open_service(settings, Metrics(), create=False)
    try:
        with log_fold(service) as fold:
            keep_what_stays()
            fold.run(stopping)
    finally:
        service.engine.dispose()
