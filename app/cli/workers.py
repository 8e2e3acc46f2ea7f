"""Several processes behind one socket, for ``hpkp serve --workers``.

::

    parent: binds, listens ──spawns──> workers: each an application of its own, settings from the environment
       ├─ SIGTERM: closes the socket, tells the workers, waits until they have logged what waits
       ├─ a worker ends: another takes its place
       └─ the parent is killed: the workers end too

The processes share the store and the metrics, and nothing else. Each has an ingest log of its own; one more process,
the fold, counts what is in all of them.
"""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import connection, parent_process

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.main import create_app
from app.metrics import delete_process_metrics, shared_folder
from app.settings import Settings
from app.store.engine import check_store
from app.store.failures import StoreError

logger = logging.getLogger(__name__)

_LOOK = 0.5
"""Seconds between looks for a store that is away."""

FACTORY = "app.cli.workers:create_worker"
INTAKE_FACTORY = "app.cli.workers:create_intake_worker"
"""Where a worker finds what makes its application; it is a new interpreter, to which no object can be handed."""


def keep_what_stays() -> None:
    """Keep what stays for ever out of every later garbage collection; called when the application is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def create_worker() -> FastAPI:
    """Make a worker's application."""
    end_with_the_parent()
    _wait_for_store_or_end()
    return create_app(with_fold=False, when_ready=keep_what_stays)


def create_intake_worker() -> FastAPI:
    """Make the application of a worker that serves reports alone."""
    end_with_the_parent()
    _wait_for_store_or_end()
    return create_app(intake_only=True, with_fold=False, when_ready=keep_what_stays)


def end_with_the_parent() -> None:
    """Drain and end where the parent is gone: nobody else would, and the port would stay taken."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="watch-parent", daemon=True).start()


def wait_for_store(settings: Settings, stopping: threading.Event) -> bool:
    """Wait until the store answers; False if stopped before. For processes that take the place of others.

    They start at any moment, also while the store is away, and need its keys. One that failed would be started again
    and again; a worker that fails to start even ends the service (uvicorn takes it for a mistake of configuration).
    """
    told = False
    while True:
        try:
            check_store(settings.database_url)
            return True
        except StoreError as error:
            if not told:
                logger.warning("process %d starts when the store can be used: %s", os.getpid(), error)
                told = True
        if stopping.wait(_LOOK):
            return False


def _wait_for_store_or_end() -> None:
    stopping = threading.Event()
    # uvicorn's own handler only makes a note, which it reads after the start.
    before = signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    try:
        if not wait_for_store(Settings(), stopping):
            sys.exit(0)
    finally:
        signal.signal(signal.SIGTERM, before)


class _Workers(Multiprocess):
    """The supervisor, which also lets go of the socket and of what ended workers had in the gauges."""

    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            if pid is not None:
                delete_process_metrics(pid)

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def run(config: uvicorn.Config, *, when_bound: Callable[[int], None]) -> bool:
    """Serve until told to end; whether the workers could start. ``when_bound`` is called with the port."""
    with shared_folder(), config.bind_socket() as listening:
        listening.listen(config.backlog)  # who comes before the first worker is ready waits for it
        when_bound(listening.getsockname()[1])
        workers = _Workers(config, [listening])
        workers.run()
    return all(process.exitcode != STARTUP_FAILURE for process in workers.processes)
