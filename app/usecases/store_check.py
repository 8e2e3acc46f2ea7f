"""Whether the store can be used, said within a time: a health check must not hang where the store does.

A database that takes connections and answers nothing lets a query wait for ever. Only one thread waits for it, whoever
asks meanwhile; it is a daemon, so that it keeps no process from ending.
"""

import logging
import shutil
import threading
from pathlib import Path

from sqlalchemy import Engine

from app.store.failures import AWAY, StoreFailure, StoreState
from app.store.health import find_failure

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds after which a store that has not answered counts as away; usual are some milliseconds."""

LAST_PATIENCE = 10.0
"""Seconds for which the end of the process waits for a store that has not answered."""

LEAST_FREE_BYTES = 256 << 10
"""A disk with less counts as full: a report of the largest size might not fit."""


class StoreCheck:
    """Asks the store in a thread."""

    def __init__(self, engine: Engine, *, patience: float = PATIENCE) -> None:
        self._engine = engine
        self._patience = patience
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._failure: StoreFailure | None = AWAY

    def find_failure(self) -> StoreFailure | None:
        """Return why the store cannot be used, None if it can be; returns within the patience."""
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                self._asking = threading.Thread(target=self._ask, name="ask-store", daemon=True)
                self._asking.start()
            asking = self._asking
        asking.join(self._patience)
        return AWAY if asking.is_alive() else self._failure

    def close(self) -> None:
        """Wait until nothing is asked any more, for some time: a store may never answer."""
        with self._lock:
            asking = self._asking
        if asking is not None:
            asking.join(LAST_PATIENCE)

    def _ask(self) -> None:
        self._failure = AWAY
        self._failure = find_failure(self._engine)
        if self._failure is not None and self._failure.state in (StoreState.MISSING, StoreState.REPLACED):
            self._engine.dispose()  # nothing must hold on to a file that is not the store any more


def is_full(path: Path) -> bool:
    """Whether the disk of a file, or of where it is to be, has no room for a report."""
    place = next((p for p in (path, *path.absolute().parents) if p.exists()), None)
    return place is not None and shutil.disk_usage(place).free < LEAST_FREE_BYTES
