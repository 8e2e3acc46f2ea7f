"""The migrations make the models' schema, and a connection is as durable as it claims."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import SQLModel

from app.store import migrations, tables
from app.store.engine import DAY_MS, newest_version, open_engine, schema_is_current, schema_version, upgrade, writing
from app.store.read.filters import Filter
from app.store.read.summaries import summarise
from tests.support.reports import HOST, other_site, report_body
from tests.support.store.ingest_harness import AT, IngestHarness, submission

pytestmark = pytest.mark.sqlite_file


def test_the_migrations_make_exactly_the_models_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_newest_version_is_the_one_to_which_the_migrations_lead(url: str) -> None:
    assert ScriptDirectory.from_config(_migrations(url)).get_heads() == [newest_version()]


def test_every_primary_key_column_is_not_null_as_the_models_say(engine: Engine) -> None:
    # SQLite lets NULL into a primary key that does not say NOT NULL, and autogenerate does not compare this.
    made = inspect(engine)
    for table in SQLModel.metadata.tables.values():
        nullable = {column["name"]: column["nullable"] for column in made.get_columns(table.name)}
        assert nullable == {column.name: column.nullable for column in table.columns}, table.name


def test_upgrading_twice_changes_nothing_and_loses_nothing(harness: IngestHarness, url: str) -> None:
    harness.take(submission())
    version = schema_version(harness.engine)
    upgrade(url)
    assert schema_version(harness.engine) == version is not None
    assert harness.only(tables.violations).reports == 1


def test_a_store_without_a_schema_has_no_version_and_is_not_current(url: str) -> None:
    engine = open_engine(url)
    assert schema_version(engine) is None
    assert not schema_is_current(engine)
    upgrade(url)
    assert schema_is_current(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10000)]
)
def test_every_connection_has_the_pragmas(engine: Engine, pragma: str, value: object) -> None:
    with engine.connect() as first, engine.connect() as second:
        assert [c.exec_driver_sql(f"PRAGMA {pragma}").scalar() for c in (first, second)] == [value, value]


def test_a_row_that_refers_to_nothing_is_refused(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), writing(engine) as connection:
        connection.execute(tables.rollup_days.insert().values(violation_id=9, day=0, reports=1))


def test_a_writing_transaction_takes_the_lock_at_its_beginning(engine: Engine, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "data" / "hpkp.sqlite3", timeout=0)
    with writing(engine), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_reading_sees_one_state_while_another_writes(harness: IngestHarness) -> None:
    count = text("SELECT count(*) FROM violations")
    with harness.engine.connect() as reader:
        assert reader.scalar(count) == 0
        harness.take(submission())
        assert reader.scalar(count) == 0
    with harness.engine.connect() as reader:
        assert reader.scalar(count) == 1


def test_a_reader_cannot_begin_to_write_behind_a_writer(harness: IngestHarness) -> None:
    with harness.engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM violations"))
        harness.take(submission())
        with pytest.raises(OperationalError, match="locked"):
            reader.execute(text("DELETE FROM events"))


def _migrations(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    config.attributes["url"] = url
    return config


def test_a_store_of_the_first_version_is_upgraded_with_what_stands_in_it(harness: IngestHarness, url: str) -> None:
    harness.take(submission())
    before = harness.only(tables.violations)
    command.downgrade(_migrations(url), "0001")
    upgrade(url)
    counted_anew = {"clients": 0, "client_sketch": None}
    assert harness.only(tables.violations)._asdict() == before._asdict() | counted_anew
    assert (harness.only(tables.host_hours).reports, harness.only(tables.host_days).reports) == (1, 1)
    assert schema_is_current(harness.engine)


def test_clients_that_stood_in_rows_are_counted_on_in_sketches(harness: IngestHarness, url: str) -> None:
    chain = other_site()
    harness.take_each([submission(), submission(report_body(served=chain.served))])
    harness.take(submission(at=AT + DAY_MS, client="two"))
    command.downgrade(_migrations(url), "0005")
    rows = [(1, AT, b"one"), (1, AT, b"two"), (1, AT + DAY_MS, b"two"), (2, AT, b"two"), (2, AT, b"three")]
    with harness.engine.begin() as connection:
        for violation, at, client in rows:
            connection.exec_driver_sql(
                "INSERT INTO violation_clients VALUES (?, ?, ?)", (violation, at - at % DAY_MS, client.ljust(16, b"."))
            )
    upgrade(url)
    assert [row.clients for row in harness.rows(tables.violations)] == [2, 2]
    assert [row.clients for row in harness.rows(tables.rollup_days)] == [2, 1, 2]
    assert [row.clients for row in harness.rows(tables.host_clients)] == [3, 1]
    with harness.engine.connect() as connection:
        assert summarise(connection, Filter(host=HOST)).clients.about == 3


def test_every_migration_can_be_taken_back(engine: Engine, url: str) -> None:
    command.downgrade(_migrations(url), "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
