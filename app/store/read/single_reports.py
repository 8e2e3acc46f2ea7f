"""Single reports: those that are kept of each violation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.read.filters import Filter


@dataclass(frozen=True, slots=True)
class SingleReport:
    """A report as it was kept; its raw body is loaded by `load_report_body`. Empty texts: not told."""

    id: int
    violation_id: int
    received_at: datetime
    date_time: datetime | None
    date_time_text: str | None
    effective_expiration_text: str | None
    app: str
    app_version: str
    platform: str
    platform_version: str | None
    label: str
    user_agent: str | None


def list_reports(
    connection: Connection, violation_id: int, wanted: Filter, *, limit: int, before: int | None = None
) -> list[SingleReport]:
    """Return single reports of a violation, the newest first; of the filter, source and window count."""
    query = _reports().where(tables.reports.c.violation_id == violation_id, *wanted.of_source())
    if wanted.since is not None:
        query = query.where(tables.reports.c.received_at >= to_ms(wanted.since))
    if wanted.until is not None:
        query = query.where(tables.reports.c.received_at < to_ms(wanted.until))
    if before is not None:
        query = query.where(tables.reports.c.id < before)
    return [_report(row) for row in connection.execute(query.order_by(tables.reports.c.id.desc()).limit(limit))]


def find_report(connection: Connection, report_id: int) -> SingleReport | None:
    """Return one report, or None."""
    row = connection.execute(_reports().where(tables.reports.c.id == report_id)).first()
    return None if row is None else _report(row)


def _reports() -> Select[Any]:
    return select(
        *(column for column in tables.reports.c if column.name not in ("body", "body_packing", "source_id")),
        tables.sources.c.app,
        tables.sources.c.app_version,
        tables.sources.c.platform,
        tables.sources.c.label,
    ).join(tables.sources, tables.sources.c.id == tables.reports.c.source_id)


def _report(row: Row[Any]) -> SingleReport:
    return SingleReport(
        id=row.id,
        violation_id=row.violation_id,
        received_at=from_ms(row.received_at),
        date_time=None if row.date_time is None else from_ms(row.date_time),
        date_time_text=row.date_time_text,
        effective_expiration_text=row.effective_expiration_text,
        app=row.app,
        app_version=row.app_version,
        platform=row.platform,
        platform_version=row.platform_version,
        label=row.label,
        user_agent=row.user_agent,
    )
