"""What a measurement depends on besides the programs: told with every result, without names of machines or places."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_PARTS = ("hpkp-collector", "uvicorn", "uvloop", "httptools", "starlette", "fastapi", "sqlalchemy", "cryptography")
_SYNCS = 200
_BUSY = 0.5


@dataclass(frozen=True, slots=True)
class Conditions:
    """When and on what a measurement was made."""

    at: datetime
    processors: int
    versions: str
    sync_ms: float
    """Median time of making 4 kB durable on the disk of the stores."""
    waiting: float
    """Processes that wanted a processor in the minute before: the load average."""

    @property
    def busy(self) -> bool:
        """Whether something else was running, so that the figures are not reliable."""
        return self.waiting > _BUSY


def conditions(directory: Path) -> Conditions:
    """Look at the machine before a measurement whose stores will be in ``directory``."""
    parts = [f"{part} {version(part)}" for part in _PARTS]
    parts += [f"SQLite {sqlite3.sqlite_version}", f"Python {platform.python_version()}"]
    return Conditions(
        at=datetime.now(UTC),
        processors=len(os.sched_getaffinity(0)),
        versions=f"{', '.join(parts)}; {platform.system()} on {platform.machine()}",
        sync_ms=_sync_ms(directory),
        waiting=os.getloadavg()[0],
    )


def _sync_ms(directory: Path) -> float:
    directory.mkdir(parents=True, exist_ok=True)
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1e3 * (time.perf_counter() - started))
    return statistics.median(took)
