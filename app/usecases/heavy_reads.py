"""Costly reads: few at a time in a process, so that they leave processor and connections to ingest and to the rest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

AT_ONCE = 2
"""A replay of 10,000 violations keeps a core busy for seconds; a third one would only make all of them slower."""
RETRY_AFTER = 5
"""Seconds after which to try again."""


class TooManyReadsError(Exception):
    """As many costly reads as are allowed at once are running."""


class HeavyReads:
    """Gives out slots for costly reads. Nobody waits for one: waiting would hold a thread, and those are few too."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._slots = BoundedSemaphore(at_once)

    def take_slot(self) -> Callable[[], None]:
        """Take a slot; return what gives it back, to be called once. Raises TooManyReadsError if there is none."""
        if not self._slots.acquire(blocking=False):
            raise TooManyReadsError
        return self._slots.release

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot within the block. Raises TooManyReadsError if there is none."""
        release = self.take_slot()
        try:
            yield
        finally:
            release()
