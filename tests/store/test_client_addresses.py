"""A client's address is in no file of the store, neither as text nor packed nor under a hash that anybody can make."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.collector import Collector, Envelope
from app.metrics import Metrics
from app.outcomes import Outcome
from app.store import tables
from app.store.secrets import client_key
from app.store.sketches import count_of, union
from app.store.writer import GroupWriter
from tests.reports import report_body
from tests.store.desk import Desk

pytestmark = pytest.mark.sqlite_file

ADDRESSES = ("198.51.100.217", "2001:db8:85a3::8a2e:370:7334")
USER_AGENT = "Sender/1.0"


async def _collect(desk: Desk, *bodies: bytes) -> list[Outcome]:
    """Collect the bodies from every address, on a real writer."""
    writer = GroupWriter(desk.engine, desk.intake, max_waiting=100)
    collector = Collector(writer, Metrics(), client_key=client_key(desk.engine))
    writer.start()
    envelopes = [Envelope(address=address, user_agent=USER_AGENT) for address in ADDRESSES]
    fates = [await collector.collect(body, envelope) for body in bodies for envelope in envelopes]
    await writer.stop()
    return [fate.outcome for fate in fates]


def _held(directory: Path) -> bytes:
    """Return all bytes of all files of the store."""
    return b"".join(file.read_bytes() for file in directory.iterdir())


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


def test_neither_the_file_nor_its_log_holds_an_address(desk: Desk, tmp_path: Path) -> None:
    outcomes = asyncio.run(_collect(desk, report_body(), b"no report"))
    assert outcomes == [Outcome.ACCEPTED] * 2 + [Outcome.UNREADABLE] * 2
    assert desk.only(tables.violations).clients == len(desk.rows(tables.rejections)) == 2

    directory = tmp_path / "data"
    in_log = (directory / "hpkp.sqlite3-wal").read_bytes()
    assert USER_AGENT.encode() in in_log
    before = _held(directory)
    with closing(sqlite3.connect(directory / "hpkp.sqlite3")) as checkpoint:
        checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert USER_AGENT.encode() in (directory / "hpkp.sqlite3").read_bytes()

    for held in (before, _held(directory)):
        found = [form for address in ADDRESSES for form in _forms_of(address) if form in held]
        assert found == []


def test_the_same_client_is_another_under_another_key(desk: Desk) -> None:
    assert asyncio.run(_collect(desk, report_body())) == [Outcome.ACCEPTED] * 2
    with desk.engine.begin() as connection:
        connection.execute(tables.secrets.delete())
    assert asyncio.run(_collect(desk, report_body(port=8443))) == [Outcome.ACCEPTED] * 2
    assert [row.clients for row in desk.rows(tables.violations)] == [2, 2]
    assert _clients_of_the_host(desk) == 4


@pytest.mark.parametrize("port", [443, 8443])
def test_the_same_client_stays_the_same_under_the_same_key(desk: Desk, port: int) -> None:
    asyncio.run(_collect(desk, report_body()))
    asyncio.run(_collect(desk, report_body(port=port, date_time="2026-06-01T12:00:01Z")))
    assert _clients_of_the_host(desk) == 2


def _clients_of_the_host(desk: Desk) -> int:
    """Count the clients over all violations and days."""
    return count_of(union(row.client_sketch for row in desk.rows(tables.host_clients))).about
