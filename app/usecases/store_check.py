"""Whether the store answers, said within a time: a health check must not hang where the store does.

A database that takes connections and answers nothing lets a query wait for ever. Only one thread waits for it, whoever
asks meanwhile; it is a daemon, so that it keeps no process from ending.
"""

import threading

from sqlalchemy import Engine

from app.store.engine import answers

PATIENCE = 2.0
"""Seconds after which a store that has not answered counts as away; usual are some milliseconds."""


class StoreCheck:
    """Asks the store in a thread."""

    def __init__(self, engine: Engine, *, patience: float = PATIENCE) -> None:
        self._engine = engine
        self._patience = patience
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._answered = False

    def answers(self) -> bool:
        """Whether the store answers and has its tables; returns within the patience."""
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                self._asking = threading.Thread(target=self._ask, name="ask-store", daemon=True)
                self._asking.start()
            asking = self._asking
        asking.join(self._patience)
        return self._answered and not asking.is_alive()

    def _ask(self) -> None:
        self._answered = False
        self._answered = answers(self._engine)
