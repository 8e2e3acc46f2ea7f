"""Hosts as their list shows them: searched, sorted and paged, each with the verdict that was recorded last.

Verdicts are read and not assessed, so that a page of a thousand hosts takes as many statements as one of ten.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from app.hpkp.findings import Severity
from app.hpkp.readiness import Verdict
from app.hpkp.violation_status import OPEN
from app.store import tables
from app.store.engine import from_ms, to_ms


class Standing(StrEnum):
    """What a list says of a host, the most urgent first."""

    NOT_READY = "not_ready"
    NOT_ASSESSED = "not_assessed"
    """It has a policy, and no verdict was recorded yet."""
    NOT_ENOUGH_DATA = "not_enough_data"
    NO_POLICY = "no_policy"
    READY = "ready"


class HostOrder(StrEnum):
    """What the list begins with."""

    SEVERITY = "severity"
    NAME = "name"
    REPORTS = "reports"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class ListedHost:
    """A host of the list. Reports are a lower bound; ``findings`` are severities by code, as they were recorded."""

    name: str
    standing: Standing
    mode: str | None
    headline: str
    findings: Mapping[str, str]
    next_step: str
    reports: int
    violations: int
    open_violations: int
    last_received_at: datetime | None

    @property
    def blockers(self) -> list[str]:
        """Codes of the blockers of the verdict that was recorded last."""
        return [code for code, severity in self.findings.items() if severity == Severity.BLOCKER]


@dataclass(frozen=True, slots=True)
class HostPage:
    """A page of the list, with how many hosts there are of each standing, and reports by day of those shown."""

    shown: Sequence[ListedHost]
    matching: int
    by_standing: Mapping[Standing, int]
    days: Mapping[str, Sequence[tuple[datetime, int]]]


def list_host_page(
    connection: Connection,
    *,
    text: str | None,
    standing: Standing | None,
    order: HostOrder,
    limit: int,
    offset: int,
    since: datetime,
) -> HostPage:
    """Return a page of the hosts whose name contains a text; ``since`` is the first day that is counted by itself."""
    counts = dict.fromkeys(Standing, 0)
    stood = _with_standing(text).subquery()
    for row in connection.execute(select(stood.c.standing, func.count().label("hosts")).group_by(stood.c.standing)):
        counts[Standing(row.standing)] = row.hosts
    listed = _with_counts(text).subquery()
    query = select(listed, tables.verdicts.c.headline, tables.verdicts.c.findings, tables.verdicts.c.next_step)
    query = query.outerjoin(tables.verdicts, tables.verdicts.c.id == listed.c.verdict_id)
    if standing is not None:
        query = query.where(listed.c.standing == str(standing))
    rows = connection.execute(query.order_by(*_sorted_by(listed.c, order)).limit(limit).offset(offset)).all()
    shown = [_host(row) for row in rows]
    return HostPage(
        shown=shown,
        matching=sum(counts.values()) if standing is None else counts[standing],
        by_standing=counts,
        days=_count_days(connection, [host.name for host in shown], since),
    )


def _with_standing(text: str | None) -> Select[Any]:
    """Select hosts with what their list says of each.

    Policy and verdict are looked up for each host by an index: SQLite joins derived tables of 1,000 rows in 40 ms.
    """
    hosts, verdicts, policies = tables.hosts.c, tables.verdicts.c, tables.policy_revisions.c
    in_force = (
        select(case((policies.withdrawn.is_(False), policies.mode)))
        .where(policies.host == hosts.name)
        .order_by(policies.effective_from.desc(), policies.revision.desc())
        .limit(1)
        .scalar_subquery()
    )
    last = select(func.max(verdicts.id)).where(verdicts.host == hosts.name).scalar_subquery()
    looked_up = select(hosts.name, in_force.label("mode"), last.label("last_verdict"))
    if text:
        looked_up = looked_up.where(hosts.name.icontains(text, autoescape=True))
    host = looked_up.subquery()
    known = (Verdict.NOT_READY, Verdict.NOT_ENOUGH_DATA, Verdict.READY)
    standing = case(
        (host.c.mode.is_(None), str(Standing.NO_POLICY)),
        *((verdicts.verdict == str(one), str(Standing(one.value))) for one in known),
        else_=str(Standing.NOT_ASSESSED),
    )
    return select(
        host.c.name,
        host.c.mode,
        standing.label("standing"),
        case((host.c.mode.is_not(None), verdicts.id)).label("verdict_id"),
    ).select_from(host.outerjoin(tables.verdicts, verdicts.id == host.c.last_verdict))


def _with_counts(text: str | None) -> Select[Any]:
    """Select hosts with all that they are sorted by."""
    violations = tables.violations.c
    stood = _with_standing(text).subquery()
    is_open = violations.status.in_([str(status) for status in OPEN])
    counted = (
        select(
            violations.host,
            func.count().label("violations"),
            func.sum(case((is_open, 1), else_=0)).label("open_violations"),
            func.sum(violations.reports).label("reports"),
            func.sum(case((is_open, violations.reports), else_=0)).label("open_reports"),
            func.max(violations.last_received_at).label("last_received_at"),
        )
        .group_by(violations.host)
        .subquery()
    )
    counts = ("reports", "open_reports", "violations", "open_violations")
    return select(
        stood,
        *(func.coalesce(counted.c[name], 0).label(name) for name in counts),
        counted.c.last_received_at,
    ).outerjoin(counted, counted.c.host == stood.c.name)


def _sorted_by(columns: Any, order: HostOrder) -> list[Any]:
    rank = case({str(standing): place for place, standing in enumerate(Standing)}, value=columns.standing)
    by = {
        HostOrder.SEVERITY: [rank, columns.open_reports.desc()],
        HostOrder.NAME: [],
        HostOrder.REPORTS: [columns.reports.desc()],
        HostOrder.LAST: [func.coalesce(columns.last_received_at, 0).desc()],
    }
    return [*by[order], columns.name]


def _count_days(
    connection: Connection, hosts: Sequence[str], since: datetime
) -> Mapping[str, Sequence[tuple[datetime, int]]]:
    """Count the reports of some hosts by day."""
    days = tables.host_days.c
    query = (
        select(days.host, days.day, func.sum(days.reports).label("reports"))
        .where(days.host.in_(hosts), days.day >= to_ms(since))
        .group_by(days.host, days.day)
        .order_by(days.day)
    )
    found: defaultdict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.host].append((from_ms(row.day), int(row.reports)))
    return found


def _host(row: Any) -> ListedHost:
    return ListedHost(
        name=row.name,
        standing=Standing(row.standing),
        mode=row.mode,
        headline=row.headline or "",
        findings=row.findings or {},
        next_step=row.next_step or "",
        reports=int(row.reports),
        violations=row.violations,
        open_violations=int(row.open_violations),
        last_received_at=None if row.last_received_at is None else from_ms(row.last_received_at),
    )
