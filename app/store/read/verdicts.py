"""Verdicts as they were recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from app.hpkp.readiness import Verdict
from app.store import tables
from app.store.engine import from_ms


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A verdict that differed from the one before; ``findings`` are severities by code."""

    id: int
    at: datetime
    revision: int
    verdict: Verdict
    headline: str
    findings: Mapping[str, str]
    change: str
    next_step: str = ""
    """The step of the plan, see `app.hpkp.readiness.plan`; empty in what was recorded by earlier versions."""


def last_verdict(connection: Connection, host: str) -> RecordedVerdict | None:
    """Return the newest verdict on a host, or None."""
    return next(iter(list_verdicts(connection, host, limit=1)), None)


def last_change(connection: Connection, host: str) -> list[RecordedVerdict]:
    """Return the verdict since when it has been what it is, and the last one that was another; fewer where none was."""
    verdicts = tables.verdicts
    of_host = select(verdicts).where(verdicts.c.host == host)
    newest = connection.execute(of_host.order_by(verdicts.c.id.desc()).limit(1)).first()
    if newest is None:
        return []
    other = connection.execute(
        of_host.where(verdicts.c.verdict != newest.verdict).order_by(verdicts.c.id.desc()).limit(1)
    ).first()
    if other is None:
        return [_verdict(newest)]
    first = connection.execute(of_host.where(verdicts.c.id > other.id).order_by(verdicts.c.id).limit(1)).one()
    return [_verdict(first), _verdict(other)]


def list_verdicts(connection: Connection, host: str, *, limit: int, before: int | None = None) -> list[RecordedVerdict]:
    """Return the verdicts on a host, the newest first; ``before`` is the id of the last one seen."""
    verdicts = tables.verdicts
    query = select(verdicts).where(verdicts.c.host == host)
    if before is not None:
        query = query.where(verdicts.c.id < before)
    return [_verdict(row) for row in connection.execute(query.order_by(verdicts.c.id.desc()).limit(limit))]


def _verdict(row: Row[Any]) -> RecordedVerdict:
    return RecordedVerdict(
        id=row.id,
        at=from_ms(row.at),
        revision=row.revision,
        verdict=Verdict(row.verdict),
        headline=row.headline,
        findings=row.findings,
        change=row.change,
        next_step=row.next_step or "",
    )
