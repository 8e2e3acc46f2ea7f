"""How far the fold is behind the logs: for readers that wait for it, for readiness, and for metrics.

Reads files alone (where each writer published its log's end, and what the fold tells), so it works in every process,
costs some 50 us, and answers while the store is away.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.ingest.fold_status import FoldStatus, read_status
from app.ingest.log_directory import find_logs
from app.store.engine import from_ms, now_ms

_PAUSE = 0.005
_SAMPLES = 500

_Ends = dict[str, tuple[int, int]]
"""Where logs end, by their names: segment and offset."""


@dataclass(frozen=True, slots=True)
class FoldLag:
    """What the logs of a directory and their fold look like now.

    ``seconds`` is about the age of the oldest entry that is not counted, 0 if there is none. ``appended_at`` is when an
    entry became durable last, None if none did.
    """

    seconds: float
    log_bytes: int
    appended_at: datetime | None
    status: FoldStatus


class FoldWatch:
    """Compares where the logs of a directory end with how far they are folded."""

    def __init__(self, root: Path, *, patience: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._patience = patience
        self._monotonic = monotonic
        self._samples: deque[tuple[int, _Ends]] = deque()
        self._has_looked = False
        self._wake: Callable[[], None] = lambda: None

    def call_to_wake(self, wake: Callable[[], None]) -> None:
        """Set what tells a fold in this process that somebody waits."""
        self._wake = wake

    async def wait(self) -> datetime:
        """Wait until everything that was accepted before is counted; return until when everything is.

        That is the moment of the call; or an earlier one if the fold took longer than the patience, fails, or does not
        use a log.
        """
        steps = self._steps()
        while (counted_until := next(steps)) is None:
            await asyncio.sleep(_PAUSE)
        return counted_until

    def wait_blocking(self) -> datetime:
        """Do the same without an event loop."""
        steps = self._steps()
        while (counted_until := next(steps)) is None:
            time.sleep(_PAUSE)
        return counted_until

    def _steps(self) -> Iterator[datetime | None]:
        """Yield None while there is something to wait for, then until when everything is counted."""
        arrived, deadline = datetime.now(UTC), self._monotonic() + self._patience
        ends = self._find_ends()
        while behind := _find_behind(ends, status := read_status(self._root)):
            # While counting fails there is nothing to wait for: the store may be away for hours.
            hopeless = status.error is not None or status.refused.keys() >= set(behind)
            if hopeless or self._monotonic() >= deadline:
                yield from_ms(min(_counted_until(name, status) for name in behind))
            # Each time and not once: the fold may have begun to wait again.
            self._wake()
            yield None
            # A log that was folded to its end is removed, and then the status has no more of it.
            ends = {name: end for name, end in ends.items() if (self._root / name).is_dir()}
        yield arrived

    def observe(self) -> FoldLag:
        """Look at the logs. To be called again and again: the lag is known as exactly as the calls are frequent."""
        status, now = read_status(self._root), now_ms()
        logs = find_logs(self._root)
        published = {log.path.name: end for log in logs if (end := log.read_end()) is not None}
        ends = {name: end.position[:2] for name, end in published.items()}
        # A sample whose ends are all folded no longer tells since when something waits.
        while self._samples and not _find_behind(_only(self._samples[0][1], ends), status):
            self._samples.popleft()
        if behind := _find_behind(ends, status):
            # At the first look there is no sample: the oldest entry is about as old as the newest one counted.
            counted_until = 0 if self._has_looked else min(_counted_until(name, status) for name in behind)
            self._samples.append((counted_until or now, ends))
            if len(self._samples) > _SAMPLES:
                # Every second one: an outage of hours needs no more memory, and its lag is known less exactly.
                self._samples = deque(list(self._samples)[::2])
        self._has_looked = True
        appended = [end.appended_at for end in published.values()]
        return FoldLag(
            # Never 0 while something is not counted, even if this is the first look that finds it.
            seconds=max(now - self._samples[0][0], 1) / 1000 if self._samples else 0.0,
            log_bytes=sum(log.size() for log in logs),
            appended_at=from_ms(max(appended)) if appended else None,
            status=status,
        )

    def _find_ends(self) -> _Ends:
        """Return where the logs end now, those without a published end left out."""
        found = ((log.path.name, log.read_end()) for log in find_logs(self._root))
        return {name: end.position[:2] for name, end in found if end is not None}


def _find_behind(ends: _Ends, status: FoldStatus) -> list[str]:
    """Return the logs that are not folded up to these ends."""
    return [name for name, end in ends.items() if name not in status.folded or status.folded[name][:2] < end]


def _only(ends: _Ends, there: _Ends) -> _Ends:
    """Return the ends of logs that are still there: one that was folded to its end is removed."""
    return {name: end for name, end in ends.items() if name in there}


def _counted_until(name: str, status: FoldStatus) -> int:
    """Return the newest receipt of a log that is counted, in milliseconds; 0 if the status has none."""
    return status.folded[name].newest_received_at if name in status.folded else 0
