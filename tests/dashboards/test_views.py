"""The reporting views: as documented, the same in both databases, and without what is nobody else's."""

import base64
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from pydantic import ValidationError
from sqlalchemy import Engine, insert, select
from sqlmodel import SQLModel

from app.settings import Settings
from app.store import migrations, tables
from app.store.engine import open_engine, schema_is_current, to_ms, upgrade, writing
from app.store.secrets import new_token
from app.store.views import VIEWS, create_views, drop_views
from app.store.views.copy import copy_views
from app.usecases.sessions import Sessions
from tests.support.authority import make_site
from tests.support.dashboards.boards import FOLDER
from tests.support.dashboards.stores import PostgresStore, SqliteStore, postgres_store, sqlite_store, whole_demo
from tests.support.demo import demo_store
from tests.support.postgres import postgres_database
from tests.support.server import running_service
from tests.support.store.ingest_harness import IngestHarness, submission

DOCUMENT = (FOLDER.parent / "docs" / "views.md").read_text()


@pytest.fixture(scope="module")
def sqlite() -> Iterator[SqliteStore]:
    """Return the demo's store in its file."""
    with sqlite_store(demo_store().database) as made:
        yield made


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresStore]:
    """Return the demo's store in PostgreSQL, by the reading role."""
    with postgres_store(demo_store().database) as made:
        yield made


def _documented() -> dict[str, list[str]]:
    """Return the columns of each view that the document has a section for."""
    found = {}
    for section in re.split(r"^### ", DOCUMENT, flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0].strip("`")
        if name.endswith("_v1"):
            found[name] = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    return found


def test_the_documented_columns_are_exactly_the_real_ones(sqlite: SqliteStore, postgres: PostgresStore) -> None:
    documented = _documented()
    assert documented.keys() == VIEWS.keys()
    for name, columns in documented.items():
        for store in (sqlite, postgres):
            assert list(store.ask(f"SELECT * FROM {name} LIMIT 1", whole_demo()).columns) == columns, name


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_says_the_same_in_both_databases(sqlite: SqliteStore, postgres: PostgresStore, name: str) -> None:
    text = f"SELECT * FROM {name}"
    first, second = sqlite.ask(text, whole_demo()), postgres.ask(text, whole_demo())
    assert first.rows or name == "service_v1", "no service ever ran on the demo's store"
    assert first.sorted == second.sorted


@pytest.mark.parametrize("name", VIEWS)
def test_beside_every_instant_stands_what_the_table_has(postgres: PostgresStore, name: str) -> None:
    text = f"SELECT * FROM {name}"
    answer = postgres.ask(text, whole_demo())
    for instant in postgres.instants(text, whole_demo()):
        place = answer.columns.index(instant)
        assert answer.columns[place + 1] == f"{instant}_ms"
        for row in answer.rows:
            assert row[place + 1] is None if row[place] is None else row[place] == row[place + 1] // 1000


def test_a_service_tells_where_its_pages_are(tmp_path: Path) -> None:
    with running_service(tmp_path, HPKP_PUBLIC_URL="https://collector.example.net/hpkp"):
        pass
    with running_service(tmp_path, HPKP_PUBLIC_URL="https://moved.example.net"):
        pass
    with sqlite_store(tmp_path / "hpkp.sqlite3") as store:
        assert store.ask("SELECT * FROM service_v1", whole_demo()).rows == (("https://moved.example.net",),)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a.example/", "a.example", "https://a.example/?q"])
