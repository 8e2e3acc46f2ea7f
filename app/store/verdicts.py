"""Verdicts over time: each that differs from the one before, with what changed it, and the numbers of each day."""

from collections.abc import Set
from datetime import datetime

from sqlalchemy import Connection, insert, or_, select, update

from app.hpkp.readiness import Readiness
from app.hpkp.readiness.messages import VERDICTS, describe_change
from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event
from app.store.read.verdicts import last_verdict
from app.store.upsert import upsert_rows

_IDS_AT_ONCE = 500
_DAY_MS = 86_400_000
_NUMBERS = tuple(column.name for column in tables.decision_days.c if not column.primary_key)


def record_verdict(
    connection: Connection, host: str, revision: int, answer: Readiness, *, counting: Set[int], at: datetime
) -> bool:
    """Record a verdict where it, its revision or its findings are others than before; a changed verdict is an event.

    Where they are the same, the one before gets the headline and the step of the plan of now. ``counting`` are the
    violations that counted for it.
    """
    _record_counting(connection, host, counting)
    _record_day(connection, host, revision, answer, at=to_ms(at))
    findings = {finding.code: finding.severity.value for finding in answer.findings}
    before = last_verdict(connection, host)
    if before is not None and (before.verdict, before.revision, before.findings) == (
        answer.verdict, revision, findings,
    ):  # fmt: skip
        now = {"headline": answer.headline, "next_step": answer.plan.step}
        if now != {"headline": before.headline, "next_step": before.next_step}:
            last = tables.verdicts.c.id == before.id
            connection.execute(update(tables.verdicts).where(last).values(now))
        return False
    change = describe_change(
        None if before is None else before.findings,
        findings,
        revision=revision,
        before_revision=None if before is None else before.revision,
    )
    connection.execute(
        insert(tables.verdicts).values(
            host=host,
            at=to_ms(at),
            revision=revision,
            verdict=answer.verdict,
            headline=answer.headline,
            findings=findings,
            change=change,
            next_step=answer.plan.step,
        )
    )
    if before is None or before.verdict != answer.verdict:
        was = "" if before is None else f" (it was {VERDICTS[before.verdict]})"
        text = f"The verdict is {VERDICTS[answer.verdict]}{was}. {change}"
        add_event(connection, "verdict_changed", text[:1000], host=host, at=to_ms(at))
    return True


def _record_day(connection: Connection, host: str, revision: int, answer: Readiness, *, at: int) -> None:
    """Record the numbers of the day for each audience. Most assessments change none of them, and write nothing."""
    table, day = tables.decision_days, at // _DAY_MS * _DAY_MS
    known = select(table).where(table.c.host == host, table.c.day == day)
    before = [dict(row) | {"at": at} for row in connection.execute(known).mappings()]
    rows: list[dict[str, object]] = []
    for one in answer.audiences:
        numbers = one.estimate
        rows.append({
            "host": host, "day": day, "audience": str(one.audience), "app": one.audience.app,
            "app_version": one.audience.version, "at": at, "revision": revision, "verdict": one.verdict.value,
            "locked_out": numbers.ours.at_least, "exposed": numbers.of, "share": numbers.share, "upper": numbers.upper,
            "share_limit": answer.thresholds.lockout_share,
            "delivery": None if numbers.delivery is None else numbers.delivery.lower,
            "covered_days": len(one.days.covered), "needed_days": one.needed_days,
            "criteria": {name: state.value for name, state in one.criteria.items()},
        })  # fmt: skip
    upsert_rows(connection, table, [row for row in rows if row not in before], put=_NUMBERS)


def _record_counting(connection: Connection, host: str, counting: Set[int]) -> None:
    """Record which violations of a host count. Only those are read that count, or of which it is unknown."""
    violations = tables.violations.c
    told = select(violations.id, violations.counts).where(
        violations.host == host, or_(violations.counts, violations.counts.is_(None))
    )
    before = {row.id: row.counts for row in connection.execute(told)}
    counted = {id_ for id_, counts in before.items() if counts}
    for ids, counts in ((counting - counted, True), (before.keys() - counting, False)):
        changed = sorted(ids)
        for start in range(0, len(changed), _IDS_AT_ONCE):
            some = violations.id.in_(changed[start : start + _IDS_AT_ONCE])
            connection.execute(update(tables.violations).where(some).values(counts=counts))
