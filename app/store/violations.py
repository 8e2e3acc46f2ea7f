"""Violations as they are read, annotated and closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, or_, select, update

from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.x509.certificate import Chain, Element, UnreadableCertificate, read_certificate
from app.store import tables
from app.store.engine import from_ms, to_ms
from app.store.events import add_event


class Status(StrEnum):
    """What the operator says of a violation."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXPECTED = "expected"
    IGNORED = "ignored"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look at; None leaves a thing open. Instants are of receipt; ``until`` is exclusive."""

    host: str | None = None
    cause: str | None = None
    status: str | None = None
    sender: str | None = None
    mode: str | None = None
    app: str | None = None
    app_version: str | None = None
    platform: str | None = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def of_violation(self) -> list[Any]:
        """Conditions on a violation itself."""
        found: list[Any] = []
        if self.host is not None:
            found.append(or_(tables.violations.c.host == self.host, tables.violations.c.hostname == self.host))
        columns = ("cause", "status", "sender", "mode")
        stated = {column: getattr(self, column) for column in columns if getattr(self, column) is not None}
        found.extend(tables.violations.c[column] == wanted for column, wanted in stated.items())
        return found

    def of_source(self) -> list[Any]:
        """Conditions on where a report came from."""
        named = {
            "app": self.app,
            "app_version": self.app_version,
            "platform": self.platform,
            "label": self.label,
        }
        return [tables.sources.c[column] == wanted for column, wanted in named.items() if wanted is not None]


def list_violations(
    connection: Connection, wanted: Filter, *, limit: int, before: tuple[int, int] | None = None
) -> Sequence[Row[Any]]:
    """Return violations, the latest reported first; ``before`` is (last_received_at, id) of the last one seen."""
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
    return connection.execute(
        query.order_by(tables.violations.c.last_received_at.desc(), tables.violations.c.id.desc()).limit(limit)
    ).all()


def get_violation(connection: Connection, violation_id: int) -> Row[Any] | None:
    """Return one violation, or None."""
    return connection.execute(select(tables.violations).where(tables.violations.c.id == violation_id)).first()


def set_status(
    connection: Connection, violation_id: int, *, status: str | None, note: str | None, at: datetime
) -> bool:
    """Set status, note, or both; whether there is such a violation.

    Another status is recorded and an event, and so is `resolved` once more: it counts from the last time.
    """
    violations = tables.violations
    one = violations.c.id == violation_id
    before = connection.execute(select(violations).where(one).with_for_update()).first()
    if before is None:
        return False
    now = {"status": status or before.status, "note": before.note if note is None else note}
    connection.execute(update(violations).where(one).values(**now))
    if now["status"] != before.status or status == Status.RESOLVED:
        change = {"violation_id": violation_id, "at": to_ms(at), "was": before.status, **now}
        connection.execute(insert(tables.status_changes).values(**change))
        told = f"Violation {violation_id} ({before.cause}) was {before.status} and is {now['status']}"
        why = f": {now['note']}" if now["note"] else ""
        add_event(connection, "status_changed", (told + why)[:1000], host=before.host, at=to_ms(at))
    return True


def load_chain(connection: Connection, digest: bytes | None) -> Chain | None:
    """Load a chain as it was sent; None where the sender sent none."""
    if digest is None:
        return None
    elements = connection.execute(select(tables.chains.c.elements).where(tables.chains.c.digest == digest)).scalar_one()
    wanted = [bytes.fromhex(element["sha256"]) for element in elements if "sha256" in element]
    rows = connection.execute(
        select(tables.certificates.c.sha256, tables.certificates.c.der).where(tables.certificates.c.sha256.in_(wanted))
    )
    ders = {bytes(row.sha256): bytes(row.der) for row in rows}

    def element(position: int, stored: dict[str, str]) -> Element:
        if "sha256" not in stored:
            pin = parse_pin(stored["pin"]) if "pin" in stored else None
            return UnreadableCertificate(position, stored["unreadable"], pin=pin)
        return read_certificate(ders[bytes.fromhex(stored["sha256"])], position=position)

    return tuple(element(position, stored) for position, stored in enumerate(elements))


def load_report(connection: Connection, row: Row[Any]) -> ViolationReport:
    """Make the report again that a violation was judged by."""
    return ViolationReport(
        hostname=Host(row.hostname),
        sender=Sender(row.sender),
        port=row.port,
        noted_hostname=None if row.noted_hostname is None else Host(row.noted_hostname),
        include_subdomains=row.include_subdomains,
        mode=None if row.mode is None else Mode(row.mode),
        known_pins=tuple(map(parse_pin, row.known_pins)),
        unreadable_pins=tuple(row.unreadable_pins),
        served_chain=load_chain(connection, row.served_chain),
        validated_chain=load_chain(connection, row.validated_chain),
        sender_result=None if row.sender_result is None else SenderResult(row.sender_result),
        date_time=None if row.date_time is None else from_ms(row.date_time),
        contradictions=tuple(row.contradictions),
    )


def list_reports(
    connection: Connection, violation_id: int, wanted: Filter, *, limit: int, before: int | None = None
) -> Sequence[Row[Any]]:
    """Return single reports of a violation, the newest first; of the filter, source and window count."""
    query = _reports().where(tables.reports.c.violation_id == violation_id, *wanted.of_source())
    if wanted.since is not None:
        query = query.where(tables.reports.c.received_at >= to_ms(wanted.since))
    if wanted.until is not None:
        query = query.where(tables.reports.c.received_at < to_ms(wanted.until))
    if before is not None:
        query = query.where(tables.reports.c.id < before)
    return connection.execute(query.order_by(tables.reports.c.id.desc()).limit(limit)).all()


def get_report(connection: Connection, report_id: int) -> Row[Any] | None:
    """Return one report, or None."""
    return connection.execute(_reports().where(tables.reports.c.id == report_id)).first()


def _reports() -> Select[Any]:
    return select(
        tables.reports,
        tables.sources.c.app,
        tables.sources.c.app_version,
        tables.sources.c.platform,
        tables.sources.c.label,
    ).join(tables.sources, tables.sources.c.id == tables.reports.c.source_id)


def get_certificate(connection: Connection, sha256: bytes) -> bytes | None:
    """Return a certificate's DER, or None."""
    der = connection.scalar(select(tables.certificates.c.der).where(tables.certificates.c.sha256 == sha256))
    return None if der is None else bytes(der)
