"""Single reports for use elsewhere: page by page in the order of their ids, so that memory does not grow."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select

from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.read.filters import Filter

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class ExportedReport:
    """A single report with what is known of its violation; ``date_time_text`` is the sender's clock as it came."""

    id: int
    received_at: datetime
    date_time_text: str | None
    violation_id: int
    host: str
    hostname: str
    port: int | None
    cause: str
    locks_out: bool | None
    status: str
    sender: str
    mode: str | None
    app: str
    app_version: str
    platform: str
    platform_version: str | None
    label: str
    user_agent: str | None


def count_reports(connection: Connection, wanted: Filter, *, after: int = 0) -> int:
    """Count the single reports that are kept and wanted."""
    return connection.scalar(_wanted(func.count(), wanted=wanted, after=after)) or 0


def walk_reports(engine: Engine, wanted: Filter, *, after: int = 0) -> Iterator[ExportedReport]:
    """Walk the single reports that are kept and wanted; ``after`` is the id of the last one had already.

    No transaction stays open between pages, so that a slow reader holds nothing up.
    """
    reports, violations, sources = tables.reports.c, tables.violations.c, tables.sources.c
    columns = (
        reports.id, reports.received_at, reports.date_time_text, reports.violation_id, violations.host,
        violations.hostname, violations.port, violations.cause, violations.status, violations.sender, violations.mode,
        violations.locks_out, sources.app, sources.app_version, sources.platform, reports.platform_version,
        sources.label, reports.user_agent,
    )  # fmt: skip
    while True:
        with engine.connect() as connection:
            query = _wanted(*columns, wanted=wanted, after=after).order_by(reports.id).limit(_PAGE)
            page = [
                ExportedReport(**dict(row._mapping) | {"received_at": from_ms(row.received_at)})
                for row in connection.execute(query)
            ]
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _wanted(*columns: Any, wanted: Filter, after: int) -> Select[Any]:
    reports = tables.reports
    joined = reports.join(tables.violations, tables.violations.c.id == reports.c.violation_id).join(
        tables.sources, tables.sources.c.id == reports.c.source_id
    )
    query = select(*columns).select_from(joined).where(reports.c.id > after)
    query = query.where(*wanted.of_violation(), *wanted.of_source())
    if wanted.since is not None:
        query = query.where(reports.c.received_at >= to_ms(wanted.since))
    if wanted.until is not None:
        query = query.where(reports.c.received_at < to_ms(wanted.until))
    return query
