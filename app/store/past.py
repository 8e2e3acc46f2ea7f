"""What a past moment's verdict rests on: evidence as it was known then, judged by the rules of today.

Slower than `gather_evidence`, which answers for now: what was judged since is judged again under the policy of then.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from app.hpkp.causes import Cause
from app.hpkp.exposure import add_up
from app.hpkp.policy import PolicyHistory
from app.hpkp.readiness import Evidence, OpenViolation
from app.store import tables
from app.store.additions import JudgeReport
from app.store.canaries import last_canary
from app.store.engine import from_ms, to_ms
from app.store.exposures import list_exposure
from app.store.networks import believe
from app.store.summaries import IGNORED, OPEN, count_groups, walk_counted
from app.store.violations import Filter, load_report

_IDS_AT_ONCE = 500


def gather_past_evidence(
    connection: Connection, host: str, history: PolicyHistory, judge: JudgeReport, *, since: datetime, until: datetime
) -> Evidence:
    """Gather what was known at ``until`` of a window, by the hour: the last one counts whole.

    ``history`` is the policy's as it was known then. What was removed since by age is not known any more.
    """
    counted = list(walk_counted(connection, Filter(host=host, since=since, until=until)))
    once_ignored = _once_ignored(connection, host)
    statuses = dict(_statuses(connection, [*(row for row, _ in counted), *once_ignored], until))
    hostnames: Counter[str] = Counter()
    for row, reports in counted:
        hostnames[row.hostname] += reports

    def as_known(row: Row[Any], reports: int) -> OpenViolation:
        return _as_known(connection, row, reports, history, judge, until)

    opened = [(as_known(row, reports), row.first_received_at) for row, reports in counted if statuses[row.id] in OPEN]
    ignored = [
        (row.id, as_known(row, 0).cause, row.first_received_at)
        for row in once_ignored
        if statuses[row.id] == IGNORED and row.first_received_at <= to_ms(until)
    ]
    violations, left_out = believe(connection, opened, ignored, by=until)
    return Evidence(
        reports=sum(reports for _, reports in counted),
        open_violations=violations,
        left_out=left_out,
        clients=count_groups(connection, violations, since=since, until=until),
        exposure=add_up(
            list_exposure(connection, host, since=since, until=until, known_by=until), since=since, until=until
        ),
        canary=last_canary(connection, host, since=since, until=until),
        hostnames=dict(hostnames),
    )


def _as_known(
    connection: Connection, row: Row[Any], reports: int, history: PolicyHistory, judge: JudgeReport, until: datetime
) -> OpenViolation:
    """Return a violation as it was judged then; where it was judged since, it is judged again for then."""
    at = to_ms(until)
    cause, locks_out = row.cause, row.judgement["locks_out"]
    if row.judged_at > at:
        judged = judge(load_report(connection, row), history, row.first_received_at, at)
        cause, locks_out = judged.cause, judged.locks_out
    return OpenViolation(
        id=row.id,
        cause=Cause(cause),
        reports=reports,
        last_received_at=from_ms(min(row.last_received_at, at)),
        locks_out=locks_out,
        hostname=row.hostname,
    )


def _once_ignored(connection: Connection, host: str) -> Sequence[Row[Any]]:
    """Return the violations of a host that are ignored, or were."""
    violations, changes = tables.violations, tables.status_changes
    was = select(changes.c.violation_id).where(
        changes.c.violation_id == violations.c.id, or_(changes.c.status == IGNORED, changes.c.was == IGNORED)
    )
    query = select(violations).where(violations.c.host == host, or_(violations.c.status == IGNORED, was.exists()))
    return connection.execute(query).all()


def _statuses(connection: Connection, rows: Sequence[Row[Any]], at: datetime) -> Iterator[tuple[int, str]]:
    """Tell each violation's status at a moment: as the first change after it found it, or as it is."""
    then = to_ms(at)
    for start in range(0, len(rows), _IDS_AT_ONCE):
        some = rows[start : start + _IDS_AT_ONCE]
        changes = _changes(connection, [row.id for row in some])
        for row in some:
            later = (change.was for change in changes.get(row.id, ()) if change.at > then)
            yield row.id, next(later, row.status)


def _changes(connection: Connection, ids: Iterable[int]) -> dict[int, list[Row[Any]]]:
    changes = tables.status_changes
    found: dict[int, list[Row[Any]]] = {}
    query = select(changes).where(changes.c.violation_id.in_(list(ids))).order_by(changes.c.at, changes.c.id)
    for row in connection.execute(query):
        found.setdefault(row.violation_id, []).append(row)
    return found
