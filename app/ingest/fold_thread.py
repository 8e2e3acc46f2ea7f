"""The fold as a thread of the process that collects: for a process alone, as in tests and in applications around it."""

import threading

from app.ingest.log_fold import LogFold


class FoldThread:
    """Runs a `LogFold` until it is stopped; if another process folds the directory, it waits for its turn."""

    def __init__(self, fold: LogFold) -> None:
        self._fold = fold
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=fold.run, args=(self._stopping,), name="fold", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is left is counted, or the store does not answer; blocks until then."""
        self._stopping.set()
        # It may be waiting for entries, and not look at the event before that ends.
        self._fold.wake.set()
        # Joining a thread that was never started raises RuntimeError.
        if self._thread.is_alive():
            self._thread.join()
