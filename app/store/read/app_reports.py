"""Reports of apps by the version that they name."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from app.hpkp.judgement.causes import Cause
from app.hpkp.policy import Mode
from app.store import tables
from app.store.read.filters import Filter
from app.store.read.window import Window


@dataclass(frozen=True, slots=True)
class ReportedVersion:
    """What was reported under the name of a version; ``refused`` are reports of locked-out clients that enforce."""

    app: str
    platform: str
    """In lower case, as reports name it."""
    version: str
    reports: int
    refused: int


def list_reported_versions(connection: Connection, *, since: datetime, until: datetime) -> list[ReportedVersion]:
    """Count the reports of every app in a window, by platform and version; control pins and forgeries apart."""
    violations, hours, sources = tables.violations.c, tables.rollup_hours.c, tables.sources.c
    refused = case(
        (violations.mode == Mode.ENFORCE.value, case((violations.locks_out, hours.reports), else_=0)), else_=0
    )
    named = sources.app, func.lower(sources.platform), sources.app_version
    query = (
        select(*named, func.sum(hours.reports), func.sum(refused))
        .select_from(tables.rollup_hours)
        .join(tables.violations, violations.id == hours.violation_id)
        .join(tables.sources, sources.id == hours.source_id)
        .where(
            sources.app != "",
            violations.cause.not_in([Cause.CONTROL.value, Cause.IMPLAUSIBLE.value]),
            Window.of(Filter(since=since, until=until)).hours(hours.hour),
        )
        .group_by(*named)
        .order_by(*named)
    )
    return [ReportedVersion(*row[:3], int(row[3]), int(row[4])) for row in connection.execute(query)]
