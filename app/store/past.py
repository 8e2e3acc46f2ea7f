"""What a past moment's verdict rests on: evidence as it was known then, judged by the rules of today.

Slower than `gather_evidence`, which answers for now: what was judged since is judged again under the policy of then.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from app.hpkp.exposure import add_up
from app.hpkp.judgement.causes import Cause
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.policy import PolicyHistory
from app.hpkp.readiness import Evidence, OpenViolation
from app.store import tables
from app.store.canaries import last_canary
from app.store.engine import from_ms, to_ms
from app.store.exposures import list_exposure
from app.store.networks import believe
from app.store.statuses import reported_again, statuses_at
from app.store.summaries import OPEN, count_groups, walk_counted
from app.store.violations import Filter, Status, load_report


def gather_past_evidence(
    connection: Connection, host: str, history: PolicyHistory, judge: JudgeReport, *, since: datetime, until: datetime
) -> Evidence:
    """Gather what was known at ``until`` of a window, by the hour: the last one counts whole.

    ``history`` is the policy's as it was known then. What was removed since by age is not known any more.
    """
    counted = list(walk_counted(connection, Filter(host=host, since=since, until=until)))
    once_ignored = _once_ignored(connection, host)
    statuses = statuses_at(connection, [*(row for row, _ in counted), *once_ignored], until)
    resolved = [row.id for row, _ in counted if statuses[row.id] == Status.RESOLVED]
    again = reported_again(connection, resolved, until=until)
    hostnames: Counter[str] = Counter()
    for row, reports in counted:
        hostnames[row.hostname] += reports

    def as_known(row: Row[Any], reports: int) -> OpenViolation:
        return replace(_as_known(connection, row, reports, history, judge, until), resolved_at=again.get(row.id))

    opened = [
        (as_known(row, reports), row.first_received_at)
        for row, reports in counted
        if statuses[row.id] in OPEN or row.id in again
    ]
    ignored = [
        (row.id, as_known(row, 0).cause, row.first_received_at)
        for row in once_ignored
        if statuses[row.id] == Status.IGNORED and row.first_received_at <= to_ms(until)
    ]
    believed = believe(connection, opened, ignored, by=until)
    return Evidence(
        reports=sum(reports for _, reports in counted),
        open_violations=believed.violations,
        left_out=believed.left_out,
        networks=believed.networks,
        clients=count_groups(connection, believed.violations, since=since, until=until),
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
        changes.c.violation_id == violations.c.id,
        or_(changes.c.status == Status.IGNORED, changes.c.was == Status.IGNORED),
    )
    query = select(violations).where(
        violations.c.host == host, or_(violations.c.status == Status.IGNORED, was.exists())
    )
    return connection.execute(query).all()
