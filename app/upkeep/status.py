"""When each background job last ran and last failed: a file next to the ingest logs, for every process to show.

The one process of a machine that runs the jobs writes it. Counts continue where those of the process before ended.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from app.metrics import JobFigures

logger = logging.getLogger(__name__)

_NAME = "upkeep.json"

CLOCK = "clock"
"""The name of the job that checks the clock: its failure is about the clock, and not about the job."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is known of a job. Instants are in milliseconds since the Unix epoch, 0 for never.

    ``last_run_at`` is the end of the last run, whatever came of it. ``failing`` is how many of its parts (hosts, or the
    job as a whole) failed when they were last tried. ``last_error`` is the last failure, also after a later success.
    """

    last_run_at: int = 0
    last_succeeded_at: int = 0
    """The end of the last run after which none of its parts failed."""
    last_failed_at: int = 0
    last_error: str = ""
    runs: int = 0
    failures: int = 0
    failing: int = 0


def read_status(root: Path) -> dict[str, JobStatus]:
    """Read the status of each job that is on, by name; nothing if no job ever ran, or if it cannot be read."""
    try:
        stored = json.loads((root / _NAME).read_bytes())
        known = {item.name for item in fields(JobStatus)}
        return {
            name: JobStatus(**{key: value for key, value in members.items() if key in known})
            for name, members in stored.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError):
        logger.warning("%s cannot be read; the counters of the background jobs start at 0", root / _NAME)
        return {}


def write_status(root: Path, status: Mapping[str, JobStatus]) -> None:
    """Write the status in place of the one before. It is for show: not synced, and not failing where it fails."""
    new = root / f"{_NAME}.new"
    try:
        new.touch(mode=0o600)
        new.write_text(json.dumps({name: asdict(job) for name, job in status.items()}))
        new.replace(root / _NAME)
    except OSError as error:
        logger.warning("the status of the background jobs cannot be written: %s", error)


def figures_of(status: Mapping[str, JobStatus]) -> dict[str, JobFigures]:
    """Return what the metrics show of the jobs."""
    return {
        name: JobFigures(
            runs=job.runs,
            failures=job.failures,
            failing=job.failing,
            last_run_at=job.last_run_at / 1000,
            last_succeeded_at=job.last_succeeded_at / 1000,
            last_failed_at=job.last_failed_at / 1000,
        )
        for name, job in status.items()
    }
