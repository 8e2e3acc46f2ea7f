"""A store of every earlier version, with rows in every table, is upgraded on both databases and can be used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    inspect,
    select,
    text,
)

from app.hpkp.app_pins.forms import Form
from app.hpkp.app_pins.model import PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, Platform
from app.metrics import Metrics
from app.outcomes import Outcome
from app.service import now, open_service
from app.store import migrations, tables
from app.store.engine import DAY_MS, from_ms, open_engine, schema_is_current, upgrade, writing
from app.store.postgres import prepare_for_migrations
from app.store.read.filters import Filter
from app.store.write.releases import record_release
from tests.support.app_pins import pin_of
from tests.support.application import collect, settings_for
from tests.support.postgres import empty_database
from tests.support.reports import HOST, other_site, report_body, site
from tests.support.store.ingest_harness import AT, IngestHarness, submission

VERSIONS = sorted(file.name[:4] for file in (Path(migrations.__path__[0]) / "versions").glob("[0-9]*.py"))
SINCE = {"locks_out": "0006", "anchor": "0010", "path_checkable": "0010"}
"""Members of a judgement, and the version of the schema before which no judgement had them."""

VALUES: dict[str, Any] = {
    "host": HOST, "hostname": HOST, "name": HOST, "day": AT - AT % DAY_MS, "hour": AT, "revision": 1, "version": 1,
    "seen": {"fault": "none", "endpoints": []}, "status": "open", "was": "open", "verdict": "not_ready",
    "scope": "read", "pin": site().leaf.pin, "reason": "host_and_day",
    "outcome": "unreadable", "violation_id": 1, "probe_id": 1, "source_id": 1, "mode": "report-only", "cause": "clock",
    "findings": {}, "criteria": {}, "changes": {}, "last_id": 1, "cursor": 0, "kind": "probe_changed",
}  # fmt: skip


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what the present version stores of reports and a policy, by table."""
    url = f"sqlite:///{tmp_path}/model.sqlite3"
    upgrade(url)
    engine = open_engine(url)
    harness = IngestHarness.at(engine)
    harness.set_policy(HOST)
    harness.take_each([submission(), submission(report_body(served=other_site().served)), submission(client="two")])
    entry = PinEntry(HOST, pins=carry([pin_of("a"), pin_of("b")]))
    release = AppRelease("example.shop", "1.0", Platform.ANDROID, (PinLayer(Form.OKHTTP, (entry,)),))
    with writing(engine) as connection:
        record_release(connection, release, at=from_ms(AT))
    stored = {
        table.name: [row._asdict() for row in harness.rows(table)]
        for table in tables.violations.metadata.sorted_tables
        if table.name not in ("log_marks", "rejudgings")
    }
    engine.dispose()
    return stored


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hpkp.sqlite3"
        return
    with empty_database() as made:
        yield made


def _value(column: Column[Any]) -> Any:
    """Make a value for a column that the present version does not know, or of whose table it has no row."""
    kind = column.type
    if column.name in VALUES:
        return VALUES[column.name]
    if column.nullable:
        return None
    if column.name.endswith("at"):
        return AT
    if isinstance(kind, JSON):
        return []
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer):
        return 1
    if isinstance(kind, Float):
        return 0.5
    if isinstance(kind, LargeBinary):
        return b"x" * 16
    assert isinstance(kind, String)
    return "x"


