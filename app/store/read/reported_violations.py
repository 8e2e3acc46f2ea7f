"""The violations of a window with the reports that they were judged by, to judge them by other pins."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app.hpkp.report import ViolationReport
from app.store import tables
from app.store.engine import from_ms
from app.store.read.counted_violations import count_violations
from app.store.read.filters import Filter
from app.store.read.reported import report_of_row
from app.store.read.window import Window


@dataclass(frozen=True, slots=True)
class ReportedViolation:
    """A violation with its reports in a window, and the one that it was judged by."""

    id: int
    status: str
    reports: int
    report: ViolationReport
    first_received_at: datetime


def walk_reported(connection: Connection, wanted: Filter, *, page: int = 200) -> Iterator[ReportedViolation]:
    """Walk the violations that were reported in a window by their ids."""
    violations = tables.violations
    counted = {found.id: found.reports for found in count_violations(connection, wanted, Window.of(wanted))}
    ids = list(counted)
    for start in range(0, len(ids), page):
        some = violations.c.id.in_(ids[start : start + page])
        for row in connection.execute(select(violations).where(some).order_by(violations.c.id)).all():
            yield ReportedViolation(
                id=row.id,
                status=row.status,
                reports=counted[row.id],
                report=report_of_row(connection, row),
                first_received_at=from_ms(row.first_received_at),
            )
