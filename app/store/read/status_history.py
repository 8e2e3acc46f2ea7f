"""How the statuses of violations stood at a moment, and which were reported again after they were resolved."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from app.hpkp.judgement.causes import Cause
from app.hpkp.readiness.decisions import Decision
from app.hpkp.violation_status import Status
from app.store import tables
from app.store.engine import from_ms, to_ms

_IDS_AT_ONCE = 500


def statuses_at(connection: Connection, statuses: Mapping[int, str], at: datetime) -> dict[int, str]:
    """Return each violation's status at a moment: as the first change after it found it, or as it is now."""
    found = dict(statuses)
    changes = tables.status_changes
    for ids in _chunks(list(found)):
        query = (
            select(changes)
            .where(changes.c.violation_id.in_(ids), changes.c.at > to_ms(at))
            .order_by(changes.c.at.desc(), changes.c.id.desc())
        )
        found |= {change.violation_id: change.was for change in connection.execute(query)}
    return found


def reported_again(connection: Connection, ids: Sequence[int], *, until: datetime) -> dict[int, datetime]:
    """Tell of violations that were set to resolved which were reported after that, with when they were set.

    The last receipt tells it to the millisecond; as of a past moment, single reports that were kept, and hours.

    Nothing is told of those for which no change was recorded.
    """
    changes, hours = tables.status_changes, tables.rollup_hours
    last, single = tables.violations.c, tables.reports.c
    found: dict[int, datetime] = {}
    for some in _chunks(ids):
        resolved = (
            select(changes.c.violation_id, func.max(changes.c.at).label("at"))
            .where(
                changes.c.violation_id.in_(some),
                changes.c.status == Status.RESOLVED,
                changes.c.at <= to_ms(until),
            )
            .group_by(changes.c.violation_id)
            .subquery()
        )
        violation, moment = resolved.c.violation_id, resolved.c.at
        again = or_(
            select(last.id)
            .where(last.id == violation, last.last_received_at > moment, last.last_received_at <= to_ms(until))
            .exists(),
            select(single.id)
            .where(single.violation_id == violation, single.received_at > moment, single.received_at <= to_ms(until))
            .exists(),
            select(hours.c.violation_id)
            .where(hours.c.violation_id == violation, hours.c.hour > moment, hours.c.hour <= to_ms(until))
            .exists(),
        )
        query = select(violation, moment).where(again)
        found |= {row.violation_id: from_ms(row.at) for row in connection.execute(query)}
    return found


def find_decisions(
    connection: Connection, ids: Sequence[int], status: Status, *, until: datetime
) -> dict[int, Decision]:
    """Return when violations were last given a status by then, for which cause, and how many clients had been seen."""
    changes = tables.status_changes
    found: dict[int, Decision] = {}
    for some in _chunks(ids):
        query = (
            select(changes.c.violation_id, changes.c.at, changes.c.clients, changes.c.cause)
            .where(changes.c.violation_id.in_(some), changes.c.status == status, changes.c.at <= to_ms(until))
            .order_by(changes.c.at, changes.c.id)
        )
        found |= {
            row.violation_id: Decision(from_ms(row.at), row.clients, _read_cause(row.cause))
            for row in connection.execute(query)
        }
    return found


def _read_cause(stored: str | None) -> Cause | None:
    """Return a cause; None if it was not recorded, or is one that only another version of this program knows."""
    return Cause(stored) if stored in list(Cause) else None


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]
