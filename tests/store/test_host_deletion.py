"""The deletion of a host: everything that names it goes, and nothing of other hosts."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import Host
from app.hpkp.probe_result import Endpoint, Probe, describe_live
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import read_certificate
from app.store import tables
from app.store.canaries import add_canary
from app.store.engine import writing
from app.store.exposures import record_exposure
from app.store.probes import add_probe
from app.store.write.host_deletion import _OF_HOST, count_host_data, delete_host
from tests.support.authority import NOW
from tests.support.reports import HOST, report_body, site
from tests.support.store.ingest_harness import IngestHarness, submission

OTHER = "other.example"


def _fill(harness: IngestHarness) -> None:
    for number, host in enumerate((HOST, OTHER)):
        harness.set_policy(host=host, since=NOW - timedelta(days=9))
        harness.take(submission(report_body(host=host)), submission(report_body(host=host, port=9)))
        with writing(harness.engine) as connection:
            record_exposure(connection, [ExposedDay(Host(host), NOW.date(), 5, 5)], origin="api", at=NOW)
            add_canary(connection, host, bytes([number]) * 16, report_uri="https://r.example/", at=NOW)
            chain = tuple(map(read_certificate, (site().leaf.der, site().root.der)))
            probe = Probe(Host(host), 443, NOW, (Endpoint("192.0.2.1", (chain,)),))
            add_probe(connection, describe_live(probe, KnownCertificates()))


def _count(harness: IngestHarness, host: str) -> dict[str, int]:
    """Count the rows of each table that name a host."""
    named = [table for table in SQLModel.metadata.tables.values() if "host" in table.c]
    with harness.engine.connect() as connection:
        counts = {
            table.name: connection.scalar(select(func.count()).select_from(table).where(table.c.host == host)) or 0
            for table in named
        }
        known = select(func.count()).where(tables.hosts.c.name == host)
        return {name: count for name, count in counts.items() if count} | {"hosts": connection.scalar(known) or 0}


def test_every_table_that_names_a_host_is_thought_of() -> None:
    named = {table for table in SQLModel.metadata.tables.values() if "host" in table.c}
    assert named == {*_OF_HOST, tables.violations, tables.probes}


def test_a_host_goes_with_all_that_names_it_and_others_stay(harness: IngestHarness) -> None:
    _fill(harness)
    before = _count(harness, OTHER)
    assert len(_count(harness, HOST)) >= 9
    with harness.engine.connect() as connection:
        counted = count_host_data(connection, HOST)
    assert counted is not None
    assert (counted.violations, counted.reports, counted.revisions, counted.exposure_days) == (2, 2, 1, 1)
    assert delete_host(harness.engine, HOST, at=NOW, actor="test") == counted
    assert _count(harness, HOST) == {"hosts": 0}
    assert _count(harness, OTHER) == before
    assert {row.violation_id for row in harness.rows(tables.reports)} == {
        row.id for row in harness.rows(tables.violations) if row.host == OTHER
    }
    assert {row.probe_id for row in harness.rows(tables.probe_looks)} == {row.id for row in harness.rows(tables.probes)}
    assert delete_host(harness.engine, HOST, at=NOW, actor="test") is None


@pytest.mark.parametrize("host", ["none.example", "", "%"])
def test_an_unknown_host_is_told_apart(harness: IngestHarness, host: str) -> None:
    _fill(harness)
    assert delete_host(harness.engine, host, at=NOW, actor=None) is None
    assert _count(harness, HOST)["hosts"] == 1