def test_an_address_that_is_no_base_of_links_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        Settings(_env_file=None, public_url=address)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_range_of_raw_milliseconds_uses_an_index(sqlite: SqliteStore, postgres: PostgresStore, database: str) -> None:
    where = "host = 'www.example.com' AND time_ms BETWEEN 1 AND 2"
    for view, table in (("reports_hourly_v1", "host_hours"), ("reports_daily_v1", "host_days")):
        if database == "sqlite":
            plan = str(sqlite.ask(f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE {where}", whole_demo()).rows)
            assert re.search(rf"SEARCH {table} USING .*\(host=\? AND (hour|day)>\? AND \1<\?\)", plan), plan
        else:
            postgres.connection.execute("SET enable_seqscan = off")  # a small table is read whole
            plan = str(postgres.ask(f"EXPLAIN SELECT * FROM {view} WHERE {where}", whole_demo()).rows)
            postgres.connection.execute("RESET enable_seqscan")
            assert re.search(r"Index Cond: .*(hour|day) >= 1.*(hour|day) <= 2", plan), plan


def test_the_document_says_which_columns_are_instants(postgres: PostgresStore) -> None:
    said = {
        (section.partition("`\n")[0].strip("`"), column)
        for section in re.split(r"^### ", DOCUMENT, flags=re.MULTILINE)[1:]
        for column in re.findall(r"^\| `(\w+)` \| instant \|", section, flags=re.MULTILINE)
    }
    typed = {(name, column) for name in VIEWS for column in postgres.instants(f"SELECT * FROM {name}", whole_demo())}
    assert said == typed


def _texts_that_stay(store: sqlite3.Connection) -> set[str]:
    """Return, in every writing, what stands in the store and is nobody's but the service's."""
    secret = {
        "certificates": ("der",),
        "reports": ("body", "user_agent"),
        "violations": ("identity", "client_sketch"),
        "violation_networks": ("network",),
        "rollup_days": ("client_sketch",),
        "host_clients": ("client_sketch",),
        "secrets": ("value",),
        "tokens": ("name", "sha256"),
        "sessions": ("name", "sha256"),
        "login_links": ("name", "sha256"),
        "seen_submissions": ("digest",),
        "canaries": ("nonce",),
        "rejections": ("reason", "sample", "user_agent", "content_type"),
    }
    found = set()
    for table, columns in secret.items():
        for column in columns:
            values = [row[0] for row in store.execute(f"SELECT DISTINCT {column} FROM {table}") if row[0]]
            assert values, f"nothing to look for: {table}.{column}"
            for value in values:
                found |= {value} if isinstance(value, str) else {value.hex(), base64.b64encode(value).decode()}
    return {text for text in found if len(text) > 3}


def test_no_view_shows_certificates_bodies_clients_or_secrets(tmp_path: Path) -> None:
    demo = demo_store().copy_to(tmp_path)
    engine = open_engine(f"sqlite:///{demo.database}")
    with writing(engine) as connection:
        new_token(connection, "a-token-of-mine", "read")
    sessions, at = Sessions(engine), datetime.now(UTC)
    sessions.make_link(at=at, name="a-link-of-mine")
    assert sessions.redeem_link(sessions.make_link(at=at, name="a-session-of-mine").secret, at=at)
    engine.dispose()
    with closing(sqlite3.connect(demo.database)) as store:
        stay = _texts_that_stay(store)
        shown = [value for name in VIEWS for row in store.execute(f"SELECT * FROM {name}") for value in row]
    assert not any(isinstance(value, bytes) for value in shown)
    texts = "\n".join({value for value in shown if isinstance(value, str)})
    assert [text for text in stay if text in texts] == []
    assert "BEGIN" not in texts


def test_the_role_reads_views_and_nothing_else(postgres: PostgresStore) -> None:
    connection = postgres.connection
    assert connection.execute("SHOW search_path").fetchone() == ("grafana",)
    assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
    assert connection.execute("SHOW statement_timeout").fetchone() == ("15s",)
    connection.execute("SET default_transaction_read_only = off")  # it may; rights are what keeps it out
    for table in SQLModel.metadata.tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT * FROM public.{table}".encode())
    for statement in (
        "CREATE TABLE grafana.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "DROP VIEW hosts_v1",
        "CREATE ROLE another",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.DependentObjectsStillExist)):
            connection.execute(statement.encode())
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
        connection.execute("DELETE FROM exposure_v1")
    connection.execute("SET default_transaction_read_only = on")


def _engine_of(store: PostgresStore) -> Engine:
    """Open a store as its owner."""
    info = store.connection.info
    return open_engine(f"postgresql://postgres@/{info.dbname}?host={info.host}")


def test_the_role_reads_views_that_a_later_version_makes() -> None:
    with postgres_store() as store:
        owner = _engine_of(store)
        with owner.begin() as connection:
            drop_views(connection)
        with pytest.raises(psycopg.errors.UndefinedTable):
            store.ask("SELECT * FROM hosts_v1", whole_demo())
        with owner.begin() as connection:
            create_views(connection)
        owner.dispose()
        assert store.ask("SELECT * FROM hosts_v1", whole_demo()).rows == ()


def test_a_copy_for_grafana_holds_what_the_views_show_and_nothing_else(tmp_path: Path, sqlite: SqliteStore) -> None:
    demo, target = demo_store().copy_to(tmp_path), tmp_path / "folder" / "grafana.sqlite3"
    engine = open_engine(f"sqlite:///{demo.database}")
    for _ in range(2):  # the second takes the place of the first
        rows = copy_views(engine, target)
    engine.dispose()
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    with closing(sqlite3.connect(f"file:{target}?immutable=1", uri=True)) as copied:
        assert copied.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        kinds = copied.execute("SELECT type, name FROM sqlite_master").fetchall()
        assert sorted(kinds) == sorted(("table", name) for name in VIEWS)
        assert rows == {name: copied.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in VIEWS}
        other = SqliteStore(copied)
        for name in VIEWS:
            text = f"SELECT * FROM {name}"
            assert other.ask(text, whole_demo()).sorted == sqlite.ask(text, whole_demo()).sorted


def test_a_file_is_read_while_the_service_writes_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    upgrade(url)
    engine = open_engine(url)
    harness = IngestHarness.at(engine)
    harness.take(submission())
    with sqlite_store(tmp_path / "hpkp.sqlite3") as reader, writing(engine) as connection:
        connection.execute(insert(tables.events).values(at=0, kind="deployed", host=None, text="not yet there"))
        assert reader.ask("SELECT violation_id FROM violations_v1", whole_demo()).rows == ((1.0,),)
        assert reader.ask("SELECT text FROM events_v1", whole_demo()).rows == ()
    engine.dispose()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_older_store_gets_views_and_the_validity_of_its_certificates(database: str, tmp_path: Path) -> None:
    if database == "sqlite":
        _check_upgrade(f"sqlite:///{tmp_path}/hpkp.sqlite3")
    else:
        with postgres_database() as url:
            _check_upgrade(url)


def _check_upgrade(url: str) -> None:
    upgrade(url)
    engine = open_engine(url)
    IngestHarness.at(engine).take(submission())
    before = _validity(engine)
    leaf = make_site().leaf.certificate
    assert (to_ms(leaf.not_valid_before_utc), to_ms(leaf.not_valid_after_utc)) in before.values()
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    config.attributes["url"] = url
    command.downgrade(config, "0006")
    with engine.connect() as connection, pytest.raises(Exception, match="hosts_v1"):
        connection.exec_driver_sql(f"SELECT * FROM {'grafana.' * (engine.dialect.name != 'sqlite')}hosts_v1")
    upgrade(url)
    assert schema_is_current(engine)
    assert _validity(engine) == before
    engine.dispose()


def _validity(engine: Engine) -> dict[bytes, Any]:
    columns = tables.certificates.c
    with engine.connect() as connection:
        rows = connection.execute(select(columns.sha256, columns.not_before, columns.not_after))
        return {bytes(row.sha256): (row.not_before, row.not_after) for row in rows}
