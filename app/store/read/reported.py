"""What violations were judged by: chains as they were sent, and the report made again from its columns."""

from typing import Any

from sqlalchemy import Connection, Row, select

from app.hpkp.hosts import Host
from app.hpkp.pins import parse_pin
from app.hpkp.policy import Mode
from app.hpkp.report import Sender, SenderResult, ViolationReport
from app.hpkp.x509.certificate import Chain, Element, UnreadableCertificate, read_certificate
from app.store import tables
from app.store.engine import from_ms


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


def load_report(connection: Connection, violation_id: int) -> ViolationReport | None:
    """Make the report again that a violation was judged by; None if there is no such violation."""
    query = select(tables.violations).where(tables.violations.c.id == violation_id)
    row = connection.execute(query).first()
    return None if row is None else report_of_row(connection, row)


def report_of_row(connection: Connection, row: Row[Any]) -> ViolationReport:
    """Make the report again from a row of ``violations``. Raises ValueError if it cannot be read any more."""
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
        app=row.app,
    )


def load_certificate(connection: Connection, sha256: bytes) -> bytes | None:
    """Return a certificate's DER, or None."""
    der = connection.scalar(select(tables.certificates.c.der).where(tables.certificates.c.sha256 == sha256))
    return None if der is None else bytes(der)
