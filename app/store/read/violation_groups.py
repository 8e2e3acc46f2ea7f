"""Violations as lists show them: merged by host, cause, issuer and status, searched, sorted and paged.

::

    Filter ──list_groups──> Groups: one row for fifty leaves of one proxy, with its totals
    a row  ──list_members──> its violations, the most reported first

The number of statements does not depend on how many hosts or violations there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from app.hpkp.judgement.causes import Cause, Impact
from app.hpkp.violation_status import OPEN
from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.read.filters import Filter, impact_of_violation

GroupKey = tuple[str, str, str | None, str]
"""Host, cause, issuer of the leaf, status."""

_MOST_MEMBERS_SHOWN = 6


class Order(StrEnum):
    """What a list begins with."""

    SEVERITY = "severity"
    LAST = "last"
    FIRST = "first"
    REPORTS = "reports"
    CLIENTS = "clients"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class LatestSource:
    """Where the latest stored report of a violation came from; empty texts: not sent."""

    app: str
    app_version: str
    platform: str


@dataclass(frozen=True, slots=True)
class Member:
    """One violation of a group."""

    id: int
    hostname: str
    reports: int
    clients: int
    last_received_at: datetime


@dataclass(frozen=True, slots=True)
class ViolationGroup:
    """Violations that one decision can close. Reports and clients are lower bounds.

    ``clients`` are those of the violation that most reported: clients of different violations may be the same ones.
    ``locks_out`` is None if it is unknown for all, and ``mixed`` says that it differs. ``counts``: for the verdict,
    when the host was last assessed.
    """

    host: str
    cause: Cause
    issuer: str | None
    status: str
    impact: Impact
    first_id: int
    violations: int
    reports: int
    clients: int
    first_received_at: datetime
    last_received_at: datetime
    hostname: str
    more_hostnames: bool
    sender: str
    more_senders: bool
    mode: str | None
    locks_out: bool | None
    mixed: bool
    counts: bool
    note: str
    source: LatestSource | None = None
    members: Sequence[Member] = ()

    @property
    def key(self) -> GroupKey:
        """What its violations have in common."""
        return self.host, self.cause, self.issuer, self.status


@dataclass(frozen=True, slots=True)
class Groups:
    """A page of a list, and how much there is in all."""

    shown: Sequence[ViolationGroup]
    groups: int
    violations: int
    reports: int


def list_groups(
    connection: Connection, wanted: Filter, *, order: Order, merged: bool, limit: int, offset: int
) -> Groups:
    """Return a page of the violations that are wanted; without ``merged`` every violation is a row."""
    violations = tables.violations.c
    grouped = _grouped(wanted, merged=merged).subquery()
    # The totals come with each row, so that the violations are read once and not a second time to count them.
    totals = (
        func.count().over().label("all_groups"),
        func.sum(grouped.c.violations).over().label("all_violations"),
        func.sum(grouped.c.reports).over().label("all_reports"),
    )
    query = select(grouped, *totals).order_by(*_sorted_by(grouped.c, order))
    rows = connection.execute(query.limit(limit).offset(offset)).all()
    first_row = next(iter(rows or connection.execute(query.limit(1)).all()), None)
    first = {row.first_id for row in rows}
    texts = select(violations.id, violations.note).where(violations.id.in_(first))
    notes = {row.id: row.note for row in connection.execute(texts)}
    sources = _find_latest_sources(connection, first)
    members = list_members(connection, wanted, [_key(row) for row in rows if row.violations > 1])
    shown = tuple(
        _group(row, note=notes.get(row.first_id, ""), source=sources.get(row.first_id), members=members[_key(row)])
        for row in rows
    )
    if first_row is None:
        return Groups((), groups=0, violations=0, reports=0)
    return Groups(
        shown,
        groups=first_row.all_groups,
        violations=int(first_row.all_violations),
        reports=int(first_row.all_reports),
    )


def list_ids(connection: Connection, wanted: Filter, keys: Sequence[GroupKey] | None, *, limit: int) -> list[int]:
    """Return the violations that are wanted, of some groups or of all, in the order of their ids."""
    violations = tables.violations.c
    query = select(violations.id).where(*_conditions(wanted))
    if keys is not None:
        query = query.where(_is_in(keys))
    return list(connection.scalars(query.order_by(violations.id).limit(limit)))


def find_keys(connection: Connection, ids: Iterable[int]) -> list[GroupKey]:
    """Return the groups of some violations."""
    violations = tables.violations.c
    columns = violations.host, violations.cause, violations.leaf_issuer, violations.status
    rows = connection.execute(select(*columns).where(violations.id.in_(list(ids))).distinct())
    return [(row.host, row.cause, row.leaf_issuer, row.status) for row in rows]


def list_members(
    connection: Connection, wanted: Filter, keys: Sequence[GroupKey]
) -> defaultdict[GroupKey, list[Member]]:
    """Return the most reported violations of each of these groups."""
    found: defaultdict[GroupKey, list[Member]] = defaultdict(list)
    if not keys:
        return found
    violations = tables.violations.c
    key = violations.host, violations.cause, violations.leaf_issuer, violations.status
    place = func.row_number().over(partition_by=key, order_by=(violations.reports.desc(), violations.id))
    numbered = (
        select(
            *key,
            violations.id,
            violations.hostname,
            violations.reports,
            violations.clients,
            violations.last_received_at,
            place.label("place"),
        )
        .where(*_conditions(wanted), _is_in(keys))
        .subquery()
    )
    rows = connection.execute(
        select(numbered).where(numbered.c.place <= _MOST_MEMBERS_SHOWN).order_by(numbered.c.place)
    )
    for row in rows:
        member = Member(row.id, row.hostname, row.reports, row.clients, from_ms(row.last_received_at))
        found[row.host, row.cause, row.leaf_issuer, row.status].append(member)
    return found


def _conditions(wanted: Filter) -> list[Any]:
    """Return the conditions on violations, with the window and the sources of their reports."""
    violations = tables.violations.c
    found = wanted.of_violation()
    if wanted.since is not None:
        found.append(violations.last_received_at >= to_ms(wanted.since))
    if wanted.until is not None:
        found.append(violations.first_received_at < to_ms(wanted.until))
    if conditions := wanted.of_source():
        hours = tables.rollup_hours.c
        of_sources = select(hours.violation_id).join(tables.sources, tables.sources.c.id == hours.source_id)
        found.append(violations.id.in_(of_sources.where(*conditions)))
    return found


def _grouped(wanted: Filter, *, merged: bool) -> Select[Any]:
    violations = tables.violations.c
    key: list[ColumnElement[Any]] = [violations.host, violations.cause, violations.leaf_issuer, violations.status]
    impact = impact_of_violation()
    rank = case({str(Impact.BLOCKER): 0, str(Impact.WARNING): 1}, value=impact, else_=2)
    locks_out = case((violations.locks_out.is_(True), 1), (violations.locks_out.is_(False), 0))
    return (
        select(
            *key,
            # A closed violation comes after all that are open, whatever it means for the verdict.
            func.min(case((violations.status.in_([str(status) for status in OPEN]), rank), else_=rank + 3)).label(
                "rank"
            ),
            func.min(violations.id).label("first_id"),
            func.count().label("violations"),
            func.sum(violations.reports).label("reports"),
            func.max(violations.clients).label("clients"),
            func.min(violations.first_received_at).label("first_received_at"),
            func.max(violations.last_received_at).label("last_received_at"),
            func.min(violations.hostname).label("hostname"),
            func.max(violations.hostname).label("last_hostname"),
            func.min(violations.sender).label("sender"),
            func.max(violations.sender).label("last_sender"),
            func.min(violations.mode).label("mode"),
            func.min(locks_out).label("least_locks_out"),
            func.max(locks_out).label("most_locks_out"),
            func.count(violations.locks_out).label("known_lockouts"),
            func.max(case((violations.counts.is_(True), 1), else_=0)).label("counts"),
        )
        .where(*_conditions(wanted))
        .group_by(*key, *([] if merged else [violations.id]))
    )


def _sorted_by(columns: Any, order: Order) -> list[Any]:
    newest = columns.last_received_at.desc(), columns.first_id.desc()
    by = {
        Order.SEVERITY: [columns.rank, columns.reports.desc()],
        Order.LAST: [],
        Order.FIRST: [columns.first_received_at.desc()],
        Order.REPORTS: [columns.reports.desc()],
        Order.CLIENTS: [columns.clients.desc()],
        Order.HOST: [columns.host, columns.rank],
    }
    return [*by[order], *newest]


def _key(row: Any) -> GroupKey:
    return row.host, row.cause, row.leaf_issuer, row.status


def _is_in(keys: Sequence[GroupKey]) -> Any:
    violations = tables.violations.c
    # The hosts are named first because they have an index; no index has an OR of all keys.
    hosts = violations.host.in_(sorted({host for host, *_ in keys}))
    return hosts & or_(
        *(
            and_(
                violations.host == host,
                violations.cause == str(cause),
                violations.leaf_issuer.is_(None) if issuer is None else violations.leaf_issuer == issuer,
                violations.status == status,
            )
            for host, cause, issuer, status in keys
        )
    )


def _find_latest_sources(connection: Connection, ids: Iterable[int]) -> dict[int, LatestSource]:
    """Return where the latest stored report of each of some violations came from."""
    reports, sources = tables.reports.c, tables.sources.c
    newest = select(func.max(reports.id)).where(reports.violation_id.in_(list(ids))).group_by(reports.violation_id)
    query = (
        select(reports.violation_id, sources.app, sources.app_version, sources.platform)
        .join(tables.sources, sources.id == reports.source_id)
        .where(reports.id.in_(newest))
    )
    return {row.violation_id: LatestSource(row.app, row.app_version, row.platform) for row in connection.execute(query)}


def _group(row: Any, *, note: str, source: LatestSource | None, members: Sequence[Member]) -> ViolationGroup:
    unknown = row.known_lockouts < row.violations
    return ViolationGroup(
        host=row.host,
        cause=Cause(row.cause),
        issuer=row.leaf_issuer,
        status=row.status,
        impact=(Impact.BLOCKER, Impact.WARNING, Impact.INFO)[row.rank % 3],
        first_id=row.first_id,
        violations=row.violations,
        reports=int(row.reports),
        clients=row.clients,
        first_received_at=from_ms(row.first_received_at),
        last_received_at=from_ms(row.last_received_at),
        hostname=row.hostname,
        more_hostnames=row.hostname != row.last_hostname,
        sender=row.sender,
        more_senders=row.sender != row.last_sender,
        mode=row.mode,
        locks_out=None if row.most_locks_out is None else bool(row.most_locks_out),
        mixed=row.least_locks_out != row.most_locks_out or (unknown and row.known_lockouts > 0),
        counts=bool(row.counts),
        note=note,
        source=source,
        members=tuple(members),
    )