def _as_of(version: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as that version stored it."""
    if isinstance(judgement := row.get("judgement"), dict):
        return row | {"judgement": {name: v for name, v in judgement.items() if SINCE.get(name, "") <= version}}
    return row


def _fill(url: str, version: str, rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[Row[Any]]]:
    """Put rows into every table of a version's schema; return what is there then."""
    engine, schema = open_engine(url), MetaData()
    schema.reflect(engine)
    filled: dict[str, list[Row[Any]]] = {}
    with engine.begin() as connection:
        for table in schema.sorted_tables:
            if table.name == "alembic_version":
                continue
            for row in rows.get(table.name) or [{}]:
                stored = _as_of(version, row)
                values = {c.name: stored[c.name] if c.name in stored else _value(c) for c in table.columns}
                connection.execute(table.insert(), [values])
            if engine.dialect.name == "postgresql" and "id" in table.columns:
                sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                connection.execute(text(f"SELECT setval({sequence}, max(id)) FROM {table.name}"))
            filled[table.name] = _read(connection, table)
    engine.dispose()
    return filled


def _read(connection: Any, table: Table) -> list[Row[Any]]:
    return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


ANEW = {
    "violations": {"clients", "client_sketch", "checked_leaf", "locks_out"},
    "rollup_days": {"clients", "client_sketch"},
}
"""What an upgrade counts or finds out by itself."""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_every_version_is_upgraded_with_all_its_rows_and_can_be_used(
    version: str, url: str, rows: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    command.upgrade(_migrations(url), version)
    before = _fill(url, version, rows)
    assert before["violations"], "there is something to lose"
    upgrade(url)
    engine = open_engine(url)
    assert schema_is_current(engine)
    with engine.connect() as connection:
        for name, stored in before.items():
            if name not in tables.violations.metadata.tables:
                continue
            table = tables.violations.metadata.tables[name]
            kept = [c for c in stored[0]._fields if c in table.columns and c not in ANEW.get(name, set())]
            after = _read(connection, table)
            assert [[getattr(r, c) for c in kept] for r in after] == [[getattr(r, c) for c in kept] for r in stored], (
                name
            )
    engine.dispose()
    _use(url, tmp_path)


@pytest.mark.parametrize("version", ["0013", "0017", "0019"])
def test_a_store_of_the_first_form_of_a_migration_gets_what_that_lacked(version: str, url: str, tmp_path: Path) -> None:
    """0013 was merged without the column ``counts``, and had it later."""
    command.upgrade(_migrations(url), version)
    engine = open_engine(url)
    with engine.begin() as connection:
        for view in inspect(connection).get_view_names():
            connection.execute(text(f"DROP VIEW {view}"))
        connection.execute(text("ALTER TABLE violations DROP COLUMN counts"))
    upgrade(url)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.violations.metadata) == []
        assert connection.execute(text("SELECT count(*) FROM violations WHERE counts")).scalar() == 0
    engine.dispose()


def _use(url: str, directory: Path) -> None:
    """Use a store as the service does after its start."""
    service = open_service(settings_for(directory, database_url=url), Metrics())
    try:
        service.rejudging.run_if_knowledge_changed(at=now())
        assert service.rejudging.list_pending() == []
        assert service.readiness.assess(HOST, at=from_ms(AT)) is not None
        summary = service.hosts.summarise(Filter(host=HOST))
        assert summary is not None
        assert summary.reports >= 3
        assert collect(service, report_body(port=4711)) == [Outcome.ACCEPTED]
        service.clock.confirm(at=now())
        service.retention.prune(at=now())
    finally:
        service.engine.dispose()


def _migrations(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    config.attributes["url"] = url
    return config


def test_an_upgrade_waits_for_a_program_that_changes_the_schema(tmp_path: Path) -> None:
    """Two programs that start at once: both end at the newest version."""
    with empty_database() as url:
        environment = os.environ | {"HPKP_DATABASE_URL": url, "HPKP_LOG_DIR": str(tmp_path / "log")}
        engine = open_engine(url)
        with engine.begin() as connection:
            prepare_for_migrations(connection)
            both = [
                subprocess.Popen([sys.executable, "-m", "app.cli", "db", "upgrade"], env=environment) for _ in range(2)
            ]
        assert [one.wait(180) for one in both] == [0, 0]
        assert schema_is_current(engine)
        assert inspect(engine).has_table("violations")
        engine.dispose()
