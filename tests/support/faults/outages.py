"""The store is away for a while, under load: no report is refused, none is lost, and the fold catches up.

``python -m tests.support.faults.outages --fault stopped --seconds 30 --workers 2`` tells how long catching up took.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.support.faults.clients import ReportClients, posting
from tests.support.faults.kill_rounds import SETTINGS, Reports
from tests.support.faults.locking import locked
from tests.support.faults.stored_counts import StoredCounts, wait_for_counts
from tests.support.postgres import own_postgres
from tests.support.server import running_service


class Fault(StrEnum):
    """What keeps the store from being written."""

    STOPPED = "stopped"
    """PostgreSQL is killed, and started again afterwards."""
    FROZEN = "frozen"
    """PostgreSQL takes connections and answers nothing."""
    LOCKED = "locked"
    """Another process holds the lock of SQLite."""


@dataclass(frozen=True)
class Outage:
    """What was seen. ``meanwhile`` is what /readyz told at the end of the outage, ``afterwards`` after catching up."""

    acknowledged: int
    statuses: Counter[int]
    waiting: int
    """How many reports were acknowledged and not counted when the store was back."""
    catch_up_seconds: float
    """From then on, with the load going on, until as many were counted as had been acknowledged by then."""
    counts: StoredCounts
    meanwhile: dict[str, Any]
    afterwards: dict[str, Any]


def see_outage(fault: Fault, directory: Path, *, seconds: float, workers: int, pause: float) -> Outage:
    """Run a service under load, with a fault for some seconds amid it."""
    reports = Reports()
    with (
        _store(fault, directory) as (url, faulty),
        running_service(directory, "--workers", str(workers), HPKP_DATABASE_URL=url, **SETTINGS) as service,
    ):
        clients = ReportClients(service.url, reports.body, seconds_between=pause)
        with posting(clients):
            clients.wait_for(500)
            with faulty():
                before = clients.acknowledged
                time.sleep(seconds)
                meanwhile = service.client.get("/readyz", timeout=60).json()
            acknowledged, back_at = clients.acknowledged, time.monotonic()
            wait_for_counts(url, acknowledged)
            caught_up = time.monotonic() - back_at
        counts = wait_for_counts(url, clients.acknowledged)
        afterwards = service.client.get("/readyz", timeout=60).json()
        service.stop()
    waiting = acknowledged - before
    return Outage(clients.acknowledged, clients.statuses, waiting, caught_up, counts, meanwhile, afterwards)


@contextmanager
def _store(fault: Fault, directory: Path) -> Iterator[tuple[str, Any]]:
    """Make a store; yield its URL and the context manager of its fault."""
    if fault is Fault.LOCKED:
        file = directory / "hpkp.sqlite3"
        yield f"sqlite:///{file}", lambda: locked(file)
        return
    with own_postgres() as server:

        @contextmanager
        def stopped() -> Iterator[None]:
            server.kill()
            yield
            server.start_again()

        yield server.url, stopped if fault is Fault.STOPPED else server.frozen


def main() -> None:
    """See an outage, and tell of it; exit code 1 if a report was refused or is not counted exactly once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fault", choices=list(Fault), type=Fault, default=Fault.STOPPED)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.02, help="Seconds between the reports of each of 32 clients.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hpkp-outage-") as folder:
        seen = see_outage(
            chosen.fault, Path(folder), seconds=chosen.seconds, workers=chosen.workers, pause=chosen.pause
        )
    exact = seen.counts.are_all(seen.acknowledged)
    sys.stdout.write(
        f"{chosen.fault} for {chosen.seconds} s, {chosen.workers} workers: answers {dict(seen.statuses)}, "
        f"{'counted exactly once' if exact else f'NOT EXACT: {seen.counts}'}\n"
        f"{seen.waiting} accepted during the outage, caught up {seen.catch_up_seconds:.1f} s after it\n"
        f"meanwhile {seen.meanwhile}\nafterwards {seen.afterwards}\n"
    )
    sys.exit(0 if exact and set(seen.statuses) == {204} else 1)


if __name__ == "__main__":
    main()
