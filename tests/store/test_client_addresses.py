"""A client's address is in no file of the store, neither as text nor packed nor under a hash that anybody can make."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, Table, select

from app.ingest.envelope import Envelope
from app.metrics import Metrics
from app.outcomes import Outcome
from app.service import Service, open_service
from app.store import tables
from app.store.sketches import count_of, union
from app.wiring import catch_up
from tests.support.application import collect, settings_for
from tests.support.reports import report_body

ADDRESSES = ("198.51.100.217", "2001:db8:85a3::8a2e:370:7334")
USER_AGENT = "Sender/1.0"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = open_service(settings_for(tmp_path / "data"), Metrics())
    yield service
    service.engine.dispose()


def _collect(service: Service, *bodies: bytes, with_fold: bool = True) -> list[Outcome]:
    """Collect the bodies from every address."""
    envelopes = [Envelope(address=address, user_agent=USER_AGENT) for address in ADDRESSES]
    return [
        outcome
        for envelope in envelopes
        for outcome in collect(service, *bodies, envelope=envelope, with_fold=with_fold)
    ]


def _held(directory: Path) -> bytes:
    """Return all bytes of all files of the store."""
    return b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())


def _forms_of(address: str) -> Iterator[bytes]:
    """Make the texts of an address, and the hashes that need no key; none by chance, as packed IPv4 would be."""
    texts = [address.encode(), ip_address(address).exploded.encode(), ip_address(address).packed]
    yield from texts[:2]
    if len(texts[2]) == 16:
        yield texts[2]
    for text in texts:
        for name in ("md5", "sha1", "sha256", "blake2s"):
            digest = hashlib.new(name, text).digest()
            yield digest[:16]
            yield digest.hex()[:32].encode()
        yield hashlib.blake2b(text, digest_size=16).digest()


def test_neither_the_store_nor_its_logs_hold_an_address(service: Service, tmp_path: Path) -> None:
    outcomes = _collect(service, report_body(), b"no report", with_fold=False)
    assert outcomes == [Outcome.ACCEPTED, Outcome.UNREADABLE] * 2
    directory = tmp_path / "data"
    held = [_held(directory / "hpkp.sqlite3-log")]
    assert USER_AGENT.encode() in held[0]

    catch_up(service)
    assert _rows(service, tables.violations)[0].clients == len(_rows(service, tables.rejections)) == 2
    assert USER_AGENT.encode() in (directory / "hpkp.sqlite3-wal").read_bytes()
    held.append(_held(directory))
    with closing(sqlite3.connect(directory / "hpkp.sqlite3")) as checkpoint:
        checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert USER_AGENT.encode() in (directory / "hpkp.sqlite3").read_bytes()
    held.append(_held(directory))

    assert [form for address in ADDRESSES for form in _forms_of(address) for files in held if form in files] == []


def test_the_same_client_is_another_under_another_key(service: Service) -> None:
    assert _collect(service, report_body()) == [Outcome.ACCEPTED] * 2
    with service.engine.begin() as connection:
        connection.execute(tables.secrets.delete())
    assert _collect(service, report_body(port=8443)) == [Outcome.ACCEPTED] * 2
    assert [row.clients for row in _rows(service, tables.violations)] == [2, 2]
    assert _clients_of_the_host(service) == 4


@pytest.mark.parametrize("port", [443, 8443])
def test_the_same_client_stays_the_same_under_the_same_key(service: Service, port: int) -> None:
    _collect(service, report_body())
    _collect(service, report_body(port=port, date_time="2026-06-01T12:00:01Z"))
    assert _clients_of_the_host(service) == 2


def _rows(service: Service, table: Table) -> Sequence[Row[Any]]:
    with service.engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def _clients_of_the_host(service: Service) -> int:
    """Count the clients over all violations and days."""
    return count_of(union(row.client_sketch for row in _rows(service, tables.host_clients))).about
