"""Chains and their certificates, each stored once, and which certificate is in which chain."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection

from app.hpkp.violation import chain_digest
from app.hpkp.x509.certificate import Certificate, Chain, Element, UnreadableCertificate
from app.store import tables
from app.store.engine import to_ms
from app.store.upsert import insert_missing

Row = dict[str, Any]


def insert_chains(connection: Connection, chains: Iterable[Chain]) -> None:
    """Store chains that are missing, in the order of their digests: so that two transactions cannot deadlock."""
    by_digest = {chain_digest(chain): chain for chain in chains}
    certificates = {
        element.fingerprint: element
        for chain in by_digest.values()
        for element in chain
        if element.fingerprint is not None
    }
    contained = {
        (element.fingerprint, digest)
        for digest, chain in by_digest.items()
        for element in chain
        if element.fingerprint is not None
    }
    _insert(
        connection, tables.certificates, [_certificate(sha256, certificates[sha256]) for sha256 in sorted(certificates)]
    )
    rows = [{"digest": digest, "elements": list(map(_element, chain))} for digest, chain in sorted(by_digest.items())]
    _insert(connection, tables.chains, rows)
    pairs = [{"sha256": sha256, "chain": digest} for sha256, digest in sorted(contained)]
    _insert(connection, tables.chain_certificates, pairs)


def _insert(connection: Connection, table: Any, rows: Collection[Row]) -> None:
    if rows:
        insert_missing(connection, table, list(rows))


def _certificate(sha256: bytes, element: Element) -> Row:
    pin = None if element.pin is None else str(element.pin)
    row: Row = {"sha256": sha256, "der": element.der, "pin": pin}
    if isinstance(element, Certificate):
        dates = {"not_before": element.not_before, "not_after": element.not_after}
        validity = {name: None if date is None else to_ms(date) for name, date in dates.items()}  # None: unreadable
        return row | validity | {"subject": element.subject, "issuer": element.issuer, "unreadable": None}
    nothing = dict.fromkeys(("not_before", "not_after", "subject", "issuer"))
    return row | nothing | {"unreadable": element.reason}


def _element(element: Element) -> dict[str, str]:
    if element.fingerprint is not None:
        return {"sha256": element.fingerprint.hex()}
    assert isinstance(element, UnreadableCertificate)  # only of these there may be no DER
    pin = {} if element.pin is None else {"pin": str(element.pin)}
    return {"unreadable": element.reason} | pin
