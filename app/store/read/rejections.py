"""Rejected submissions as the operator may look at them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from app.store import tables
from app.store.engine import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class Rejection:
    """A submission that was not taken, with the beginning of its body."""

    id: int
    received_at: datetime
    outcome: str
    reason: str
    pointer: str | None
    label: str
    content_type: str | None
    user_agent: str | None
    length: int
    sample: str


def list_rejections(
    connection: Connection, *, outcome: str | None, limit: int, before: int | None = None
) -> list[Rejection]:
    """Return rejected submissions, the newest first."""
    query = select(tables.rejections)
    if outcome is not None:
        query = query.where(tables.rejections.c.outcome == outcome)
    if before is not None:
        query = query.where(tables.rejections.c.id < before)
    rows = connection.execute(query.order_by(tables.rejections.c.id.desc()).limit(limit))
    return [
        Rejection(
            id=row.id,
            received_at=from_ms(row.received_at),
            outcome=row.outcome,
            reason=row.reason,
            pointer=row.pointer,
            label=row.label,
            content_type=row.content_type,
            user_agent=row.user_agent,
            length=row.length,
            sample=row.sample,
        )
        for row in rows
    ]


def count_rejections(connection: Connection, *, since: datetime) -> dict[str, int]:
    """Count rejections since a moment by outcome; no more of them than are kept."""
    rejections = tables.rejections
    rows = connection.execute(
        select(rejections.c.outcome, func.count())
        .where(rejections.c.received_at >= to_ms(since))
        .group_by(rejections.c.outcome)
    )
    return {row[0]: row[1] for row in rows}
