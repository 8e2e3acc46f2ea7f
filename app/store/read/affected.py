"""Whom a violation affects: its reports over time, by app release, platform and label, and from how many networks.

Counts are those of the rollups, so every report is in them; systems and user agents are those of the single reports
that are stored, a sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from app.store import tables
from app.store.engine import DAY_MS, HOUR_MS, from_ms

_MOST_PARTS = 10

Part = tuple[str, int]
"""A name and its reports; an empty name: not sent."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of status, with what was noted."""

    at: datetime
    was: str
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class Affected:
    """Reports of a violation by what is known of their senders, the most first. ``networks`` is a lower bound."""

    series: Sequence[tuple[datetime, int]]
    releases: Sequence[Part]
    platforms: Sequence[Part]
    labels: Sequence[Part]
    systems: Sequence[Part]
    user_agents: Sequence[Part]
    stored: int
    """How many single reports are stored."""
    networks: int
    changes: Sequence[StatusChange]
    """Changes of its status, the newest first."""


def find_affected(connection: Connection, violation_id: int, *, hourly: bool) -> Affected:
    """Return whom a violation affects; its reports by the hour or by the day of receipt."""
    hours, networks = tables.rollup_hours.c, tables.violation_networks.c
    width = HOUR_MS if hourly else DAY_MS
    bucket = (hours.hour - hours.hour % width).label("bucket")
    series = connection.execute(
        select(bucket, func.sum(hours.reports))
        .where(hours.violation_id == violation_id)
        .group_by(bucket)
        .order_by(bucket)
    ).all()
    seen = connection.scalar(select(func.count()).where(networks.violation_id == violation_id))
    stored = connection.scalar(select(func.count()).where(tables.reports.c.violation_id == violation_id))
    sources = tables.sources.c
    releases = [
        (f"{app} {version}".strip(), reports)
        for app, version, reports in _count_by(connection, violation_id, sources.app, sources.app_version)
    ]
    return Affected(
        series=[(from_ms(start), int(reports)) for start, reports in series],
        releases=releases,
        platforms=_count_by(connection, violation_id, sources.platform),
        labels=_count_by(connection, violation_id, sources.label),
        systems=_count_stored(connection, violation_id, sources.platform, tables.reports.c.platform_version),
        user_agents=_count_stored(connection, violation_id, tables.reports.c.user_agent),
        stored=stored or 0,
        networks=seen or 0,
        changes=_list_changes(connection, violation_id),
    )


def _count_by(connection: Connection, violation_id: int, *columns: Any) -> list[Any]:
    """Count all reports by columns of their source."""
    hours = tables.rollup_hours.c
    total = func.sum(hours.reports)
    query = (
        select(*columns, total)
        .select_from(tables.rollup_hours.join(tables.sources, tables.sources.c.id == hours.source_id))
        .where(hours.violation_id == violation_id)
        .group_by(*columns)
        .order_by(total.desc(), *columns)
        .limit(_MOST_PARTS)
    )
    return [(*row[:-1], int(row[-1])) for row in connection.execute(query)]


def _count_stored(connection: Connection, violation_id: int, *columns: Any) -> list[Part]:
    """Count the reports that are stored by columns of theirs."""
    reports = tables.reports.c
    total = func.count()
    query = (
        select(*columns, total)
        .select_from(tables.reports.join(tables.sources, tables.sources.c.id == reports.source_id))
        .where(reports.violation_id == violation_id)
        .group_by(*columns)
        .order_by(total.desc(), *columns)
        .limit(_MOST_PARTS)
    )
    return [(" ".join(part for part in row[:-1] if part), int(row[-1])) for row in connection.execute(query)]


def _list_changes(connection: Connection, violation_id: int) -> list[StatusChange]:
    changes = tables.status_changes.c
    query = (
        select(changes.at, changes.was, changes.status, changes.note)
        .where(changes.violation_id == violation_id)
        .order_by(changes.id.desc())
        .limit(_MOST_PARTS)
    )
    return [StatusChange(from_ms(row.at), row.was, row.status, row.note) for row in connection.execute(query)]
