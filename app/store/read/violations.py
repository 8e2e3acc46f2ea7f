"""Violations as they are listed and shown, with their judgement, status and counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from app.hpkp.judgement.judge import Judgement
from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.judgements import judgement_from_json
from app.store.read.filters import Filter


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation. Reports and clients are lower bounds; chains are named by their digests, see `load_chain`.

    Names, pins and the sender's result are texts, as they were stored.
    """

    id: int
    host: str
    hostname: str
    port: int | None
    noted_hostname: str | None
    include_subdomains: bool | None
    mode: str | None
    sender: str
    sender_result: str | None
    cause: str
    judgement: Judgement
    known_pins: tuple[str, ...]
    unreadable_pins: tuple[str, ...]
    served_chain: bytes | None
    validated_chain: bytes | None
    reports: int
    clients: int
    first_received_at: datetime
    last_received_at: datetime
    judged_at: datetime
    status: str
    note: str

    @property
    def cursor(self) -> str:
        """Its place in lists, which go on after it: when it was last received (milliseconds), and its id."""
        return f"{to_ms(self.last_received_at)}.{self.id}"


def list_violations(
    connection: Connection, wanted: Filter, *, limit: int, before: tuple[int, int] | None = None
) -> list[Violation]:
    """Return violations, the latest reported first; ``before`` is the cursor of the last one seen, as numbers."""
    query = select(tables.violations).where(*wanted.of_violation())
    if wanted.since is not None:
        query = query.where(tables.violations.c.last_received_at >= to_ms(wanted.since))
    if wanted.until is not None:
        query = query.where(tables.violations.c.first_received_at < to_ms(wanted.until))
    if conditions := wanted.of_source():
        query = query.where(
            tables.violations.c.id.in_(
                select(tables.rollup_hours.c.violation_id)
                .join(tables.sources, tables.sources.c.id == tables.rollup_hours.c.source_id)
                .where(*conditions)
            )
        )
    if before is not None:
        last, id_ = before
        query = query.where(
            or_(
                tables.violations.c.last_received_at < last,
                (tables.violations.c.last_received_at == last) & (tables.violations.c.id < id_),
            )
        )
    newest = tables.violations.c.last_received_at.desc(), tables.violations.c.id.desc()
    return [_violation(row) for row in connection.execute(query.order_by(*newest).limit(limit))]


def find_violation(connection: Connection, violation_id: int) -> Violation | None:
    """Return one violation, or None; no database has numbers from 2**63 on."""
    if violation_id >= 2**63:
        return None
    row = connection.execute(select(tables.violations).where(tables.violations.c.id == violation_id)).first()
    return None if row is None else _violation(row)


def _violation(row: Row[Any]) -> Violation:
    return Violation(
        id=row.id,
        host=row.host,
        hostname=row.hostname,
        port=row.port,
        noted_hostname=row.noted_hostname,
        include_subdomains=row.include_subdomains,
        mode=row.mode,
        sender=row.sender,
        sender_result=row.sender_result,
        cause=row.cause,
        judgement=judgement_from_json(row.judgement),
        known_pins=tuple(row.known_pins),
        unreadable_pins=tuple(row.unreadable_pins),
        served_chain=row.served_chain,
        validated_chain=row.validated_chain,
        reports=row.reports,
        clients=row.clients,
        first_received_at=from_ms(row.first_received_at),
        last_received_at=from_ms(row.last_received_at),
        judged_at=from_ms(row.judged_at),
        status=row.status,
        note=row.note,
    )
