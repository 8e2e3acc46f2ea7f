"""Stores to draw boards over, in SQLite and PostgreSQL: the demo, one of 200 hosts, one of one, and an empty one."""

import copy
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from app.metrics import Metrics
from app.service import now, open_service
from app.settings import Settings
from app.store.engine import now_ms, open_engine, upgrade
from app.store.service_facts import record_public_url
from tests.support.application import settings_for
from tests.support.dashboards.drawn.answers import Sources
from tests.support.dashboards.stores import postgres_store
from tests.support.demo import demo_store
from tests.support.store.ingest_harness import IngestHarness, submission

PAGES = "https://collector.example.net/hpkp"
DAY_MS = 86_400_000
MANY_HOSTS = 200
_COPIED = (
    "hosts",
    "policy_revisions",
    "exposures",
    "verdicts",
    "decision_days",
    "host_hours",
    "host_days",
    "host_clients",
)


def copy_of(board: dict[str, Any]) -> dict[str, Any]:
    """Return a board that a test may change."""
    return copy.deepcopy(board)


def demo(folder: Path) -> Path:
    """Return the demo's store, with a day of which no exposure is known, and an old one that stands alone."""
    path = Path(shutil.copy(demo_store().database, folder / "demo.sqlite3"))
    _record_pages(path)
    with closing(sqlite3.connect(path)) as store, store:
        days = [day for (day,) in store.execute("SELECT DISTINCT day FROM exposures ORDER BY day")]
        store.execute("DELETE FROM exposures WHERE day = ?", (days[-10],))
        store.execute("UPDATE exposures SET day = ? WHERE day = ?", (days[0] - 60 * DAY_MS, days[0]))
    _assess(path)
    return path


def settings_of_demo(path: Path) -> Settings:
    """Return settings of a service over a copy of the demo's store, which changes nothing by itself."""
    made = demo_store()
    return settings_for(
        path.parent,
        database_url=f"sqlite:///{path}",
        trust_anchors=made.roots,
        catalog=made.catalog,
        prune_interval_hours=0,
        verdict_interval_minutes=0,
    )


def _assess(path: Path) -> None:
    """Record the verdicts of now."""
    service = open_service(settings_of_demo(path), Metrics())
    for host in service.readiness.list_hosts():
        service.readiness.record(host, at=now())
    service.engine.dispose()


def many_hosts(folder: Path) -> Path:
    """Return a store of 200 hosts: the demo's, and copies of one of them with long names."""
    path = Path(shutil.copy(demo_store().database, folder / "many-hosts.sqlite3"))
    _record_pages(path)
    with closing(sqlite3.connect(path)) as store, store:
        for number in range(MANY_HOSTS - 6):
            name = f"host-{number:03}.a-department-with-a-long-name.example.com"
            for table in _COPIED:
                _copy_host(store, table, name)
    return path


def _copy_host(store: sqlite3.Connection, table: str, name: str) -> None:
    columns = [column for _, column, *_ in store.execute(f"PRAGMA table_info({table})") if column != "id"]
    host = "name" if table == "hosts" else "host"
    values = ", ".join("?" if column == host else f'"{column}"' for column in columns)
    store.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE {host} = 'shop.example.com'",
        (name,),
    )


def one_host(folder: Path) -> Path:
    """Return a store with one report for one host."""
    path = empty(folder, "one")
    engine = open_engine(f"sqlite:///{path}")
    IngestHarness.at(engine).take(submission(at=now_ms() - 60_000))
    engine.dispose()
    _record_pages(path)
    return path


def empty(folder: Path, name: str = "empty") -> Path:
    """Return an empty store, on which no service ever ran."""
    path = folder / f"{name}.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


def _record_pages(path: Path) -> None:
    engine = open_engine(f"sqlite:///{path}")
    record_public_url(engine, PAGES)
    engine.dispose()


@contextmanager
def in_both(path: Path) -> Iterator[Sources]:
    """Bring a store into PostgreSQL too."""
    with postgres_store(path) as postgres:
        yield Sources(postgres=postgres.url, sqlite=path)
