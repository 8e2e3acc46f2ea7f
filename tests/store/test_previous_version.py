"""A store that the previous version filled is upgraded, and judged again by the rules of the present one.

``fixtures/store_0008.sql`` is a dump of what `hpkp demo` made at schema revision 0008, reduced to two hosts and a
violation of each cause and sender; the demo's roots and its catalog are beside it.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, Table, select

from app.hpkp.judgement.causes import Cause
from app.hpkp.violation import with_app
from app.metrics import Metrics
from app.service import Service, now, open_service
from app.settings import Settings
from app.store import tables
from app.store.engine import from_ms, schema_is_current, to_ms
from app.store.read.fold_inputs import load_pinned_host
from app.store.read.reported import report_of_row

FIXTURES = Path(__file__).parent / "fixtures"
KEPT = ("id", "hostname", "known_pins", "served_chain", "validated_chain", "reports", "status", "first_received_at")


@pytest.fixture
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    """Open the previous version's store as this version does at its start: with the demo's catalog, or without."""
    file = tmp_path / "hpkp.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.executescript((FIXTURES / "store_0008.sql").read_text())
    connection.close()
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{file}",
        trust_anchors=FIXTURES / "store_0008.roots.pem",
        catalog=getattr(request, "param", None),
    )
    service = open_service(settings, Metrics())
    yield service
    service.engine.dispose()


def _rows(service: Service, table: Table) -> list[Row[Any]]:
    with service.engine.connect() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def _causes_by_the_present_rules(service: Service) -> dict[int, Cause]:
    with service.engine.connect() as connection:
        reports = {row.id: (report_of_row(connection, row), row) for row in _rows(service, tables.violations)}
        return {
            id_: service.judge(
                report,
                load_pinned_host(connection, report.hostname, report.noted_hostname)[1],
                row.first_received_at,
                to_ms(now()),
            ).cause
            for id_, (report, row) in reports.items()
        }


WITH_THE_CATALOG = pytest.mark.parametrize("service", [FIXTURES / "store_0008.catalog.toml"], indirect=True)


@WITH_THE_CATALOG
def test_the_schema_is_brought_up_and_nothing_that_was_reported_is_lost(service: Service) -> None:
    assert schema_is_current(service.engine)
    before = sqlite3.connect(":memory:")
    before.executescript((FIXTURES / "store_0008.sql").read_text())
    was = before.execute("SELECT id, identity, cause, reports FROM violations ORDER BY id").fetchall()
    before.close()
    found = [(row.id, row.identity, row.cause, row.reports) for row in _rows(service, tables.violations)]
    assert [(id_, cause, reports) for id_, _, cause, reports in was] == [(i, c, n) for i, _, c, n in found]
    assert len(was) == 16
    apps = {row.id: row.app for row in _rows(service, tables.violations)}
    assert {bool(app) for app in apps.values()} == {True, False}
    same = {
        id_ for (id_, old, *_), (_, new, *_) in zip(was, found, strict=True) if with_app(old, apps[id_] or "") == new
    }
    assert {row.id for row in _rows(service, tables.violations) if row.cause != Cause.CLOCK} <= same


@pytest.mark.parametrize("service", [None], indirect=True)
def test_it_is_judged_again_by_the_present_rules_and_an_event_says_what_changed(service: Service) -> None:
    before = _rows(service, tables.violations)
    expected = _causes_by_the_present_rules(service)
    changes = Counter(f"{row.cause} -> {expected[row.id]}" for row in before if row.cause != expected[row.id])
    assert any(change.startswith("known_bad_key -> ") for change in changes), "without the catalog that knew the key"

    service.rejudging.run_if_knowledge_changed(at=now())

    after = _rows(service, tables.violations)
    assert {row.id: row.cause for row in after} == expected
    assert [[getattr(row, name) for name in KEPT] for row in after] == [
        [getattr(row, name) for name in KEPT] for row in before
    ]
    assert all(new.judged_at > old.judged_at for new, old in zip(after, before, strict=True))
    [event] = [event.text for event in _rows(service, tables.events) if event.kind == "rejudged"]
    head, _, told = event.partition(": ")
    assert head == "16 violations re-evaluated"
    assert sorted(told.split(", ")) == sorted(f"{count} {change}" for change, count in changes.items())


@WITH_THE_CATALOG
def test_the_counts_of_hosts_follow(service: Service) -> None:
    service.rejudging.run_if_knowledge_changed(at=now())
    kinds = {row.id: (row.host, row.cause) for row in _rows(service, tables.violations)}
    expected = Counter[tuple[str, str]]()
    for row in _rows(service, tables.rollup_hours):
        expected[kinds[row.violation_id]] += row.reports
    found = Counter[tuple[str, str]]()
    for row in _rows(service, tables.host_hours):
        found[row.host, row.cause] += row.reports
    assert found == expected


@WITH_THE_CATALOG
def test_every_host_can_be_assessed_and_is_judged_once(service: Service) -> None:
    service.rejudging.run_if_knowledge_changed(at=now())
    judged = [row.judged_at for row in _rows(service, tables.violations)]
    at = from_ms(max(row.last_received_at for row in _rows(service, tables.violations)))
    for host in ("www.example.com", "api.example.net"):
        assert service.readiness.assess(host, at=at) is not None
    service.rejudging.run_if_knowledge_changed(at=now())
    assert [row.judged_at for row in _rows(service, tables.violations)] == judged
