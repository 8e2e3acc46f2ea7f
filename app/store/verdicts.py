"""Verdicts over time: each that differs from the one before, with what changed it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from app.hpkp.readiness import Readiness, Verdict
from app.hpkp.readiness.words import VERDICTS, describe_change
from app.store import tables
from app.store.engine import to_ms
from app.store.events import add_event


def record_verdict(connection: Connection, host: str, revision: int, answer: Readiness, *, at: datetime) -> bool:
    """Record a verdict where it, its revision or its findings are others than before; a changed verdict is an event.

    Where they are the same, the headline of the one before gets the numbers of today.
    """
    findings = {finding.code: finding.severity.value for finding in answer.findings}
    before = last_verdict(connection, host)
    if before is not None and (before.verdict, before.revision, before.findings) == (
        answer.verdict, revision, findings,
    ):  # fmt: skip
        if before.headline != answer.headline:
            last = tables.verdicts.c.id == before.id
            connection.execute(update(tables.verdicts).where(last).values(headline=answer.headline))
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
        )
    )
    if before is None or before.verdict != answer.verdict:
        was = "" if before is None else f" (it was {VERDICTS[Verdict(before.verdict)]})"
        text = f"The verdict is {VERDICTS[answer.verdict]}{was}. {change}"
        add_event(connection, "verdict_changed", text[:1000], host=host, at=to_ms(at))
    return True


def last_verdict(connection: Connection, host: str) -> Row[Any] | None:
    """Return the newest verdict on a host, or None."""
    return next(iter(list_verdicts(connection, host, limit=1)), None)


def last_change(connection: Connection, host: str) -> Sequence[Row[Any]]:
    """Return the verdict since when it has been what it is, and the last one that was another; fewer where none was."""
    verdicts = tables.verdicts
    of_host = select(verdicts).where(verdicts.c.host == host)
    newest = connection.execute(of_host.order_by(verdicts.c.id.desc()).limit(1)).first()
    if newest is None:
        return ()
    other = connection.execute(
        of_host.where(verdicts.c.verdict != newest.verdict).order_by(verdicts.c.id.desc()).limit(1)
    ).first()
    if other is None:
        return (newest,)
    first = connection.execute(of_host.where(verdicts.c.id > other.id).order_by(verdicts.c.id).limit(1)).one()
    return first, other


def list_verdicts(connection: Connection, host: str, *, limit: int, before: int | None = None) -> Sequence[Row[Any]]:
    """Return the verdicts on a host, the newest first; ``before`` is the id of the last one seen."""
    verdicts = tables.verdicts
    query = select(verdicts).where(verdicts.c.host == host)
    if before is not None:
        query = query.where(verdicts.c.id < before)
    return connection.execute(query.order_by(verdicts.c.id.desc()).limit(limit)).all()
