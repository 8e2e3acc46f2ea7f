"""Certificates with parts that cannot be read: a store that holds them answers, and judges their violations again."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import insert, update

from app.hpkp.violation import chain_digest, identity_of
from app.hpkp.x509.certificate import read_certificate
from app.store import tables
from app.store.engine import from_ms, writing
from app.store.read.reported import load_chain, report_of_row
from app.store.rejudging import request_rejudging
from app.usecases.rejudging import run_for
from tests.support.authority import NOW, pem_with
from tests.support.reports import HOST, report_body
from tests.support.store.ingest_harness import AT, IngestHarness, judge_at, submission

_START, _END = NOW - timedelta(days=1), NOW + timedelta(days=90)


def _certificate(*, constraints: bytes | None = None) -> bytes:
    """Make the DER of a self-signed certificate, with the DER of name constraints."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 5, _START, _END)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if constraints is not None:
        oid = x509.NameConstraints.oid
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, constraints), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _of_month_zero() -> bytes:
    """Replace the start of the validity by a date that no calendar has, of the same length."""
    der = _certificate()
    start = b"\x17\x0d" + f"{_START:%y%m%d%H%M%SZ}".encode()
    assert der.count(start) == 1
    return der.replace(start, b"\x17\x0d000000000000Z")


def _of_year_zero() -> bytes:
    """Replace the start of the validity by a GeneralizedTime in the year 0, which Python's calendar does not have."""
    der = _certificate()
    utc_time = b"\x17\x0d" + f"{_START:%y%m%d%H%M%SZ}".encode()
    general = b"\x18\x0f00000101000000Z"
    # The SEQUENCEs around it grow by two: the validity, what is signed (one length byte), and the whole (two).
    grown = bytearray(der.replace(b"\x30\x1e" + utc_time, b"\x30\x20" + general))
    assert (grown[1], grown[5]) == (0x82, 0x81)
    grown[2:4] = (int.from_bytes(grown[2:4], "big") + 2).to_bytes(2, "big")
    grown[6] += 2
    return bytes(grown)


def _of_a_bit_string_in_its_name() -> bytes:
    """Turn the text of the subject and the issuer into a BIT STRING, which `cryptography` does not take for a text."""
    text = HOST.encode()
    return _certificate().replace(
        b"\x0c" + bytes((len(text),)) + text, b"\x03" + bytes((len(text),)) + b"\x00" + text[1:]
    )


def _of_short_constraints() -> bytes:
    """Constrain IPv4 addresses by 4 bytes, where RFC 5280 section 4.2.1.10 asks for 8."""
    return _certificate(constraints=bytes.fromhex("300aa00830068704c0000200"))


ODD = [_of_month_zero, _of_year_zero, _of_a_bit_string_in_its_name, _of_short_constraints]


def _as_of_the_previous_version(harness: IngestHarness, der: bytes) -> None:
    """Store a violation with this leaf, as a version did that kept nothing of what it could not read."""
    harness.take(submission(report_body(date_time="2026-06-01T12:00:00Z")))
    chain = (read_certificate(der),)
    sha256 = hashlib.sha256(der).digest()
    elements = [{"sha256": sha256.hex()}]
    nothing = dict.fromkeys(("pin", "subject", "issuer", "not_before", "not_after", "unreadable"))
    with writing(harness.engine) as connection:
        connection.execute(insert(tables.certificates).values(sha256=sha256, der=der, **nothing))
        connection.execute(insert(tables.chains).values(digest=chain_digest(chain), elements=elements))
        both = dict.fromkeys(("served_chain", "validated_chain"), chain_digest(chain))
        connection.execute(update(tables.violations).values(both))


@pytest.mark.parametrize("make", ODD)
def test_what_the_previous_version_stored_is_loaded_and_judged_again(
    harness: IngestHarness, make: Callable[[], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    der = make()
    _as_of_the_previous_version(harness, der)
    with harness.engine.connect() as connection:
        report = report_of_row(connection, harness.only(tables.violations))
        chain = load_chain(connection, harness.only(tables.violations).served_chain)
    assert chain == report.served_chain
    assert chain is not None
    assert [element.der for element in chain] == [der]
    assert len(identity_of(report, received_at=from_ms(AT))) == 32
    with writing(harness.engine) as connection:
        request_rejudging(connection, at=AT)
    list(run_for(harness.engine, judge_at, at=from_ms(AT + 1000)))
    assert harness.only(tables.violations).judged_at == AT + 1000
    assert caplog.records == []


@pytest.mark.parametrize("make", ODD)
def test_what_is_reported_today_is_stored_with_what_can_be_read(
    harness: IngestHarness, make: Callable[[], bytes]
) -> None:
    der = make()
    harness.take(submission(report_body(served=[pem_with(der)], validated=[pem_with(der)])))
    stored = harness.only(tables.certificates)
    assert (stored.der, stored.sha256) == (der, hashlib.sha256(der).digest())
    assert stored.pin is not None
